"""Statistics of comparisons: tests, intervals, verdicts, notes and plots."""

import pickle
import re
import warnings
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colors
from matplotlib import pyplot as plt
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.datasets import load_wine, make_moons
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    HalvingGridSearchCV,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    PredefinedSplit,
    RandomizedSearchCV,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
    check_cv,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from sklearn_toydnn import (
    ComparisonDisplay,
    compare,
    compare_candidates,
    make_triangle,
)
from sklearn_toydnn.comparison import Comparison
from sklearn_toydnn.comparison.resolution import infer_test_size, score_step
from sklearn_toydnn.comparison.statistics import OneSampleTTest

ONE_TEST = ["effect", "effect_ci_low", "effect_ci_high", "p_value"]


def scores_of(metric="accuracy", repeats=None, **by_estimator):
    """Return scores in long format."""
    frame = pd.DataFrame(by_estimator)
    frame.index = pd.RangeIndex(len(frame)) if repeats is None else repeats
    frame.index.name = "repeat"
    tidy = frame.reset_index().melt("repeat", var_name="estimator", value_name="score")
    return tidy.assign(metric=metric)


def sample(mean, sd, n=30):
    """Return n differences with exactly this mean and standard deviation."""
    values = np.linspace(-1, 1, n)
    return mean + sd * values / values.std(ddof=1)


def verdict_of(differences, metric="accuracy", **kwargs):
    base = np.full(len(differences), 0.5)
    scores = scores_of(metric, base=base, other=base + differences)
    return Comparison(scores, baseline="base", **kwargs).summary().iloc[1]


# ---- verdicts


@pytest.mark.parametrize(
    "differences, verdict",
    [
        (sample(0.02, 0.01), "better"),
        (sample(-0.02, 0.01), "worse"),
        (sample(0.005, 0.01), "better"),  # not shown to be negligible
        (sample(0.002, 0.001), "better, negligibly"),
        (sample(-0.002, 0.001), "worse, negligibly"),
        (sample(0.0, 0.001), "equivalent"),
        (sample(0.0002, 0.001), "equivalent"),
        (sample(0.01, 0.1), "undecided"),
        (sample(0.0, 0.1), "undecided"),
        (np.zeros(30), "undecided"),  # unknown standard deviation
        (np.full(30, 0.25), "better"),
        (np.full(30, -np.pi / 3000), "worse, negligibly"),  # no fractions of points
        (np.full(30, -0.001), "worse"),  # fractions, but test_size is unknown
    ],
)
def test_verdicts(differences, verdict):
    assert verdict_of(differences, margin=0.005)["verdict"] == verdict
    plain = verdict_of(differences)["verdict"]
    expected = {"equivalent": "undecided"}.get(verdict, verdict.partition(",")[0])
    assert plain == expected


def test_single_test_equals_scipy_and_statsmodels():
    differences = np.random.default_rng(0).normal(0.01, 0.02, size=30)
    row = verdict_of(differences, margin=0.005)
    expected = stats.ttest_1samp(differences, 0)
    low, high = expected.confidence_interval(0.95)
    np.testing.assert_allclose(
        row[ONE_TEST].astype(float),
        [differences.mean(), low, high, expected.pvalue],
        rtol=1e-9,
    )
    p, *_ = DescrStatsW(differences).ttost_mean(-0.005, 0.005)
    assert row["p_equivalence"] == pytest.approx(p)
    inner = expected.confidence_interval(0.9)
    np.testing.assert_allclose(
        row[["equivalence_ci_low", "equivalence_ci_high"]].astype(float), inner
    )
    assert row["probability_better"] == (differences > 0).mean()
    exact = stats.binomtest(int((differences > 0).sum()), 30).proportion_ci(0.95)
    share = ["probability_better_ci_low", "probability_better_ci_high"]
    np.testing.assert_allclose(row[share].astype(float), exact, rtol=1e-9)
    assert row["n_ties"] == 0
    mean = stats.ttest_1samp(0.5 + differences, 0)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(
        tuple(mean.confidence_interval(0.95))
    )
    assert row["interval"] == "per comparison"


@pytest.mark.parametrize("scale", ["difference", "ratio"])
@pytest.mark.parametrize("test_size", [100, None])
def test_all_differences_zero(scale, test_size):
    """There is no warning (an error in tests), and no interval of width 0."""
    kwargs = {"margin": 0.1, "scale": scale, "test_size": test_size}
    for same in (np.zeros(10), sample(0, 1e-17, 10)):
        row = verdict_of(same, **kwargs)
        none = 1.0 if scale == "ratio" else 0.0
        assert row["effect"] == none and row["p_value"] == 1
        assert "all differences are 0" in row["note"]
        low, high = row[["effect_ci_low", "effect_ci_high"]]
        if test_size:
            assert low < none < high and row["verdict"] == "equivalent"
            assert row["detectable"] > none
        else:
            assert np.isnan([low, high, row["detectable"]]).all()
            assert row["p_equivalence"] == 1 and row["verdict"] == "undecided"
            assert "their standard deviation is unknown" in row["note"]


def test_differences_equal_up_to_rounding():
    base = np.random.default_rng(0).uniform(0.1, 0.9, size=30)
    scores = scores_of(base=base, other=base + 0.1)
    row = Comparison(scores, baseline="base", margin=0.2).summary().iloc[1]
    assert row["p_value"] == pytest.approx(2**-29)
    assert 0 < row["effect_ci_low"] < 0.1 < row["effect_ci_high"]
    assert row["verdict"] == "better, negligibly"
    assert "differences are (almost) equal" in row["note"]


