"""The pictures of the playground: decision regions, training histories and scores.

Each figure is created once. Updates replace only its data, which avoids flicker.
"""

import numpy as np
from bokeh.models import BoxAnnotation, ColumnDataSource, Range1d, Span
from bokeh.plotting import figure

from ..plotting import _label_colors

TRAINING, VALIDATION = "#1f77b4", "#d95f02"
INK = "#222222"


def class_colors(n_classes):
    """Return the RGB colors of the classes (0 to 255), the same as in `plotting`."""
    return np.round(255 * _label_colors(n_classes)[:, :3]).astype(int)


def _figure(name, **options):
    """Return a figure without tools, so that touching it scrolls the page."""
    options = {"sizing_mode": "stretch_width"} | options
    fig = figure(name=name, toolbar_location=None, tools="", **options)
    fig.title.text_font_style, fig.title.text_font_size = "normal", "14px"
    for axis in fig.axis:
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = axis.major_label_text_font_size = "13px"
    fig.grid.grid_line_alpha = 0.3
    fig.outline_line_color = None
    return fig


class Plane:
    """Decision regions, or another color map of the plane, with training points."""

    def __init__(self, name):
        self.figure = _figure(
            name,
            x_range=Range1d(-50, 50),
            y_range=Range1d(-50, 50),
            x_axis_label="x₀",
            y_axis_label="x₁",
            sizing_mode="scale_width",
            width=400,
            height=400,
            min_border=5,
            min_border_top=26,  # space for a title that is set later
        )
        self.figure.grid.visible = False
        self.image = ColumnDataSource(
            {"x": [], "y": [], "dw": [], "dh": [], "image": []}
        )
        self.points = ColumnDataSource({"x": [], "y": [], "color": [], "alpha": []})
        self.figure.image_rgba("image", "x", "y", "dw", "dh", source=self.image)
        self.dots = self.figure.scatter(
            *("x", "y"),
            source=self.points,
            fill_color="color",
            fill_alpha="alpha",
            line_color=INK,
            line_alpha="alpha",
        )

    def show(self, title, maker, rgb, fit=None):
        """Show colors of shape (n, n, 3), lowest row first, and the training points."""
        left, right, bottom, top = maker.extent
        fig = self.figure
        fig.title.text = title
        fig.x_range.update(start=left, end=right)
        fig.y_range.update(start=bottom, end=top)
        rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255)]).astype(np.uint8)
        self.image.data = {
            "x": [left],
            "y": [bottom],
            "dw": [right - left],
            "dh": [top - bottom],
            "image": [np.ascontiguousarray(rgba).view(np.uint32)[..., 0]],
        }
        self.points.data = _points(fit, maker.n_classes)
        # Many large dots would hide the decision regions.
        small = len(self.points.data["x"]) > 600
        self.dots.glyph.update(size=3 if small else 5, line_width=0 if small else 0.6)


def _points(fit, n_classes):
    if fit is None:
        return {"x": [], "y": [], "color": [], "alpha": []}
    colors = class_colors(n_classes) @ [2**24, 2**16, 2**8] + 255  # opaque
    return {
        "x": fit.X[:, 0],
        "y": fit.X[:, 1],
        "color": colors.astype(np.uint32)[fit.y],
        "alpha": np.where(np.arange(len(fit.y)) < fit.n_original, 1.0, 0.5),
    }


def shade(proba):
    """Return the color of the most probable class, paler at a lower probability."""
    n_classes = proba.shape[-1]
    confidence = (proba.max(-1, keepdims=True) - 1 / n_classes) / (1 - 1 / n_classes)
    weight = 0.08 + 0.57 * confidence
    return 255 - weight * (255 - class_colors(n_classes)[proba.argmax(-1)])


def disagreement(probas):
    """Return the fraction of networks that disagree with the majority at each point."""
    n_classes = probas.shape[-1]
    votes = np.eye(n_classes)[probas.argmax(-1)].mean(0)
    return 1 - votes.max(-1)


def shade_of_disagreement(share):
    """Return white where all networks agree, darker red where more disagree."""
    return 255 - 2 * share[..., None] * (255 - np.array([178, 24, 43]))


