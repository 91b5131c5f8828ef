"""Classifiers that version 0.1.0 has saved load, predict and go on.

``saved/`` holds them as pickle and skops wrote them, with the probabilities that the
code of then predicted for `POINTS`.
"""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io

from sklearn_toydnn import make_triangle

SAVED = Path(__file__).parent / "saved"
TRUSTED = ["sklearn_toydnn._network.Network", "sklearn_toydnn.classifier.DNNClassifier"]
POINTS = pd.DataFrame(make_triangle(50, random_state=1)[0] / 30, columns=["x0", "x1"])
LOADERS = {
    ".pkl": lambda path: pickle.loads(path.read_bytes()),
    ".skops": lambda path: skops.io.load(path, trusted=TRUSTED),
}
# The epochs that each has been trained for, and the steps of its optimizer.
TRAINED = {
    "two_classes": (4, 16),
    "three_classes": (3, 9),
    "logits": (3, 12),
    "initialized": (0, 0),
}


@pytest.fixture(params=TRAINED)
def name(request):
    return request.param


@pytest.fixture(params=LOADERS)
def loaded(request, name):
    return LOADERS[request.param](SAVED / f"{name}{request.param}")


@pytest.fixture
def points(loaded):
    return POINTS if hasattr(loaded, "feature_names_in_") else POINTS.to_numpy()


def test_they_predict_as_then(loaded, points, name):
    expected = np.load(SAVED / "probabilities.npz")[name]
    proba = loaded.predict_proba(points)
    assert proba.dtype == expected.dtype
    # The last bits of a sigmoid or an exponential are the processor's.
    np.testing.assert_array_max_ulp(proba, expected, maxulp=4)
    labels = loaded.classes_[expected.argmax(axis=1)]
    np.testing.assert_array_equal(loaded.predict(points), labels)


def test_they_go_on_where_they_were(loaded, points, name):
    n_epochs, n_steps = TRAINED[name]
    assert loaded.n_iter_ == n_epochs
    assert loaded.model_.optimizer.iterations.numpy() == n_steps
    before = [kernel.copy() for kernel in loaded.coefs_]
    loaded.set_params(early_stopping=False)
    loaded.partial_fit(points, np.resize(loaded.classes_, len(points)))
    assert loaded.n_iter_ == n_epochs + 1
    assert loaded.model_.optimizer.iterations.numpy() == n_steps + 2
    # One epoch moves the weights a little: they are not drawn anew.
    for kernel, past in zip(loaded.coefs_, before, strict=True):
        assert (kernel != past).any() and np.abs(kernel - past).max() < 0.2


def test_they_are_saved_again(loaded, points, tmp_path):
    skops.io.dump(loaded, tmp_path / "net.skops")
    again = skops.io.load(tmp_path / "net.skops", trusted=TRUSTED)
    for other in (again, pickle.loads(pickle.dumps(loaded))):
        np.testing.assert_array_equal(
            other.predict_proba(points), loaded.predict_proba(points)
        )


def test_what_was_saved_before_there_were_logits(points, loaded):
    """Version 0.1.0's first classifiers do not say where their classes part."""
    state = dict(vars(loaded))
    cut = state.pop("_output_cut")
    state |= {"_optimizer_text": state.pop("_optimizer_key")[0], "_learning_rate": None}
    old = object.__new__(type(loaded))
    old.__setstate__(state)
    same = (old.predict_proba(points) == loaded.predict_proba(points)).all()
    assert same == (cut == 0.5)
