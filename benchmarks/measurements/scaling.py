"""How throughput grows with the number of Dask workers, and the overhead per task.

The workers are local processes with one thread each. They fit the network of the paper,
after it is compiled; each fit is a task. The overhead is the time per task for tasks
that do nothing, submitted all at once. It is spent in client and scheduler, and more
workers do not reduce it.
"""

import time

import pandas as pd
import seaborn as sns
from joblib import Parallel, delayed, parallel_config

from sklearn_toydnn import DNNClassifier, make_triangle

from .._figures import new_figure
from .._study import Study

FITS, OVERHEAD = "fits per second, n_workers={}", "overhead per task, ms"


def tasks(repeats, fits, empty):
    """Yield a single task, which starts its own workers."""
    yield {"repeats": repeats, "fits": fits, "empty": empty}


def measure(repeats, fits, empty):
    """Return one row per measurement."""
    from distributed import Client, LocalCluster

    rows = []
    for workers in (1, 2):
        with (
            LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            Client(cluster),
            parallel_config("dask", n_jobs=workers),
        ):
            Parallel(batch_size=1)(delayed(_fit)(seed) for seed in range(8))
            for repeat in range(repeats):
                seconds = _time_calls(delayed(_fit)(seed) for seed in range(fits))
                rows.append((FITS.format(workers), repeat, fits / seconds))
                if workers == 2:
                    seconds = _time_calls(delayed(int)() for _ in range(empty))
                    rows.append((OVERHEAD, repeat, 1e3 * seconds / empty))
    return pd.DataFrame(rows, columns=["measure", "repeat", "value"])


def _fit(seed):
    X, y = make_triangle(3200, random_state=seed)
    return DNNClassifier(epochs=50, random_state=seed).fit(X / 30, y).n_iter_


def _time_calls(calls):
    start = time.perf_counter()
    Parallel(batch_size=1, pre_dispatch="all")(calls)
    return time.perf_counter() - start


def summary(frame):
    """Return the median and range of each measure."""
    table = frame.groupby("measure")["value"].agg(["median", "min", "max"])
    return table.round(2).reset_index()


def plot(frame):
    """Plot each measure."""
    figure, axes = new_figure(1, 2)
    is_overhead = frame["measure"] == OVERHEAD
    for ax, part in zip(
        axes[0], (frame[~is_overhead], frame[is_overhead]), strict=True
    ):
        sns.stripplot(part, x="measure", y="value", ax=ax)
        ax.set(ylim=(0, None), xlabel="")
    return figure


STUDY = Study(
    __name__,
    title="Scaling: fits per second on a Dask cluster",
    alt="Fits per second with one and two workers, and the overhead per task.",
    full={"repeats": 5, "fits": 200, "empty": 2000},
    quick={"repeats": 2, "fits": 40, "empty": 500},
    tasks=tasks,
    measure=measure,
    summary=summary,
    plot=plot,
    n_jobs=1,  # the cluster uses the machine alone
)
