"""What training takes and what it returns: data, a state, an outcome.

Records of one call of ``fit``: a classifier keeps what is in them as attributes of its
own, so that saved ones hold arrays and plain Python.
"""

from dataclasses import dataclass

import numpy as np

HISTORY = ["loss", "accuracy", "val_loss", "val_accuracy"]


@dataclass(frozen=True)
class Data:
    """Points, targets and, where there are any, weights: to train and to validate."""

    training: tuple
    validation: tuple

    @property
    def n_rows(self):
        """int: The number of points to train on."""
        return len(self.training[0])

    @property
    def n_validation_rows(self):
        """int: The number of points to validate on."""
        return len(self.validation[0])


@dataclass(frozen=True)
class State:
    """What training changes, and what the next call goes on from."""

    weights: list  # in Keras' order
    seed: int
    epochs_seen: int = 0
    optimizer_state: list | None = None
    optimizer_key: tuple = (None, None)  # whose it is: fingerprint, learning rate

    def row_order(self, n_rows, shuffle):
        """Return the function that gives the order of the rows in an epoch of a call.

        It depends on the seed and the epoch alone, so that calls of `partial_fit`
        continue what `fit` began.
        """
        rows = np.arange(n_rows, dtype=row_dtype(n_rows))

        def order(epoch):
            seed = [self.seed, self.epochs_seen + epoch]
            return np.random.default_rng(seed).permutation(rows)

        return order if shuffle else lambda epoch: rows


@dataclass(frozen=True)
class Outcome:
    """What a state has become, the history by name, and how training ended."""

    state: State
    history: dict
    converged: bool = True
    fell_back: bool = False  # to Keras, where next time it may compile


def row_dtype(n_rows):
    """Return the dtype of row numbers: half the bytes to draw and to copy, or all."""
    return np.dtype(np.uint16 if n_rows <= 2**16 else np.int32)
