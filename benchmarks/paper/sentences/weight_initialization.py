"""Sentences on weight initialization (Results; Table III)."""

from itertools import permutations

import numpy as np

from ..judging import NONE, NOTHING, SOME, Effect, Sentence
from ..networks import N_TEST
from ..paired_effects import ERROR, TABLE, WORTH_LEARNING, ask, costs, n_points, versus
from ..published import TABLE3
from ..summaries import last_epochs, pick


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
    away = {"margin": 0.001}
    yield Sentence(
        "Zero weights avoid fluctuations of the results",
        "initializing the weights to zero in order to avoid fluctuations of the "
        "results",
        "Conclusions",
        [*ask(fluctuations, _steadier, ERROR, **away)],
    )
    gain = {"how": NONE, "margin": WORTH_LEARNING}
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
