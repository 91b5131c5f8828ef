"""From paired effects to verdicts on sentences."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmarks.paper.judging import (
    ALL,
    CANNOT,
    CEILING,
    EQUAL,
    HOLDS,
    NOISE,
    NONE,
    NOT,
    NOT_ALL,
    NOT_SMALL,
    NOTHING,
    SMALL,
    SOME,
    Effect,
    Hypothesis,
    Sentence,
    judge,
    ratio,
)
from sklearn_toydnn.comparison import Comparison

WHOLE = ""


def asked(*effects, **kwargs):
    effects = [e if isinstance(e, Effect) else Effect(e) for e in effects]
    named = {f"rival {i}": effect for i, effect in enumerate(effects)}
    kwargs = {"decides": True, "margin": 0.005, **kwargs}
    return Hypothesis("plain", "error", 100, named, **kwargs)


def judged(*effects, **kwargs):
    sentence = Sentence("a claim", "its words", "a source", [asked(*effects, **kwargs)])
    rows = judge({"a section": [sentence]}, 0.05)
    return rows[rows["comparison"] == WHOLE].iloc[0]


def spread(mean, sd, n=30):
    """Return n differences of exactly this mean and standard deviation."""
    values = np.linspace(-1, 1, n)
    return mean + sd * values / values.std(ddof=1)


GOOD, BAD, LOUD = spread(0.02, 0.01), spread(-0.02, 0.01), spread(0.01, 0.1)
SMALL_GOOD, SMALL_BAD = spread(0.002, 0.001), spread(-0.002, 0.001)
NO = spread(0.0, 0.001)


@pytest.mark.parametrize(
    "effects, how, verdict",
    [
        ([GOOD], ALL, HOLDS),
        ([SMALL_GOOD], ALL, SMALL),
        ([BAD], ALL, NOT),
        ([SMALL_BAD], ALL, NOT_SMALL),
        ([NO], ALL, EQUAL),
        ([np.zeros(30)], ALL, NOISE),  # nothing tells by how much they could vary
        ([Effect(np.zeros(30), resolution=1 / 4000)], ALL, EQUAL),
        ([Effect(np.zeros(30), resolution=1 / 10)], ALL, NOISE),  # too few points
        ([Effect(NO, can_be_small=False)], ALL, NOISE),
        ([Effect(SMALL_BAD, can_be_small=False)], ALL, NOT),
        ([LOUD], ALL, NOISE),
        # The best one beats each of its rivals.
        ([GOOD, 2 * GOOD], ALL, HOLDS),
        ([GOOD, SMALL_GOOD], ALL, SMALL),
        ([GOOD, NO], ALL, EQUAL),
        ([GOOD, LOUD], ALL, NOISE),
        ([GOOD, BAD], ALL, NOT),
        ([GOOD, SMALL_BAD], ALL, NOT_SMALL),
        ([LOUD, BAD], ALL, NOT),
        ([LOUD, SMALL_BAD], ALL, NOT_SMALL),  # by the one that is shown
        # To help in one of several ways is enough, and to hurt in one is not.
        ([GOOD, BAD], SOME, HOLDS),
        ([SMALL_GOOD, BAD], SOME, SMALL),
        ([SMALL_GOOD, LOUD], SOME, SMALL),
        ([NO, LOUD], SOME, NOISE),
        ([NO, BAD], SOME, EQUAL),
        ([LOUD, BAD], SOME, NOISE),
        ([BAD, 2 * BAD], SOME, NOT),
        ([SMALL_BAD, BAD], SOME, NOT_SMALL),
        # More is not always better: some step is not, by anything worth naming.
        ([BAD, NO], NOT_ALL, HOLDS),
        ([BAD, GOOD], NOT_ALL, HOLDS),
        ([BAD, 2 * BAD], NOT_ALL, NOT),
        ([BAD, -LOUD], NOT_ALL, NOISE),
        # A sentence that there is no difference.
        ([NO, SMALL_BAD], NONE, HOLDS),
        ([Effect(np.zeros(30), resolution=1 / 4000)], NONE, HOLDS),
        ([np.zeros(30)], NONE, NOISE),
        ([NO, GOOD], NONE, NOT),
        ([NO, LOUD], NONE, NOISE),
        ([SMALL_GOOD, LOUD], NONE, NOISE),
        ([spread(0.004, 0.004)], NONE, NOISE),  # there, but perhaps not worth naming
    ],
)
def test_verdicts(effects, how, verdict):
    assert judged(*effects, how=how)["verdict"] == verdict


def test_one_comparison_is_judged_as_compare_judges_it():
    """To the digit: there is one set of statistics."""
    words = {
        "better": HOLDS,
        "better, negligibly": SMALL,
        "worse": NOT,
        "worse, negligibly": NOT_SMALL,
        "equivalent": EQUAL,
        "undecided": NOISE,
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
            "p_small": "p_equivalence",
        }.items():
            assert row[ours] == pytest.approx(compared[theirs], rel=1e-5, abs=1e-12)
    assert len(seen) == 6


@pytest.mark.parametrize("how, p_value", [(ALL, "largest"), (SOME, "smallest")])
def test_the_rival_that_decides(how, p_value):
    """All: the least favourable, as it is. Some: the most, by Bonferroni."""
    generator = np.random.default_rng(0)
    rivals = [generator.normal(0.004, 0.01, size=30) for _ in range(3)]
    p_for = [stats.ttest_1samp(r, 0, alternative="greater").pvalue for r in rivals]
    p_against = [1 - p for p in p_for]
    row = judged(*rivals, how=how)
    if how == ALL:
        expected = 2 * min(max(p_for), 3 * min(p_against))
        assert row["decided_by"] == f"rival {np.argmax(p_for)}"
    else:
        expected = 2 * min(3 * min(p_for), max(p_against))
        assert row["decided_by"] == f"rival {np.argmin(p_for)}"
    assert row["p_value"] == pytest.approx(min(1, expected))


@pytest.mark.parametrize(
    "rivals, decides",
    [
        # A rival that is equal in every pair is no stronger than one that is better.
        ([np.zeros(30), spread(-0.0077, 0.0084)], 1),
        ([spread(-0.0077, 0.0084), np.zeros(30)], 0),
        ([np.full(30, -0.0077), np.full(30, -0.0225)], 1),
        ([np.full(30, -0.0225), np.full(30, -0.0077)], 0),
        ([np.full(30, 0.01), np.full(30, 0.02)], 0),
    ],
)
def test_of_ties_the_rival_with_the_larger_mean_is_named(rivals, decides):
    row = judged(*rivals)
    assert row["decided_by"] == f"rival {decides}"
    assert row["effect"] == pytest.approx(rivals[decides].mean())


@pytest.mark.slow
@pytest.mark.parametrize(
    "truth, wrong",
    [(0.0, {HOLDS, SMALL, NOT, NOT_SMALL}), (0.005, {EQUAL, SMALL, NOT_SMALL})],
)
@pytest.mark.parametrize("how", [ALL, SOME, NONE])
def test_verdicts_are_seldom_wrong(truth, wrong, how):
    """Of four rivals that are all as hard to beat as can be."""
    generator = np.random.default_rng(0)
    if how == NONE:
        wrong = {NOT} if truth == 0 else {HOLDS, NOT}
    verdicts = [
        judged(*generator.normal(truth, 0.005, size=(4, 30)), how=how)["verdict"]
        for _ in range(100)
    ]
    assert sum(verdict in wrong for verdict in verdicts) <= 10


@pytest.mark.parametrize("values", [[], [0.1], [0.1, np.nan]])
def test_comparisons_without_data_are_errors(values):
    with pytest.raises(ValueError, match="two or more finite numbers"):
        judged(np.array(values))


def test_p_values_are_corrected_over_the_sentences():
    generator = np.random.default_rng(0)
    samples = generator.normal(0.004, 0.01, size=(6, 30))
    sentences = [
        Sentence(f"claim {i}", "", "", [asked(values), asked(LOUD, decides=False)])
        for i, values in enumerate(samples)
    ]
    rows = judge({"one": sentences[:2], "another": sentences[2:]}, 0.05)
    alone = stats.ttest_1samp(samples, 0, axis=1).pvalue
    np.testing.assert_allclose(
        rows.loc[rows["decides"], "p_value"],
        multipletests(alone, method="holm")[1],
        rtol=1e-5,
    )
    beside = stats.ttest_1samp(LOUD, 0).pvalue
    np.testing.assert_allclose(rows.loc[~rows["decides"], "p_value"], beside, 1e-5)
    assert rows["section"].tolist() == ["one"] * 4 + ["another"] * 8


def test_detectable_is_found_with_the_power_it_states():
    values = np.random.default_rng(0).normal(0, 0.02, size=30)
    row = judged(values)
    assert row["verdict"] == NOISE
    many = np.random.default_rng(1).normal(
        row["detectable"], values.std(ddof=1), size=(4000, 30)
    )
    p_values = stats.ttest_1samp(many, 0, axis=1).pvalue
    assert (p_values < 0.05).mean() == pytest.approx(0.8, abs=0.02)
    assert np.isnan(judged(GOOD)["detectable"])  # where it means nothing
    row, other = judged(values, LOUD, how=SOME), judged(values)
    assert row["detectable"] > other["detectable"]  # of two, either could be found


# ---- ratios


def test_a_ratio_is_a_factor_with_the_difference_beside_it():
    theirs = spread(0.02, 0.002)
    row = judged(ratio(theirs / 1.5, theirs, published=(0.1, 0.2)), margin=0.1)
    assert row["effect"] == pytest.approx(1.5) and 1 < row["ci_low"] < 1.5
    assert row["difference"] == pytest.approx(theirs.mean() / 3)
    assert (row["verdict"], row["unit"], row["published"]) == (HOLDS, "ratio", 2.0)
    row = judged(ratio(theirs / 1.05, theirs), margin=0.1)
    assert row["verdict"] == SMALL
    assert judged(ratio(theirs, theirs / 1.05), margin=0.1)["verdict"] == NOT_SMALL


def test_no_error_counts_as_half_a_points():
    effect = ratio([0.0, 0.01, 0.01], [0.01, 0.01, 0.02])
    np.testing.assert_allclose(np.exp(effect.values), [2, 1, 2])
    effect = ratio([0.01, 0.01, 0.01], [0.01, -0.01, 0.02])
    np.testing.assert_allclose(np.exp(effect.values), [1, 0.5, 2])


def test_ratios_are_those_of_compare():
    """Also where there are losses of 0."""
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
    how = {"baseline": "a", "scale": "ratio", "margin": 0.1, "losses": ("loss",)}
    compared = Comparison(scores, **how).summary().iloc[1]
    row = judged(ratio(losses[1], losses[0]), margin=0.1)
    assert row["effect"] == pytest.approx(compared["effect"])
    assert row["p_value"] == pytest.approx(compared["p_value"])


def test_where_no_effect_can_show_nothing_is_tested():
    errors = np.array([0.0] * 20 + [0.00125] * 10)
    assert judged(ratio(errors, errors))["verdict"] == CANNOT + CEILING
    untestable = Effect(GOOD, why_not=NOTHING)
    row = judged(untestable)
    assert row["verdict"] == CANNOT + NOTHING and np.isnan(row["p_value"])
    # Such a rival takes no part where there are others.
    row = judged(Effect(BAD, why_not=NOTHING), GOOD)
    assert (row["verdict"], row["decided_by"]) == (HOLDS, "rival 1")
    assert (row["n_tested"], row["n_comparisons"]) == (1, 2)


# ---- beside the verdict


def test_how_many_pairs_agree():
    signs = np.repeat([1.0, -1.0], [20, 10])
    other = np.tile([1.0, -1.0], 15)
    assert judged(signs)["n_agree"] == 20
    assert judged(signs, other)["n_agree"] == 10  # of which both say so
    assert judged(signs, other, how=SOME)["n_agree"] == 20
    assert judged(0.004 * signs, how=NONE)["n_agree"] == 30


def test_where_an_effect_turns_is_said():
    ways = [
        Hypothesis("plain", "error", epoch, {"": Effect(values)}, margin=0.005)
        for epoch, values in [(5, GOOD), (10, BAD), (20, LOUD), (50, BAD)]
    ]
    rows = judge({"": [Sentence("a claim", "", "", ways)]}, 0.05)
    (said,) = rows["turns"].unique()
    assert said == (
        "holds after 5 epochs; does not hold after 10, 50 epochs; "
        "cannot be told from seed noise after 20 epochs"
    )
    rows = judge({"": [Sentence("a claim", "", "", ways[1:])]}, 0.05)
    assert set(rows["turns"]) == {""}


def test_each_test_is_kept():
    sentence = Sentence("a claim", "", "", [asked(GOOD, BAD)])
    rows = judge({"": [sentence]}, 0.05).set_index("comparison")
    assert rows["verdict"].to_dict() == {"": NOT, "rival 0": HOLDS, "rival 1": NOT}
    pairs = np.array(rows.loc["", "pairs"].split(), dtype=float)
    np.testing.assert_allclose(pairs, BAD, atol=1e-4)
