"""From paired effects to verdicts on claims."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmarks.paper.judging import (
    ALL,
    CEILING,
    CONTRADICTED,
    INCONCLUSIVE,
    NEGLIGIBLY_CONTRADICTED,
    NEGLIGIBLY_SUPPORTED,
    NO_DIFFERENCE,
    NO_LEARNING,
    NONE,
    NOT_ALL,
    NOT_TESTABLE,
    SOME,
    SUPPORTED,
    Claim,
    Effect,
    Hypothesis,
    judge,
    ratio,
)
from sklearn_toydnn.comparison import Comparison

OVERALL = ""


def hypothesis(*effects, **kwargs):
    effects = [e if isinstance(e, Effect) else Effect(e) for e in effects]
    named = {f"rival {i}": effect for i, effect in enumerate(effects)}
    kwargs = {"decides": True, "margin": 0.005, **kwargs}
    return Hypothesis("plain", "error", 100, named, **kwargs)


def judged(*effects, **kwargs):
    claim = Claim("a claim", "a sentence", "a source", [hypothesis(*effects, **kwargs)])
    rows = judge({"a section": [claim]}, 0.05)
    return rows[rows["comparison"] == OVERALL].iloc[0]


def spread(mean, sd, n=30):
    """Return n differences of exactly this mean and standard deviation."""
    values = np.linspace(-1, 1, n)
    return mean + sd * values / values.std(ddof=1)


GOOD, BAD, LOUD = spread(0.02, 0.01), spread(-0.02, 0.01), spread(0.01, 0.1)
SMALL_GOOD, SMALL_BAD = spread(0.002, 0.001), spread(-0.002, 0.001)
NO = spread(0.0, 0.001)


@pytest.mark.parametrize(
    "effects, quantifier, verdict",
    [
        ([GOOD], ALL, SUPPORTED),
        ([SMALL_GOOD], ALL, NEGLIGIBLY_SUPPORTED),
        ([BAD], ALL, CONTRADICTED),
        ([SMALL_BAD], ALL, NEGLIGIBLY_CONTRADICTED),
        ([NO], ALL, NO_DIFFERENCE),
        ([np.zeros(30)], ALL, INCONCLUSIVE),  # no sign of how much they could vary
        ([Effect(np.zeros(30), resolution=1 / 4000)], ALL, NO_DIFFERENCE),
        # Too few test points.
        ([Effect(np.zeros(30), resolution=1 / 10)], ALL, INCONCLUSIVE),
        ([Effect(NO, can_be_small=False)], ALL, INCONCLUSIVE),
        ([Effect(SMALL_BAD, can_be_small=False)], ALL, CONTRADICTED),
        ([LOUD], ALL, INCONCLUSIVE),
        # ALL: "X is best" requires that X beats every rival.
        ([GOOD, 2 * GOOD], ALL, SUPPORTED),
        ([GOOD, SMALL_GOOD], ALL, NEGLIGIBLY_SUPPORTED),
        ([GOOD, NO], ALL, NO_DIFFERENCE),
        ([GOOD, LOUD], ALL, INCONCLUSIVE),
        ([GOOD, BAD], ALL, CONTRADICTED),
        ([GOOD, SMALL_BAD], ALL, NEGLIGIBLY_CONTRADICTED),
        ([LOUD, BAD], ALL, CONTRADICTED),
        # The significant comparison decides.
        ([LOUD, SMALL_BAD], ALL, NEGLIGIBLY_CONTRADICTED),
        # SOME: one supporting comparison is enough.
        ([GOOD, BAD], SOME, SUPPORTED),
        ([SMALL_GOOD, BAD], SOME, NEGLIGIBLY_SUPPORTED),
        ([SMALL_GOOD, LOUD], SOME, NEGLIGIBLY_SUPPORTED),
        ([NO, LOUD], SOME, INCONCLUSIVE),
        ([NO, BAD], SOME, NO_DIFFERENCE),
        ([LOUD, BAD], SOME, INCONCLUSIVE),
        ([BAD, 2 * BAD], SOME, CONTRADICTED),
        ([SMALL_BAD, BAD], SOME, NEGLIGIBLY_CONTRADICTED),
        # NOT_ALL: one step without an improvement beyond the margin is enough.
        ([BAD, NO], NOT_ALL, SUPPORTED),
        ([BAD, GOOD], NOT_ALL, SUPPORTED),
        ([BAD, 2 * BAD], NOT_ALL, CONTRADICTED),
        ([BAD, -LOUD], NOT_ALL, INCONCLUSIVE),
        # NONE: the claim is that there is no difference.
        ([NO, SMALL_BAD], NONE, SUPPORTED),
        ([Effect(np.zeros(30), resolution=1 / 4000)], NONE, SUPPORTED),
        ([np.zeros(30)], NONE, INCONCLUSIVE),
        ([NO, GOOD], NONE, CONTRADICTED),
        ([NO, LOUD], NONE, INCONCLUSIVE),
        ([SMALL_GOOD, LOUD], NONE, INCONCLUSIVE),
        # A significant effect, neither below nor above the margin.
        ([spread(0.004, 0.004)], NONE, INCONCLUSIVE),
    ],
)
def test_verdicts(effects, quantifier, verdict):
    assert judged(*effects, quantifier=quantifier)["verdict"] == verdict


def test_a_single_comparison_agrees_with_compare():
    words = {
        "better": SUPPORTED,
        "better, negligibly": NEGLIGIBLY_SUPPORTED,
        "worse": CONTRADICTED,
        "worse, negligibly": NEGLIGIBLY_CONTRADICTED,
        "equivalent": NO_DIFFERENCE,
        "undecided": INCONCLUSIVE,
    }
    generator, seen = np.random.default_rng(0), set()
    for _ in range(100):
        mean, sd = generator.choice([-0.01, -0.002, 0, 0.002, 0.01]), 0.001
        sd *= generator.choice([1, 10])
        values = generator.normal(mean, sd, size=30)
        scores = pd.DataFrame(
            {
                "repeat": [*range(30)] * 2,
                "estimator": np.repeat(["a", "b"], 30),
                "metric": "accuracy",
                "score": np.concatenate([np.full(30, 0.5), 0.5 + values]),
            }
        )
        compared = Comparison(scores, baseline="a", margin=0.005).summary().iloc[1]
        row = judged(values)
        assert row["verdict"] == words[compared["verdict"]]
        seen.add(row["verdict"])
        for ours, theirs in {
            "effect": "effect",
            "ci_low": "effect_ci_low",
            "ci_high": "effect_ci_high",
            "p_value": "p_value",
            "p_equivalence": "p_equivalence",
        }.items():
            assert row[ours] == pytest.approx(compared[theirs], rel=1e-5, abs=1e-12)
    assert len(seen) == 6


@pytest.mark.parametrize("quantifier", [ALL, SOME])
def test_the_deciding_comparison(quantifier):
    """ALL: the least favorable. SOME: the most favorable, with Bonferroni's method."""
    generator = np.random.default_rng(0)
    rivals = [generator.normal(0.004, 0.01, size=30) for _ in range(3)]
    p_for = [stats.ttest_1samp(r, 0, alternative="greater").pvalue for r in rivals]
    p_against = [1 - p for p in p_for]
    row = judged(*rivals, quantifier=quantifier)
    if quantifier == ALL:
        expected = 2 * min(max(p_for), 3 * min(p_against))
        assert row["decided_by"] == f"rival {np.argmax(p_for)}"
    else:
        expected = 2 * min(3 * min(p_for), max(p_against))
        assert row["decided_by"] == f"rival {np.argmin(p_for)}"
    assert row["p_value"] == pytest.approx(min(1, expected))


