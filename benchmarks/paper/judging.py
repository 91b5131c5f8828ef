"""Verdicts on the paper's claims from paired effects, with the tests of `compare`."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sklearn_toydnn.comparison.resolution import log_ratio_test_options
from sklearn_toydnn.comparison.scale import log_errors
from sklearn_toydnn.comparison.statistics import OneSampleTTest, holm

# Which comparisons must favor the claim: all of them, or at least one. NOT_ALL: in
# at least one, an effect against the claim must be smaller than the margin. NONE: all
# differences must be smaller than the margin.
ALL, SOME, NOT_ALL, NONE = "all", "some", "not all", "none"

SUPPORTED = "supported"
NEGLIGIBLY_SUPPORTED = "supported, but negligible"
NO_DIFFERENCE = "no difference"
INCONCLUSIVE = "inconclusive"
NEGLIGIBLY_CONTRADICTED = "contradicted, but negligible"
CONTRADICTED = "contradicted"
NOT_TESTABLE = "not testable: "  # followed by the reason:
CEILING = "ceiling"
NO_LEARNING = "no learning"
OUT_OF_RANGE = "sample size out of range"


# ---- claims and hypotheses


@dataclass(frozen=True)
class Effect:
    """The effects of one comparison, one per pair; positive values favor the claim.

    The effect of errors and losses is the logarithm of a ratio; results show the ratio
    itself, and the difference beside it. Other effects are differences.
    """

    values: np.ndarray
    differences: np.ndarray | None = None  # beside a ratio, in the unit of the measure
    published: float = np.nan  # the effect in the paper's own numbers
    untestable: str = ""  # why no effect could show; empty if it could
    resolution: float = 0.0  # the change of a value with one test point
    can_be_small: bool = True  # False if few errors pull the values towards 0

    @property
    def is_ratio(self):
        """bool: Whether the values are logarithms of ratios."""
        return self.differences is not None


def ratio(ours, theirs, published=(np.nan, np.nan), untestable="", n_points=None):
    """Return the effect: their errors, losses or other costs divided by ours.

    A cost of 0 or less counts as half of the smallest positive one. The effect is not
    testable (ceiling) if the median cost is 0 on both sides. `n_points` is the number
    of test points behind an error, or None for other costs.
    """
    both = np.maximum([ours, theirs], 0.0)
    ours, theirs = both
    logs = -np.subtract(*log_errors(both))
    if not np.median(both, axis=1).any():
        untestable = untestable or CEILING
    options = log_ratio_test_options(both.mean(axis=1) * n_points) if n_points else {}
    published = published[1] / published[0]
    return Effect(logs, theirs - ours, published, untestable, **options)


@dataclass(frozen=True)
class Hypothesis:
    """One way to test a claim: a variant, a measure and a number of epochs.

    The hypothesis that decides the verdict on the claim was chosen beforehand.
    """

    variant: str  # a reading of the paper or, for Table II, the initial weights
    measure: str
    epoch: int
    effects: dict  # by the name of the comparison
    decides: bool = False
    quantifier: str = ALL
    margin: float = 0.1  # a ratio of 1 + margin, or a difference


@dataclass(frozen=True)
class Claim:
    """A testable statement, the sentence of the paper behind it, and its hypotheses."""

    claim: str
    sentence: str
    source: str
    hypotheses: list


# ---- tests


def judge(sections, alpha):
    """Return a row for each hypothesis, and for each comparison within it.

    `sections` holds the claims by the section of the paper.

    A single comparison gets the tests of `compare`: a two-sided test of no difference,
    and two one-sided tests of equivalence. ALL is an intersection-union test: the least
    favorable comparison decides, without correction. SOME, evidence against ALL and the
    equivalence test of the deciding comparison get Bonferroni's correction. Holm's
    method then corrects over the claims (for the deciding hypotheses of a variant), or
    over the hypotheses of one claim (for all others).
    """
    rows = pd.DataFrame(
        {"section": section, "claim": claim.claim, **_test(hypothesis, effects)}
        | {"sentence": claim.sentence, "source": claim.source}
        for section, claims in sections.items()
        for claim in claims
        for hypothesis in claim.hypotheses
        for effects in _together_and_alone(hypothesis.effects)
    )
    claim_if_beside = rows["claim"].where(~rows["decides"], "")
    families = [claim_if_beside, rows["variant"], rows["comparison"] == ""]
    by_family = rows.groupby(families)
    for name in ("p_zero", "p_equivalence", "p_no_difference"):
        holms = pd.concat(_holm(p_values, alpha) for _, p_values in by_family[name])
        rows[f"rejects {name}"] = holms["rejected"] > 0
        rows[f"corrected {name}"] = holms["corrected"]
        rows[f"level {name}"] = holms["level"]
    rows["p_value"] = rows["corrected p_zero"]
    rows["p_equivalence"] = rows["corrected p_equivalence"].where(
        rows["rejects p_zero"], rows["corrected p_no_difference"]
    )
    rows["verdict"] = [_verdict(row) for row in rows.to_dict("records")]
    rows["detectable"] = [
        _detectable(row, row["level p_zero"] / 2) for row in rows.to_dict("records")
    ]
    rows["reversals"] = _reversals(rows)
    numbers = rows[COLUMNS].select_dtypes(float).columns
    rows[numbers] = rows[numbers].map("{:.6g}".format).astype(float)
    return rows[COLUMNS]


COLUMNS = [
    *("section", "claim", "sentence", "source", "variant", "measure", "epoch"),
    *("decides", "quantifier", "comparison", "decided_by", "verdict"),
    *("effect", "ci_low", "ci_high", "unit", "margin"),
    *("difference", "difference_ci_low", "difference_ci_high", "published"),
    *("p_value", "p_equivalence", "n_agree", "n_pairs", "n_tested"),
    *("n_comparisons", "detectable", "reversals", "pairs"),
]


def _together_and_alone(effects):
    """Yield all comparisons together, then each one alone."""
    yield effects
    if len(effects) > 1:
        yield from ({name: effect} for name, effect in effects.items())


def _test(hypothesis, effects):
    """Return the results before correction."""
    quantifier = hypothesis.quantifier
    usable = {n: e for n, e in effects.items() if not e.untestable} or effects
    tests = {name: _t_test(effect) for name, effect in usable.items()}
    name = _deciding(tests, quantifier)
    test, effect = tests[name], usable[name]
    margin = np.log1p(hypothesis.margin) if effect.is_ratio else hypothesis.margin
    p_values = _p_values(tests, name, quantifier, margin)
    if effect.untestable:
        p_values = dict.fromkeys(p_values, np.nan)
    low, high = (_displayed(value, effect.is_ratio) for value in test.interval(0.05))
    differences = [np.nan] * 3
    if effect.is_ratio:
        raw = OneSampleTTest(effect.differences)
        differences = [raw.mean, *raw.interval(0.05)]
    return {
        "variant": hypothesis.variant,
        "measure": hypothesis.measure,
        "epoch": hypothesis.epoch,
        "decides": hypothesis.decides,
        "comparison": "" if effects is hypothesis.effects else name,
        "decided_by": name,
        "effect": _displayed(test.mean, effect.is_ratio),
        "ci_low": low,
        "ci_high": high,
        "unit": "ratio" if effect.is_ratio else "difference",
        "margin": hypothesis.margin,
        **dict(zip(_DIFFERENCE_COLUMNS, differences, strict=True)),
        # With NOT_ALL, the paper's evidence may be another comparison.
        "published": np.nan if quantifier == NOT_ALL else effect.published,
        "n_agree": _n_agree(usable, name, quantifier, margin),
        "n_pairs": test.n,
        "n_tested": sum(not effect.untestable for effect in effects.values()),
        "n_comparisons": len(effects),
        "quantifier": quantifier,
        "is_ratio": effect.is_ratio,
        "pairs": " ".join(
            f"{_displayed(v, effect.is_ratio):.4g}" for v in effect.values
        )
        if hypothesis.decides and effects is hypothesis.effects
        else "",
        "test": test,
        "untestable": effect.untestable,
        **p_values,
    }


_DIFFERENCE_COLUMNS = ["difference", "difference_ci_low", "difference_ci_high"]


def _t_test(effect):
    """Return the test of an effect, with rounding errors removed from equal values."""
    values = effect.values
    if len(values) and np.ptp(values) < 1e-9:
        values = np.full(len(values), values[0] if abs(values[0]) > 1e-9 else 0.0)
    return OneSampleTTest(
        values, resolution=effect.resolution, can_be_small=effect.can_be_small
    )


def _deciding(tests, quantifier):
    """Return the comparison that decides; among ties, the one with the larger mean."""
    choose = min if quantifier == ALL else max
    size = abs if quantifier == NONE else float
    return choose(tests, key=lambda n: (size(tests[n].statistic), size(tests[n].mean)))


def _p_values(tests, deciding, quantifier, margin):
    """Return the p-values, and whether the effect favors the claim.

    Null hypotheses: `p_zero`, no effect (NONE: none beyond the margin; NOT_ALL: the
    effect is against the claim, by exactly the margin);
    `p_equivalence`, the size of the deciding effect is at least the margin;
    `p_no_difference`, an effect that could decide the claim is at least the margin.
    """
    n, p_within = len(tests), tests[deciding].p_within(margin)
    tests = tests.values()

    def every(p_values):
        return max(p_values)

    def some(p_values):
        return min(1.0, n * min(p_values))

    def above(bound):
        return [test.p_greater(bound) for test in tests]

    def below(bound):
        return [test.p_less(bound) for test in tests]

    p_equivalence = min(1.0, n * p_within) if quantifier != NOT_ALL else 1.0
    p_for, p_against, p_no_difference = {
        ALL: lambda: (every(above(0)), some(below(0)), p_equivalence),
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
    }[quantifier]()
    return {
        "p_zero": min(1.0, 2 * min(p_for, p_against)),
        "p_equivalence": p_equivalence,
        "p_no_difference": p_no_difference,
        "is_for": p_for <= p_against,
    }


def _n_agree(effects, deciding, quantifier, margin):
    """Return how many pairs agree with the claim."""
    values, of_all = effects[deciding].values, [e.values for e in effects.values()]
    agree = {
        ALL: lambda: np.all([values > 0 for values in of_all], axis=0),
        SOME: lambda: values > 0,
        NOT_ALL: lambda: values > -margin,
        NONE: lambda: np.all([np.abs(values) < margin for values in of_all], axis=0),
    }
    return int(agree[quantifier]().sum())


def _detectable(row, level):
    """Return the smallest effect that the test would detect, if it is inconclusive."""
    if row["verdict"] != INCONCLUSIVE or row["quantifier"] in (NONE, NOT_ALL):
        return np.nan
    n = row["n_tested"] if row["quantifier"] == SOME else 1
    return _displayed(row["test"].detectable(level / n), row["is_ratio"])


def _holm(p_values, alpha):
    """Return corrected p-values, rejections and levels; NaN if not tested."""
    tested = p_values.dropna()
    names = ["corrected", "rejected", "level"]
    columns = dict(zip(names, holm(tested.to_numpy(), alpha), strict=True))
    return pd.DataFrame(columns, tested.index, dtype=float).reindex(p_values.index)


def _verdict(row):
    differs, is_negligible = row["rejects p_zero"], row["rejects p_equivalence"]
    if row["untestable"]:
        return NOT_TESTABLE + row["untestable"]
    if row["quantifier"] == NONE:
        if row["rejects p_no_difference"]:
            return SUPPORTED
        return CONTRADICTED if differs else INCONCLUSIVE
    if not differs:
        return NO_DIFFERENCE if row["rejects p_no_difference"] else INCONCLUSIVE
    if row["is_for"]:
        return NEGLIGIBLY_SUPPORTED if is_negligible else SUPPORTED
    return NEGLIGIBLY_CONTRADICTED if is_negligible else CONTRADICTED


def _displayed(value, is_ratio):
    with np.errstate(over="ignore"):  # an interval of two seeds may be infinite
        return np.exp(value) if is_ratio else value


_SIGNS = {
    SUPPORTED: 1,
    NEGLIGIBLY_SUPPORTED: 1,
    CONTRADICTED: -1,
    NEGLIGIBLY_CONTRADICTED: -1,
}


def _reversals(rows):
    """Describe where a claim is supported and contradicted, by number of epochs."""
    sign = rows["verdict"].map(_SIGNS)
    reversals = pd.Series("", rows.index)
    for _, part in rows.groupby(["claim", "variant", "measure", "comparison"]):
        if {1, -1} <= set(sign[part.index]):
            reversals[part.index] = "; ".join(
                f"{verdict} after {', '.join(map(str, epochs))} epochs"
                for verdict, epochs in part.groupby("verdict", sort=False)["epoch"]
            )
    return reversals
