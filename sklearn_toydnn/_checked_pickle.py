"""Pickles with a hash before them: what the disk has damaged is not read."""

import pickle
from hashlib import blake2b


class CorruptError(Exception):
    """These bytes are not what `dumps` returned."""


def dumps(value: object) -> bytes:
    """Return a value as bytes, from which `loads` makes it again."""
    packed = pickle.dumps(value)
    return blake2b(packed).digest() + packed


def loads(sealed: object) -> object:
    """Return the value that was sealed; raise `CorruptError` if there is none."""
    if not isinstance(sealed, bytes):
        raise CorruptError
    size = blake2b().digest_size
    digest, packed = sealed[:size], sealed[size:]
    if blake2b(packed).digest() != digest:
        raise CorruptError
    try:
        return pickle.loads(packed)
    except Exception as error:  # whole, but of classes that are no longer there
        raise CorruptError from error
