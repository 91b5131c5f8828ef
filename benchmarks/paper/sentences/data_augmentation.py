"""Sentences on data augmentation (Results; Table I)."""

from itertools import product

from ..judging import NOT_ALL, SOME, Sentence
from ..paired_effects import ERROR, TABLE, ask, versus
from ..summaries import pick

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
