"""Errors that give the new name when a name of version 0.2.0 is used."""

from collections.abc import Callable
from functools import wraps
from inspect import signature

import pandas as pd

_PARAMETERS = {"smallest": "margin", "difference": "effect"}
_ATTRIBUTES = {"smallest": "margin", "smallest_for": "margin_for"}
_COLUMNS = {
    "difference": "effect",
    "difference_ci_low": "effect_ci_low",
    "difference_ci_high": "effect_ci_high",
}


def refuse_old_parameters(function: Callable) -> Callable:
    """Wrap a function so that old parameter names raise a TypeError."""
    parameters = signature(function).parameters
    renamed = {old: new for old, new in _PARAMETERS.items() if new in parameters}

    @wraps(function)
    def call(*args, **kwargs):
        for old in renamed.keys() & kwargs:
            raise TypeError(f"The parameter {old!r} was renamed: use {renamed[old]!r}.")
        return function(*args, **kwargs)

    return call


def attribute_error_message(owner: object, name: str) -> str:
    """Return the message of an AttributeError, with the new name if there is one."""
    message = f"{type(owner).__name__!r} object has no attribute {name!r}"
    new = _ATTRIBUTES.get(name)
    return f"{message}: use {new!r}." if new else message


class Summary(pd.DataFrame):
    """A DataFrame whose KeyError gives the new name of an old column."""

    def __getitem__(self, key):
        try:
            return super().__getitem__(key)
        except KeyError as error:
            names = [key] if isinstance(key, str) else key
            old = [name for name in _COLUMNS if name in names]
            if not old:
                raise
            new = ", ".join(f"{name!r} is now {_COLUMNS[name]!r}" for name in old)
            raise KeyError(f"Columns were renamed: {new}.") from error
