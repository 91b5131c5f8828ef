"""Table I: 10 % and 20 % of noisy copies added to the training points (f1).

Three controls are added to the paper's six cells. The first has no copies. The second
has copies without noise; these exact duplicates show the effect of more points alone.
The third has few points, because many points leave little room for improvement.
"""

import pandas as pd
import seaborn as sns

from .._figures import new_figure
from .._study import Study
from .networks import each_seed, make_augmented, repeat
from .published import MAKERS, READINGS, TABLE1
from .summaries import PUBLISHED, SCORES, interval, summarize, with_places

ARMS = [
    (0.0, 0.0),
    *((share, std) for share in (0.1, 0.2) for std in (0.0, 1.0, 2.0, 3.0)),
]


def work(seeds, readings, sizes):
    """Return the amount of training, in points times epochs."""
    epochs = sum(network["epochs"] for network in readings.values())
    return seeds * len(ARMS) * sum(sizes) * epochs


def measure(reading, network, sizes, seed, memory):
    """Return a row per sample size, share of copies, noise level and epoch."""
    nets = {arm: make_augmented(network, *arm, memory=memory) for arm in ARMS}
    parts = [
        repeat(nets, ["fraction", "std"], MAKERS["f1"], n, seed).assign(n_samples=n)
        for n in sizes
    ]
    published = TABLE1.assign(n_samples=max(sizes))
    return pd.concat(parts).merge(published, how="left").assign(reading=reading)


def summary(frame):
    """Return our scores beside the published values."""
    last = frame.dropna(subset="test_accuracy")
    by = ["reading", "n_samples", "fraction", "std", *PUBLISHED.values()]
    return with_places(
        summarize(last, by, SCORES), last, by, frame["n_samples"].max() // 5
    )


def plot(frame):
    """Draw each score against the noise, with the published values."""
    last = frame.dropna(subset="test_accuracy").assign(
        copies=lambda rows: rows["fraction"].map("{:.0%} copies".format)
    )
    groups = last.groupby(["reading", "n_samples"], sort=False)
    figure, axes = new_figure(groups.ngroups, 3, height=3)
    for row, ((reading, n_samples), part) in zip(axes, groups, strict=True):
        noisy, clean = part[part["fraction"] > 0], part[part["fraction"] == 0]
        for ax, name in zip(row, SCORES, strict=True):
            sns.lineplot(
                noisy,
                x="std",
                y=name,
                hue="copies",
                style="copies",
                dashes=False,
                markers=["o", "s"],
                errorbar=interval,
                ax=ax,
            )
            ax.axhline(clean[name].mean(), color="gray", label="no copies")
            ax.axhspan(*interval(clean[name]), color="gray", alpha=0.15, linewidth=0)
            if name in PUBLISHED:
                _draw_published(noisy, PUBLISHED[name], ax)
            ax.set(
                title=f"{reading}, N = {n_samples}",
                xticks=[0, 1, 2, 3],
                xlabel=r"standard deviation $\sigma$",
                ylabel=SCORES[name],
            )
            legend = ax.get_legend_handles_labels()
            ax.get_legend().remove()
            if name == "min_val_loss":
                shown = legend
    figure.legend(*shown, loc="outside lower center", ncols=4)
    return figure


def _draw_published(noisy, name, ax):
    cells = noisy.dropna(subset=name).drop_duplicates(["copies", "std"])
    if len(cells):
        sns.scatterplot(
            cells, x="std", y=name, hue="copies", marker="X", s=90, legend=False, ax=ax
        )
        ax.plot([], [], "kX", linestyle="", label="published")


STUDY = Study(
    __name__,
    title="Table I: noisy copies of training points (f1)",
    alt=(
        "Minimum validation loss, maximum validation accuracy and test accuracy "
        "against the standard deviation of the noise, for 10 % and 20 % of copies and "
        "for each reading and number of points. A band shows results without copies; "
        "crosses mark the published values."
    ),
    full={"seeds": 30, "readings": READINGS, "sizes": [250, 4000]},
    quick={"seeds": 3, "readings": READINGS, "sizes": [250, 4000]},
    tasks=each_seed,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
)
