"""The training loop, with all epochs and batches, as TensorFlow traces it.

It consists of a loop over epochs and a loop over batches, with the layers, the loss and
the optimizer of Keras. Its arguments are the values that vary between fits: initial
weights, optimizer state (including the learning rate), data, the orders of the rows,
the numbers of rows and epochs, dropout rate and seed. Rows are padded to a capacity, so
that one program can process all sizes up to it.
"""

from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

import numpy as np

from ..network import Weights
from ..optimizer import step_counter
from ..records import row_dtype
from ..tensorflow import keras, tf
from .packing import Packing, lay_out
from .structure import CHUNK, Structure


@dataclass(frozen=True)
class Blueprint:
    """A traced loop as plain data, from which any process can create a program."""

    functions: bytes  # a tf.GraphDef with the functions in its library
    name: str  # of the function to call
    variables: list  # shapes and dtypes of captured variables; None for other tensors
    packing: Packing  # of the weights
    state_packing: Packing  # of the optimizer state
    state: list  # the initial optimizer state, as arrays
    copies: list  # pairs (i, j): the initial state[i] is a copy of weights[j]
    rate_index: int | None  # of the learning rate in the state; None: a schedule


class Loop:
    """The training loop of one structure, before tracing."""

    def __init__(self, structure: Structure, optimizer: keras.Optimizer):
        self._structure = structure
        network = structure.network
        self._layers = network.built_layers()
        weights = [v for layer in self._layers for v in layer.variables]
        self._variables, self._packing, self._state_packing = lay_out(
            optimizer, structure.optimizer, weights
        )
        self._optimizer, self._loss = optimizer, structure.loss
        self._accuracy = _accuracy(
            structure.target_shape, network.layer_sizes[-1], structure.output_cut
        )
        # Batches are padded with rows of weight 0. A loss that is a mean over the batch
        # counts these rows too, which is corrected in _masked_loss.
        self._mean_over_batch = self._loss.reduction in ("sum_over_batch_size", "mean")

    def trace(self) -> tuple[Blueprint, list[tf.Tensor]]:
        """Return a blueprint and the captured tensors that it does not contain."""
        train = tf.function(self._train, jit_compile=True, autograph=False)
        traced = train.get_concrete_function(*self._signature())
        variables = [*self._variables, *self._optimizer.variables]
        specs = {id(v.value.handle): (tuple(v.shape), v.dtype) for v in variables}
        captured = traced.captured_inputs
        state = [v.numpy() for v in self._optimizer.variables]
        state = self._state_packing.unpack(state)
        blueprint = Blueprint(
            *_name_functions(traced),
            [specs.get(id(tensor)) for tensor in captured],
            self._packing,
            self._state_packing,
            state,
            self._find_copies(state),
            self._find_rate(),
        )
        return blueprint, [tensor for tensor in captured if id(tensor) not in specs]

    def _signature(self):
        structure, dtype = self._structure, self._structure.network.dtype

        def spec(*shape, dtype=dtype):
            return tf.TensorSpec(shape, dtype)

        def points(n):
            features = structure.network.layer_sizes[0]
            return [spec(n, features), spec(n, *structure.target_shape), spec(n)]

        return (
            [spec(*v.shape, dtype=v.dtype) for v in self._variables],
            [spec(*v.shape, dtype=v.dtype) for v in self._optimizer.variables],
            points(structure.capacity.rows),
            points(structure.capacity.validation_rows),
            spec(
                structure.epochs,
                structure.order_width,
                dtype=row_dtype(structure.capacity.rows),
            ),
            spec(),
            spec(dtype=tf.int64),
            spec(4, dtype=tf.int32),
        )

    def _find_copies(self, state):
        weights = self._packing.unpack([v.numpy() for v in self._variables])
        return [
            (i, j)
            for i, array in enumerate(state)
            for j, other in enumerate(weights)
            if np.array_equal(array, other)
        ]

    def _find_rate(self):
        rate, variables = self._optimizer.learning_rate, self._optimizer.variables
        parts = zip(variables, self._state_packing.parts, strict=True)
        return next((part[0] for v, part in parts if v is rate), None)

    # ---- the compiled code

    def _train(
        self, weights, state, points, validation, orders, dropout_rate, seed, counts
    ):
        variables = [*self._variables, *self._optimizer.variables]
        for variable, value in zip(variables, [*weights, *state], strict=True):
            variable.assign(value)
        n_rows, n_val, first, stop = tf.unstack(counts)
        capacity, dtype = self._structure.capacity, self._structure.network.dtype
        batch_size = capacity.batch_size

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
            if capacity.validation_rows:
                scores = tf.concat([scores, self._evaluate(validation, n_val)], 0)
            return i + 1, tf.tensor_scatter_nd_update(history, [[i]], [scores])

        n_scores = 4 if capacity.validation_rows else 2
        _, history = tf.while_loop(
            lambda i, _: i < stop,
            epoch,
            (first, tf.zeros((self._structure.epochs, n_scores), dtype)),
        )
        return (
            # If unpacked, XLA trains in the memory of the variable, 10 % faster.
            [tf.identity(v) for v in self._weights()],
            [tf.identity(v.value) for v in self._optimizer.variables],
            history,
        )

    def _step(self, X, y, sample_weight, n_valid, dropout_rate, seed):
        """Do one gradient step on a batch; return the sums of loss and accuracy."""
        with tf.GradientTape() as tape:
            output = self._forward(X, dropout_rate, seed)
            loss = self._masked_loss(y, output, sample_weight, n_valid)
            scaled = self._optimizer.scale_loss(loss)
        variables = [v.value for v in self._variables]
        self._optimizer.apply(tape.gradient(scaled, variables), self._variables)
        return self._totals(loss, y, output, n_valid)

    def _weights(self):
        """Return the weights in the order of Keras, read from the variables."""
        values, shapes = [v.value for v in self._variables], self._packing.shapes
        if len(values) == len(shapes):
            return values
        pieces = tf.split(values[0], [int(np.prod(shape)) for shape in shapes])
        return [tf.reshape(*pair) for pair in zip(pieces, shapes, strict=True)]

    def _forward(self, X, dropout_rate, seed):
        weights = Weights.of_keras(self._weights()).layers()
        *hidden, output = zip(self._layers, weights, strict=True)
        for layer, layer_weights in hidden:
            X, _ = layer.stateless_call([*layer_weights], [], X)
        if dropout_rate is not None:
            # The Dropout layer of Keras uses XLA's default generator, slow here.
            drawn = tf.random.stateless_uniform(
                X.shape,
                seed=tf.stack([seed, step_counter(self._optimizer).value]),
                dtype=X.dtype,
                alg="threefry",
            )
            # With tf.where, the mask would be drawn again in backpropagation.
            X *= tf.cast(drawn >= dropout_rate, X.dtype) / (1 - dropout_rate)
        layer, layer_weights = output
        return layer.stateless_call([*layer_weights], [], X)[0]

    def _masked_loss(self, y, output, sample_weight, n_valid):
        """Return the loss of the first `n_valid` rows, without the padding."""
        valid = tf.cast(tf.range(output.shape[0]) < n_valid, output.dtype)
        loss = self._loss(y, output, sample_weight * valid)
        loss = tf.cast(loss, output.dtype)
        if self._mean_over_batch:
            loss *= output.shape[0] / tf.cast(n_valid, output.dtype)
        return loss

    def _totals(self, loss, y, output, n_valid):
        valid = tf.range(output.shape[0]) < n_valid
        correct = tf.reshape(self._accuracy(y, output), [-1])
        correct = tf.where(valid, tf.cast(correct, output.dtype), 0)
        return tf.stack([loss * tf.cast(n_valid, loss.dtype), tf.reduce_sum(correct)])

    def _evaluate(self, validation, n_val):
        """Return the loss and the accuracy on the validation data."""
        dtype = self._structure.network.dtype

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