# ---- coarse scores


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_equal_differences_use_the_sign_flip_test(n):
    """Equal differences only show that all signs agree."""
    for test_size in (10, None):
        row = verdict_of(np.full(n, 0.1), test_size=test_size)
        assert row["p_value"] >= 2.0 ** (1 - n) * (1 - 1e-9)
        assert row["effect_ci_low"] < 0.1 < row["effect_ci_high"]
        assert (row["verdict"] == "better") == (n > 5)
    # One point in each fold; folds of 31 and 30 points.
    uneven = np.full(n, 1 / 30)
    uneven[0] = 1 / 31
    row = verdict_of(uneven, test_size=30.5)
    assert row["p_value"] >= 2.0 ** (1 - n) * (1 - 1e-9)


def test_spread_of_coarse_scores_is_at_least_that_of_rounding():
    """Two of ten folds differ by one point."""
    differences = np.array([0.1, 0.1, *[0.0] * 8])
    fine, coarse = (
        verdict_of(differences, test_size=10, metric=metric)
        for metric in ("neg_brier_score", "accuracy")
    )
    assert fine["p_value"] == coarse["p_value"]  # ties: coarse, despite the name
    differences = np.linspace(0.001, 0.0011, 10)
    fine, coarse = (
        verdict_of(differences, test_size=10, metric=metric)
        for metric in ("neg_brier_score", "balanced_accuracy")
    )
    assert fine["p_value"] < 1e-6 and coarse["p_value"] > 0.5
    floor = 0.1 / np.sqrt(12) / np.sqrt(10)
    width = coarse["effect_ci_high"] - coarse["effect_ci_low"]
    assert width >= 2 * stats.t.isf(0.025, 9) * floor * (1 - 1e-9)


@pytest.mark.parametrize(
    "metric, scores, is_coarse",
    [
        ("my_score", [[0.7, 0.8], [0.9, 0.85]], True),  # multiples of 1 / 20
        ("my_score", [[0.71234, 0.8], [0.9, 0.85]], False),
        ("my_score", [[0.71234, 0.71234], [0.9, 0.85]], True),  # a tie
        ("f1_macro", [[0.71234, 0.8], [0.9, 0.85]], True),
        ("roc_auc", [[0.71234, 0.8], [0.9, 0.85]], False),
        ("epochs", [[300, 200], [300, 300]], False),  # not fractions of test points
    ],
)
def test_scores_of_labels_are_detected(metric, scores, is_coarse):
    assert score_step(metric, np.array(scores), 20) == (1 / 20 if is_coarse else 0)


def test_test_size_is_inferred_from_scores():
    accuracies = np.array([[0.9, 0.8], [14 / 15, 0.8]])
    assert infer_test_size(accuracies) == 15
    assert score_step("accuracy", accuracies, None) == 1 / 15
    assert infer_test_size(accuracies + 1e-6 * np.pi) is None
    assert infer_test_size(np.array([[300, 200]])) is None
    row = verdict_of(np.array([0.1, 0.0, 0.2]))
    assert "test_size is not given: it is inferred as 10 from the scores" in row["note"]
    assert "not given" not in verdict_of(np.array([0.1, 0.0]), test_size=10)["note"]


def test_equivalence_requires_test_size():
    """The denominators of a balanced accuracy exceed the number of test points."""
    X, y = load_wine(return_X_y=True)
    grid = {"max_depth": [3, 4, 5]}
    kwargs = {"cv": 3, "scoring": "balanced_accuracy"}
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), grid, **kwargs)
    result = compare_candidates(search.fit(X, y), margin=0.9)
    assert infer_test_size(result._pivot()["balanced_accuracy"].to_numpy()) > len(y)
    verdicts = result.summary()["verdict"][1:]
    assert not verdicts.str.contains("equivalent|negligibly").any()
    assert result.summary()["note"].str.contains("equivalence is not claimed")[1:].all()
    assert "needs at least" not in repr(result)
    known_size = compare_candidates(search, margin=0.9, train_size=119, test_size=59)
    assert "equivalent" in known_size.summary()["verdict"].tolist()


@pytest.mark.parametrize("scale, margin", [("difference", 0.005), ("ratio", 0.1)])
def test_equivalence_requires_enough_test_points(scale, margin):
    """With fewer test points, a difference of the margin could remain unobserved."""

    def judged(n, test_size):
        scores = scores_of(base=np.full(n, 0.9), other=np.full(n, 0.9))
        kwargs = {"margin": margin, "scale": scale, "test_size": test_size}
        return Comparison(scores, baseline="base", **kwargs)

    few, enough = judged(10, 20), judged(10, 100)
    printed = repr(enough).replace(",", "")
    line = re.search(r"needs at least (\d+) .* there are (\d+)", printed)
    n_needed, n_given = map(int, line.groups())
    points = 1 if scale == "difference" else 0.1  # one point in ten is an error
    assert n_needed == np.ceil(-np.log(0.05) / (np.log(1.1) if points < 1 else 0.005))
    assert n_given == 1000 * points >= n_needed
    assert enough.summary()["verdict"][1] == "equivalent"
    assert few.summary()["verdict"][1] == "undecided"


def test_ratio_of_few_errors_is_never_equivalent():
    """If most test sets have no error, ratios are biased towards 1."""
    generator = np.random.default_rng(0)
    errors = generator.binomial(10, [[0.01], [0.02]], (2, 200)) / 10
    scores = scores_of(base=1 - errors[0], other=1 - errors[1])
    result = Comparison(scores, "base", 1.0, "ratio", test_size=10)
    row = result.summary().iloc[1]
    assert row["p_equivalence"] == 1 and np.isnan(row["equivalence_ci_low"])
    assert "fewer than two errors per test set" in row["note"]
    assert row["verdict"] == "undecided"


