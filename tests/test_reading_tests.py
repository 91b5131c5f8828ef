"""Scores of the published numbers under a reading, and the ranking of readings."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.paper import reading_tests, readings, readings_screening
from benchmarks.paper.published import READINGS
from benchmarks.paper.reading_tests import CELLS, energy_score, judge, quantiles
from benchmarks.paper.readings_screening import GRID, SETTING


def outcomes(n, spread=0.3, shift=0.0, seed=0, table="Table I"):
    """Draw the losses and errors of seeds around the published values."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        common = generator.normal(shift, spread)
        for cell in CELLS[table].to_dict("records"):
            factor = np.exp(common + generator.normal(0, spread, size=2))
            rows.append(
                {
                    "table": table,
                    "n_samples": 4000 if table == "Table I" else 2000,
                    "cell": cell["cell"],
                    "seed": number,
                    "min_val_loss": cell["published_loss"] * factor[0],
                    "max_val_accuracy": 1
                    - (1 - cell["published_accuracy"]) * factor[1],
                }
            )
    return pd.DataFrame(rows)


def test_the_energy_score_is_smallest_for_the_truth():
    """On average, a forecast that is too narrow or too wide scores worse."""
    generator = np.random.default_rng(0)

    def mean_score(spread, shift=0.0):
        return np.mean(
            [
                energy_score(
                    generator.normal(shift, spread, size=(30, 12)),
                    generator.normal(size=12),
                )
                for _ in range(300)
            ]
        )

    true = mean_score(1.0)
    assert true < min(mean_score(0.4), mean_score(2.5), mean_score(1.0, shift=0.5))


def test_the_energy_score_does_not_depend_on_the_number_of_seeds():
    generator = np.random.default_rng(0)
    few, many = (
        np.mean(
            [
                energy_score(generator.normal(size=(n, 3)), generator.normal(size=3))
                for _ in range(4000)
            ]
        )
        for n in (3, 30)
    )
    assert few == pytest.approx(many, rel=0.03)


def test_in_one_dimension_it_is_known():
    """|x - y| on average, less half of the mean distance within the forecast."""
    forecast, outcome = np.array([[0.0], [1.0], [3.0]]), np.array([2.0])
    assert energy_score(forecast, outcome) == pytest.approx((2 + 1 + 1) / 3 - 2 / 2)


def test_quantiles():
    forecast = np.array([[1.0, 1.0, 5.0], [2.0, 2.0, 5.0]])
    np.testing.assert_array_equal(
        quantiles(forecast, np.array([1.5, 0.0, 5.0])), [0.5, 0.0, 0.5]
    )


def test_a_true_reading_is_seldom_ruled_out():
    """The published numbers are one more seed of the reading."""
    results = []
    for seed in range(60):
        rows = outcomes(31, seed=seed)
        one = rows[rows["seed"] == 30].set_index("cell")
        published = CELLS["Table I"].set_index("cell")
        published["published_loss"] = one["min_val_loss"]
        published["published_accuracy"] = one["max_val_accuracy"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(CELLS, "Table I", published.reset_index())
            results.append(judge(rows[rows["seed"] < 30].assign(r=0), ["r"]).iloc[0])
    results = pd.DataFrame(results)
    for name in ("p_score", "p_extreme", "p_central"):
        assert (results[name] <= 0.1).mean() <= 0.2
        assert results[name].mean() == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize(
    "shape, small",
    [
        ({"spread": 0.02, "shift": 1.0}, ["p_score", "p_extreme"]),
        ({"spread": 1.5}, ["p_central"]),
    ],
)
def test_a_false_reading_is_detected(shape, small):
    """A shifted reading is too extreme; a wide reading is too central."""
    row = judge(outcomes(30, **shape).assign(r=0), ["r"]).iloc[0]
    for name in ("p_score", "p_extreme", "p_central"):
        assert (row[name] < 0.05) == (name in small), name


def test_an_error_of_0_counts_as_half_a_validation_point():
    rows = outcomes(3).assign(max_val_accuracy=1.0)
    ours, _ = reading_tests.vectors(rows)
    np.testing.assert_allclose(np.exp(ours[:, 6:]), 0.5 / 800)


# ---- the readings


@pytest.fixture
def three_readings():
    """Return a true reading, a false one, and one that fits Table I only."""
    parts = []
    for batch, shifts in {32: (0.0, 0.0), 50: (2.0, 2.0), 64: (0.0, 2.0)}.items():
        for table, shift in zip(CELLS, shifts, strict=True):
            setting = readings_screening.to_columns(
                {**GRID[0], "hidden_layer_sizes": [2]}
            )
            setting |= {"optimizer": "adam", "batch_size": batch, "dropout_rate": 0.2}
            rows = outcomes(30, spread=0.2, shift=shift, table=table)
            parts.append(rows.assign(**setting | {"scaling": "standard", "epoch": 100}))
    return pd.concat(parts)


def test_readings_are_ranked_and_ruled_out(three_readings):
    ranked = readings_screening.rank(three_readings)
    assert ranked["batch_size"].tolist() == [32, 64, 50]
    assert ranked["ruled_out"].tolist() == [False, True, True]
    assert ranked["score"].tolist() == pytest.approx(
        (ranked["score I"] + ranked["score III"]).tolist()
    )


def test_the_choice_of_one_table_is_tested_on_the_other(three_readings):
    checked = readings.cross_check(readings_screening.rank(three_readings))
    assert checked["tested on"].tolist() == ["Table III", "Table I"]
    assert "batch 32" in checked["reading"][1]  # the only one that fits Table III
    assert checked["rank, tested table"][1] in ("1 of 3", "2 of 3")
    assert checked["p-value, tested table"][1] > 0.1
    others = three_readings[three_readings["batch_size"] != 32]
    by_one = readings.cross_check(readings_screening.rank(others))
    assert "batch 64" in by_one["reading"][0]
    assert (
        by_one["p-value, choosing table"][0] > 0.1 > by_one["p-value, tested table"][0]
    )


def test_the_better_half_and_the_plain_reading_get_many_seeds():
    settings = [*readings_screening.ParameterGrid(GRID)]
    assert len(settings) == 32
    frames = []
    for place, setting in enumerate(settings):
        for table in CELLS:
            rows = outcomes(3, spread=0.01, shift=place, table=table)
            columns = readings_screening.to_columns(setting)
            frames.append(rows.assign(**columns, epoch=100))
    tasks = [*readings.tasks(pd.concat(frames), seeds=2, epochs=100)]
    chosen = [task["setting"] for task in tasks[::2]]
    assert chosen[:16] == settings[:16]
    plain = {name: READINGS["plain"][name] for name in SETTING}
    assert plain in chosen and len(chosen) in (16, 17)
    assert [task["seed"] for task in tasks[:2]] == [0, 1]


def test_settings_survive_a_table():
    for setting in readings_screening.ParameterGrid(GRID):
        columns = readings_screening.to_columns(setting)
        assert readings_screening.to_setting(columns) == setting
