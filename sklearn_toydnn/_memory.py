"""Fits kept on disk: a search started again takes from there what it had finished."""

import pickle
import warnings
from functools import lru_cache
from hashlib import blake2b
from numbers import Number
from pathlib import Path

import joblib
import numpy as np
from sklearn.utils.validation import check_memory

from ._tensorflow import keras, tf


def _hash_code():
    source = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return joblib.hash([*source, tf.__version__, keras.__version__, np.__version__])


# What computes a fit. Hashed as it is imported: it may change on disk later.
CODE = _hash_code()


def recall(memory, compute, text, *arrays):
    """Return what `compute` returns, from `memory` if it has it under text and arrays.

    joblib keeps what :func:`_outcome` returns, written whole or not at all; what the
    disk has damaged since is computed again.
    """
    key = joblib.hash([CODE, text, *arrays])
    kept = check_memory(memory).cache(_outcome, ignore=["compute"])
    digest, outcome = kept(key, compute)
    if digest != _digest(outcome):
        _, outcome = kept.call(key, compute)[0]
    return pickle.loads(outcome)


def _outcome(key, compute):
    # As bytes, for joblib's own unpickling, in Python, takes a millisecond more.
    outcome = pickle.dumps(compute())
    return _digest(outcome), outcome


def _digest(outcome):
    return blake2b(outcome).digest()


def is_of_keras(thing):
    """Return whether this is a name, or a function or class with a name, of Keras'.

    What it does is then told by Keras' version.
    """
    return isinstance(thing, str) or (
        getattr(thing, "__module__", "").startswith("keras.")
        and hasattr(thing, "__qualname__")
    )


def is_plain(config):
    """Return whether a configuration says everything: values, and Keras' objects."""
    if isinstance(config, dict):
        serialized = "class_name" in config
        return all(map(is_plain, config.values())) and (
            not serialized or str(config.get("module")).startswith("keras")
        )
    if isinstance(config, list | tuple):
        return all(map(is_plain, config))
    return config is None or isinstance(config, str | Number | np.generic)


def name_of(value):
    """Return what a value is called in every process."""
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return value


@lru_cache
def warn_not_kept(reason):
    """Warn, once a process: of a search's thousand fits, each would have a reason."""
    warnings.warn(f"Fits are not kept in memory: {reason}.", stacklevel=2)
