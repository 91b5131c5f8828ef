"""One of the authors' runs again with Keras 2: run as a program, prints its history.

A process of its own: TensorFlow reads its settings (``TF_ENABLE_ONEDNN_OPTS``, the
number of threads) once. It takes ``tf_keras``. Before version 2.9 Keras drew the
initial kernels with TensorFlow's global generator, in the order of the layers; today's
``tf_keras`` does not, so they are drawn here.
"""

import json
import sys

import numpy as np

from sklearn_toydnn.datasets import label_triangle

from .authors import (
    BATCH_SIZE,
    LAYERS,
    SCALE,
    SEED,
    ShiftedCopies,
    draw_points,
    draw_shift,
)


def replay(fraction, std, n_threads, epochs, n_samples=4000):
    """Return the history of a run of Table I: its data, its seed, Keras 2."""
    import tensorflow as tf
    import tf_keras

    tf.config.threading.set_intra_op_parallelism_threads(n_threads)
    tf.config.threading.set_inter_op_parallelism_threads(n_threads)
    X = draw_points(n_samples)
    y = label_triangle(X)
    n_train = n_samples * 4 // 5
    copies = ShiftedCopies(label_triangle, fraction, std, draw_shift(std))
    X_train, y_train = copies.fit_resample(X[:n_train], y[:n_train])
    tf.random.set_seed(SEED)
    sizes = [2, *LAYERS, 1]
    weights = []
    for n_in, n_out in zip(sizes, sizes[1:], strict=False):
        limit = np.sqrt(6 / (n_in + n_out))
        kernel = tf.random.uniform((n_in, n_out), -limit, limit)
        weights += [kernel.numpy(), np.zeros(n_out)]
    *hidden, output = (
        tf_keras.layers.Dense(units, activation, kernel_initializer="zeros")
        for units, activation in zip(sizes[1:], [*["relu"] * 3, "sigmoid"], strict=True)
    )
    model = tf_keras.Sequential([*hidden, tf_keras.layers.Dropout(0.2), output])
    model.build((None, 2))
    model.set_weights(weights)
    model.compile(
        tf_keras.optimizers.legacy.Adam(),
        loss="binary_crossentropy",
        metrics=["accuracy"],
    )
    fitted = model.fit(
        X_train / SCALE,
        y_train,
        epochs=epochs,
        batch_size=BATCH_SIZE,
        validation_data=(X[n_train:] / SCALE, y[n_train:]),
        verbose=0,
    )
    return fitted.history


if __name__ == "__main__":
    print(json.dumps(replay(**json.loads(sys.argv[1]))))
