"""Pictures: a data set, a training history, what a classifier has learned.

Every function draws into a matplotlib Axes, the current one unless given, and
returns it; nothing is shown or saved.
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

_COLORS = plt.get_cmap("viridis")  # the paper's: purple is label 0, yellow label 1


_MARGIN = 0.05  # of the points' range, on each side of them
_ALIKE = 5  # axes have one scale where one range is at most so many times the other


def _label_colors(n_labels):
    """Return the colours of labels: red, green, blue and opacity, from 0 to 1."""
    return _COLORS(np.linspace(0, 1, n_labels))


def plot_dataset(X, y, *, ax=None):
    """Draw labelled points of the plane: figure 1 of the paper.

    Parameters
    ----------
    X : array-like of shape (n_samples, 2)
        The points; the axes have the names of a frame's columns, and else one scale
        where the features' ranges are alike.

    y : array-like of shape (n_samples,)
        Their labels.

    ax : matplotlib.axes.Axes, default=None
        Where to draw; None is the current axes.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The axes drawn into.

    Raises
    ------
    ValueError
        If the points are not finite numbers or do not have 2 features, or if there
        is not one label to each.

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
    """Draw points in the colours that their labels have among all labels."""
    names = _names_of(X)
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
        is_alike = spans.max() <= _ALIKE * spans.min()
        aspect = "equal" if is_alike else "auto"
        ax.set(xlabel="$x_0$", ylabel="$x_1$", aspect=aspect)
    else:  # of units that may differ; a dollar would begin a formula
        xlabel, ylabel = (str(name).replace("$", r"\$") for name in names)
        ax.set(xlabel=xlabel, ylabel=ylabel, aspect="auto")
    sns.move_legend(ax, "upper left", bbox_to_anchor=(1, 1), frameon=False)
    return ax


def plot_history(history, *, metric="loss", ax=None):
    """Draw a metric against the epochs, in training and, if known, validation.

    Parameters
    ----------
    history : dict of list of float, estimator or keras.callbacks.History
        One value per epoch, as in ``DNNClassifier.history_``; or what has it: a fitted
        classifier, a pipeline that ends in one, a search that found one, or what
        ``keras.Model.fit`` returns.

    metric : {"loss", "accuracy"}, default="loss"
        What to draw; ``"val_" + metric`` is drawn beside it where present.

    ax : matplotlib.axes.Axes, default=None
        Where to draw; None is the current axes.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The axes drawn into.

    Raises
    ------
    NotFittedError
        If the classifier has not been fitted.
    TypeError
        If there is no history in what is given.
    ValueError
        If the history does not have the metric.

    Examples
    --------
    >>> from sklearn_toydnn.plotting import plot_history
    >>> ax = plot_history({"loss": [0.7, 0.5], "val_loss": [0.6, 0.5]})
    >>> ax.get_ylabel()
    'loss'
    """
    history = _find_history(history)
    if metric not in history:
        raise ValueError(f"metric={metric!r} is not in the history: {list(history)}.")
    names = {metric: "training", f"val_{metric}": "validation"}
    curves = pd.DataFrame({names[k]: history[k] for k in names if k in history})
    curves.index += 1
    ax = sns.lineplot(curves, estimator=None, dashes=False, ax=ax)
    ax.set(xlabel="epoch", ylabel=metric)
    return ax


def _find_history(source):
    """Return the history that is given, or that of what is given."""
    if isinstance(source, Mapping):
        return source
    if isinstance(source, BaseEstimator):
        check_is_fitted(source)
        source = getattr(source, "best_estimator_", source)
        source = source[-1] if isinstance(source, Pipeline) else source
    history = getattr(source, "history_", getattr(source, "history", None))
    if not isinstance(history, Mapping):
        raise TypeError(
            "history must be a dict of lists, a fitted network, a pipeline that ends "
            f"in one or Keras' History, got {type(source).__name__}."
        )
    return history


def plot_decision_regions(classifier, X, y, *, ax=None):
    """Draw labelled points over the regions in which a classifier predicts each.

    Parameters
    ----------
    classifier : estimator
        A fitted scikit-learn classifier or pipeline on two features.

    X : array-like of shape (n_samples, 2)
        The points; the regions span their range and a margin of 5 % of it.

    y : array-like of shape (n_samples,)
        Their labels.

    ax : matplotlib.axes.Axes, default=None
        Where to draw; None is the current axes.

    Returns
    -------
    ax : matplotlib.axes.Axes
        The axes drawn into.

    Raises
    ------
    NotFittedError
        If the classifier has not been fitted.
    TypeError
        If it is no estimator.
    ValueError
        If the points are not finite numbers or do not have 2 features, or if there
        is not one label to each.

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
            f"{type(classifier).__name__}: plot_decision_regions(classifier, X, y)."
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
        **_colors_of_regions(list(map(tuple, colors))),
    )
    # Labels of another type than the classes are among `labels` as text.
    return _draw_points(X, np.asarray(y).astype(labels.dtype), labels, ax)


def _names_of(X):
    """Return the names of a frame's columns, None for an array."""
    return list(X.columns) if hasattr(X, "columns") else None


def _corners(X):
    """Return two corners of a box around the points, named as their features are."""
    names, X = _names_of(X), _check_points(X)
    low, high = X.min(axis=0), X.max(axis=0)
    margin = np.where(high > low, _MARGIN * (high - low), 1.0)
    corners = np.stack([low - margin, high + margin])
    return corners if names is None else pd.DataFrame(corners, columns=names)


def _colors_of_regions(colors):
    """Return how scikit-learn is told the colours of regions, one for each class."""
    match colors:
        case []:  # of no classifier
            return {}
        case [_, _]:  # with a level for each, or the only one that is drawn has another
            levels = {"levels": [-0.5, 0.5, 1.5], "vmin": 0, "vmax": 1}
            return {"cmap": ListedColormap(colors), **levels}
    return {"multiclass_colors": colors}
