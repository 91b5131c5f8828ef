"""The facts from the authors' notebooks, and the studies of their runs."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("jinja2", reason="the extra benchmarks is not installed")

from benchmarks import _runner
from benchmarks._code_hash import SOURCES, hash_code_of
from benchmarks.paper import (
    authors_replay,
    authors_runs,
    shared_optimizer,
    table2_authors,
)
from benchmarks.paper.authors import (
    FIGURE3,
    ShiftedCopies,
    draw_points,
    draw_shift,
    make_table1_data,
)
from benchmarks.paper.published import TABLE1, TABLE2, name_of_copies
from sklearn_toydnn import make_triangle
from sklearn_toydnn.datasets import label_triangle


@pytest.mark.parametrize("n_samples", [2000, 4000])
def test_the_points_are_those_of_the_notebooks(n_samples):
    points = draw_points(n_samples)
    assert points.shape == (n_samples, 2)
    np.testing.assert_allclose(points[0], [-31.60811883, -29.54397214], atol=5e-9)
    # The first labels that the notebook prints.
    printed = [0, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert label_triangle(points[:10]).tolist() == printed


@pytest.mark.parametrize("fraction, std", [(0.0, 0.0), (0.1, 1.0), (0.2, 3.0)])
def test_copies_are_the_first_points_moved_by_one_shift(fraction, std):
    X, y, X_val, y_val = make_table1_data(fraction, std)
    n_copies = round(3200 * fraction)
    assert (len(X), len(X_val)) == (3200 + n_copies, 800)
    moved = X[3200:] - X[:n_copies]
    np.testing.assert_allclose(50 * moved, np.tile(draw_shift(std), (n_copies, 1)))
    np.testing.assert_allclose(draw_shift(std), std * np.array([0.655, -0.519]), 1e-3)
    np.testing.assert_array_equal(y, label_triangle(50 * X))
    np.testing.assert_array_equal(y_val, label_triangle(50 * X_val))


def test_a_shift_may_be_drawn():
    X, y = make_triangle(100, random_state=0)
    shifts = []
    for seed in (0, 0, 1):
        copies = ShiftedCopies(label_triangle, 0.1, 2.0, random_state=seed)
        X_new, y_new = copies.fit_resample(X, y)
        assert len(X_new) == len(y_new) == 110
        shifts.append((X_new[100:] - X[:10])[0])
        np.testing.assert_allclose(X_new[100:], X[:10] + shifts[-1])
        np.testing.assert_array_equal(y_new[100:], label_triangle(X_new[100:]))
    np.testing.assert_array_equal(shifts[0], shifts[1])
    assert (shifts[0] != shifts[2]).all()


def test_the_log_is_that_of_table_1():
    log = authors_runs.read_log()
    assert (log.groupby("cell").size() == 500).all() and log["cell"].nunique() == 7
    first = log[log["epoch"] == 1].set_index("cell")[authors_runs.SCORES]
    assert first.loc["no copies"].tolist() == [0.6649, 0.5425, 0.64, 0.575]
    assert first.loc["10% copies, σ = 3"].tolist() == [0.6648, 0.5526, 0.6366, 0.6562]
    best = log.groupby("cell").agg(
        loss=("val_loss", "min"), accuracy=("val_accuracy", "max")
    )
    for row in TABLE1.to_dict("records"):
        cell = best.loc[name_of_copies(row["fraction"], row["std"])]
        # The paper cuts some of the digits that the notebooks print.
        assert (
            row["published_loss"] - 5e-4 <= cell["loss"] <= row["published_loss"] + 1e-3
        )
        assert cell["accuracy"] == pytest.approx(row["published_accuracy"], abs=1.01e-4)


def test_results_depend_on_the_program_that_replays():
    """It runs in its own process, but cached results must change with its code."""
    study, replay = authors_runs.__name__, authors_replay.__name__
    changed = SOURCES | {replay: SOURCES[replay] + "\n"}
    assert hash_code_of(study, changed) != hash_code_of(study)


def test_figure_3_has_twenty_points():
    assert FIGURE3.groupby("function").size().to_dict() == {"f1": 10, "f2": 5, "f3": 5}
    n_val = FIGURE3["n_samples"] / 5
    counts = FIGURE3["published_accuracy"] * n_val
    # Four printed digits. Two accuracies are not multiples of 1 / n_val, as printed.
    off = np.abs(counts - counts.round()) > n_val * 1.01e-4
    assert FIGURE3[off][["function", "n_samples"]].to_numpy().tolist() == [
        ["f1", 2600],
        ["f2", 4000],
    ]


def test_rules_that_look_at_no_point_reach_the_published_accuracies():
    rules = table2_authors.rules()
    assert rules["majority"].round(6).to_dict() == {
        "f1": 0.523125,
        "f2": 0.4875,
        "f3": 0.5775,
    }
    assert rules["always 1"].round(6).to_dict() == {
        "f1": 0.476875,
        "f2": 0.50625,
        "f3": 0.5775,
    }
    published = TABLE2.set_index("function")["published_accuracy"]
    reached = [
        rules.loc[f, "always 1" if f == "f2" else "majority"] for f in published.index
    ]
    # Cut to four digits.
    assert [np.floor(1e4 * value) / 1e4 for value in reached] == published.tolist()


def test_the_search_of_the_authors_has_1200_candidates():
    tasks = list(table2_authors.tasks(**table2_authors.STUDY.full))
    sizes = [
        np.prod([len(values) for values in task["grid"].values()]) for task in tasks
    ]
    assert sum(sizes) == len(table2_authors._in_order()) == 1200
    first = table2_authors._in_order()[0]
    assert first == {
        "output_activation": "sigmoid",
        "activation": "sigmoid",
        "dropout_rate": 0.3,
        "units": 5,
        "optimizer": "SGD",
    }


@pytest.mark.slow
def test_a_shared_optimizer_starts_with_larger_steps():
    new, used = (
        shared_optimizer.measure(seed=0, counter=counter, epochs=2, memory=None)
        for counter in (0, 6400)
    )
    assert used["min_val_loss"][0] < new["min_val_loss"][0] / 1.5


def test_without_keras_2_the_saved_result_is_used(tmp_path, monkeypatch, capsys):
    saved, output = tmp_path / "saved", tmp_path / "output"
    saved.mkdir(), output.mkdir()
    frame = pd.read_csv(_runner.SAVED / "authors_runs.csv")
    frame[frame["cell"] == "no copies"].to_csv(saved / "authors_runs.csv", index=False)
    monkeypatch.setattr(_runner, "SAVED", saved)
    study = authors_runs.STUDY
    object.__setattr__(study, "requires", ("no_such_module",))
    try:
        done = _runner.run(["authors_runs"], quick=True, output=output, n_jobs=1)
    finally:
        object.__setattr__(study, "requires", ("tf_keras",))
    assert set(done["authors_runs"].frame["run"]) == {"full"}
    assert (output / "authors_runs.png").is_file()
    printed = capsys.readouterr().out
    assert "no_such_module is not installed" in printed and "full run: " in printed
    assert "sklearn-toydnn[authors]" in printed and "quick run" not in printed
