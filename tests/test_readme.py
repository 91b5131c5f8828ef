"""The README's example runs, and what it says of the studies is so."""

import re
from pathlib import Path

import docutils.core
import pytest

from benchmarks.__main__ import APART, STUDIES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.rst").read_text()


def test_the_example_runs_and_prints_scores(capsys):
    (block,) = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", README)
    code = re.sub("^    ", "", block, flags=re.M)
    assert len([line for line in code.splitlines() if line.strip()]) <= 11
    exec(compile(code, "README.rst", "exec"), {})
    scores = [float(score) for score in re.findall(r"0\.\d+", capsys.readouterr().out)]
    assert len(scores) == 3 and min(scores) > 0.8


def test_the_table_lists_the_studies():
    assert (
        re.findall(r"^``(\w+)``  (?!.* test_)", README, flags=re.M) == STUDIES + APART
    )


def test_each_line_of_what_works_has_its_test():
    shown = re.findall(r"^\S.*  (test_\w+)$", README, flags=re.M)
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("*.py"))
    assert len(shown) > 30
    for name in shown:
        assert len(set(re.findall(rf"def ({name}\w*)\(", tests))) == 1, name


def test_it_is_valid_and_its_pictures_exist():
    docutils.core.publish_doctree(
        README, settings_overrides={"halt_level": 2, "report_level": 2}
    )
    pictures = re.findall(r"\.\. image:: (\S+)", README)
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).is_file()


@pytest.mark.parametrize("goal", ["-m benchmarks --quick", "-m pytest"])
def test_its_commands_start_from_nothing(goal):
    (command,) = re.findall(rf"^    (python3 -m venv .*{goal})$", README, flags=re.M)
    assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
