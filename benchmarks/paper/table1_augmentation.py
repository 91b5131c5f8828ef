"""Table I: 10 % and 20 % of noisy copies added to the training points, f1.

Beside the paper's six cells: no copies; copies without noise, which show what more
points alone do, for these are exact duplicates; and a small number of points, for with
many of them there is little left to gain.
"""

from itertools import product

import pandas as pd
import seaborn as sns

from sklearn_toydnn import GaussianAugmenter

from .._study import Study
from .judging import NOT_ALL, SOME, Sentence
from .networks import (
    PUBLISHED,
    SCORES,
    each_seed,
    interval,
    make_net,
    new_figure,
    repeat,
    summarize,
    with_places,
)
from .pairs import ERROR, TABLE, ask, pick, versus
from .published import MAKERS, READINGS, TABLE1

ARMS = [
    (0.0, 0.0),
    *((share, std) for share in (0.1, 0.2) for std in (0.0, 1.0, 2.0, 3.0)),
]


def work(seeds, readings, sizes):
    """Return how much there is to train: points times epochs."""
    epochs = sum(network["epochs"] for network in readings.values())
    return seeds * len(ARMS) * sum(sizes) * epochs


def measure(reading, network, sizes, seed, memory):
    """Return a row per number of samples, share of copies, noise and epoch read."""
    nets = {arm: make_augmented(network, *arm, memory=memory) for arm in ARMS}
    parts = [
        repeat(nets, ["fraction", "std"], MAKERS["f1"], n, seed).assign(n_samples=n)
        for n in sizes
    ]
    published = TABLE1.assign(n_samples=max(sizes))
    return pd.concat(parts).merge(published, how="left").assign(reading=reading)


def make_augmented(reading, fraction, std, **params):
    """Return the network behind a step that adds noisy copies."""
    return make_net(reading, GaussianAugmenter(fraction, std), **params)


def summary(frame):
    """Return ours beside the published values."""
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


# ---- what the paper says of it


STDS, SHARES = [1.0, 2.0, 3.0], [0.1, 0.2]
SIGMA = "\N{GREEK SMALL LETTER SIGMA}"


def _copies(at, fraction, std):
    return pick(at, fraction=fraction, std=std)


def _noises(pairs):
    """Return a comparison of amounts of noise: of each share, one better than other."""

    def effects(at, measure):
        return {
            f"{share:.0%} of copies: {SIGMA} = {one:g} better than {other:g}": versus(
                _copies(at, share, one), _copies(at, share, other), measure
            )
            for share, (one, other) in product(SHARES, pairs)
        }

    return effects


def _shares(pairs):
    """Return a comparison of shares of copies, for each amount of noise."""

    def effects(at, measure):
        return {
            f"{SIGMA} = {std:g}: {one:.0%} of copies better than {other:.0%}": (
                versus(
                    _copies(at, one, std if one else 0.0),
                    _copies(at, other, std if other else 0.0),
                    measure,
                )
            )
            for std, (one, other) in product(STDS, pairs)
        }

    return effects


def _instead_of_exact(at, measure):
    """Compare noisy copies with as many exact ones."""
    return {
        f"{share:.0%} of copies, {SIGMA} = {std:g}": versus(
            _copies(at, share, std), _copies(at, share, 0.0), measure
        )
        for share, std in product(SHARES, STDS)
    }


def claims(frame):
    """Yield the sentences about noisy copies."""
    source = "Results, Data augmentation; Table I"
    sizes = sorted(frame["n_samples"].unique())
    few, full = (pick(frame, n_samples=n) for n in (sizes[0], sizes[-1]))

    def asked(effects, first=TABLE, **how):
        return [
            *ask(full, effects, first | TABLE | ERROR, **how),
            *ask(few, effects, ERROR, False, f", N = {sizes[0]}", **how),
        ]

    def beside(effects, label, **how):
        return [
            one
            for rows, n_samples in ((full, sizes[-1]), (few, sizes[0]))
            for one in ask(
                rows, effects, ERROR, False, f"{label}, N = {n_samples}", **how
            )
        ]

    yield Sentence(
        "A standard deviation of 3 is best",
        "Both the smallest validation loss and the highest accuracy on the validation "
        "set is achieved when the standard deviation is 3",
        source,
        asked(_noises([(3.0, 1.0), (3.0, 2.0)])),
    )
    yield Sentence(
        "A standard deviation of 2 is worst",
        "the worst results are achieved for a standard deviation of 2",
        source,
        asked(_noises([(1.0, 2.0), (3.0, 2.0)])),
    )
    less = [(1.0, 2.0), (1.0, 3.0), (2.0, 3.0)]
    more = [(std, other) for other, std in less]
    yield Sentence(
        "More noise is not always better",
        "adding more noise doesn't always equate to a model that can generalize better",
        source,
        [
            *asked(_noises(less), how=NOT_ALL),
            *beside(_noises(more), "; nor always worse", how=NOT_ALL),
        ],
    )
    yield Sentence(
        "10 % of copies are better than 20 %, whatever the noise",
        "in the 10% case our model learns better each time, irregardless of the amount "
        "of noise added",
        source,
        asked(_shares([(0.1, 0.2)])),
    )
    yield Sentence(
        "More noisy copies are not always better",
        "increasing the amount of training data by adding some noisy data to it "
        "doesn't always mean we will get better and better results",
        source,
        asked(_shares([(0.0, 0.1), (0.0, 0.2), (0.1, 0.2)]), how=NOT_ALL),
    )
    yield Sentence(
        "Noisy copies can help",
        "By doing data augmentation the model can learn better",
        "Conclusions; Table I",
        [
            *asked(_shares([(0.1, 0.0), (0.2, 0.0)]), ERROR, how=SOME),
            *beside(_instead_of_exact, ", against exact copies", how=SOME),
        ],
    )
    yield Sentence(
        "Noisy copies can hurt",
        "one has to carefully choose the amount of noisy data [...] because it could "
        "lead to a decrease in performance",
        "Conclusions; Table I",
        asked(_shares([(0.0, 0.1), (0.0, 0.2)]), ERROR, how=SOME),
    )


STUDY = Study(
    __name__,
    title="Table I: added noisy copies of training points (f1)",
    alt=(
        "Minimum validation loss, maximum validation accuracy and test accuracy "
        "against the standard deviation of the noise, for 10 % and 20 % of copies, "
        "around the band without copies, for each reading and number of points; "
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
