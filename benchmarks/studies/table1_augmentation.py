"""Table I: 10 % and 20 % of noisy copies added to the training points, f1.

Beside the paper's six cells: no copies; copies without noise, which show what more
points alone do, for these are exact duplicates; and a small number of points, for with
many of them there is little left to gain.
"""

import pandas as pd
import seaborn as sns

from sklearn_toydnn import GaussianAugmenter

from .. import paper
from .._repetitions import (
    PUBLISHED,
    SCORES,
    each_seed,
    interval,
    make_net,
    new_figure,
    repeat,
    summarize,
)
from .._study import Study

ARMS = [
    (0.0, 0.0),
    *((share, std) for share in (0.1, 0.2) for std in (0.0, 1.0, 2.0, 3.0)),
]


def work(seeds, readings, sizes):
    """Return how much there is to train: points times epochs."""
    epochs = sum(paper.READINGS[reading]["epochs"] for reading in readings)
    return seeds * len(ARMS) * sum(sizes) * epochs


def measure(reading, sizes, seed, memory):
    """Return a row per number of samples, share of copies, noise and epoch read."""
    nets = {
        arm: make_augmented(paper.READINGS[reading], *arm, memory=memory)
        for arm in ARMS
    }
    parts = [
        repeat(nets, ["fraction", "std"], paper.MAKERS["f1"], n, seed).assign(
            n_samples=n
        )
        for n in sizes
    ]
    published = paper.TABLE1.assign(n_samples=max(sizes))
    return pd.concat(parts).merge(published, how="left").assign(reading=reading)


def make_augmented(reading, fraction, std, **params):
    """Return the network behind a step that adds noisy copies."""
    return make_net(reading, GaussianAugmenter(fraction, std), **params)


def summary(frame):
    """Return ours beside the published values."""
    return summarize(frame, ["fraction", "std", *PUBLISHED.values()], SCORES)


def plot(frame):
    """Draw each score against the noise, with the published values."""
    figure, axes = new_figure(1, 3)
    noisy = frame[frame["fraction"] > 0].assign(
        copies=lambda rows: rows["fraction"].map("{:.0%} copies".format)
    )
    clean = frame[frame["fraction"] == 0]
    for ax, name in zip(axes[0], SCORES, strict=True):
        sns.lineplot(
            noisy, x="std", y=name, hue="copies", marker="o", errorbar=interval, ax=ax
        )
        ax.axhline(clean[name].mean(), color="gray", label="no copies")
        ax.axhspan(*interval(clean[name]), color="gray", alpha=0.15, linewidth=0)
        if name in PUBLISHED:
            sns.scatterplot(
                noisy.drop_duplicates(["copies", "std"]),
                x="std",
                y=PUBLISHED[name],
                hue="copies",
                marker="X",
                s=90,
                legend=False,
                ax=ax,
            )
            ax.plot([], [], "kX", linestyle="", label="published")
        ax.set(
            xticks=[1, 2, 3], xlabel=r"standard deviation $\sigma$", ylabel=SCORES[name]
        )
        ax.legend(fontsize="small")
    return figure


STUDY = Study(
    __name__,
    title="Table I: added noisy copies of training points (f1)",
    alt=(
        "Three panels: minimum validation loss, maximum validation accuracy and test "
        "accuracy against the standard deviation of the noise, for 10 % and 20 % of "
        "copies, around the band without copies; crosses mark the published values."
    ),
    full={"seeds": 30, "n_samples": 4000, "epochs": 100},
    quick={"seeds": 6, "n_samples": 4000, "epochs": 100},
    tasks=each_seed,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
)
