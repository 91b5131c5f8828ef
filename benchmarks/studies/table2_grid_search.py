"""Table II: grid search over optimizer, activations, units and dropout, each f.

As published: weights initialised to zeros, so that all units of a layer stay equal
and the search ranks networks that can learn little or nothing; and the same grid
again with a working initializer. The score is the last epoch's accuracy,
cross-validated.
"""

from itertools import product
from math import prod

import pandas as pd
import seaborn as sns
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_toydnn

from .. import paper
from .._repetitions import interval, new_figure
from .._study import Study

FULL = {
    "seeds": 1,
    "n_samples": 4000,
    "epochs": 50,
    "folds": 5,
    "initializer": ["zeros", "glorot_uniform"],
    **paper.TABLE2_GRID,
}
PARAMETERS = list(paper.TABLE2_GRID)
STRUCTURE = ["optimizer", "activation", "output_activation"]


def tasks(seeds, n_samples, epochs, folds, initializer, **grid):
    """List the parts of the grid: each structure is compiled in one process only."""
    structures = product(*(grid[name] for name in STRUCTURE))
    for seed, values in product(range(seeds), structures):
        yield {
            "n_samples": n_samples,
            "epochs": epochs,
            "folds": folds,
            "seed": seed,
            "grid": {
                "kernel_initializer": initializer,
                **grid,
                **{name: [one] for name, one in zip(STRUCTURE, values, strict=True)},
            },
        }


def work(seeds, n_samples, epochs, folds, **grid):
    """Return how much there is to train: points times epochs."""
    return 3 * seeds * n_samples * epochs * (folds - 1) * prod(map(len, grid.values()))


def measure(n_samples, epochs, folds, seed, grid, memory):
    """Return one row per function and candidate."""
    parts = [
        cross_validate_grid(function, grid, n_samples, epochs, folds, seed, memory)
        for function in paper.MAKERS
    ]
    return pd.concat(parts)


def cross_validate_grid(function, grid, n_samples, epochs, folds, seed, memory):
    """Cross-validate every candidate of a grid on one repetition's data."""
    X, y = paper.MAKERS[function](n_samples, random_state=seed)
    net = make_pipeline(
        StandardScaler(),
        sklearn_toydnn.DNNClassifier(epochs=epochs, random_state=seed, memory=memory),
    )
    step = "dnnclassifier__"
    named = {step + name: values for name, values in grid.items() if name != "units"}
    layers = {f"{step}hidden_layer_sizes": [(n, n) for n in grid["units"]]}
    results = (
        GridSearchCV(net, named | layers, cv=folds, refit=False, error_score="raise")
        .fit(X, y)
        .cv_results_
    )
    rows = pd.DataFrame(results["params"]).rename(
        columns=lambda name: name.removeprefix(step)
    )
    rows["units"] = rows.pop("hidden_layer_sizes").str[0]
    share = y.mean()
    return (
        rows.rename(columns={"kernel_initializer": "initializer"})[
            ["initializer", *PARAMETERS]
        ]
        .assign(
            accuracy=results["mean_test_score"],
            majority=max(share, 1 - share),
            function=function,
            seed=seed,
        )
        .merge(paper.TABLE2.assign(initializer="zeros"), how="left")
    )


def best(frame):
    """Return the candidates of each initializer and function, the best first."""
    by = ["initializer", "function", *PARAMETERS]
    means = frame.groupby(by, as_index=False)[["accuracy", "majority"]].mean()
    return means.sort_values("accuracy", ascending=False, kind="stable").sort_values(
        ["initializer", "function"], ascending=[False, True], kind="stable"
    )


def summary(frame):
    """Return the best candidate and the published one, for each function."""
    ranked = best(frame)
    by = ["initializer", "function"]
    first = ranked.groupby(by, sort=False).head(1).assign(row="ours")
    published = ranked.merge(paper.TABLE2).assign(row="published")
    rows = pd.concat([first, published]).sort_values(
        by, ascending=[False, True], kind="stable"
    )
    rows["published_accuracy"] = rows["published_accuracy"].where(
        rows["initializer"] == "zeros"
    )
    return rows[["row", *by, *PARAMETERS, "accuracy", "majority", "published_accuracy"]]


def plot(frame):
    """Draw the mean accuracy for each value of each parameter."""
    figure, axes = new_figure(3, len(PARAMETERS), width=3, height=2.6, sharey="row")
    for function, row in zip(paper.MAKERS, axes, strict=True):
        part = frame[frame["function"] == function]
        for ax, parameter in zip(row, PARAMETERS, strict=True):
            by = ["initializer", parameter, "seed"]
            sns.pointplot(
                part.groupby(by, as_index=False, sort=False)["accuracy"].mean(),
                x=parameter,
                y="accuracy",
                hue="initializer",
                order=[
                    v for v in paper.TABLE2_GRID[parameter] if v in set(part[parameter])
                ],
                linestyle="none",
                errorbar=interval,
                legend=ax is axes[0][0],
                ax=ax,
            )
            ax.axhline(part["majority"].mean(), color="gray", linestyle=":")
            ax.set_ylabel(f"{function}: mean accuracy" if ax is row[0] else "")
            ax.tick_params(axis="x", rotation=45)
            ax.margins(y=0.15)
    handles, labels = axes[0][0].get_legend_handles_labels()
    axes[0][0].get_legend().remove()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


STUDY = Study(
    __name__,
    title="Table II: grid search, as published and with a working initializer",
    alt=(
        "Mean accuracy for each value of each parameter of the grid, a row of panels "
        "for each function: near the dotted share of the majority with weights "
        "initialised to zeros, above it with a working initializer."
    ),
    full=FULL,
    quick={
        **FULL,
        "optimizer": ["SGD", "Adam"],
        "activation": ["sigmoid", "relu"],
        "output_activation": ["sigmoid"],
        "units": [5, 15],
        "dropout_rate": [0.3],
    },
    tasks=tasks,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
    many_programs=True,
)
