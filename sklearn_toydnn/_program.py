"""All of training, every epoch and batch, as one compiled program.

A :class:`Program` is a ``tf.function`` compiled by XLA over Keras' own layers, loss
and optimizer. What varies between fits goes in as arguments: initial weights and
optimizer state (the learning rate is part of it), data, the order of the rows, the
numbers of rows and epochs, dropout rate and seed. What is left is structure, the key
under which it is kept. Rows are padded to a capacity, so that one program serves all
sizes up to it, and epochs are trained in blocks.

Keras' TensorFlow optimizers cannot be applied statelessly. Each program therefore
has variables of its own, into which a call copies what it is given and out of which
it returns what has become of it; one thread at a time may do so.
"""

import time
from dataclasses import dataclass
from functools import partial

import numpy as np

from ._callbacks import end_epoch, name_scores
from ._flat import lay_out
from ._keys import describe, is_of_keras, process_settings, trace
from ._network import Network
from ._optimizer import OptimizerSpec, step_counter
from ._state import Data, row_dtype
from ._tensorflow import keras, tf

_MIN_ROWS = 4096  # padding costs a copy of the data, another capacity a compilation
_MAX_EPOCHS = 128  # whose orders of the rows are handed over at once,
_MAX_ORDER_BYTES = 2**24  # if they take no more than this
_SECONDS = 1.0  # after which Python hears of signals
CHUNK = 256  # rows of validation data evaluated at a time


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
    """The compiled training of one structure."""

    def __init__(self, structure, optimizer):
        self.structure = structure
        network = structure.network
        self._layers = network.built_layers()
        weights = [v for layer in self._layers for v in layer.variables]
        self._variables, self.packing, self.state_packing = lay_out(
            optimizer, structure.optimizer, weights
        )
        self._optimizer, self._loss = optimizer, structure.loss
        self._accuracy = _accuracy(
            structure.target_shape, network.layer_sizes[-1], structure.output_cut
        )
        # Loss and optimizer see batches filled up with rows of weight 0; a loss that
        # takes the mean over the batch would count them.
        self._mean_over_batch = self._loss.reduction in ("sum_over_batch_size", "mean")
        self._state = self.state_packing.unpack(
            [v.numpy() for v in optimizer.variables]
        )
        self._copies = [
            (i, j)
            for i, array in enumerate(self._state)
            for j, mark in enumerate(self._marks())
            if np.array_equal(array, mark)
        ]
        rate = optimizer.learning_rate
        parts = zip(optimizer.variables, self.state_packing.parts, strict=True)
        self._rate_index = next((part[0] for v, part in parts if v is rate), None)

        # The last batch of an epoch may reach beyond the rows.
        self.order_width = structure.rows + structure.batch_size
        self.compiled = tf.function(
            self._train, jit_compile=True, autograph=False
        ).get_concrete_function(*self._signature())

    def _signature(self):
        structure, dtype = self.structure, self.structure.network.dtype

        def spec(*shape, dtype=dtype):
            return tf.TensorSpec(shape, dtype)

        def points(n):
            features = structure.network.layer_sizes[0]
            return [spec(n, features), spec(n, *structure.target_shape), spec(n)]

        return (
            [spec(*v.shape, dtype=v.dtype) for v in self._variables],
            [spec(*v.shape, dtype=v.dtype) for v in self._optimizer.variables],
            points(structure.rows),
            points(structure.validation_rows),
            spec(structure.epochs, self.order_width, dtype=row_dtype(structure.rows)),
            spec(),
            spec(dtype=tf.int64),
            spec(4, dtype=tf.int32),
        )

    def warm_up(self):
        """Compile: XLA does so in the first call, here one of no epochs."""
        features, targets = self._layers[0].kernel.shape[0], self.structure.target_shape
        dtype = self.structure.network.dtype
        points = np.zeros((0, features), dtype), np.zeros((0, *targets), dtype)
        weights = self._marks()
        run = Run(self, Data(points, points), None, 0, 0.0, 0)
        run.train_at_once(weights, self._initial_state(weights), range(0))

    def _marks(self):
        """Return the weights that the optimizer saw when it was built."""
        return self.packing.unpack([v.numpy() for v in self._variables])

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
        state = list(self._state)
        for i, j in self._copies:
            state[i] = weights[j]
        return state

    def _with_rate(self, state, learning_rate):
        """Return an optimizer's state with this learning rate (None: the default)."""
        if self._rate_index is None:
            return state
        state, default = list(state), self._state[self._rate_index]
        rate = default if learning_rate is None else learning_rate
        state[self._rate_index] = np.asarray(rate, default.dtype)
        return state

    # ---- what is compiled

    def _train(
        self, weights, state, points, validation, orders, dropout_rate, seed, counts
    ):
        variables = [*self._variables, *self._optimizer.variables]
        for variable, value in zip(variables, [*weights, *state], strict=True):
            variable.assign(value)
        n_rows, n_val, first, stop = tf.unstack(counts)
        batch_size, dtype = self.structure.batch_size, self.structure.network.dtype

        def epoch(i, history):
            def batch(start, totals):
                rows = tf.slice(orders, [i, start], [1, batch_size])[0]
                rows = tf.cast(rows, tf.int32)
                batch = [tf.gather(array, rows) for array in points]
                n_valid = tf.minimum(n_rows - start, batch_size)
                scores = self._step(*batch, n_valid, dropout_rate, seed)
                return start + batch_size, totals + scores

            _, totals = tf.while_loop(
                lambda start, _: start < n_rows, batch, (0, tf.zeros(2, dtype))
            )
            scores = totals / tf.cast(n_rows, dtype)
            if self.structure.validation_rows:
                scores = tf.concat([scores, self._evaluate(validation, n_val)], 0)
            return i + 1, tf.tensor_scatter_nd_update(history, [[i]], [scores])

        n_scores = 4 if self.structure.validation_rows else 2
        _, history = tf.while_loop(
            lambda i, _: i < stop,
            epoch,
            (first, tf.zeros((self.structure.epochs, n_scores), dtype)),
        )
        return (
            # Not packed: XLA then trains in the variable's own memory, 10 % faster.
            [tf.identity(v) for v in self._weights()],
            [tf.identity(v.value) for v in self._optimizer.variables],
            history,
        )

    def _step(self, X, y, sample_weight, n_valid, dropout_rate, seed):
        """Do one gradient step on a batch; return its summed loss and accuracy."""
        with tf.GradientTape() as tape:
            output = self._forward(X, dropout_rate, seed)
            loss = self._masked_loss(y, output, sample_weight, n_valid)
            scaled = self._optimizer.scale_loss(loss)
        variables = [v.value for v in self._variables]
        self._optimizer.apply(tape.gradient(scaled, variables), self._variables)
        return self._totals(loss, y, output, n_valid)

    def _weights(self):
        """Return the weights in Keras' order, read from the variables."""
        values, shapes = [v.value for v in self._variables], self.packing.shapes
        if len(values) == len(shapes):
            return values
        pieces = tf.split(values[0], [int(np.prod(shape)) for shape in shapes])
        return [tf.reshape(*pair) for pair in zip(pieces, shapes, strict=True)]

    def _forward(self, X, dropout_rate, seed):
        weights = self._weights()
        *hidden, output = zip(self._layers, weights[::2], weights[1::2], strict=True)
        for layer, *own in hidden:
            X, _ = layer.stateless_call(own, [], X)
        if dropout_rate is not None:
            # Keras' Dropout layer names no generator; XLA's default one is slow here.
            drawn = tf.random.stateless_uniform(
                X.shape,
                seed=tf.stack([seed, step_counter(self._optimizer).value]),
                dtype=X.dtype,
                alg="threefry",
            )
            # As a factor the mask is drawn once; as a condition, also to go back.
            X *= tf.cast(drawn >= dropout_rate, X.dtype) / (1 - dropout_rate)
        layer, *own = output
        return layer.stateless_call(own, [], X)[0]

    def _masked_loss(self, y, output, sample_weight, n_valid):
        """Return the loss of the first `n_valid` rows as if there were no others."""
        valid = tf.cast(tf.range(output.shape[0]) < n_valid, output.dtype)
        loss = self._loss(y, output, sample_weight * valid)
        loss = tf.cast(loss, output.dtype)
        if self._mean_over_batch:
            loss *= output.shape[0] / tf.cast(n_valid, output.dtype)
        return loss

    def _totals(self, loss, y, output, n_valid):
        valid = tf.range(output.shape[0]) < n_valid
        right = tf.reshape(self._accuracy(y, output), [-1])
        right = tf.where(valid, tf.cast(right, output.dtype), 0)
        return tf.stack([loss * tf.cast(n_valid, loss.dtype), tf.reduce_sum(right)])

    def _evaluate(self, validation, n_val):
        """Return the loss and the accuracy on the validation data."""
        dtype = self.structure.network.dtype

        def chunk(start, totals):
            rows = start + tf.range(CHUNK)
            X, y, sample_weight = [tf.gather(array, rows) for array in validation]
            n_valid = tf.minimum(n_val - start, CHUNK)
            output = self._forward(X, None, None)
            loss = self._masked_loss(y, output, sample_weight, n_valid)
            return start + CHUNK, totals + self._totals(loss, y, output, n_valid)

        _, totals = tf.while_loop(
            lambda start, _: start < n_val, chunk, (0, tf.zeros(2, dtype))
        )
        return totals / tf.cast(n_val, dtype)


def _accuracy(target_shape, n_outputs, cut):
    """Return the function that Keras means by "accuracy" for these shapes."""
    if n_outputs == 1:
        return partial(keras.metrics.binary_accuracy, threshold=cut)
    if target_shape == (1,):
        return keras.metrics.sparse_categorical_accuracy
    return keras.metrics.categorical_accuracy


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
        packing, state_packing = self._program.packing, self._program.state_packing
        weights, state, history = self._program.compiled(
            [tf.convert_to_tensor(array) for array in packing.pack(weights)],
            [tf.convert_to_tensor(array) for array in state_packing.pack(state)],
            *self._points,
            self._orders if self._block else self._pad_orders(range(0)),
            self._dropout_rate,
            self._seed,
            tf.constant([self._n_rows, self._n_val, first, last], tf.int32),
        )
        weights = [np.asarray(v) for v in weights]
        state = state_packing.unpack([np.asarray(v) for v in state])
        return weights, state, history.numpy()[first:last]

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
            (structure.epochs, self._program.order_width), row_dtype(structure.rows)
        )
        for i, epoch in enumerate(epochs):
            orders[i, : self._n_rows] = self._order(epoch)
        return tf.constant(orders)
