"""The resolution of scores: the step by which one test point changes a score."""

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

# Prefixes of scikit-learn's scores that are computed from predicted labels. The default
# score of an estimator has no such name.
_LABEL_SCORES = (
    *("accuracy", "balanced_accuracy", "f1", "precision", "recall", "jaccard"),
    *("matthews_corrcoef", "top_k_accuracy"),
)
_MAX_INFERRED_SIZE = 10_000

# With fewer errors per test set on average, many sets have none. The value that
# replaces their error of 0 biases ratios towards 1.
_MIN_ERRORS = 2


def score_step(metric: str, scores: np.ndarray, test_size: float | None) -> float:
    """Return the change of a score per test point, or 0 if it is not constant.

    A score is taken to be computed from labels if its name says so, if all scores are
    fractions of the number of test points, or if two estimators have equal scores.

    Parameters
    ----------
    metric : str
        The name of the metric.

    scores : ndarray of shape (n_repeats, n_estimators)
        Its scores.

    test_size : float or None
        The mean number of test points per score. None uses the largest denominator of
        the scores, which for an accuracy is at most the number of test points.
    """
    if np.abs(scores).max() > 1:  # not a fraction of test points
        return 0.0
    if test_size is None:
        n_points = infer_test_size(scores)
        return 1 / n_points if n_points else 0.0
    is_of_labels = (
        metric.startswith(_LABEL_SCORES)
        or _has_ties(scores)
        or _denominators(scores, 2 * int(np.ceil(test_size))) is not None
    )
    return 1 / test_size if is_of_labels else 0.0


def log_ratio_test_options(n_errors: ArrayLike) -> dict[str, Any]:
    """Return how to test the log ratio of two estimators' errors.

    Parameters
    ----------
    n_errors : array-like of shape (2,)
        The mean number of errors per test set of each estimator.

    Returns
    -------
    options : dict
        Parameters of :class:`OneSampleTTest`: the step of the logarithm per error, and
        whether equivalence can be shown.
    """
    mean = np.mean(n_errors)
    # Below one error per test set, use 1 / mean: divided by the number of test sets, it
    # is one over the total number of errors.
    step = np.log1p(1 / mean) if mean >= 1 else 1 / mean if mean else 0.0
    return {"resolution": step, "can_be_small": min(n_errors) >= _MIN_ERRORS}


def infer_test_size(scores: np.ndarray) -> int | None:
    """Return the largest denominator of scores; None if they are not all fractions."""
    if np.abs(scores).max() > 1:
        return None
    denominators = _denominators(scores, _MAX_INFERRED_SIZE)
    return None if denominators is None else max(denominators)


def _has_ties(scores):
    ordered = np.sort(scores, axis=1)
    return (ordered[:, 1:] == ordered[:, :-1]).any()


def _denominators(scores, largest):
    """Return the set of denominators; None if a score is not such a fraction."""
    denominators = {_denominator(score, largest) for score in np.unique(scores)}
    return None if None in denominators else denominators


@lru_cache(maxsize=100_000)
def _denominator(score, largest):
    fraction = Fraction(score).limit_denominator(largest)
    is_equal = abs(float(fraction) - score) <= 1e-12 * max(1.0, abs(score))
    return fraction.denominator if is_equal else None