def test_false_positive_rate_if_one_estimator_never_errs():
    """With ten test points, error rates of 0 and 0.01 mostly look equal."""
    generator = np.random.default_rng(0)
    wrong = 0
    for _ in range(200):
        errors = generator.binomial(10, 0.01, 10) / 10
        wrong += verdict_of(-errors, margin=0.01, test_size=10)["verdict"] in (
            "equivalent",
            "worse, negligibly",
        )
    assert stats.binomtest(wrong, 200, 0.05, alternative="greater").pvalue > 0.01


def test_note_of_two_repetitions_has_smallest_significant_effect():
    note = verdict_of(np.array([0.01, 0.03]))["note"]
    assert "effects of 12.7 or more standard errors (here: 0.13 or more)" in note
    assert "two repetitions" not in verdict_of(np.array([0.01, 0.03, 0.02]))["note"]


# ---- skewed differences and rare failures


def test_skewed_differences_have_a_note():
    skewed = np.array([0.01, 0.0, -0.01, 0.005, 0.002, -0.004, 0.003, 0.4])
    limit = 2.02 * np.sqrt(6 * 6 / (9 * 11))
    assert stats.skew(skewed) > limit > stats.skew(skewed[:-1])
    assert "skewed differences" in verdict_of(skewed)["note"]
    assert "skewed differences" not in verdict_of(skewed[:-1])["note"]
    assert "skewed" not in verdict_of(np.array([0.0, 0.0, 0.0, 1.0]))["note"]  # n < 5
    scores = scores_of(a=np.full(8, 0.5), b=0.5 + skewed, c=0.5 + skewed / 2)
    assert Comparison(scores).is_skewed


@pytest.mark.parametrize("n, percent", [(30, "9.5"), (80, "3.7")])
def test_equivalence_has_a_note_on_unobserved_failures(n, percent):
    note = f"in up to {percent} % of repetitions could have remained unobserved"
    assert note in verdict_of(sample(0.0, 0.001, n), margin=0.005)["note"]
    assert note in verdict_of(sample(0.002, 0.001, n), margin=0.005)["note"]
    assert "unobserved" not in verdict_of(sample(0.02, 0.001, n), margin=0.005)["note"]


def test_ties_count_half():
    row = verdict_of(np.array([0.1, 0.2, 0.0, 0.0, -0.1]), test_size=10)
    assert (row["probability_better"], row["n_ties"]) == (0.6, 2)
    exact = stats.beta.ppf(0.025, 3, 3), stats.beta.ppf(0.975, 4, 2)
    share = ["probability_better_ci_low", "probability_better_ci_high"]
    np.testing.assert_allclose(row[share].astype(float), exact, rtol=1e-9)


def test_interval_of_probability_better_covers():
    """Ties, which count half, give a fractional number of successes."""
    generator = np.random.default_rng(0)
    chances = {1: 0.3, 0: 0.5, -1: 0.2}
    expected, covered = 0.3 + 0.5 / 2, 0
    for _ in range(2000):
        test = OneSampleTTest(generator.choice([*chances], 12, p=[*chances.values()]))
        low, high = test.share_interval(0.05)
        covered += low <= expected <= high
    assert covered / 2000 > 0.95


# ---- correction over several tests


@pytest.fixture
def family():
    generator = np.random.default_rng(0)
    means = {"base": 0.8, "a": 0.8, "b": 0.805, "c": 0.83, "d": 0.7}
    return pd.concat(
        scores_of(
            metric,
            **{name: generator.normal(mean, 0.01, 20) for name, mean in means.items()},
        )
        for metric in ("accuracy", "roc_auc")
    )


def test_p_values_are_corrected_over_all_rows(family):
    summary = Comparison(family, baseline="base", margin=0.01).summary()
    compared = summary[summary["baseline"].notna()]
    assert len(compared) == 8 and len(summary) == 10
    wide = family.pivot(index="repeat", columns=["metric", "estimator"])["score"]
    alone, within = [], []
    for row in compared.itertuples():
        d = wide[row.metric, row.estimator] - wide[row.metric, "base"]
        alone.append(stats.ttest_1samp(d, 0).pvalue)
        within.append(DescrStatsW(d).ttost_mean(-0.01, 0.01)[0])
    for column, p_values in {"p_value": alone, "p_equivalence": within}.items():
        expected = multipletests(p_values, method="holm")[1]
        np.testing.assert_allclose(compared[column], expected, rtol=1e-9)
    one = Comparison(
        family[family["metric"] == "accuracy"], baseline="base", margin=0.01
    ).summary()
    assert (one["p_value"].dropna() <= summary["p_value"].dropna()[:4]).all()


def test_margin_of_some_metrics(family):
    result = Comparison(family, baseline="base", margin={"accuracy": 0.01})
    summary = result.summary().set_index("metric")
    assert summary.loc["accuracy", "p_equivalence"].notna().sum() == 4
    assert summary.loc["roc_auc", "p_equivalence"].isna().all()
    assert result.n_repeats_for()["metric"].unique() == ["accuracy"]


def test_all_pairs_are_compared_without_baseline(family):
    summary = Comparison(family).summary()
    accuracy = summary[summary["metric"] == "accuracy"]
    assert set(accuracy["estimator"]) == {"base", *"abcd"}
    pairs = accuracy.dropna(subset="baseline").set_index(["estimator", "baseline"])
    assert len(pairs) == 10 and len({frozenset(pair) for pair in pairs.index}) == 10
    turned = Comparison(family, baseline="d").summary()
    row = turned.set_index(["metric", "estimator"]).loc[("accuracy", "c")]
    assert pairs.loc[("d", "c"), "effect"] == pytest.approx(-row["effect"])


FAMILIES = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.002, 0.005, 0.01, 0.02, -0.005, -0.02]),
        st.sampled_from([0.0, 0.001, 0.01, 0.05]),
    ),
    min_size=1,
    max_size=6,
)


