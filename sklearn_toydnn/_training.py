"""All of training, every epoch and batch, as one compiled program.

A :class:`Program` is a ``tf.function`` compiled by XLA over Keras' own layers, loss
and optimizer. What varies between fits goes in as arguments: initial weights and
optimizer state (the learning rate is part of it), data, the order of the rows, the
numbers of rows and epochs, dropout rate and seed. What is left is structure, the key
under which :data:`programs` keeps it. Rows and epochs are padded to a capacity, so
that one program serves all sizes up to it.

Keras' TensorFlow optimizers cannot be applied statelessly. Each program therefore
has variables of its own, into which a call copies what it is given and out of which
it returns what has become of it; one thread at a time may do so.
"""

import mmap
import threading
import time
from collections import OrderedDict, namedtuple
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ._network import Network, n_steps
from ._tensorflow import keras, tf

MAX_PROGRAMS = 1024  # the paper's grid has 400 structures
_MIN_ROWS = 4096  # padding costs a copy of the data, another capacity a compilation
_MIN_EPOCHS = 128
HISTORY = ["loss", "accuracy", "val_loss", "val_accuracy"]
CHUNK = 256  # rows of validation data evaluated at a time


class NotCompilable(Exception):
    """What is asked for cannot be compiled; the message says why."""


@dataclass(frozen=True)
class Structure:
    """What two fits have in common if one program can serve both."""

    network: Network
    optimizer: object
    loss: object
    batch_size: int
    target_shape: tuple
    rows: int
    epochs: int
    validation_rows: int


@dataclass
class Data:
    """Training data in the order of the rows for each epoch, and validation data."""

    train: tuple  # X, y and, where there are any, weights
    validation: tuple  # the same
    orders: np.ndarray  # (epochs, rows)

    def capacities(self, batch_size):
        """Return the part of a structure that depends on the data's shape."""
        X, y, *_ = self.train
        n_val = len(self.validation[0])
        # A batch of everything is filled up too, to serve other sizes.
        everything = _capacity(len(X), 1)
        return {
            "batch_size": everything
            if batch_size == -1
            else min(batch_size, everything),
            "target_shape": y.shape[1:],
            "rows": _capacity(len(X), _MIN_ROWS),
            "epochs": _capacity(len(self.orders), _MIN_EPOCHS),
            "validation_rows": n_val and _capacity(n_val, _MIN_ROWS),
        }


def _capacity(n, minimum):
    """Return the smallest power of two that is at least n and the minimum."""
    return max(minimum, 1 << (n - 1).bit_length())


def row_dtype(n_rows):
    """Return the dtype of row numbers: half the bytes to draw and to copy, or all."""
    return np.uint16 if n_rows <= 2**16 else np.int32


def _pad(array, *shape):
    """Return the array as a tensor, filled up with zeros along its first axes."""
    padded = np.zeros((*shape, *array.shape[len(shape) :]), array.dtype)
    padded[tuple(map(slice, array.shape))] = array
    return tf.constant(padded)


def _pad_points(X, y, sample_weight=None, *, rows):
    """Return points, labels and weights, filled up with zeros to so many rows."""
    if sample_weight is None:
        sample_weight = np.ones(len(X), X.dtype)
    return [_pad(array, rows) for array in (X, y, sample_weight)]


