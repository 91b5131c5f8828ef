"""Table II, the leading candidates: many repetitions of the best and the published.

The grid itself is one repetition, of which the best candidate is the luckiest too.
Here its leaders meet again on fresh data sets.
"""

import pandas as pd
import seaborn as sns

from .. import paper
from .._repetitions import interval, new_figure, summarize
from .._study import Study
from .table2_grid_search import PARAMETERS, best, cross_validate_grid

FRESH = 1000  # none of the seeds that chose the leaders


def tasks(grid, seeds, leaders, **settings):
    """List, for each repetition, the leaders of the grid and the published one."""
    ranked = best(grid)
    ranked["rank"] = ranked.groupby(["initializer", "function"]).cumcount() + 1
    published = ranked.merge(paper.TABLE2.drop(columns="published_accuracy"))
    chosen = pd.concat([ranked[ranked["rank"] <= leaders], published])
    candidates = chosen.drop_duplicates().to_dict("records")
    for seed in range(seeds):
        for candidate in candidates:
            names = ["function", "initializer", "rank", *PARAMETERS]
            chosen = {name: candidate[name] for name in names}
            yield {"candidate": chosen, "seed": seed, **settings}


def work(seeds, leaders, n_samples, epochs, folds):
    """Return how much there is to train: points times epochs."""
    return seeds * (leaders + 1) * 6 * n_samples * epochs * (folds - 1)


def measure(candidate, seed, n_samples, epochs, folds, memory):
    """Return the row of one candidate."""
    grid = {name: [candidate[name]] for name in PARAMETERS}
    grid["kernel_initializer"] = [candidate["initializer"]]
    rows = cross_validate_grid(
        candidate["function"], grid, n_samples, epochs, folds, FRESH + seed, memory
    )
    published = paper.TABLE2.drop(columns="published_accuracy")
    return rows.drop(columns="published_accuracy").assign(
        rank=candidate["rank"], published=len(rows.merge(published)) == 1
    )


def summary(frame):
    """Return the accuracy of each candidate."""
    frame = frame.sort_values(["initializer", "function", "rank"], kind="stable")
    frame["row"] = frame["published"].map({True: "published", False: "ours"})
    by = ["row", "initializer", "function", "rank", *PARAMETERS]
    return summarize(frame, by, ["accuracy", "majority"])


def plot(frame):
    """Draw the accuracy of each candidate."""
    figure, axes = new_figure(2, 3, width=6, height=2.6)
    name = frame[PARAMETERS].astype(str).agg(", ".join, axis=1)
    frame = frame.assign(candidate=name).sort_values("rank")
    for row, (initializer, half) in zip(
        axes, frame.groupby("initializer"), strict=False
    ):
        for ax, (function, part) in zip(row, half.groupby("function"), strict=True):
            sns.stripplot(part, x="accuracy", y="candidate", alpha=0.3, size=4, ax=ax)
            sns.pointplot(
                part,
                x="accuracy",
                y="candidate",
                linestyle="none",
                errorbar=interval,
                ax=ax,
            )
            ax.axvline(part["majority"].mean(), color="gray", linestyle=":")
            ax.set(title=f"{function}, {initializer}", ylabel="")
    return figure


STUDY = Study(
    __name__,
    title="Table II: the leading candidates, over repetitions",
    alt=(
        "Cross-validated accuracy of the leading candidates and the published one, a "
        "dot per repetition and the mean with its interval, for each function."
    ),
    full={"seeds": 30, "leaders": 3, "n_samples": 4000, "epochs": 50, "folds": 5},
    quick={"seeds": 3, "leaders": 1, "n_samples": 4000, "epochs": 50, "folds": 5},
    needs=("table2_grid_search",),
    tasks=tasks,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
)
