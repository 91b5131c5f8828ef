"""What a difference between two scores is: their difference, or a ratio of errors."""

from numbers import Real

import numpy as np

DIFFERENCE, RATIO = "difference", "ratio"
# Of the largest score: differences that vary by less are equal but for rounding.
_ROUNDING = 1e-12


def named_losses(metrics):
    """Return those of which less is better, by their names."""
    endings = "loss", "error"
    return tuple(m for m in metrics if m.endswith(endings) and m[:4] != "neg_")


def differences(ours, others, is_loss):
    """Return how much better ours are, positive where they are better."""
    found = others - ours if is_loss else ours - others
    if np.ptp(found) <= _ROUNDING * np.abs([ours, others]).max():
        return np.full(len(found), found[0])
    return found


def log_errors(metric, scores, is_loss, test_size):
    """Return logarithms of the errors or losses behind scores.

    One of 0 counts as half a test point's error, or as half of the smallest other one
    where that is less (of losses: always).
    """
    found = errors(metric, scores, is_loss)
    others = found[found > 0]
    halves = [others.min() / 2] if len(others) else []
    if test_size is not None and not (is_loss or _is_negated(metric)):
        halves.append(0.5 / test_size)
    return np.log(np.where(found > 0, found, min(halves, default=1.0)))


def errors(metric, scores, is_loss):
    """Return the errors or losses behind scores; an error if there are none."""
    scores = np.asarray(scores, dtype=float)
    if is_loss or _is_negated(metric):
        found = scores if is_loss else -scores
        if found.min() < 0:
            raise ValueError(
                f"scale='ratio': {metric} has a loss of {found.min():g}, and there are "
                "no ratios to losses below 0. scale='difference' takes any."
            )
        return found
    if scores.min() < 0 or scores.max() > 1:
        raise ValueError(
            f"scale='ratio' compares errors, 1 - score: {metric} is not from 0 to 1, "
            "nor the negative of a loss (by its name, neg_...)."
        )
    return 1 - scores


def _is_negated(metric):
    return metric.startswith("neg_")


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
    for value in of_each.values() if of_each else [smallest]:
        if value is not None and not (isinstance(value, Real) and value > 0):
            raise ValueError(f"smallest must be more than 0, not {value!r}.")
