"""Fig. 3: validation loss and accuracy against the number of samples, each f.

Beside the paper's two scores, which are extremes over the epochs and so flatter,
stands the last epoch's accuracy on an untouched test sample. More points at equal
epochs are also more gradient steps: in the control, every N gets as many as the
paper's 4,000 points do.
"""

from itertools import pairwise, product
from math import ceil

import numpy as np
import pandas as pd
import seaborn as sns

from sklearn_toydnn.comparison.scale import log_errors

from .._study import Study
from .judging import NEVER, SOME, Effect, Sentence, ratio
from .networks import (
    SCORES,
    each_seed,
    interval,
    make_net,
    new_figure,
    repeat,
    summarize,
)
from .pairs import ERROR, TABLE, ask, costs, pick, versus
from .published import MAKERS, READINGS

REFERENCE = 4000  # the number of samples whose gradient steps the control gives to all


def tasks(seeds, readings, sizes):
    """List the repetitions."""
    for function in MAKERS:
        yield from each_seed(seeds, readings, function=function, sizes=sizes)


def work(seeds, readings, sizes):
    """Return how much there is to train: points times epochs."""
    epochs = sum(network["epochs"] for network in readings.values())
    return seeds * 3 * epochs * (sum(sizes) + REFERENCE * len(sizes))


def measure(reading, network, function, sizes, seed, memory):
    """Return a row for each number of samples and epochs, at equal epochs and steps."""
    parts = []
    for n_samples in sizes:
        nets = _nets(network, n_samples, memory)
        rows = repeat(nets, ["equal"], MAKERS[function], n_samples, seed)
        # Numbers of epochs are for comparing, which at equal steps they are not.
        shown = (rows["equal"] == "epochs") | rows["test_accuracy"].notna()
        parts.append(rows[shown].assign(n_samples=n_samples))
    return pd.concat(parts).assign(function=function, reading=reading)


def _nets(reading, n_samples, memory):
    """Return the network that trains for equal epochs, and that of equal steps."""
    share = _n_steps(REFERENCE, reading) / _n_steps(n_samples, reading)
    epochs = {"epochs": reading["epochs"], "steps": round(share * reading["epochs"])}
    return {
        (equal,): make_net(reading, epochs=max(1, n), memory=memory)
        for equal, n in epochs.items()
    }


