"""What the studies share: one repetition's data and scores, and statistics of many."""

import numpy as np
import pandas as pd
from imblearn.pipeline import make_pipeline
from matplotlib.figure import Figure
from scipy import stats
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import sklearn_toydnn
from sklearn_toydnn.comparison.repetition import Fresh, Repetitions
from sklearn_toydnn.comparison.statistics import PairedTTest

N_TEST = 4000
EPOCHS = [5, 10, 20, 50, 100, 200]  # read on the way, from the history of one fit
SCORES = {
    "min_val_loss": "minimum validation loss",
    "max_val_accuracy": "maximum validation accuracy",
    "test_accuracy": "test accuracy, last epoch",
}
PUBLISHED = {
    "min_val_loss": "published_loss",
    "max_val_accuracy": "published_accuracy",
}


# ---- one repetition: a fresh data set, split and initialisation from one seed


def _divide_by_box(X):
    return X / 50.0


SCALERS = {
    "standard": StandardScaler(),
    "x / 50": FunctionTransformer(_divide_by_box),
}


def make_net(reading, *steps, **params):
    """Return a pipeline: the steps, a scaler, the paper's network as it is read.

    The scaler scales the network's validation points too.
    """
    network = {name: value for name, value in reading.items() if name != "scaling"}
    net = sklearn_toydnn.DNNClassifier(**network | params)
    return make_pipeline(
        *steps,
        SCALERS[reading["scaling"]],
        net.set_fit_request(X_val=True, y_val=True),
        transform_input=["X_val"],
    )


def epochs_read(last):
    """Return the numbers of epochs after which scores are read."""
    return [*(n for n in EPOCHS if n < last), last]


def score(pipeline, X, y):
    """Return the scores after some numbers of epochs: see `repeat`."""
    history = pipeline[-1].history_
    losses, accuracies = history["val_loss"], history["val_accuracy"]
    scores = {"test_accuracy": pipeline.score(X, y)}
    for n in epochs_read(len(losses)):
        scores[f"min_val_loss:{n}"] = min(losses[:n])
        scores[f"max_val_accuracy:{n}"] = max(accuracies[:n])
        scores[f"val_accuracy:{n}"] = accuracies[n - 1]
    return scores


def score_and_majority(pipeline, X, y):
    """Return the scores, and how many points the majority's label suits."""
    return score(pipeline, X, y) | {"majority": max(np.mean(y), 1 - np.mean(y))}


def repeat(nets, names, maker, n_samples, seed, scoring=score, data=Fresh):
    """Fit and score networks as `compare` does in a repetition.

    Of `nets` the keys are tuples, of what has these names. There is a row for each, and
    for each number of epochs that is read: the paper's two scores, which are extremes
    over the epochs up to there, and the accuracy of that epoch; with the last of them,
    the accuracy on untouched points.
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


# ---- many repetitions


def each_seed(seeds, readings, **settings):
    """List the repetitions of each reading: settings with one seed after another."""
    for reading, network in readings.items():
        for seed in range(seeds):
            yield {"reading": reading, "network": network, **settings, "seed": seed}


def last_epochs(frame):
    """Return the rows of each reading's last epoch."""
    return frame[frame["epoch"] == frame.groupby("reading")["epoch"].transform("max")]


def interval(values):
    """Return the 95 % confidence interval of the mean (Student's t)."""
    if len(values) < 2:
        return np.mean(values), np.mean(values)
    return PairedTTest(values).mean_interval(0.05)


def summarize(frame, by, values, digits=4):
    """Return mean and interval of each value, as text, for each group."""

    def text(values):
        low, high = interval(values)
        return f"{np.mean(values):.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"

    groups = frame.groupby(by, sort=False, dropna=False)
    return groups[list(values)].agg(text).reset_index()


def with_places(table, frame, by, n_val):
    """Say where the published values lie in the 95 % prediction interval of ours."""
    for name, published in PUBLISHED.items():
        groups = frame.groupby(by, sort=False, dropna=False)
        table[f"{published} lies"] = [
            _place(part[name], part[published].iloc[0], n_val) for _, part in groups
        ]
    return table


def _place(values, published, n_val):
    if np.isnan(published):
        return ""
    is_loss = values.name.endswith("loss")
    low, high = prediction_interval(values if is_loss else 1 - values, n_val)
    if not is_loss:
        low, high = 1 - high, 1 - low
    where = "below" if published < low else "above" if published > high else "within"
    return f"{where} [{low:.4f}, {high:.4f}]"


def prediction_interval(values, n_val):
    """Return the 95 % interval for one more seed's loss or error (Student's t, logs).

    An error of 0, which has no logarithm, counts as half a validation point's.
    """
    logs = np.log(np.maximum(values, 0.5 / n_val))
    width = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1)
    width *= np.sqrt(1 + 1 / len(logs))
    return np.exp(logs.mean() - width), np.exp(logs.mean() + width)


def new_figure(n_rows, n_columns, width=4.5, height=4, **sharing):
    """Return a figure and its grid of axes."""
    figure = Figure(
        figsize=(width * n_columns, height * n_rows + 0.6), layout="constrained"
    )
    return figure, figure.subplots(n_rows, n_columns, squeeze=False, **sharing)
