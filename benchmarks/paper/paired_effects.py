"""What is compared for the sentences of the paper: errors and losses, pair by pair."""

import numpy as np

from .judging import Hypothesis, ratio
from .networks import N_TEST
from .summaries import SCORE_OF

TABLE = {"minimum loss and maximum accuracy": ["loss", "accuracy"]}
ERROR = {"error": ["error"]}
WORTH_LEARNING = 0.005  # of accuracy, above the majority's share


def costs(rows, measure):
    """Return a loss or an error, or what else a column holds: less is better."""
    if measure == "error":
        accuracy = rows["test_accuracy"]
        return 1 - (accuracy if accuracy.notna().all() else rows["val_accuracy"])
    name = SCORE_OF.get(measure, measure)
    return 1 - rows[name] if name.endswith("accuracy") else rows[name]


def n_points(rows, measure):
    """Return of how many points an error is a share; None if it is not one's."""
    if measure == "test_accuracy" or (
        measure == "error" and rows["test_accuracy"].notna().all()
    ):
        return N_TEST
    if measure in ("error", "accuracy") and "n_samples" in rows:
        return rows["n_samples"].min() // 5
    return None


def versus(ours, theirs, measure, why_not=""):
    """Return by what factor their error or loss is above ours, pair by pair."""
    one, other = (
        costs(rows.set_index("seed").sort_index(), measure) for rows in (ours, theirs)
    )
    if not (one.index.is_unique and one.index.equals(other.index)):
        raise ValueError(f"unpaired repetitions: {[*one.index]} and {[*other.index]}")
    published = [_published(rows, measure) for rows in (ours, theirs)]
    points = n_points(ours, measure), n_points(theirs, measure)
    n = None if None in points else min(points)
    return ratio(one, other, published, why_not, n_points=n)


def _published(rows, measure):
    if measure not in SCORE_OF or f"published_{measure}" not in rows:
        return np.nan
    (value,) = rows[f"published_{measure}"].unique()
    return 1 - value if measure == "accuracy" else value


def ask(frame, effects, measures, decides=True, label="", **how):
    """Yield the ways of asking: for each reading and number of epochs.

    `effects` makes comparisons, by name, of the rows of an epoch and a measure. The
    first of the sets of measures decides, after the last epoch.
    """
    for reading, rows in frame.groupby("reading", sort=False):
        for epoch, at in rows.groupby("epoch"):
            for n, (name, several) in enumerate(measures.items()):
                found = {}
                for one in several:
                    for what, effect in effects(at, one).items():
                        where = f" ({one})" if len(several) > 1 else ""
                        found[what + where] = effect
                last = epoch == rows["epoch"].max()
                yield Hypothesis(
                    reading,
                    name + label,
                    epoch,
                    found,
                    decides=bool(decides and last and n == 0),
                    **how,
                )
