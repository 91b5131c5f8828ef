"""Fig. 1: how each of the three functions labels the points.

The picture shows one data set for each function. The table shows the share of label 1
over several data sets.
"""

import pandas as pd

from sklearn_toydnn.plotting import plot_dataset

from .._figures import new_figure
from .._study import Study
from .published import MAKERS
from .summaries import summarize


def tasks(seeds, n_samples):
    """Yield the repetitions."""
    for function in MAKERS:
        for seed in range(seeds):
            yield {"function": function, "n_samples": n_samples, "seed": seed}


def measure(function, n_samples, seed):
    """Return one row per point."""
    X, y = MAKERS[function](n_samples, random_state=seed)
    points = pd.DataFrame(X.round(3), columns=["x0", "x1"])
    return points.assign(label=y, function=function, seed=seed)


def summary(frame):
    """Return the share of label 1 for each function."""
    shares = frame.groupby(["function", "seed"])["label"].mean().rename("share_of_1")
    return summarize(shares.reset_index(), "function", ["share_of_1"])


def plot(frame):
    """Draw the first data set of each function."""
    figure, axes = new_figure(1, 3)
    first = frame[frame["seed"] == 0]
    for ax, (function, points) in zip(axes[0], first.groupby("function"), strict=True):
        plot_dataset(points[["x0", "x1"]], points["label"], ax=ax)
        ax.set_title(f"${function[0]}_{function[1]}$")
    return figure


STUDY = Study(
    __name__,
    title="Fig. 1: data distribution for each label function",
    alt="Three scatter plots: the points of f1, f2 and f3, colored by label.",
    full={"seeds": 5, "n_samples": 4000},
    quick={"seeds": 3, "n_samples": 4000},
    tasks=tasks,
    measure=measure,
    summary=summary,
    plot=plot,
)
