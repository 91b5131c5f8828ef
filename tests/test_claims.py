"""The claims study: from paired differences to verdicts."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks import claims, paper
from benchmarks.claims import Claim, _test, _verdict


def judged(*differences, **kwargs):
    claim = Claim("a claim", "somewhere", "family", "accuracy", differences, **kwargs)
    row = _test(claim, 0.05, 0.8)
    return row | {"verdict": _verdict(claim, row, 0.05)}


def spread(mean, sd, n=30):
    """Return n differences of exactly this mean and standard deviation."""
    values = np.linspace(-1, 1, n)
    return mean + sd * values / values.std(ddof=1)


@pytest.mark.parametrize(
    "differences, kwargs, verdict",
    [
        ([spread(0.02, 0.01)], {}, "holds"),
        ([spread(-0.02, 0.01)], {}, "does not hold"),
        ([spread(0.0, 0.001)], {}, "does not hold"),  # nothing worth naming
        ([spread(0.002, 0.001)], {}, "does not hold"),  # a difference, but too small
        ([spread(0.01, 0.1)], {}, "not distinguishable from seed noise"),
        ([spread(-0.01, 0.1)], {}, "not distinguishable from seed noise"),
        # The best of several beats each of them.
        ([spread(0.02, 0.01), spread(0.03, 0.01)], {}, "holds"),
        ([spread(0.02, 0.01), spread(-0.03, 0.01)], {}, "does not hold"),
        (
            [spread(0.02, 0.01), spread(0.01, 0.1)],
            {},
            "not distinguishable from seed noi",
        ),
        # A claim that there is no difference.
        ([spread(0.0, 0.001)], {"none": True}, "holds"),
        ([np.zeros(30)], {"none": True}, "holds"),
        ([spread(0.2, 0.01)], {"none": True}, "does not hold"),
        ([spread(0.0, 0.1)], {"none": True}, "not distinguishable from seed noise"),
        (
            [spread(0.02, 0.01)],
            {"why_untestable": "because"},
            "cannot be tested as pub",
        ),
    ],
)
def test_verdicts(differences, kwargs, verdict):
    assert judged(*differences, **kwargs)["verdict"].startswith(verdict)


@pytest.mark.parametrize("differences", [[], [0.1], [0.1, np.nan]])
def test_claims_without_data_are_errors(differences):
    with pytest.raises(ValueError, match="two pairs or more, all finite"):
        judged(np.array(differences))


def test_effect_interval_and_p_value_are_scipys():
    differences = np.random.default_rng(0).normal(0.01, 0.02, size=30)
    row = judged(differences)
    expected = stats.ttest_rel(differences, np.zeros(30))
    assert row["effect"] == pytest.approx(differences.mean())
    assert row["p_value"] == pytest.approx(expected.pvalue)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(
        tuple(expected.confidence_interval(0.95))
    )
    assert row["n_pairs"] == 30


def test_detectable_is_found_with_the_power_it_states():
    row = judged(np.random.default_rng(0).normal(0, 0.02, size=30))
    sd = row["detectable"] / 0.5292  # Cohen (1988): d of 30 pairs at 5 %, 80 %
    assert sd == pytest.approx(0.02, rel=0.25)
    many = np.random.default_rng(1).normal(row["detectable"], sd, size=(4000, 30))
    found = (stats.ttest_1samp(many, 0, axis=1).pvalue < 0.05).mean()
    assert found == pytest.approx(0.8, abs=0.02)


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
    table1["max_val_accuracy"] = 0.99 + 0.02 * (table1["std"] == 3) + noise(210)
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
    leaders = seeds.merge(table2.head(0).drop(columns="seed"), how="cross")
    rows = [
        {"seed": seed, "function": f, "initializer": i, "rank": rank, "published": p}
        for seed in range(30)
        for f in ("f1", "f2", "f3")
        for i in ("zeros", "glorot_uniform")
        for rank, p in [(1, False), (9, True)]
    ]
    leaders = pd.DataFrame(rows)
    leaders["accuracy"] = 0.9 - 0.05 * leaders["published"] + noise(len(leaders))

    kinds = [("f1", "relu", name) for name in paper.TABLE3["initializer"]]
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
    rows = claims.judge(*frames, **claims.FULL)
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
    verdict = rows.set_index("claim")["verdict"]
    for claim, expected in {
        "f1: accuracy falls as the number of samples does (equal epochs": "holds",
        "f1: accuracy falls as the number of samples does (control": "does not hold",
        "f2: loss rises as the number of samples falls": "holds",
        "f3 is learnt from fewer samples than f1 and f2 (N = 250)": "holds",
        "f3: accuracy falls with too many samples (N = 16000, not": "does not hold",
        "10 % of copies: a standard deviation of 3 is best, by accuracy": "holds",
        "20 % of copies: a standard deviation of 3 is best, by loss": "holds",
        "20 % of copies: a standard deviation of 2 is worst, by acc": "does not hold",
        "10 % of copies are better than 20 % (standard deviation 1)": "does not hold",
        "Adding noisy copies helps at all": "holds",
        "f1: SGD is the best optimizer (working": "holds",
        "f2: Adam is the best optimizer (working": "does not hold",
        "f1: SGD is the best optimizer (as published": "cannot be tested as published",
        "f1: the published candidate is the best (working": "does not hold",
        "RandomNormal is the best of the six initializers, by acc": "does not hold",
        "Weights that are all zeros learn nothing (f1, relu": "holds",
        "Weights that are all ones learn nothing (f1, relu": "holds",
        "Weights that are all zeros learn nothing (f1, sigmoid": "does not hold",
        "Training with noise regularises: the gradient norm falls (fresh": "holds",
        "Training with noise regularises: the weight norm falls (20 %": "does not hold",
    }.items():
        (found,) = verdict[verdict.index.str.startswith(claim)]
        assert found == expected, claim


def test_p_values_are_corrected_within_their_family(frames):
    rows = claims.judge(*frames, **claims.FULL)
    table1 = rows[rows["family"] == "Table I"]
    *_, mean = [c for c in claims._table1(frames[1]) if "helps at all" in c.sentence]
    alone = _test(mean, 0.05, 0.8)["p_value"]
    corrected = table1.set_index("claim").loc[mean.sentence, "p_value"]
    assert alone < corrected <= alone * len(table1)
    # Holm: the smallest is multiplied by as many as there are.
    raw = [_test(claim, 0.05, 0.8)["p_value"] for claim in claims._table1(frames[1])]
    assert table1["p_value"].min() == pytest.approx(min(1, min(raw) * len(raw)))
