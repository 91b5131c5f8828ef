"""Scores over many seeds: means, intervals, and the place of the published values."""

import numpy as np
from scipy import stats

from sklearn_toydnn.comparison.statistics import OneSampleTTest

SCORES = {
    "min_val_loss": "minimum validation loss",
    "max_val_accuracy": "maximum validation accuracy",
    "test_accuracy": "test accuracy, last epoch",
}
PUBLISHED = {
    "min_val_loss": "published_loss",
    "max_val_accuracy": "published_accuracy",
}
SCORE_OF = {"loss": "min_val_loss", "accuracy": "max_val_accuracy"}


def pick(rows, **values):
    """Return the rows that have these values."""
    for name, value in values.items():
        rows = rows[rows[name] == value]
    return rows


def last_epochs(frame):
    """Return the rows of the last epoch of each reading."""
    return frame[frame["epoch"] == frame.groupby("reading")["epoch"].transform("max")]


def interval(values):
    """Return the 95 % confidence interval of the mean (Student's t)."""
    if len(values) < 2:
        return np.mean(values), np.mean(values)
    return OneSampleTTest(values).mean_interval(0.05)


def summarize(frame, by, values, digits=4):
    """Return the mean and interval of each column, as text, for each group."""

    def text(values):
        low, high = interval(values)
        if np.isnan(low):  # all values are equal
            return f"{np.mean(values):.{digits}f}"
        return f"{np.mean(values):.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"

    groups = frame.groupby(by, sort=False, dropna=False)
    return groups[list(values)].agg(text).reset_index()


def with_places(table, frame, by, n_val):
    """Add where the published values lie relative to our 95 % prediction interval."""
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
    """Return the 95 % prediction interval for the loss or error of one more seed.

    It is Student's t interval of the logarithms. An error of 0 counts as half a
    validation point.
    """
    logs = np.log(np.maximum(values, 0.5 / n_val))
    width = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1)
    width *= np.sqrt(1 + 1 / len(logs))
    return np.exp(logs.mean() - width), np.exp(logs.mean() + width)
