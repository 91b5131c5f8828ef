"""Fits kept on disk: a search started again takes from there what it had finished."""

import pickle
import warnings
from functools import lru_cache
from pathlib import Path

import joblib
import numpy as np
from sklearn.utils.validation import check_memory

from ._tensorflow import keras, tf


@lru_cache
def _code():
    """Hash what computes a fit, once a process."""
    source = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return joblib.hash([*source, tf.__version__, keras.__version__, np.__version__])


def recall(memory, train, text, *arrays):
    """Return what `train` returns, from `memory` if it has it under text and arrays.

    joblib keeps it under the folder's name of :func:`_outcome`, written whole or
    not at all.
    """
    key = joblib.hash([_code(), text, *arrays])
    kept = check_memory(memory).cache(_outcome, ignore=["train"])(key, train)
    return pickle.loads(kept)


def _outcome(key, train):
    # As bytes, for joblib's own unpickling, in Python, takes a millisecond more.
    return pickle.dumps(train())


def is_of_keras(thing):
    """Return whether this is a name, or a function or class with a name, of Keras'.

    What it does is then told by Keras' version.
    """
    return isinstance(thing, str) or (
        getattr(thing, "__module__", "").startswith("keras.")
        and hasattr(thing, "__qualname__")
    )


def name_of(value):
    """Return what a value is called in every process."""
    return getattr(value, "__qualname__", value)


@lru_cache
def warn_not_kept(reason):
    """Warn, once a process: of a search's thousand fits, each would have a reason."""
    warnings.warn(f"Fits are not kept in memory: {reason}.", stacklevel=2)
