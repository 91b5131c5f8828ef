"""Figures of the studies."""

from matplotlib.figure import Figure


def new_figure(n_rows, n_columns, width=4.5, height=4, **sharing):
    """Return a figure and a 2-D array of axes; `width` and `height` are per axes."""
    figure = Figure(
        figsize=(width * n_columns, height * n_rows + 0.6), layout="constrained"
    )
    return figure, figure.subplots(n_rows, n_columns, squeeze=False, **sharing)
