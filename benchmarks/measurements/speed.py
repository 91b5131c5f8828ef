"""How fast, and how steady in memory: every measure as a ratio of sides in one run.

Setting: f1, 4,000 points of which 3,200 train, 50 epochs, batches of 32, two hidden
layers of 20, dropout 0.2, Adam. The sides take turns, so that a machine that changes
its speed does so for all of them, and are compared turn by turn. skorch and JAX take
part where they are installed (``pip install '.[peers]'``), C++ where there is a
compiler. Each part has a process of its own, and a folder of its own for the programs
that are kept. What has no mark to reach is there to read the ratios by.
"""

import gc
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import pandas as pd
import seaborn as sns
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import get_reusable_executor
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, learning_curve

from sklearn_toydnn import cache_clear, cache_info, compare, make_triangle
from sklearn_toydnn._engine.compiled.program_cache import resident_memory

from .._figures import new_figure
from .._study import Study
from .peers import PEERS, Workload, ours, ours_first

FIRST = "first fit, program on disk"
INITIALIZERS = [
    "zeros",
    "ones",
    "random_uniform",
    "random_normal",
    "truncated_normal",
    "glorot_uniform",
]
REACH = {
    "fit: scikeras / ours": (">=", 200),
    "fit: MLPClassifier / ours": (">=", 26),
    "fit: skorch / ours": (">=", 50),
    "fit: JAX / ours": (">=", 1.3),
    "fit: C++ / ours": (">=", 0.65),
    "first fit: scikeras / ours": (">=", 10),
    f"{FIRST}: scikeras / ours": (">=", 25),
    "losses of all peers: largest difference": ("<=", 1e-5),
    "fit outside its epochs, ms": ("<=", 10),
    "fit found in memory, ms": ("<=", 5),
    "predict_proba on 800 rows, ms": ("<=", 3),
    "grid of 2 structures, n_jobs=2, ms per fit": ("<=", 60),
    "grid of 2 structures on disk, n_jobs=2, ms per fit": ("<=", 50),
    "grid of 20 structures, n_jobs=2, ms per fit": ("<=", 280),
    "grid of 20 structures on disk, n_jobs=2, ms per fit": ("<=", 120),
    "grid of 2 structures: n_jobs=1 / n_jobs=2, loky": (">=", 1),
    "grid of 2 structures: n_jobs=1 / n_jobs=2, threading": (">=", 1),
    "compare six initializers 30 times, n_jobs=2, s": ("<=", 30),
    "compare / a plain loop that does the same": ("<=", 1.15),
    "programs for a learning curve of 8 sizes": ("<=", 6),
    "memory growth, kB per fit": ("<=", 10),
    "peak over the data, fit of 300 epochs, GB": ("<=", 0.3),
    "peak over the data, predict with 1,000 units, GB": ("<=", 0.2),
    "fit of 784-512-512-10: keras.Model.fit / ours": (">=", 1.6),
    "python -m benchmarks --quick --fresh, second run, s": ("<=", 80),
}


