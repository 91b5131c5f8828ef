"""The arguments and results of training: plan, data, state and outcome.

They describe one call of ``fit``. A classifier copies their contents into its own
attributes, so that saved classifiers contain only arrays and plain Python objects.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from typing import Any, Literal

import numpy as np

from .loss import takes_class_indices
from .network import Network, Weights
from .optimizer import OptimizerSpec
from .tensorflow import keras

HISTORY = ["loss", "accuracy", "val_loss", "val_accuracy"]


@dataclass(frozen=True)
class Stopping:
    """The settings of early stopping, see `DNNClassifier`."""

    n_iter_no_change: float = 10
    tol: float = 1e-4


@dataclass(frozen=True)
class Settings:
    """The numbers and switches of training, with the defaults of `DNNClassifier`."""

    batch_size: int = 32  # -1: all rows in one batch
    dropout_rate: float = 0.2
    shuffle: bool = True
    stopping: Stopping | None = None
    run_eagerly: bool = False
    jit_compile: bool | Literal["auto"] = "auto"
    verbose: int = 0
    memory: Any = None  # folder or joblib.Memory; None: do not cache fits
    is_seeded: bool = True  # False: random_state=None, every fit differs


@dataclass(frozen=True, eq=False)
class Plan:
    """The network to train, its optimizer and loss, and the settings of training."""

    network: Network
    optimizer: OptimizerSpec
    loss: keras.Loss
    loss_fingerprint: tuple | None = None  # None: the loss has no name in Keras
    output_cut: float = 0.5  # output that separates two classes; 0 for logits
    initializer: str | keras.Initializer = "glorot_uniform"
    settings: Settings = field(default_factory=Settings)

    @property
    def n_classes(self) -> int:
        """int: 2 for a single output, otherwise the number of outputs."""
        return max(2, self.network.layer_sizes[-1])

    @cached_property
    def has_index_targets(self) -> bool:
        """bool: Whether targets are class indices instead of one-hot rows."""
        return self.n_classes == 2 or takes_class_indices(self.loss)

    @property
    def dropout_rate(self) -> float:
        """float: The dropout rate of the last hidden layer; 0 without hidden layers."""
        has_hidden = len(self.network.layer_sizes) > 2
        return self.settings.dropout_rate if has_hidden else 0.0

    def initial_state(self, seed: int) -> "State":
        """Draw the initial weights from a seed."""
        return State(self.network.initial_weights(self.initializer, seed), seed)

    def encode(self, classes: np.ndarray) -> np.ndarray:
        """Return the targets of the loss for class indices.

        They are a column of indices or, for most losses of three or more classes,
        one-hot rows.
        """
        if self.has_index_targets:
            return classes[:, None].astype(self.network.dtype)
        return np.eye(self.n_classes, dtype=self.network.dtype)[classes]

    def decode(self, targets: np.ndarray) -> np.ndarray:
        """Return the class indices of targets."""
        if self.has_index_targets:
            return targets[:, 0].astype(int)
        return targets.argmax(axis=1)

    def shapes(self, n_rows: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the shapes of the targets and the outputs of `n_rows` rows."""
        n_outputs = self.network.layer_sizes[-1]
        n_targets = 1 if self.has_index_targets else n_outputs
        return (n_rows, n_targets), (n_rows, n_outputs)

    def rows_per_batch(self, n_rows: int) -> int:
        """Return the number of rows per batch for a training set of `n_rows` rows."""
        batch_size = self.settings.batch_size
        return n_rows if batch_size == -1 else min(batch_size, n_rows)

    def n_steps(self, n_rows: int) -> int:
        """Return the number of gradient steps per epoch."""
        return ceil(n_rows / self.rows_per_batch(n_rows))


@dataclass(frozen=True)
class Points:
    """The samples, targets and sample weights of a training or validation set."""

    X: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self):
        return len(self.X)

    def __getitem__(self, rows) -> "Points":
        weights = None if self.weights is None else self.weights[rows]
        return Points(self.X[rows], self.targets[rows], weights)

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Return X, targets and, if there are any, weights, as Keras expects them."""
        arrays = self.X, self.targets
        return arrays if self.weights is None else (*arrays, self.weights)


@dataclass(frozen=True)
class Data:
    """The training set and the validation set, which may have no rows."""

    training: Points
    validation: Points
    # The weights of the validation points in the score of early stopping.
    score_weights: np.ndarray | None = None


@dataclass(frozen=True)
class State:
    """The weights and the optimizer state, from which training can continue."""

    weights: Weights
    seed: int
    epochs_seen: int = 0
    optimizer_state: list[np.ndarray] | None = None
    optimizer: tuple[str | None, float | None] = (None, None)  # its `state_key`

    def row_order(self, n_rows: int, shuffle: bool) -> Callable[[int], np.ndarray]:
        """Return a function that maps the number of an epoch to the order of the rows.

        The order depends only on the seed and the number of epochs before, so that
        `partial_fit` continues the sequence of `fit`.
        """
        rows = np.arange(n_rows, dtype=row_dtype(n_rows))

        def order(epoch):
            seed = [self.seed, self.epochs_seen + epoch]
            return np.random.default_rng(seed).permutation(rows)

        return order if shuffle else lambda epoch: rows


@dataclass(frozen=True)
class Outcome:
    """The state after training, the training history, and how training ended."""

    state: State
    history: dict[str, list[float]]
    converged: bool = True
    fell_back: bool = False  # to Keras, as compiling failed; it may succeed next time


def row_dtype(n_rows: int) -> np.dtype:
    """Return the smallest dtype of row numbers, to draw and copy fewer bytes."""
    return np.dtype(np.uint16 if n_rows <= 2**16 else np.int32)
