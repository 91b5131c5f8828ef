"""A traced loop, compiled by XLA, at work on the data of fits.

Keras' TensorFlow optimizers cannot be applied statelessly. Each program therefore
has variables of its own, into which a call copies what it is given and out of which
it returns what has become of it; one thread at a time may do so. Epochs are trained in
blocks.
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
# To call a function by a name of ours: `tf.function` gives each one of its own.
from tensorflow.python.eager import context, execute

_SECONDS = 1.0  # after which Python hears of signals


def _pad_points(points: Points, n_rows: int) -> list[tf.Tensor]:
    """Return points, targets and weights, filled up with zeros to so many rows."""
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
    """The compiled training of one structure, by a blueprint.

    `others` are the tensors in it that are not its own variables.
    """

    def __init__(
        self, structure: Structure, blueprint: Blueprint, others: list | tuple = ()
    ):
        self.structure, self.blueprint, self.others = structure, blueprint, others
        _register(blueprint.functions)
        self._variables = [
            spec and tf.Variable(tf.zeros(*spec)) for spec in blueprint.variables
        ]
        others = iter(others)
        self._captured = [
            next(others) if variable is None else variable.handle
            for variable in self._variables
        ]

    def again(self) -> "Program":
        """Return another program of the same blueprint: XLA need not compile it."""
        return Program(self.structure, self.blueprint, self.others)

    def warm_up(self):
        """Compile: XLA does so in the first call, here one of no epochs."""
        network, targets = self.structure.network, self.structure.target_shape
        shapes = (0, network.layer_sizes[0]), (0, *targets)
        points = Points(*(np.zeros(shape, network.dtype) for shape in shapes))
        weights = [np.zeros(s, network.dtype) for s in network.weight_shapes()]
        run = Run(self, Data(points, points), None, 0, 0.0, 0)
        run.train_at_once(weights, self._initial_state(weights), range(0))

    def optimizer_state(self, spec: OptimizerSpec, state: State) -> list[np.ndarray]:
        """Return the optimizer's state to begin with: that of before, or a new one."""
        settings, learning_rate = state.optimizer
        if state.optimizer_state is None or settings != spec.settings:
            start = self._initial_state(state.weights.in_keras_order())
            return self._with_rate(start, spec.learning_rate)
        if learning_rate != spec.learning_rate:
            return self._with_rate(state.optimizer_state, spec.learning_rate)
        return state.optimizer_state

    def _initial_state(self, weights):
        """Return a new optimizer's state; some begin with copies of the weights."""
        state = list(self.blueprint.state)
        for i, j in self.blueprint.copies:
            state[i] = weights[j]
        return state

    def _with_rate(self, state, learning_rate):
        """Return an optimizer's state with this learning rate (None: the default)."""
        i = self.blueprint.rate_index
        if i is None:
            return state
        state, default = list(state), self.blueprint.state[i]
        rate = default if learning_rate is None else learning_rate
        state[i] = np.asarray(rate, default.dtype)
        return state

    def __call__(self, weights, state, *arguments):
        """Train; take and return weights and optimizer state in Keras' form."""
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
    """Make the functions in a serialized graph's library known to TensorFlow."""
    library = tf.compat.v1.GraphDef.FromString(graph).library
    for function in library.function:
        context.context().add_function_def(function)


def _call(name, arguments, n_outputs):
    """Call a function that TensorFlow knows, by its name."""
    attributes = "executor_type", "", "config_proto", b""
    return execute.execute(name, n_outputs, arguments, attributes, context.context())


class Run:
    """A program at work on the data of one fit.

    It trains for a second or so at a time: in between, Python hears of Ctrl-C and of
    what else `check`, a function, may raise, and the orders of the rows of the next
    epochs are drawn.
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
        # Guessed from above, then measured.
        n_numbers = sum(map(np.prod, structure.network.weight_shapes()))
        n_batches = self._n_rows / structure.capacity.batch_size
        n_products = n_numbers * (self._n_rows + self._n_val)
        self._seconds_an_epoch = 5e-5 * n_batches + 5e-9 * n_products

    def __call__(
        self,
        weights: Weights,
        state: list[np.ndarray],
        epochs: range,
        watchers: list | tuple = (),
    ) -> tuple[Weights, list[np.ndarray], np.ndarray]:
        """Train for a range of the epochs, from these weights and optimizer state.

        One at a time, if there are watchers. Returns weights, state and the history:
        one row per epoch of loss, accuracy and, with validation data, the same on it.
        """
        history, stop = [], False
        while epochs and not stop:
            self._check()
            for watcher in watchers:
                watcher.begin()
            n_at_once = (
                1 if watchers else max(1, int(_SECONDS / self._seconds_an_epoch))
            )
            n_at_once = min(n_at_once, len(self._block_from(epochs.start)))
            now, epochs = epochs[:n_at_once], epochs[n_at_once:]
            start = time.perf_counter()
            arrays = weights.in_keras_order()
            arrays, state, scores = self.train_at_once(arrays, state, now)
            weights = Weights.of_keras(arrays)
            self._seconds_an_epoch = (time.perf_counter() - start) / len(now)
            history.append(scores)
            stop = end_epoch(watchers, weights, name_scores(scores[-1]))
        return weights, state, np.concatenate(history)

    def train_at_once(self, weights, state, epochs):
        """Train for epochs of one block, without a look at anything else.

        Weights are arrays in Keras' order.
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
        """Return the epochs from this one on whose orders have been handed over."""
        if epoch not in self._block:
            self._orders = None  # before there are others
            n_epochs = self._program.structure.epochs
            self._block = range(epoch, min(epoch + n_epochs, self._n_epochs))
            self._orders = self._pad_orders(self._block)
        return self._block[self._block.index(epoch) :]

    def _pad_orders(self, epochs):
        structure = self._program.structure
        orders = np.zeros(
            (structure.epochs, structure.order_width),
            row_dtype(structure.capacity.rows),
        )
        for i, epoch in enumerate(epochs):
            orders[i, : self._n_rows] = self._order(epoch)
        return tf.constant(orders)
