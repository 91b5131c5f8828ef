"""The paper's networks, fitted with data, split and initial weights from one seed."""

import numpy as np
import pandas as pd
from imblearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import sklearn_toydnn
from sklearn_toydnn.comparison.repetition import FreshData, Repetitions

N_TEST = 4000
EPOCHS = [5, 10, 20, 50, 100, 200]  # for intermediate scores, from the history


def _divide_by_box(X):
    return X / 50.0


SCALERS = {
    "standard": StandardScaler(),
    "x / 50": FunctionTransformer(_divide_by_box),
}


def make_net(reading, *steps, **params):
    """Return a pipeline of the steps, a scaler and the paper's network in a reading.

    The scaler also scales the network's validation points.
    """
    network = {name: value for name, value in reading.items() if name != "scaling"}
    net = sklearn_toydnn.DNNClassifier(**network | params)
    return make_pipeline(
        *steps,
        SCALERS[reading["scaling"]],
        net.set_fit_request(X_val=True, y_val=True),
        transform_input=["X_val"],
    )


def make_augmented(reading, fraction, std, **params):
    """Return the network after a step that adds noisy copies."""
    return make_net(reading, sklearn_toydnn.GaussianAugmenter(fraction, std), **params)


def make_initialized(reading, initializer, **params):
    """Return the network with one initializer for hidden and output layers."""
    return make_net(reading, kernel_initializer=initializer, **params)


def epochs_read(last):
    """Return the numbers of epochs after which scores are recorded."""
    return [*(n for n in EPOCHS if n < last), last]


def score(pipeline, X, y):
    """Return the scores after several numbers of epochs: see `repeat`."""
    history = pipeline[-1].history_
    losses, accuracies = history["val_loss"], history["val_accuracy"]
    scores = {"test_accuracy": pipeline.score(X, y)}
    for n in epochs_read(len(losses)):
        scores[f"min_val_loss:{n}"] = min(losses[:n])
        scores[f"max_val_accuracy:{n}"] = max(accuracies[:n])
        scores[f"val_accuracy:{n}"] = accuracies[n - 1]
    return scores


def score_and_majority(pipeline, X, y):
    """Return the scores, and the share of the majority class."""
    return score(pipeline, X, y) | {"majority": max(np.mean(y), 1 - np.mean(y))}


def repeat(nets, names, maker, n_samples, seed, scoring=score, data=FreshData):
    """Fit and score networks as `compare` does in a repetition.

    The keys of `nets` are tuples, whose items become columns called `names`. A row is a
    network and a number of epochs. It holds the paper's two scores (the best of all
    epochs so far) and the validation accuracy of that epoch; the row of the last epoch
    also holds the accuracy on test points.
    """
    n_val = n_samples // 5
    drawn = data(maker, n_samples - n_val, N_TEST, n_val)
    scored = Repetitions(nets, drawn, scoring, entropy=0).measure(seed)
    index = pd.MultiIndex.from_tuples(nets, names=names)
    frame = pd.DataFrame([one.scores for one in scored], index=index)
    if any(":" in name for name in frame):
        frame = _by_epochs(frame, names)
    return frame.reset_index().round(6).assign(seed=seed)


def _by_epochs(frame, names):
    """Return a row for each network and number of epochs."""
    stubs = list(dict.fromkeys(n.split(":")[0] for n in frame if ":" in n))
    rows = pd.wide_to_long(frame.reset_index(), stubs, i=names, j="epoch", sep=":")
    rows = rows.dropna(subset=stubs).sort_index(level="epoch", kind="stable")
    if "test_accuracy" not in stubs:
        is_last = rows.groupby(names).cumcount(ascending=False) == 0
        rows["test_accuracy"] = rows["test_accuracy"].where(is_last)
    return rows


def each_seed(seeds, readings, **settings):
    """Yield the settings of each repetition: every seed for every reading."""
    for reading, network in readings.items():
        for seed in range(seeds):
            yield {"reading": reading, "network": network, **settings, "seed": seed}
