"""How throughput grows with Dask workers: fits a second, and what a task costs.

The workers are processes of this machine with one thread each, which fit the paper's
network once it is compiled; a fit is a task. The cost of a task is what is left where
tasks do nothing, all submitted at once: the time of client and scheduler, of which more
workers shorten nothing.
"""

import time

import pandas as pd
import seaborn as sns
from joblib import Parallel, delayed, parallel_config

from sklearn_toydnn import DNNClassifier, make_triangle

from .._figures import new_figure
from .._study import Study

FITS, COST = "fits per second, {} workers", "cost of a task, ms"


def tasks(repeats, fits, empty):
    """List the one part there is."""
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
                    rows.append((COST, repeat, 1e3 * seconds / empty))
    return pd.DataFrame(rows, columns=["measure", "repeat", "value"])


def _fit(seed):
    X, y = make_triangle(3200, random_state=seed)
    return DNNClassifier(epochs=50, random_state=seed).fit(X / 30, y).n_iter_


def _time_calls(calls):
    start = time.perf_counter()
    Parallel(batch_size=1, pre_dispatch="all")(calls)
    return time.perf_counter() - start


def summary(frame):
    """Return the median of each measure."""
    table = frame.groupby("measure")["value"].agg(["median", "min", "max"])
    return table.round(2).reset_index()


def plot(frame):
    """Draw each measure."""
    figure, axes = new_figure(1, 2)
    cost = frame["measure"] == COST
    for ax, part in zip(axes[0], [frame[~cost], frame[cost]], strict=True):
        sns.stripplot(part, x="measure", y="value", ax=ax)
        ax.set(ylim=(0, None), xlabel="")
    return figure


STUDY = Study(
    __name__,
    title="Scaling: fits a second on a Dask cluster",
    alt="Fits a second with one and with two workers, and the cost of an empty task.",
    full={"repeats": 5, "fits": 200, "empty": 2000},
    quick={"repeats": 2, "fits": 40, "empty": 500},
    tasks=tasks,
    measure=measure,
    summary=summary,
    plot=plot,
    n_jobs=1,  # the cluster is to have the machine for itself
)
