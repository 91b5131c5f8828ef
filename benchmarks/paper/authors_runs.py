"""Table I: the authors' own seven runs, trained again with their data and seed.

The authors published their notebooks with the log of each run (``authors.py`` cites
them). This study trains each run again with Keras 2 (``tf_keras``), their data, their
seed and their initial weights. It does so four times: with one thread and with two, and
with and without oneDNN. These replays differ only in rounding. Their spread shows which
part of a published number is due to rounding.

The study also trains 100 other seeds of each run with our engine, on the same data. A
published run that lies inside the band of these seeds is an ordinary seed.

The study requires the extra ``authors``. A replay takes about 60 seconds.
"""

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_toydnn import DNNClassifier

from .._figures import new_figure
from .._study import Study
from . import authors_replay
from .authors import BATCH_SIZE, LAYERS, make_table1_data
from .published import TABLE1, name_of_copies

LOG = Path(__file__).with_name("authors_log.csv")
ROOT = Path(__file__).parents[2]
BASE = "no copies"
RUNS = {BASE: (0.0, 0.0)} | {
    name_of_copies(*run): run
    for run in zip(TABLE1["fraction"], TABLE1["std"], strict=True)
}
PUBLISHED, REPLAY = "published log", "replay"
BAND, BEST = "quantile of other seeds", "best of another seed"
QUANTILES = [0.025, 0.5, 0.975]
SCORES = ["loss", "accuracy", "val_loss", "val_accuracy"]
REPLAYS = [*product([1, 2], [False, True])]  # threads, oneDNN


def tasks(runs, epochs, seeds):
    """List the replays of each run, then its band of other seeds."""
    for name, (n_threads, onednn) in product(runs, REPLAYS):
        yield {
            "cell": name,
            "n_threads": n_threads,
            "onednn": onednn,
            "epochs": epochs,
        }
    for name in runs:
        yield {"cell": name, "epochs": epochs, "seeds": seeds}


def work(runs, epochs, seeds):
    """Return how much there is to train: points times epochs."""
    # Keras 2 takes about 150 times as long as the compiled program.
    return 3200 * epochs * len(runs) * (150 * len(REPLAYS) + seeds)


