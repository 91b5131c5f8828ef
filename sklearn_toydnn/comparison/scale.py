"""Effects: differences of scores, or ratios of errors and losses."""

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike

DIFFERENCE, RATIO = "difference", "ratio"
_ROUNDING = 1e-12  # relative to the largest score


def differences(ours: np.ndarray, others: np.ndarray, is_loss: bool) -> np.ndarray:
    """Return the paired differences, positive where ours are better.

    Rounding errors are removed: tiny differences become 0, and differences that are
    equal up to rounding become exactly equal.
    """
    values = others - ours if is_loss else ours - others
    rounding = _ROUNDING * np.abs([ours, others]).max()
    values = np.where(np.abs(values) <= rounding, 0.0, values)
    return np.full(len(values), values[0]) if np.ptp(values) <= rounding else values


# ---- ratios of errors


def log_errors(errors: ArrayLike, test_size: float | None = None) -> np.ndarray:
    """Return the logarithms of errors or losses.

    An error of 0 is replaced by half of one test point's error or, if smaller, half of
    the smallest positive error. Without `test_size`, which losses do not have, it is
    always replaced by the latter.
    """
    errors = np.asarray(errors, dtype=float)
    positive = errors[errors > 0]
    replacements = [positive.min() / 2] if len(positive) else []
    if test_size is not None:
        replacements.append(0.5 / test_size)
    return np.log(np.where(errors > 0, errors, min(replacements, default=1.0)))


def errors(
    metric: str, scores: ArrayLike, is_loss: bool, is_negated: bool
) -> np.ndarray:
    """Return the errors or losses of scores; raise a ValueError if they have none."""
    scores = np.asarray(scores, dtype=float)
    if is_loss or is_negated:
        losses = scores if is_loss else -scores
        if losses.min() < 0:
            raise ValueError(
                f"scale='ratio' requires losses of 0 or more, got {losses.min():g} for "
                f"{metric!r}. Use scale='difference'."
            )
        return losses
    if scores.min() < 0 or scores.max() > 1:
        outside = scores.min() if scores.min() < 0 else scores.max()
        raise ValueError(
            "scale='ratio' computes the error as 1 - score, which requires scores from "
            f"0 to 1, got {outside:g} for {metric!r}. If {metric!r} is a loss (less is "
            f"better), pass losses=[{metric!r}]. If it is the negative of a loss, pass "
            "a scorer from make_scorer(..., greater_is_better=False). Otherwise, use "
            "scale='difference'."
        )
    return 1 - scores


def to_test_scale(value: float, scale: str) -> float:
    """Convert a margin or an effect size to the scale on which effects are tested."""
    return np.log1p(value) if scale == RATIO else value


def from_test_scale(value: float, scale: str) -> float:
    """Convert a value on the test scale to a difference or a ratio."""
    return np.exp(value) if scale == RATIO else value


# ---- parameters


def check_margin(margin: float | dict | None, metrics: list[str]) -> None:
    """Raise a ValueError unless `margin` is positive and names only given metrics."""
    by_metric = margin if isinstance(margin, dict) else {}
    unknown = sorted(set(by_metric) - set(metrics))
    if unknown:
        raise ValueError(f"margin contains {unknown}, but the metrics are {metrics}.")
    for value in by_metric.values() if by_metric else [margin]:
        if value is not None and not (isinstance(value, Real) and value > 0):
            raise ValueError(f"margin must be more than 0, got {value!r}.")
