"""The Keras model of a plan and a state, for `model_` and for training with Keras."""

import numpy as np

from .compiled.structure import CHUNK
from .network import Weights, make_initializer
from .optimizer import step_counter
from .records import Data, Plan, Points, State, row_dtype
from .tensorflow import keras, tf, without_retracing_warnings


def build_model(plan: Plan, state: State) -> keras.Sequential:
    """Return a compiled keras.Sequential with the weights and optimizer of a state."""
    model = plan.network.build(state.weights, plan.dropout_rate, state.seed)
    optimizer = plan.optimizer.make()
    model.compile(
        optimizer=optimizer,
        loss=plan.loss,
        metrics=[
            keras.metrics.BinaryAccuracy("accuracy", threshold=plan.output_cut)
            if plan.n_classes == 2
            else "accuracy"
        ],
        run_eagerly=plan.settings.run_eagerly,
        # By default Keras uses XLA, which makes its Dropout layer slow on a CPU.
        jit_compile=False,
        # Otherwise Keras scales the loss under the global policy "mixed_float16".
        auto_scale_loss=False,
    )
    for layer in model.layers:
        if hasattr(layer, "kernel_initializer"):
            layer.kernel_initializer = make_initializer(plan.initializer, state.seed)
    optimizer.build(model.trainable_variables)
    # Some callbacks ask metrics whether higher is better. The first call creates them.
    model.compute_metrics(None, *map(keras.ops.zeros, plan.shapes(1)))
    model.reset_metrics()
    if state.optimizer_state is not None:
        _restore(model, plan.optimizer, state)
    return model


def _restore(model, spec, state):
    """Restore optimizer and dropout layer if the state is of the same optimizer."""
    settings, learning_rate = state.optimizer
    if settings != spec.settings:
        return
    optimizer = model.optimizer
    rate = optimizer.learning_rate.numpy()
    for variable, value in zip(optimizer.variables, state.optimizer_state, strict=True):
        variable.assign(value)
    if learning_rate != spec.learning_rate:
        optimizer.learning_rate = rate
    dropout = model.layers[-2]
    if dropout.rate > 0:  # otherwise the layer has no generator
        # The state of the generator is its seed and the number of masks, one per step.
        generator_state = [state.seed, step_counter(optimizer).numpy()]
        dropout.seed_generator.state.assign(generator_state)


def get_state(model: keras.Model) -> tuple[Weights, list[np.ndarray]]:
    """Return the weights of a Keras model and the state of its optimizer."""
    weights = Weights.of_keras(model.get_weights())
    return weights, [v.numpy() for v in model.optimizer.variables]


def train_with_keras(
    plan: Plan,
    data: Data,
    state: State,
    epochs: range,
    callbacks: list[keras.callbacks.Callback],
    eagerly: bool,
) -> tuple[Weights, list[np.ndarray], dict[str, list[float]]]:
    """Train with keras.Model.fit.

    Returns weights, optimizer state and history.
    """
    model = build_model(plan, state)
    model.run_eagerly = eagerly
    n_rows = len(data.training)
    order = state.row_order(n_rows, plan.settings.shuffle)
    with without_retracing_warnings():
        history = model.fit(
            _batches(data.training, order, len(epochs), plan.rows_per_batch(n_rows)),
            shuffle=False,
            steps_per_epoch=plan.n_steps(n_rows),
            epochs=epochs.stop,
            initial_epoch=epochs.start,
            validation_data=data.validation.arrays() if data.validation else None,
            validation_batch_size=CHUNK,
            callbacks=callbacks,
            verbose=int(plan.settings.verbose),
        ).history
    return *get_state(model), history


def _batches(points: Points, order, n_epochs, batch_size):
    """Return a tf.data.Dataset with the batches of all epochs in sequence."""
    arrays = [tf.constant(array) for array in points.arrays()]
    slices = tf.data.Dataset.from_tensor_slices

    # AutoGraph is not needed here, and its parser warns on Python 3.13.
    @tf.autograph.experimental.do_not_convert
    def split_into_batches(order):
        return slices(order).batch(batch_size)

    @tf.autograph.experimental.do_not_convert
    def gather(rows):
        rows = tf.cast(rows, tf.int32)
        return tuple(tf.gather(array, rows) for array in arrays)

    return (
        tf.data.Dataset.from_generator(
            lambda: map(order, range(n_epochs)),
            output_signature=tf.TensorSpec(len(points), row_dtype(len(points))),
        )
        .flat_map(split_into_batches)
        .map(gather)
        .prefetch(tf.data.AUTOTUNE)
    )
