"""Table III, "Ones": the effect of an optimizer that networks share.

In the notebooks (``authors.py`` cites them) one instance of Adam is the default
argument of the function that compiles a network. All networks share this instance, so
its step counter goes on from one network to the next. Adam uses the counter to correct
its averages, which start at zero. With a large counter the correction is missing, and
the first steps of the next network are up to three times as large. This study trains
the networks of the row "Ones" with a new Adam, and with an Adam whose counter has the
value that another network of Table III leaves behind. Keras 3 refuses an optimizer that
has trained another network, so the study sets the counter.
"""

import numpy as np
import pandas as pd
import seaborn as sns

from sklearn_toydnn.datasets import label_triangle

from .._figures import new_figure
from .._study import Study
from .authors import BATCH_SIZE, LAYERS, SCALE, draw_points
from .published import TABLE3
from .summaries import SCORES, summarize

N_SAMPLES, N_TRAIN = 2000, 1600
MEASURED = list(SCORES)[:2]


def tasks(seeds, epochs):
    """List the repetitions: seeds of the network, on the authors' data."""
    for seed in range(seeds):
        for counter in (0, epochs * N_TRAIN // BATCH_SIZE):
            yield {"seed": seed, "counter": counter, "epochs": epochs}


def work(seeds, epochs):
    """Return how much there is to train: points times epochs."""
    return 2 * seeds * N_TRAIN * epochs * 100  # Keras takes some 100 times as long


def measure(seed, counter, epochs, memory):
    """Return the row of one network of weights that are all 1."""
    import keras

    X = draw_points(N_SAMPLES) / SCALE
    y = label_triangle(X * SCALE)
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(n, "relu", kernel_initializer="ones") for n in LAYERS]
    layers.append(keras.layers.Dropout(0.3))
    layers.append(keras.layers.Dense(1, "sigmoid", kernel_initializer="ones"))
    model = keras.Sequential([keras.Input((2,)), *layers])
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    optimizer.iterations.assign(counter)
    model.compile(optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    history = model.fit(
        X[:N_TRAIN],
        y[:N_TRAIN],
        epochs=epochs,
        batch_size=BATCH_SIZE,
        validation_data=(X[N_TRAIN:], y[N_TRAIN:]),
        verbose=0,
    ).history
    scores = {
        "min_val_loss": np.min(history["val_loss"]),
        "max_val_accuracy": np.max(history["val_accuracy"]),
    }
    return pd.DataFrame([{"counter": counter, "seed": seed, **scores}]).round(6)


def summary(frame):
    """Return both kinds of Adam beside the published values."""
    table = summarize(frame, ["counter"], MEASURED)
    ranges = frame.groupby("counter")["max_val_accuracy"].agg(["min", "max"])
    (ones,) = TABLE3[TABLE3["initializer"] == "ones"].to_dict("records")
    return table.merge(ranges.reset_index(), on="counter").assign(
        published_loss=ones["published_loss"],
        published_accuracy=ones["published_accuracy"],
    )


def plot(frame):
    """Draw both scores, a dot for each seed, with the published values."""
    (ones,) = TABLE3[TABLE3["initializer"] == "ones"].to_dict("records")
    figure, axes = new_figure(1, 2, height=3)
    published = ones["published_loss"], ones["published_accuracy"]
    for ax, name, value in zip(axes[0], MEASURED, published, strict=True):
        sns.stripplot(frame, x="counter", y=name, alpha=0.6, ax=ax)
        ax.axhline(value, color="k", label="published")
        ax.set(xlabel="Adam's step counter at the start", ylabel=SCORES[name])
    ax.legend()
    return figure


STUDY = Study(
    __name__,
    title="Table III, ones: a new Adam, and an Adam that has trained before",
    alt=(
        "Minimum validation loss and maximum validation accuracy of networks whose "
        "weights are all 1, a dot for each seed, for a new Adam and for one "
        "whose step counter has gone on; a line marks the published value."
    ),
    full={"seeds": 10, "epochs": 200},
    quick={"seeds": 2, "epochs": 5},
    tasks=tasks,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
)
