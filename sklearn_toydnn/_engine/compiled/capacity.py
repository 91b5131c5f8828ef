"""The number of rows that a compiled program can process.

This module does not import TensorFlow, because the server of the playground uses it and
does not import TensorFlow either.
"""

from typing import NamedTuple

_MIN_ROWS = 4096  # padding costs a copy of the data, each new capacity a compilation


class Capacity(NamedTuple):
    """The numbers of rows: per batch, of the training set and of the validation set."""

    batch_size: int
    rows: int
    validation_rows: int

    @classmethod
    def of(cls, n_rows: int, n_validation: int, batch_size: int) -> "Capacity":
        """Return a capacity for at least these rows; `batch_size` -1 means all rows."""
        # A batch of all rows is padded too, so that other sizes can use the program.
        n_padded = _power_of_two(n_rows)
        return cls(
            n_padded if batch_size == -1 else min(batch_size, n_padded),
            max(_MIN_ROWS, n_padded),
            n_validation and max(_MIN_ROWS, _power_of_two(n_validation)),
        )


def _power_of_two(n):
    """Return the smallest power of two that is at least n."""
    return 1 << (n - 1).bit_length()
