"""Table II: the best candidates of the grid, over many repetitions.

The grid uses one data set, so its best candidate is the best partly by luck. The paper
reports best candidates, not means over the grid. This study takes the best candidate
for each value of each parameter and compares them on fresh data sets. It adds the
published candidate, the paper's first network and the best candidates for the other
functions. Each network trains once per data set, without folds, as in the rest of the
paper.
"""

import pandas as pd
import seaborn as sns

from .._figures import new_figure
from .._study import Study
from .networks import repeat, score_and_majority
from .published import MAKERS, TABLE2
from .summaries import interval, summarize
from .table2_grid_search import PARAMETERS, best, make_table2_net

OWN = {  # the paper's network before the grid search
    "optimizer": "Adam",
    "activation": "relu",
    "output_activation": "sigmoid",
    "units": 20,
    "dropout_rate": 0.2,
    "initializer": "glorot_uniform",
}
ARM = ["initializer", *PARAMETERS]


def tasks(grid, seeds, n_samples, epochs):
    """Yield the repetitions of each function, with the candidates to compare."""
    ranked = best(grid)
    best_anywhere = ranked.groupby(["initializer", "function"]).head(1)
    for seed in range(seeds):
        for function, part in ranked.groupby("function"):
            published = part.merge(TABLE2[TABLE2["function"] == function][PARAMETERS])
            chosen = pd.concat(
                [firsts_of(part), best_anywhere, published, pd.DataFrame([OWN])]
            )
            yield {
                "function": function,
                "arms": chosen[ARM].drop_duplicates().to_dict("records"),
                "n_samples": n_samples,
                "epochs": epochs,
                "seed": seed,
            }


def firsts_of(ranked):
    """Return the best candidate for each value of each parameter and initializer."""
    by_value = [ranked.groupby(["initializer", name]) for name in PARAMETERS]
    return pd.concat([candidates.head(1) for candidates in by_value])


def work(seeds, n_samples, epochs):
    """Return the amount of training, in points times epochs."""
    return seeds * 3 * 40 * n_samples * epochs


def measure(function, arms, n_samples, epochs, seed, memory):
    """Return a row for each candidate and number of epochs."""
    nets = {
        tuple(arm.values()): _net(**arm, epochs=epochs, memory=memory) for arm in arms
    }
    rows = repeat(nets, ARM, MAKERS[function], n_samples, seed, score_and_majority)
    return rows.assign(function=function)


def _net(initializer, units, **params):
    return make_table2_net(
        kernel_initializer=initializer, hidden_layer_sizes=(units, units), **params
    )


def summary(frame):
    """Return the accuracy of each candidate, best first."""
    last = frame.dropna(subset="test_accuracy")
    rows = summarize(last, ["function", *ARM], ["test_accuracy", "majority"])
    by = ["function", "initializer", "test_accuracy"]
    return rows.sort_values(by, ascending=[True, False, False], kind="stable")


def plot(frame):
    """Draw the accuracy of each candidate."""
    last = frame.dropna(subset="test_accuracy")
    names = last[PARAMETERS].astype(str).agg(", ".join, axis=1)
    last = last.assign(candidate=names)
    groups = last.groupby(["initializer", "function"], sort=False)
    n_rows = groups["candidate"].nunique().max()
    figure, axes = new_figure(2, 3, width=6, height=0.5 + 0.17 * n_rows)
    by_row = sorted(groups, key=lambda group: (group[0][0] != "zeros", group[0][1]))
    for ax, ((initializer, function), part) in zip(axes.flat, by_row, strict=False):
        order = part.groupby("candidate")["test_accuracy"].mean().sort_values()
        sns.pointplot(
            part,
            x="test_accuracy",
            y="candidate",
            order=order.index[::-1],
            linestyle="none",
            markersize=4,
            errorbar=interval,
            ax=ax,
        )
        ax.axvline(part["majority"].mean(), color="gray", linestyle=":")
        ax.tick_params(axis="y", labelsize=7)
        ax.set(title=f"{function}, {initializer}", ylabel="", xlabel="test accuracy")
        theirs = TABLE2.set_index("function").loc[function, PARAMETERS]
        for label in ax.get_yticklabels():
            if label.get_text() == ", ".join(map(str, theirs)):
                label.set(color="C3", fontweight="bold")
    return figure


STUDY = Study(
    __name__,
    title="Table II: the best candidates over repetitions",
    alt=(
        "Test accuracy of the best candidate for each value of each parameter, mean "
        "and 95 % interval, for each function and initializer. The published candidate "
        "has a red name; a dotted line is the share of the majority class."
    ),
    full={"seeds": 30, "n_samples": 4000, "epochs": 50},
    quick={"seeds": 3, "n_samples": 4000, "epochs": 50},
    needs=("table2_grid_search",),
    tasks=tasks,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
    many_programs=True,
)
