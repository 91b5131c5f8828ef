"""For how many rows a compiled program has room.

Imports no TensorFlow: the playground's server asks too, which does without it.
"""

from typing import NamedTuple

_MIN_ROWS = 4096  # padding costs a copy of the data, another capacity a compilation


class Capacity(NamedTuple):
    """Rows in a batch, rows to train on, and rows to validate on."""

    batch_size: int
    rows: int
    validation_rows: int

    @classmethod
    def of(cls, n_rows: int, n_validation: int, batch_size: int) -> "Capacity":
        """Return the room for so many rows and some more; a batch of -1 is of all."""
        # A batch of everything is filled up too, to serve other sizes.
        everything = _power_of_two(n_rows)
        return cls(
            everything if batch_size == -1 else min(batch_size, everything),
            max(_MIN_ROWS, everything),
            n_validation and max(_MIN_ROWS, _power_of_two(n_validation)),
        )


def _power_of_two(n):
    """Return the smallest power of two that is at least n."""
    return 1 << (n - 1).bit_length()