@pytest.mark.parametrize(
    "rivals, decides",
    [
        # A rival that ties in every pair is weaker than one that is better.
        ([np.zeros(30), spread(-0.0077, 0.0084)], 1),
        ([spread(-0.0077, 0.0084), np.zeros(30)], 0),
        ([np.full(30, -0.0077), np.full(30, -0.0225)], 1),
        ([np.full(30, -0.0225), np.full(30, -0.0077)], 0),
        ([np.full(30, 0.01), np.full(30, 0.02)], 0),
    ],
)
def test_ties_are_broken_by_the_mean(rivals, decides):
    row = judged(*rivals)
    assert row["decided_by"] == f"rival {decides}"
    assert row["effect"] == pytest.approx(rivals[decides].mean())


@pytest.mark.slow
@pytest.mark.parametrize(
    "truth, wrong",
    [
        (0.0, {SUPPORTED, NEGLIGIBLY_SUPPORTED, CONTRADICTED, NEGLIGIBLY_CONTRADICTED}),
        (0.005, {NO_DIFFERENCE, NEGLIGIBLY_SUPPORTED, NEGLIGIBLY_CONTRADICTED}),
    ],
)
@pytest.mark.parametrize("quantifier", [ALL, SOME, NONE])
def test_verdicts_are_seldom_wrong(truth, wrong, quantifier):
    """Four rivals, all with the true effect that is hardest to judge."""
    generator = np.random.default_rng(0)
    if quantifier == NONE:
        wrong = {CONTRADICTED} if truth == 0 else {SUPPORTED, CONTRADICTED}
    verdicts = [
        judged(*rivals, quantifier=quantifier)["verdict"]
        for rivals in generator.normal(truth, 0.005, size=(100, 4, 30))
    ]
    assert sum(verdict in wrong for verdict in verdicts) <= 10


