"""Plot comparisons."""

import numpy as np

from .estimators import compare
from .result import Comparison


class ComparisonDisplay:
    """Plot of a comparison: effects with their intervals and the equivalence margin.

    Each row is an estimator against the baseline, or a pair; each dot is a repetition.
    The thin line is the confidence interval of the effect: the verdict is "better" or
    "worse" if it excludes the vertical line of no difference. The thick line is the
    interval of the two one-sided tests: the effect is equivalent or negligible if this
    interval lies within the gray band of the equivalence margin. Verdicts differ by
    marker and text, not only by color. More than 30 pairs are drawn as a matrix.

    Parameters
    ----------
    comparison : Comparison
        The result of :func:`compare` or :func:`compare_candidates`.

    Raises
    ------
    TypeError
        If `comparison` is not a :class:`Comparison`.

    Attributes
    ----------
    axes_ : ndarray of matplotlib.axes.Axes, of shape (n_metrics,)
        The axes, one per metric.

    ax_ : matplotlib.axes.Axes
        The first of these axes.

    figure_ : matplotlib.figure.Figure
        The figure.

    summary_ : pandas.DataFrame
        The rows of ``comparison.summary()`` that have a comparison.

    See Also
    --------
    compare : Compare estimators.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_toydnn import ComparisonDisplay, make_triangle
    >>> trees = {f"depth {n}": DecisionTreeClassifier(max_depth=n) for n in (1, 4)}
    >>> display = ComparisonDisplay.from_estimators(
    ...     trees, make_triangle, train_size=100, n_repeats=10, baseline="depth 1"
    ... )
    >>> display.ax_.get_xlabel()
    'difference in score from depth 1, better →'
    """

    def __init__(self, comparison):
        if not isinstance(comparison, Comparison):
            raise TypeError(
                "comparison must be a Comparison, as returned by compare, got "
                f"{type(comparison).__name__}."
            )
        self.comparison = comparison

    @classmethod
    def from_estimators(cls, estimators, maker=None, *, ax=None, **params):
        """Compare estimators and plot the result.

        Parameters
        ----------
        estimators : dict of str to estimator
            As in :func:`compare`.

        maker : callable, default=None
            As in :func:`compare`.

        ax : matplotlib.axes.Axes or array of them, default=None
            As in :meth:`plot`.

        **params : dict
            The other parameters of :func:`compare`.

        Returns
        -------
        display : ComparisonDisplay
            The display, after a call of :meth:`plot`.
        """
        return cls(compare(estimators, maker, **params)).plot(ax=ax)

    def plot(self, ax=None):
        """Plot the comparison.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or array of them, default=None
            The axes to draw on, one per metric. None creates a figure whose height
            fits the number of rows.

        Returns
        -------
        self : ComparisonDisplay
            The display, with its attributes set.

        Raises
        ------
        ValueError
            If the number of axes is not the number of metrics.
        """
        from .drawing import MAX_ROWS, draw_matrix, draw_rows  # slow to import

        comparison = self.comparison
        summary = comparison.summary()
        self.summary_ = summary[summary["baseline"].notna()].reset_index(drop=True)
        by_metric = self.summary_.groupby("metric", sort=False)
        is_matrix = comparison.baseline is None and by_metric.size().max() > MAX_ROWS
        n_rows = len(comparison.estimators) if is_matrix else by_metric.size().max()
        self.axes_ = _axes(ax, by_metric.ngroups, n_rows, is_matrix)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        for ax, (metric, rows) in zip(self.axes_, by_metric, strict=True):
            if is_matrix:
                draw_matrix(ax, comparison, metric, rows)
                continue
            names = rows["estimator"]
            if comparison.baseline is None:
                names = names + " \N{EN DASH} " + rows["baseline"]
            draw_rows(ax, comparison, metric, rows, names)
        return self


def _axes(ax, n_metrics, n_rows, is_matrix):
    """Return the given axes, or those of a new figure that fits the number of rows."""
    if ax is None:
        from matplotlib import pyplot as plt  # slow to import

        width, height = (
            (3 + 0.4 * n_rows,) * 2 if is_matrix else (7, 1.2 + 0.36 * n_rows)
        )
        size = width * n_metrics, height
        _, ax = plt.subplots(1, n_metrics, figsize=size, layout="constrained")
    axes = np.atleast_1d(ax).ravel()
    if len(axes) != n_metrics:
        raise ValueError(
            f"ax must contain {n_metrics} axes, one per metric, got {len(axes)}."
        )
    return axes
