"""Train one of the authors' runs with Keras 2, and print its history as JSON.

This module runs in its own process, because TensorFlow reads its settings (the
variable ``TF_ENABLE_ONEDNN_OPTS`` and the number of threads) only once. It requires
``tf_keras``. Until version 2.8, Keras drew the initial kernels with TensorFlow's global
generator, in the order of the layers. Today's ``tf_keras`` does not, so this module
draws them.
"""

import json
import sys

import numpy as np

from .authors import BATCH_SIZE, LAYERS, SEED, make_table1_data


def replay(fraction, std, n_threads, epochs):
    """Return the history of a run of Table I: its data, its seed, Keras 2."""
    import tensorflow as tf
    import tf_keras

    tf.config.threading.set_intra_op_parallelism_threads(n_threads)
    tf.config.threading.set_inter_op_parallelism_threads(n_threads)
    X_train, y_train, *validation = make_table1_data(fraction, std)
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
        X_train,
        y_train,
        epochs=epochs,
        batch_size=BATCH_SIZE,
        validation_data=tuple(validation),
        verbose=0,
    )
    return fitted.history


if __name__ == "__main__":
    print(json.dumps(replay(**json.loads(sys.argv[1]))))
