"""What the studies share: one repetition's data and scores, and statistics of many."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.preprocessing import StandardScaler

import sklearn_toydnn

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


def search(pipeline, grid, data):
    """Fit every candidate of a grid once on a repetition's data; score each."""
    candidates = GridSearchCV(
        pipeline, grid, scoring=score, cv=data.cv, refit=False, error_score="raise"
    )
    results = candidates.fit(
        data.X, data.y, X_val=data.X_val, y_val=data.y_val
    ).cv_results_
    return pd.DataFrame(results["params"]).assign(
        **{name: results[f"mean_test_{name}"] for name in SCORES}
    )


# ---- many repetitions


def each_seed(seeds, **settings):
    """List the repetitions: the settings with one seed after the other."""
    for seed in range(seeds):
        yield {**settings, "seed": seed}


def interval(values):
    """Return the 95 % confidence interval of the mean (Student's t)."""
    if len(values) < 2 or np.ptp(values) == 0:
        return np.mean(values), np.mean(values)
    return stats.t.interval(
        0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values)
    )


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
