"""Studies that reproduce the paper and measure this package.

``python -m benchmarks`` runs all studies in `paper`. ``python -m benchmarks STUDY``
runs one study, from `paper` or `measurements`. Each study is a module that defines a
`Study`; its docstring states the question.
"""

import sys

if sys.argv[:1] == ["-m"]:  # run as a program: the slow imports are still to come
    from ._signals import exit_on_signals

    exit_on_signals()