class Curves:
    """Training histories: training and validation metric, with bands over networks."""

    def __init__(self, metric):
        self.metric = metric
        self.figure = _figure(
            metric,
            x_axis_label="epoch",
            y_axis_label=metric,
            height=190,
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 1),
        )
        self.sources = {}
        for name, color, dash in (
            (metric, TRAINING, "solid"),
            (f"val_{metric}", VALIDATION, (6, 3)),
        ):
            source = ColumnDataSource({"epoch": [], "mean": [], "low": [], "high": []})
            self.figure.varea(
                *("epoch", "low", "high"), source=source, color=color, alpha=0.2
            )
            self.figure.line(
                *("epoch", "mean"),
                source=source,
                color=color,
                line_dash=dash,
                line_width=2,
            )
            self.sources[name] = source

    def show(self, fits, n_epochs):
        """Show the training histories of one or more networks."""
        bands = {
            name: _band([fit.history[name] for fit in fits]) for name in self.sources
        }
        self.figure.x_range.end = max(2, n_epochs)
        values = np.concatenate(
            [[*band["low"], *band["high"]] for band in bands.values()]
        )
        values = values[np.isfinite(values)]
        # The range changes in steps, because each change redraws the whole figure.
        if len(values) and self.metric == "loss":
            self.figure.y_range.end = np.ceil(values.max() * 10.5) / 10
        elif len(values):
            low = np.floor(min(0.5, values.min()) * 10 - 0.2) / 10
            self.figure.y_range.update(start=low, end=1.02)
        for name, source in self.sources.items():
            source.data = bands[name]


def _band(curves):
    """Return the mean, minimum and maximum of curves of different lengths."""
    n_epochs = max(map(len, curves), default=0)
    table = np.full((len(curves), n_epochs), np.nan)
    for row, curve in zip(table, curves, strict=True):
        row[: len(curve)] = curve
    table = np.ma.masked_invalid(table)
    low, mean, high = (
        np.ma.filled(f(axis=0), np.nan) for f in (table.min, table.mean, table.max)
    )
    epochs = np.arange(1, n_epochs + 1)
    return {"epoch": epochs, "mean": mean, "low": low, "high": high}


class Dots:
    """One dot per seed or repetition, with the mean and its confidence interval."""

    def __init__(self, name, label, has_zero=False):
        self.figure = _figure(
            name,
            x_axis_label=label,
            height=140,
            x_range=Range1d(0, 1),
            y_range=Range1d(-1, 1),
        )
        self.figure.yaxis.visible = self.figure.ygrid.visible = False
        self.figure.xaxis.ticker.desired_num_ticks = 4
        self.band = BoxAnnotation(fill_color="#888888", fill_alpha=0.15, visible=False)
        self.figure.add_layout(self.band)
        if has_zero:
            self.figure.add_layout(Span(location=0, dimension="height", line_color=INK))
        self.dots = ColumnDataSource({"x": [], "y": []})
        self.mean = ColumnDataSource({"x": [], "y": [], "low": [], "high": []})
        self.figure.scatter(
            *("x", "y"), source=self.dots, size=9, color=TRAINING, alpha=0.55
        )
        self.figure.segment(
            *("low", "y", "high", "y"), source=self.mean, color=INK, line_width=3
        )
        self.figure.scatter(
            *("x", "y"), source=self.mean, size=13, marker="diamond", color=INK
        )

    def show(self, values, mean=None, interval=None, margin=None):
        """Show values and, if given, their mean, its interval and the margin."""
        # Spread the dots vertically, so that equal values do not overlap.
        heights = np.arange(len(values)) * 0.618 % 1.0
        self.dots.data = {"x": values, "y": 0.75 * heights}
        summary = {"x": [], "y": [], "low": [], "high": []}
        if interval is not None:
            low, high = interval
            summary = {"x": [mean], "y": [-0.5], "low": [low], "high": [high]}
        self.mean.data = summary
        shown = [*values, *summary["low"], *summary["high"]]
        shown += [0, margin] if margin else []
        if shown:
            low, high = min(shown), max(shown)
            step = max(0.01, np.round((high - low) / 10, 2))
            self.figure.x_range.update(
                start=np.floor(low / step - 0.2) * step,
                end=np.ceil(high / step + 0.2) * step,
            )
        if margin:
            self.band.update(left=-margin, right=margin, visible=True)
