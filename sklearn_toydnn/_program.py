"""A traced loop, compiled by XLA, at work on the data of fits.

Keras' TensorFlow optimizers cannot be applied statelessly. Each program therefore
has variables of its own, into which a call copies what it is given and out of which
it returns what has become of it; one thread at a time may do so. Epochs are trained in
blocks.
"""

import time
from dataclasses import dataclass

import numpy as np

from ._callbacks import end_epoch, name_scores
from ._keys import describe, is_of_keras, process_settings, trace
from ._loop import CHUNK
from ._network import Network
from ._optimizer import OptimizerSpec
from ._state import Data, row_dtype
from ._tensorflow import keras, tf

# isort: split
# To call a function by a name of ours: `tf.function` gives each one of its own.
from tensorflow.python.eager import context, execute

_MIN_ROWS = 4096  # padding costs a copy of the data, another capacity a compilation
_MAX_EPOCHS = 128  # whose orders of the rows are handed over at once,
_MAX_ORDER_BYTES = 2**24  # if they take no more than this
_SECONDS = 1.0  # after which Python hears of signals


class NotCompilable(Exception):
    """What is asked for cannot be compiled; the message says why."""


@dataclass(frozen=True)
class Structure:
    """What is compiled: everything about a fit but its numbers."""

    network: Network
    optimizer: OptimizerSpec
    loss: keras.Loss
    loss_known: tuple | None  # the description of a loss that is Keras', by name
    output_cut: float  # where two classes part in the output
    batch_size: int
    target_shape: tuple
    rows: int
    validation_rows: int

    @classmethod
    def of(cls, plan, data):
        """Return the structure of a plan, with room for the data and some more."""
        n_val = data.n_validation_rows
        # A batch of everything is filled up too, to serve other sizes.
        everything = _capacity(data.n_rows, 1)
        return cls(
            plan.network,
            plan.optimizer,
            plan.loss,
            plan.loss_known,
            plan.output_cut,
            plan.n_in_batch(everything),
            data.training[1].shape[1:],
            _capacity(data.n_rows, _MIN_ROWS),
            n_val and _capacity(n_val, _MIN_ROWS),
        )

    @property
    def epochs(self):
        """int: The number of epochs that a program trains at once."""
        n_bytes = self.rows * row_dtype(self.rows).itemsize
        return max(1, min(_MAX_EPOCHS, _MAX_ORDER_BYTES // n_bytes))

    @property
    def order_width(self):
        """int: Entries in an order of the rows, which the last batch may exceed."""
        return self.rows + self.batch_size

    def key(self):
        """Return what is equal for fits that one program serves, or raise NotKnown."""
        network = self.network
        *hidden, n_outputs = network.layer_sizes[1:]
        points = self.batch_size, self.target_shape, self.rows, self.validation_rows
        return (
            process_settings(),
            (network.layer_sizes, network.dtype, self.output_cut, points, self.epochs),
            self._describe_activation(network.activation, hidden),
            self._describe_activation(network.output_activation, [n_outputs]),
            self.loss_known
            or self._trace(self.loss, self.target_shape, (n_outputs,), ()),
            self.loss.reduction,
            self.optimizer.describe(network),
        )

    def _describe_activation(self, activation, layer_sizes):
        """Return an activation's name in Keras, or else what it computes."""
        function = keras.activations.get(activation)
        if is_of_keras(function):
            return describe(function)
        return tuple(self._trace(function, (n_units,)) for n_units in {*layer_sizes})

    def _trace(self, function, *shapes):
        """Trace a function of rows of these shapes, as many as there are at a time."""
        return tuple(
            trace(
                function, *((n, *shape) for shape in shapes), dtype=self.network.dtype
            )
            for n in (self.batch_size, CHUNK)
        )


def _capacity(n, minimum):
    """Return the smallest power of two that is at least n and the minimum."""
    return max(minimum, 1 << (n - 1).bit_length())


def _pad_points(X, y, sample_weight=None, *, rows):
    """Return points, labels and weights, filled up with zeros to so many rows."""
    if sample_weight is None:
        sample_weight = np.ones(len(X), X.dtype)
    padded = []
    for array in (X, y, sample_weight):
        full = np.zeros((rows, *array.shape[1:]), array.dtype)
        full[: len(array)] = array
        padded.append(tf.constant(full))
    return padded


class Program:
    """The compiled training of one structure, by a blueprint.

    `others` are the tensors in it that are not its own variables.
    """

    def __init__(self, structure, blueprint, others=()):
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

    def again(self):
        """Return another program of the same blueprint: XLA need not compile it."""
        return Program(self.structure, self.blueprint, self.others)

    def warm_up(self):
        """Compile: XLA does so in the first call, here one of no epochs."""
        network, targets = self.structure.network, self.structure.target_shape
        shapes = (0, network.layer_sizes[0]), (0, *targets)
        points = tuple(np.zeros(shape, network.dtype) for shape in shapes)
        weights = [np.zeros(s, network.dtype) for s in network.weight_shapes()]
        run = Run(self, Data(points, points), None, 0, 0.0, 0)
        run.train_at_once(weights, self._initial_state(weights), range(0))

    def optimizer_state(self, spec, state):
        """Return the optimizer's state to begin with: that of before, or a new one."""
        fingerprint, learning_rate = state.optimizer_key
        if state.optimizer_state is None or fingerprint != spec.fingerprint:
            start = self._initial_state(state.weights)
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
        self, program, data, order, n_epochs, dropout_rate, seed, check=lambda: None
    ):
        structure = program.structure
        self._program, self._check = program, check
        self._order, self._n_epochs = order, n_epochs
        self._n_rows, self._n_val = data.n_rows, data.n_validation_rows
        self._points = (
            _pad_points(*data.training, rows=structure.rows),
            _pad_points(*data.validation, rows=structure.validation_rows),
        )
        self._dropout_rate = tf.constant(dropout_rate, structure.network.dtype)
        self._seed = tf.constant(seed, tf.int64)
        self._block, self._orders = range(0), None
        # Guessed from above, then measured.
        n_numbers = sum(map(np.prod, structure.network.weight_shapes()))
        n_batches = self._n_rows / structure.batch_size
        n_products = n_numbers * (self._n_rows + self._n_val)
        self._seconds_an_epoch = 5e-5 * n_batches + 5e-9 * n_products

    def __call__(self, weights, state, epochs, watchers=()):
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
            weights, state, scores = self.train_at_once(weights, state, now)
            self._seconds_an_epoch = (time.perf_counter() - start) / len(now)
            history.append(scores)
            stop = end_epoch(watchers, weights, name_scores(scores[-1]))
        return weights, state, np.concatenate(history)

    def train_at_once(self, weights, state, epochs):
        """Train for epochs of one block, without a look at anything else."""
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
            (structure.epochs, structure.order_width), row_dtype(structure.rows)
        )
        for i, epoch in enumerate(epochs):
            orders[i, : self._n_rows] = self._order(epoch)
        return tf.constant(orders)
