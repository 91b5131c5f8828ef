"""Whether time per fit, memory, threads or open files grow over thousands of fits.

One process fits many structures one after the other, each fit with a new seed. After
every structure is compiled, nothing should grow. (Threads, files and memory are read
from ``/proc``, and are 0 on systems other than Linux.)
"""

import gc
import time
from pathlib import Path

import pandas as pd
import seaborn as sns
from sklearn.base import clone

from sklearn_toydnn import DNNClassifier, make_triangle
from sklearn_toydnn._engine.compiled.program_cache import resident_memory

from .._figures import new_figure
from .._study import Study

TIME, MEMORY = "time of a fit, ms", "memory, MB"
THREADS, FILES = "threads", "open files"


def tasks(**settings):
    """Yield a single task, which runs in one process."""
    yield settings


def measure(fits, structures, block):
    """Return a row for each measure and block of fits."""
    X, y = make_triangle(500, random_state=0)
    nets = [DNNClassifier((n,), epochs=10) for n in range(1, structures + 1)]
    for net in nets:
        net.fit(X, y).predict(X)
    rows = []
    for first in range(0, fits, block):
        start = time.perf_counter()
        for seed in range(first, first + block):
            net = clone(nets[seed % structures]).set_params(random_state=seed)
            net.fit(X, y).predict(X)
        seconds = time.perf_counter() - start
        gc.collect()
        done = first + block
        rows += [
            (done, TIME, 1e3 * seconds / block),
            (done, MEMORY, resident_memory() / 1e6),
            (done, THREADS, _count("task")),
            (done, FILES, _count("fd")),
        ]
    return pd.DataFrame(rows, columns=["fits", "measure", "value"])


def _count(folder):
    return len(list(Path("/proc/self", folder).glob("*")))


def summary(frame):
    """Return each measure after the first and the last block, and whether it passed."""
    table = frame.pivot(index="fits", columns="measure", values="value")
    first, last = table.iloc[0], table.iloc[-1]
    fits = table.index[-1] - table.index[0]
    growth = (last[MEMORY] - first[MEMORY]) * 1e3 / fits
    rows = [
        (TIME, "changes by 10 % at most", abs(last[TIME] / first[TIME] - 1) <= 0.1),
        (MEMORY, "grows by 10 kB per fit at most", growth <= 10),
        (THREADS, "constant", last[THREADS] == first[THREADS]),
        (FILES, "constant", last[FILES] == first[FILES]),
    ]
    return pd.DataFrame(
        [
            (name, round(first[name], 2), round(last[name], 2), target, _yes_no(passed))
            for name, target, passed in rows
        ],
        columns=["measure", "first block", "last block", "target", "passed"],
    )


def _yes_no(passed):
    return "yes" if passed else "no"


def plot(frame):
    """Plot each measure against the number of fits."""
    figure, axes = new_figure(1, 4, width=3.5, height=3)
    for ax, (name, part) in zip(
        axes[0], frame.groupby("measure", sort=False), strict=True
    ):
        sns.lineplot(part, x="fits", y="value", marker="o", ax=ax)
        ax.set(ylim=(0, None), ylabel=name)
    return figure


STUDY = Study(
    __name__,
    title="Soak: thousands of fits in one process",
    alt="Time per fit, memory, threads and open files against the number of fits.",
    full={"fits": 10_000, "structures": 50, "block": 500},
    quick={"fits": 1_000, "structures": 10, "block": 100},
    tasks=tasks,
    measure=measure,
    summary=summary,
    plot=plot,
    n_jobs=1,  # all fits run in one process
)