@given(FAMILIES, st.integers(2, 12), st.sampled_from(["difference", "ratio"]))
def test_summary_and_plot_agree_with_the_verdict(arms, n_repeats, scale):
    generator = np.random.default_rng(0)
    base = generator.normal(0.7, 0.01, n_repeats)
    nets = {
        f"net {i}": base + generator.normal(mean, sd, n_repeats)
        for i, (mean, sd) in enumerate(arms)
    }
    result = Comparison(
        scores_of(base=base, **nets), "base", margin=0.006, scale=scale, test_size=100
    )
    display = ComparisonDisplay(result).plot()
    none = 1.0 if scale == "ratio" else 0.0
    band = (1 / 1.006, 1.006) if scale == "ratio" else (-0.006, 0.006)
    thin, thick = drawn_intervals(display.ax_)
    verdicts = drawn_verdicts(display.ax_)
    rows = result.summary().iloc[1:].reset_index(drop=True)
    assert verdicts == rows["verdict"].tolist()
    for i, row in rows.iterrows():
        ends = row["effect_ci_low"], row["effect_ci_high"]
        inner = row["equivalence_ci_low"], row["equivalence_ci_high"]
        np.testing.assert_allclose([thin[i], thick[i]], [ends, inner])
        assert ends[0] <= row["effect"] <= ends[1]
        verdict = row["verdict"]
        direction = "better" if ends[0] > none else "worse" if ends[1] < none else ""
        is_small = band[0] < inner[0] and inner[1] < band[1]
        assert verdict.partition(",")[0] == (
            direction or ("equivalent" if is_small else "undecided")
        )
        assert verdict.endswith("negligibly") == bool(direction and is_small)
        assert (row["p_value"] <= 0.05) == bool(direction)
        assert (row["p_equivalence"] <= 0.05) == is_small
    plt.close(display.figure_)


def drawn_verdicts(ax):
    (right,) = ax.child_axes
    return [label.get_text() for label in right.get_yticklabels()]


def drawn_intervals(ax):
    """Return the ends of the thin and the thick lines."""
    lines = [c for c in ax.collections if hasattr(c, "get_segments")]
    ends = [[segment[:, 0] for segment in c.get_segments()] for c in lines]
    assert [c.get_linewidth()[0] for c in lines] == sorted(
        c.get_linewidth()[0] for c in lines
    )
    return ends


# ---- ratios


def test_ratios_of_errors():
    base, other = np.array([0.8, 0.9, 0.6]), np.array([0.9, 0.94, 0.8])
    result = Comparison(scores_of(base=base, other=other), "base", scale="ratio")
    ratios = result.differences()["difference"]
    np.testing.assert_allclose(ratios, [2, 5 / 3, 2])
    row = result.summary().iloc[1]
    assert row["effect"] == pytest.approx(stats.gmean(ratios))
    assert row["verdict"] == "better" and row["effect_ci_low"] > 1
    p = stats.ttest_1samp(np.log(ratios), 0).pvalue
    assert row["p_value"] == pytest.approx(p)


@pytest.mark.parametrize("metric, sign", [("min_val_loss", 1), ("neg_log_loss", -1)])
def test_ratios_of_losses(metric, sign):
    scores = scores_of(metric, base=sign * np.array([0.2, 0.4]),
                       other=sign * np.array([0.1, 0.1]))  # fmt: skip
    for scale, expected in {"ratio": [2, 4], "difference": [0.1, 0.3]}.items():
        losses = (metric,) if sign > 0 else ()
        result = Comparison(scores, "base", scale=scale, losses=losses)
        np.testing.assert_allclose(result.differences()["difference"], expected)


@pytest.mark.parametrize(
    "metric, best, test_size, replacement",
    [
        ("accuracy", 1.0, 100, 0.005),
        ("accuracy", 1.0, 5, 0.025),  # half of the smallest positive error
        ("accuracy", 1.0, None, 0.025),
        ("neg_log_loss", 0.0, 100, 0.025),
    ],
)
def test_replacement_of_zero_errors(metric, best, test_size, replacement):
    scores = scores_of(metric, base=best - np.array([0.1, 0.1]),
                       other=best - np.array([0.0, 0.05]))  # fmt: skip
    result = Comparison(scores, "base", scale="ratio", test_size=test_size)
    ratios = [0.1 / replacement, 2]
    np.testing.assert_allclose(result.differences()["difference"], ratios)


def test_small_errors_are_not_replaced():
    scores = scores_of("roc_auc", base=[1 - 5e-5] * 2, other=[1 - 1e-5] * 2)
    result = Comparison(scores, "base", scale="ratio", test_size=4000)
    np.testing.assert_allclose(result.differences()["difference"], 5, rtol=1e-6)


def test_margin_of_ratios():
    errors = 0.1 * np.exp(sample(0, 0.01))
    scores = scores_of(base=np.full(30, 0.9), other=1 - 1.05 * errors)
    verdicts = {
        margin: Comparison(scores, "base", margin, "ratio").summary()["verdict"][1]
        for margin in (0.04, 0.06)
    }
    assert verdicts == {0.04: "worse", 0.06: "worse, negligibly"}


@pytest.mark.parametrize(
    "metric, value, message",
    [
        ("r2", -0.5, "from 0 to 1, got -0.5 for 'r2'.*losses=.'r2'."),
        ("neg_log_loss", 0.5, "requires losses of 0 or more, got -0.5"),
    ],
)
def test_scores_without_ratio_raise(metric, value, message):
    scores = scores_of(metric, a=[0.5, value], b=[0.5, 0.5])
    with pytest.raises(ValueError, match=message):
        Comparison(scores, scale="ratio").summary()
    trees = {f"{n}": DecisionTreeClassifier(max_depth=n) for n in (1, 2)}
    with pytest.raises(ValueError, match=message):
        compare(trees, make_triangle, train_size=20, scale="ratio",
                scoring=lambda *_: {metric: value})  # fmt: skip


