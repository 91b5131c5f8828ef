"""Fig. 2: training and validation loss against the epochs, N = 2000, f1.

The accuracy stands beside the loss; the curves are means over repetitions.
"""

import pandas as pd
import seaborn as sns
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline

from .. import paper
from .._repetitions import draw, each_seed, interval, make_net, new_figure, summarize
from .._study import Study


def work(seeds, n_samples, epochs):
    """Return how much there is to train: points times epochs."""
    return seeds * n_samples * epochs


def measure(n_samples, epochs, seed, memory):
    """Return one row per epoch for each of training and validation."""
    data = draw(paper.MAKERS["f1"], n_samples, seed)
    net = make_net(make_pipeline, epochs=epochs, random_state=seed, memory=memory)
    result = cross_validate(
        net,
        data.X,
        data.y,
        cv=data.cv,
        params={"X_val": data.X_val, "y_val": data.y_val},
        return_estimator=True,
    )
    history = pd.DataFrame(result["estimator"][0][-1].history_)
    history["epoch"] = range(1, epochs + 1)
    training = history[["epoch", "loss", "accuracy"]].assign(points="training")
    validation = history[["epoch", "val_loss", "val_accuracy"]].set_axis(
        ["epoch", "loss", "accuracy"], axis=1
    )
    both = pd.concat([training, validation.assign(points="validation")])
    return both.assign(seed=seed, test_accuracy=result["test_score"][0])


def summary(frame):
    """Return loss and accuracy at some epochs."""
    last = frame["epoch"].max()
    shown = frame[frame["epoch"].isin({1, 10, last // 4, last // 2, last})]
    return summarize(shown, ["points", "epoch"], ["loss", "accuracy"])


def plot(frame):
    """Draw the mean curves with their intervals."""
    figure, axes = new_figure(1, 2)
    for ax, metric in zip(axes[0], ["loss", "accuracy"], strict=True):
        sns.lineplot(frame, x="epoch", y=metric, hue="points", errorbar=interval, ax=ax)
    return figure


STUDY = Study(
    __name__,
    title="Fig. 2: loss and accuracy against the epochs (f1)",
    alt="Training and validation loss, and accuracy, against the epochs.",
    full={"seeds": 30, "n_samples": 2000, "epochs": 100},
    quick={"seeds": 5, "n_samples": 2000, "epochs": 100},
    tasks=each_seed,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
)
