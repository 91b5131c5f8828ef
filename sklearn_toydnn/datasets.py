"""The paper's three label functions (Methods, Fig. 1), and data sets from them.

A label function maps points of the plane to 0 or 1. A maker draws points uniformly in a
box and labels them, similar to :func:`sklearn.datasets.make_moons`.
"""

import inspect
import math
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    validate_params,
)

from ._numbers import add_noise, as_float, check_not_dates

_MAKER_CONSTRAINTS = {
    "n_samples": [Interval(Integral, 1, None, closed="left")],
    "box": [tuple, list],
    "noise": [Interval(Real, 0, None, closed="left"), None],
    "flip_y": [Interval(Real, 0, 1, closed="both")],
    "random_state": ["random_state"],
}


def _check_points(X):
    """Return X as a float array of shape (n_samples, 2)."""
    check_not_dates(X, "X")
    X = check_array(X, dtype=np.float64, input_name="X")
    if X.shape[1] != 2:
        raise ValueError(f"X must have 2 features, got {X.shape[1]}.")
    return X.clip(-1e100, 1e100)  # squares of larger numbers overflow


def label_triangle(X):
    """Label points inside a triangle as 1, others as 0 (the paper's f1).

    Parameters
    ----------
    X : array-like of shape (n_samples, 2)
        The points.

    Returns
    -------
    y : ndarray of shape (n_samples,), dtype=int
        1 where ``x0 > -20``, ``x1 > -40`` and ``x0 + x1 < 40``, else 0.

    Examples
    --------
    >>> from sklearn_toydnn.datasets import label_triangle
    >>> label_triangle([[0, 0], [-30, 0], [30, 30]])
    array([1, 0, 0])
    """
    x0, x1 = _check_points(X).T
    return ((x0 > -20) & (x1 > -40) & (x0 + x1 < 40)).astype(int)


def label_sinusoidal(X):
    """Label points by the sign of a wave around the origin (the paper's f2).

    Parameters
    ----------
    X : array-like of shape (n_samples, 2)
        The points.

    Returns
    -------
    y : ndarray of shape (n_samples,), dtype=int
        1 where ``sgn(x0 + x1) sgn(x0) cos(|x| / (2 pi)) > 0``, else 0. The sign of 0
        is 0, so that points on the lines ``x0 = 0`` and ``x0 + x1 = 0`` have label 0.

    Examples
    --------
    >>> from sklearn_toydnn.datasets import label_sinusoidal
    >>> label_sinusoidal([[5, 0], [15, 0], [0, 5]])
    array([1, 0, 0])
    """
    X = _check_points(X)
    wave = np.cos(np.linalg.norm(X, axis=1) / (2 * np.pi))
    return (np.sign(X.sum(axis=1)) * np.sign(X[:, 0]) * wave > 0).astype(int)


def label_gaussian(X):
    """Label points below a Gaussian bell curve as 1, others as 0 (the paper's f3).

    Parameters
    ----------
    X : array-like of shape (n_samples, 2)
        The points.

    Returns
    -------
    y : ndarray of shape (n_samples,), dtype=int
        1 where ``x1 < 50 exp(-x0**2 / 50)``, else 0.

    Examples
    --------
    >>> from sklearn_toydnn.datasets import label_gaussian
    >>> label_gaussian([[0, 49], [0, 50], [20, 1]])
    array([1, 0, 0])
    """
    x0, x1 = _check_points(X).T
    return (x1 < 50 * np.exp(-(x0**2) / 50)).astype(int)


def _draw(n_samples, box, generator):
    """Draw points uniformly in the box, excluding its upper bounds."""
    if isinstance(n_samples, bool):
        raise InvalidParameterError(f"n_samples must be an int, got {n_samples}.")
    if len(box) != 2 or not all(isinstance(end, Real) for end in box):
        raise ValueError(f"box must be two numbers (low, high), got {box!r}.")
    low, high = map(as_float, box)
    if not (low < high and math.isfinite(high - low)):
        raise ValueError(
            "box must be finite and have low < high and a finite width. As floats, it "
            f"is {(low, high)}."
        )
    try:
        X = generator.uniform(low, high, size=(n_samples, 2))
    except (MemoryError, ValueError) as error:
        raise ValueError(
            "n_samples is too large: the points do not fit into memory."
        ) from error
    # A draw just below `high` may be rounded to `high`.
    return np.minimum(X, math.nextafter(high, low))


