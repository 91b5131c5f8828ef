"""The names of version 0.2.0: using one raises an error that gives the new name."""

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
    """Return the function, which raises a TypeError for the old names of parameters."""
    parameters = signature(function).parameters
    renamed = {old: new for old, new in _PARAMETERS.items() if new in parameters}

    @wraps(function)
    def call(*args, **kwargs):
        for old in renamed.keys() & kwargs:
            raise TypeError(
                f"The parameter {old!r} has a new name: use {renamed[old]!r}."
            )
        return function(*args, **kwargs)

    return call


def describe_missing(owner: object, name: str) -> str:
    """Return the message of an AttributeError, with the new name of an old one."""
    message = f"{type(owner).__name__!r} object has no attribute {name!r}"
    new = _ATTRIBUTES.get(name)
    return f"{message}: use {new!r}." if new else message


class Summary(pd.DataFrame):
    """A frame whose KeyError for the old name of a column gives the new name."""

    def __getitem__(self, key):
        try:
            return super().__getitem__(key)
        except KeyError as error:
            names = [key] if isinstance(key, str) else key
            old = [name for name in _COLUMNS if name in names]
            if not old:
                raise
            new = ", ".join(f"{name!r} is now {_COLUMNS[name]!r}" for name in old)
            raise KeyError(f"Columns have new names: {new}.") from error
