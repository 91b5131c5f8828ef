"""Speed and memory use of `DNNClassifier`, mostly as ratios to other libraries.

Workload: f1 with 4,000 points, 3,200 of them for training, 50 epochs, batches of 32,
two hidden layers of 20 units, dropout 0.2, Adam. Within a repetition, the libraries are
timed one after the other and compared with each other, so that changes of the
machine's speed affect all of them. skorch and JAX take part if they are installed
(``pip install '.[peers]'``), C++ if there is a compiler. Each part runs in a new
process, with a new folder as disk cache of compiled programs. Measures without a target
are there to help you read the ratios.
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
TARGETS = {
    "fit: scikeras / ours": (">=", 200),
    "fit: MLPClassifier / ours": (">=", 26),
    "fit: skorch / ours": (">=", 50),
    "fit: JAX / ours": (">=", 1.3),
    "fit: C++ / ours": (">=", 0.65),
    "first fit: scikeras / ours": (">=", 10),
    f"{FIRST}: scikeras / ours": (">=", 25),
    "losses: largest difference between peers": ("<=", 1e-5),
    "fit overhead outside epochs, ms": ("<=", 10),
    "fit loaded from cache, ms": ("<=", 5),
    "predict_proba on 800 rows, ms": ("<=", 3),
    "grid of 2 structures, n_jobs=2, ms per fit": ("<=", 60),
    "grid of 2 structures, programs on disk, n_jobs=2, ms per fit": ("<=", 50),
    "grid of 20 structures, n_jobs=2, ms per fit": ("<=", 280),
    "grid of 20 structures, programs on disk, n_jobs=2, ms per fit": ("<=", 120),
    "grid of 2 structures: n_jobs=1 / n_jobs=2, loky": (">=", 1),
    "grid of 2 structures: n_jobs=1 / n_jobs=2, threading": (">=", 1),
    "compare six initializers, 30 repetitions, n_jobs=2, s": ("<=", 30),
    "compare / equivalent plain loop": ("<=", 1.15),
    "programs compiled for a learning curve of 8 sizes": ("<=", 6),
    "memory growth, kB per fit": ("<=", 10),
    "peak memory beyond the data, fit of 300 epochs, GB": ("<=", 0.3),
    "peak memory beyond the data, predict with 1,000 units, GB": ("<=", 0.2),
    "fit of 784-512-512-10: keras.Model.fit / ours": (">=", 1.6),
    "python -m benchmarks --quick --fresh, second run, s": ("<=", 80),
}


def tasks(repeats, n_samples, memory_fits, large_rows, quick_runs):
    """Yield the parts, each of which is measured in a new process."""
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
            rows = _in_new_process(part, **settings)
    return add_targets(rows, TARGETS)


def add_targets(rows, targets):
    """Return a frame of rows (measure, repeat, value), with a target for each."""
    frame = pd.DataFrame(rows, columns=["measure", "repeat", "value"])
    added = [targets.get(name, ("", np.nan)) for name in frame["measure"]]
    return frame.join(pd.DataFrame(added, columns=["relation", "target"]))


def _in_new_process(function, *args, **kwargs):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


# ---- the parts


def _peers(workload):
    """Return the fit functions of the peers that are installed."""
    fits = {}
    for name, peer in PEERS.items():
        with suppress(ImportError):
            fits[name] = peer(workload)
    return fits


def _fits(repeats, n_samples):
    """Compare fits of the peers with a fit and a first fit of ours."""
    workload = Workload(n_samples)
    peers = _peers(workload)
    fits = {"ours": ours(workload), "ours, first": ours_first(workload)} | peers
    for fit in fits.values():
        fit()
    rows = []
    for repeat in range(repeats):
        fits["ours, first"]()  # writes the program to disk
        on_disk = _in_new_process(_first_fit, workload)
        for _ in range(2):  # warm up: the first fit has cleared the programs
            fits["ours"]()
        seconds = {name: _seconds(fit) for name, fit in fits.items()}
        seconds[FIRST] = on_disk
        rows += [(f"fit: {name}, ms", repeat, 1e3 * t) for name, t in seconds.items()]
        for name in peers:
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
    """Compare the losses of ten epochs without dropout and shuffling."""
    deterministic = {"dropout_rate": 0.0, "shuffle": False, "epsilon": 1e-9}
    workload = Workload(n_samples, epochs=10, **deterministic)
    losses = [ours(workload)(), *(fit() for fit in _peers(workload).values())]
    difference = np.ptp(losses, axis=0).max()
    return [("losses: largest difference between peers", 0, difference)]


def _small_costs(repeats, n_samples):
    """Time the overhead of a fit, a fit loaded from the cache, and a prediction."""
    workload, one = Workload(n_samples), Workload(n_samples, epochs=1)
    X, y = workload.data()
    folder = TemporaryDirectory()
    cached = workload.net(memory=folder.name).fit(X, y)
    net, one_epoch = workload.net().fit(X, y), one.net().fit(X, y)
    rows = []
    for repeat in range(repeats):
        # Extrapolate to a fit of 0 epochs: all epochs take the same time.
        first, all_ = (_seconds(lambda n=n: n.fit(X, y)) for n in (one_epoch, net))
        overhead = first - (all_ - first) / (net.epochs - 1)
        rows.append(("fit overhead outside epochs, ms", repeat, 1e3 * overhead))
        # Ten in succession, as in a search that is run again.
        loaded = _seconds(lambda: [cached.fit(X, y) for _ in range(10)]) / 10
        rows.append(("fit loaded from cache, ms", repeat, 1e3 * loaded))
        predict = _seconds(lambda: net.predict_proba(X[:800]))
        rows.append(("predict_proba on 800 rows, ms", repeat, 1e3 * predict))
    folder.cleanup()
    return rows


def _grids(repeats, n_samples):
    """Time grid searches, including compilation, with processes and with threads."""
    few = {"activation": ["relu", "tanh"], "dropout_rate": np.linspace(0, 0.45, 10)}
    many = {"hidden_layer_sizes": [(n, n) for n in range(1, 21)]}
    rows = []
    for repeat in range(repeats):

        def per_fit(grid, n_jobs=2, backend="loky", on_disk=False):
            _start_new_workers()
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
            name = f"grid of {n_structures} structures, programs on disk"
            milliseconds = per_fit(grid, on_disk=True)
            rows.append((f"{name}, n_jobs=2, ms per fit", repeat, milliseconds))
    get_reusable_executor().shutdown()  # otherwise this process would wait for them
    return rows


def _start_new_workers():
    """Start two workers that have imported the package, but have no programs."""
    get_reusable_executor().shutdown()
    Parallel(2)(delayed(cache_clear)() for _ in range(8))


def _search(n_samples, grid, n_jobs, backend):
    """Return the seconds that a grid search takes."""
    workload = Workload(5 * n_samples // 4)
    search = GridSearchCV(workload.net(), grid, cv=5, n_jobs=n_jobs, refit=False)
    with parallel_config(backend=backend):
        return _seconds(lambda: search.fit(*workload.data()))


def _comparisons(repeats, n_samples):
    """Time a comparison in new workers, and relative to a plain loop."""
    nets = {name: Workload().net(kernel_initializer=name) for name in INITIALIZERS}
    n_train, n_repeats = 4 * n_samples // 5, 30

    def compare_all(n_jobs):
        options = {"train_size": n_train, "n_repeats": n_repeats, "random_state": 0}
        compare(nets, make_triangle, n_jobs=n_jobs, **options).summary()

    def loop():
        for seed in range(n_repeats):
            X, y = make_triangle(n_train + 4000, random_state=seed)
            for net in nets.values():
                fitted = clone(net).set_params(random_state=seed)
                fitted.fit(X[:n_train], y[:n_train]).score(X[n_train:], y[n_train:])

    loop()
    rows = []
    for repeat in range(repeats):
        _start_new_workers()
        seconds = _seconds(lambda: compare_all(2))
        rows.append(
            ("compare six initializers, 30 repetitions, n_jobs=2, s", repeat, seconds)
        )
        ratio = _seconds(lambda: compare_all(1)) / _seconds(loop)
        rows.append(("compare / equivalent plain loop", repeat, ratio))
    get_reusable_executor().shutdown()
    return rows


def _learning_curve():
    """Count the programs compiled for a learning curve from 250 to 8,000 points."""
    X, y = Workload(10_000).data()
    sizes = np.geomspace(250, 8000, 8).astype(int)
    learning_curve(Workload(epochs=2).net(), X, y, train_sizes=sizes, cv=5, n_jobs=1)
    return [
        ("programs compiled for a learning curve of 8 sizes", 0, cache_info().misses)
    ]


def _memory(fits):
    """Measure the growth of the process over many small fits, after the first 500."""
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
    """Measure the peak memory of a large fit and of a large prediction."""
    X, y = Workload(rows).data()
    net = Workload(epochs=300).net(batch_size=1000)
    wide = Workload(200, epochs=1).net(hidden_layer_sizes=(1000,)).fit(X[:200], y[:200])
    return [
        ("peak memory beyond the data, " + name, 0, _peak(function))
        for name, function in [
            ("predict with 1,000 units, GB", lambda: wide.predict(X)),
            ("fit of 300 epochs, GB", lambda: net.fit(X, y)),
        ]
    ]


def _peak(function):
    """Return the peak growth of the process in GB."""
    Path("/proc/self/clear_refs").write_text("5")  # resets the recorded peak
    before = resident_memory()
    function()
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    return (peak - before) / 1e9


def _large_network(repeats, rows):
    """Compare the training of an MNIST-sized network with that of Keras."""
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
    """Time the second of two quick runs of all studies, without cached tasks."""
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
    """Return the median and range of each measure, and whether it meets its target."""
    by = ["measure", "relation", "target"]
    table = frame.groupby(by, sort=False, dropna=False)["value"]
    table = table.agg(["median", "min", "max"]).reset_index()
    passed = np.where(
        table["relation"] == ">=",
        table["median"] >= table["target"],
        table["median"] <= table["target"],
    )
    answer = np.where(passed, "yes", np.where(table["target"].isna(), "", "no"))
    columns = ["median", "min", "max"]
    table[columns] = table[columns].map(lambda value: float(f"{value:.3g}"))
    return table.assign(passed=answer)


def plot(frame):
    """Plot each measure relative to its target: 1 or more meets the target."""
    figure, axes = new_figure(1, 1, width=12, height=7)
    frame = frame.dropna(subset="target")
    ratio = frame["value"] / frame["target"]
    ratio = ratio.where(frame["relation"] == ">=", 1 / ratio)
    ax = sns.stripplot(frame.assign(ratio=ratio), x="ratio", y="measure", ax=axes[0][0])
    ax.axvline(1, color="gray")
    ax.set(
        xscale="log",
        xlabel="measure relative to its target (1 or more: target met)",
        ylabel="",
    )
    return figure


STUDY = Study(
    __name__,
    title="Speed: DNNClassifier and other libraries",
    alt="Each measure relative to its target, a dot per repetition.",
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
    n_jobs=1,  # other tasks would disturb the times
)