def _n_steps(n_samples, reading):
    """Return the gradient steps of an epoch."""
    return ceil((n_samples - n_samples // 5) / reading["batch_size"])


def summary(frame):
    """Return the scores for each function and number of samples."""
    by = ["reading", "equal", "function", "n_samples"]
    last = frame.dropna(subset="test_accuracy").sort_values(by, kind="stable")
    return summarize(last, by, SCORES)


def plot(frame):
    """Draw each score against the number of samples."""
    last = frame.dropna(subset="test_accuracy")
    groups = last.groupby(["reading", "equal"], sort=False)
    figure, axes = new_figure(groups.ngroups, 3, height=3, sharex=True, sharey="col")
    for row, ((reading, equal), part) in zip(axes, groups, strict=True):
        for ax, name in zip(row, SCORES, strict=True):
            sns.lineplot(
                part,
                x="n_samples",
                y=name,
                hue="function",
                style="function",
                markers=True,
                dashes=False,
                errorbar=interval,
                ax=ax,
            )
            ax.set(xscale="log", xlabel="number of samples $N$", ylabel=SCORES[name])
            ax.set_title(f"{reading}, equal {equal}")
            ax.set_xticks(sizes := frame["n_samples"].unique(), sizes, rotation=45)
            ax.minorticks_off()
    return figure


# ---- what the paper says of it


def _slopes(at, measure):
    """Return by what factor the error or loss falls with each doubling of N."""
    effects = {}
    for function, rows in at.groupby("function"):
        wide = rows.assign(cost=costs(rows, measure)).pivot(
            index="n_samples", columns="seed", values="cost"
        )
        doublings = np.log2(wide.index.to_numpy(dtype=float))
        logs = log_errors(wide.to_numpy())
        fits = (np.polyfit(doublings, values, 1)[0] for values in (logs, wide))
        effects[function] = Effect(*(-slopes for slopes in fits))
    return effects


def n_needed(rows, accuracy):
    """Return, by seed, the number of samples at which an accuracy is reached.

    Between the numbers that were tried, by a straight line over their logarithms; where
    it is never reached, twice the largest of them. What is found then is too small.
    """
    wide = rows.assign(error=costs(rows, "error")).pivot(
        index="seed", columns="n_samples", values="error"
    )
    sizes, found = np.log2(wide.columns.to_numpy(dtype=float)), []
    for errors in wide.to_numpy():
        reached = np.flatnonzero(errors <= 1 - accuracy)
        if not len(reached):
            found.append(sizes[-1] + 1)
        elif reached[0] == 0:
            found.append(sizes[0])
        else:
            around = slice(reached[0] - 1, reached[0] + 1)
            found.append(np.interp(accuracy, 1 - errors[around], sizes[around]))
    return 2.0 ** np.array(found)


def _fewer(at, measure):
    """Return by what factor f1 and f2 need more samples than f3.

    Nothing can be said where most pairs reach the accuracy with the fewest samples on
    both sides, or never do.
    """
    by_function = dict([*at.groupby("function")])
    effects = {}
    for level, rival in product((0.95, 0.97, 0.99), ("f1", "f2")):
        ours, theirs = (n_needed(by_function[name], level) for name in ("f3", rival))
        outside = (ours == theirs) & ~np.isin(ours, at["n_samples"].unique()[1:])
        why_not = NEVER if outside.mean() > 0.5 else ""
        name = f"points for {level:.0%}, f3 against {rival}"
        effects[name] = ratio(ours, theirs, why_not=why_not)
    return effects


def _overfed(at, measure):
    """Return by what factor the error of f3 rises from a number of samples to the next.

    By the error on test points: of the paper's maximum over the epochs, the fewer the
    validation points, the higher.
    """
    f3, sizes = pick(at, function="f3"), sorted(at["n_samples"].unique())
    return {
        f"N = {more} against {n}": versus(
            pick(f3, n_samples=n), pick(f3, n_samples=more), measure
        )
        for n, more in pairwise(sizes[len(sizes) // 2 :])
    }


def claims(frame):
    """Yield the sentences about the number of samples."""
    source = "Results, Number of generated samples; Fig. 3"
    epochs, steps = (pick(frame, equal=equal) for equal in ("epochs", "steps"))
    last = epochs.groupby("reading")["epoch"].max()
    steps = steps.assign(epoch=steps["reading"].map(last))
    control = {"decides": False, "label": ", equal gradient steps"}
    both = TABLE | ERROR
    yield Sentence(
        "Fewer samples: validation accuracy goes down and validation loss gets worse",
        "validation accuracy goes down and validation loss becomes worse by reducing "
        "the number of samples",
        source,
        [*ask(epochs, _slopes, both), *ask(steps, _slopes, both, **control)],
    )
    yield Sentence(
        "f3 is learnt from fewer samples than f1 and f2",
        "for the third function the algorithm learns by using less samples",
        source,
        [*ask(epochs, _fewer, ERROR), *ask(steps, _fewer, ERROR, **control)],
    )
    yield Sentence(
        "f3: too many samples hurt",
        "we notice a decrease in accuracy when we overfeed the DNN",
        source,
        [
            *ask(epochs, _overfed, ERROR | TABLE, how=SOME),
            *ask(steps, _overfed, ERROR, how=SOME, **control),
        ],
    )
    yield Sentence(
        "More data: the network generalizes better on new data",
        "when we increase the amount of data, our model learns better and can "
        "generalize better on new, unseen data",
        "Conclusions",
        [*ask(epochs, _slopes, ERROR), *ask(steps, _slopes, ERROR, **control)],
    )


STUDY = Study(
    __name__,
    title="Fig. 3: loss and accuracy against the number of samples",
    alt=(
        "Minimum validation loss, maximum validation accuracy and test accuracy "
        "against the number of samples, a line for each function; a row for each "
        "reading, at equal epochs and at equal gradient steps."
    ),
    full={
        "seeds": 30,
        "readings": READINGS,
        "sizes": [250, 500, 1000, 2000, 4000, 8000, 16000],
    },
    quick={
        "seeds": 3,
        "readings": READINGS,
        "sizes": [250, 1000, 4000],
    },
    tasks=tasks,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
)
