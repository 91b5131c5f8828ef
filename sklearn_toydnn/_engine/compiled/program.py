"""Programs, which are training loops compiled by XLA, and their runs on data.

With TensorFlow, Keras optimizers cannot be applied statelessly. Each program therefore
has its own variables. A call copies weights and optimizer state to the variables,
trains, and returns their new values. Only one thread at a time may use a program.
Epochs are trained in blocks.
"""

import time
from collections.abc import Callable

import numpy as np

from ..callbacks import end_epoch, name_scores
from ..network import Weights
from ..optimizer import OptimizerSpec
from ..records import Data, Points, State, row_dtype
from ..tensorflow import tf
from .structure import Structure
from .training_loop import Blueprint

# isort: split
# To call a function by its name in the blueprint. `tf.function` would rename it.
from tensorflow.python.eager import context, execute

_SECONDS = 1.0  # per call, after which Python handles signals


def _pad_points(points: Points, n_rows: int) -> list[tf.Tensor]:
    """Return points, targets and weights, padded with zeros to `n_rows` rows."""
    weights = points.weights
    if weights is None:
        weights = np.ones(len(points), points.X.dtype)
    padded = []
    for array in (points.X, points.targets, weights):
        full = np.zeros((n_rows, *array.shape[1:]), array.dtype)
        full[: len(array)] = array
        padded.append(tf.constant(full))
    return padded


class Program:
    """The compiled training loop of one structure, created from a blueprint.

    `tensors` are the captured tensors that are not variables of the program.
    """

    def __init__(
        self, structure: Structure, blueprint: Blueprint, tensors: list | tuple = ()
    ):
        self.structure, self.blueprint, self.tensors = structure, blueprint, tensors
        _register(blueprint.functions)
        self._variables = [
            spec and tf.Variable(tf.zeros(*spec)) for spec in blueprint.variables
        ]
        tensors = iter(tensors)
        self._captured = [
            next(tensors) if variable is None else variable.handle
            for variable in self._variables
        ]

    def copy(self) -> "Program":
        """Return another program of the same blueprint, without a new compilation."""
        return Program(self.structure, self.blueprint, self.tensors)

    def warm_up(self):
        """Compile with a call for zero epochs, since XLA compiles in the first call."""
        network, targets = self.structure.network, self.structure.target_shape
        shapes = (0, network.layer_sizes[0]), (0, *targets)
        points = Points(*(np.zeros(shape, network.dtype) for shape in shapes))
        weights = [np.zeros(s, network.dtype) for s in network.weight_shapes()]
        run = Run(self, Data(points, points), None, 0, 0.0, 0)
        run.train_at_once(weights, self._initial_state(weights), range(0))

    def optimizer_state(self, spec: OptimizerSpec, state: State) -> list[np.ndarray]:
        """Return the initial optimizer state: the one in `state`, or a new one."""
        settings, learning_rate = state.optimizer
        if state.optimizer_state is None or settings != spec.settings:
            start = self._initial_state(state.weights.in_keras_order())
            return self._with_rate(start, spec.learning_rate)
        if learning_rate != spec.learning_rate:
            return self._with_rate(state.optimizer_state, spec.learning_rate)
        return state.optimizer_state

    def _initial_state(self, weights):
        """Return a new optimizer state, in which some arrays may copy the weights."""
        state = list(self.blueprint.state)
        for i, j in self.blueprint.copies:
            state[i] = weights[j]
        return state

    def _with_rate(self, state, learning_rate):
        """Return the optimizer state with a learning rate (None: the default)."""
        i = self.blueprint.rate_index
        if i is None:
            return state
        state, default = list(state), self.blueprint.state[i]
        rate = default if learning_rate is None else learning_rate
        state[i] = np.asarray(rate, default.dtype)
        return state

    def __call__(self, weights, state, *arguments):
        """Train. Weights and optimizer state have the layout of Keras."""
        packing, state_packing = self.blueprint.packing, self.blueprint.state_packing
        arrays = [*packing.pack(weights), *state_packing.pack(state)]
        tensors = [tf.convert_to_tensor(array) for array in arrays]
        arguments = [*tensors, *tf.nest.flatten(arguments), *self._captured]
        n_weights, n_state = len(weights), len(state_packing.parts)
        *arrays, history = _call(
            self.blueprint.name, arguments, n_weights + n_state + 1
        )
        arrays = [np.asarray(tensor) for tensor in arrays]
        state = state_packing.unpack(arrays[n_weights:])
        return arrays[:n_weights], state, history.numpy()


