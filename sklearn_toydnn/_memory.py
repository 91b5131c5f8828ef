"""Fits kept on disk: a search started again takes from there what it had finished."""

import pickle
import warnings
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from types import FunctionType

import joblib
import numpy as np
from sklearn.utils.validation import check_memory

from ._tensorflow import keras, tf


def _hash_code():
    source = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return joblib.hash([*source, tf.__version__, keras.__version__, np.__version__])


# What computes a fit. Hashed as it is imported: it may change on disk later.
CODE = _hash_code()


class NotToBeKept(Exception):
    """What was computed, its one argument, is not what another call would compute."""


def recall(memory, compute, text, *arrays):
    """Return what `compute` returns, from `memory` if it has it under text and arrays.

    joblib keeps what :func:`_outcome` returns, written whole or not at all; what the
    disk has damaged since is computed again.
    """
    key = joblib.hash([CODE, text, *arrays])
    memory = _folder(memory)
    location = getattr(memory, "location", None)  # any object with `cache` will do
    kept = memory.cache(_outcome_in(location), ignore=["compute"])
    try:
        found = kept(key, compute)
        if not _is_intact(found):
            found, _ = kept.call(key, compute)
    except NotToBeKept as computed:
        return computed.args[0]
    return pickle.loads(found[1])


def _is_intact(found):
    match found:
        case bytes(digest), bytes(outcome):
            return digest == _digest(outcome)
    return False


def _folder(memory):
    """Return a joblib.Memory, or say that there can be no folder."""
    try:
        return check_memory(memory)
    except OSError as error:
        raise ValueError(f"memory={memory!r} cannot be a folder: {error}") from error


def _outcome(key, compute):
    # As bytes, for joblib's own unpickling, in Python, takes a millisecond more.
    outcome = pickle.dumps(compute())
    return _digest(outcome), outcome


@lru_cache
def _outcome_in(location):
    """Return `_outcome` as a function of its own for each folder.

    joblib writes a function's source into the first folder that a process keeps its
    results in, and misses it in the others.
    """
    return FunctionType(_outcome.__code__, globals(), _outcome.__name__)


def _digest(outcome):
    return blake2b(outcome).digest()


@lru_cache
def warn_not_kept(reason):
    """Warn, once a process: of a search's thousand fits, each would have a reason."""
    warnings.warn(f"Fits are not kept in memory: {reason}.", stacklevel=2)
