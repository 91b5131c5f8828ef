"""What README and docs say of kept results and of tests is so."""

import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

pytest.importorskip("jinja2", reason="the extra benchmarks is not installed")

from benchmarks.measurements import MEASUREMENTS, calibration, speed
from benchmarks.paper import STUDIES, readings_screening, report, table3_initializers
from benchmarks.paper.claims import deciding
from benchmarks.paper.published import READINGS
from sklearn_toydnn import compare

ROOT = Path(__file__).parents[1]
README, PAPER, TROUBLE, COMPARING, PLAYGROUND, AT_HOME, FAST = (
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
# What the table of docs/fast.rst calls the measures of speed.csv.
SPEED = {
    "scikeras, time of a fit over ours": "fit: scikeras / ours",
    "skorch, the same": "fit: skorch / ours",
    "``MLPClassifier``, the same": "fit: MLPClassifier / ours",
    "a hand-written JAX loop, the same": "fit: JAX / ours",
    "a hand-written C++ loop, the same": "fit: C++ / ours",
    "scikeras over our first fit, which compiles": "first fit: scikeras / ours",
    "the same in a new process, program on disk": f"{speed.FIRST}: scikeras / ours",
    "a fit, ms": "fit: ours, ms",
    "a first fit, ms": "fit: ours, first, ms",
    "the same in a new process, program on disk, ms": f"fit: {speed.FIRST}, ms",
    "a fit outside its epochs, ms": "fit outside its epochs, ms",
    "a fit found in ``memory``, ms": "fit found in memory, ms",
    "``predict_proba`` on 800 rows, ms": "predict_proba on 800 rows, ms",
    "grid of 20 structures, two workers, ms a fit": (
        "grid of 20 structures, n_jobs=2, ms per fit"
    ),
    "the same, programs on disk": "grid of 20 structures on disk, n_jobs=2, ms per fit",
    "six initializers compared 30 times, n_jobs=2, s": (
        "compare six initializers 30 times, n_jobs=2, s"
    ),
    "``compare`` over a plain loop, the same": (
        "compare / a plain loop that does the same"
    ),
    "a 784-512-512-10 network, Keras over ours": (
        "fit of 784-512-512-10: keras.Model.fit / ours"
    ),
}


def test_it_is_as_fast_as_it_says():
    shown = re.findall(r"^(\S.*?) +([\d.]+) +([\d.]+) to ([\d.]+)$", FAST, flags=re.M)
    assert [measure for measure, *_ in shown] == [*SPEED]
    values = pd.read_csv(RESULTS / "speed.csv").groupby("measure")["value"]
    for measure, *said in shown:
        found = values.get_group(SPEED[measure])
        for number, of in zip(said, ("median", "min", "max"), strict=True):
            n_digits = len(number.partition(".")[2])
            assert f"{found.agg(of):.{n_digits}f}" == number, (measure, of)


def test_the_playground_answers_as_soon_as_it_says():
    table = speed.summary(pd.read_csv(RESULTS / "playground.csv"))
    for row in table.to_dict("records"):
        asked = {"<=": "at most", ">=": "at least"}[row["relation"]]
        line = (
            rf"{re.escape(row['measure'])} +{row['median']:g} +{asked} {row['reach']:g}"
        )
        assert re.search(rf"^{line}$", PLAYGROUND, re.M), line


def test_the_table_lists_the_studies():
    listed = re.findall(r"^``(\w+)``  ", PAPER, flags=re.M)
    assert listed == STUDIES + MEASUREMENTS


def test_each_line_of_what_works_has_its_test():
    shown = re.findall(r"^\S.*  (test_\w+)$", AT_HOME, flags=re.M)
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
        ("files of an interrupted run damaged", "damaged files"),
        ("full disks", "full disks"),
    ],
)
def test_it_has_withstood_as_much_as_it_says(tried, kind, survived):
    """In a run of all slow tests, which counts what they have tried."""
    said = re.search(rf"^{tried} +([\d,]+) +``pytest -m slow", TROUBLE, flags=re.M)[1]
    if not survived[kind]:
        pytest.skip("the tests that try it have not been run in this process")
    assert survived[kind] >= int(said.replace(",", ""))


def kept(name):
    """Return a study and its kept results."""
    study = import_module(f"benchmarks.paper.{name}").STUDY
    return SimpleNamespace(study=study, frame=pd.read_csv(RESULTS / f"{name}.csv"))


def test_the_verdicts_are_those_of_the_full_run():
    verdict = r"(\w[\w ,:]*, \d+ of \d+)"
    shown = re.findall(rf"^(\S.*?)  +{verdict}  +{verdict}$", PAPER, flags=re.M)
    frame = kept("claims").frame
    assert set(frame["run"]) == {"full"}
    rows = deciding(frame)
    assert [claim for claim, *_ in shown] == rows["claim"].unique().tolist()
    for claim, *verdicts in shown:
        assert verdicts == [
            f"{row['verdict']}, {row['n_agree']} of {row['n_pairs']}"
            for row in rows[rows["claim"] == claim].to_dict("records")
        ], claim


def test_what_it_says_in_short_is_what_the_run_found():
    tables = ["table1_augmentation", "table3_initializers"]
    places = report.published_places({name: kept(name) for name in tables})
    ranked = readings_screening.rank(kept("readings").frame)
    findings = report.findings(kept("claims").frame, places, ranked)
    for finding in findings:
        assert f"* {finding}" in " ".join(PAPER.split())
    assert findings[0] in " ".join(README.split())


