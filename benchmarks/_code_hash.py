"""By which code a study measures: with another one, kept work is done again."""

import ast
from functools import cache
from importlib.metadata import version
from importlib.util import resolve_name
from pathlib import Path

import joblib

from sklearn_toydnn import memory

HERE = Path(__file__).parent
# By names of modules. Read when imported: files may change on disk later.
SOURCES = {
    ".".join(["benchmarks", *path.relative_to(HERE).with_suffix("").parts]): (
        path.read_text(encoding="utf-8")
    )
    for path in HERE.rglob("*.py")
}
PACKAGES = ["scikit-learn", "imbalanced-learn", "pandas", "scipy"]
OTHERS = [memory.CODE, *map(version, PACKAGES)]


def hash_code_of(module, sources=SOURCES):
    """Return a hash of a module, all that it imports of benchmarks, and packages."""
    found, left = {}, [module]
    while left:
        name = left.pop()
        if name not in found:
            found[name] = sources[name]
            left += _imported(name, sources[name])
    return joblib.hash([sorted(found.items()), OTHERS])


@cache
def _imported(importing, source):
    """List the modules of benchmarks that a module imports."""
    package, names = importing.rpartition(".")[0], []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            of = resolve_name("." * node.level + (node.module or ""), package)
            # Of a package, a module; else a name within a module, or within __init__.
            names += [
                one if (one := f"{of}.{alias.name}") in SOURCES else of
                for alias in node.names
            ]
    return [
        module
        for name in names
        for module in (name, f"{name}.__init__")
        if module in SOURCES
    ]
