"""Table I: the authors' own seven runs again, with their data, seeds and Keras 2.

The authors published their notebooks with the log of each run (``authors.py`` cites
them). Each run is trained again by Keras 2 (``tf_keras``) with their data, their seed
and their initial weights, four times: with one thread and with two, with oneDNN and
without. Only rounding differs between these replays, so their spread is the part of a
published number that is rounding. Beside the run without copies stands our engine on
the same data, with 100 other seeds of the network: if the published run lies inside
their band, nothing sets its seed apart.

The study needs the extra ``authors``, and some 60 seconds for each replay.
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
from sklearn_toydnn.datasets import label_triangle

from .._figures import new_figure
from .._study import Study
from .authors import BATCH_SIZE, LAYERS, SCALE, draw_points
from .published import TABLE1, name_of_copies

LOG = Path(__file__).parent / "authors_log.csv"
BASE = "no copies"
RUNS = {BASE: (0.0, 0.0)} | {
    name_of_copies(*run): run
    for run in zip(TABLE1["fraction"], TABLE1["std"], strict=True)
}
PUBLISHED, REPLAY, OTHERS = "published log", "replay", "other seeds"
SCORES = ["loss", "accuracy", "val_loss", "val_accuracy"]
N_SAMPLES, N_TRAIN = 4000, 3200
REPLAYS = [*product([1, 2], [False, True])]  # threads, oneDNN


def tasks(runs, epochs, seeds):
    """List the replays, then the band of other seeds."""
    for name, (n_threads, onednn) in product(runs, REPLAYS):
        yield {
            "cell": name,
            "n_threads": n_threads,
            "onednn": onednn,
            "epochs": epochs,
        }
    yield {"cell": BASE, "epochs": epochs, "seeds": seeds}


def work(runs, epochs, seeds):
    """Return how much there is to train: points times epochs."""
    # Keras 2 takes about 150 times as long as the compiled program.
    return N_TRAIN * epochs * (150 * len(runs) * len(REPLAYS) + seeds)


def measure(cell, epochs, n_threads=None, onednn=None, seeds=None, memory=None):
    """Return a row per epoch: of a replay, or of three quantiles of other seeds."""
    if seeds is not None:
        return _band(epochs, seeds, memory).assign(cell=cell)
    fraction, std = RUNS[cell]
    settings = {"fraction": fraction, "std": std, "n_threads": n_threads}
    process = subprocess.run(
        [sys.executable, "-m", f"{__package__}.authors_replay"]
        + [json.dumps(settings | {"epochs": epochs})],
        env=os.environ | {"TF_ENABLE_ONEDNN_OPTS": str(int(onednn))},
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


def _band(epochs, seeds, memory):
    """Return, per epoch, quantiles over networks that differ in their seed only."""
    X, n = draw_points(N_SAMPLES), N_TRAIN
    y, points = label_triangle(X), X / SCALE
    net = DNNClassifier(
        LAYERS, dropout_rate=0.2, batch_size=BATCH_SIZE, epochs=epochs, memory=memory
    )
    histories = [
        net.set_params(random_state=seed)
        .fit(points[:n], y[:n], X_val=points[n:], y_val=y[n:])
        .history_
        for seed in range(seeds)
    ]
    parts = []
    for share in (0.025, 0.5, 0.975):
        quantiles = {
            name: np.quantile([history[name] for history in histories], share, axis=0)
            for name in SCORES
        }
        part = _by_epoch(pd.DataFrame(quantiles))
        parts.append(part.assign(source=OTHERS, quantile=share))
    return pd.concat(parts)


def read_log():
    """Return the log of the published runs: four digits, as the notebooks print it."""
    return pd.read_csv(LOG).assign(source=PUBLISHED)


def summary(frame):
    """Return, for each run, the published end beside the replays' ends."""
    log, rows = read_log(), []
    replays = frame[frame["source"] == REPLAY]
    for name, part in replays.groupby("cell", sort=False):
        published = log[log["cell"] == name].set_index("epoch")
        ends = part.groupby(["n_threads", "onednn"]).agg(
            loss=("val_loss", "min"), accuracy=("val_accuracy", "max")
        )
        equal = [
            _n_equal(one.set_index("epoch"), published)
            for _, one in part.groupby(["n_threads", "onednn"])
        ]
        rows.append(
            {
                "cell": name,
                "published loss": published["val_loss"].min(),
                "lowest loss": ends["loss"].min(),
                "highest loss": ends["loss"].max(),
                "published accuracy": published["val_accuracy"].max(),
                "lowest accuracy": ends["accuracy"].min(),
                "highest accuracy": ends["accuracy"].max(),
                "epochs equal to the log": " ".join(map(str, equal)),
            }
        )
    return pd.DataFrame(rows).round(4)


def _n_equal(replay, published):
    """Return the number of first epochs that agree in all digits printed."""
    both = replay[SCORES].align(published[SCORES], join="inner", axis=0)
    # A printed digit may be off by one where the sixth digit decides.
    equal = (np.abs(both[0] - both[1]) <= 0.5001e-4).all(axis=1)
    return int(equal.cumprod().sum())


def plot(frame):
    """Draw the validation loss of the published runs, their replays and the band."""
    log, names = read_log(), list(frame["cell"].unique())
    figure, axes = new_figure(-(-len(names) // 2), 2, height=2.6, sharex=True)
    for ax, name in zip(axes.flat, names, strict=False):
        rows = frame[frame["cell"] == name]
        band = rows[rows["source"] == OTHERS].pivot(
            index="epoch", columns="quantile", values="val_loss"
        )
        if len(band):
            low, middle, high = (band[share] for share in sorted(band))
            ax.fill_between(
                band.index, low, high, color="gray", alpha=0.25, linewidth=0,
                label="95 % of other seeds, our engine",
            )  # fmt: skip
            ax.plot(middle, color="gray", linewidth=1, label="their median")
        replays = rows[rows["source"] == REPLAY]
        for place, (_, one) in enumerate(replays.groupby(["n_threads", "onednn"])):
            label = "replays" if place == 0 else None
            ax.plot(one["epoch"], one["val_loss"], "C0", linewidth=0.6, label=label)
        published = log[(log["cell"] == name) & (log["epoch"] <= rows["epoch"].max())]
        ax.plot(
            published["epoch"], published["val_loss"], "k", linewidth=0.8,
            label="published run",
        )  # fmt: skip
        ax.set(title=name, yscale="log", xlabel="epoch", ylabel="validation loss")
    for ax in axes.flat[len(names) :]:
        ax.axis("off")
    handles = axes.flat[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4)
    return figure


STUDY = Study(
    __name__,
    title="Table I: the authors' own runs again (Keras 2, their data and seed)",
    alt=(
        "Validation loss against the epoch for each run of Table I: the published "
        "log, four replays that differ in rounding only, and, for the run without "
        "copies, the band of 100 other seeds of our engine on the same data."
    ),
    full={"runs": [*RUNS], "epochs": 500, "seeds": 100},
    quick={"runs": [BASE], "epochs": 10, "seeds": 3},
    tasks=tasks,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
)
