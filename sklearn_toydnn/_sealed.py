"""Pickles with a hash before them: what the disk has damaged is not read."""

import pickle
from hashlib import blake2b


class Damaged(Exception):
    """These bytes are not what `seal` returned."""


def seal(value: object) -> bytes:
    """Return a value as bytes, from which `unseal` makes it again."""
    packed = pickle.dumps(value)
    return blake2b(packed).digest() + packed


def unseal(sealed: object) -> object:
    """Return the value that was sealed; raise `Damaged` if there is none."""
    if not isinstance(sealed, bytes):
        raise Damaged
    size = blake2b().digest_size
    digest, packed = sealed[:size], sealed[size:]
    if blake2b(packed).digest() != digest:
        raise Damaged
    try:
        return pickle.loads(packed)
    except Exception as error:  # whole, but of classes that are no longer there
        raise Damaged from error
