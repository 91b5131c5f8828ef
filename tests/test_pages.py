"""The programs and commands of the README and the docs run; the API is complete."""

import inspect
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import docutils.core
import joblib
import numpy as np
import pytest
import skops.io
import yaml
from skops.io.exceptions import UntrustedTypesFoundException

import sklearn_toydnn

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for folder in ("", "docs", "docs/user_guide")
    for path in sorted(ROOT.glob(f"{folder}/*.rst" if folder else "*.rst"))
}
# The verdicts that an example prints; the sentence at its end relies on them.
PRINTED_VERDICTS = {
    "which_initializer": ["worse", "equivalent", "worse", "worse"],
    "dropout": ["equivalent", "better"],
    "augmentation": ["better", "better", "worse"],
    "how_wide_how_deep": ["worse", "better", "better"],
    "early_stopping": ["worse", "worse", "better", "better"],
}
VERDICTS = r"\b(?:better|worse|equivalent|undecided)\b"  # not probability_better
# The last words of commands that no test runs: they install, start a server, or are
# run by .ci/run.
NOT_RUN = {
    "README.rst": ["benchmarks --quick", "pytest", "docs/_build/html", "playground"],
    "CONTRIBUTING.rst": ["-e '.[dev]'", "pytest", "--all-files", "docs/_build/html"],
    "docs/start.rst": ["pip install ."],
    "docs/paper.rst": ["pip install '.[benchmarks]'"],
    "docs/user_guide/playground.rst": ["sklearn_toydnn.playground"],
}


def blocks(page, language):
    """Return the blocks of a page, without their indentation."""
    pattern = rf"^\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)"
    matches = re.findall(pattern, PAGES[page], flags=re.M)
    return [re.sub("^    ", "", block, flags=re.M).strip() + "\n" for block in matches]


def run(program):
    """Run a program of a page and return its global variables."""
    variables = {}
    exec(compile(program, "a page", "exec"), variables)
    return variables


class Malicious:
    """An object that runs code when it is unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code has run')",)


# ---- README


def test_the_readme_is_short():
    assert len(PAGES["README.rst"].splitlines()) <= 120


def test_the_example_runs_and_prints_scores(capsys):
    example, _ = blocks("README.rst", "python")
    assert len([line for line in example.splitlines() if line]) <= 11
    run(example)
    scores = [float(score) for score in re.findall(r"0\.\d+", capsys.readouterr().out)]
    assert len(scores) == 3 and min(scores) > 0.8


@pytest.mark.slow
def test_the_comparison_gives_the_stated_verdicts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    _, comparison = blocks("README.rst", "python")
    run(comparison)
    assert re.findall(VERDICTS, capsys.readouterr().out) == ["equivalent", "worse"]
    assert "``orthogonal`` is equivalent to" in PAGES["README.rst"]
    assert Path("initializers.png").is_file()


def test_the_pictures_exist():
    pictures = re.findall(r"\.\. image:: (\S+)", PAGES["README.rst"])
    assert pictures and all((ROOT / picture).is_file() for picture in pictures)


@pytest.mark.parametrize("goal", ["-m benchmarks --quick", "-m pytest", "_build/html"])
def test_the_commands_create_an_environment(goal):
    (command,) = [
        block for block in blocks("README.rst", "bash") if block.endswith(f"{goal}\n")
    ]
    assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")


# ---- programs and commands of the docs


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Write the programs of the page "Start" to the current folder."""
    monkeypatch.chdir(tmp_path)
    for name, program in zip(
        ["first", "answer"], blocks("docs/start.rst", "python"), strict=True
    ):
        Path(f"{name}.py").write_text(program)


def test_the_first_program_prints_and_draws_as_stated(start, capsys):
    run(Path("first.py").read_text())
    accuracy = re.search(r"test accuracy: ([\d.]+)", capsys.readouterr().out)[1]
    assert float(accuracy) == pytest.approx(0.98, abs=0.01)
    assert "test accuracy of about 0.98" in PAGES["docs/start.rst"]
    assert Path("triangle.png").stat().st_size > 10_000


def test_the_first_comparison_gives_the_stated_verdicts(start, capsys):
    run(Path("answer.py").read_text())
    assert re.findall(VERDICTS, capsys.readouterr().out) == ["equivalent", "worse"]


def test_loading_untrusted_files_is_safe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save, load = blocks("docs/user_guide/saving.rst", "python")
    variables = run(save)
    clf, X = variables["clf"], variables["X"]
    loaded = run(load)["clf"]
    np.testing.assert_array_equal(loaded.predict(X), clf.predict(X))
    clf.callbacks = Malicious()
    joblib.dump(clf, "net.joblib")
    with pytest.raises(SystemExit, match="code has run"):
        joblib.load("net.joblib")
    skops.io.dump(clf, "net.skops")
    with pytest.raises(UntrustedTypesFoundException, match="exec|Malicious"):
        run(load)


