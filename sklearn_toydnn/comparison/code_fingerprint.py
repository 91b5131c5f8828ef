"""Fingerprints of the code behind estimators, makers and scorers.

Installed packages enter by their versions. User-defined functions and classes enter by
their loaded bytecode, not their source files, together with the globals they use.
"""

import io
import pickle
import platform
import sys
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType

import joblib

from .._engine.fingerprint import PLAIN, NoFingerprint, fingerprint_process

# Class attributes that differ between processes or do not affect results.
_IGNORED_ATTRIBUTES = (
    "__dict__",
    "__weakref__",
    "__doc__",
    "__firstlineno__",
    "_abc_impl",
)


def fingerprint_code(*objects: object) -> str:
    """Return the fingerprint of the code that objects use, as text.

    Raises `NoFingerprint` if a function or class cannot be imported by its name, such
    as a lambda.
    """
    references = _References(io.BytesIO())
    try:
        references.dump(objects)
    except Exception as error:  # user-defined objects may raise anything
        raise NoFingerprint(str(error)) from error
    seen = {}
    parts = {_path(item): _fingerprint(item, seen) for item in references.items}
    versions = [_version(sys.modules[name]) for name in ("sklearn", "keras")]
    return repr((sorted(parts.items(), key=repr), versions, fingerprint_process()))


class _References(pickle.Pickler):
    """A pickler that collects the functions and classes that objects refer to."""

    def __init__(self, file):
        super().__init__(file)
        self.items = []

    def reducer_override(self, value):
        if isinstance(value, type):
            self.items += value.__mro__
        elif isinstance(value, FunctionType | BuiltinFunctionType):
            self.items.append(value)
        return NotImplemented


def _path(item):
    return f"{item.__module__}.{item.__qualname__}"


def _version(module):
    """Return the name and version of a module's package; None if user-defined."""
    package = module.__name__.partition(".")[0]
    if package in sys.stdlib_module_names:
        return package, platform.python_version()
    version = getattr(sys.modules.get(package), "__version__", None)
    file = Path(getattr(module, "__file__", None) or "")
    ours = __name__.partition(".")[0]
    if version and (package == ours or "site-packages" in file.parts):
        return package, version
    return None


def _fingerprint(value, seen):
    """Return the fingerprint of a function, class or value, built of plain values."""
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, tuple | list):
        return [_fingerprint(item, seen) for item in value]
    if isinstance(value, dict):
        return _fingerprint([*value.items()], seen)
    if isinstance(value, set | frozenset):  # sets have no fixed order
        return sorted(repr(_fingerprint(item, seen)) for item in value)
    if isinstance(value, CodeType):
        constants = [_fingerprint(constant, seen) for constant in value.co_consts]
        return value.co_code, value.co_names, constants
    if isinstance(value, staticmethod | classmethod):
        return _fingerprint(value.__func__, seen)
    if isinstance(value, property):
        return [_fingerprint(part, seen) for part in (value.fget, value.fset)]
    if isinstance(value, ModuleType):
        return _version(value) or value.__name__
    if isinstance(value, type | FunctionType):
        return _fingerprint_definition(value, seen)
    if hasattr(value, "__wrapped__"):  # as of functools.cache
        return _fingerprint(value.__wrapped__, seen)
    try:
        return _fingerprint(type(value), seen), joblib.hash(value)
    except Exception as error:  # user-defined objects may raise anything
        raise NoFingerprint(f"{value!r}: {error}") from error


def _fingerprint_definition(item, seen):
    """Return the package version of a function or class or, if user-defined, its code.

    `seen` holds what is fingerprinted already, since definitions may be recursive.
    """
    module = sys.modules.get(item.__module__)
    version = module and _version(module)
    if version or _path(item) in seen:
        return version, _path(item)
    seen[_path(item)] = item
    if isinstance(item, type):
        return {
            name: _fingerprint(part, seen)
            for name, part in sorted(vars(item).items())
            if name not in _IGNORED_ATTRIBUTES
        }
    used_globals = {
        name: _fingerprint(item.__globals__[name], seen)
        for name in _names_in(item.__code__)
        if name in item.__globals__
    }
    cells = [cell.cell_contents for cell in item.__closure__ or ()]
    parts = item.__code__, item.__defaults__, item.__kwdefaults__, cells
    wrapped = getattr(item, "__wrapped__", None)
    return _fingerprint([*parts, wrapped], seen), used_globals


def _names_in(code):
    """Return the names that code uses, including those of nested functions."""
    nested = [_names_in(part) for part in code.co_consts if isinstance(part, CodeType)]
    return sorted(set(code.co_names).union(*nested))