def _make(label, n_samples, box, noise, flip_y, random_state):
    """Draw points in the box and label them, then flip labels and add noise.

    Parameters
    ----------
    n_samples : int, default=4000
        The number of points.

    box : tuple of two floats, default=(-50.0, 50.0)
        The points are uniform in ``[low, high)`` along both axes.

    noise : float, default=None
        Standard deviation of the Gaussian noise that is added to the points after
        they are labeled, in the units of the box. None adds no noise.

    flip_y : float, default=0.0
        The probability, from 0 to 1, that a label is replaced by the other label.
        (:func:`sklearn.datasets.make_classification` instead redraws this fraction of
        the labels, which leaves half of them unchanged.)

    random_state : int, RandomState instance or None, default=None
        Determines the points, the flipped labels and the noise. Pass an int for
        identical output in every call.

    Returns
    -------
    X : ndarray of shape (n_samples, 2), dtype=float64
        The points.

    y : ndarray of shape (n_samples,), dtype=int
        The labels, 0 or 1.

    Raises
    ------
    InvalidParameterError
        If a parameter has the wrong type or is out of range. As in scikit-learn, this
        class derives from ValueError and TypeError.
    ValueError
        If `box` is not two finite numbers in ascending order, if the points do not fit
        into memory, or if the noise is so large that a point becomes infinite.
    """
    generator = check_random_state(random_state)
    X = _draw(n_samples, box, generator)
    y = label(X)
    if flip_y > 0:
        flipped = generator.uniform(size=n_samples) < flip_y
        y[flipped] = 1 - y[flipped]
    if noise is not None:
        X = add_noise(X, noise, generator, "noise")
    return X, y


def _documented(make):
    """Insert the docstring of `_make`, which all makers share."""
    if make.__doc__:  # None under python -OO
        shared = inspect.cleandoc(_make.__doc__).partition("\n\n")[2]
        make.__doc__ = inspect.cleandoc(make.__doc__).format(shared=shared)
    return make


@_documented
@validate_params(_MAKER_CONSTRAINTS, prefer_skip_nested_validation=True)
def make_triangle(
    n_samples=4000, *, box=(-50.0, 50.0), noise=None, flip_y=0.0, random_state=None
):
    """Make points that are labeled 1 inside a triangle, else 0 (the paper's f1).

    This is the easiest of the three problems. The decision boundary consists of two
    axis-parallel lines and a diagonal one. The classes are nearly balanced in the
    default box (45 % ones).

    {shared}

    References
    ----------
    Group 2210, "A study on Deep Neural Networks using Keras" (2022), Methods,
    ``f_1``; left panel of Fig. 1.

    Examples
    --------
    >>> from sklearn_toydnn import make_triangle
    >>> X, y = make_triangle(n_samples=500, random_state=0)
    >>> X.shape, y.shape
    ((500, 2), (500,))
    """
    return _make(label_triangle, n_samples, box, noise, flip_y, random_state)


@_documented
@validate_params(_MAKER_CONSTRAINTS, prefer_skip_nested_validation=True)
def make_sinusoidal(
    n_samples=4000, *, box=(-50.0, 50.0), noise=None, flip_y=0.0, random_state=None
):
    """Make points labeled by the sign of a wave around the origin (the paper's f2).

    This is the hardest of the three problems. Rings and two lines divide the plane into
    many separate regions of each class (51 % ones in the default box).

    {shared}

    References
    ----------
    Group 2210, "A study on Deep Neural Networks using Keras" (2022), Methods,
    ``f_2``; middle panel of Fig. 1.

    Examples
    --------
    >>> from sklearn_toydnn import make_sinusoidal
    >>> X, y = make_sinusoidal(n_samples=500, random_state=0)
    >>> X.shape, y.shape
    ((500, 2), (500,))
    """
    return _make(label_sinusoidal, n_samples, box, noise, flip_y, random_state)


@_documented
@validate_params(_MAKER_CONSTRAINTS, prefer_skip_nested_validation=True)
def make_gaussian(
    n_samples=4000, *, box=(-50.0, 50.0), noise=None, flip_y=0.0, random_state=None
):
    """Make points labeled 1 below a Gaussian bell curve, else 0 (the paper's f3).

    The region of class 1 is a half plane with a narrow peak (56 % ones in the default
    box).

    {shared}

    References
    ----------
    Group 2210, "A study on Deep Neural Networks using Keras" (2022), Methods,
    ``f_3``; right panel of Fig. 1.

    Examples
    --------
    >>> from sklearn_toydnn import make_gaussian
    >>> X, y = make_gaussian(n_samples=500, random_state=0)
    >>> X.shape, y.shape
    ((500, 2), (500,))
    """
    return _make(label_gaussian, n_samples, box, noise, flip_y, random_state)
