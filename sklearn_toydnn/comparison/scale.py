"""What a difference between two scores is: their difference, or a ratio of errors."""

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike

DIFFERENCE, RATIO = "difference", "ratio"
# Of the largest score: differences that vary by less are equal but for rounding.
_ROUNDING = 1e-12


def differences(ours: np.ndarray, others: np.ndarray, is_loss: bool) -> np.ndarray:
    """Return how much better ours are, positive where they are better."""
    found = others - ours if is_loss else ours - others
    rounding = _ROUNDING * np.abs([ours, others]).max()
    found = np.where(np.abs(found) <= rounding, 0.0, found)
    return np.full(len(found), found[0]) if np.ptp(found) <= rounding else found


# ---- ratios of errors


def log_errors(errors: ArrayLike, test_size: float | None = None) -> np.ndarray:
    """Return logarithms of errors or losses.

    One of 0 counts as half a test point's error, or as half of the smallest other one
    where that is less; without `test_size` (of losses) always as the latter.
    """
    errors = np.asarray(errors, dtype=float)
    others = errors[errors > 0]
    halves = [others.min() / 2] if len(others) else []
    if test_size is not None:
        halves.append(0.5 / test_size)
    return np.log(np.where(errors > 0, errors, min(halves, default=1.0)))


def errors(
    metric: str, scores: ArrayLike, is_loss: bool, is_negated: bool
) -> np.ndarray:
    """Return the errors or losses behind scores; an error if there are none."""
    scores = np.asarray(scores, dtype=float)
    if is_loss or is_negated:
        found = scores if is_loss else -scores
        if found.min() < 0:
            raise ValueError(
                f"scale='ratio' needs losses of 0 or more, got {found.min():g} for "
                f"{metric!r}. Use scale='difference'."
            )
        return found
    if scores.min() < 0 or scores.max() > 1:
        outside = scores.min() if scores.min() < 0 else scores.max()
        raise ValueError(
            f"scale='ratio' needs to know the error behind {metric!r}: a score from 0 "
            f"to 1 has the error 1 - score, but got a score of {outside:g}. If "
            f"{metric!r} is a loss (less is better), give losses=[{metric!r}]; if it "
            "is the negative of one, pass it as a scorer from "
            "make_scorer(..., greater_is_better=False); else use scale='difference'."
        )
    return 1 - scores


def to_scale(value: float, scale: str) -> float:
    """Return a margin or other difference as what is tested."""
    return np.log1p(value) if scale == RATIO else value


def from_scale(value: float, scale: str) -> float:
    """Return what has been tested as a difference or ratio."""
    return np.exp(value) if scale == RATIO else value


# ---- what is asked


def check_margin(margin: float | dict | None, metrics: list[str]) -> None:
    """Raise an error unless `margin` is positive, and of metrics that there are."""
    of_each = margin if isinstance(margin, dict) else {}
    unknown = sorted(set(of_each) - set(metrics))
    if unknown:
        raise ValueError(f"margin names {unknown}, but the metrics are {metrics}.")
    for value in of_each.values() if of_each else [margin]:
        if value is not None and not (isinstance(value, Real) and value > 0):
            raise ValueError(f"margin must be more than 0, not {value!r}.")
