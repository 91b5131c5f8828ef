"""Claims about weight initialization (Results; Table III)."""

from itertools import permutations

import numpy as np

from ..judging import NO_LEARNING, NONE, SOME, Claim, Effect
from ..networks import N_TEST
from ..paired_effects import (
    ERROR,
    LEARNING_MARGIN,
    TABLE,
    costs,
    make_hypotheses,
    n_points,
    paired_ratio,
)
from ..published import TABLE3
from ..summaries import last_epochs, pick


def _normal_first(at, measure):
    """Compare RandomNormal with each of the other initializers."""
    arms = dict([*at.groupby("initializer")])
    return {
        f"random_normal better than {rival}": paired_ratio(
            arms["random_normal"], arms[rival], measure
        )
        for rival in TABLE3["initializer"]
        if rival != "random_normal"
    }


def _any_pair(names):
    def effects(at, measure):
        arms = dict([*at.groupby("initializer")])
        return {
            f"{one} better than {other}": paired_ratio(arms[one], arms[other], measure)
            for one, other in permutations(names, 2)
        }

    return effects


def _learning(activation):
    """Return how far equal weights stay below the accuracy of the majority class."""

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
    """Return how much farther results with random weights are from their median.

    It is not testable if networks with zero weights learn nothing: most seeds then have
    the same accuracy, the share of one label, and results cannot fluctuate.
    """
    effects = {}
    for activation, rows in at.groupby("activation"):
        away = {}
        for initializer, part in rows.groupby("initializer"):
            error = costs(part.sort_values("seed"), measure).to_numpy()
            away[initializer] = np.abs(error - np.median(error))
        effects[f"{activation} hidden layers"] = Effect(
            away["glorot_uniform"] - away["zeros"],
            untestable="" if np.median(away["zeros"]) else NO_LEARNING,
            resolution=1 / (n_points(rows, measure) or N_TEST),
        )
    return effects


def claims(frame, fluctuations):
    """Yield the claims about initial weights."""
    source = "Results, Weight initialization; Table III"
    of_table = pick(frame, function="f1", activation="relu")
    six = [*TABLE3["initializer"]]
    four = [name for name in six if name not in ("zeros", "ones")]
    yield Claim(
        "RandomNormal is the best initializer",
        "initializing the weights randomly by a normal distribution leads to the best "
        "results",
        source,
        [*make_hypotheses(of_table, _normal_first, TABLE | ERROR)],
    )
    yield Claim(
        "Weight initialization matters",
        "Another important aspect is the weight initialization",
        "Conclusions",
        [
            *make_hypotheses(of_table, _any_pair(six), ERROR, quantifier=SOME),
            *make_hypotheses(
                of_table,
                _any_pair(four),
                ERROR,
                False,
                ", random initializers",
                quantifier=SOME,
            ),
        ],
    )
    away = {"margin": 0.001}
    yield Claim(
        "Zero weights avoid fluctuations of the results",
        "initializing the weights to zero in order to avoid fluctuations of the "
        "results",
        "Conclusions",
        [*make_hypotheses(fluctuations, _steadier, ERROR, **away)],
    )
    gain = {"quantifier": NONE, "margin": LEARNING_MARGIN}
    # `majority` is a share of the test points; only the last epoch has a test accuracy.
    last = last_epochs(frame)
    sigmoid = make_hypotheses(
        last,
        _learning("sigmoid"),
        ERROR,
        False,
        ", sigmoid hidden layers",
        **gain,
    )
    yield Claim(
        "Ours: networks with equal initial weights learn nothing (relu hidden layers)",
        "",
        "our own claim, on Tables II and III",
        [*make_hypotheses(last, _learning("relu"), ERROR, **gain), *sigmoid],
    )
