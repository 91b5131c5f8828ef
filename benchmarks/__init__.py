"""The paper's figures and tables, run again: one module for each.

``python -m benchmarks`` runs them all, ``python -m benchmarks.table1_augmentation``
one. Every module says what it measures in its docstring and has the same parts:
the settings of a full and a quick run, ``tasks``, ``measure``, ``summary``, ``plot``.
"""
