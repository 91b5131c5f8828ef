"""The README's example runs, and what it says of the studies is so."""

import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import docutils.core
import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from benchmarks import paper, report
from benchmarks.measurements import MEASUREMENTS, calibration, speed
from benchmarks.studies import STUDIES, readings_screening, table3_initializers
from benchmarks.studies.claims import deciding
from sklearn_toydnn import DNNClassifier, make_triangle

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.rst").read_text()
RESULTS = ROOT / "benchmarks" / "results"
BLOCKS = [
    re.sub("^    ", "", block, flags=re.M)
    for block in re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", README)
]
EXAMPLE, *QUESTIONS, LOADING = BLOCKS


class Hostile:
    """Runs code where it is unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code has run')",)


def test_the_example_runs_and_prints_scores(capsys):
    code = EXAMPLE
    assert len([line for line in code.splitlines() if line.strip()]) <= 11
    exec(compile(code, "README.rst", "exec"), {})
    scores = [float(score) for score in re.findall(r"0\.\d+", capsys.readouterr().out)]
    assert len(scores) == 3 and min(scores) > 0.8


@pytest.mark.parametrize(
    "code, verdicts, said",
    [
        (QUESTIONS[0], ["better", "worse"], "``orthogonal`` is better by 0.022, ``zer"),
        (QUESTIONS[1], ["better"], "With 800 points copies are better."),
        (QUESTIONS[2], ["worse", "worse"], "The others are worse, though"),
    ],
)
def test_questions_are_answered_as_it_says(code, verdicts, said, capsys):
    assert len([line for line in code.splitlines() if line.strip()]) <= 9
    found = {}
    exec(compile(code, "README.rst", "exec"), found)
    printed = capsys.readouterr().out
    assert re.findall("better|worse|equivalent|undecided", printed) == verdicts
    assert said in README
    if code is QUESTIONS[0]:
        orthogonal = found["found"].summary()["difference"][1]
        assert orthogonal == pytest.approx(0.022, abs=0.001)


def test_the_example_of_loading_is_safe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = LOADING
    X, y = make_triangle(100, random_state=0)
    clf = DNNClassifier(epochs=1, random_state=0).fit(X, y)
    skops.io.dump(clf, "net.skops")
    found = {}
    exec(code, found)
    np.testing.assert_array_equal(found["clf"].predict(X), clf.predict(X))
    clf.callbacks = Hostile()
    joblib.dump(clf, "net.joblib")
    with pytest.raises(SystemExit, match="code has run"):
        joblib.load("net.joblib")
    skops.io.dump(clf, "net.skops")
    with pytest.raises(UntrustedTypesFoundException, match="exec|Hostile"):
        exec(code, {})


def test_the_playground_answers_as_soon_as_it_says():
    table = speed.summary(pd.read_csv(RESULTS / "playground.csv"))
    for row in table.to_dict("records"):
        asked = {"<=": "at most", ">=": "at least"}[row["relation"]]
        line = (
            rf"{re.escape(row['measure'])} +{row['median']:g} +{asked} {row['reach']:g}"
        )
        assert re.search(rf"^{line}$", README, re.M), line


def test_the_table_lists_the_studies():
    listed = re.findall(r"^``(\w+)``  (?!.* test_)", README, flags=re.M)
    assert listed == STUDIES + MEASUREMENTS


def test_each_line_of_what_works_has_its_test():
    shown = re.findall(r"^\S.*  (test_\w+)$", README, flags=re.M)
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("*.py"))
    assert len(shown) > 30
    for name in shown:
        assert len(set(re.findall(rf"def ({name}\w*)\(", tests))) == 1, name


def kept(name):
    """Return a study and its kept results."""
    study = import_module(f"benchmarks.studies.{name}").STUDY
    return SimpleNamespace(study=study, frame=pd.read_csv(RESULTS / f"{name}.csv"))


def test_the_verdicts_are_those_of_the_full_run():
    verdict = r"(\w[\w ,:]*, \d+ of \d+)"
    shown = re.findall(rf"^(\S.*?)  +{verdict}  +{verdict}$", README, flags=re.M)
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
    words = " ".join(README.split())
    for finding in report.findings(kept("claims").frame, places, ranked):
        assert f"* {finding}" in words


def test_the_closest_reading_is_the_likeliest():
    frame = pd.read_csv(RESULTS / "readings.csv", dtype={"hidden_layer_sizes": str})
    ranked = readings_screening.rank(frame)
    likeliest = ranked[~ranked["ruled_out"]].iloc[0]
    closest = readings_screening.to_setting(likeliest)
    assert paper.READINGS["closest"] == {**closest, "epochs": likeliest["epoch"]}
    assert likeliest["n_samples"] == table3_initializers.STUDY.full["n_samples"]
    plain = readings_screening.to_columns(paper.READINGS["plain"])
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


def test_the_calibration_is_that_of_the_full_run():
    number = r"(\d+\.\d)"
    shown = re.findall(
        rf"^(\S.*?), (\S+|\d+ repetitions)  +{number} \[{number}, {number}\]  +"
        r"(at most|as often as) (\S+)$",
        README,
        flags=re.M,
    )
    assert len(shown) == 7
    frame = pd.read_csv(RESULTS / "calibration.csv")
    assert set(frame["run"]) == {"full"} and frame["count"].sum() > 20_000
    table = calibration.summary(frame).set_index(["measure", "how"])
    assert "no" not in set(table["holds"])
    for measure, how, *shares, relation, expected in shown:
        row = table.loc[measure, how]
        found = [f"{100 * row[name]:.1f}" for name in ("share", "low", "high")]
        assert (shares, relation) == (found, row["relation"])
        assert float(expected) == pytest.approx(100 * row["expected"], rel=1e-2)


def test_the_time_is_that_of_the_full_run():
    total = re.search(r"in (\d+\.\d) min", (RESULTS / "report.html").read_text())[1]
    said = re.search(r"at full size in (\d+) minutes", README)[1]
    assert int(said) == round(float(total)) <= 120


def test_the_kept_results_are_whole():
    for study in STUDIES:
        frame = pd.read_csv(RESULTS / f"{study}.csv")
        assert set(frame["run"]) == {"full"}
        assert (RESULTS / f"{study}.png").is_file()
    grid = pd.read_csv(RESULTS / "table2_grid_search.csv")
    assert len(grid) * 5 == 2 * 30_000  # folds, and initializers


@pytest.mark.parametrize("page", ["README.rst", "CHANGELOG.rst", "docs/design.rst"])
def test_it_is_valid(page):
    docutils.core.publish_doctree(
        (ROOT / page).read_text(),
        settings_overrides={"halt_level": 2, "report_level": 2},
    )


def test_its_pictures_exist():
    pictures = re.findall(r"\.\. image:: (\S+)", README)
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).is_file()


@pytest.mark.parametrize("goal", ["-m benchmarks --quick", "-m pytest"])
def test_its_commands_start_from_nothing(goal):
    (command,) = re.findall(rf"^    (python3 -m venv .*{goal})$", README, flags=re.M)
    assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
