"""Zero weights "to avoid fluctuations of the results" (Conclusions), f1.

On one data set, where only the network's seed varies: with it the initial weights, the
order of the rows and the masks of dropout. With relu hidden layers and zero weights
nothing is learnt, so nothing can fluctuate; with sigmoid ones something is.
"""

from itertools import product

import seaborn as sns

from sklearn_toydnn.comparison.repetition import FreshData

from .._figures import new_figure
from .._study import Study
from .networks import each_seed, make_net, repeat, score_and_majority
from .published import MAKERS, READINGS

INITIALIZERS, ACTIVATIONS = ["zeros", "glorot_uniform"], ["relu", "sigmoid"]


class OneDataSet(FreshData):
    """The same data for every repetition."""

    def draw(self, seed, repeat):
        """Draw the data of the first repetition."""
        return super().draw((seed[0], 0), 0)


def work(seeds, readings, n_samples):
    """Return how much there is to train: points times epochs."""
    epochs = sum(network["epochs"] for network in readings.values())
    return seeds * 4 * n_samples * epochs


def measure(reading, network, n_samples, seed, memory):
    """Return a row for each activation, initializer and number of epochs."""
    nets = {
        (activation, initializer): make_net(
            network,
            activation=activation,
            kernel_initializer=initializer,
            memory=memory,
        )
        for activation, initializer in product(ACTIVATIONS, INITIALIZERS)
    }
    rows = repeat(
        nets,
        ["activation", "initializer"],
        MAKERS["f1"],
        n_samples,
        seed,
        score_and_majority,
        OneDataSet,
    )
    return rows.assign(reading=reading)


def summary(frame):
    """Return the mean accuracy and its standard deviation over the network's seeds."""
    last = frame.dropna(subset="test_accuracy")
    by = last.groupby(["reading", "activation", "initializer"], sort=False)
    found = by["test_accuracy"].agg(["mean", "std", "min", "max"]).round(4)
    return found.rename(columns={"std": "standard deviation"}).reset_index()


def plot(frame):
    """Draw a dot per seed."""
    figure, axes = new_figure(1, 2, sharey=True)
    for ax, (activation, part) in zip(
        axes[0], frame.groupby("activation"), strict=True
    ):
        sns.stripplot(
            part,
            x="initializer",
            y="test_accuracy",
            hue="reading",
            dodge=True,
            alpha=0.6,
            ax=ax,
        )
        ax.set(title=f"{activation} hidden layers", ylabel="test accuracy, last epoch")
    return figure


STUDY = Study(
    __name__,
    title="Zero weights: how far results fluctuate with the network's seed (f1)",
    alt=(
        "Test accuracy of networks that differ in their seed only, a dot each, for "
        "zero and random initial weights, with relu and with sigmoid hidden layers."
    ),
    full={"seeds": 30, "readings": READINGS, "n_samples": 4000},
    quick={"seeds": 3, "readings": READINGS, "n_samples": 4000},
    tasks=each_seed,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
)