def measure(cell, epochs, n_threads=None, onednn=None, seeds=None, memory=None):
    """Return a row for each epoch of a replay, or the rows of other seeds."""
    if seeds is not None:
        return _train_seeds(cell, epochs, seeds, memory).assign(cell=cell)
    fraction, std = RUNS[cell]
    settings = {"fraction": fraction, "std": std, "n_threads": n_threads}
    process = subprocess.run(
        [sys.executable, "-m", authors_replay.__name__]
        + [json.dumps(settings | {"epochs": epochs})],
        env=os.environ | {"TF_ENABLE_ONEDNN_OPTS": str(int(onednn))},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if process.returncode:
        raise RuntimeError(f"The replay of {cell!r} failed: {process.stderr[-2000:]}")
    history = pd.DataFrame(json.loads(process.stdout.splitlines()[-1]))
    return _by_epoch(history).assign(
        cell=cell, source=REPLAY, n_threads=n_threads, onednn=onednn
    )


def _by_epoch(history):
    """Return the history, rounded, with the number of each epoch."""
    frame = history[SCORES].round(7)
    frame.insert(0, "epoch", np.arange(1, len(frame) + 1))
    return frame


def _train_seeds(cell, epochs, seeds, memory):
    """Train networks that differ only in their seed.

    Return quantiles of their histories for each epoch, and the best scores of each.
    """
    X, y, X_val, y_val = make_table1_data(*RUNS[cell])
    net = DNNClassifier(
        LAYERS, dropout_rate=0.2, batch_size=BATCH_SIZE, epochs=epochs, memory=memory
    )
    histories = [
        net.set_params(random_state=seed).fit(X, y, X_val=X_val, y_val=y_val).history_
        for seed in range(seeds)
    ]
    parts = []
    for share in QUANTILES:
        quantiles = {
            name: np.quantile([history[name] for history in histories], share, axis=0)
            for name in SCORES
        }
        part = _by_epoch(pd.DataFrame(quantiles))
        parts.append(part.assign(source=BAND, quantile=share))
    best = pd.DataFrame(
        {
            "seed": range(seeds),
            "val_loss": [min(history["val_loss"]) for history in histories],
            "val_accuracy": [max(history["val_accuracy"]) for history in histories],
        }
    )
    return pd.concat([*parts, best.round(7).assign(source=BEST)])


def read_log():
    """Return the log of the published runs: four digits, as the notebooks print it."""
    return pd.read_csv(LOG).assign(source=PUBLISHED)


def summary(frame):
    """Return, for each run, the best scores: published, replayed and of other seeds."""
    log, rows = read_log(), []
    for name, part in frame.groupby("cell", sort=False):
        published = log[log["cell"] == name].set_index("epoch")
        by_source = dict([*part.groupby("source")])
        replays = by_source[REPLAY].groupby(["n_threads", "onednn"])
        row = {"cell": name}
        for score, best in {"val_loss": "min", "val_accuracy": "max"}.items():
            ends = replays[score].agg(best)
            others = by_source[BEST][score].quantile([0.025, 0.975])
            row |= {
                f"published {score}": published[score].agg(best),
                f"replays {score}": "{:.4f} to {:.4f}".format(
                    *ends.agg(["min", "max"])
                ),
                f"95 % of other seeds, {score}": "{:.4f} to {:.4f}".format(*others),
            }
        equal = [_n_equal(one.set_index("epoch"), published) for _, one in replays]
        rows.append({**row, "epochs equal to the log": ", ".join(map(str, equal))})
    return pd.DataFrame(rows)


def _n_equal(replay, published):
    """Return the number of first epochs that agree in all digits printed."""
    both = replay[SCORES].align(published[SCORES], join="inner", axis=0)
    # The log is rounded to four digits.
    equal = (np.abs(both[0] - both[1]) <= 0.5001e-4).all(axis=1)
    return int(equal.cumprod().sum())


def plot(frame):
    """Draw the validation loss of the published runs, their replays and the band."""
    log, names = read_log(), list(frame["cell"].unique())
    figure, axes = new_figure(
        -(-len(names) // 2), 2, height=2.6, sharex=True, sharey=True
    )
    for ax, name in zip(axes.flat, names, strict=False):
        rows = frame[frame["cell"] == name]
        band = rows[rows["source"] == BAND].pivot(
            index="epoch", columns="quantile", values="val_loss"
        )
        low, middle, high = (band[share] for share in QUANTILES)
        label = "95 % of other seeds, our engine"
        ax.fill_between(band.index, low, high, color="0.85", label=label)
        ax.plot(middle, color="0.5", linewidth=1, label="their median")
        replays = rows[rows["source"] == REPLAY]
        for place, (_, one) in enumerate(replays.groupby(["n_threads", "onednn"])):
            label = "replays" if place == 0 else None
            ax.plot(one["epoch"], one["val_loss"], "C1", linewidth=0.6, label=label)
        published = log[(log["cell"] == name) & (log["epoch"] <= rows["epoch"].max())]
        label = "published run"
        ax.plot("epoch", "val_loss", "k", data=published, linewidth=0.6, label=label)
        ax.set(title=name, yscale="log", xlabel="epoch", ylabel="validation loss")
    for ax in axes.flat[len(names) :]:
        ax.axis("off")
    handles = axes.flat[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4)
    return figure


STUDY = Study(
    __name__,
    title="Table I: the authors' own runs again",
    alt=(
        "Validation loss against the epoch for each run of Table I: the published "
        "log, four replays that differ only in rounding, and the band of 100 other "
        "seeds of our engine on the same data."
    ),
    full={"runs": [*RUNS], "epochs": 500, "seeds": 100},
    quick={"runs": [BASE], "epochs": 10, "seeds": 3},
    tasks=tasks,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
    requires=("tf_keras",),
)
