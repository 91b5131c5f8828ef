"""How a comparison is drawn: rows with intervals, or a matrix of many pairs."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from .result import Comparison
from .scale import RATIO

MANY = 30  # pairs, more than which are drawn as a matrix

_PALETTE = sns.color_palette("colorblind")
_MARKS = {  # marker, in words of one letter, colour, whether it is filled
    "better": (">", "+", _PALETTE[0], True),
    "better, negligibly": (">", "(+)", _PALETTE[0], False),
    "worse": ("<", "\N{MINUS SIGN}", _PALETTE[3], True),
    "worse, negligibly": ("<", "(\N{MINUS SIGN})", _PALETTE[3], False),
    "equivalent": ("s", "=", _PALETTE[2], True),
    "undecided": ("o", "?", (0.35, 0.35, 0.35), False),
}
_INTERVALS = {  # ends, place below the mark, width
    "interval": ("effect_ci_low", "effect_ci_high", 0.0, 1.2),
    "for equivalence": ("equivalence_ci_low", "equivalence_ci_high", 0.25, 3.5),
}


def draw_rows(
    ax: Axes,
    found: Comparison,
    metric: str,
    rows: pd.DataFrame,
    names: list[str],
) -> None:
    """Draw a row per comparison: dots, intervals, a mark and a word."""
    if found.scale == RATIO:
        ax.set_xscale("log")
    _draw_band(ax, found, metric)
    places = np.arange(len(rows))
    dots = found.differences().query("metric == @metric")["difference"]
    ax.plot(
        dots,
        np.repeat(places, found.n_repeats) - 0.25,
        ".",
        color="0.5",
        alpha=0.5,
        markersize=3,
        label="repetition",
    )
    marks = [_MARKS[verdict] for verdict in rows["verdict"]]
    colors = [color for *_, color, _ in marks]
    for label, (low, high, below, width) in _INTERVALS.items():
        ax.hlines(places + below, rows[low], rows[high], colors, linewidth=width)
        if rows[low].notna().any():
            ax.plot([], [], color="0.35", linewidth=width, label=label)
    for place, mean, (marker, _, color, is_filled) in zip(
        places, rows["effect"], marks, strict=True
    ):
        face = color if is_filled else "white"
        ax.plot(mean, place, marker, color=color, markerfacecolor=face, markersize=6)
    ax.set_yticks(places, names)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    words = ax.secondary_yaxis("right")
    words.set_yticks(places, rows["verdict"])
    words.tick_params(length=0)
    words.spines[:].set_visible(False)
    ax.set_xlabel(_what(found, metric), loc="right")
    ax.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=4,
        fontsize="small",
        frameon=False,
        columnspacing=1,
        handlelength=1.5,
    )
    if found.scale == RATIO:
        _set_ticks_of_ratios(ax)


def _draw_band(ax, found, metric):
    """Draw the line of no difference, and the band of `margin`."""
    is_ratio = found.scale == RATIO
    ax.axvline(1 if is_ratio else 0, color="0.35", linewidth=0.8)
    small = found.margin_for(metric)
    if small is not None:
        ends = (1 / (1 + small), 1 + small) if is_ratio else (-small, small)
        ax.axvspan(*ends, color="0.88", zorder=0, label="too small to matter")


def _what(found, metric):
    """Return what is drawn, in words."""
    baseline = found.baseline or "the second"
    if found.scale == RATIO:
        is_error = metric not in found.losses and not found.is_negated(metric)
        what = f"error ({metric})" if is_error else metric.removeprefix("neg_")
        ours = "the estimator" if found.baseline else "the first"
        how = f"{what} of {baseline} / of {ours}"
    else:
        how = f"difference in {metric} to {baseline}"
    return f"{how}, better \N{RIGHTWARDS ARROW}"


def _set_ticks_of_ratios(ax):
    """Have numbers as 0.9 and 1.2 on a logarithmic axis, however short it is."""
    low, high = ax.get_xlim()
    is_long = high / low > 5
    major = LogLocator(subs=(1, 2, 5)) if is_long else MaxNLocator(5)
    ax.xaxis.set_major_locator(major)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_locator(NullLocator())


def draw_matrix(ax: Axes, found: Comparison, metric: str, rows: pd.DataFrame) -> None:
    """Draw many pairs: the first below, the second to the right."""
    rows = rows.assign(mark=[_MARKS[verdict][1] for verdict in rows["verdict"]])
    wide = rows.pivot(index="estimator", columns="baseline", values=["effect", "mark"])
    shown = wide.reindex(
        index=found.estimators[1:],
        columns=[(v, n) for v in ("effect", "mark") for n in found.estimators[:-1]],
    )
    values = shown["effect"].astype(float)
    sns.heatmap(
        np.log(values) if found.scale == RATIO else values,
        annot=shown["mark"].fillna(""),
        fmt="",
        cmap="vlag_r",
        center=0,
        linewidths=0.5,
        cbar_kws={"label": ("log of " if found.scale == RATIO else "")
                  + _what(found, metric)},
        ax=ax,
    )  # fmt: skip
    ax.set(
        xlabel="the second",
        ylabel="the first",
        title="+ better   \N{MINUS SIGN} worse   ( ) negligibly   = equivalent   "
        "? undecided",
    )
