"""Table III: loss and accuracy for six weight initializers (f1).

Each initializer has Keras' default parameters and is used in hidden and output layers.
Keras' default initializer, used in the rest of the paper, is added. Networks with equal
initial weights learn only with sigmoid hidden layers, so networks with such layers are
added too. They act like networks with one unit per layer. Their results are therefore
better on f3 than on f1.
"""

from itertools import product

import pandas as pd
import seaborn as sns

from .._figures import new_figure
from .._study import Study
from .networks import each_seed, make_initialized, repeat, score_and_majority
from .published import MAKERS, READINGS, TABLE3
from .summaries import PUBLISHED, SCORES, interval, summarize, with_places


def work(seeds, readings, n_samples):
    """Return the amount of training, in points times epochs."""
    epochs = sum(network["epochs"] for network in readings.values())
    return seeds * 13 * n_samples * epochs


def measure(reading, network, n_samples, seed, memory):
    """Return a row for each function, activation, initializer and epoch."""
    named, equal = [*TABLE3["initializer"], "glorot_uniform"], ["zeros", "ones"]
    arms = {
        "f1": [*product(["relu"], named), *product(["sigmoid"], equal)],
        "f3": [*product(["relu", "sigmoid"], equal)],
    }
    parts = []
    for function, of_function in arms.items():
        nets = {
            (activation, initializer): make_initialized(
                network,
                initializer,
                activation=activation,
                memory=memory,
            )
            for activation, initializer in of_function
        }
        names = ["activation", "initializer"]
        rows = repeat(
            nets, names, MAKERS[function], n_samples, seed, score_and_majority
        )
        parts.append(rows.assign(function=function))
    published = TABLE3.assign(function="f1", activation="relu")
    rows = pd.concat(parts).merge(published, how="left")
    return rows.assign(reading=reading, n_samples=n_samples)


def summary(frame):
    """Return our scores beside the published values."""
    last = _in_paper_order(frame.dropna(subset="test_accuracy"))
    by = ["reading", "function", "activation", "initializer", *PUBLISHED.values()]
    return with_places(
        summarize(last, by, [*SCORES, "majority"]),
        last,
        by,
        frame["n_samples"].iloc[0] // 5,
    )


def _in_paper_order(frame):
    places = {name: place for place, name in enumerate(TABLE3["initializer"])}
    keys = frame.assign(place=frame["initializer"].map(places).fillna(len(places)))
    keys["reading"] = keys["reading"].map([*READINGS].index)
    by = ["reading", "function", "activation", "place"]
    return frame.loc[keys.sort_values(by, kind="stable").index]


def plot(frame):
    """Draw each score for each initializer, with the published values."""
    frame = _in_paper_order(frame.dropna(subset="test_accuracy"))
    is_table = (frame["function"] == "f1") & (frame["activation"] == "relu")
    names = frame[["initializer", "activation", "function"]].agg(", ".join, axis=1)
    frame = frame.assign(initializer=frame["initializer"].where(is_table, names))
    figure, axes = new_figure(1, 3, height=5.5, sharey=True)
    for ax, name in zip(axes[0], SCORES, strict=True):
        shared = {"x": name, "y": "initializer", "hue": "reading", "ax": ax}
        sns.stripplot(frame, alpha=0.3, size=3, dodge=True, legend=False, **shared)
        sns.pointplot(
            frame,
            linestyle="none",
            dodge=0.4,
            markers=["o", "s"][: frame["reading"].nunique()],
            errorbar=interval,
            **shared,
        )
        if name in PUBLISHED:
            rows = frame.drop_duplicates("initializer")
            ax.plot(rows[PUBLISHED[name]], rows["initializer"], "kX", label="published")
        handles = ax.get_legend_handles_labels()
        ax.get_legend().remove()
        ax.set(xlabel=SCORES[name], ylabel="")
        if ax is axes[0][0]:
            figure.legend(*handles, loc="outside lower center", ncols=3)
    return figure


STUDY = Study(
    __name__,
    title="Table III: weight initializers (f1)",
    alt=(
        "Three panels: minimum validation loss, maximum validation accuracy and test "
        "accuracy for each initializer, with a dot per repetition and the mean with "
        "its interval. Crosses mark the published values."
    ),
    full={"seeds": 30, "readings": READINGS, "n_samples": 2000},
    quick={"seeds": 3, "readings": READINGS, "n_samples": 2000},
    tasks=each_seed,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
)
