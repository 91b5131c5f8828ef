"""What the studies share: one repetition's data and scores, and statistics of many."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.model_selection import PredefinedSplit
from sklearn.preprocessing import StandardScaler

import sklearn_toydnn
from sklearn_toydnn._repetition import Fresh, Repetitions
from sklearn_toydnn._ttest import PairedTTest

N_TEST = 4000
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


def draw(maker, n_samples, seed):
    """Draw a data set of which 0.2 `n_samples` points are for validation.

    `X` holds the training points, then an untouched test sample; `cv` tells
    scikit-learn which are which. The validation points are drawn apart.
    """
    # A stream of its own: from RandomState(seed) the augmenter draws its noise.
    generator = np.random.RandomState([seed, 1])
    n_val = n_samples // 5
    n_train = n_samples - n_val
    X, y = maker(n_train + N_TEST, random_state=generator)
    X_val, y_val = maker(n_val, random_state=generator)
    cv = PredefinedSplit(np.repeat([-1, 0], [n_train, N_TEST]))
    return SimpleNamespace(X=X, y=y, X_val=X_val, y_val=y_val, cv=cv)


def make_net(make_pipeline, *steps, **params):
    """Return a pipeline: the steps, a scaler, the paper's network.

    The scaler scales the network's validation points too.
    """
    net = sklearn_toydnn.DNNClassifier(**params)
    return make_pipeline(
        *steps,
        StandardScaler(),
        net.set_fit_request(X_val=True, y_val=True),
        transform_input=["X_val"],
    )


def score(pipeline, X, y):
    """Return the paper's two scores and, on untouched points, the last accuracy."""
    history = pipeline[-1].history_
    return {
        "min_val_loss": min(history["val_loss"]),
        "max_val_accuracy": max(history["val_accuracy"]),
        "test_accuracy": pipeline.score(X, y),
    }


def repeat(nets, names, maker, n_samples, seed, scoring=score):
    """Fit and score networks as `compare` does in a repetition: a row for each.

    Of `nets` the keys are tuples, of what has these names.
    """
    n_val = n_samples // 5
    data = Fresh(maker, n_samples - n_val, N_TEST, n_val)
    scored = Repetitions(nets, data, scoring, entropy=0).measure(seed)
    index = pd.MultiIndex.from_tuples(nets, names=names)
    return pd.DataFrame([one.scores for one in scored], index=index).reset_index()


# ---- many repetitions


def each_seed(seeds, **settings):
    """List the repetitions: the settings with one seed after the other."""
    for seed in range(seeds):
        yield {**settings, "seed": seed}


def interval(values):
    """Return the 95 % confidence interval of the mean (Student's t)."""
    if len(values) < 2:
        return np.mean(values), np.mean(values)
    return PairedTTest(values).interval(0.95)


def summarize(frame, by, values, digits=4):
    """Return mean and interval of each value, as text, for each group."""

    def text(values):
        low, high = interval(values)
        return f"{np.mean(values):.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"

    groups = frame.groupby(by, sort=False, dropna=False)
    return groups[list(values)].agg(text).reset_index()


def new_figure(n_rows, n_columns, width=4.5, height=4, **sharing):
    """Return a figure and its grid of axes."""
    figure = Figure(
        figsize=(width * n_columns, height * n_rows + 0.6), layout="constrained"
    )
    return figure, figure.subplots(n_rows, n_columns, squeeze=False, **sharing)
