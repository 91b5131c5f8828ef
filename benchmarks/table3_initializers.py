"""Table III: loss and accuracy for six weight initializers, f1.

Keras' own defaults of each initializer, in hidden and output layers alike. Keras'
default, which the rest of the paper uses, stands beside them.
"""

import seaborn as sns
from sklearn.pipeline import make_pipeline

from . import paper
from ._study import (
    PUBLISHED,
    SCORES,
    draw,
    each_seed,
    interval,
    make_net,
    new_figure,
    search,
    summarize,
)

TITLE = "Table III: weight initializers (f1)"
FULL = {"seeds": 30, "n_samples": 4000, "epochs": 100}
QUICK = {"seeds": 10, "n_samples": 4000, "epochs": 100}

tasks = each_seed


def measure(n_samples, epochs, seed):
    """Return one row per initializer."""
    data = draw(paper.MAKERS["f1"], n_samples, seed)
    net = make_net(make_pipeline, epochs=epochs, random_state=seed)
    names = [*paper.TABLE3["initializer"], "glorot_uniform"]
    rows = search(net, {"dnnclassifier__kernel_initializer": names}, data).rename(
        columns={"dnnclassifier__kernel_initializer": "initializer"}
    )
    return rows.merge(paper.TABLE3, how="left").assign(seed=seed)


def summary(frame):
    """Return ours beside the published values."""
    return summarize(frame, ["initializer", *PUBLISHED.values()], SCORES)


def plot(frame):
    """Draw each score for each initializer, with the published values."""
    figure, axes = new_figure(1, 3)
    for ax, name in zip(axes[0], SCORES, strict=True):
        sns.stripplot(
            frame, x=name, y="initializer", color="C0", alpha=0.3, size=4, ax=ax
        )
        sns.pointplot(
            frame,
            x=name,
            y="initializer",
            color="C0",
            linestyle="none",
            errorbar=interval,
            label="ours: mean and 95 % interval",
            ax=ax,
        )
        if name in PUBLISHED:
            rows = frame.drop_duplicates("initializer")
            ax.plot(rows[PUBLISHED[name]], rows["initializer"], "kX", label="published")
        ax.get_legend().remove()
        ax.set(xlabel=SCORES[name], ylabel="")
    figure.legend(
        *axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2
    )
    return figure


if __name__ == "__main__":
    import sys

    from .__main__ import main

    main(["table3_initializers", *sys.argv[1:]])
