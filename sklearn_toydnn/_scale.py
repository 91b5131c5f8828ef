"""What a difference between two scores is: their difference, or a ratio of errors."""

import numpy as np

DIFFERENCE, RATIO = "difference", "ratio"
# Of the largest score: differences that vary by less are equal but for rounding.
_ROUNDING = 1e-12


def is_loss(metric):
    """Return whether less is better, by the metric's name."""
    return not metric.startswith("neg_") and metric.endswith(("loss", "error"))


def differences(metric, ours, others, scale, test_size=None):
    """Return how much better ours are: differences, or logarithms of ratios."""
    if scale == RATIO:
        ours, others = (np.log(errors(metric, s, test_size)) for s in (ours, others))
    found = ours - others
    if scale == RATIO or is_loss(metric):
        found = others - ours
    if np.ptp(found) <= _ROUNDING * np.abs([ours, others]).max():
        return np.full(len(found), found[0])
    return found


def errors(metric, scores, test_size=None):
    """Return the errors or losses behind scores, none of which is 0.

    An error of 0 counts as half a test point's.
    """
    scores = np.asarray(scores, dtype=float)
    if is_loss(metric) or metric.startswith("neg_"):
        losses = scores if is_loss(metric) else -scores
        if (losses <= 0).any():
            raise ValueError(
                f"scale='ratio': {metric} has a loss of {losses.min():g}, and there is "
                "no ratio to it. Losses must be positive; scale='difference' takes any."
            )
        return losses
    if scores.min() < 0 or scores.max() > 1:
        raise ValueError(
            f"scale='ratio' compares errors, 1 - score: {metric} is not from 0 to 1, "
            "nor a loss by its name (neg_..., ...loss or ...error)."
        )
    if test_size is None and scores.max() == 1:
        raise ValueError(
            f"scale='ratio': {metric} has an error of 0, which counts as half a test "
            "point's: test_size must be given."
        )
    return np.maximum(1 - scores, 0.5 / test_size if test_size else 0)


def to_scale(value, scale):
    """Return a smallest or other difference as what is tested."""
    return np.log1p(value) if scale == RATIO else value


def from_scale(value, scale):
    """Return what has been tested as a difference or ratio."""
    return np.exp(value) if scale == RATIO else value


def check_smallest(smallest, metrics):
    """Raise an error unless `smallest` is positive, and of metrics that there are."""
    of_each = smallest if isinstance(smallest, dict) else {}
    unknown = sorted(set(of_each) - set(metrics))
    if unknown:
        raise ValueError(f"smallest names {unknown}, but the metrics are {metrics}.")
    bad = {name: value for name, value in of_each.items() if not value > 0}
    if bad:
        raise ValueError(f"smallest must be more than 0 for each metric, not {bad}.")
