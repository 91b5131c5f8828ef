"""README and docs agree with the saved results and with the tests."""

import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

pytest.importorskip("jinja2", reason="the extra benchmarks is not installed")

from benchmarks.measurements import MEASUREMENTS, calibration, speed
from benchmarks.paper import (
    STUDIES,
    authors_runs,
    readings_screening,
    report,
    shared_optimizer,
    table2_authors,
    table3_initializers,
)
from benchmarks.paper.claims import deciding
from benchmarks.paper.published import READINGS
from sklearn_toydnn import compare

ROOT = Path(__file__).parents[1]
README, PAPER, TROUBLE, COMPARING, PLAYGROUND, SCIKIT_LEARN, FAST = (
    (ROOT / page).read_text()
    for page in (
        "README.rst",
        "docs/paper.rst",
        "docs/user_guide/trouble.rst",
        "docs/user_guide/comparing.rst",
        "docs/user_guide/playground.rst",
        "docs/user_guide/scikit_learn.rst",
        "docs/fast.rst",
    )
)
RESULTS = ROOT / "benchmarks" / "results"
# Measures of speed.csv by their names in the table of docs/fast.rst.
SPEED = {
    "time of a fit, scikeras / ours": "fit: scikeras / ours",
    "time of a fit, skorch / ours": "fit: skorch / ours",
    "time of a fit, ``MLPClassifier`` / ours": "fit: MLPClassifier / ours",
    "time of a fit, hand-written JAX loop / ours": "fit: JAX / ours",
    "time of a fit, hand-written C++ loop / ours": "fit: C++ / ours",
    "first fit, which compiles, scikeras / ours": "first fit: scikeras / ours",
    "first fit in a new process, disk cache, scikeras / ours": (
        f"{speed.FIRST}: scikeras / ours"
    ),
    "fit, ms": "fit: ours, ms",
    "first fit, which compiles, ms": "fit: ours, first, ms",
    "first fit in a new process, disk cache, ms": f"fit: {speed.FIRST}, ms",
    "fit, time outside its epochs, ms": "fit overhead outside epochs, ms",
    "fit read from ``memory``, ms": "fit loaded from cache, ms",
    "``predict_proba`` on 800 rows, ms": "predict_proba on 800 rows, ms",
    "grid of 20 structures, two workers, ms per fit": (
        "grid of 20 structures, n_jobs=2, ms per fit"
    ),
    "the same with the disk cache, ms per fit": (
        "grid of 20 structures, programs on disk, n_jobs=2, ms per fit"
    ),
    "``compare``, 6 initializers, 30 repetitions, n_jobs=2, s": (
        "compare six initializers, 30 repetitions, n_jobs=2, s"
    ),
    "the same, ``compare`` / a plain loop": "compare / equivalent plain loop",
    "fit of a 784-512-512-10 network, Keras / ours": (
        "fit of 784-512-512-10: keras.Model.fit / ours"
    ),
}


def test_speed_table():
    shown = re.findall(r"^(\S.*?) +([\d.]+) +([\d.]+) to ([\d.]+)$", FAST, flags=re.M)
    assert [measure for measure, *_ in shown] == [*SPEED]
    values = pd.read_csv(RESULTS / "speed.csv").groupby("measure")["value"]
    for measure, *numbers in shown:
        group = values.get_group(SPEED[measure])
        for number, statistic in zip(numbers, ("median", "min", "max"), strict=True):
            n_digits = len(number.partition(".")[2])
            assert f"{group.agg(statistic):.{n_digits}f}" == number, measure


def test_playground_table():
    table = speed.summary(pd.read_csv(RESULTS / "playground.csv"))
    for row in table.to_dict("records"):
        relation = {"<=": "at most", ">=": "at least"}[row["relation"]]
        measure, goal = re.escape(row["measure"]), f"{relation} {row['target']:g}"
        line = rf"{measure} +{row['median']:g} +{goal}"
        assert re.search(rf"^{line}$", PLAYGROUND, re.M), line


def test_runs_of_the_authors():
    table = authors_runs.summary(pd.read_csv(RESULTS / "authors_runs.csv"))
    text = " ".join(PAPER.split())
    n_equal = []
    for row in table.to_dict("records"):
        losses = row["replays val_loss"], row["95 % of other seeds, val_loss"]
        published = f"{row['cell']} {row['published val_loss']:.4f}"
        assert " ".join([published, *losses]) in text
        # Of the four replays, those without oneDNN are equal.
        one, with_onednn, other, _ = row["epochs equal to the log"].split(", ")
        assert one == other and int(one) >= int(with_onednn)
        n_equal.append(int(one))
    assert f"for the first {min(n_equal)} to {max(n_equal)} epochs" in text


