"""What is computed, in a worker process: networks, what they say of the plane, scores.

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
    compared_with,
    make_maker,
    make_pipeline,
    make_steps,
)
from ._setting import N_TEST, N_VAL

N_GRID = 100  # points along each side of the picture


@dataclass
class Fit:
    """A trained network, and what it was trained on."""

    seed: int
    proba: np.ndarray  # (N_GRID, N_GRID, n_classes): from the lowest row of points up
    history: dict
    accuracy: float  # on test points
    X: np.ndarray = field(repr=False)  # with what augmentation adds
    y: np.ndarray = field(repr=False)
    n_own: int  # points that are no copies
    warning: str = ""


class Drawn(NamedTuple):
    """Points to train on, to validate and to test."""

    X: Any
    y: Any
    X_val: Any
    y_val: Any
    X_test: Any
    y_test: Any


def draw(setting, seed):
    """Draw points for one seed: the first ones to test, then those to validate."""
    n_samples = N_TEST + N_VAL + setting.n_samples
    drawn = make_maker(setting)(n_samples, random_state=seed)
    (X_test, X_val, X), (y_test, y_val, y) = (
        np.split(array, [N_TEST, N_TEST + N_VAL]) for array in drawn
    )
    return Drawn(X, y, X_val, y_val, X_test, y_test)


@cache
def grid(extent):
    """Return the points of the plane that a picture asks about."""
    left, right, bottom, top = extent
    half = 0.5 / N_GRID
    places = np.linspace(half, 1 - half, N_GRID)
    x0, x1 = np.meshgrid(
        left + (right - left) * places, bottom + (top - bottom) * places
    )
    return np.column_stack([x0.ravel(), x1.ravel()])


# ---- one network


def fit(setting, seed):
    """Train a network as the program that is shown does."""
    sample = draw(setting, seed)
    pipe = make_pipeline(setting, seed)
    with _noting_divergence() as caught:
        pipe.fit(sample.X, sample.y, X_val=sample.X_val, y_val=sample.y_val)
    *_, scaler, net = [step for _, step in pipe.steps]
    points = _augmented(setting, seed, sample)
    return _show(setting, seed, sample, points, scaler, net, net.history_, caught)


@contextmanager
def _noting_divergence():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        yield caught


def _show(setting, seed, sample, points, scaler, net, history, caught):
    """Return what there is to be seen of a network."""
    plane = net.predict_proba(scaler.transform(grid(setting.maker.extent)))
    return Fit(
        seed,
        plane.reshape(N_GRID, N_GRID, -1).astype(np.float32),
        history,
        float(net.score(scaler.transform(sample.X_test), sample.y_test)),
        *points,
        len(sample.X),
        " ".join(str(one.message) for one in caught) if net.diverged_ else "",
    )


def _augmented(setting, seed, sample):
    """Return the points as the scaler gets them: the same again, for the same seed."""
    step = make_steps(setting, seed)[0]
    if setting.augmentation == "copies":
        return step.fit_resample(sample.X, sample.y)
    if setting.augmentation == "jitter":
        return step.fit_transform(sample.X), sample.y
    return sample.X, sample.y


# ---- a network that is watched


def train_an_epoch(setting, seed, watched=None):
    """Train for one epoch; return what goes on from there, and the network now.

    What goes on is pickled, so that the server need not import TensorFlow to hold it.
    """
    setting = setting.changed(early_stopping=False)  # of a fit, not of its epochs
    sample = draw(setting, seed)
    X, y = _augmented(setting, seed, sample)
    if watched is None:
        *_, scaler, net = make_steps(setting, seed)
        scaler, history = scaler.fit(X), {}
    else:
        scaler, net, history = pickle.loads(watched)
    with _noting_divergence() as caught:
        net.partial_fit(scaler.transform(X), y, classes=np.unique(y))
    now = {name: values[-1] for name, values in net.history_.items()}
    proba = net.predict_proba(scaler.transform(sample.X_val))
    now["val_loss"] = log_loss(sample.y_val, proba, labels=net.classes_)
    now["val_accuracy"] = accuracy_score(sample.y_val, net.classes_[proba.argmax(1)])
    history = {name: [*history.get(name, []), value] for name, value in now.items()}
    shown = _show(setting, seed, sample, (X, y), scaler, net, history, caught)
    return pickle.dumps((scaler, net, history)), shown


# ---- A against B


def score(a, b, repeat):
    """Return the scores of A and B in a repetition, as `compare` measures them."""
    how = compared_with(a, b)
    n_train, n_test, n_val = how["train_size"], how["test_size"], how["val_size"]
    pipe = partial(make_pipeline, n_largest=n_train)
    repetitions = Repetitions(
        {"A": pipe(a), "B": pipe(b)},
        FreshData(make_maker(b), n_train, n_test, n_val),
        how["scoring"],
        draw_entropy(how["random_state"]),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return repetitions.score([repeat], "difference", None, None, 0)


def warm_up(setting):
    """Make the process ready: import, trace, compile for a setting."""
    sklearn.set_config(enable_metadata_routing=True)
    fit(setting, 0)
