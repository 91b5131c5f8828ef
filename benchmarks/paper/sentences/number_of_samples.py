"""Sentences on the number of generated samples (Results; Fig. 3)."""

from itertools import pairwise, product

import numpy as np

from sklearn_toydnn.comparison.scale import log_errors

from ..judging import NEVER, SOME, Effect, Sentence, ratio
from ..paired_effects import ERROR, TABLE, ask, costs, versus
from ..summaries import pick


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
