"""Table III: loss and accuracy for six weight initializers, f1.

Keras' own defaults of each initializer, in hidden and output layers alike. Keras'
default, which the rest of the paper uses, stands beside them; and, for weights that
are all equal, networks that can learn with them: those with sigmoid hidden layers,
which are as good as one unit per layer, and so better on f3 than on f1.
"""

from itertools import permutations, product

import numpy as np
import pandas as pd
import seaborn as sns

from .._study import Study
from .judging import NONE, NOTHING, SOME, Effect, Sentence
from .networks import (
    N_TEST,
    PUBLISHED,
    SCORES,
    each_seed,
    interval,
    last_epochs,
    make_net,
    new_figure,
    repeat,
    score_and_majority,
    summarize,
    with_places,
)
from .pairs import ERROR, TABLE, WORTH_LEARNING, ask, costs, n_points, pick, versus
from .published import MAKERS, READINGS, TABLE3


def work(seeds, readings, n_samples):
    """Return how much there is to train: points times epochs."""
    epochs = sum(network["epochs"] for network in readings.values())
    return seeds * 13 * n_samples * epochs


def measure(reading, network, n_samples, seed, memory):
    """Return a row for each function, activation, initializer and epoch read."""
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


def make_initialized(reading, initializer, **params):
    """Return the network with an initializer, in hidden and output layers alike."""
    return make_net(reading, kernel_initializer=initializer, **params)


def summary(frame):
    """Return ours beside the published values."""
    last = _in_the_papers_order(frame.dropna(subset="test_accuracy"))
    by = ["reading", "function", "activation", "initializer", *PUBLISHED.values()]
    return with_places(
        summarize(last, by, [*SCORES, "majority"]),
        last,
        by,
        frame["n_samples"].iloc[0] // 5,
    )


def _in_the_papers_order(frame):
    places = {name: place for place, name in enumerate(TABLE3["initializer"])}
    keys = frame.assign(place=frame["initializer"].map(places).fillna(len(places)))
    keys["reading"] = keys["reading"].map([*READINGS].index)
    by = ["reading", "function", "activation", "place"]
    return frame.loc[keys.sort_values(by, kind="stable").index]


def plot(frame):
    """Draw each score for each initializer, with the published values."""
    frame = _in_the_papers_order(frame.dropna(subset="test_accuracy"))
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


# ---- what the paper says of it


def _normal_first(at, measure):
    """Compare RandomNormal with each of the others."""
    arms = dict([*at.groupby("initializer")])
    return {
        f"random_normal better than {rival}": versus(
            arms["random_normal"], arms[rival], measure
        )
        for rival in TABLE3["initializer"]
        if rival != "random_normal"
    }


def _any_pair(names):
    def effects(at, measure):
        arms = dict([*at.groupby("initializer")])
        return {
            f"{one} better than {other}": versus(arms[one], arms[other], measure)
            for one, other in permutations(names, 2)
        }

    return effects


def _learning(activation):
    """Return by how much the majority's label is better than equal weights."""

    def effects(at, measure):
        part = pick(at, activation=activation)
        part = part[part["initializer"].isin(["zeros", "ones"])]
        return {
            f"{initializer}, {function}": Effect(
                (rows["majority"] - (1 - costs(rows, measure))).to_numpy(),
                resolution=1 / N_TEST,
            )
            for (initializer, function), rows in part.groupby(
                ["initializer", "function"]
            )
        }

    return effects


def _steadier(at, measure):
    """Return how much further results with random weights are from their median.

    Where nothing is learnt with zero weights, most seeds end in the same accuracy, the
    share of a label, and nothing can fluctuate.
    """
    effects = {}
    for activation, rows in at.groupby("activation"):
        away = {}
        for initializer, part in rows.groupby("initializer"):
            error = costs(part.sort_values("seed"), measure).to_numpy()
            away[initializer] = np.abs(error - np.median(error))
        effects[f"{activation} hidden layers"] = Effect(
            away["glorot_uniform"] - away["zeros"],
            why_not="" if np.median(away["zeros"]) else NOTHING,
            resolution=1 / (n_points(rows, measure) or N_TEST),
        )
    return effects


def claims(frame, fluctuations):
    """Yield the sentences about initial weights."""
    source = "Results, Weight initialization; Table III"
    of_table = pick(frame, function="f1", activation="relu")
    six = [*TABLE3["initializer"]]
    four = [name for name in six if name not in ("zeros", "ones")]
    yield Sentence(
        "RandomNormal is the best initializer",
        "initializing the weights randomly by a normal distribution leads to the best "
        "results",
        source,
        [*ask(of_table, _normal_first, TABLE | ERROR)],
    )
    yield Sentence(
        "Weight initialization matters",
        "Another important aspect is the weight initialization",
        "Conclusions",
        [
            *ask(of_table, _any_pair(six), ERROR, how=SOME),
            *ask(of_table, _any_pair(four), ERROR, False, ", random ones", how=SOME),
        ],
    )
    away = {"smallest": 0.001}
    yield Sentence(
        "Zero weights avoid fluctuations of the results",
        "initializing the weights to zero in order to avoid fluctuations of the "
        "results",
        "Conclusions",
        [*ask(fluctuations, _steadier, ERROR, **away)],
    )
    gain = {"how": NONE, "smallest": WORTH_LEARNING}
    # On the way, accuracies are those of other points, and so is the majority's share.
    last = last_epochs(frame)
    sigmoid = ask(
        last,
        _learning("sigmoid"),
        ERROR,
        False,
        ", sigmoid hidden layers",
        **gain,
    )
    yield Sentence(
        "Ours: weights that are all equal learn nothing (relu hidden layers)",
        "",
        "ours, on Tables II and III",
        [*ask(last, _learning("relu"), ERROR, **gain), *sigmoid],
    )


STUDY = Study(
    __name__,
    title="Table III: weight initializers (f1)",
    alt=(
        "Three panels: minimum validation loss, maximum validation accuracy and test "
        "accuracy for each initializer, a dot per repetition and the mean with its "
        "interval; crosses mark the published values."
    ),
    full={"seeds": 30, "readings": READINGS, "n_samples": 2000},
    quick={"seeds": 3, "readings": READINGS, "n_samples": 2000},
    tasks=each_seed,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
)
