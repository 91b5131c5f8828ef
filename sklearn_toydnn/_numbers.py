"""Numbers that may be no floats: too large, or dates; and noise on them."""

import math

import numpy as np


def as_float(number):
    """Return a real number as a float: infinite where it is too large for one."""
    try:
        return float(number)
    except OverflowError:  # of an int or a fraction
        return math.inf if number > 0 else -math.inf


def add_noise(X, std, generator, name):
    """Return X plus Gaussian noise, in X's own floating dtype.

    Raises a ValueError that names the parameter where a point is not finite.
    """
    noise = generator.normal(scale=as_float(std), size=X.shape)
    with np.errstate(over="ignore"):  # an error, not a warning, tells of it
        X = X + noise.astype(X.dtype if X.dtype.kind == "f" else float)
    check_moved(X, name)
    return X


def check_moved(X, name):
    """Raise a ValueError that names the parameter if its noise made X infinite."""
    if not np.isfinite(X).all():
        raise ValueError(
            f"{name} is too large: the noise takes points out of their dtype's range."
        )


def check_is_no_date(X, name):
    """Raise an error for dates and durations, which would become whole numbers."""
    dtype = np.asarray(X).dtype
    if dtype.kind in "mM":
        raise ValueError(
            f"{name} must be numbers, got {dtype}. Convert dates and durations, for "
            "example to days since the first of them."
        )
