"""Open settings of the paper: all readings, over a few seeds.

The paper omits several settings, or contradicts itself. It mentions both two hidden
layers of 20 units and "four layers". The two statements agree if a layer of 2 units
comes first. The optimizer, the batch size, the dropout rate, the scaling of the points
and the number of epochs are open too. For Table III, the number of points is also open:
its accuracies are multiples of 1/400, as with 400 validation points of 2,000, while
those of Table I are multiples of 1/800. This study trains Tables I and III under every
combination. One training history gives the scores for all numbers of epochs. The better
half of the settings, and the plain reading, then get many seeds (study readings). The
few seeds of this study are too few to rule out a reading.

We fixed the grid and the ranking of readings before the first run. We fixed the share
that gets many seeds, and the rule that rules out a reading, after the runs with six
seeds and before those with many seeds. The grid omits dropout after every layer, noisy
copies among the validation points, and other learning rates.
"""

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from sklearn.model_selection import ParameterGrid

from .._figures import new_figure
from .._study import Study
from . import reading_tests
from .networks import make_augmented, make_initialized, repeat
from .published import MAKERS, READINGS, TABLE1, TABLE3, name_of_copies
from .summaries import SCORE_OF, pick

NETWORKS, SCALINGS = [(20, 20), (2, 20, 20)], ["standard", "x / 50"]
GRID = [
    {
        "hidden_layer_sizes": NETWORKS,
        "optimizer": ["adam"],
        "batch_size": [32, 50],
        "dropout_rate": [0.1, 0.2, 0.3],
        "scaling": SCALINGS,
    },
    {
        "hidden_layer_sizes": NETWORKS,
        "optimizer": ["sgd", "rmsprop"],
        "batch_size": [32],
        "dropout_rate": [0.2],
        "scaling": SCALINGS,
    },
]
SETTING = [*GRID[0]]
N_SAMPLES = {"Table I": [4000], "Table III": [2000, 4000]}
LEVEL = 0.05
FIRST = 10  # the smallest number of epochs of a reading


def tasks(grid, seeds, epochs):
    """Yield the repetitions of each setting."""
    for setting, seed in product(ParameterGrid(grid), range(seeds)):
        yield {"setting": setting, "epochs": epochs, "seed": seed}


def work(grid, seeds, epochs):
    """Return the amount of training, in points times epochs."""
    return work_of(len(ParameterGrid(grid)) * seeds, epochs)


def work_of(n_repetitions, epochs):
    """Return the amount of training in a number of repetitions."""
    return n_repetitions * 6 * epochs * sum(map(sum, N_SAMPLES.values()))


def measure(setting, epochs, seed, memory):
    """Return a row for each cell of both tables and number of epochs."""
    reading = {**setting, "epochs": epochs}
    arms = zip(TABLE1["fraction"], TABLE1["std"], strict=True)
    nets = {
        "Table I": {
            (name_of_copies(*arm),): make_augmented(reading, *arm, memory=memory)
            for arm in arms
        },
        "Table III": {
            (name,): make_initialized(reading, name, memory=memory)
            for name in TABLE3["initializer"]
        },
    }
    parts = [
        repeat(nets[table], ["cell"], MAKERS["f1"], n_samples, seed).assign(
            table=table, n_samples=n_samples
        )
        for table in nets
        for n_samples in N_SAMPLES[table]
    ]
    rows = pd.concat(parts).assign(**to_columns(setting))
    columns = [*SETTING, "table", "n_samples", "cell", "epoch", "seed"]
    return rows.loc[rows["epoch"] >= FIRST, [*columns, *SCORE_OF.values()]]


# ---- readings: a setting and a number of epochs


def to_columns(setting):
    """Return a setting as columns of a table."""
    sizes = "-".join(map(str, setting["hidden_layer_sizes"]))
    return {**setting, "hidden_layer_sizes": sizes}


def to_setting(row):
    """Return the setting in a row of a table."""
    sizes = tuple(map(int, row["hidden_layer_sizes"].split("-")))
    return {**{name: row[name] for name in SETTING}, "hidden_layer_sizes": sizes}


