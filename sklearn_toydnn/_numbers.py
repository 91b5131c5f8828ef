"""Conversion of numbers to floats, checks for dates, and Gaussian noise."""

import math

import numpy as np


def as_float(number):
    """Return a real number as a float, or as infinity if it is too large."""
    try:
        return float(number)
    except OverflowError:  # raised for large ints and fractions
        return math.inf if number > 0 else -math.inf


def add_noise(X, std, generator, name):
    """Return X plus Gaussian noise, in the floating dtype of X.

    `name` is the parameter to name in the error if a point becomes infinite.
    """
    noise = generator.normal(scale=as_float(std), size=X.shape)
    with np.errstate(over="ignore"):  # check_finite raises an error instead
        X = X + noise.astype(X.dtype if X.dtype.kind == "f" else float)
    check_finite(X, name)
    return X


def check_finite(X, name):
    """Raise a ValueError that names the parameter if noise has made X infinite."""
    if not np.isfinite(X).all():
        raise ValueError(
            f"{name} is too large: the noisy points exceed the range of {X.dtype}. "
            "Use a smaller value."
        )


def check_not_dates(X, name):
    """Raise an error for dates and durations, which NumPy would convert to integers."""
    dtype = np.asarray(X).dtype
    if dtype.kind in "mM":
        raise ValueError(
            f"{name} must be numbers, got {dtype}. Convert dates and durations to "
            "numbers, for example to days since the first date."
        )