def _register(graph):
    """Register the functions in the library of a serialized graph in TensorFlow."""
    library = tf.compat.v1.GraphDef.FromString(graph).library
    for function in library.function:
        context.context().add_function_def(function)


def _call(name, arguments, n_outputs):
    """Call a registered function by its name."""
    attributes = "executor_type", "", "config_proto", b""
    return execute.execute(name, n_outputs, arguments, attributes, context.context())


class Run:
    """A run of a program on the data of one fit.

    Each call of the program takes about a second. In between, Python handles Ctrl-C,
    calls `check`, which may raise an error, and draws the orders of the rows for the
    next epochs.
    """

    def __init__(
        self,
        program: Program,
        data: Data,
        order: Callable[[int], np.ndarray],
        n_epochs: int,
        dropout_rate: float,
        seed: int,
        check: Callable[[], None] = lambda: None,
    ):
        structure = program.structure
        self._program, self._check = program, check
        self._order, self._n_epochs = order, n_epochs
        self._n_rows, self._n_val = len(data.training), len(data.validation)
        self._points = (
            _pad_points(data.training, structure.capacity.rows),
            _pad_points(data.validation, structure.capacity.validation_rows),
        )
        self._dropout_rate = tf.constant(dropout_rate, structure.network.dtype)
        self._seed = tf.constant(seed, tf.int64)
        self._block, self._orders = range(0), None
        # An upper estimate, which the first measurement replaces.
        n_numbers = sum(map(np.prod, structure.network.weight_shapes()))
        n_batches = self._n_rows / structure.capacity.batch_size
        n_products = n_numbers * (self._n_rows + self._n_val)
        self._seconds_per_epoch = 5e-5 * n_batches + 5e-9 * n_products

    def __call__(
        self,
        weights: Weights,
        state: list[np.ndarray],
        epochs: range,
        watchers: list | tuple = (),
    ) -> tuple[Weights, list[np.ndarray], np.ndarray]:
        """Train for a range of epochs, starting from weights and an optimizer state.

        With watchers, epochs are trained one at a time. Returns weights, state and the
        history. The history has one row per epoch, with loss and accuracy and, if there
        is validation data, validation loss and validation accuracy.
        """
        history, stop = [], False
        while epochs and not stop:
            self._check()
            for watcher in watchers:
                watcher.begin()
            n_at_once = (
                1 if watchers else max(1, int(_SECONDS / self._seconds_per_epoch))
            )
            n_at_once = min(n_at_once, len(self._block_from(epochs.start)))
            chunk, epochs = epochs[:n_at_once], epochs[n_at_once:]
            start = time.perf_counter()
            arrays = weights.in_keras_order()
            arrays, state, scores = self.train_at_once(arrays, state, chunk)
            weights = Weights.of_keras(arrays)
            self._seconds_per_epoch = (time.perf_counter() - start) / len(chunk)
            history.append(scores)
            stop = end_epoch(watchers, weights, name_scores(scores[-1]))
        return weights, state, np.concatenate(history)

    def train_at_once(self, weights, state, epochs):
        """Train for epochs of one block in one call of the program.

        Weights are arrays in the order of Keras.
        """
        first, last = epochs.start - self._block.start, epochs.stop - self._block.start
        weights, state, history = self._program(
            weights,
            state,
            *self._points,
            self._orders if self._block else self._pad_orders(range(0)),
            self._dropout_rate,
            self._seed,
            tf.constant([self._n_rows, self._n_val, first, last], tf.int32),
        )
        return weights, state, history[first:last]

    def _block_from(self, epoch):
        """Return the rest of the block from this epoch, or begin a new block."""
        if epoch not in self._block:
            self._orders = None  # free the memory before drawing new orders
            n_epochs = self._program.structure.epochs
            self._block = range(epoch, min(epoch + n_epochs, self._n_epochs))
            self._orders = self._pad_orders(self._block)
        return self._block[self._block.index(epoch) :]

    def _pad_orders(self, epochs):
        """Return the orders of the rows in these epochs, padded with zeros."""
        structure = self._program.structure
        orders = np.zeros(
            (structure.epochs, structure.order_width),
            row_dtype(structure.capacity.rows),
        )
        for i, epoch in enumerate(epochs):
            orders[i, : self._n_rows] = self._order(epoch)
        return tf.constant(orders)
