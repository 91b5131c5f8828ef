"""How fast, and how steady in memory: every measure as a ratio of sides in one run.

Setting: f1, 4,000 points of which 3,200 train, 50 epochs, batches of 32, two hidden
layers of 20, dropout 0.2, Adam. The sides take turns, so that a machine that changes
its speed does so for all of them, and are compared turn by turn. skorch and JAX take
part where they are installed (``pip install '.[peers]'``).
"""

import gc
import time
from contextlib import suppress
from tempfile import TemporaryDirectory
from warnings import catch_warnings

import numpy as np
import pandas as pd
import seaborn as sns
from joblib import Parallel, delayed, parallel_config
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, learning_curve
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import DNNClassifier, cache_clear, cache_info, make_triangle
from sklearn_toydnn._program_cache import resident_memory

from .._repetitions import new_figure
from .._study import Study

REACH = {
    "fit: scikeras / ours": (">=", 150),
    "fit: MLPClassifier / ours": (">=", 15),
    "fit: skorch / ours": (">=", 50),
    "fit: JAX / ours": (">=", 1),
    "first fit: scikeras / ours": (">=", 8),
    "fit outside its epochs, ms": ("<=", 10),
    "fit found in memory, ms": ("<=", 5),
    "predict_proba on 800 rows, ms": ("<=", 3),
    "grid of 2 structures, n_jobs=2, ms per fit": ("<=", 60),
    "grid of 20 structures, n_jobs=2, ms per fit": ("<=", 300),
    "grid of 2 structures: n_jobs=1 / n_jobs=2, loky": (">=", 1),
    "grid of 2 structures: n_jobs=1 / n_jobs=2, threading": (">=", 1),
    "programs for a learning curve of 8 sizes": ("<=", 6),
    "memory growth, kB per fit": ("<=", 10),
}


