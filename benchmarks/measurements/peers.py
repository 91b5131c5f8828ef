"""The training of one network with several libraries, timed by ``speed.py``.

The network has two hidden layers of 20 relu units, dropout and a sigmoid output. It is
trained with binary cross entropy and Adam, in batches of 32. Each peer is a function
that takes a `Workload` and returns a fit function. The fit function trains once, from
the initial weights of the workload, and returns the loss of each epoch. Without
shuffling and dropout, all peers compute the same losses. A peer raises `ImportError` if
its library is not installed.
"""

import ctypes
import shutil
import subprocess
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from warnings import catch_warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import DNNClassifier, cache_clear, make_triangle

BATCH_SIZE = 32
# -ffast-math includes -ffinite-math-only, with which losses become NaN.
FLAGS = ["-O3", "-march=native", "-ffast-math", "-fno-finite-math-only"]


@dataclass(frozen=True)
class Workload:
    """The data (f1, standardized) and the training settings."""

    n_samples: int = 3200
    epochs: int = 50
    dropout_rate: float = 0.2
    shuffle: bool = True
    epsilon: float = 1e-7  # of Adam; PyTorch adds it at another place

    def data(self):
        """Return the points, as float32, and their labels."""
        X, y = make_triangle(self.n_samples, random_state=0)
        return StandardScaler().fit_transform(X).astype(np.float32), y

    def net(self, **params):
        """Return a DNNClassifier with these settings."""
        settings = {
            "epochs": self.epochs,
            "dropout_rate": self.dropout_rate,
            "shuffle": self.shuffle,
            "optimizer__epsilon": self.epsilon,
            "random_state": 0,
        }
        return DNNClassifier(**settings | params)

    def weights(self):
        """Return the initial weights, in the order of Keras."""
        net = self.net().initialize(*self.data())
        return [
            array
            for layer in zip(net.coefs_, net.intercepts_, strict=True)
            for array in layer
        ]


def ours(workload):
    """Fit a DNNClassifier with a compiled program."""
    net, data = workload.net(jit_compile=True), workload.data()
    return lambda: net.fit(*data).history_["loss"]


def ours_first(workload):
    """Fit a DNNClassifier after clearing all programs, also those on disk."""
    fit = ours(workload)

    def fit_first():
        cache_clear(disk=True)
        return fit()

    return fit_first


def scikeras(workload):
    """Fit a scikeras classifier, built as in its documentation."""
    import keras
    from scikeras.wrappers import KerasClassifier

    (X, y), weights = workload.data(), workload.weights()

    def build():
        dense = keras.layers.Dense
        model = keras.Sequential(
            [
                keras.Input((2,)),
                dense(20, "relu"),
                dense(20, "relu"),
                keras.layers.Dropout(workload.dropout_rate),
                dense(1, "sigmoid"),
            ]
        )
        model.set_weights(weights)
        return model

    def fit():
        net = KerasClassifier(
            build,
            loss="binary_crossentropy",
            optimizer="adam",
            optimizer__epsilon=workload.epsilon,
            metrics=["accuracy"],
            epochs=workload.epochs,
            batch_size=BATCH_SIZE,
            shuffle=workload.shuffle,
            verbose=0,
        )
        return net.fit(X, y).history_["loss"]

    return fit


def mlp(workload):
    """Fit the MLPClassifier of scikit-learn, which has no dropout."""
    (X, y), weights = workload.data(), workload.weights()
    net = MLPClassifier(
        (20, 20),
        alpha=0,
        epsilon=workload.epsilon,
        batch_size=BATCH_SIZE,
        max_iter=workload.epochs,
        n_iter_no_change=np.inf,
        shuffle=workload.shuffle,
        warm_start=True,
    ).partial_fit(X, y, classes=[0, 1])

    def fit():
        net.coefs_ = [kernel.copy() for kernel in weights[::2]]
        net.intercepts_ = [bias.copy() for bias in weights[1::2]]
        with catch_warnings(action="ignore", category=ConvergenceWarning):
            return net.fit(X, y).loss_curve_[-workload.epochs :]

    return fit


