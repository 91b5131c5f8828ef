"""Table I: 10 % and 20 % of noisy copies added to the training points, f1.

A row without augmentation stands beside the paper's six.
"""

import seaborn as sns
from imblearn.pipeline import make_pipeline

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


def work(seeds, n_samples, epochs):
    """Return how much there is to train: points times epochs."""
    return seeds * 7 * n_samples * epochs


def measure(n_samples, epochs, seed, memory):
    """Return one row per share of copies and standard deviation of the noise."""
    arms = [
        (0.0, 0.0),
        *zip(paper.TABLE1["fraction"], paper.TABLE1["std"], strict=True),
    ]
    nets = {
        arm: make_net(
            make_pipeline, GaussianAugmenter(*arm), epochs=epochs, memory=memory
        )
        for arm in arms
    }
    names = ["fraction", "std"]
    rows = repeat(nets, names, paper.MAKERS["f1"], n_samples, seed)
    return rows.merge(paper.TABLE1, how="left").assign(seed=seed)


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