# ---- power


def test_detectable_effect_has_the_stated_power(family):
    result = Comparison(family, baseline="base")
    row = result.summary().iloc[1]
    wide = family[family["metric"] == "accuracy"].pivot(
        index="repeat", columns="estimator", values="score"
    )
    sd = (wide[row["estimator"]] - wide["base"]).std()
    many = np.random.default_rng(1).normal(row["detectable"], sd, size=(4000, 20))
    p_values = stats.ttest_1samp(many, 0, axis=1).pvalue
    assert (p_values < 0.05 / 8).mean() == pytest.approx(0.8, abs=0.02)


def test_n_repeats_for_has_the_stated_power():
    differences = np.random.default_rng(0).normal(0, 0.02, size=30)
    result = Comparison(scores_of(base=np.zeros(30), other=differences), "base", 0.01)
    (n,) = result.n_repeats_for(0.005)["n_repeats"]
    many = np.random.default_rng(1).normal(0.005, differences.std(ddof=1), (4000, n))
    p_values = stats.ttest_1samp(many, 0, axis=1).pvalue
    assert (p_values < 0.05).mean() == pytest.approx(0.8, abs=0.02)
    (fewer,) = result.n_repeats_for()["n_repeats"]  # for `margin`
    assert fewer < n < result.n_repeats_for(0.005, power=0.9)["n_repeats"][0]
    assert result.n_repeats_for(5)["n_repeats"].tolist() == [2]
    same = Comparison(scores_of(a=[0.5] * 3, b=[0.5] * 3))
    # Six equal differences are needed for a p-value below 0.05: 2 / 2 ** 6.
    assert same.n_repeats_for(0.1)["n_repeats"].tolist() == [6]


@pytest.mark.parametrize(
    "args, message",
    [
        ({"effect": 0}, "effect must be more than 0"),
        ({"power": 1}, "power must be between 0 and 1"),
        ({}, "effect must be given if margin is None"),
    ],
)
def test_invalid_parameters_of_n_repeats_for_raise(args, message):
    with pytest.raises(ValueError, match=message):
        Comparison(scores_of(a=[0.5, 0.6], b=[0.5, 0.5])).n_repeats_for(**args)


# ---- candidates of a search


def corrected_ttest(differences, n_train, n_test):
    """Return t, the standard error and the one-tailed p-value.

    As in scikit-learn's example "Statistical comparison of models using grid search".
    """
    n = len(differences)
    variance = np.var(differences, ddof=1) * (1 / n + n_test / n_train)
    t = np.mean(differences) / np.sqrt(variance)
    return t, np.sqrt(variance), stats.t.sf(np.abs(t), n - 1)


@pytest.fixture(scope="module")
def svc_search():
    X, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    grid = [
        {"kernel": ["linear"]},
        {"kernel": ["poly"], "degree": [2, 3]},
        {"kernel": ["rbf"]},
    ]
    cv = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    search = GridSearchCV(SVC(random_state=0), grid, scoring="roc_auc", cv=cv)
    return search.fit(X, y)


def test_candidates_are_compared_as_in_scikit_learns_example(svc_search):
    summary = compare_candidates(svc_search).summary().dropna(subset="baseline")
    results = pd.DataFrame(svc_search.cv_results_)
    scores = results.filter(regex=r"split\d*_test_score").to_numpy()
    names = ["kernel=linear", "degree=2, kernel=poly", "degree=3, kernel=poly",
             "kernel=rbf"]  # fmt: skip
    assert len(summary) == 6 and set(summary["metric"]) == {"roc_auc"}
    one_tailed = []
    for row in summary.itertuples():
        d = scores[names.index(row.estimator)] - scores[names.index(row.baseline)]
        t, error, p = corrected_ttest(d, 90, 10)
        one_tailed.append(p)
        width = stats.t.isf(row.level / 2, 99)
        standard_error = (row.effect_ci_high - row.effect_ci_low) / 2 / width
        assert standard_error == pytest.approx(error, rel=1e-12)
        assert row.effect / standard_error == pytest.approx(t, rel=1e-12)
    expected = multipletests(2 * np.array(one_tailed), method="holm")[1]
    np.testing.assert_allclose(summary["p_value"], expected, rtol=1e-9)
    assert summary["note"].str.startswith("splits of one data set are not").all()


def test_note_on_baseline_chosen_by_refit_function():
    X, y = make_triangle(60, random_state=0)
    grid = {"max_depth": [1, 3]}
    search = GridSearchCV(DecisionTreeClassifier(), grid, refit=lambda _: 0).fit(X, y)
    notes = compare_candidates(search, baseline="best").summary()["note"]
    assert notes.str.contains("in its favor").all()


def test_note_on_baseline_that_was_best(svc_search):
    notes = {
        baseline: compare_candidates(svc_search, baseline=baseline).summary()["note"][0]
        for baseline in (0, 1, 3, "best")
    }
    best = svc_search.best_index_
    assert {name for name, note in notes.items() if "in its favor" in note} == {
        best,
        "best",
    }
    result = compare_candidates(svc_search, baseline="best")
    assert result.baseline == ", ".join(
        f"{k}={v}" for k, v in svc_search.best_params_.items()
    )
    assert result.scores["seconds"].gt(0).all()


def fitted_search(cv, n=60, **kwargs):
    X, y = make_triangle(n, random_state=0)
    grid = {"max_depth": [1, 3]}
    search = GridSearchCV(DecisionTreeClassifier(), grid, cv=cv, **kwargs)
    has_groups = "Group" in type(cv).__name__
    return search.fit(X, y, **{"groups": GROUPS} if has_groups else {})


GROUPS = np.arange(60) % 10


class Unknown(KFold):
    """A splitter whose sizes are unknown."""