@pytest.mark.parametrize("values", [[], [0.1], [0.1, np.nan]])
def test_too_few_or_missing_values_are_errors(values):
    with pytest.raises(ValueError, match="two or more finite numbers"):
        judged(np.array(values))


def test_p_values_are_corrected_over_the_claims():
    generator = np.random.default_rng(0)
    samples = generator.normal(0.004, 0.01, size=(6, 30))
    beside = hypothesis(LOUD, decides=False)
    claims = [
        Claim(f"claim {i}", "", "", [hypothesis(values), beside])
        for i, values in enumerate(samples)
    ]
    rows = judge({"one": claims[:2], "another": claims[2:]}, 0.05)
    alone = stats.ttest_1samp(samples, 0, axis=1).pvalue
    np.testing.assert_allclose(
        rows.loc[rows["decides"], "p_value"],
        multipletests(alone, method="holm")[1],
        rtol=1e-5,
    )
    uncorrected = stats.ttest_1samp(LOUD, 0).pvalue
    np.testing.assert_allclose(rows.loc[~rows["decides"], "p_value"], uncorrected, 1e-5)
    assert rows["section"].tolist() == ["one"] * 4 + ["another"] * 8


def test_a_detectable_effect_has_the_stated_power():
    values = np.random.default_rng(0).normal(0, 0.02, size=30)
    row = judged(values)
    assert row["verdict"] == INCONCLUSIVE
    many = np.random.default_rng(1).normal(
        row["detectable"], values.std(ddof=1), size=(4000, 30)
    )
    p_values = stats.ttest_1samp(many, 0, axis=1).pvalue
    assert (p_values < 0.05).mean() == pytest.approx(0.8, abs=0.02)
    assert np.isnan(judged(GOOD)["detectable"])  # only for inconclusive verdicts
    row, other = judged(values, LOUD, quantifier=SOME), judged(values)
    assert row["detectable"] > other["detectable"]  # corrected for two comparisons


# ---- ratios


def test_a_ratio_is_shown_as_a_factor_with_its_difference():
    theirs = spread(0.02, 0.002)
    row = judged(ratio(theirs / 1.5, theirs, published=(0.1, 0.2)), margin=0.1)
    assert row["effect"] == pytest.approx(1.5) and 1 < row["ci_low"] < 1.5
    assert row["difference"] == pytest.approx(theirs.mean() / 3)
    assert (row["verdict"], row["unit"], row["published"]) == (SUPPORTED, "ratio", 2.0)
    row = judged(ratio(theirs / 1.05, theirs), margin=0.1)
    assert row["verdict"] == NEGLIGIBLY_SUPPORTED
    row = judged(ratio(theirs, theirs / 1.05), margin=0.1)
    assert row["verdict"] == NEGLIGIBLY_CONTRADICTED


