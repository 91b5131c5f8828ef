"""The picture of a comparison."""

import numpy as np

from .estimators import compare
from .result import Comparison


class ComparisonDisplay:
    """Differences with their intervals, over the band of what is not worth naming.

    A row is an estimator against the baseline, or a pair; a dot is a repetition. The
    thin line is the interval of the test of no difference: the verdict is "better" or
    "worse" where it lies on one side of the line at no difference. The thick line is
    that of the two one-sided tests: where it lies in the band of what is too small to
    be of interest, the difference is equivalent or negligible. Marks and words tell
    verdicts apart, not colours alone. More than 30 pairs are drawn as a matrix.

    Parameters
    ----------
    comparison : Comparison
        What :func:`compare` or :func:`compare_candidates` has found.

    Raises
    ------
    TypeError
        If it is none.

    Attributes
    ----------
    axes_ : ndarray of matplotlib.axes.Axes, of shape (n_metrics,)
        The axes, one for each metric.

    ax_ : matplotlib.axes.Axes
        The first of them.

    figure_ : matplotlib.figure.Figure
        Their figure.

    summary_ : pandas.DataFrame
        What is drawn: ``comparison.summary()``, without the rows in which nothing is
        compared.

    See Also
    --------
    compare : What is drawn.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_toydnn import ComparisonDisplay, make_triangle
    >>> trees = {f"depth {n}": DecisionTreeClassifier(max_depth=n) for n in (1, 4)}
    >>> display = ComparisonDisplay.from_estimators(
    ...     trees, make_triangle, train_size=100, n_repeats=10, baseline="depth 1"
    ... )
    >>> display.ax_.get_xlabel()
    'difference in score to depth 1, better →'
    """

    def __init__(self, comparison):
        if not isinstance(comparison, Comparison):
            raise TypeError(
                f"comparison must be what compare returns, not {type(comparison)}."
            )
        self.comparison = comparison

    @classmethod
    def from_estimators(cls, estimators, maker=None, *, ax=None, **params):
        """Compare estimators and draw what is found.

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
            The display, drawn.
        """
        return cls(compare(estimators, maker, **params)).plot(ax=ax)

    def plot(self, ax=None):
        """Draw the comparison.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or array of them, default=None
            Where to draw: as many as there are metrics. None makes a figure of its
            own, as high as the rows need.

        Returns
        -------
        self : ComparisonDisplay
            With the fitted attributes.

        Raises
        ------
        ValueError
            If there is not one of the axes for each metric.
        """
        from .drawing import MANY, draw_matrix, draw_rows  # pyplot takes time

        found = self.comparison
        summary = found.summary()
        self.summary_ = summary[summary["baseline"].notna()].reset_index(drop=True)
        by_metric = self.summary_.groupby("metric", sort=False)
        is_matrix = found.baseline is None and by_metric.size().max() > MANY
        n_rows = len(found.estimators) if is_matrix else by_metric.size().max()
        self.axes_ = _axes(ax, by_metric.ngroups, n_rows, is_matrix)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        for ax, (metric, rows) in zip(self.axes_, by_metric, strict=True):
            if is_matrix:
                draw_matrix(ax, found, metric, rows)
                continue
            names = rows["estimator"]
            if found.baseline is None:
                names = names + " \N{EN DASH} " + rows["baseline"]
            draw_rows(ax, found, metric, rows, names)
        return self


def _axes(ax, n_metrics, n_rows, is_matrix):
    """Return the axes to draw on: those given, or of a figure as large as it takes."""
    if ax is None:
        from matplotlib import pyplot as plt  # which takes time, and not all draw

        width, height = (
            (3 + 0.4 * n_rows,) * 2 if is_matrix else (7, 1.2 + 0.36 * n_rows)
        )
        size = width * n_metrics, height
        _, ax = plt.subplots(1, n_metrics, figsize=size, layout="constrained")
    axes = np.atleast_1d(ax).ravel()
    if len(axes) != n_metrics:
        raise ValueError(f"ax: there are {n_metrics} metrics, and {len(axes)} axes.")
    return axes
