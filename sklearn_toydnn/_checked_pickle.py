"""Pickles with a hash in front, so that damaged files are detected and not read."""

import pickle
from hashlib import blake2b


class CorruptError(Exception):
    """The data cannot be loaded: it is damaged or was not written by `dumps`."""


def dumps(value: object) -> bytes:
    """Return a value as bytes, with a hash in front."""
    pickled = pickle.dumps(value)
    return blake2b(pickled).digest() + pickled


def loads(sealed: object) -> object:
    """Return the value from bytes made by `dumps`, or raise `CorruptError`."""
    if not isinstance(sealed, bytes):
        raise CorruptError
    size = blake2b().digest_size
    digest, pickled = sealed[:size], sealed[size:]
    if blake2b(pickled).digest() != digest:
        raise CorruptError
    try:
        return pickle.loads(pickled)
    except Exception as error:  # undamaged, but a class no longer exists
        raise CorruptError from error
