"""From paired effects to a verdict on a sentence, with the tests of `compare`."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sklearn_toydnn.comparison.resolution import ratio_of_errors
from sklearn_toydnn.comparison.scale import log_errors
from sklearn_toydnn.comparison.statistics import OneSampleTTest, holm

# Whether all comparisons must be for a sentence, or some; whether some must not be
# against it, by anything worth naming; or whether none must differ.
ALL, SOME, NOT_ALL, NONE = "all", "some", "not all", "none"

HOLDS = "holds"
SMALL = "true, but small"
NOT = "does not hold"
NOT_SMALL = "does not hold, by little"
EQUAL = "no difference worth naming"
NOISE = "cannot be told from seed noise"
CANNOT = "cannot be tested: "
CEILING, NOTHING, NEVER = "ceiling", "nothing is learnt", "never reached"


# ---- what is tested


@dataclass(frozen=True)
class Effect:
    """What each pair says of one comparison, positive where it is for the sentence.

    Of errors and losses the logarithm of a ratio, which is then shown as a ratio, and
    beside it their difference; of other things a difference.
    """

    values: np.ndarray
    differences: np.ndarray | None = None  # beside a ratio, in the measure's own unit
    published: float = np.nan  # the paper's own value of it
    why_not: str = ""  # why no effect could show
    resolution: float = 0.0  # how much a value changes with one test point
    can_be_small: bool = True  # whether values are not pulled to none by few errors

    @property
    def is_ratio(self):
        """bool: Whether values are logarithms."""
        return self.differences is not None


def ratio(ours, theirs, published=(np.nan, np.nan), why_not="", n_points=None):
    """Return by what factor their errors, losses or the like are above ours.

    One of 0, or less, counts as half of the smallest other one. Where most of both
    sides are 0, there is nothing that could get better. `n_points` is the number of
    test points of which errors are shares.
    """
    both = np.maximum([ours, theirs], 0.0)
    ours, theirs = both
    logs = -np.subtract(*log_errors(both))
    if not np.median(both, axis=1).any():
        why_not = why_not or CEILING
    how = ratio_of_errors(both.mean(axis=1) * n_points) if n_points else {}
    return Effect(logs, theirs - ours, published[1] / published[0], why_not, **how)


@dataclass(frozen=True)
class Hypothesis:
    """One way of asking whether a sentence holds: in a variant, by a measure.

    The one that decides is named beforehand.
    """

    variant: str  # a reading of the paper; of Table II, the weights at the start
    measure: str
    epoch: int
    effects: dict  # by comparison
    decides: bool = False
    how: str = ALL
    margin: float = 0.1  # the smallest effect worth naming: of a ratio, 1.1


@dataclass(frozen=True)
class Sentence:
    """A sentence of the paper, and the ways of asking whether it holds."""

    claim: str  # in a few words
    quote: str
    source: str
    asked: list


# ---- how it is tested


def judge(sections, alpha):
    """Return a row for each way of asking, and for each comparison within it.

    `sections` holds sentences by the section of the paper where they stand.

    A comparison by itself is judged as `compare` judges it: no difference, two-sided,
    and one smaller than the smallest worth naming, by two one-sided tests. That all
    comparisons are for a sentence is an intersection-union test: the least favourable
    decides, and nothing is corrected within it. That some one is, for it or against
    it, and that the one that decides is small, is corrected by Bonferroni's method.
    Holm's then corrects over the sentences, for the ways of asking that decide, by
    variants; else over those of a sentence.
    """
    rows = pd.DataFrame(
        {"section": section, "claim": sentence.claim, **_test(one, effects)}
        | {"quote": sentence.quote, "source": sentence.source}
        for section, sentences in sections.items()
        for sentence in sentences
        for one in sentence.asked
        for effects in _wholes_and_parts(one.effects)
    )
    whose = rows["claim"].where(~rows["decides"], "")
    families = [whose, rows["variant"], rows["comparison"] == ""]
    by_family = rows.groupby(families)
    for name in ("p_zero", "p_small", "p_none"):
        found = pd.concat(_holm(p_values, alpha) for _, p_values in by_family[name])
        rows[f"rejects {name}"] = found["rejected"] > 0
        rows[f"corrected {name}"] = found["corrected"]
        rows[f"level {name}"] = found["level"]
    rows["p_value"] = rows["corrected p_zero"]
    rows["p_small"] = rows["corrected p_small"].where(
        rows["rejects p_zero"], rows["corrected p_none"]
    )
    rows["verdict"] = [_verdict(row) for row in rows.to_dict("records")]
    rows["detectable"] = [
        _detectable(row, row["level p_zero"] / 2) for row in rows.to_dict("records")
    ]
    rows["turns"] = _turns(rows)
    numbers = rows[COLUMNS].select_dtypes(float).columns
    rows[numbers] = rows[numbers].map("{:.6g}".format).astype(float)
    return rows[COLUMNS]


COLUMNS = [
    *("section", "claim", "quote", "source", "variant", "measure", "epoch", "decides"),
    *("how", "comparison", "decided_by", "verdict", "effect", "ci_low", "ci_high"),
    *("unit", "margin", "difference", "difference_ci_low", "difference_ci_high"),
    *("published", "p_value", "p_small", "n_agree", "n_pairs", "n_tested"),
    *("n_comparisons", "detectable", "turns", "pairs"),
]


def _wholes_and_parts(effects):
    """Yield all comparisons together, then each by itself."""
    yield effects
    if len(effects) > 1:
        yield from ({name: effect} for name, effect in effects.items())


def _test(asked, effects):
    """Return what is found, not yet corrected."""
    usable = {n: e for n, e in effects.items() if not e.why_not} or effects
    tests = {name: _t_test(effect) for name, effect in usable.items()}
    name = _deciding(tests, asked.how)
    test, effect = tests[name], usable[name]
    margin = np.log1p(asked.margin) if effect.is_ratio else asked.margin
    p_values = _p_values(tests, name, asked.how, margin)
    if effect.why_not:
        p_values = dict.fromkeys(p_values, np.nan)
    low, high = (_shown(value, effect.is_ratio) for value in test.interval(0.05))
    beside = [np.nan] * 3
    if effect.is_ratio:
        raw = OneSampleTTest(effect.differences)
        beside = [raw.mean, *raw.interval(0.05)]
    return {
        "variant": asked.variant,
        "measure": asked.measure,
        "epoch": asked.epoch,
        "decides": asked.decides,
        "comparison": "" if effects is asked.effects else name,
        "decided_by": name,
        "effect": _shown(test.mean, effect.is_ratio),
        "ci_low": low,
        "ci_high": high,
        "unit": "ratio" if effect.is_ratio else "difference",
        "margin": asked.margin,
        **dict(zip(_BESIDE, beside, strict=True)),
        # Of "not always", another comparison may be the paper's evidence.
        "published": np.nan if asked.how == NOT_ALL else effect.published,
        "n_agree": _n_agree(usable, name, asked.how, margin),
        "n_pairs": test.n,
        "n_tested": sum(not effect.why_not for effect in effects.values()),
        "n_comparisons": len(effects),
        "how": asked.how,
        "is_ratio": effect.is_ratio,
        "pairs": " ".join(f"{_shown(v, effect.is_ratio):.4g}" for v in effect.values)
        if asked.decides and effects is asked.effects
        else "",
        "test": test,
        "why_not": effect.why_not,
        **p_values,
    }


_BESIDE = ["difference", "difference_ci_low", "difference_ci_high"]


def _t_test(effect):
    """Return the test of an effect, whose values may differ by rounding only."""
    values = effect.values
    if len(values) and np.ptp(values) < 1e-9:
        values = np.full(len(values), values[0] if abs(values[0]) > 1e-9 else 0.0)
    how = {"resolution": effect.resolution, "can_be_small": effect.can_be_small}
    return OneSampleTTest(values, **how)


def _deciding(tests, how):
    """Return the comparison that decides; of ties, that with the larger mean."""
    of_all = min if how == ALL else max
    size = abs if how == NONE else float
    return of_all(tests, key=lambda n: (size(tests[n].statistic), size(tests[n].mean)))


def _p_values(tests, deciding, how, margin):
    """Return p-values, and whether what is found is for the sentence.

    `p_zero`: of no effect at all (of none worth naming, where that is the sentence);
    `p_small`: of one worth naming, of the comparison that decides; `p_none`: of one of
    any of them that could still be for the sentence.
    """
    n, small = len(tests), tests[deciding].p_within(margin)
    tests = tests.values()

    def every(p_values):
        return max(p_values)

    def some(p_values):
        return min(1.0, n * min(p_values))

    def above(bound):
        return [test.p_greater(bound) for test in tests]

    def below(bound):
        return [test.p_less(bound) for test in tests]

    p_small = min(1.0, n * small) if how != NOT_ALL else 1.0
    p_for, p_against, p_none = {
        ALL: lambda: (every(above(0)), some(below(0)), p_small),
        SOME: lambda: (
            some(above(0)),
            every(below(0)),
            max(every(below(margin)), some(above(-margin))),
        ),
        NOT_ALL: lambda: (some(above(-margin)), every(below(-margin)), 1.0),
        NONE: lambda: (
            some(above(margin)),
            some(below(-margin)),
            max(every(below(margin)), every(above(-margin))),
        ),
    }[how]()
    return {
        "p_zero": min(1.0, 2 * min(p_for, p_against)),
        "p_small": p_small,
        "p_none": p_none,
        "is_for": p_for <= p_against,
    }


def _n_agree(effects, deciding, how, margin):
    """Return how many pairs are for the sentence."""
    values, of_all = effects[deciding].values, [e.values for e in effects.values()]
    agree = {
        ALL: lambda: np.all([values > 0 for values in of_all], axis=0),
        SOME: lambda: values > 0,
        NOT_ALL: lambda: values > -margin,
        NONE: lambda: np.all([np.abs(values) < margin for values in of_all], axis=0),
    }
    return int(agree[how]().sum())


def _detectable(row, level):
    """Return the effect that would be found, where none was told from noise."""
    if row["verdict"] != NOISE or row["how"] in (NONE, NOT_ALL):
        return np.nan
    n = row["n_tested"] if row["how"] == SOME else 1
    return _shown(row["test"].detectable(level / n), row["is_ratio"])


def _holm(p_values, alpha):
    """Return corrected p-values, what is rejected, and levels, of those there are."""
    tested = p_values.dropna()
    names = ["corrected", "rejected", "level"]
    found = dict(zip(names, holm(tested.to_numpy(), alpha), strict=True))
    return pd.DataFrame(found, tested.index, dtype=float).reindex(p_values.index)


def _verdict(row):
    """Return the verdict in words."""
    differs, is_small = row["rejects p_zero"], row["rejects p_small"]
    if row["why_not"]:
        return CANNOT + row["why_not"]
    if row["how"] == NONE:
        return HOLDS if row["rejects p_none"] else NOT if differs else NOISE
    if not differs:
        return EQUAL if row["rejects p_none"] else NOISE
    if row["is_for"]:
        return SMALL if is_small else HOLDS
    return NOT_SMALL if is_small else NOT


def _shown(value, is_ratio):
    with np.errstate(over="ignore"):  # of two seeds, intervals may have no end
        return np.exp(value) if is_ratio else value


def _turns(rows):
    """Say where what decides turns with the number of epochs."""
    sign = rows["verdict"].map({HOLDS: 1, SMALL: 1, NOT: -1, NOT_SMALL: -1})
    turns = pd.Series("", rows.index)
    for _, part in rows.groupby(["claim", "variant", "measure", "comparison"]):
        if {1, -1} <= set(sign[part.index]):
            turns[part.index] = "; ".join(
                f"{verdict} after {', '.join(map(str, epochs))} epochs"
                for verdict, epochs in part.groupby("verdict", sort=False)["epoch"]
            )
    return turns