def tasks(repeats, n_samples, memory_fits, large_rows, quick_runs):
    """List the parts, each measured by itself."""
    yield {"part": _fits, "repeats": repeats, "n_samples": n_samples}
    yield {"part": _same_losses, "n_samples": n_samples}
    yield {"part": _small_costs, "repeats": 5 * repeats, "n_samples": n_samples}
    yield {"part": _grids, "repeats": max(1, repeats // 2), "n_samples": n_samples}
    yield {"part": _comparisons, "repeats": repeats, "n_samples": n_samples // 4}
    yield {"part": _learning_curve}
    yield {"part": _memory, "fits": memory_fits}
    yield {"part": _peaks, "rows": large_rows}
    yield {"part": _large_network, "repeats": repeats, "rows": large_rows // 50}
    if quick_runs:
        yield {"part": _quick_run}


def measure(part, **settings):
    """Return one row per measurement."""
    with TemporaryDirectory() as folder:
        cache = str(Path(folder, "programs"))
        with patch.dict(os.environ, SKLEARN_TOYDNN_CACHE=cache):
            found = _in_new_process(part, **settings)
    return with_marks(found, REACH)


def with_marks(found, marks):
    """Return measures, turns and values as a frame, with what each is to reach."""
    rows = pd.DataFrame(found, columns=["measure", "repeat", "value"])
    reach = [marks.get(name, ("", np.nan)) for name in rows["measure"]]
    return rows.join(pd.DataFrame(reach, columns=["relation", "reach"]))


def _in_new_process(function, *args, **kwargs):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


# ---- the parts


def _peers(workload):
    """Return those of the peers that can be had here."""
    there = {}
    for name, peer in PEERS.items():
        with suppress(ImportError):
            there[name] = peer(workload)
    return there


def _fits(repeats, n_samples):
    """Compare a warm fit and a first fit with the peers', turn by turn."""
    workload = Workload(n_samples)
    others = _peers(workload)
    sides = {"ours": ours(workload), "ours, first": ours_first(workload)} | others
    for fit in sides.values():
        fit()
    rows = []
    for repeat in range(repeats):
        sides["ours, first"]()  # keeps the program
        on_disk = _in_new_process(_first_fit, workload)
        for _ in range(2):  # the first fit of the last turn has cleared the program
            sides["ours"]()
        seconds = {name: _seconds(fit) for name, fit in sides.items()}
        seconds[FIRST] = on_disk
        rows += [(f"fit: {name}, ms", repeat, 1e3 * t) for name, t in seconds.items()]
        for name in others:
            ratio = seconds[name] / seconds["ours"]
            rows.append((f"fit: {name} / ours", repeat, ratio))
        ratio = seconds["scikeras"] / seconds["ours, first"]
        rows.append(("first fit: scikeras / ours", repeat, ratio))
        rows.append(
            (f"{FIRST}: scikeras / ours", repeat, seconds["scikeras"] / on_disk)
        )
    return rows


def _first_fit(workload):
    seconds = _seconds(ours(workload))
    assert cache_info().disk_hits == 1
    return seconds


def _same_losses(n_samples):
    """Compare the losses of ten epochs where nothing is drawn."""
    still = {"dropout_rate": 0.0, "shuffle": False, "epsilon": 1e-9}
    workload = Workload(n_samples, epochs=10, **still)
    losses = [ours(workload)(), *(fit() for fit in _peers(workload).values())]
    difference = np.ptp(losses, axis=0).max()
    return [("losses of all peers: largest difference", 0, difference)]


def _small_costs(repeats, n_samples):
    """Time a fit outside its epochs, one kept on disk, and a prediction."""
    workload, one = Workload(n_samples), Workload(n_samples, epochs=1)
    X, y = workload.data()
    folder = TemporaryDirectory()
    kept = workload.net(memory=folder.name).fit(X, y)
    net, one_epoch = workload.net().fit(X, y), one.net().fit(X, y)
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


def _grids(repeats, n_samples):
    """Time grid searches, compilation included, in processes and in threads."""
    few = {"activation": ["relu", "tanh"], "dropout_rate": np.linspace(0, 0.45, 10)}
    many = {"hidden_layer_sizes": [(n, n) for n in range(1, 21)]}
    rows = []
    for repeat in range(repeats):

        def per_fit(grid, n_jobs=2, backend="loky", on_disk=False):
            _have_new_workers()
            cache_clear(disk=not on_disk)
            return 10 * _search(n_samples, grid, n_jobs, backend)  # ms; 100 fits

        two, twenty = per_fit(few), per_fit(many)
        one, threads = per_fit(few, 1), per_fit(few, 2, "threading")
        name = "grid of 2 structures"
        rows += [
            (f"{name}, n_jobs=2, ms per fit", repeat, two),
            ("grid of 20 structures, n_jobs=2, ms per fit", repeat, twenty),
            (f"{name}: n_jobs=1 / n_jobs=2, loky", repeat, one / two),
            (f"{name}: n_jobs=1 / n_jobs=2, threading", repeat, one / threads),
        ]
        for n_structures, grid in [(2, few), (20, many)]:
            _search(n_samples, grid, 2, "loky")
            name = f"grid of {n_structures} structures on disk, n_jobs=2, ms per fit"
            rows.append((name, repeat, per_fit(grid, on_disk=True)))
    get_reusable_executor().shutdown()  # else this process ends when they do
    return rows


def _have_new_workers():
    """Start two that have imported what they need, but read or compiled nothing."""
    get_reusable_executor().shutdown()
    Parallel(2)(delayed(cache_clear)() for _ in range(8))


def _search(n_samples, grid, n_jobs, backend):
    """Return the seconds that a grid search takes."""
    workload = Workload(5 * n_samples // 4)
    search = GridSearchCV(workload.net(), grid, cv=5, n_jobs=n_jobs, refit=False)
    with parallel_config(backend=backend):
        return _seconds(lambda: search.fit(*workload.data()))


def _comparisons(repeats, n_samples):
    """Compare initializers, in new processes; and beside a loop, in this one."""
    nets = {name: Workload().net(kernel_initializer=name) for name in INITIALIZERS}
    n_train, n_repeats = 4 * n_samples // 5, 30

    def compare_all(n_jobs):
        how = {"train_size": n_train, "n_repeats": n_repeats, "random_state": 0}
        compare(nets, make_triangle, n_jobs=n_jobs, **how).summary()

    def loop():
        for seed in range(n_repeats):
            X, y = make_triangle(n_train + 4000, random_state=seed)
            for net in nets.values():
                fitted = clone(net).set_params(random_state=seed)
                fitted.fit(X[:n_train], y[:n_train]).score(X[n_train:], y[n_train:])

    loop()
    rows = []
    for repeat in range(repeats):
        _have_new_workers()
        seconds = _seconds(lambda: compare_all(2))
        rows.append(("compare six initializers 30 times, n_jobs=2, s", repeat, seconds))
        ratio = _seconds(lambda: compare_all(1)) / _seconds(loop)
        rows.append(("compare / a plain loop that does the same", repeat, ratio))
    get_reusable_executor().shutdown()
    return rows


def _learning_curve():
    """Count the programs that a learning curve from 250 to 8,000 points compiles."""
    X, y = Workload(10_000).data()
    sizes = np.geomspace(250, 8000, 8).astype(int)
    learning_curve(Workload(epochs=2).net(), X, y, train_sizes=sizes, cv=5, n_jobs=1)
    return [("programs for a learning curve of 8 sizes", 0, cache_info().misses)]


def _memory(fits):
    """Measure by how much many small fits grow the process after the first 500."""
    X, y = Workload(200).data()
    nets = [Workload().net(hidden_layer_sizes=(n,), epochs=2) for n in range(1, 21)]
    warm = 500
    for i in range(fits):
        if i == warm:
            gc.collect()
            before = resident_memory()
        clone(nets[i % 20]).set_params(random_state=i).fit(X, y).predict(X)
    gc.collect()
    growth = resident_memory() - before
    return [("memory growth, kB per fit", 0, growth / 1000 / (fits - warm))]


def _peaks(rows):
    """Measure by how much the process grows, at most, in a large fit and prediction."""
    X, y = Workload(rows).data()
    net = Workload(epochs=300).net(batch_size=1000)
    wide = Workload(200, epochs=1).net(hidden_layer_sizes=(1000,)).fit(X[:200], y[:200])
    return [
        ("peak over the data, " + name, 0, _peak(function))
        for name, function in [
            ("predict with 1,000 units, GB", lambda: wide.predict(X)),
            ("fit of 300 epochs, GB", lambda: net.fit(X, y)),
        ]
    ]


def _peak(function):
    """Return by how many GB the process grew, at most."""
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before = resident_memory()
    function()
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    return (peak - before) / 1e9


def _large_network(repeats, rows):
    """Compare a network as for MNIST with Keras' own training of it."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(rows, 784)).astype(np.float32)
    y = generator.integers(10, size=rows)
    sizes = {"hidden_layer_sizes": (512, 512), "batch_size": 128, "epochs": 1}
    net = Workload().net(**sizes).fit(X, y)
    model = clone(net).set_params(jit_compile=False).initialize(X, y).model_

    def keras_fit():
        model.fit(X, y, batch_size=128, epochs=1, verbose=0)

    keras_fit()
    return [
        (
            "fit of 784-512-512-10: keras.Model.fit / ours",
            repeat,
            _seconds(keras_fit) / _seconds(lambda: net.fit(X, y)),
        )
        for repeat in range(repeats)
    ]


def _quick_run():
    """Time the second of two quick runs of the whole study, what was kept forgotten."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks", "--quick", "--fresh"]
        command += ["--output", folder]

        def run():
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        run()
        name = "python -m benchmarks --quick --fresh, second run, s"
        return [(name, 0, _seconds(run))]


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
    figure, axes = new_figure(1, 1, width=12, height=7)
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
    full={
        "repeats": 7,
        "n_samples": 3200,
        "memory_fits": 5000,
        "large_rows": 1_000_000,
        "quick_runs": True,
    },
    quick={
        "repeats": 5,
        "n_samples": 3200,
        "memory_fits": 2000,
        "large_rows": 100_000,
        "quick_runs": False,
    },
    tasks=tasks,
    measure=measure,
    summary=summary,
    plot=plot,
    n_jobs=1,  # what else runs here would be measured too
)
