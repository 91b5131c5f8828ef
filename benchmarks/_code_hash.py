"""A hash of the code that a study runs: cached tasks of other code are not reused."""

import ast
from functools import cache
from importlib.metadata import version
from importlib.util import resolve_name
from pathlib import Path

import joblib

from sklearn_toydnn import memory

HERE = Path(__file__).parent
# Sources by module name. Read at import time, because files may change during a run.
SOURCES = {
    ".".join(["benchmarks", *path.relative_to(HERE).with_suffix("").parts]): (
        path.read_text(encoding="utf-8")
    )
    for path in HERE.rglob("*.py")
}
PACKAGES = ["scikit-learn", "imbalanced-learn", "pandas", "scipy"]
DEPENDENCIES = [memory.CODE, *map(version, PACKAGES)]


def hash_code_of(module, sources=SOURCES):
    """Return a hash of a module, its imports from benchmarks, and its dependencies."""
    used, pending = {}, [module]
    while pending:
        name = pending.pop()
        if name not in used:
            used[name] = sources[name]
            pending += _imported(name, sources[name])
    return joblib.hash([sorted(used.items()), DEPENDENCIES])


@cache
def _imported(importing, source):
    """List the modules of benchmarks that a module imports."""
    package, names = importing.rpartition(".")[0], []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = resolve_name("." * node.level + (node.module or ""), package)
            # The imported name is a submodule, or a name in the parent module.
            names += [
                child if (child := f"{parent}.{alias.name}") in SOURCES else parent
                for alias in node.names
            ]
    return [
        module
        for name in names
        for module in (name, f"{name}.__init__")
        if module in SOURCES
    ]
