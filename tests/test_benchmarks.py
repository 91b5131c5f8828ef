"""Each study on a tiny setting, and the command line."""

import subprocess
import sys
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from matplotlib import image

from benchmarks import paper
from benchmarks.__main__ import STUDIES, main
from benchmarks._study import interval, run

TINY = {
    "figure1_datasets": {"seeds": 2, "n_samples": 50},
    "figure2_loss_curves": {"seeds": 2, "n_samples": 50, "epochs": 2},
    "figure3_sample_size": {"seeds": 2, "sizes": [50, 100], "epochs": 1},
    "table1_augmentation": {"seeds": 2, "n_samples": 50, "epochs": 1},
    "table2_grid_search": {
        "seeds": 2,
        "n_samples": 50,
        "epochs": 1,
        "folds": 2,
        "optimizer": ["SGD"],
        "activation": ["sigmoid"],
        "output_activation": ["sigmoid"],
        "units": [5],
        "dropout_rate": [0.3],
    },
    "table3_initializers": {"seeds": 2, "n_samples": 50, "epochs": 1},
}
# Rows of the tiny setting, and the columns that together name one of them.
ROWS = {
    "figure1_datasets": (2 * 3 * 50, ["function", "seed", "x0", "x1"]),
    "figure2_loss_curves": (2 * 2 * 2, ["seed", "points", "epoch"]),
    "figure3_sample_size": (2 * 2 * 3, ["seed", "function", "n_samples"]),
    "table1_augmentation": (2 * 7, ["seed", "fraction", "std"]),
    "table2_grid_search": (2 * 3, ["seed", "function"]),
    "table3_initializers": (2 * 7, ["seed", "initializer"]),
}
SCORED = ["min_val_loss", "max_val_accuracy", "test_accuracy"]
MEASURED = {
    "figure1_datasets": ["label"],
    "figure2_loss_curves": ["loss", "accuracy", "test_accuracy"],
    "figure3_sample_size": SCORED,
    "table1_augmentation": SCORED,
    "table2_grid_search": ["accuracy", "majority"],
    "table3_initializers": SCORED,
}


@pytest.mark.parametrize("name", STUDIES)
def test_each_study_leaves_its_csv_and_picture(name, tmp_path, monkeypatch, capsys):
    study = import_module(f"benchmarks.{name}")
    monkeypatch.setattr(study, "QUICK", TINY[name])
    run(study, quick=True, output=tmp_path, n_jobs=1)

    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.csv", f"{name}.png"}
    frame = pd.read_csv(tmp_path / f"{name}.csv")
    n_rows, key = ROWS[name]
    assert len(frame) == n_rows and not frame.duplicated(key).any()
    assert (frame["run"] == "quick").all()
    assert np.isfinite(frame[MEASURED[name]]).all(axis=None)
    assert image.imread(tmp_path / f"{name}.png").std() > 0.05
    printed = capsys.readouterr().out
    assert "quick run, not the study" in printed
    assert "seeds 2" in printed


def test_published_values_stand_beside_ours(tmp_path, monkeypatch):
    for name, key in [
        ("table1_augmentation", ["fraction", "std"]),
        ("table3_initializers", ["initializer"]),
    ]:
        study = import_module(f"benchmarks.{name}")
        monkeypatch.setattr(study, "QUICK", {**TINY[name], "seeds": 1})
        frame = run(study, quick=True, output=tmp_path, n_jobs=1)
        published = {"table1_augmentation": paper.TABLE1}.get(name, paper.TABLE3)
        ours = frame.dropna(subset="published_loss")[published.columns]
        pd.testing.assert_frame_equal(
            ours.sort_values(key, ignore_index=True),
            published.sort_values(key, ignore_index=True),
        )


def test_seeds_are_repetitions(tmp_path, monkeypatch):
    study = import_module("benchmarks.table3_initializers")
    monkeypatch.setattr(study, "QUICK", TINY["table3_initializers"])
    frame = run(study, quick=True, output=tmp_path, n_jobs=1)
    again = run(study, quick=True, output=tmp_path, n_jobs=2)
    pd.testing.assert_frame_equal(frame, again)
    by_seed = frame.set_index(["initializer", "seed"])["min_val_loss"].unstack()
    assert (by_seed[0] != by_seed[1]).all()


def test_table2_is_the_papers_grid():
    from benchmarks import table2_grid_search as study

    tasks = list(study.tasks(**study.FULL))
    fits = sum(
        np.prod([len(values) for values in task["grid"].values()]) * task["folds"]
        for task in tasks
    )
    assert fits == 30_000


def test_interval_is_students():
    low, high = interval([1.0, 2.0, 3.0])
    assert (low + high) / 2 == 2.0
    assert high - 2.0 == pytest.approx(4.302653 / np.sqrt(3))  # t(0.975, 2) sd / sqrt n


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["figure9"], "no study 'figure9'; there are figure1_datasets"),
        (["--n-jobs", "0"], "must be a number of processes"),
        (["--n-jobs", "many"], "must be a number of processes"),
        (["--output", "/dev/null/results"], "cannot write to '/dev/null/results'"),
    ],
)
def test_bad_arguments_are_one_line_and_status_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_each_script_runs_alone(tmp_path):
    for module in ["benchmarks", "benchmarks.figure1_datasets"]:
        study = ["figure1_datasets"] if module == "benchmarks" else []
        output = tmp_path / module
        subprocess.run(
            [sys.executable, "-m", module, *study, "--quick", "--output", output],
            check=True,
            capture_output=True,
        )
        assert len(list(output.iterdir())) == 2


@pytest.mark.slow
def test_speed_measures_everything_it_names(tmp_path, monkeypatch):
    from benchmarks import speed

    data = speed._data
    monkeypatch.setattr(speed, "_data", lambda n=200: data(n if n == 10_000 else 200))
    monkeypatch.setattr(speed, "FULL", {"repeats": 1, "memory_fits": 520})
    frame = run(speed, quick=False, output=tmp_path, n_jobs=2)
    optional = {"fit: skorch / ours", "fit: JAX / ours"}
    assert set(speed.REACH) - optional <= set(frame["measure"]) <= set(speed.REACH)
    assert np.isfinite(frame["value"]).all()
    table = speed.summary(frame).set_index("measure")
    assert table.loc["memory growth, kB per fit", "relation"] == "<="
    assert set(table["holds"]) <= {"yes", "no"}
    assert (tmp_path / "speed.png").is_file()


def test_speed_tells_what_holds_from_what_does_not():
    from benchmarks import speed

    rows = [("fit: scikeras / ours", i, value) for i, value in enumerate([1.0, 200.0])]
    rows += [("predict_proba on 800 rows, ms", 0, 2.0)]
    frame = speed.measure(lambda: rows)
    assert speed.summary(frame)["holds"].tolist() == ["no", "yes"]
    assert speed.summary(frame)["median"].tolist() == [100.5, 2.0]
