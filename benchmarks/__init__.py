"""The paper's figures and tables, run again, and what this package costs.

``python -m benchmarks`` runs all of `paper`, ``python -m benchmarks NAME`` one of
them or of `measurements`. Each module there says what it asks, and makes a `Study`.
"""

import sys

if sys.argv[:1] == ["-m"]:  # as a program: the seconds of imports are still to come
    from ._signals import leave_on_signals

    leave_on_signals()