def test_search_of_the_authors():
    table = table2_authors.summary(pd.read_csv(RESULTS / "table2_authors.csv"))
    f1, f2, f3 = (rows for _, rows in table.groupby("function"))
    text = " ".join(PAPER.split())
    for rows in (f1, f3):
        assert rows["best"].tolist() == pytest.approx(rows["majority"].tolist())
        assert rows["published shares the best"].all()
        assert set(rows["first of the best"]) == {"sigmoid, sigmoid, 0.3, 5, SGD"}
    low, high = f1["share the best"].agg(["min", "max"])
    assert f"For f1, {low:,} to {high:,} candidates score {f1['best'].iloc[0]}" in text
    (n_best,) = f3["share the best"].unique()
    assert f"For f3, {n_best} candidates score {f3['best'].iloc[0]}" in text
    (score,) = f2["published candidate"].unique()
    assert score == pytest.approx(f2["majority"].iloc[0])
    assert f"too, and scores {score}." in text
    low, high = f2["as always 1"].agg(["min", "max"])
    assert f"always predicts 1, {f2['always 1'].iloc[0]}." in text
    assert f"{low} to {high} candidates reach it" in text


def test_ones_with_a_shared_optimizer():
    frame = pd.read_csv(RESULTS / "shared_optimizer.csv")
    table = shared_optimizer.summary(frame).set_index("counter")
    text = " ".join(PAPER.split())
    new, used = table.loc[0], table.loc[6400]
    assert new["min"] == new["max"]
    assert f"validation accuracy is {new['max']:g} for all 10 seeds" in text
    assert f"the accuracy is {used['min']:g} to {used['max']:g}." in text
    assert f"The paper publishes {used['published_accuracy']}" in text
    assert len(frame) == 20 and used["min"] < used["published_accuracy"] < used["max"]


def test_table_of_studies():
    listed = re.findall(r"^``(\w+)``  ", PAPER, flags=re.M)
    assert listed == STUDIES + MEASUREMENTS


def test_each_scikit_learn_tool_has_its_test():
    shown = re.findall(r"^\S.*  (test_\w+)$", SCIKIT_LEARN, flags=re.M)
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("*.py"))
    assert len(shown) > 30
    for name in shown:
        assert len(set(re.findall(rf"def ({name}\w*)\(", tests))) == 1, name


@pytest.mark.slow
@pytest.mark.parametrize(
    "tried, kind",
    [
        ("fits interrupted, at any line of the package", "interruptions"),
        ("calls in 64 threads", "calls from threads"),
        ("damaged files of an interrupted run", "damaged files"),
        ("full disks", "full disks"),
    ],
)
def test_robustness_table(tried, kind, survived):
    """A run of all slow tests counts its trials."""
    stated = re.search(rf"^{tried} +([\d,]+) +``pytest -m slow", TROUBLE, flags=re.M)[1]
    if not survived[kind]:
        pytest.skip("the tests that count it did not run in this process")
    assert survived[kind] >= int(stated.replace(",", ""))


def saved(name):
    """Return a study and its saved results."""
    study = import_module(f"benchmarks.paper.{name}").STUDY
    return SimpleNamespace(study=study, frame=pd.read_csv(RESULTS / f"{name}.csv"))


def test_table_of_verdicts():
    verdict = r"(\w[\w ,:]*, \d+ of \d+)"
    shown = re.findall(rf"^(\S.*?)  +{verdict}  +{verdict}$", PAPER, flags=re.M)
    frame = saved("claims").frame
    assert set(frame["run"]) == {"full"}
    rows = deciding(frame)
    assert [claim for claim, *_ in shown] == rows["claim"].unique().tolist()
    for claim, *verdicts in shown:
        assert verdicts == [
            f"{row['verdict']}, {row['n_agree']} of {row['n_pairs']}"
            for row in rows[rows["claim"] == claim].to_dict("records")
        ], claim


def test_findings():
    tables = ["table1_augmentation", "table3_initializers"]
    places = report.published_places({name: saved(name) for name in tables})
    ranked = readings_screening.rank(saved("readings").frame)
    findings = report.findings(saved("claims").frame, places, ranked)
    for finding in findings:
        assert f"* {finding}" in " ".join(PAPER.split())
    assert findings[0] in " ".join(README.split())


def test_verdicts_in_the_readme():
    shown = re.findall(r"^(\S.*?)  +(\w[\w ,:]*, \d+ of \d+)$", README, flags=re.M)
    assert len(shown) > 5
    for claim, verdict in shown:
        assert re.search(rf"^{re.escape(claim)}  +{verdict}  ", PAPER, flags=re.M)


