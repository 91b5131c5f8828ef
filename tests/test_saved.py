"""Tests that files saved by earlier versions can be loaded and used.

``saved/`` has a folder for each version. It contains classifiers saved with pickle and
skops, the probabilities that the version predicted for `POINTS`, a pickled comparison
and its scores.
"""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io

from sklearn_toydnn import make_triangle
from sklearn_toydnn.comparison import Comparison

SAVED = Path(__file__).parent / "saved"
TRUSTED = ["sklearn_toydnn._network.Network", "sklearn_toydnn.classifier.DNNClassifier"]
POINTS = pd.DataFrame(make_triangle(50, random_state=1)[0] / 30, columns=["x0", "x1"])
LOADERS = {
    ".pkl": lambda path: pickle.loads(path.read_bytes()),
    ".skops": lambda path: skops.io.load(path, trusted=TRUSTED),
}
# The numbers of epochs and of optimizer steps of each classifier.
TRAINED = {
    "two_classes": (4, 16),
    "three_classes": (3, 9),
    "logits": (3, 12),
    "initialized": (0, 0),
}


VERSIONS = ["0.1.0", "0.2.0"]


@pytest.fixture(params=VERSIONS)
def folder(request):
    return SAVED / request.param


@pytest.fixture(params=TRAINED)
def name(request):
    return request.param


@pytest.fixture(params=LOADERS)
def loaded(request, folder, name):
    return LOADERS[request.param](folder / f"{name}{request.param}")


@pytest.fixture
def points(loaded):
    return POINTS if hasattr(loaded, "feature_names_in_") else POINTS.to_numpy()


def test_loaded_classifiers_predict_the_saved_probabilities(
    loaded, points, folder, name
):
    expected = np.load(folder / "probabilities.npz")[name]
    proba = loaded.predict_proba(points)
    # The last bits of a sigmoid or an exponential depend on the processor.
    proba = proba.astype(expected.dtype)
    np.testing.assert_array_max_ulp(proba, expected, maxulp=4)
    labels = loaded.classes_[expected.argmax(axis=1)]
    np.testing.assert_array_equal(loaded.predict(points), labels)


def test_loaded_classifiers_continue_training(loaded, points, name):
    n_epochs, n_steps = TRAINED[name]
    assert loaded.n_iter_ == n_epochs
    assert loaded.model_.optimizer.iterations.numpy() == n_steps
    before = [kernel.copy() for kernel in loaded.coefs_]
    loaded.set_params(early_stopping=False)
    loaded.partial_fit(points, np.resize(loaded.classes_, len(points)))
    assert loaded.n_iter_ == n_epochs + 1
    assert loaded.model_.optimizer.iterations.numpy() == n_steps + 2
    # The weights change only slightly, so they were not drawn again.
    for kernel, past in zip(loaded.coefs_, before, strict=True):
        assert (kernel != past).any() and np.abs(kernel - past).max() < 0.2


def test_loaded_classifiers_can_be_saved_again(loaded, points, tmp_path):
    skops.io.dump(loaded, tmp_path / "net.skops")
    again = skops.io.load(tmp_path / "net.skops", trusted=TRUSTED)
    for other in (again, pickle.loads(pickle.dumps(loaded))):
        np.testing.assert_array_equal(
            other.predict_proba(points), loaded.predict_proba(points)
        )


def test_classifiers_saved_without_an_output_cut(points, loaded):
    """The first classifiers of version 0.1.0 do not store `_output_cut`."""
    state = dict(vars(loaded))
    cut = state.pop("_output_cut")
    state |= {"_optimizer_text": state.pop("_optimizer_key")[0], "_learning_rate": None}
    old = object.__new__(type(loaded))
    old.__setstate__(state)
    same = (old.predict_proba(points) == loaded.predict_proba(points)).all()
    assert same == (cut == 0.5)


# ---- comparisons


def test_a_loaded_comparison_has_verdicts():
    result = pickle.loads((SAVED / "0.2.0" / "comparison.pkl").read_bytes())
    assert (result.n_repeats, result.baseline, result.test_size) == (10, "depth 1", 100)
    summary = result.summary().set_index("estimator")
    assert summary["verdict"].to_dict() == {
        "depth 1": "",
        "depth 2": "better",
        "depth 4": "better",
    }
    # The p-values of version 0.2.0: the coarseness of these scores is negligible.
    np.testing.assert_allclose(summary["p_value"].dropna(), [0.0384, 0.0001], atol=5e-5)


def test_saved_scores_have_the_same_summary():
    scores = pd.read_csv(SAVED / "0.2.0" / "scores.csv")
    pickled = pickle.loads((SAVED / "0.2.0" / "comparison.pkl").read_bytes())
    pd.testing.assert_frame_equal(scores, pickled.scores[scores.columns])
    again = Comparison(scores, "depth 1", margin=0.005, test_size=100)
    pd.testing.assert_frame_equal(again.summary(), pickled.summary())