def _name_functions(traced):
    """Return a graph with a function and all functions it calls, and the new name.

    TensorFlow numbers its functions in each process and identifies compiled functions
    by their names. The new names contain a hash, so that they are unique in any
    process.
    """
    graph = tf.compat.v1.GraphDef(library=traced.graph.as_graph_def().library)
    graph.library.function.append(traced.function_def)
    digest = blake2b(graph.SerializeToString(deterministic=True), digest_size=16)
    functions = graph.library.function
    names = {
        function.signature.name: f"toydnn_{digest.hexdigest()}_{i}"
        for i, function in enumerate(functions)
    }
    for function in functions:
        function.signature.name = names[function.signature.name]
        for node in function.node_def:
            node.op = names.get(node.op, node.op)
            for attribute in node.attr.values():
                for called in (attribute.func, *attribute.list.func):
                    if called.name in names:  # setting a name always creates the field
                        called.name = names[called.name]
    return graph.SerializeToString(), functions[-1].signature.name


def _accuracy(target_shape, n_outputs, cut):
    """Return the function that Keras uses as "accuracy" for these shapes."""
    if n_outputs == 1:
        return partial(keras.metrics.binary_accuracy, threshold=cut)
    if target_shape == (1,):
        return keras.metrics.sparse_categorical_accuracy
    return keras.metrics.categorical_accuracy