def tasks(repeats, memory_fits):
    """List the parts, each measured by itself."""
    yield {"part": _fits, "repeats": repeats}
    yield {"part": _small_costs, "repeats": 5 * repeats}
    yield {"part": _grids, "repeats": max(3, repeats // 2)}
    yield {"part": _learning_curve}
    yield {"part": _memory, "fits": memory_fits}


def measure(part, **settings):
    """Return one row per measurement."""
    rows = pd.DataFrame(part(**settings), columns=["measure", "repeat", "value"])
    return rows.assign(
        relation=rows["measure"].map(lambda name: REACH[name][0]),
        reach=rows["measure"].map(lambda name: REACH[name][1]),
    )


def _data(n_samples=3200):
    X, y = make_triangle(n_samples, random_state=0)
    return StandardScaler().fit_transform(X).astype(np.float32), y


def _net(**params):
    return DNNClassifier(**{"epochs": 50, "random_state": 0} | params)


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


# ---- the peers: each returns a function that fits once


def _ours(X, y):
    net = _net(jit_compile=True)
    return lambda: net.fit(X, y)


def _ours_first(X, y):
    def fit():
        cache_clear()
        _net(jit_compile=True).fit(X, y)

    return fit


def _scikeras(X, y):
    import keras
    from scikeras.wrappers import KerasClassifier

    def build():
        dense = keras.layers.Dense
        return keras.Sequential(
            [
                keras.Input((2,)),
                dense(20, "relu"),
                dense(20, "relu"),
                keras.layers.Dropout(0.2),
                dense(1, "sigmoid"),
            ]
        )

    def fit():
        KerasClassifier(
            build,
            loss="binary_crossentropy",
            optimizer="adam",
            metrics=["accuracy"],
            epochs=50,
            batch_size=32,
            verbose=0,
        ).fit(X, y)

    return fit


def _mlp(X, y):
    net = MLPClassifier((20, 20), batch_size=32, max_iter=50, n_iter_no_change=50)

    def fit():
        with catch_warnings(action="ignore", category=ConvergenceWarning):
            net.fit(X, y)

    return fit


def _skorch(X, y):
    import torch
    from skorch import NeuralNetBinaryClassifier

    def fit():
        module = torch.nn.Sequential(
            torch.nn.Linear(2, 20),
            torch.nn.ReLU(),
            torch.nn.Linear(20, 20),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.2),
            torch.nn.Linear(20, 1),
            torch.nn.Flatten(0),
        )
        NeuralNetBinaryClassifier(
            module,
            optimizer=torch.optim.Adam,
            lr=0.001,
            max_epochs=50,
            batch_size=32,
            train_split=None,
            iterator_train__shuffle=True,
            verbose=0,
        ).fit(X, y.astype(np.float32))

    return fit


def _jax(X, y):
    import jax
    from jax import numpy as jnp

    def forward(weights, x, key):
        (w0, b0), (w1, b1), (w2, b2) = weights
        x = jax.nn.relu(jax.nn.relu(x @ w0 + b0) @ w1 + b1)
        x *= jax.random.bernoulli(key, 0.8, x.shape) / 0.8
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
                lambda w, m, s: w - rate * m / (jnp.sqrt(s) + 1e-7),
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
    X, labels = jnp.asarray(X), jnp.asarray(y, jnp.float32)

    def fit():
        shapes = [(2, 20), (20, 20), (20, 1)]
        weights = [
            (jnp.asarray(generator.normal(size=s) / 4, jnp.float32), jnp.zeros(s[1]))
            for s in shapes
        ]
        orders = [generator.permutation(len(X)) for _ in range(50)]
        orders = np.array(orders, np.int32).reshape(-1, 32)
        key = jax.random.key(generator.integers(2**31))
        jax.block_until_ready(train(weights, X, labels, orders, key))

    return fit


# ---- the parts


def _fits(repeats):
    """Compare a warm fit and a first fit with the peers', turn by turn."""
    X, y = _data()
    sides = {"ours": _ours(X, y), "first": _ours_first(X, y)}
    peers = {"scikeras": _scikeras, "MLPClassifier": _mlp}
    peers |= {"skorch": _skorch, "JAX": _jax}
    for name, make in peers.items():
        with suppress(ImportError):
            sides[name] = make(X, y)
    for fit in sides.values():
        fit()
    rows = []
    for repeat in range(repeats):
        for _ in range(2):  # the first fit of the last turn has cleared the program
            sides["ours"]()
        seconds = {name: _seconds(fit) for name, fit in sides.items()}
        for name in set(peers) & set(seconds):
            ratio = seconds[name] / seconds["ours"]
            rows.append((f"fit: {name} / ours", repeat, ratio))
        ratio = seconds["scikeras"] / seconds["first"]
        rows.append(("first fit: scikeras / ours", repeat, ratio))
    return rows


def _small_costs(repeats):
    """Time a fit outside its epochs, one kept on disk, and a prediction."""
    X, y = _data()
    folder = TemporaryDirectory()
    kept = _net(memory=folder.name).fit(X, y)
    net, one_epoch = _net(jit_compile=True).fit(X, y), _net(epochs=1).fit(X, y)
    rows = []
    for repeat in range(repeats):
        # Epochs all take the same time: what is left at none is not theirs.
        first, all_ = (_seconds(lambda n=n: n.fit(X, y)) for n in (one_epoch, net))
        outside = first - (all_ - first) / (net.epochs - 1)
        rows.append(("fit outside its epochs, ms", repeat, 1e3 * outside))
        # In a row, as a search that is started again finds them.
        found = _seconds(lambda: [kept.fit(X, y) for _ in range(10)]) / 10
        rows.append(("fit found in memory, ms", repeat, 1e3 * found))
        predict = _seconds(lambda: net.predict_proba(X[:800]))
        rows.append(("predict_proba on 800 rows, ms", repeat, 1e3 * predict))
    folder.cleanup()
    return rows


def _forget(_=None):
    cache_clear()


def _grids(repeats):
    """Time grid searches, compilation included, in processes and in threads."""
    X, y = _data(4000)
    few = {"activation": ["relu", "tanh"], "dropout_rate": np.linspace(0, 0.45, 10)}
    many = {"hidden_layer_sizes": [(n, n) for n in range(1, 21)]}
    rows = []
    for repeat in range(repeats):

        def per_fit(grid, n_jobs, backend="loky"):
            # Workers are started, and have imported what they need, but compiled
            # nothing.
            Parallel(2)(delayed(_forget)(i) for i in range(8))
            cache_clear()
            search = GridSearchCV(_net(), grid, cv=5, n_jobs=n_jobs, refit=False)
            with parallel_config(backend=backend):
                return 10 * _seconds(lambda: search.fit(X, y))  # ms; 100 fits

        two, twenty = per_fit(few, 2), per_fit(many, 2)
        one, threads = per_fit(few, 1), per_fit(few, 2, "threading")
        name = "grid of 2 structures"
        rows += [
            (f"{name}, n_jobs=2, ms per fit", repeat, two),
            ("grid of 20 structures, n_jobs=2, ms per fit", repeat, twenty),
            (f"{name}: n_jobs=1 / n_jobs=2, loky", repeat, one / two),
            (f"{name}: n_jobs=1 / n_jobs=2, threading", repeat, one / threads),
        ]
    return rows


def _learning_curve():
    """Count the programs that a learning curve from 250 to 8,000 points compiles."""
    X, y = _data(10_000)
    cache_clear()
    sizes = np.geomspace(250, 8000, 8).astype(int)
    learning_curve(_net(epochs=2), X, y, train_sizes=sizes, cv=5, n_jobs=1)
    return [("programs for a learning curve of 8 sizes", 0, cache_info().misses)]


def _memory(fits):
    """Measure by how much many small fits grow the process after the first 500."""
    X, y = _data(200)
    nets = [_net(hidden_layer_sizes=(n,), epochs=2) for n in range(1, 21)]
    warm = 500
    for i in range(fits):
        if i == warm:
            gc.collect()
            before = resident_memory()
        clone(nets[i % 20]).set_params(random_state=i).fit(X, y).predict(X)
    gc.collect()
    growth = resident_memory() - before
    return [("memory growth, kB per fit", 0, growth / 1000 / (fits - warm))]


# ---- results


def summary(frame):
    """Return the median of each measure beside what it is to reach."""
    table = frame.groupby(["measure", "relation", "reach"], sort=False)["value"]
    table = table.agg(["median", "min", "max"]).reset_index()
    holds = np.where(
        table["relation"] == ">=",
        table["median"] >= table["reach"],
        table["median"] <= table["reach"],
    )
    return table.round(2).assign(holds=np.where(holds, "yes", "no"))


def plot(frame):
    """Draw each measure over what it is to reach: at 1 it just does."""
    figure, axes = new_figure(1, 1, width=9, height=5)
    share = frame["value"] / frame["reach"]
    share = share.where(frame["relation"] == ">=", 1 / share)
    ax = sns.stripplot(frame.assign(share=share), x="share", y="measure", ax=axes[0][0])
    ax.axvline(1, color="gray")
    ax.set(xscale="log", xlabel="how far past the mark (1: just reached)", ylabel="")
    return figure


STUDY = Study(
    __name__,
    title="Speed: DNNClassifier and its peers",
    alt="Each measure over what it is to reach, a dot per turn.",
    full={"repeats": 7, "memory_fits": 5000},
    quick={"repeats": 5, "memory_fits": 2000},
    tasks=tasks,
    measure=measure,
    summary=summary,
    plot=plot,
    n_jobs=1,  # what else runs here would be measured too
)
