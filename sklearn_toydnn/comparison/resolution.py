"""How coarse a score is: which scores are made of labels, of how many test points."""

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

# scikit-learn's scores of labels, not of probabilities, by how their names begin. The
# score of `estimator.score` has no name that tells.
_OF_LABELS = (
    *("accuracy", "balanced_accuracy", "f1", "precision", "recall", "jaccard"),
    *("matthews_corrcoef", "top_k_accuracy"),
)
_MOST_POINTS = 10_000  # that scores can tell

# With fewer errors a test set, on average, too many sets have none, which has no
# logarithm: what stands for it pulls ratios towards 1.
_ENOUGH_ERRORS = 2


def share_of_a_point(metric: str, scores: np.ndarray, test_size: float | None) -> float:
    """Return by how much a score changes with one test point; 0 if by no fixed amount.

    Scores made of labels are told by their names, by being fractions of so many test
    points, or by two estimators that tie.

    Parameters
    ----------
    metric : str
        The name of the metric.

    scores : ndarray of shape (n_repeats, n_estimators)
        Its scores.

    test_size : float or None
        The mean number of test points behind a score. Where it is not given, the
        largest denominator of the scores stands for it, which is at most that number
        for an accuracy.
    """
    if np.abs(scores).max() > 1:  # no share of the test points
        return 0.0
    if test_size is None:
        n_points = points_behind(scores)
        return 1 / n_points if n_points else 0.0
    is_of_labels = (
        metric.startswith(_OF_LABELS)
        or _has_ties(scores)
        or _denominators(scores, 2 * int(np.ceil(test_size))) is not None
    )
    return 1 / test_size if is_of_labels else 0.0


def ratio_of_errors(n_errors: ArrayLike) -> dict[str, Any]:
    """Return how to test the log ratio of two estimators' errors.

    Parameters
    ----------
    n_errors : array-like of shape (2,)
        The mean number of errors that each of them makes on a test set.

    Returns
    -------
    how : dict
        Of :class:`OneSampleTTest`: the step of the logarithm with one more error, and
        whether a ratio can be shown to be near 1.
    """
    mean = np.mean(n_errors)
    # Of less than one error a test set the whole of them tell, and of none nothing.
    step = np.log1p(1 / mean) if mean >= 1 else 1 / mean if mean else 0.0
    return {"resolution": step, "can_be_small": min(n_errors) >= _ENOUGH_ERRORS}


def points_behind(scores: np.ndarray) -> int | None:
    """Return how many test points scores tell of, at least; None if of none."""
    found = None if np.abs(scores).max() > 1 else _denominators(scores, _MOST_POINTS)
    return None if found is None else max(found)


def _has_ties(scores):
    ordered = np.sort(scores, axis=1)
    return (ordered[:, 1:] == ordered[:, :-1]).any()


def _denominators(scores, largest):
    """Return the scores' denominators; None if some score is no such fraction."""
    found = {_denominator(score, largest) for score in np.unique(scores)}
    return None if None in found else found


@lru_cache(maxsize=100_000)
def _denominator(score, largest):
    fraction = Fraction(score).limit_denominator(largest)
    is_equal = abs(float(fraction) - score) <= 1e-12 * max(1.0, abs(score))
    return fraction.denominator if is_equal else None
