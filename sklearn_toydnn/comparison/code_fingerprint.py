"""By which code things are made: versions of packages, and code of the user's own.

The user's own functions and classes are known as they are loaded, by their bytecode,
and with them what they name of their modules: whatever the files say by now.
"""

import io
import pickle
import platform
import sys
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType

import joblib

from .._engine.fingerprint import PLAIN, NoFingerprint, fingerprint_process

# Of classes: what differs from process to process, or is only for readers.
_NO_CODE = ("__dict__", "__weakref__", "__doc__", "__firstlineno__", "_abc_impl")


def fingerprint_code(*things: object) -> str:
    """Return, as text, the code that makes things what they are.

    Raises `NoFingerprint` if they are not to be found again by their names, as lambdas.
    """
    references = _References(io.BytesIO())
    try:
        references.dump(things)
    except Exception as error:  # whatever objects of the user's own raise
        raise NoFingerprint(str(error)) from error
    seen = {}
    found = {_path(thing): _fingerprint(thing, seen) for thing in references.things}
    versions = [_version(sys.modules[name]) for name in ("sklearn", "keras")]
    return repr((sorted(found.items(), key=repr), versions, fingerprint_process()))


class _References(pickle.Pickler):
    """Notes the functions and classes by whose names things are pickled."""

    def __init__(self, file):
        super().__init__(file)
        self.things = []

    def reducer_override(self, thing):
        if isinstance(thing, type):
            self.things += thing.__mro__
        elif isinstance(thing, FunctionType | BuiltinFunctionType):
            self.things.append(thing)
        return NotImplemented


def _path(thing):
    return f"{thing.__module__}.{thing.__qualname__}"


def _version(module):
    """Return the version of an installed module's package, None of the user's own."""
    package = module.__name__.partition(".")[0]
    if package in sys.stdlib_module_names:
        return package, platform.python_version()
    version = getattr(sys.modules.get(package), "__version__", None)
    file = Path(getattr(module, "__file__", None) or "")
    ours = __name__.partition(".")[0]
    if version and (package == ours or "site-packages" in file.parts):
        return package, version
    return None


def _fingerprint(thing, seen):
    """Return what a function, class or plain value is made of, as plain values."""
    if isinstance(thing, PLAIN):
        return repr(thing)
    if isinstance(thing, tuple | list):
        return [_fingerprint(item, seen) for item in thing]
    if isinstance(thing, dict):
        return _fingerprint([*thing.items()], seen)
    if isinstance(thing, set | frozenset):  # in an order of its own
        return sorted(repr(_fingerprint(item, seen)) for item in thing)
    if isinstance(thing, CodeType):
        constants = [_fingerprint(constant, seen) for constant in thing.co_consts]
        return thing.co_code, thing.co_names, constants
    if isinstance(thing, staticmethod | classmethod):
        return _fingerprint(thing.__func__, seen)
    if isinstance(thing, property):
        return [_fingerprint(part, seen) for part in (thing.fget, thing.fset)]
    if isinstance(thing, ModuleType):
        return _version(thing) or thing.__name__
    if isinstance(thing, type | FunctionType):
        return _fingerprint_own(thing, seen)
    if hasattr(thing, "__wrapped__"):  # as functools.cache does
        return _fingerprint(thing.__wrapped__, seen)
    try:
        return _fingerprint(type(thing), seen), joblib.hash(thing)
    except Exception as error:  # whatever objects of the user's own raise
        raise NoFingerprint(f"{thing!r} is not known: {error}") from error


def _fingerprint_own(thing, seen):
    """Return a function's or class' version or, of the user's own, its code."""
    module = sys.modules.get(thing.__module__)
    version = module and _version(module)
    if version or _path(thing) in seen:
        return version, _path(thing)
    seen[_path(thing)] = thing
    if isinstance(thing, type):
        return {
            name: _fingerprint(part, seen)
            for name, part in sorted(vars(thing).items())
            if name not in _NO_CODE
        }
    named = {
        name: _fingerprint(thing.__globals__[name], seen)
        for name in _names_in(thing.__code__)
        if name in thing.__globals__
    }
    cells = [cell.cell_contents for cell in thing.__closure__ or ()]
    parts = thing.__code__, thing.__defaults__, thing.__kwdefaults__, cells
    wrapped = getattr(thing, "__wrapped__", None)
    return _fingerprint([*parts, wrapped], seen), named


def _names_in(code):
    """Return the names that code uses, with those of the functions within it."""
    inner = [_names_in(part) for part in code.co_consts if isinstance(part, CodeType)]
    return sorted(set(code.co_names).union(*inner))
