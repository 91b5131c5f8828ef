"""A small picture for each claim: the effect of each seed, and of the paper."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from .._png import to_png
from .judging import ALL, NONE, NOT_ALL, SOME

TICKS = {  # by the ratio of the ends of the axis, at most
    1.6: [0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3],
    20: [0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.6, 2.5, 5],
    np.inf: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100],
}
BAND = {"color": "gray", "alpha": 0.2, "linewidth": 0}
AGAINST = "against the claim  \N{LEFTWARDS ARROW}   \N{RIGHTWARDS ARROW}  for the claim"
SIDES = {
    ALL: AGAINST,
    SOME: AGAINST,
    NOT_ALL: "for the claim: right of the left edge of the gray band",
    NONE: "for the claim: within the gray band",
}
# Variants differ in their marks too, for readers who do not see colors.
MARKS = [("o", "#0072b2"), ("D", "#d55e00")]


def draw_claim(rows):
    """Return a PNG image of the deciding effects, with a row for each variant.

    Dots are seeds, the black mark and bar are the mean and its 95 % interval, and a
    cross marks the effect in the paper's own numbers, if there is one.
    """
    figure = Figure(figsize=(5, 0.7 + 0.5 * len(rows)), layout="constrained")
    ax = figure.subplots()
    is_ratio = rows[0]["unit"] == "ratio"
    neutral = 1.0 if is_ratio else 0.0
    for place, (row, (mark, color)) in enumerate(zip(rows, MARKS, strict=False)):
        pairs = np.array(row["pairs"].split(), dtype=float)
        jitter = np.random.default_rng(0).uniform(-0.25, 0.25, len(pairs))
        ax.plot(pairs, place + jitter, mark, color=color, markersize=3, alpha=0.35)
        ax.plot([row["ci_low"], row["ci_high"]], [place] * 2, "k-", linewidth=2)
        ax.plot(row["effect"], place, mark, color="black", markersize=6)
        if np.isfinite(row["published"]):
            ax.plot(row["published"], place, "X", color="#cc3311", markersize=9)
    margin = rows[0]["margin"]
    if is_ratio:
        ax.set_xscale("log")
        ax.axvspan(1 / (1 + margin), 1 + margin, **BAND)
    else:
        ax.axvspan(-margin, margin, **BAND)
    ax.axvline(neutral, color="black", linewidth=0.8)
    if is_ratio:
        least, most = ax.get_xlim()
        ticks = next(ticks for width, ticks in TICKS.items() if most / least < width)
        shown = [tick for tick in ticks if least <= tick <= most]
        ax.set_xticks(shown, [f"{tick:g}" for tick in shown])
        ax.xaxis.set_minor_locator(NullLocator())
    ax.set_yticks(range(len(rows)), [row["variant"] for row in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.tick_params(labelsize=9)
    ax.set_xlabel(SIDES[rows[0]["quantifier"]], fontsize=8)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    return to_png(figure, dpi=150, colors=32)