@pytest.mark.parametrize(
    "cv, overlap",
    [
        (None, 1 / 4),
        (3, 1 / 2),
        (RepeatedKFold(n_splits=4, n_repeats=2), 1 / 3),
        (ShuffleSplit(4), 1 / 9),
        (ShuffleSplit(4, test_size=0.2), 1 / 4),
        (StratifiedShuffleSplit(4, train_size=0.75), 1 / 3),
        (ShuffleSplit(4, train_size=0.5, test_size=0.25), 1 / 2),
        (ShuffleSplit(4, train_size=40, test_size=10), 1 / 4),
        (PredefinedSplit(np.arange(60) % 3), 1 / 2),
        ([(range(40), range(40, 60)), (range(20, 60), range(20))], 1 / 2),
        # The means of unequal sizes: 35 and 25.
        ([(range(40), range(40, 60)), (range(30), range(30, 60))], 25 / 35),
        (GroupKFold(4), 1 / 3),
        (StratifiedGroupKFold(4), 1 / 3),
        (LeaveOneOut(), 1 / 59),
        (LeaveOneGroupOut(), 1 / 9),
        (GroupShuffleSplit(4), 1 / 4),
        (TimeSeriesSplit(4), 2 / 5),
    ],
)
def test_sizes_are_derived_from_the_splitter(cv, overlap):
    search = fitted_search(cv)
    assert compare_candidates(search).overlap == pytest.approx(overlap)
    groups = {"groups": GROUPS} if "Group" in type(cv).__name__ else {}
    splits = check_cv(cv).split(np.zeros((60, 2)), np.arange(60) % 2, **groups)
    sizes = [(len(train), len(test)) for train, test in splits]
    n_train, n_test = np.mean(sizes, axis=0)
    assert n_test / n_train == pytest.approx(overlap, rel=0.05)


@pytest.mark.parametrize(
    "cv, kwargs, message",
    [
        (Unknown(4), {}, "train_size and test_size must be given.*Unknown does not"),
        (TimeSeriesSplit(4, gap=2), {}, "train_size and test_size must be given"),
        (ShuffleSplit(4, test_size=10), {}, "train_size and test_size must be given"),
        (ShuffleSplit(4, train_size=10, test_size=0.2), {}, "must be given"),
        (
            3,
            {"losses": ["auc"]},
            "losses contains .'auc'., but the metrics are .'score'.",
        ),
        (3, {"baseline": 2}, "number of candidates, 2, got 2"),
        (3, {"baseline": "worst"}, "'baseline' parameter .* must be"),
        (3, {"margin": {"auc": 1.0}}, "margin contains .'auc'."),
        ([(range(40), range(40, 60))], {}, "two or more repetitions, got 1"),
    ],
)
def test_invalid_search_parameters_raise(cv, kwargs, message):
    with pytest.raises(ValueError, match=message):
        compare_candidates(fitted_search(cv), **kwargs)


def test_sizes_can_be_given():
    result = compare_candidates(fitted_search(Unknown(4)), train_size=45, test_size=15)
    assert result.overlap == pytest.approx(1 / 3) and result.test_size == 15
    assert compare_candidates(fitted_search(LeaveOneOut())).test_size == 1
    for scale in ("ratio", "difference"):
        compare_candidates(
            fitted_search(3), train_size=40, test_size=20, scale=scale
        ).summary()


def test_several_metrics_of_a_search():
    kwargs = {"refit": "accuracy", "return_train_score": True}
    search = fitted_search(3, scoring=["accuracy", "roc_auc"], **kwargs)
    result = compare_candidates(search, baseline="best")
    assert result.metrics == ["accuracy", "roc_auc"] and result.n_repeats == 3
    unfitted = fitted_search(3, scoring=["accuracy", "roc_auc"], refit=False)
    with pytest.raises(ValueError, match="requires best_index_"):
        compare_candidates(unfitted, baseline="best")


def test_margin_must_be_less_than_one_for_scores_up_to_one():
    scores = scores_of(a=[0.7, 0.8, 0.7], b=[0.8, 0.8, 0.9])
    with pytest.raises(ValueError, match="margin must be less than 1 for .*percentage"):
        Comparison(scores, margin=2)
    Comparison(scores.assign(score=100 * scores["score"]), margin=2)


def test_the_printed_result_has_the_notes():
    result = Comparison(scores_of(a=[0.7, 0.7], b=[0.8, 0.8]))
    rows = result.summary()["note"]
    notes = {note for row in rows for note in row.split("; ")} - {""}
    assert notes and all(repr(result).count(note) == 1 for note in notes)


def test_losses_of_a_search_must_be_declared():
    """A search maximizes its scores, whatever their names."""

    def score(net, X, y):
        return {"zero_one_loss": np.mean(net.predict(X) != y)}

    search = fitted_search(3, scoring=score, refit=False)
    result = compare_candidates(search, losses=["zero_one_loss"])
    deeper = result.summary().iloc[1]
    assert deeper["effect"] > 0 and deeper["estimator"] == "max_depth=3"
    with pytest.warns(UserWarning, match="zero_one_loss is treated as") as warned:
        result = compare_candidates(search)
    assert len(warned) == 1 and warned[0].filename == __file__
    assert result.losses == () and result.summary()["effect"][1] < 0

    def score(net, X, y):
        return {"my_log_loss": -log_loss(y, net.predict_proba(X))}

    search = fitted_search(3, scoring=score, refit="my_log_loss")
    with pytest.warns(UserWarning, match="my_log_loss is treated as a score"):
        result = compare_candidates(search, baseline="best")
    assert (result.summary()["effect"].dropna() <= 0).all()
    named = compare_candidates(fitted_search(3, scoring="neg_log_loss"), scale="ratio")
    assert named.negated == ("neg_log_loss",)