class Program:
    """The compiled training of one structure."""

    def __init__(self, structure, optimizer, loss):
        self.structure = structure
        network, dtype = structure.network, structure.network.dtype
        self._layers = network.layers()
        shape = (None, network.layer_sizes[0])
        for layer in self._layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self._variables = [v for layer in self._layers for v in layer.variables]
        optimizer.build(self._variables)
        self._optimizer, self._loss = optimizer, loss
        self._accuracy = _accuracy(structure.target_shape, shape[-1])
        # Loss and optimizer see batches filled up with rows of weight 0; a loss that
        # takes the mean over the batch would count them.
        self._mean_over_batch = loss.reduction in ("sum_over_batch_size", "mean")
        self.initial_state = [v.numpy() for v in optimizer.variables]
        rate = getattr(optimizer, "_learning_rate", None)
        self._rate_index = next(
            (i for i, v in enumerate(optimizer.variables) if v is rate), None
        )

        def spec(*shape, dtype=dtype):
            return tf.TensorSpec(shape, dtype)

        def points(n):
            return [
                spec(n, network.layer_sizes[0]),
                spec(n, *structure.target_shape),
                spec(n),
            ]

        # The last batch of an epoch may reach beyond the rows.
        self._order_width = structure.rows + structure.batch_size
        self._compiled = tf.function(
            self._train, jit_compile=True, autograph=False
        ).get_concrete_function(
            [spec(*v.shape, dtype=v.dtype) for v in self._variables],
            [spec(*v.shape, dtype=v.dtype) for v in optimizer.variables],
            points(structure.rows),
            points(structure.validation_rows),
            spec(structure.epochs, self._order_width, dtype=row_dtype(structure.rows)),
            spec(),
            spec(dtype=tf.int64),
            spec(4, dtype=tf.int32),
        )

    # ---- running it

    def warm_up(self):
        """Compile: XLA does so in the first call, here one of no epochs."""
        features, targets = self._layers[0].kernel.shape[0], self.structure.target_shape
        dtype = self.structure.network.dtype
        points = np.zeros((0, features), dtype), np.zeros((0, *targets), dtype)
        weights = [v.numpy() for v in self._variables]
        data = Data(points, points, np.zeros((0, 0), row_dtype(self.structure.rows)))
        self.with_data(data, 0.0, 0)(weights, self.initial_state, range(0))

    def with_rate(self, state, learning_rate):
        """Return an optimizer's state with this learning rate (None: the default)."""
        if self._rate_index is None:
            return state
        state, default = list(state), self.initial_state[self._rate_index]
        rate = default if learning_rate is None else learning_rate
        state[self._rate_index] = np.asarray(rate, default.dtype)
        return state

    def with_data(self, data, dropout_rate, seed):
        """Return the function that trains on these data for a range of the epochs.

        It takes weights, optimizer state and the range of `data.orders`, and returns
        weights, state and the history: one row per epoch of loss, accuracy and, with
        validation data, the same on it.
        """
        structure = self.structure
        n_rows, n_val = len(data.train[0]), len(data.validation[0])
        tensors = [
            _pad_points(*data.train, rows=structure.rows),
            _pad_points(*data.validation, rows=structure.validation_rows),
            _pad(data.orders, structure.epochs, self._order_width),
            tf.constant(dropout_rate, structure.network.dtype),
            tf.constant(seed, tf.int64),
        ]

        def train(weights, state, epochs):
            weights, state, history = self._compiled(
                [tf.constant(a) for a in weights],
                [tf.constant(a) for a in state],
                *tensors,
                tf.constant([n_rows, n_val, epochs.start, epochs.stop], tf.int32),
            )
            return (
                [a.numpy() for a in weights],
                [a.numpy() for a in state],
                history.numpy()[epochs.start : epochs.stop],
            )

        return train

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
            [tf.identity(v.value) for v in self._variables],
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

    def _forward(self, X, dropout_rate, seed):
        *hidden, output = self._layers
        for layer in hidden:
            X = layer(X)
        if dropout_rate is not None:
            # Keras' Dropout layer names no generator; XLA's default one is slow here.
            drawn = tf.random.stateless_uniform(
                X.shape,
                seed=tf.stack([seed, n_steps(self._optimizer).value]),
                dtype=X.dtype,
                alg="threefry",
            )
            # As a factor the mask is drawn once; as a condition, also to go back.
            X *= tf.cast(drawn >= dropout_rate, X.dtype) / (1 - dropout_rate)
        return output(X)

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