def rank(frame):
    """Return the readings, ranked by the sum of the scores of both tables, best first.

    A reading is ruled out if the published numbers of either table score so badly that
    they are unlikely to be one more seed. Table III is scored for each possible number
    of points.
    """
    by = [*SETTING, "epoch"]
    judged = reading_tests.judge(frame, by)
    table1, table3 = (judged[judged["table"] == table] for table in N_SAMPLES)
    both = table1.drop(columns=["table", "n_samples", "n_seeds"]).merge(
        table3.drop(columns="table"), on=by, suffixes=(" I", " III")
    )
    worst = both[["p_score I", "p_score III"]].min(axis=1)
    both.insert(len(by), "ruled_out", worst < LEVEL)
    both.insert(len(by), "score", both["score I"] + both["score III"])
    return both.sort_values("score", ignore_index=True)


def best_of_each(frame):
    """Return the most likely reading of each setting."""
    return rank(frame).drop_duplicates(SETTING)


def summary(frame):
    """Return the most likely reading of each setting, rounded."""
    return best_of_each(frame).round(3)


def plot(frame):
    """Draw where each published value lies among our seeds, one row per reading."""
    shown = _shown(frame)
    figure, axes = new_figure(2, 1, width=9, height=1 + 0.22 * len(shown), sharex=True)
    for (ax,), table in zip(axes, N_SAMPLES, strict=True):
        for place, reading in enumerate(shown):
            vectors = reading_tests.vectors(_rows_of(frame, reading, table))
            losses, errors = np.split(reading_tests.quantiles(*vectors), 2)
            for x, mark, color in (losses, "o", "C0"), (errors, "D", "C1"):
                y = np.full(len(x), place)
                ax.plot(x, y, mark, color=color, alpha=0.7, clip_on=False)
        ax.axvspan(0.025, 0.975, color="gray", alpha=0.1, linewidth=0)
        ax.set(title=table, xlim=(0, 1))
        ax.grid(axis="y", alpha=0.3)
        names = [_label(reading, table) for reading in shown]
        ax.set_yticks(range(len(shown)), names, fontsize=9)
        ax.invert_yaxis()
    ax.set_xlabel("share of our seeds below the published value (gray: 95 %)")
    marks = [
        Line2D([], [], linestyle="", marker=mark, color=color, label=name)
        for name, mark, color in (("loss", "o", "C0"), ("error", "D", "C1"))
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=2)
    return figure


def _shown(frame):
    """Return the readings to draw: the most likely of each setting, and the plain one.

    Readings that are ruled out come last.
    """
    ranked = rank(frame).sort_values("ruled_out", kind="stable")
    best = ranked.drop_duplicates(SETTING)
    reading = to_columns(READINGS["plain"])
    setting = {name: reading[name] for name in SETTING}
    plain = pick(ranked, epoch=reading["epochs"], **setting)
    both = pd.concat([best, plain.head(1)]).drop_duplicates()
    return both.to_dict("records")


def _label(reading, table):
    """Return a short name of a reading, with its label (plain or closest) if any."""
    network = {**to_setting(reading), "epochs": reading["epoch"]}
    named = [name.upper() for name, of in READINGS.items() if of == network]
    size = f", N = {reading['n_samples']}" if table == "Table III" else ""
    ruled = " (out)" if reading["ruled_out"] else ""
    return (
        f"{''.join(named)} {reading['hidden_layer_sizes']}: {reading['optimizer']}, "
        f"{reading['batch_size']}, {reading['dropout_rate']}, {reading['scaling']}, "
        f"{reading['epoch']} ep.{size}{ruled}"
    ).strip()


def _rows_of(frame, reading, table):
    """Return the rows of a reading for one table."""
    names = [*SETTING, "epoch", *["n_samples"] * (table == "Table III")]
    return pick(frame, table=table, **{name: reading[name] for name in names})


def name_of(reading):
    """Return a reading in words."""
    return (
        "{hidden_layer_sizes}, {optimizer}, batch {batch_size}, dropout "
        "{dropout_rate}, {scaling}, {epoch} epochs, N = {n_samples}{ruled}"
    ).format(ruled=" (ruled out)" if reading["ruled_out"] else "", **reading)


STUDY = Study(
    __name__,
    title="Open settings of the paper: all readings, a few seeds",
    alt=(
        "A row for each reading, at its most likely number of epochs. Marks show where "
        "the 24 published values of Tables I and III lie among our seeds, from below "
        "all of them to above all."
    ),
    full={"grid": GRID, "seeds": 6, "epochs": 400},
    quick={
        "grid": {name: values[:2] for name, values in GRID[0].items()}
        | {"batch_size": [32], "dropout_rate": [0.2], "scaling": ["standard"]},
        "seeds": 3,
        "epochs": 20,
    },
    tasks=tasks,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
    many_programs=True,
)
