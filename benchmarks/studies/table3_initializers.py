"""Table III: loss and accuracy for six weight initializers, f1.

Keras' own defaults of each initializer, in hidden and output layers alike. Keras'
default, which the rest of the paper uses, stands beside them; and, for weights that
are all equal, networks that can learn with them: those with sigmoid hidden layers,
which are as good as one unit per layer, and so better on f3 than on f1.
"""

from itertools import product

import numpy as np
import pandas as pd
import seaborn as sns

from .. import paper
from .._repetitions import (
    PUBLISHED,
    SCORES,
    each_seed,
    interval,
    make_net,
    new_figure,
    repeat,
    score,
    summarize,
)
from .._study import Study


def work(seeds, readings, n_samples):
    """Return how much there is to train: points times epochs."""
    epochs = sum(paper.READINGS[reading]["epochs"] for reading in readings)
    return seeds * 13 * n_samples * epochs


def measure(reading, n_samples, seed, memory):
    """Return a row for each function, activation, initializer and epoch read."""
    named, equal = [*paper.TABLE3["initializer"], "glorot_uniform"], ["zeros", "ones"]
    arms = {
        "f1": [*product(["relu"], named), *product(["sigmoid"], equal)],
        "f3": [*product(["relu", "sigmoid"], equal)],
    }
    parts = []
    for function, of_function in arms.items():
        nets = {
            (activation, initializer): make_initialized(
                paper.READINGS[reading],
                initializer,
                activation=activation,
                memory=memory,
            )
            for activation, initializer in of_function
        }
        names = ["activation", "initializer"]
        rows = repeat(nets, names, paper.MAKERS[function], n_samples, seed, _score)
        parts.append(rows.assign(function=function))
    published = paper.TABLE3.assign(function="f1", activation="relu")
    return pd.concat(parts).merge(published, how="left").assign(reading=reading)


def make_initialized(reading, initializer, **params):
    """Return the network with an initializer, in hidden and output layers alike."""
    return make_net(reading, kernel_initializer=initializer, **params)


def _score(pipeline, X, y):
    """Return the scores, and how many points the majority's label suits."""
    return score(pipeline, X, y) | {"majority": max(np.mean(y), 1 - np.mean(y))}


def summary(frame):
    """Return ours beside the published values."""
    by = ["function", "activation", "initializer", *PUBLISHED.values()]
    return summarize(frame, by, [*SCORES, "majority"])


def plot(frame):
    """Draw each score for each initializer, with the published values."""
    frame = frame.assign(
        initializer=np.where(
            (frame["function"] == "f1") & (frame["activation"] == "relu"),
            frame["initializer"],
            frame[["initializer", "activation", "function"]].agg(", ".join, axis=1),
        )
    )
    figure, axes = new_figure(1, 3, height=5)
    for ax, name in zip(axes[0], SCORES, strict=True):
        sns.stripplot(
            frame, x=name, y="initializer", color="C0", alpha=0.3, size=4, ax=ax
        )
        sns.pointplot(
            frame,
            x=name,
            y="initializer",
            color="C0",
            linestyle="none",
            errorbar=interval,
            label="ours: mean and 95 % interval",
            ax=ax,
        )
        if name in PUBLISHED:
            rows = frame.drop_duplicates("initializer")
            ax.plot(rows[PUBLISHED[name]], rows["initializer"], "kX", label="published")
        ax.get_legend().remove()
        ax.set(xlabel=SCORES[name], ylabel="")
    figure.legend(
        *axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2
    )
    return figure


STUDY = Study(
    __name__,
    title="Table III: weight initializers (f1)",
    alt=(
        "Three panels: minimum validation loss, maximum validation accuracy and test "
        "accuracy for each initializer, a dot per repetition and the mean with its "
        "interval; crosses mark the published values."
    ),
    full={"seeds": 30, "readings": [*paper.READINGS], "n_samples": 2000},
    quick={"seeds": 3, "readings": [*paper.READINGS], "n_samples": 2000},
    tasks=each_seed,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
)