def skorch(workload):
    """Fit a PyTorch module with skorch, as in its documentation."""
    import torch
    from skorch import NeuralNetBinaryClassifier

    (X, y), weights = workload.data(), workload.weights()

    def fit():
        module = torch.nn.Sequential(
            torch.nn.Linear(2, 20),
            torch.nn.ReLU(),
            torch.nn.Linear(20, 20),
            torch.nn.ReLU(),
            torch.nn.Dropout(workload.dropout_rate),
            torch.nn.Linear(20, 1),
            torch.nn.Flatten(0),
        )
        for parameter, value in zip(module.parameters(), weights, strict=True):
            parameter.data = torch.tensor(value.T)
        net = NeuralNetBinaryClassifier(
            module,
            optimizer=torch.optim.Adam,
            optimizer__eps=workload.epsilon,
            lr=0.001,
            max_epochs=workload.epochs,
            batch_size=BATCH_SIZE,
            train_split=None,
            iterator_train__shuffle=workload.shuffle,
            verbose=0,
        )
        return net.fit(X, y.astype(np.float32)).history[:, "train_loss"]

    return fit


def jax(workload):
    """Train in a hand-written JAX loop, compiled as a whole."""
    import jax
    from jax import numpy as jnp

    def forward(weights, x, key):
        w0, b0, w1, b1, w2, b2 = weights
        x = jax.nn.relu(jax.nn.relu(x @ w0 + b0) @ w1 + b1)
        if workload.dropout_rate:
            keep = 1 - workload.dropout_rate
            x *= jax.random.bernoulli(key, keep, x.shape) / keep
        return (x @ w2 + b2)[:, 0]

    def loss(weights, x, y, key):
        logits = forward(weights, x, key)
        losses = jnp.maximum(logits, 0) - logits * y + jnp.log1p(jnp.exp(-abs(logits)))
        return losses.mean(), ((logits > 0) == y).mean()

    gradient = jax.value_and_grad(loss, has_aux=True)

    @jax.jit
    def train(weights, X, y, orders, key):
        def step(state, batch):
            weights, mean, square, t = state
            rows, key = batch
            (value, accuracy), grads = gradient(weights, X[rows], y[rows], key)
            t += 1
            mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, grads)
            square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g**2, square, grads)
            rate = 0.001 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            weights = jax.tree.map(
                lambda w, m, s: w - rate * m / (jnp.sqrt(s) + workload.epsilon),
                weights,
                mean,
                square,
            )
            return (weights, mean, square, t), (value, accuracy)

        zeros = jax.tree.map(jnp.zeros_like, weights)
        keys = jax.random.split(key, len(orders))
        start = (weights, zeros, zeros, 0.0)
        state, history = jax.lax.scan(step, start, (orders, keys))
        return state[0], history

    generator = np.random.default_rng(0)
    X, y = workload.data()
    X, labels = jnp.asarray(X), jnp.asarray(y, jnp.float32)
    start = [jnp.asarray(array) for array in workload.weights()]

    def fit():
        orders = np.tile(np.arange(len(X), dtype=np.int32), (workload.epochs, 1))
        if workload.shuffle:
            orders = generator.permuted(orders, axis=1)
        orders = orders.reshape(-1, BATCH_SIZE)
        key = jax.random.key(generator.integers(2**31))
        _, (losses, _) = train(start, X, labels, orders, key)
        return np.asarray(losses).reshape(workload.epochs, -1).mean(axis=1)

    return fit


def cpp(workload):
    """Train in the loops of ``loop.cpp``, which is compiled first."""
    compiler = shutil.which("c++")
    if compiler is None:
        raise ImportError("no C++ compiler")
    with TemporaryDirectory() as folder:
        library = Path(folder, "loop.so")
        source = Path(__file__).with_name("loop.cpp")
        command = [compiler, *FLAGS, "-shared", "-fPIC", source, "-o", library]
        subprocess.run(command, check=True)
        train = ctypes.CDLL(library).train
    floats = np.ctypeslib.ndpointer(np.float32, flags="C_CONTIGUOUS")
    integer, real = ctypes.c_int, ctypes.c_float
    train.argtypes = [integer, integer, floats, floats, real, real, integer, integer]
    train.argtypes += [floats, floats]
    X, y = workload.data()
    labels = y.astype(np.float32)
    start = np.concatenate([array.ravel() for array in workload.weights()])
    seeds = count()

    def fit():
        weights, losses = start.copy(), np.zeros(workload.epochs, np.float32)
        rates = workload.dropout_rate, workload.epsilon
        order = workload.shuffle, next(seeds)
        train(len(X), workload.epochs, X, labels, *rates, *order, weights, losses)
        return losses

    return fit


PEERS = {
    "scikeras": scikeras,
    "MLPClassifier": mlp,
    "skorch": skorch,
    "JAX": jax,
    "C++": cpp,
}
