"""Table II: grid search over optimizer, activations, units and dropout, each f.

As published: weights initialised to zeros, so that all units of a layer stay
equal and the search ranks networks that can learn little or nothing. The score is
the last epoch's accuracy, cross-validated.
"""

from itertools import product

import pandas as pd
import seaborn as sns
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_toydnn

from . import paper
from ._study import interval, new_figure, summarize

TITLE = "Table II: grid search, weights initialised to zeros"
FULL = {"seeds": 1, "n_samples": 4000, "epochs": 50, "folds": 5, **paper.TABLE2_GRID}
QUICK = {
    **FULL,
    "seeds": 2,
    "optimizer": ["SGD", "Adam"],
    "activation": ["sigmoid", "relu"],
    "output_activation": ["sigmoid", "tanh"],
    "units": [5, 15],
    "dropout_rate": [0.3],
}
PARAMETERS = list(paper.TABLE2_GRID)


def tasks(seeds, n_samples, epochs, folds, optimizer, activation, **grid):
    """List the parts of the grid: each structure is compiled in one process only."""
    for seed, function, one_optimizer, one_activation in product(
        range(seeds), paper.MAKERS, optimizer, activation
    ):
        yield {
            "function": function,
            "n_samples": n_samples,
            "epochs": epochs,
            "folds": folds,
            "seed": seed,
            "grid": {
                "optimizer": [one_optimizer],
                "activation": [one_activation],
                **grid,
            },
        }


def measure(function, n_samples, epochs, folds, seed, grid):
    """Return one row per candidate."""
    X, y = paper.MAKERS[function](n_samples, random_state=seed)
    net = make_pipeline(
        StandardScaler(),
        sklearn_toydnn.DNNClassifier(
            kernel_initializer="zeros", epochs=epochs, random_state=seed
        ),
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
        rows[PARAMETERS]
        .assign(
            accuracy=results["mean_test_score"],
            majority=max(share, 1 - share),
            function=function,
            seed=seed,
        )
        .merge(paper.TABLE2, how="left")
    )


def summary(frame):
    """Return the best candidate and the published one, for each function."""
    frame = frame.assign(candidate=frame[PARAMETERS].astype(str).agg(" ".join, axis=1))
    rows = []
    for function, part in frame.groupby("function"):
        best = part.groupby("candidate")["accuracy"].mean().idxmax()
        published = paper.TABLE2.set_index("function").loc[function]
        wanted = " ".join(map(str, published[PARAMETERS]))
        for row, candidate in {"ours": best, "published": wanted}.items():
            rows.append(
                part[part["candidate"] == candidate].assign(
                    row=row,
                    published_accuracy=published["published_accuracy"]
                    if row == "published"
                    else None,
                )
            )
    by = ["function", "row", "candidate", "published_accuracy"]
    return summarize(pd.concat(rows), by, ["accuracy", "majority"])


def plot(frame):
    """Draw the mean accuracy for each value of each parameter."""
    functions = list(paper.MAKERS)
    figure, axes = new_figure(3, len(PARAMETERS), width=3, height=2.6, sharey="row")
    for function, row in zip(functions, axes, strict=True):
        part = frame[frame["function"] == function]
        for ax, parameter in zip(row, PARAMETERS, strict=True):
            means = part.groupby([parameter, "seed"], as_index=False)["accuracy"].mean()
            sns.pointplot(
                means,
                x=parameter,
                y="accuracy",
                order=[
                    v for v in paper.TABLE2_GRID[parameter] if v in set(part[parameter])
                ],
                linestyle="none",
                errorbar=interval,
                ax=ax,
            )
            ax.axhline(part["majority"].mean(), color="gray", linestyle=":")
            ax.set_ylabel(f"{function}: mean accuracy" if ax is row[0] else "")
            ax.tick_params(axis="x", rotation=45)
    return figure


if __name__ == "__main__":
    import sys

    from .__main__ import main

    main(["table2_grid_search", *sys.argv[1:]])
