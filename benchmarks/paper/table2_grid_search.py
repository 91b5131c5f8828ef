"""Table II: grid search over optimizer, activations, units and dropout rate.

The grid is run for each function, as published and with a working initializer. In the
published version all weights start at zero, so all units of a layer stay equal and the
networks learn little or nothing. The score is the cross-validated accuracy of the last
epoch. Accuracies on separate validation points after 5, 10, 20 and 50 epochs are shown
beside it. With zero weights, the accuracy stays at the share of the majority class for
the first epochs. Hundreds of candidates are then tied, and a search reports the first.
"""

from itertools import product
from math import prod

import pandas as pd
import seaborn as sns
from sklearn.model_selection import GridSearchCV, ParameterGrid

from .._figures import new_figure
from .._study import Study
from .networks import make_net
from .published import MAKERS, READINGS, TABLE2, TABLE2_GRID
from .summaries import interval

FULL = {
    "seeds": 1,
    "n_samples": 4000,
    "epochs": 50,
    "folds": 5,
    "initializer": ["zeros", "glorot_uniform"],
    **TABLE2_GRID,
}
PARAMETERS = list(TABLE2_GRID)
EPOCHS = [5, 10, 20, 50]
SCORES = {"accuracy": "cross-validated, last epoch"} | {
    f"accuracy_{n}": f"after {n} epochs, on validation points" for n in EPOCHS
}
STRUCTURE = ["optimizer", "activation", "output_activation"]


def tasks(seeds, n_samples, epochs, folds, initializer, **grid):
    """Yield the parts of the grid, such that one process compiles each structure."""
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
    """Return the amount of training, in points times epochs."""
    return 3 * seeds * n_samples * epochs * (folds - 1) * prod(map(len, grid.values()))


def measure(n_samples, epochs, folds, seed, grid, memory):
    """Return one row per function and candidate."""
    parts = [
        cross_validate_grid(function, grid, n_samples, epochs, folds, seed, memory)
        for function in MAKERS
    ]
    return pd.concat(parts)


def cross_validate_grid(function, grid, n_samples, epochs, folds, seed, memory):
    """Cross-validate every candidate of a grid on one repetition's data."""
    n_val = n_samples // 5
    X, y = MAKERS[function](n_samples + n_val, random_state=seed)
    X, y, validation = X[n_val:], y[n_val:], {"X_val": X[:n_val], "y_val": y[:n_val]}
    net = make_table2_net(epochs=epochs, random_state=seed, memory=memory)
    step = "dnnclassifier__"
    named = {step + name: values for name, values in grid.items() if name != "units"}
    layers = {f"{step}hidden_layer_sizes": [(n, n) for n in grid["units"]]}
    search = GridSearchCV(
        net, named | layers, cv=folds, scoring=_score, refit=False, error_score="raise"
    )
    results = search.fit(X, y, **validation).cv_results_
    rows = pd.DataFrame(results["params"]).rename(
        columns=lambda name: name.removeprefix(step)
    )
    rows["units"] = rows.pop("hidden_layer_sizes").str[0]
    scores = {
        name.removeprefix("mean_test_"): values.round(6)
        for name, values in results.items()
        if name.startswith("mean_test_")
    }
    share = y.mean()
    return (
        rows.rename(columns={"kernel_initializer": "initializer"})[
            ["initializer", *PARAMETERS]
        ]
        .assign(**scores, majority=max(share, 1 - share), function=function, seed=seed)
        .merge(TABLE2.assign(initializer="zeros"), how="left")
    )


def make_table2_net(epochs, **params):
    """Return the network of the plain reading with the parameters of a candidate."""
    return make_net(READINGS["plain"] | {"epochs": epochs}, **params)


def _score(pipeline, X, y):
    """Return the accuracy, and validation accuracies after several epochs."""
    accuracies = pipeline[-1].history_["val_accuracy"]
    intermediate = {
        f"accuracy_{n}": accuracies[n - 1] for n in EPOCHS if n <= len(accuracies)
    }
    return {"accuracy": pipeline.score(X, y), **intermediate}


def best(frame):
    """Return the candidates of each initializer and function, best first."""
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
    published = ranked.merge(TABLE2).assign(row="published")
    rows = pd.concat([first, published]).sort_values(
        by, ascending=[False, True], kind="stable"
    )
    rows["published_accuracy"] = rows["published_accuracy"].where(
        rows["initializer"] == "zeros"
    )
    return rows[["row", *by, *PARAMETERS, "accuracy", "majority", "published_accuracy"]]


def ties(frame):
    """Return the candidates tied for best with zero weights, by number of epochs.

    Columns: the number of tied candidates, whether the published candidate is among
    them, and the one that a search would report. A search reports the first: in the
    order of `ParameterGrid`, which sorts parameters by name, or in the printed order.
    """
    zeros = frame[frame["initializer"] == "zeros"]
    scores = [name for name in zeros if name.startswith("accuracy")]
    orders = {
        "ParameterGrid": [
            tuple(one[name] for name in PARAMETERS)
            for one in ParameterGrid(TABLE2_GRID)
        ],
        "printed": [*product(*TABLE2_GRID.values())],
    }
    rows = []
    for score, (function, part) in product(scores, zeros.groupby("function")):
        means = part.groupby(PARAMETERS)[score].mean()
        tied = set(means.index[means >= means.max() - 1e-6])
        theirs = TABLE2.set_index("function").loc[function, PARAMETERS]
        firsts = {
            name: next(one for one in order if one in tied)
            for name, order in orders.items()
        }
        rows.append(
            {
                "score": SCORES.get(score, score),
                "function": function,
                "best": means.max(),
                "as_good": len(tied),
                "published_is": tuple(theirs) in tied,
                **{
                    f"first_{name}": ", ".join(map(str, first))
                    for name, first in firsts.items()
                },
                "published_first": tuple(theirs) in firsts.values(),
            }
        )
    return pd.DataFrame(rows)


def plot(frame):
    """Draw the mean accuracy for each value of each parameter."""
    figure, axes = new_figure(3, len(PARAMETERS), width=3, height=2.6, sharey="row")
    for function, row in zip(MAKERS, axes, strict=True):
        part = frame[frame["function"] == function]
        for ax, parameter in zip(row, PARAMETERS, strict=True):
            by = ["initializer", parameter, "seed"]
            sns.pointplot(
                part.groupby(by, as_index=False, sort=False)["accuracy"].mean(),
                x=parameter,
                y="accuracy",
                hue="initializer",
                order=[v for v in TABLE2_GRID[parameter] if v in set(part[parameter])],
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
        "Mean accuracy for each value of each parameter of the grid, with a row of "
        "panels for each function. Accuracies with zero weights are near the dotted "
        "line, the share of the majority class; with a working initializer they are "
        "above it."
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