def _accuracy(target_shape, n_outputs):
    """Return the function that Keras means by "accuracy" for these shapes."""
    if n_outputs == 1:
        return keras.metrics.binary_accuracy
    if target_shape == (1,):
        return keras.metrics.sparse_categorical_accuracy
    return keras.metrics.categorical_accuracy


# ---- the programs of this process

CacheInfo = namedtuple(
    "CacheInfo", ["hits", "misses", "maxsize", "currsize", "seconds", "memory"]
)


class Programs:
    """The programs of a process: for each structure, those that no thread is using."""

    def __init__(self, maxsize):
        self._lock = threading.Lock()
        self._maxsize = maxsize
        self.clear()

    def clear(self):
        """Forget all programs and start counting anew."""
        with self._lock:
            self._idle = OrderedDict()  # lists of programs, last used last
            self._cleared = object()  # programs lent before do not come back
            self._uncompilable = {}
            self._hits = self._misses = self._memory = 0
            self._seconds = 0.0

    def info(self):
        """Return the counts, as ``functools.lru_cache`` does, and what they cost."""
        with self._lock:
            return CacheInfo(
                self._hits,
                self._misses,
                self._maxsize,
                sum(map(len, self._idle.values())),
                self._seconds,
                self._memory,
            )

    @contextmanager
    def borrow(self, structure, make_optimizer, make_loss):
        """Lend a program of this structure, compiled if all are in use."""
        with self._lock:
            if structure in self._uncompilable:
                raise NotCompilable(self._uncompilable[structure])
            idle = self._idle.get(structure)
            program = idle.pop() if idle else None
            self._hits += program is not None
            cleared = self._cleared
        if program is None:
            program = self._compile(structure, make_optimizer, make_loss)
        try:
            yield program
        finally:
            self._take_back(structure, program, cleared)

    def _compile(self, structure, make_optimizer, make_loss):
        memory, start = resident_memory(), time.perf_counter()
        optimizer, loss = make_optimizer(), make_loss()
        try:
            program = Program(structure, optimizer, loss)
            program.warm_up()
        except Exception as error:
            reason = f"TensorFlow cannot compile it: {error}"
            with self._lock:
                self._uncompilable[structure] = reason
            raise NotCompilable(reason) from error
        with self._lock:
            self._misses += 1
            self._seconds += time.perf_counter() - start
            self._memory += max(0, resident_memory() - memory)
        return program

    def _take_back(self, structure, program, cleared):
        with self._lock:
            if cleared is not self._cleared:
                return
            self._idle.setdefault(structure, []).append(program)
            self._idle.move_to_end(structure)
            while sum(map(len, self._idle.values())) > self._maxsize:
                oldest = next(iter(self._idle))
                self._idle[oldest].pop()
                if not self._idle[oldest]:
                    del self._idle[oldest]


programs = Programs(MAX_PROGRAMS)


def resident_memory():
    """Return the bytes of memory this process holds; 0 where there is no /proc.

    (With psutil installed, joblib's workers end once they have grown by 300 MB, and
    twenty programs with them: the package had better not require it.)
    """
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * mmap.PAGESIZE


def cache_info():
    """Return how the compiled programs of this process have been used.

    Returns
    -------
    info : CacheInfo
        A named tuple: `hits`, the fits that found their program compiled;
        `misses`, the programs compiled; `maxsize` and `currsize`, the number of
        programs that are kept at most and now; `seconds`, the time spent
        compiling; `memory`, by how many bytes the process grew meanwhile (0 where
        there is no ``/proc``).

    Examples
    --------
    >>> from sklearn_toydnn import cache_info
    >>> cache_info().maxsize
    1024
    """
    return programs.info()


def cache_clear():
    """Forget the compiled programs of this process.

    TensorFlow returns only part of their memory to the system; what returns all
    of it is the end of the process.

    Examples
    --------
    >>> from sklearn_toydnn import cache_clear, cache_info
    >>> cache_clear()
    >>> cache_info().currsize
    0
    """
    programs.clear()
