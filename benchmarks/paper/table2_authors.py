"""Table II as the authors ran it: zero weights, 5 epochs, 4 plain folds.

The notebooks (``authors.py`` cites them) define the search: 1,200 candidates on the
first 1,600 of 2,000 points, with 5 epochs, batches of 32, dropout rates of 0.3, 0.4 and
0.5, and zero initial weights. Its four folds are neither shuffled nor stratified.

The networks learn nothing in this search. Almost every candidate predicts one class
for all points, so many candidates share the best accuracy, and the search reports the
first of them. The table counts them. It compares the published accuracy with two rules
that do not look at the points: predict the majority class of the training folds, or
always predict 1.
"""

from itertools import product

import numpy as np
import pandas as pd
import seaborn as sns
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    ParameterGrid,
    cross_val_score,
)

from sklearn_toydnn import DNNClassifier
from sklearn_toydnn.datasets import label_gaussian, label_sinusoidal, label_triangle

from .._figures import new_figure
from .._study import Study
from .authors import SCALE, draw_points
from .published import TABLE2

LABELS = {"f1": label_triangle, "f2": label_sinusoidal, "f3": label_gaussian}
# The names and values in the order of the notebook: a search sorts the names, and
# the authors named the output activation before the hidden one.
GRID = {
    "output_activation": ["sigmoid", "relu", "tanh", "elu"],
    "activation": ["sigmoid", "relu", "tanh", "elu"],
    "dropout_rate": [0.3, 0.4, 0.5],
    "units": [5, 10, 15, 20, 25],
    "optimizer": ["SGD", "RMSprop", "Adagrad", "Adam", "Nadam"],
}
CANDIDATE = list(GRID)
STRUCTURE = ["optimizer", "activation", "output_activation"]
N_SAMPLES, N_TRAIN = 2000, 1600
FOLDS = KFold(4)
ACCURACY = 1e-6  # accuracies that differ by less are equal


def tasks(seeds, grid):
    """List the structures of networks: each is compiled in one process only."""
    for values in product(*(grid[name] for name in STRUCTURE)):
        structure = {
            name: [value] for name, value in zip(STRUCTURE, values, strict=True)
        }
        yield {"grid": grid | structure, "seeds": seeds}


def work(seeds, grid):
    """Return how much there is to train: points times epochs."""
    return len(ParameterGrid(grid)) * seeds * len(LABELS) * 3 * N_TRAIN * 5


def measure(grid, seeds, memory):
    """Return a row for each function, candidate and seed of the network."""
    points = draw_points(N_SAMPLES)[:N_TRAIN]
    layers = [(2, units, units) for units in grid["units"]]
    searched = {name: grid[name] for name in grid if name != "units"}
    parts = []
    for (function, label), seed in product(LABELS.items(), range(seeds)):
        net = DNNClassifier(
            kernel_initializer="zeros", epochs=5, random_state=seed, memory=memory
        )
        search = GridSearchCV(
            net,
            searched | {"hidden_layer_sizes": layers},
            cv=FOLDS,
            scoring="accuracy",
            refit=False,
            error_score="raise",
        ).fit(points / SCALE, label(points))
        rows = pd.DataFrame(search.cv_results_["params"])
        rows["units"] = rows.pop("hidden_layer_sizes").str[-1]
        accuracy = search.cv_results_["mean_test_score"].round(6)
        parts.append(
            rows[CANDIDATE].assign(accuracy=accuracy, function=function, seed=seed)
        )
    return pd.concat(parts)


def rules():
    """Return the accuracies of the two rules that look at no point, by function."""
    points = draw_points(N_SAMPLES)[:N_TRAIN]
    accuracies = {}
    for function, label in LABELS.items():
        y = label(points)
        majority = cross_val_score(DummyClassifier(), points, y, cv=FOLDS)
        accuracies[function] = {"majority": majority.mean(), "always 1": y.mean()}
    return pd.DataFrame(accuracies).T


def summary(frame):
    """Return, for each function and seed, the best accuracy and who shares it."""
    order = {tuple(one[n] for n in CANDIDATE): i for i, one in enumerate(_in_order())}
    by_rule, rows = rules(), []
    for (function, seed), part in frame.groupby(["function", "seed"]):
        accuracies = part.set_index(CANDIDATE)["accuracy"]
        published = TABLE2.set_index("function").loc[function]
        candidate = tuple(published[CANDIDATE])
        best = accuracies[accuracies >= accuracies.max() - ACCURACY].index
        equal = accuracies[
            np.abs(accuracies - by_rule.loc[function, "majority"]) <= ACCURACY
        ].index
        reach = np.abs(accuracies - by_rule.loc[function, "always 1"]) <= ACCURACY
        rows.append(
            {
                "function": function,
                "seed": seed,
                "published accuracy": published["published_accuracy"],
                "majority": by_rule.loc[function, "majority"],
                "always 1": by_rule.loc[function, "always 1"],
                "candidates": len(accuracies),
                "best": accuracies.max(),
                "share the best": len(best),
                "as the majority": len(equal),
                "as always 1": int(reach.sum()),
                "published candidate": accuracies.get(candidate),
                "published shares the best": candidate in best,
                "first of the best": ", ".join(map(str, min(best, key=order.get))),
                "first of the majority": ", ".join(map(str, min(equal, key=order.get)))
                if len(equal)
                else "",
            }
        )
    return pd.DataFrame(rows)


def _in_order():
    """List the candidates in the order of the authors' search."""
    # Output before hidden activation, then dropout rate, units and optimizer.
    return [
        dict(zip(CANDIDATE, values, strict=True)) for values in product(*GRID.values())
    ]


def plot(frame):
    """Draw, for each function, how many candidates have which accuracy."""
    figure, axes = new_figure(1, 3, height=3, sharey=True)
    by_rule = rules()
    for ax, function in zip(axes[0], LABELS, strict=True):
        part = frame[frame["function"] == function]
        sns.histplot(part, x="accuracy", bins=40, ax=ax)
        published = TABLE2.set_index("function").loc[function, "published_accuracy"]
        ax.axvline(published, color="k", label="published")
        for (name, accuracy), style in zip(
            by_rule.loc[function].items(), ["--", ":"], strict=True
        ):
            ax.axvline(accuracy, color="C1", linestyle=style, label=name)
        ax.set(title=function, yscale="log", xlabel="mean accuracy of four folds")
    axes[0][0].set_ylabel("candidates, all seeds")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


STUDY = Study(
    __name__,
    title="Table II as published: 5 epochs, 4 plain folds, zero weights",
    alt=(
        "Three histograms, a function each, of the cross-validated accuracies of all "
        "candidates, with lines at the published accuracy, at the majority vote and at "
        "the share of label 1."
    ),
    full={"seeds": 5, "grid": GRID},
    quick={
        "seeds": 1,
        "grid": GRID
        | {
            "output_activation": ["sigmoid"],
            "activation": ["sigmoid", "relu"],
            "units": [5, 15],
            "optimizer": ["SGD", "Adam"],
        },
    },
    tasks=tasks,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
    many_programs=True,
)
