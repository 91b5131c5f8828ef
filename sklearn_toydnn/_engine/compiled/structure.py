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
from .capacity import Capacity

CHUNK = 256  # rows of validation data evaluated at a time
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
    target_shape: tuple[int, ...]
    capacity: Capacity

    @classmethod
    def of(cls, plan: Plan, data: Data) -> "Structure":
        """Return the structure of a plan, with room for the data and some more."""
        sizes = len(data.training), len(data.validation), plan.settings.batch_size
        return cls(
            plan.network,
            plan.optimizer,
            plan.loss,
            plan.loss_fingerprint,
            plan.output_cut,
            data.training.targets.shape[1:],
            Capacity.of(*sizes),
        )

    @property
    def epochs(self) -> int:
        """int: The number of epochs that a program trains at once."""
        n_bytes = self.capacity.rows * row_dtype(self.capacity.rows).itemsize
        return max(1, min(_MAX_EPOCHS, _MAX_ORDER_BYTES // n_bytes))

    @property
    def order_width(self) -> int:
        """int: Entries in an order of the rows, which the last batch may exceed."""
        return self.capacity.rows + self.capacity.batch_size

    def fingerprint(self) -> tuple:
        """Return what is equal for fits that one program serves.

        Raises `NoFingerprint` where nothing tells.
        """
        network = self.network
        *hidden, n_outputs = network.layer_sizes[1:]
        points = self.target_shape, self.capacity
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
            for n in (self.capacity.batch_size, CHUNK)
        )
