"""Draw comparisons: rows with intervals, or a matrix of many pairs."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from .result import Comparison
from .scale import RATIO

MAX_ROWS = 30  # more pairs are drawn as a matrix

_PALETTE = sns.color_palette("colorblind")
_MARKS = {  # marker, symbol in the matrix, color, whether the marker is filled
    "better": (">", "+", _PALETTE[0], True),
    "better, negligibly": (">", "(+)", _PALETTE[0], False),
    "worse": ("<", "\N{MINUS SIGN}", _PALETTE[3], True),
    "worse, negligibly": ("<", "(\N{MINUS SIGN})", _PALETTE[3], False),
    "equivalent": ("s", "=", _PALETTE[2], True),
    "undecided": ("o", "?", (0.35, 0.35, 0.35), False),
}
_INTERVALS = {  # columns of both ends, offset below the marker, line width
    "confidence interval": ("effect_ci_low", "effect_ci_high", 0.0, 1.2),
    "equivalence interval": ("equivalence_ci_low", "equivalence_ci_high", 0.25, 3.5),
}


def draw_rows(
    ax: Axes,
    comparison: Comparison,
    metric: str,
    rows: pd.DataFrame,
    names: list[str],
) -> None:
    """Draw a row per comparison: repetitions, intervals, effect and verdict."""
    if comparison.scale == RATIO:
        ax.set_xscale("log")
    _draw_band(ax, comparison, metric)
    positions = np.arange(len(rows))
    dots = comparison.differences().query("metric == @metric")["difference"]
    ax.plot(
        dots,
        np.repeat(positions, comparison.n_repeats) - 0.25,
        ".",
        color="0.5",
        alpha=0.5,
        markersize=3,
        label="repetition",
    )
    marks = [_MARKS[verdict] for verdict in rows["verdict"]]
    colors = [color for *_, color, _ in marks]
    for label, (low, high, offset, width) in _INTERVALS.items():
        ax.hlines(positions + offset, rows[low], rows[high], colors, linewidth=width)
        if rows[low].notna().any():
            ax.plot([], [], color="0.35", linewidth=width, label=label)
    for y, effect, (marker, _, color, is_filled) in zip(
        positions, rows["effect"], marks, strict=True
    ):
        face = color if is_filled else "white"
        ax.plot(effect, y, marker, color=color, markerfacecolor=face, markersize=6)
    ax.set_yticks(positions, names)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    verdicts = ax.secondary_yaxis("right")
    verdicts.set_yticks(positions, rows["verdict"])
    verdicts.tick_params(length=0)
    verdicts.spines[:].set_visible(False)
    ax.set_xlabel(_axis_label(comparison, metric), loc="right")
    ax.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=4,
        fontsize="small",
        frameon=False,
        columnspacing=1,
        handlelength=1.5,
    )
    if comparison.scale == RATIO:
        _set_ratio_ticks(ax)


def _draw_band(ax, comparison, metric):
    """Draw the line of no difference, and the band of `margin`."""
    is_ratio = comparison.scale == RATIO
    ax.axvline(1 if is_ratio else 0, color="0.35", linewidth=0.8)
    margin = comparison.margin_for(metric)
    if margin is not None:
        ends = (1 / (1 + margin), 1 + margin) if is_ratio else (-margin, margin)
        ax.axvspan(*ends, color="0.88", zorder=0, label="equivalence margin")


def _axis_label(comparison, metric):
    """Return the label of the effect."""
    if comparison.scale == RATIO:
        is_error = metric not in comparison.losses and not comparison.is_negated(metric)
        name = f"errors ({metric})" if is_error else metric.removeprefix("neg_")
        first, second = (
            ("estimator", comparison.baseline)
            if comparison.baseline
            else ("first", "second")
        )
        effect = f"ratio of {name}, {second} / {first}"
    else:
        baseline = comparison.baseline or "the second estimator"
        effect = f"difference in {metric} from {baseline}"
    return f"{effect}, better \N{RIGHTWARDS ARROW}"


def _set_ratio_ticks(ax):
    """Label a logarithmic axis with plain numbers such as 0.9, even if it is short."""
    low, high = ax.get_xlim()
    is_long = high / low > 5
    major = LogLocator(subs=(1, 2, 5)) if is_long else MaxNLocator(5)
    ax.xaxis.set_major_locator(major)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_locator(NullLocator())


def draw_matrix(
    ax: Axes, comparison: Comparison, metric: str, rows: pd.DataFrame
) -> None:
    """Draw a matrix of pairs: the first estimator by row, the second by column."""
    rows = rows.assign(mark=[_MARKS[verdict][1] for verdict in rows["verdict"]])
    wide = rows.pivot(index="estimator", columns="baseline", values=["effect", "mark"])
    shown = wide.reindex(
        index=comparison.estimators[1:],
        columns=[
            (v, n) for v in ("effect", "mark") for n in comparison.estimators[:-1]
        ],
    )
    values = shown["effect"].astype(float)
    sns.heatmap(
        np.log(values) if comparison.scale == RATIO else values,
        annot=shown["mark"].fillna(""),
        fmt="",
        cmap="vlag_r",
        center=0,
        linewidths=0.5,
        cbar_kws={"label": ("log of " if comparison.scale == RATIO else "")
                  + _axis_label(comparison, metric)},
        ax=ax,
    )  # fmt: skip
    ax.set(
        xlabel="second estimator",
        ylabel="first estimator",
        title="+ better   \N{MINUS SIGN} worse   ( ) negligibly   = equivalent   "
        "? undecided",
    )