def test_a_pipeline_that_ends_in_a_search():
    X, y = make_triangle(60, random_state=0)
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 3]})
    pipe = make_pipeline(StandardScaler(), search)
    with pytest.raises(NotFittedError):
        compare_candidates(pipe)
    result = compare_candidates(pipe.fit(X, y))
    assert result.estimators == ["max_depth=1", "max_depth=3"]


class OptunaLikeSearch(BaseEstimator):
    """Has the attributes of a fitted OptunaSearchCV."""

    cv, n_splits_, scoring = 3, 3, None
    cv_results_ = {
        "mean_fit_time": [0.1, 0.2],
        "mean_test_score": [0.7, 0.85],
        "split0_test_score": [0.7, 0.9],
        "split1_test_score": [0.7, 0.8],
        "split2_test_score": [0.7, 0.85],
    }

    def fit(self, X, y):
        return self


def test_optuna_search_has_its_parameters_in_trials():
    search = OptunaLikeSearch()
    with pytest.raises(ValueError, match="must have cv_results_.'params'.*OptunaLike"):
        compare_candidates(search)
    search.trials_ = [SimpleNamespace(params={"max_depth": n}) for n in (1, 3)]
    search.best_index_ = 1
    result = compare_candidates(search, baseline="best")
    assert result.baseline == "max_depth=3"
    assert result.summary()["effect"][0] == pytest.approx(-0.15)


def test_invalid_searches_raise():
    with pytest.raises(NotFittedError):
        compare_candidates(GridSearchCV(DecisionTreeClassifier(), {}))
    X, y = make_triangle(100, random_state=0)
    halving = HalvingGridSearchCV(
        DecisionTreeClassifier(), {"max_depth": [1, 2, 3]}, random_state=0
    )
    with pytest.raises(ValueError, match="successive halving"):
        compare_candidates(halving.fit(X, y))
    with pytest.raises(ValueError, match="estimators must be two or more"):
        one = RandomizedSearchCV(
            DecisionTreeClassifier(), {"max_depth": [1]}, n_iter=1, cv=3
        )
        compare_candidates(one.fit(X, y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        failing = GridSearchCV(
            DecisionTreeClassifier(), {"max_depth": [1, 2]},
            scoring=lambda net, X, y: np.nan if net.max_depth > 1 else 1.0,
        ).fit(X, y)  # fmt: skip
    with pytest.raises(ValueError, match="finite, but those of max_depth=2"):
        compare_candidates(failing)


def test_candidates_with_equal_parameters_are_numbered():
    X, y = make_triangle(60, random_state=0)
    grid = {"max_depth": [1, 1]}
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), grid).fit(X, y)
    result = compare_candidates(search, margin=0.01)
    assert result.estimators == [
        "max_depth=1 (candidate 0)",
        "max_depth=1 (candidate 1)",
    ]
    row = result.summary().iloc[1]
    assert row["verdict"] == "undecided" and "all differences are 0" in row["note"]
    known_size = compare_candidates(search, margin=0.1, train_size=48, test_size=12)
    assert known_size.summary()["verdict"][1] == "undecided"  # 60 test points in total
    known_size = compare_candidates(search, margin=0.1, train_size=480, test_size=120)
    assert known_size.summary()["verdict"][1] == "equivalent"


# ---- given scores


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda s: s[s["estimator"] == "a"], "estimators must be two or more"),
        (lambda s: s[s["repeat"] == 0], "two or more repetitions, got 1"),
        (lambda s: s[1:], "a finite score for each repetition, estimator"),
        (lambda s: s.assign(score=np.nan), "a finite score for each repetition"),
        (lambda s: pd.concat([s, s]), "got duplicates"),
        (lambda s: s.drop(columns="metric"), "scores must have the columns .'metric'."),
    ],
)
def test_invalid_scores_raise(change, message):
    with pytest.raises(ValueError, match=message):
        Comparison(change(scores_of(a=[0.1, 0.2], b=[0.3, 0.4])))


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"baseline": "c"}, "baseline must be one of the estimators .*, got 'c'"),
        ({"margin": -1}, "margin must be more than 0"),
        ({"scale": "log"}, "scale must be 'difference' or 'ratio', got 'log'"),
        ({"alpha": 5}, "alpha must be more than 0 and less than 0.5, got 5"),
        ({"test_size": 0}, "test_size must be 1 or more"),
        ({"overlap": -1}, "overlap must be finite"),
        ({"looks": 0}, "looks must be 1 or more"),
        ({"losses": ("auc",)}, "losses contains .'auc'., but the metrics are"),
        ({"negated": ("auc",)}, "negated must be names of metrics, got .'auc',."),
    ],
)
def test_invalid_parameters_of_comparison_raise(kwargs, message):
    with pytest.raises(ValueError, match=message):
        Comparison(scores_of(a=[0.1, 0.2], b=[0.3, 0.4]), **kwargs)


# ---- error rates under the null hypothesis


@pytest.mark.slow
def test_familywise_error_rates():
    """Five estimators and three metrics without differences, and one at the margin."""
    generator = np.random.default_rng(0)
    n, wrong, wrong_small = 200, 0, 0
    for _ in range(n):
        null = pd.concat(
            scores_of(metric, **dict(zip("abcde", generator.normal(0.5, 0.01, (5, 10)),
                                         strict=True)))
            for metric in ("one", "two", "three")
        )  # fmt: skip
        verdicts = Comparison(null, baseline="a").summary()["verdict"]
        wrong += verdicts.str.contains("better|worse").any()
        edge = verdict_of(generator.normal(0.005, 0.003, 10), margin=0.005)["verdict"]
        wrong_small += edge == "equivalent" or "negligibly" in edge
    for count in (wrong, wrong_small):
        assert stats.binomtest(count, n, 0.05, alternative="greater").pvalue > 0.01


