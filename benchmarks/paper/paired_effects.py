"""Paired ratios of errors and losses, from which the hypotheses are made."""

import numpy as np

from .judging import Hypothesis, ratio
from .networks import N_TEST
from .summaries import SCORE_OF

TABLE = {"minimum loss and maximum accuracy": ["loss", "accuracy"]}
ERROR = {"error": ["error"]}
LEARNING_MARGIN = 0.005  # accuracy above the share of the majority class


def costs(rows, measure):
    """Return the loss, error or other cost of each row: less is better."""
    if measure == "error":
        accuracy = rows["test_accuracy"]
        return 1 - (accuracy if accuracy.notna().all() else rows["val_accuracy"])
    name = SCORE_OF.get(measure, measure)
    return 1 - rows[name] if name.endswith("accuracy") else rows[name]


def n_points(rows, measure):
    """Return the number of points behind an error, or None for other costs."""
    if measure == "test_accuracy" or (
        measure == "error" and rows["test_accuracy"].notna().all()
    ):
        return N_TEST
    if measure in ("error", "accuracy") and "n_samples" in rows:
        return rows["n_samples"].min() // 5
    return None


def paired_ratio(ours, theirs, measure, untestable=""):
    """Divide their error or loss by ours, pair by pair, and return the effect."""
    one, other = (
        costs(rows.set_index("seed").sort_index(), measure) for rows in (ours, theirs)
    )
    if not (one.index.is_unique and one.index.equals(other.index)):
        raise ValueError(
            "Both sides must have the same seeds, each once, got "
            f"{[*one.index]} and {[*other.index]}."
        )
    published = [_published(rows, measure) for rows in (ours, theirs)]
    points = n_points(ours, measure), n_points(theirs, measure)
    n = None if None in points else min(points)
    return ratio(one, other, published, untestable, n_points=n)


def _published(rows, measure):
    if measure not in SCORE_OF or f"published_{measure}" not in rows:
        return np.nan
    (value,) = rows[f"published_{measure}"].unique()
    return 1 - value if measure == "accuracy" else value


def make_hypotheses(frame, effects, measures, decides=True, label="", **options):
    """Yield a hypothesis for each reading, number of epochs and set of measures.

    `effects` returns the comparisons by name, from the rows of an epoch and a measure.
    The first set of measures decides, after the last epoch.
    """
    for reading, rows in frame.groupby("reading", sort=False):
        for epoch, at in rows.groupby("epoch"):
            for n, (name, several) in enumerate(measures.items()):
                comparisons = {}
                for measure in several:
                    suffix = f" ({measure})" if len(several) > 1 else ""
                    for comparison, effect in effects(at, measure).items():
                        comparisons[comparison + suffix] = effect
                last = epoch == rows["epoch"].max()
                yield Hypothesis(
                    reading,
                    name + label,
                    epoch,
                    comparisons,
                    decides=bool(decides and last and n == 0),
                    **options,
                )