def test_zero_counts_as_half_of_the_smallest_error():
    effect = ratio([0.0, 0.01, 0.01], [0.01, 0.01, 0.02])
    np.testing.assert_allclose(np.exp(effect.values), [2, 1, 2])
    effect = ratio([0.01, 0.01, 0.01], [0.01, -0.01, 0.02])
    np.testing.assert_allclose(np.exp(effect.values), [1, 0.5, 2])


def test_ratios_agree_with_compare():
    """Losses of 0 are included."""
    generator = np.random.default_rng(0)
    losses = generator.exponential(size=(2, 30)) * (generator.random((2, 30)) > 0.1)
    scores = pd.DataFrame(
        {
            "repeat": [*range(30)] * 2,
            "estimator": np.repeat(["a", "b"], 30),
            "metric": "loss",
            "score": losses.ravel(),
        }
    )
    options = {"baseline": "a", "scale": "ratio", "margin": 0.1, "losses": ("loss",)}
    compared = Comparison(scores, **options).summary().iloc[1]
    row = judged(ratio(losses[1], losses[0]), margin=0.1)
    assert row["effect"] == pytest.approx(compared["effect"])
    assert row["p_value"] == pytest.approx(compared["p_value"])


def test_untestable_comparisons():
    errors = np.array([0.0] * 20 + [0.00125] * 10)
    assert judged(ratio(errors, errors))["verdict"] == NOT_TESTABLE + CEILING
    untestable = Effect(GOOD, untestable=NO_LEARNING)
    row = judged(untestable)
    assert row["verdict"] == NOT_TESTABLE + NO_LEARNING and np.isnan(row["p_value"])
    # They are left out if others can be tested.
    row = judged(Effect(BAD, untestable=NO_LEARNING), GOOD)
    assert (row["verdict"], row["decided_by"]) == (SUPPORTED, "rival 1")
    assert (row["n_tested"], row["n_comparisons"]) == (1, 2)


# ---- beside the verdict


def test_number_of_pairs_that_agree():
    signs = np.repeat([1.0, -1.0], [20, 10])
    other = np.tile([1.0, -1.0], 15)
    assert judged(signs)["n_agree"] == 20
    assert judged(signs, other)["n_agree"] == 10  # pairs in which both agree
    assert judged(signs, other, quantifier=SOME)["n_agree"] == 20
    assert judged(0.004 * signs, quantifier=NONE)["n_agree"] == 30


def test_reversals():
    hypotheses = [
        Hypothesis("plain", "error", epoch, {"": Effect(values)}, margin=0.005)
        for epoch, values in [(5, GOOD), (10, BAD), (20, LOUD), (50, BAD)]
    ]
    rows = judge({"": [Claim("a claim", "", "", hypotheses)]}, 0.05)
    (text,) = rows["reversals"].unique()
    assert text == (
        "supported after 5 epochs; contradicted after 10, 50 epochs; "
        "inconclusive after 20 epochs"
    )
    rows = judge({"": [Claim("a claim", "", "", hypotheses[1:])]}, 0.05)
    assert set(rows["reversals"]) == {""}


def test_every_comparison_has_a_row():
    claim = Claim("a claim", "", "", [hypothesis(GOOD, BAD)])
    rows = judge({"": [claim]}, 0.05).set_index("comparison")
    assert rows["verdict"].to_dict() == {
        "": CONTRADICTED,
        "rival 0": SUPPORTED,
        "rival 1": CONTRADICTED,
    }
    pairs = np.array(rows.loc["", "pairs"].split(), dtype=float)
    np.testing.assert_allclose(pairs, BAD, atol=1e-4)
