"""What a compiled program is of: everything about a fit but its numbers.

Fits of one structure share a program, and its fingerprint is their cache key.
"""

from dataclasses import dataclass

from ..fingerprint import (
    fingerprint,
    fingerprint_graph,
    fingerprint_process,
    is_of_keras,
)
from ..network import Network
from ..optimizer import OptimizerSpec
from ..records import Data, Plan, row_dtype
from ..tensorflow import keras

CHUNK = 256  # rows of validation data evaluated at a time
_MIN_ROWS = 4096  # padding costs a copy of the data, another capacity a compilation
_MAX_EPOCHS = 128  # whose orders of the rows are handed over at once,
_MAX_ORDER_BYTES = 2**24  # if they take no more than this


@dataclass(frozen=True)
class Structure:
    """What is compiled: everything about a fit but its numbers."""

    network: Network
    optimizer: OptimizerSpec
    loss: keras.Loss
    loss_fingerprint: tuple | None  # by its name in Keras, where it has one
    output_cut: float  # where two classes part in the output
    batch_size: int
    target_shape: tuple[int, ...]
    rows: int
    validation_rows: int

    @classmethod
    def of(cls, plan: Plan, data: Data) -> "Structure":
        """Return the structure of a plan, with room for the data and some more."""
        n_rows, n_val = len(data.training), len(data.validation)
        # A batch of everything is filled up too, to serve other sizes.
        everything = _capacity(n_rows, 1)
        return cls(
            plan.network,
            plan.optimizer,
            plan.loss,
            plan.loss_fingerprint,
            plan.output_cut,
            plan.n_in_batch(everything),
            data.training.targets.shape[1:],
            _capacity(n_rows, _MIN_ROWS),
            n_val and _capacity(n_val, _MIN_ROWS),
        )

    @property
    def epochs(self) -> int:
        """int: The number of epochs that a program trains at once."""
        n_bytes = self.rows * row_dtype(self.rows).itemsize
        return max(1, min(_MAX_EPOCHS, _MAX_ORDER_BYTES // n_bytes))

    @property
    def order_width(self) -> int:
        """int: Entries in an order of the rows, which the last batch may exceed."""
        return self.rows + self.batch_size

    def fingerprint(self) -> tuple:
        """Return what is equal for fits that one program serves.

        Raises `NoFingerprint` where nothing tells.
        """
        network = self.network
        *hidden, n_outputs = network.layer_sizes[1:]
        points = self.batch_size, self.target_shape, self.rows, self.validation_rows
        return (
            fingerprint_process(),
            (network.layer_sizes, network.dtype, self.output_cut, points, self.epochs),
            self._fingerprint_activation(network.activation, hidden),
            self._fingerprint_activation(network.output_activation, [n_outputs]),
            self.loss_fingerprint
            or self._trace(self.loss, self.target_shape, (n_outputs,), ()),
            self.loss.reduction,
            self.optimizer.fingerprint(network),
        )

    def _fingerprint_activation(self, activation, layer_sizes):
        """Return an activation's name in Keras, or else what it computes."""
        function = keras.activations.get(activation)
        if is_of_keras(function):
            return fingerprint(function)
        return tuple(self._trace(function, (n_units,)) for n_units in {*layer_sizes})

    def _trace(self, function, *shapes):
        """Trace a function of rows of these shapes, as many as there are at a time."""
        return tuple(
            fingerprint_graph(
                function, *((n, *shape) for shape in shapes), dtype=self.network.dtype
            )
            for n in (self.batch_size, CHUNK)
        )


def _capacity(n, minimum):
    """Return the smallest power of two that is at least n and the minimum."""
    return max(minimum, 1 << (n - 1).bit_length())
