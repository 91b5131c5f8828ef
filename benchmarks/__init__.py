"""The paper's figures and tables, run again: one module for each.

``python -m benchmarks`` runs them all, ``python -m benchmarks.table1_augmentation``
one. Every module says what it measures in its docstring and has the same parts:
the settings of a full and a quick run, ``tasks``, ``measure``, ``summary``, ``plot``.
"""

import sys

if sys.argv[:1] == ["-m"]:  # as a program: the seconds of imports are still to come
    from ._ending import leave_on_signals

    leave_on_signals()
