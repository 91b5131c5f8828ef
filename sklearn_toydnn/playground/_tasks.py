"""The tasks of worker processes: train networks, predict the plane, compute scores.

Each task takes settings and returns arrays and plain values.
"""

import pickle
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss

from ..comparison.repetition import FreshData, Repetitions, draw_entropy
from ._pipeline import (
    comparison_params,
    make_maker,
    make_pipeline,
    make_steps,
)
from ._setting import N_TEST, N_VAL

N_GRID = 100  # points along each side of the plane


@dataclass
class Fit:
    """The results of a trained network, and its training points."""

    seed: int
    proba: np.ndarray  # (N_GRID, N_GRID, n_classes), lowest row first
    history: dict
    accuracy: float  # on test points
    X: np.ndarray = field(repr=False)  # after augmentation
    y: np.ndarray = field(repr=False)
    n_original: int  # points before copies were added
    warning: str = ""


class Sample(NamedTuple):
    """A training set, validation set and test set."""

    X: Any
    y: Any
    X_val: Any
    y_val: Any
    X_test: Any
    y_test: Any


def draw(setting, seed):
    """Draw the data of one seed, in the order test, validation, training."""
    n_samples = N_TEST + N_VAL + setting.n_samples
    drawn = make_maker(setting)(n_samples, random_state=seed)
    (X_test, X_val, X), (y_test, y_val, y) = (
        np.split(array, [N_TEST, N_TEST + N_VAL]) for array in drawn
    )
    return Sample(X, y, X_val, y_val, X_test, y_test)


@cache
def grid(extent):
    """Return the points of the plane at which a picture shows the prediction."""
    left, right, bottom, top = extent
    half = 0.5 / N_GRID
    positions = np.linspace(half, 1 - half, N_GRID)
    x0, x1 = np.meshgrid(
        left + (right - left) * positions, bottom + (top - bottom) * positions
    )
    return np.column_stack([x0.ravel(), x1.ravel()])


# ---- one network


def fit(setting, seed):
    """Train a network in the same way as the generated program."""
    sample = draw(setting, seed)
    pipe = make_pipeline(setting, seed)
    with _recording_warnings() as caught:
        pipe.fit(sample.X, sample.y, X_val=sample.X_val, y_val=sample.y_val)
    *_, scaler, net = [step for _, step in pipe.steps]
    points = _augment(setting, seed, sample)
    return _make_fit(setting, seed, sample, points, scaler, net, net.history_, caught)


@contextmanager
def _recording_warnings():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        yield caught


def _make_fit(setting, seed, sample, points, scaler, net, history, caught):
    """Return the results of a trained network."""
    plane = net.predict_proba(scaler.transform(grid(setting.maker.extent)))
    return Fit(
        seed,
        plane.reshape(N_GRID, N_GRID, -1).astype(np.float32),
        history,
        float(net.score(scaler.transform(sample.X_test), sample.y_test)),
        *points,
        len(sample.X),
        " ".join(str(warning.message) for warning in caught) if net.diverged_ else "",
    )


def _augment(setting, seed, sample):
    """Return the training points after augmentation, the same for the same seed."""
    step = make_steps(setting, seed)[0]
    if setting.augmentation == "copies":
        return step.fit_resample(sample.X, sample.y)
    if setting.augmentation == "jitter":
        return step.fit_transform(sample.X), sample.y
    return sample.X, sample.y


# ---- one epoch


def train_an_epoch(setting, seed, state=None):
    """Train for one epoch; return the state for the next epoch and the results.

    The state is pickled, so that the server can store it without TensorFlow.
    """
    setting = setting.changed(early_stopping=False)  # `partial_fit` rejects it
    sample = draw(setting, seed)
    X, y = _augment(setting, seed, sample)
    if state is None:
        *_, scaler, net = make_steps(setting, seed)
        scaler, history = scaler.fit(X), {}
    else:
        scaler, net, history = pickle.loads(state)
    with _recording_warnings() as caught:
        net.partial_fit(scaler.transform(X), y, classes=np.unique(y))
    latest = {name: values[-1] for name, values in net.history_.items()}
    proba = net.predict_proba(scaler.transform(sample.X_val))
    latest["val_loss"] = log_loss(sample.y_val, proba, labels=net.classes_)
    latest["val_accuracy"] = accuracy_score(sample.y_val, net.classes_[proba.argmax(1)])
    history = {name: [*history.get(name, []), value] for name, value in latest.items()}
    result = _make_fit(setting, seed, sample, (X, y), scaler, net, history, caught)
    return pickle.dumps((scaler, net, history)), result


# ---- comparison of A and B


def score(a, b, repeat):
    """Return the scores of A and B in one repetition, the same as `compare`."""
    params = comparison_params(a, b)
    n_train, n_test, n_val = (
        params["train_size"],
        params["test_size"],
        params["val_size"],
    )
    pipe = partial(make_pipeline, n_largest=n_train)
    repetitions = Repetitions(
        {"A": pipe(a), "B": pipe(b)},
        FreshData(make_maker(b), n_train, n_test, n_val),
        params["scoring"],
        draw_entropy(params["random_state"]),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return repetitions.score([repeat], "difference", None, None, 0)


def warm_up(setting):
    """Prepare the process: import, trace and compile for a setting."""
    sklearn.set_config(enable_metadata_routing=True)
    fit(setting, 0)