@pytest.mark.slow
@pytest.mark.parametrize("name", PRINTED_VERDICTS)
def test_examples_print_the_expected_verdicts(name):
    completed = subprocess.run(
        [sys.executable, ROOT / "examples" / f"plot_{name}.py"],
        env=os.environ | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.findall(VERDICTS, completed.stdout) == PRINTED_VERDICTS[name]


def test_every_program_is_run():
    """The tests above run the code blocks, and pytest runs the doctests."""
    counts = {page: len(blocks(page, "python")) for page in PAGES}
    assert {page: n for page, n in counts.items() if n} == {
        "README.rst": 2,
        "docs/start.rst": 2,
        "docs/user_guide/saving.rst": 2,
    }
    for page, text in PAGES.items():
        n_blocks = len(re.findall(r"\.\. (?:code|code-block|sourcecode)::", text))
        n_found = sum(len(blocks(page, language)) for language in ("python", "bash"))
        assert n_blocks == n_found, page
        assert not re.search(r"^(?!\.\.).*::$", text, re.M), f"{page}: a bare block"
        assert page.startswith("docs/") or ">>>" not in text, f"{page}: a prompt"


def commands():
    """Return the commands that a test runs and, by page, all others."""
    tested, untested = [], {}
    for page in PAGES:
        for block in blocks(page, "bash"):
            ends = NOT_RUN.get(page, [])
            if any(block.endswith(f"{end}\n") for end in ends):
                untested.setdefault(page, []).append(block)
            else:
                tested.append(block)
    return tested, untested


def test_untested_commands_install_or_serve_or_are_run_by_ci():
    _, untested = commands()
    assert {page: len(block_list) for page, block_list in untested.items()} == {
        page: len(ends) for page, ends in NOT_RUN.items()
    }
    ci = (ROOT / ".ci" / "run").read_text().replace('"', "")
    for block in sum(untested.values(), []):
        installs, serves = "pip install" in block, "playground" in block
        by_ci = block.partition(" ")[2].strip() in ci
        assert installs or serves or by_ci, block


@pytest.mark.slow
@pytest.mark.parametrize("command", commands()[0])
def test_commands_run(command, start, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = command.replace(".venv/bin/python", sys.executable)
    subprocess.run(command, shell=True, check=True)


# ---- the pages


@pytest.mark.parametrize("page", ["README.rst", "CHANGELOG.rst", "CONTRIBUTING.rst"])
def test_docutils_reads_the_page_without_sphinx(page):
    docutils.core.publish_doctree(
        PAGES[page], settings_overrides={"halt_level": 2, "report_level": 2}
    )


def public_names():
    """List every public name with its module."""
    names = {(name, "sklearn_toydnn") for name in sklearn_toydnn.__all__}
    for module in ("datasets", "plotting", "memory", "playground"):
        module = import_module(f"sklearn_toydnn.{module}")
        for name, value in vars(module).items():
            is_own = getattr(value, "__module__", "").startswith(module.__name__)
            is_callable = inspect.isfunction(value) or inspect.isclass(value)
            if is_own and is_callable and name[0] != "_":
                is_top_level = name in sklearn_toydnn.__all__
                names |= {(name, "sklearn_toydnn" if is_top_level else module.__name__)}
    return sorted(names)


def test_the_api_lists_every_public_name():
    listed, module = [], None
    for line in PAGES["docs/api.rst"].splitlines():
        if match := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = match[1]
        elif match := re.match(r"   (\w+)$", line):
            listed.append((match[1], module))
    assert sorted(listed) == public_names()


@pytest.mark.parametrize("name, module", public_names())
def test_every_public_name_has_an_example(name, module):
    documentation = getattr(import_module(module), name).__doc__
    assert "\nExamples\n--------\n>>> " in inspect.cleandoc(documentation)


def is_well_formed(link):
    """Return whether the form of an external link is valid, without opening it."""
    parts = urlsplit(link)
    is_host = re.fullmatch(r"([\w-]+\.)+[a-z]{2,}", parts.netloc)
    return bool(parts.scheme == "https" and is_host and link[-1] not in ".,;:)")


@pytest.mark.parametrize(
    "link, is_valid",
    [
        ("https://scikit-learn.org/stable/", True),
        ("http://scikit-learn.org", False),
        ("https://localhost/page", False),
        ("https://scikit-learn.org/stable).", False),
    ],
)
def test_malformed_links_are_detected(link, is_valid):
    assert is_well_formed(link) == is_valid


def test_external_links_are_well_formed():
    paths = [ROOT / name for name in ("setup.cfg", "pyproject.toml", "CITATION.cff")]
    paths += [*ROOT.glob("examples/*"), *ROOT.glob("sklearn_toydnn/**/*.py")]
    paths += ROOT.glob("docs/_build/html/**/[!_]*.html")
    texts = PAGES | {str(path): path.read_text() for path in paths if path.is_file()}
    for source, text in texts.items():
        for link in re.findall(r"""(?<!xmlns=")https?://[^\s`>"'{]+""", text):
            assert is_well_formed(link), (source, link)


def test_the_citation_has_version_and_license():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == sklearn_toydnn.__version__
    assert citation["license"] == "BSD-3-Clause"
    released = f"\n{citation['version']} ({citation['date-released']})\n"
    assert released in PAGES["CHANGELOG.rst"]
