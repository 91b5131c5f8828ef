"""How fast, and how steady in memory: every measure as a ratio of sides in one run.

Setting: f1, 4,000 points of which 3,200 train, 50 epochs, batches of 32, two hidden
layers of 20, dropout 0.2, Adam. The sides take turns, so that a machine that changes
its speed does so for all of them, and are compared turn by turn. skorch and JAX take
part where they are installed (``pip install '.[peers]'``), C++ where there is a
compiler. What has no mark to reach is there to read the ratios by.
"""

import gc
import time
from contextlib import suppress
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import seaborn as sns
from joblib import Parallel, delayed, parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, learning_curve

from sklearn_toydnn import cache_clear, cache_info
from sklearn_toydnn._program_cache import resident_memory

from .._repetitions import new_figure
from .._study import Study
from .peers import PEERS, Task, ours, ours_first

REACH = {
    "fit: scikeras / ours": (">=", 150),
    "fit: MLPClassifier / ours": (">=", 15),
    "fit: skorch / ours": (">=", 50),
    "fit: JAX / ours": (">=", 1),
    "fit: C++ / ours": (">=", 0.5),
    "first fit: scikeras / ours": (">=", 8),
    "losses of all peers: largest difference": ("<=", 1e-5),
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
    yield {"part": _same_losses}
    yield {"part": _small_costs, "repeats": 5 * repeats}
    yield {"part": _grids, "repeats": max(3, repeats // 2)}
    yield {"part": _learning_curve}
    yield {"part": _memory, "fits": memory_fits}


def measure(part, **settings):
    """Return one row per measurement."""
    rows = pd.DataFrame(part(**settings), columns=["measure", "repeat", "value"])
    reach = [REACH.get(name, ("", np.nan)) for name in rows["measure"]]
    return rows.join(pd.DataFrame(reach, columns=["relation", "reach"]))


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


# ---- the parts


def _peers(task):
    """Return those of the peers that can be had here."""
    there = {}
    for name, peer in PEERS.items():
        with suppress(ImportError):
            there[name] = peer(task)
    return there


def _fits(repeats):
    """Compare a warm fit and a first fit with the peers', turn by turn."""
    task = Task()
    others = _peers(task)
    sides = {"ours": ours(task), "ours, first": ours_first(task)} | others
    for fit in sides.values():
        fit()
    rows = []
    for repeat in range(repeats):
        for _ in range(2):  # the first fit of the last turn has cleared the program
            sides["ours"]()
        seconds = {name: _seconds(fit) for name, fit in sides.items()}
        rows += [(f"fit: {name}, ms", repeat, 1e3 * t) for name, t in seconds.items()]
        for name in others:
            ratio = seconds[name] / seconds["ours"]
            rows.append((f"fit: {name} / ours", repeat, ratio))
        ratio = seconds["scikeras"] / seconds["ours, first"]
        rows.append(("first fit: scikeras / ours", repeat, ratio))
    return rows


def _same_losses():
    """Compare the losses of ten epochs where nothing is drawn."""
    task = Task(epochs=10, dropout_rate=0.0, shuffle=False, epsilon=1e-9)
    losses = [ours(task)(), *(fit() for fit in _peers(task).values())]
    return [
        ("losses of all peers: largest difference", 0, np.ptp(losses, axis=0).max())
    ]


def _small_costs(repeats):
    """Time a fit outside its epochs, one kept on disk, and a prediction."""
    X, y = Task().data()
    folder = TemporaryDirectory()
    kept = Task().net(memory=folder.name).fit(X, y)
    net, one_epoch = Task().net().fit(X, y), Task(epochs=1).net().fit(X, y)
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
    X, y = Task(4000).data()
    few = {"activation": ["relu", "tanh"], "dropout_rate": np.linspace(0, 0.45, 10)}
    many = {"hidden_layer_sizes": [(n, n) for n in range(1, 21)]}
    rows = []
    for repeat in range(repeats):

        def per_fit(grid, n_jobs, backend="loky"):
            # Workers are started, and have imported what they need, but compiled
            # nothing.
            Parallel(2)(delayed(_forget)(i) for i in range(8))
            cache_clear()
            search = GridSearchCV(Task().net(), grid, cv=5, n_jobs=n_jobs, refit=False)
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
    X, y = Task(10_000).data()
    cache_clear()
    sizes = np.geomspace(250, 8000, 8).astype(int)
    learning_curve(Task(epochs=2).net(), X, y, train_sizes=sizes, cv=5, n_jobs=1)
    return [("programs for a learning curve of 8 sizes", 0, cache_info().misses)]


def _memory(fits):
    """Measure by how much many small fits grow the process after the first 500."""
    X, y = Task(200).data()
    nets = [Task().net(hidden_layer_sizes=(n,), epochs=2) for n in range(1, 21)]
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
    by = ["measure", "relation", "reach"]
    table = frame.groupby(by, sort=False, dropna=False)["value"]
    table = table.agg(["median", "min", "max"]).reset_index()
    reached = np.where(
        table["relation"] == ">=",
        table["median"] >= table["reach"],
        table["median"] <= table["reach"],
    )
    holds = np.where(reached, "yes", np.where(table["reach"].isna(), "", "no"))
    columns = ["median", "min", "max"]
    table[columns] = table[columns].map(lambda value: float(f"{value:.3g}"))
    return table.assign(holds=holds)


def plot(frame):
    """Draw each measure over what it is to reach: at 1 it just does."""
    figure, axes = new_figure(1, 1, width=9, height=5)
    frame = frame.dropna(subset="reach")
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
