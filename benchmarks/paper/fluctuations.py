"""Zero weights "to avoid fluctuations of the results" (Conclusions; f1).

All repetitions use one data set. Only the seed of the network varies: the initial
weights, the order of the rows and the dropout masks. Networks with relu hidden layers
and zero weights learn nothing, so their results cannot fluctuate. Networks with sigmoid
hidden layers learn.
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
    """The same data set in every repetition."""

    def draw(self, seed, repeat):
        """Return the data of the first repetition."""
        return super().draw((seed[0], 0), 0)


def work(seeds, readings, n_samples):
    """Return the amount of training, in points times epochs."""
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
    """Return the mean and standard deviation of the accuracy over the seeds."""
    last = frame.dropna(subset="test_accuracy")
    by = last.groupby(["reading", "activation", "initializer"], sort=False)
    table = by["test_accuracy"].agg(["mean", "std", "min", "max"]).round(4)
    return table.rename(columns={"std": "standard deviation"}).reset_index()


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
    title="Zero weights: fluctuation of the results with the seed (f1)",
    alt=(
        "Test accuracy of networks that differ only in their seed, one dot each, for "
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
