"""The README's example runs, and what it says of the studies is so."""

import re
from pathlib import Path

import docutils.core
import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from benchmarks.measurements import MEASUREMENTS, calibration
from benchmarks.studies import STUDIES
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


def test_the_table_lists_the_studies():
    listed = re.findall(r"^``(\w+)``  (?!.* test_)", README, flags=re.M)
    assert listed == STUDIES + MEASUREMENTS


def test_each_line_of_what_works_has_its_test():
    shown = re.findall(r"^\S.*  (test_\w+)$", README, flags=re.M)
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("*.py"))
    assert len(shown) > 30
    for name in shown:
        assert len(set(re.findall(rf"def ({name}\w*)\(", tests))) == 1, name


def test_the_claims_are_those_of_the_full_run():
    number = r"(-?\d\.\d{4})"
    shown = re.findall(
        rf"^(\S.*?)  +{number} \[{number}, {number}\]  +(\w.*)$", README, flags=re.M
    )
    assert len(shown) > 50
    claims = pd.read_csv(RESULTS / "claims.csv").set_index("claim")
    assert set(claims["run"]) == {"full"}
    for claim, *numbers, verdict in shown:
        row = claims.loc[claim]
        found = [f"{row[name]:.4f}" for name in ("effect", "ci_low", "ci_high")]
        assert (numbers, verdict) == (found, row["verdict"]), claim
    papers = claims[~claims["source"].str.startswith("ours")]["verdict"]
    n = papers.value_counts()
    said = re.search(r"Of the \d+ ways.*?\.", README, flags=re.S)[0]
    assert " ".join(said.split()) == (
        f"Of the {len(papers)} ways in which the paper's claims were asked, "
        f"{n['holds']} hold, {n['does not hold']} do not, "
        f"{n['not distinguishable from seed noise']} cannot be told from seed noise "
        f"and {n['cannot be tested as published']} cannot be tested as published."
    )


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


def test_the_times_are_those_of_the_full_run():
    report = (RESULTS / "report.html").read_text()
    total = float(re.search(r"in (\d+\.\d) min by", report)[1])
    grid = max(map(float, re.findall(r"Took (\d+\.\d) min", report)))
    said = re.search(r"in (\d+) minutes on.* in (\d+) of.* in (\d+)\.", README, re.S)
    assert [int(n) for n in said.groups()] == [
        round(n) for n in (total, grid, total - grid)
    ]


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