def test_the_closest_reading_is_the_most_likely():
    frame = pd.read_csv(RESULTS / "readings.csv", dtype={"hidden_layer_sizes": str})
    ranked = readings_screening.rank(frame)
    most_likely = ranked[~ranked["ruled_out"]].iloc[0]
    closest = readings_screening.to_setting(most_likely)
    assert READINGS["closest"] == {**closest, "epochs": most_likely["epoch"]}
    assert most_likely["n_samples"] == table3_initializers.STUDY.full["n_samples"]
    plain = readings_screening.to_columns(READINGS["plain"])
    same = (
        ranked[readings_screening.SETTING]
        == pd.Series(plain)[readings_screening.SETTING]
    ).all(axis=1) & (ranked["epoch"] == plain["epochs"])
    assert same.any() and ranked[same]["ruled_out"].all()
    # The other settings cannot be determined.
    others = ranked[~ranked["ruled_out"]]
    assert (others["hidden_layer_sizes"] == "2-20-20").mean() > 0.95
    for name in ("batch_size", "dropout_rate", "scaling"):
        assert others[name].nunique() > 1


@pytest.fixture(scope="module")
def calibrated():
    frame = pd.read_csv(RESULTS / "calibration.csv")
    assert set(frame["run"]) == {"full"} and frame["count"].sum() > 20_000
    return calibration.summary(frame).set_index(["measure", "setup"])


def test_calibration_table(calibrated):
    number = r"(\d+\.\d)"
    shown = re.findall(
        rf"^(\S.*?), (\S+|\d+ \S+|\d+ test sets)  +{number} \[{number}, {number}\]  +"
        r"(at most|about) (\S+)$",
        COMPARING,
        flags=re.M,
    )
    assert len(shown) > 9
    for measure, how, *shares, relation, expected in shown:
        row = calibrated.loc[measure, how]
        saved_shares = [f"{100 * row[name]:.1f}" for name in ("share", "low", "high")]
        assert (shares, relation) == (saved_shares, row["relation"])
        assert float(expected) == pytest.approx(100 * row["expected"], rel=1e-2)


def test_levels_hold_except_for_the_stated_cases(calibrated):
    """The page states the error rates of the other cases."""
    wrong = calibrated[calibrated["passed"] == "no"]
    exempt = (*calibration.SKEWED, calibration.NEIGHBORS, "search of")
    names = wrong.index.get_level_values("measure")
    assert len(wrong) and all(name.startswith(exempt) for name in names), wrong


def test_table_of_skewed_differences(calibrated):
    number = r"(\d+\.\d)"
    shown = re.findall(rf"^(\S.*?)  +{number}  +{number}  +{number}$", COMPARING, re.M)
    assert [name for name, *_ in shown] == [*calibration.SKEWED]
    docstring = " ".join(compare.__doc__.split())
    for name, *shares in shown:
        hows = ["10 repetitions", "30 repetitions", "auto"]
        expected = [f"{100 * calibrated.loc[(name, how), 'share']:.1f}" for how in hows]
        assert shares == expected
        assert f"{name} {' '.join(shares)}" in docstring


def test_error_rates_of_searches(calibrated):
    shares = [
        100 * calibrated.loc[("search of 2 trees, 60 points", f"{n} folds"), "share"]
        for n in (2, 3, 5, 10)
    ]
    none, three, five, ten = (f"{share:.1f}" for share in shares)
    assert none == "0.0"
    said = (
        f"{none} % with 2 folds, {three} % with 3, {five} % with 5 and {ten} % with 10"
    )
    assert said in " ".join(COMPARING.split())


def test_table_of_overlapping_splits(calibrated):
    shown = re.findall(r"^``(\w+\(.*\))``  +(.*\])$", COMPARING, flags=re.M)
    assert [name for name, _ in shown] == [*calibration.SPLITTERS]
    for name, said in shown:
        row = 100 * calibrated.loc[calibration.NEIGHBORS, name]
        assert said == f"{row['share']:.1f} [{row['low']:.1f}, {row['high']:.1f}]"


def test_time_of_the_full_run():
    total = re.search(r"in (\d+\.\d) min", (RESULTS / "report.html").read_text())[1]
    for page in (README, PAPER):
        said = re.search(r"at full size in (\d+) minutes", page)[1]
        assert int(said) == round(float(total)) <= 120


def test_saved_results_are_complete():
    for study in STUDIES:
        frame = pd.read_csv(RESULTS / f"{study}.csv")
        assert set(frame["run"]) == {"full"}
        assert (RESULTS / f"{study}.png").is_file()
    grid = pd.read_csv(RESULTS / "table2_grid_search.csv")
    assert len(grid) * 5 == 2 * 30_000  # 5 folds, 2 initializers
