"""Claims about data augmentation (Results; Table I)."""

from itertools import product

from ..judging import NOT_ALL, SOME, Claim
from ..paired_effects import ERROR, TABLE, make_hypotheses, paired_ratio
from ..summaries import pick

STDS, SHARES = [1.0, 2.0, 3.0], [0.1, 0.2]
SIGMA = "\N{GREEK SMALL LETTER SIGMA}"


def _copies(at, fraction, std):
    return pick(at, fraction=fraction, std=std)


def _noises(pairs):
    """Compare two noise levels of each pair, for each share of copies."""

    def effects(at, measure):
        return {
            f"{share:.0%} copies: {SIGMA} = {one:g} better than {SIGMA} = {other:g}": (
                paired_ratio(
                    _copies(at, share, one), _copies(at, share, other), measure
                )
            )
            for share, (one, other) in product(SHARES, pairs)
        }

    return effects


def _shares(pairs):
    """Compare two shares of copies of each pair, for each noise level."""

    def effects(at, measure):
        return {
            f"{SIGMA} = {std:g}: {one:.0%} copies better than {other:.0%}": (
                paired_ratio(
                    _copies(at, one, std if one else 0.0),
                    _copies(at, other, std if other else 0.0),
                    measure,
                )
            )
            for std, (one, other) in product(STDS, pairs)
        }

    return effects


def _instead_of_exact(at, measure):
    """Compare noisy copies with the same number of exact copies."""
    return {
        f"{share:.0%} copies, {SIGMA} = {std:g}": paired_ratio(
            _copies(at, share, std), _copies(at, share, 0.0), measure
        )
        for share, std in product(SHARES, STDS)
    }


def claims(frame):
    """Yield the claims about noisy copies."""
    source = "Results, Data augmentation; Table I"
    sizes = sorted(frame["n_samples"].unique())
    few, full = (pick(frame, n_samples=n) for n in (sizes[0], sizes[-1]))

    def hypotheses(effects, first=TABLE, **options):
        return [
            *make_hypotheses(full, effects, first | TABLE | ERROR, **options),
            *make_hypotheses(
                few, effects, ERROR, False, f", N = {sizes[0]}", **options
            ),
        ]

    def controls(effects, label, **options):
        return [
            hypothesis
            for rows, n_samples in ((full, sizes[-1]), (few, sizes[0]))
            for hypothesis in make_hypotheses(
                rows, effects, ERROR, False, f"{label}, N = {n_samples}", **options
            )
        ]

    yield Claim(
        "A noise standard deviation of 3 is best",
        "Both the smallest validation loss and the highest accuracy on the validation "
        "set is achieved when the standard deviation is 3",
        source,
        hypotheses(_noises([(3.0, 1.0), (3.0, 2.0)])),
    )
    yield Claim(
        "A noise standard deviation of 2 is worst",
        "the worst results are achieved for a standard deviation of 2",
        source,
        hypotheses(_noises([(1.0, 2.0), (3.0, 2.0)])),
    )
    less = [(1.0, 2.0), (1.0, 3.0), (2.0, 3.0)]
    more = [(std, other) for other, std in less]
    yield Claim(
        "More noise is not always better",
        "adding more noise doesn't always equate to a model that can generalize better",
        source,
        [
            *hypotheses(_noises(less), quantifier=NOT_ALL),
            *controls(_noises(more), ", not always worse", quantifier=NOT_ALL),
        ],
    )
    yield Claim(
        "10 % noisy copies are better than 20 % at every noise level",
        "in the 10% case our model learns better each time, irregardless of the amount "
        "of noise added",
        source,
        hypotheses(_shares([(0.1, 0.2)])),
    )
    yield Claim(
        "More noisy copies are not always better",
        "increasing the amount of training data by adding some noisy data to it "
        "doesn't always mean we will get better and better results",
        source,
        hypotheses(_shares([(0.0, 0.1), (0.0, 0.2), (0.1, 0.2)]), quantifier=NOT_ALL),
    )
    yield Claim(
        "Noisy copies can help",
        "By doing data augmentation the model can learn better",
        "Conclusions; Table I",
        [
            *hypotheses(_shares([(0.1, 0.0), (0.2, 0.0)]), ERROR, quantifier=SOME),
            *controls(_instead_of_exact, ", against exact copies", quantifier=SOME),
        ],
    )
    yield Claim(
        "Noisy copies can hurt",
        "one has to carefully choose the amount of noisy data [...] because it could "
        "lead to a decrease in performance",
        "Conclusions; Table I",
        hypotheses(_shares([(0.0, 0.1), (0.0, 0.2)]), ERROR, quantifier=SOME),
    )
