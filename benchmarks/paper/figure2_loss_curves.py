"""Fig. 2: training and validation loss against the epochs (f1, 2,000 samples).

The accuracy is shown beside the loss. Curves are means over the repetitions.
"""

import pandas as pd
import seaborn as sns

from .._figures import new_figure
from .._study import Study
from .networks import each_seed, make_net, repeat
from .published import MAKERS, READINGS
from .summaries import interval, summarize


def work(seeds, readings, n_samples):
    """Return the amount of training, in points times epochs."""
    epochs = sum(network["epochs"] for network in readings.values())
    return seeds * n_samples * epochs


def measure(reading, network, n_samples, seed, memory):
    """Return one row per epoch for training, and one for validation."""
    nets = {("f1",): make_net(network, memory=memory)}
    rows = repeat(nets, ["function"], MAKERS["f1"], n_samples, seed, _curves).drop(
        columns="function"
    )
    validation = {"val_loss": "loss", "val_accuracy": "accuracy"}
    training = rows.drop(columns=[*validation])
    validation = rows.drop(columns=["loss", "accuracy"]).rename(columns=validation)
    both = [training.assign(points="training"), validation.assign(points="validation")]
    return pd.concat(both).assign(reading=reading)


def _curves(pipeline, X, y):
    """Return the history, and the test accuracy of the last epoch."""
    curves = {
        f"{name}:{epoch}": value
        for name, values in pipeline[-1].history_.items()
        for epoch, value in enumerate(values, 1)
    }
    return {"test_accuracy": pipeline.score(X, y), **curves}


def summary(frame):
    """Return loss and accuracy at selected epochs."""
    shown = frame[frame["epoch"].isin([1, 10, 25, 50, 100, 200, 400])]
    return summarize(shown, ["reading", "points", "epoch"], ["loss", "accuracy"])


def plot(frame):
    """Draw the mean curves with their intervals."""
    figure, axes = new_figure(1, 2, width=5.5)
    for ax, metric in zip(axes[0], ["loss", "accuracy"], strict=True):
        sns.lineplot(
            frame,
            x="epoch",
            y=metric,
            hue="reading",
            style="points",
            errorbar=interval,
            legend=ax is axes[0][0],
            ax=ax,
        )
    return figure


STUDY = Study(
    __name__,
    title="Fig. 2: loss and accuracy against the epochs (f1)",
    alt=(
        "Training and validation loss, and accuracy, against the epochs, for each "
        "reading."
    ),
    full={"seeds": 30, "readings": READINGS, "n_samples": 2000},
    quick={"seeds": 3, "readings": READINGS, "n_samples": 2000},
    tasks=each_seed,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
)