# ---- the plot


def test_display_follows_scikit_learns_api():
    trees = {f"depth {n}": DecisionTreeClassifier(max_depth=n) for n in (1, 2, 4)}
    kwargs = {"train_size": 50, "n_repeats": 5, "random_state": 0}
    display = ComparisonDisplay.from_estimators(
        trees, make_triangle, baseline="depth 1", **kwargs
    )
    assert isinstance(display, ComparisonDisplay)
    assert display.figure_ is display.ax_.figure and len(display.axes_) == 1
    assert display.summary_["estimator"].tolist() == ["depth 2", "depth 4"]
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["depth 2", "depth 4"]
    (dots,) = [line for line in display.ax_.lines if line.get_marker() == "."]
    expected = display.comparison.differences()["difference"]
    np.testing.assert_allclose(dots.get_xdata(), expected)
    _, ax = plt.subplots()
    assert display.plot(ax=ax).ax_ is ax


def test_one_axes_per_metric():
    trees = {f"depth {n}": DecisionTreeClassifier(max_depth=n) for n in (1, 2)}
    kwargs = {"train_size": 50, "n_repeats": 4, "scoring": ["accuracy", "neg_log_loss"]}
    display = ComparisonDisplay.from_estimators(trees, make_triangle, **kwargs)
    assert len(display.axes_) == 2
    assert [ax.get_xlabel() for ax in display.axes_] == [
        "difference in accuracy from the second estimator, better →",
        "difference in neg_log_loss from the second estimator, better →",
    ]
    _, axes = plt.subplots(1, 2)
    assert display.plot(ax=axes).axes_.tolist() == axes.tolist()
    with pytest.raises(ValueError, match="ax must contain 2 axes, .* got 1"):
        display.plot(ax=axes[0])


def test_verdicts_differ_by_more_than_color():
    """Verdicts also differ by marker, by filling and by text."""
    arms = {
        "better": sample(0.02, 0.01),
        "better, negligibly": sample(0.002, 0.001),
        "equivalent": sample(0.0, 0.001),
        "undecided": sample(0.01, 0.1),
        "worse, negligibly": sample(-0.002, 0.001),
        "worse": sample(-0.02, 0.01),
    }
    result = Comparison(scores_of(base=np.zeros(30), **arms), "base", margin=0.005)
    ax = ComparisonDisplay(result).plot().ax_
    assert drawn_verdicts(ax) == [*arms]
    marks = [line for line in ax.lines if line.get_marker() in (">", "<", "s", "o")]
    kinds = {
        (mark.get_marker(), colors.to_hex(mark.get_markerfacecolor()) != "#ffffff")
        for mark in marks
    }
    assert len(marks) == len(kinds) == 6


def test_many_pairs_are_drawn_as_a_matrix():
    generator = np.random.default_rng(0)
    arms = {f"arm {i}": generator.normal(i, 5, 20) for i in range(9)}
    result = Comparison(scores_of(**arms))
    display = ComparisonDisplay(result).plot()
    summary = display.summary_
    assert len(summary) == 36
    marks = {"better": "+", "worse": "\N{MINUS SIGN}", "undecided": "?"}
    drawn = [text.get_text() for text in display.ax_.texts if text.get_text()]
    assert sorted(drawn) == sorted(summary["verdict"].map(marks))
    ratios = scores_of(**{name: stats.norm.cdf(s / 9) for name, s in arms.items()})
    ratios = ComparisonDisplay(Comparison(ratios, scale="ratio")).plot()
    assert len([text for text in ratios.ax_.texts if text.get_text()]) == 36


def test_wide_and_narrow_ratios_have_ticks():
    for sd in (0.02, 2.0):
        errors = 0.01 * np.exp(sample(0, sd))
        scores = scores_of(a=np.full(30, 0.99), b=1 - errors)
        result = Comparison(scores, "a", scale="ratio", margin=0.1)
        display = ComparisonDisplay(result).plot()
        display.figure_.canvas.draw()
        labels = [label.get_text() for label in display.ax_.get_xticklabels()]
        assert "1" in labels and 3 <= len(labels) <= 12


def test_plot_without_any_difference():
    same = {name: DummyClassifier() for name in "ab"}
    result = compare(same, make_triangle, train_size=20, n_repeats=3, random_state=0)
    ComparisonDisplay(result).plot().figure_.canvas.draw()


# ---- names of version 0.2.0


def test_old_parameter_names_raise_with_the_new_names():
    scores = scores_of(a=[0.5, 0.6], b=[0.5, 0.7])
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]})
    message = "'smallest' was renamed: use 'margin'"
    for call in (
        partial(Comparison, scores),
        partial(compare_candidates, search),
        partial(compare, {}),
    ):
        with pytest.raises(TypeError, match=message):
            call(smallest=0.01)
    with pytest.raises(TypeError, match="'difference' was renamed: use 'effect'"):
        Comparison(scores).n_repeats_for(difference=0.01)
    with pytest.raises(AttributeError, match="'smallest': use 'margin'"):
        _ = Comparison(scores).smallest
    with pytest.raises(AttributeError, match="no attribute 'nothing'$"):
        _ = Comparison(scores).nothing


def test_old_column_names_raise_with_the_new_names():
    summary = Comparison(scores_of(a=[0.5, 0.6], b=[0.5, 0.7])).summary()
    for key in ("difference_ci_low", ["estimator", "difference_ci_low"]):
        with pytest.raises(
            KeyError, match="'difference_ci_low' is now 'effect_ci_low'"
        ):
            summary[key]
    with pytest.raises(KeyError, match="^'nothing'$"):
        summary["nothing"]
    again = pickle.loads(pickle.dumps(summary))
    pd.testing.assert_frame_equal(again, summary)
    assert type(summary[["estimator", "effect"]]) is pd.DataFrame
