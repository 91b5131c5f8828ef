"""Plots of data sets, training histories and decision regions.

Every function draws into a matplotlib Axes, by default the current one, and returns it.
It does not show or save the figure.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import ListedColormap
from sklearn.base import BaseEstimator
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from .datasets import _check_points

_COLORS = plt.get_cmap("viridis")  # as in the paper: label 0 is purple, 1 yellow
_PADDING = 0.05  # around the points, as a fraction of their range
_MAX_RANGE_RATIO = 5  # of two features whose axes have equal scales


def _label_colors(n_labels):
    """Return the colors of labels as RGBA values from 0 to 1."""
    return _COLORS(np.linspace(0, 1, n_labels))


def plot_dataset(X, y, *, ax=None):
    """Draw labeled points of the plane, as in figure 1 of the paper.

    Parameters
    ----------
    X : array-like of shape (n_samples, 2)
        The points. If X is a frame, its column names label the axes. Otherwise the axes
        have equal scales if the larger of the two ranges is at most 5 times the smaller
        one.

    y : array-like of shape (n_samples,)
        The labels of the points.

    ax : matplotlib.axes.Axes, default=None
        The axes to draw into. None means the current axes.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The axes with the plot.

    Raises
    ------
    ValueError
        If the points are not finite numbers or do not have 2 features, or if X and y
        differ in length.

    Examples
    --------
    >>> from sklearn_toydnn import make_triangle
    >>> from sklearn_toydnn.plotting import plot_dataset
    >>> ax = plot_dataset(*make_triangle(n_samples=200, random_state=0))
    >>> ax.get_xlabel()
    '$x_0$'
    """
    return _draw_points(X, y, np.unique(y), ax)


def _draw_points(X, y, labels, ax):
    """Draw points, with a color for each of `labels`."""
    names = _column_names(X)
    X, y = _check_points(X), column_or_1d(y)
    check_consistent_length(X, y)
    ax = sns.scatterplot(
        pd.DataFrame(X, columns=["x0", "x1"]).assign(label=y),
        x="x0",
        y="x1",
        hue="label",
        hue_order=labels,
        palette=list(_label_colors(len(labels))),
        s=8,
        linewidth=0,
        ax=ax,
    )
    if names is None:
        spans = np.ptp(X, axis=0)
        is_alike = spans.max() <= _MAX_RANGE_RATIO * spans.min()
        aspect = "equal" if is_alike else "auto"
        ax.set(xlabel="$x_0$", ylabel="$x_1$", aspect=aspect)
    else:  # units may differ; a dollar sign would start a formula
        xlabel, ylabel = (str(name).replace("$", r"\$") for name in names)
        ax.set(xlabel=xlabel, ylabel=ylabel, aspect="auto")
    sns.move_legend(ax, "upper left", bbox_to_anchor=(1, 1), frameon=False)
    return ax


def plot_history(history, *, metric="loss", ax=None):
    """Draw a metric against the epochs, for training and, if present, validation.

    Parameters
    ----------
    history : dict of list of float, estimator or keras.callbacks.History
        One value per epoch and metric, as in ``DNNClassifier.history_``. You can also
        pass an object with a history: a fitted classifier, a pipeline that ends in one,
        a search whose best estimator is one, or the result of ``keras.Model.fit``.

    metric : {"loss", "accuracy"}, default="loss"
        The metric to draw. ``"val_" + metric`` is also drawn if it is present.

    ax : matplotlib.axes.Axes, default=None
        The axes to draw into. None means the current axes.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The axes with the plot.

    Raises
    ------
    NotFittedError
        If the classifier has not been fitted.
    TypeError
        If the object has no history.
    ValueError
        If the history does not contain the metric.

    Examples
    --------
    >>> from sklearn_toydnn.plotting import plot_history
    >>> ax = plot_history({"loss": [0.7, 0.5], "val_loss": [0.6, 0.5]})
    >>> ax.get_ylabel()
    'loss'
    """
    history = _find_history(history)
    if metric not in history:
        raise ValueError(
            f"metric={metric!r} is not in the history, which contains {list(history)}."
        )
    names = {metric: "training", f"val_{metric}": "validation"}
    curves = pd.DataFrame({names[k]: history[k] for k in names if k in history})
    curves.index += 1
    ax = sns.lineplot(curves, estimator=None, dashes=False, ax=ax)
    ax.set(xlabel="epoch", ylabel=metric)
    return ax


def _find_history(source):
    """Return the history of an object, or the object if it is a history."""
    if isinstance(source, Mapping):
        return source
    if isinstance(source, BaseEstimator):
        check_is_fitted(source)
        source = getattr(source, "best_estimator_", source)
        source = source[-1] if isinstance(source, Pipeline) else source
    history = getattr(source, "history_", getattr(source, "history", None))
    if not isinstance(history, Mapping):
        raise TypeError(
            "history must be a dict of lists, a fitted DNNClassifier, a pipeline that "
            "ends in one, a search whose best estimator is one, or a Keras History, "
            f"got {type(source).__name__}."
        )
    return history


def plot_decision_regions(classifier, X, y, *, ax=None):
    """Draw labeled points over the decision regions of a classifier.

    Parameters
    ----------
    classifier : estimator
        A scikit-learn classifier or pipeline, fitted on points with two features.

    X : array-like of shape (n_samples, 2)
        The points. The regions cover their range, plus 5 % on each side.

    y : array-like of shape (n_samples,)
        The labels of the points.

    ax : matplotlib.axes.Axes, default=None
        The axes to draw into. None means the current axes.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The axes with the plot.

    Raises
    ------
    NotFittedError
        If the classifier has not been fitted.
    TypeError
        If `classifier` has no ``predict``.
    ValueError
        If the points are not finite numbers or do not have 2 features, or if X and y
        differ in length.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_toydnn import make_gaussian
    >>> from sklearn_toydnn.plotting import plot_decision_regions
    >>> X, y = make_gaussian(n_samples=200, random_state=0)
    >>> ax = plot_decision_regions(DecisionTreeClassifier().fit(X, y), X, y)
    >>> ax.get_ylabel()
    '$x_1$'
    """
    if not hasattr(classifier, "predict"):
        raise TypeError(
            "classifier must be a fitted classifier or pipeline, got "
            f"{type(classifier).__name__}. Use plot_decision_regions(classifier, X, y)."
        )
    check_is_fitted(classifier)
    ax = plt.gca() if ax is None else ax
    classes = getattr(classifier, "classes_", np.unique(y)[:0])
    labels = np.union1d(classes, y)
    colors = _label_colors(len(labels))[np.searchsorted(labels, classes)]
    DecisionBoundaryDisplay.from_estimator(
        classifier,
        _corners(X),
        eps=0,
        response_method="predict",
        alpha=0.3,
        ax=ax,
        **_region_colors(list(map(tuple, colors))),
    )
    # If labels and classes differ in type, np.union1d converts them to text.
    return _draw_points(X, np.asarray(y).astype(labels.dtype), labels, ax)


def _column_names(X):
    """Return the column names of a frame, or None for an array."""
    return list(X.columns) if hasattr(X, "columns") else None


def _corners(X):
    """Return two corners of a box around the points, with their column names."""
    names, X = _column_names(X), _check_points(X)
    low, high = X.min(axis=0), X.max(axis=0)
    padding = np.where(high > low, _PADDING * (high - low), 1.0)
    corners = np.stack([low - padding, high + padding])
    return corners if names is None else pd.DataFrame(corners, columns=names)


def _region_colors(colors):
    """Return the arguments of scikit-learn's display for one color per class."""
    match colors:
        case []:  # not a classifier
            return {}
        case [_, _]:  # explicit levels, in case only one of the classes is predicted
            levels = {"levels": [-0.5, 0.5, 1.5], "vmin": 0, "vmax": 1}
            return {"cmap": ListedColormap(colors), **levels}
    return {"multiclass_colors": colors}
