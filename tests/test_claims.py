"""The claims study: from paired differences to verdicts."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmarks import paper
from benchmarks.studies import claims
from benchmarks.studies.claims import Claim, _test, _verdict, judge_claims


def judged(*differences, **kwargs):
    rivals = dict(enumerate(differences))
    claim = Claim("a claim", "a source", "family", "accuracy", rivals, 0.005, **kwargs)
    return judge_claims([claim], 0.05, 0.8).iloc[0]


def spread(mean, sd, n=30):
    """Return n differences of exactly this mean and standard deviation."""
    values = np.linspace(-1, 1, n)
    return mean + sd * values / values.std(ddof=1)


GOOD, BAD, NONE = spread(0.02, 0.01), spread(-0.02, 0.01), spread(0.0, 0.001)
SMALL, LOUD = spread(0.002, 0.001), spread(0.01, 0.1)
NOISE = "not distinguishable from seed noise"
TOO_SMALL = "there is an effect, but too small to name"


@pytest.mark.parametrize(
    "differences, kwargs, verdict, note",
    [
        ([GOOD], {}, "holds", ""),
        ([BAD], {}, "does not hold", "the opposite is so"),
        ([NONE], {}, "does not hold", "no effect worth naming"),
        ([SMALL], {}, "does not hold", TOO_SMALL),
        ([LOUD], {}, NOISE, ""),
        ([-LOUD], {}, NOISE, ""),
        # The best of several beats each of them.
        ([GOOD, 2 * GOOD], {}, "holds", ""),
        ([GOOD, BAD], {}, "does not hold", "the opposite is so"),
        ([GOOD, LOUD], {}, NOISE, ""),
        (
            [GOOD, SMALL],
            {},
            "does not hold",
            "there is an effect, but too small to name",
        ),
        ([-LOUD, SMALL], {}, "does not hold", None),
        # To help in one of several ways is enough, and to hurt in one is not.
        ([GOOD, BAD], {"some": True}, "holds", ""),
        ([NONE, BAD], {"some": True}, "does not hold", None),
        ([LOUD, BAD], {"some": True}, NOISE, ""),
        # A claim that there is no difference.
        ([NONE], {"none": True}, "holds", ""),
        ([np.zeros(30)], {"none": True}, "holds", ""),
        ([BAD], {"none": True}, "holds", ""),
        ([GOOD], {"none": True}, "does not hold", ""),
        ([LOUD], {"none": True}, NOISE, ""),
        (
            [GOOD],
            {"why_untestable": "because"},
            "cannot be tested as published",
            "because",
        ),
    ],
)
def test_verdicts(differences, kwargs, verdict, note):
    row = judged(*differences, **kwargs)
    assert row["verdict"] == verdict
    assert note is None or row["note"] == note


@pytest.mark.parametrize("truth, wrong", [(0.0, "holds"), (0.005, "does not hold")])
def test_verdicts_are_seldom_wrong(truth, wrong):
    """Of four rivals, each as hard to beat as can be, few verdicts are wrong."""
    differences = np.random.default_rng(0).normal(truth, 0.005, size=(300, 4, 30))
    verdicts = []
    for rivals in differences:
        rivals = dict(enumerate(rivals))
        claim = Claim("a claim", "a source", "family", "accuracy", rivals, 0.005)
        verdicts.append(_verdict(claim, _test(claim, 0.05), 0.05)[0])
    assert verdicts.count(wrong) / len(verdicts) <= 0.075


@pytest.mark.parametrize("differences", [[], [0.1], [0.1, np.nan]])
def test_claims_without_data_are_errors(differences):
    with pytest.raises(ValueError, match="two pairs or more, all finite"):
        judged(np.array(differences))


def test_effect_interval_and_p_value_are_scipys():
    differences = np.random.default_rng(0).normal(0.01, 0.02, size=30)
    row = judged(differences)
    expected = stats.ttest_rel(differences, np.zeros(30), alternative="greater")
    assert row["effect"] == pytest.approx(differences.mean())
    assert row["p_value"] == pytest.approx(expected.pvalue)
    both = stats.ttest_rel(differences, np.zeros(30)).confidence_interval(0.95)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(both))
    assert row["n_pairs"] == 30


def test_detectable_is_found_with_the_power_it_states():
    differences = np.random.default_rng(0).normal(0, 0.02, size=30)
    claims = [
        Claim(f"{i}", "", "family", "accuracy", {"": differences}, 0.005)
        for i in range(4)
    ]
    detectable = judge_claims(claims, 0.05, 0.8)["detectable"].iloc[0]
    many = np.random.default_rng(1).normal(
        detectable, differences.std(ddof=1), size=(4000, 30)
    )
    p_values = stats.ttest_1samp(many, 0, axis=1, alternative="greater").pvalue
    assert (p_values < 0.05 / 4).mean() == pytest.approx(0.8, abs=0.02)


@pytest.fixture
def frames():
    """Make results in which the paper is right about some things only."""
    generator = np.random.default_rng(0)

    def noise(n, sd=0.002):
        return generator.normal(0, sd, size=n)

    seeds = pd.DataFrame({"seed": range(30)})
    sizes = pd.DataFrame({"n_samples": [250, 1000, 4000, 8000, 16000]})
    functions = pd.DataFrame({"function": ["f1", "f2", "f3"]})
    figure3 = (
        seeds.merge(sizes, how="cross")
        .merge(functions, how="cross")
        .merge(pd.DataFrame({"equal": ["epochs", "steps"]}), how="cross")
    )
    gain = np.log2(figure3["n_samples"]) / 100 * (figure3["equal"] == "epochs")
    gain += 0.05 * (figure3["function"] == "f3")
    for name in ("max_val_accuracy", "test_accuracy"):
        figure3[name] = 0.8 + gain + noise(len(figure3))
    figure3["min_val_loss"] = 0.3 - gain + noise(len(figure3))

    amounts = pd.DataFrame({"fraction": [0.0] + [0.1] * 3 + [0.2] * 3})
    amounts["std"] = [0.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0]
    table1 = seeds.merge(amounts, how="cross")
    for name in ("max_val_accuracy", "test_accuracy"):
        table1[name] = 0.95 + 0.02 * (table1["std"] == 3) + noise(210)
    table1["min_val_loss"] = 0.1 - 0.02 * (table1["std"] == 3) + noise(210)

    table2 = pd.DataFrame({"seed": [0]}).merge(functions, how="cross")
    table2 = table2.merge(
        pd.DataFrame({"initializer": ["zeros", "glorot_uniform"]}), how="cross"
    )
    for name, values in paper.TABLE2_GRID.items():
        table2 = table2.merge(pd.DataFrame({name: values[:4]}), how="cross")
    works = table2["initializer"] == "glorot_uniform"
    table2["majority"] = 0.55
    table2["accuracy"] = 0.55 + works * (
        0.1 + 0.05 * (table2["optimizer"] == "SGD") + noise(len(table2), 0.01)
    )
    rows = [
        {"seed": seed, "function": f, "initializer": i, "rank": rank, "published": p}
        for seed in range(30)
        for f in ("f1", "f2", "f3")
        for i in ("zeros", "glorot_uniform")
        for rank, p in [(1, False), (9, True)]
    ]
    leaders = pd.DataFrame(rows)
    for name in paper.TABLE2_GRID:
        leaders[name] = leaders["rank"].astype(str)
    learns = leaders["initializer"] != "zeros"
    learns |= leaders["function"] == "f3"
    leaders["majority"] = 0.55
    leaders["accuracy"] = 0.55 + learns * (0.3 - 0.05 * leaders["published"])
    leaders["accuracy"] += learns * noise(len(leaders))

    kinds = [("f1", "relu", name) for name in paper.TABLE3["initializer"]]
    kinds += [("f1", "relu", "glorot_uniform")]
    kinds += [("f1", "sigmoid", "zeros"), ("f3", "sigmoid", "zeros")]
    table3 = seeds.merge(
        pd.DataFrame(kinds, columns=["function", "activation", "initializer"]),
        how="cross",
    )
    learns = (table3["activation"] == "sigmoid") | ~table3["initializer"].isin(
        ["zeros", "ones"]
    )
    table3["majority"] = 0.55
    table3["test_accuracy"] = 0.55 + 0.3 * learns + noise(len(table3)) * learns
    table3["max_val_accuracy"] = table3["test_accuracy"]
    table3["min_val_loss"] = 0.7 - 0.5 * learns + noise(len(table3))

    noisy = seeds.merge(pd.DataFrame({"std": [0.0, 1.0, 3.0]}), how="cross")
    noisy = noisy.merge(pd.DataFrame({"noise": ["fresh", "copies"]}), how="cross")
    falls = (noisy["noise"] == "fresh") * noisy["std"]
    for name in ("gradient_norm", "weight_norm"):
        noisy[name] = 1 - 0.1 * falls + noise(len(noisy))
    noisy["test_accuracy"] = 0.99 + noise(len(noisy))
    return figure3, table1, table2, leaders, table3, noisy


def test_what_is_in_the_data_is_found(frames):
    rows = claims.judge(*frames, **claims.STUDY.full)
    assert rows.columns[:7].tolist() == [
        "claim",
        "source",
        "effect",
        "ci_low",
        "ci_high",
        "p_value",
        "verdict",
    ]
    assert rows["claim"].is_unique
    verdict, no = rows.set_index("claim")["verdict"], claims.DOES_NOT
    for claim, expected in {
        "f1: maximum validation accuracy gets worse as samples get fewer": "holds",
        "f1: test accuracy gets worse as samples get fewer (control": "does not hold",
        "f2: minimum validation loss gets worse as samples get": "holds",
        "f3 is learnt from fewer samples than f1 and f2: test accuracy at N = 250 "
        "(equal": "holds",
        "f3: too many samples hurt: test accuracy at N = 16000, not 4000 "
        "(equal": "does not hold",
        "10 % of copies: a standard deviation of 3 is best, by max": "holds",
        "20 % of copies: a standard deviation of 3 is best, by min": "holds",
        "20 % of copies: a standard deviation of 2 is worst, by max": "does not hold",
        "10 % of copies are better than 20 %, standard deviation 1, by t": no,
        "Adding noisy copies can help, by test": "holds",
        "Adding noisy copies can hurt, by test": "does not hold",
        "f1: SGD is the best optimizer (working": "holds",
        "f2: Adam is the best optimizer (working": "does not hold",
        "f1: SGD is the best optimizer (as published": claims.UNTESTABLE,
        "f3: SGD is the best optimizer (as published": "does not hold",
        "f1: the published candidate is the best (working": "does not hold",
        "f1: the published candidate is the best (as pub": claims.UNTESTABLE,
        "RandomNormal is the best of the six initializers, by test": "does not hold",
        "Zero weights avoid fluctuations": "holds",
        "Weights that are all zeros learn nothing (f1, relu": "holds",
        "Weights that are all ones learn nothing (f1, relu": "holds",
        "Weights that are all zeros learn nothing (f1, sigmoid": "does not hold",
        "Training with noise regularises: the gradient norm falls with its amount "
        "(fresh": "holds",
        "Training with noise regularises: the weight norm falls with its amount "
        "(20 %": "does not hold",
    }.items():
        (found,) = verdict[verdict.index.str.startswith(claim)]
        assert found == expected, claim


def test_p_values_are_corrected_within_their_family(frames):
    rows = claims.judge(*frames, **claims.STUDY.full).dropna(subset="p_value")
    table = {"Table I": claims._table1(frames[1]), "Fig. 3": claims._figure3(frames[0])}
    for name, made in table.items():
        family = rows[rows["family"] == name]
        alone = [claims._test(claim, 0.05)["p_value"] for claim in made]
        expected = multipletests(alone, method="holm")[1]
        np.testing.assert_allclose(family["p_value"], expected)
        assert (family["p_value"] >= alone).all() and (family["p_value"] > alone).any()


def test_unpaired_or_missing_results_are_errors(frames):
    table1 = frames[1]
    broken = table1.assign(
        test_accuracy=table1["test_accuracy"].where(table1.index > 9)
    )
    with pytest.raises(ValueError, match="all finite"):
        claims.judge(frames[0], broken, *frames[2:], **claims.STUDY.full)
    with pytest.raises(ValueError, match="duplicate"):
        claims.judge(
            frames[0], pd.concat([table1] * 2), *frames[2:], **claims.STUDY.full
        )
