"""Claims about the number of generated samples (Results; Fig. 3)."""

from itertools import pairwise, product

import numpy as np

from sklearn_toydnn.comparison.scale import log_errors

from ..judging import OUT_OF_RANGE, SOME, Claim, Effect, ratio
from ..paired_effects import ERROR, TABLE, costs, make_hypotheses, paired_ratio
from ..summaries import pick


def _slopes(at, measure):
    """Return the factor by which each doubling of N lowers the error or loss."""
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
    """Return the number of samples that each seed needs to reach an accuracy.

    It is interpolated linearly in log2 of the tested sizes. If no size reaches the
    accuracy, it is twice the largest size, which is a lower bound.
    """
    wide = rows.assign(error=costs(rows, "error")).pivot(
        index="seed", columns="n_samples", values="error"
    )
    sizes, needed = np.log2(wide.columns.to_numpy(dtype=float)), []
    for errors in wide.to_numpy():
        reached = np.flatnonzero(errors <= 1 - accuracy)
        if not len(reached):
            needed.append(sizes[-1] + 1)
        elif reached[0] == 0:
            needed.append(sizes[0])
        else:
            around = slice(reached[0] - 1, reached[0] + 1)
            needed.append(np.interp(accuracy, 1 - errors[around], sizes[around]))
    return 2.0 ** np.array(needed)


def _fewer(at, measure):
    """Return the factor by which f1 and f2 need more samples than f3.

    It is not testable if, in most pairs, both sides reach the accuracy with the fewest
    samples, or neither reaches it.
    """
    by_function = dict([*at.groupby("function")])
    effects = {}
    for level, rival in product((0.95, 0.97, 0.99), ("f1", "f2")):
        ours, theirs = (n_needed(by_function[name], level) for name in ("f3", rival))
        outside = (ours == theirs) & ~np.isin(ours, at["n_samples"].unique()[1:])
        untestable = OUT_OF_RANGE if outside.mean() > 0.5 else ""
        name = f"samples for {level:.0%} accuracy, f3 against {rival}"
        effects[name] = ratio(ours, theirs, untestable=untestable)
    return effects


def _overfed(at, measure):
    """Return the factor by which the error on f3 rises with each step in N.

    Test errors decide: the maximum accuracy over the epochs is too high on few
    validation points.
    """
    f3, sizes = pick(at, function="f3"), sorted(at["n_samples"].unique())
    return {
        f"N = {more} against N = {n}": paired_ratio(
            pick(f3, n_samples=n), pick(f3, n_samples=more), measure
        )
        for n, more in pairwise(sizes[len(sizes) // 2 :])
    }


def claims(frame):
    """Yield the claims about the number of samples."""
    source = "Results, Number of generated samples; Fig. 3"
    epochs, steps = (pick(frame, equal=equal) for equal in ("epochs", "steps"))
    last = epochs.groupby("reading")["epoch"].max()
    steps = steps.assign(epoch=steps["reading"].map(last))
    control = {"decides": False, "label": ", equal gradient steps"}
    both = TABLE | ERROR
    yield Claim(
        "Fewer samples lower the validation accuracy and raise the validation loss",
        "validation accuracy goes down and validation loss becomes worse by reducing "
        "the number of samples",
        source,
        [
            *make_hypotheses(epochs, _slopes, both),
            *make_hypotheses(steps, _slopes, both, **control),
        ],
    )
    yield Claim(
        "f3 needs fewer samples than f1 and f2",
        "for the third function the algorithm learns by using less samples",
        source,
        [
            *make_hypotheses(epochs, _fewer, ERROR),
            *make_hypotheses(steps, _fewer, ERROR, **control),
        ],
    )
    yield Claim(
        "Too many samples lower the accuracy on f3",
        "we notice a decrease in accuracy when we overfeed the DNN",
        source,
        [
            *make_hypotheses(epochs, _overfed, ERROR | TABLE, quantifier=SOME),
            *make_hypotheses(steps, _overfed, ERROR, quantifier=SOME, **control),
        ],
    )
    yield Claim(
        "More training data improve generalization",
        "when we increase the amount of data, our model learns better and can "
        "generalize better on new, unseen data",
        "Conclusions",
        [
            *make_hypotheses(epochs, _slopes, ERROR),
            *make_hypotheses(steps, _slopes, ERROR, **control),
        ],
    )