def test_the_readme_shows_some_of_the_verdicts():
    shown = re.findall(r"^(\S.*?)  +(\w[\w ,:]*, \d+ of \d+)$", README, flags=re.M)
    assert len(shown) > 5
    for claim, verdict in shown:
        assert re.search(rf"^{re.escape(claim)}  +{verdict}  ", PAPER, flags=re.M)


def test_the_closest_reading_is_the_likeliest():
    frame = pd.read_csv(RESULTS / "readings.csv", dtype={"hidden_layer_sizes": str})
    ranked = readings_screening.rank(frame)
    likeliest = ranked[~ranked["ruled_out"]].iloc[0]
    closest = readings_screening.to_setting(likeliest)
    assert READINGS["closest"] == {**closest, "epochs": likeliest["epoch"]}
    assert likeliest["n_samples"] == table3_initializers.STUDY.full["n_samples"]
    plain = readings_screening.to_columns(READINGS["plain"])
    same = (
        ranked[readings_screening.SETTING]
        == pd.Series(plain)[readings_screening.SETTING]
    ).all(axis=1) & (ranked["epoch"] == plain["epochs"])
    assert same.any() and ranked[same]["ruled_out"].all()
    # What it was of the others cannot be told.
    others = ranked[~ranked["ruled_out"]]
    assert (others["hidden_layer_sizes"] == "2-20-20").mean() > 0.95
    for name in ("batch_size", "dropout_rate", "scaling"):
        assert others[name].nunique() > 1


@pytest.fixture(scope="module")
def calibrated():
    frame = pd.read_csv(RESULTS / "calibration.csv")
    assert set(frame["run"]) == {"full"} and frame["count"].sum() > 20_000
    return calibration.summary(frame).set_index(["measure", "how"])


def test_the_calibration_is_that_of_the_full_run(calibrated):
    number = r"(\d+\.\d)"
    shown = re.findall(
        rf"^(\S.*?), (\S+|\d+ \S+|\d+ test sets)  +{number} \[{number}, {number}\]  +"
        r"(at most|as often as) (\S+)$",
        COMPARING,
        flags=re.M,
    )
    assert len(shown) > 9
    for measure, how, *shares, relation, expected in shown:
        row = calibrated.loc[measure, how]
        found = [f"{100 * row[name]:.1f}" for name in ("share", "low", "high")]
        assert (shares, relation) == (found, row["relation"])
        assert float(expected) == pytest.approx(100 * row["expected"], rel=1e-2)


def test_levels_hold_but_for_skewed_differences(calibrated):
    """And but for overlapping splits: the page says how often these are wrong."""
    wrong = calibrated[calibrated["holds"] == "no"]
    exempt = (*calibration.SKEWED, calibration.NEIGHBOURS, "search of")
    names = wrong.index.get_level_values("measure")
    assert len(wrong) and all(name.startswith(exempt) for name in names), wrong


def test_skewed_differences_are_as_wrong_as_it_says(calibrated):
    number = r"(\d+\.\d)"
    shown = re.findall(rf"^(\S.*?)  +{number}  +{number}  +{number}$", COMPARING, re.M)
    assert [name for name, *_ in shown] == [*calibration.SKEWED]
    docstring = " ".join(compare.__doc__.split())
    for name, *shares in shown:
        hows = ["10 repetitions", "30 repetitions", "auto"]
        found = [f"{100 * calibrated.loc[(name, how), 'share']:.1f}" for how in hows]
        assert shares == found
        assert f"{name} {' '.join(shares)}" in docstring


def test_searches_are_as_wrong_as_it_says(calibrated):
    shares = [
        100 * calibrated.loc[("search of 2 trees, 60 points", f"{n} folds"), "share"]
        for n in (2, 3, 5, 10)
    ]
    none, three, five, ten = (f"{share:.1f}" for share in shares)
    assert none == "0.0"
    said = (
        f"none is wrong with 2 folds, {three} with 3, {five} with 5 and {ten} with 10"
    )
    assert said in " ".join(COMPARING.split())


def test_overlapping_splits_are_as_wrong_as_it_says(calibrated):
    shown = re.findall(r"^``(\w+\(.*\))``  +(.*\])$", COMPARING, flags=re.M)
    assert [name for name, _ in shown] == [*calibration.SPLITTERS]
    for name, said in shown:
        row = 100 * calibrated.loc[calibration.NEIGHBOURS, name]
        assert said == f"{row['share']:.1f} [{row['low']:.1f}, {row['high']:.1f}]"


def test_the_time_is_that_of_the_full_run():
    total = re.search(r"in (\d+\.\d) min", (RESULTS / "report.html").read_text())[1]
    for page in (README, PAPER):
        said = re.search(r"at full size in (\d+) minutes", page)[1]
        assert int(said) == round(float(total)) <= 120


def test_the_kept_results_are_whole():
    for study in STUDIES:
        frame = pd.read_csv(RESULTS / f"{study}.csv")
        assert set(frame["run"]) == {"full"}
        assert (RESULTS / f"{study}.png").is_file()
    grid = pd.read_csv(RESULTS / "table2_grid_search.csv")
    assert len(grid) * 5 == 2 * 30_000  # folds, and initializers
