"""The structure of a fit: everything about it that a compiled program depends on.

Fits with the same structure share a program. Its fingerprint is their cache key.
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

CHUNK = 256  # rows of validation data per evaluation step
_MAX_EPOCHS = 128  # per block, for which the orders of the rows are passed together
_MAX_ORDER_BYTES = 2**24  # limit on the size of these orders


@dataclass(frozen=True)
class Structure:
    """Everything about a fit that is compiled; its numbers are arguments instead."""

    network: Network
    optimizer: OptimizerSpec
    loss: keras.Loss
    loss_fingerprint: tuple | None  # None: the loss has no name in Keras
    output_cut: float  # output that separates two classes
    target_shape: tuple[int, ...]
    capacity: Capacity

    @classmethod
    def of(cls, plan: Plan, data: Data) -> "Structure":
        """Return the structure of a plan, with a capacity for at least the data."""
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
        """int: The maximum number of epochs that a program trains in one call."""
        n_bytes = self.capacity.rows * row_dtype(self.capacity.rows).itemsize
        return max(1, min(_MAX_EPOCHS, _MAX_ORDER_BYTES // n_bytes))

    @property
    def order_width(self) -> int:
        """int: Entries in an order of the rows, with padding for the last batch."""
        return self.capacity.rows + self.capacity.batch_size

    def fingerprint(self) -> tuple:
        """Return the fingerprint, which is equal for all fits that share a program.

        Raises `NoFingerprint` if it would be incomplete.
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
        """Return the name of an activation in Keras, or else the hash of its graph."""
        function = keras.activations.get(activation)
        if is_of_keras(function):
            return fingerprint(function)
        return tuple(self._trace(function, (n_units,)) for n_units in {*layer_sizes})

    def _trace(self, function, *shapes):
        """Trace a function of rows of these shapes, for a batch and for a chunk."""
        return tuple(
            fingerprint_graph(
                function, *((n, *shape) for shape in shapes), dtype=self.network.dtype
            )
            for n in (self.capacity.batch_size, CHUNK)
        )
