"""What training takes and returns: a plan, data and a state; an outcome.

They are records of one call of ``fit``: a classifier keeps what is in them as
attributes of its own, so that saved ones hold arrays and plain Python.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from typing import Any, Literal

import numpy as np

from .loss import takes_numbers
from .network import Network, Weights
from .optimizer import OptimizerSpec
from .tensorflow import keras

HISTORY = ["loss", "accuracy", "val_loss", "val_accuracy"]


@dataclass(frozen=True)
class Stopping:
    """When to stop early: `DNNClassifier` says what each means."""

    n_iter_no_change: float = 10
    tol: float = 1e-4


@dataclass(frozen=True)
class Settings:
    """How to train, as far as it is numbers and switches; with a user's defaults."""

    batch_size: int = 32  # -1: all rows
    dropout_rate: float = 0.2
    shuffle: bool = True
    stopping: Stopping | None = None
    run_eagerly: bool = False
    jit_compile: bool | Literal["auto"] = "auto"
    verbose: int = 0
    memory: Any = None  # as joblib's; None keeps nothing
    is_seeded: bool = True  # else no other fit is meant to be the same


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be trained, and how."""

    network: Network
    optimizer: OptimizerSpec
    loss: keras.Loss
    loss_fingerprint: tuple | None = None  # by its name in Keras, where it has one
    output_cut: float = 0.5  # where two classes part in the output: at 0 in logits
    initializer: str | keras.Initializer = "glorot_uniform"
    settings: Settings = field(default_factory=Settings)

    @property
    def n_classes(self) -> int:
        """int: Two for a single output, else one per output."""
        return max(2, self.network.layer_sizes[-1])

    @cached_property
    def targets_are_numbers(self) -> bool:
        """bool: Whether targets are the numbers of the classes, not one-hot rows."""
        return self.n_classes == 2 or takes_numbers(self.loss)

    @property
    def dropout_rate(self) -> float:
        """float: The share dropped of the last hidden layer; 0 where there is none."""
        has_hidden = len(self.network.layer_sizes) > 2
        return self.settings.dropout_rate if has_hidden else 0.0

    def initial_state(self, seed: int) -> "State":
        """Draw the initial weights from a seed."""
        return State(self.network.initial_weights(self.initializer, seed), seed)

    def encode(self, classes: np.ndarray) -> np.ndarray:
        """Return what the loss compares outputs with, for the numbers of classes.

        A column of numbers or, for most losses of many classes, one-hot rows.
        """
        if self.targets_are_numbers:
            return classes[:, None].astype(self.network.dtype)
        return np.eye(self.n_classes, dtype=self.network.dtype)[classes]

    def decode(self, targets: np.ndarray) -> np.ndarray:
        """Return the numbers of the classes that targets stand for."""
        if self.targets_are_numbers:
            return targets[:, 0].astype(int)
        return targets.argmax(axis=1)

    def shapes(self, n_rows: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the shapes of the targets and of the outputs of so many rows."""
        n_outputs = self.network.layer_sizes[-1]
        n_targets = 1 if self.targets_are_numbers else n_outputs
        return (n_rows, n_targets), (n_rows, n_outputs)

    def n_in_batch(self, n_rows: int) -> int:
        """Return the number of rows of a batch, of so many rows in all."""
        batch_size = self.settings.batch_size
        return n_rows if batch_size == -1 else min(batch_size, n_rows)

    def n_steps(self, n_rows: int) -> int:
        """Return the number of gradients taken in an epoch."""
        return ceil(n_rows / self.n_in_batch(n_rows))


@dataclass(frozen=True)
class Points:
    """Rows to train or to validate on."""

    X: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self):
        return len(self.X)

    def __getitem__(self, rows) -> "Points":
        weights = None if self.weights is None else self.weights[rows]
        return Points(self.X[rows], self.targets[rows], weights)

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Return them as Keras takes them: two arrays, or three."""
        two = self.X, self.targets
        return two if self.weights is None else (*two, self.weights)


@dataclass(frozen=True)
class Data:
    """Points to train on, and to validate on: no rows where there are none."""

    training: Points
    validation: Points
    # By which validation points count in the score of early stopping.
    score_weights: np.ndarray | None = None


@dataclass(frozen=True)
class State:
    """What training changes, and what the next call goes on from."""

    weights: Weights
    seed: int
    epochs_seen: int = 0
    optimizer_state: list[np.ndarray] | None = None
    optimizer: tuple[str | None, float | None] = (None, None)  # whose state it is

    def row_order(self, n_rows: int, shuffle: bool) -> Callable[[int], np.ndarray]:
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
    history: dict[str, list[float]]
    converged: bool = True
    fell_back: bool = False  # to Keras, where next time it may compile


def row_dtype(n_rows: int) -> np.dtype:
    """Return the dtype of row numbers: half the bytes to draw and to copy, or all."""
    return np.dtype(np.uint16 if n_rows <= 2**16 else np.int32)
