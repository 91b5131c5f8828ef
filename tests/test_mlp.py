"""scikit-learn's tests of MLPClassifier, applied to DNNClassifier.

Adapted from sklearn/neural_network/tests/test_mlp.py of scikit-learn 1.9.1 (by the
scikit-learn developers, BSD-3-Clause license), with the same order and names.
"""

import re
import warnings
from importlib import import_module

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import MinMaxScaler

from sklearn_toydnn import DNNClassifier
from sklearn_toydnn._engine.tensorflow import keras

pytestmark = pytest.mark.slow

DIFFERENCES = {
    "test_alpha": "There is no L2 penalty `alpha`; the network has dropout instead.",
    "test_lbfgs_regression": "There is no regressor.",
    "test_lbfgs_classification_maxfun": "There is no L-BFGS solver.",
    "test_lbfgs_regression_maxfun": "There is no regressor.",
    "test_multilabel_classification": "Multilabel targets are an error.",
    "test_multioutput_regression": "There is no regressor.",
    "test_partial_fit_regression": "There is no regressor.",
    "test_predict_proba_multilabel": "Multilabel targets are an error.",
    "test_sparse_matrices": "Sparse matrices are an error.",
    "test_mlp_regressor_dtypes_casting": "There is no regressor.",
    "test_mlp_vs_poisson_glm_equivalent": "There is no regressor.",
}

ACTIVATIONS = ["linear", "sigmoid", "tanh", "relu"]

X_digits_multi, y_digits_multi = load_digits(n_class=3, return_X_y=True)
X_digits_multi = MinMaxScaler().fit_transform(X_digits_multi[:200])
y_digits_multi = y_digits_multi[:200]

X_digits, y_digits = load_digits(n_class=2, return_X_y=True)
X_digits_binary = MinMaxScaler().fit_transform(X_digits[:200])
y_digits_binary = y_digits[:200]

classification_datasets = pytest.mark.parametrize(
    "X, y",
    [(X_digits_multi, y_digits_multi), (X_digits_binary, y_digits_binary)],
    ids=["multi", "binary"],
)

X_iris, y_iris = load_iris(return_X_y=True)


def test_every_test_of_scikit_learn_is_here_or_a_difference():
    module = import_module("sklearn.neural_network.tests.test_mlp")
    original_tests = {name for name in vars(module) if name.startswith("test_")}
    assert original_tests - set(globals()) == set(DIFFERENCES)


def test_fit():
    # scikit-learn's example, calculated by hand, without its alpha of 0.1.
    X, y = np.array([[0.6, 0.8, 0.7]]), np.array([0])
    clf = DNNClassifier(
        2,
        activation="sigmoid",
        dropout_rate=0.0,
        optimizer="SGD",
        optimizer__learning_rate=0.1,
        dtype="float64",
    )
    clf.partial_fit(X, y, classes=[0, 1])
    assert clf.n_layers_ == 3 and clf.n_outputs_ == 1
    clf.coefs_ = [
        np.array([[0.1, 0.2], [0.3, 0.1], [0.5, 0.0]]),
        np.array([[0.1], [0.2]]),
    ]
    clf.intercepts_ = [np.array([0.1, 0.1]), np.array([1.0])]

    clf.partial_fit(X, y)
    # h1 = g(0.6 * 0.1 + 0.8 * 0.3 + 0.7 * 0.5 + 0.1) = 0.679179
    # h2 = g(0.6 * 0.2 + 0.8 * 0.1 + 0.7 * 0.0 + 0.1) = 0.574443
    # o = g(h1 * 0.1 + h2 * 0.2 + 1) = 0.765452
    # d2 = o - 0 = 0.765452
    # d11 = (1 - h1) * h1 * d2 * 0.1 = 0.016679
    # d12 = (1 - h2) * h2 * d2 * 0.2 = 0.037424
    # Each weight decreases by 0.1 * input * d, each bias by 0.1 * d.
    hidden = [[0.098999, 0.197755], [0.298666, 0.097006], [0.498832, -0.002620]]
    assert_allclose(clf.coefs_[0], hidden, atol=1e-6)
    assert_allclose(clf.coefs_[1], [[0.048012], [0.156029]], atol=1e-6)
    assert_allclose(clf.intercepts_[0], [0.098332, 0.096258], atol=1e-6)
    assert_allclose(clf.intercepts_[1], [0.923455], atol=1e-6)
    # h1 = 0.678273, h2 = 0.572163
    # o = g(h1 * 0.048012 + h2 * 0.156029 + 0.923455) = 0.739870
    assert clf.predict_proba(X)[0, 1] == pytest.approx(0.739870, abs=1e-6)


@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradient(n_labels, activation):
    X = np.random.RandomState(42).rand(5, 10)
    y = 1 + np.mod(np.arange(5) + 1, n_labels)
    clf = DNNClassifier(
        10,
        activation=activation,
        dropout_rate=0.0,
        # With these settings, one step subtracts exactly the gradient.
        optimizer="SGD",
        optimizer__learning_rate=1.0,
        batch_size=-1,
        dtype="float64",
        random_state=1,
    )
    clf.partial_fit(X, y, classes=np.unique(y))
    assert [len(b) for b in clf.intercepts_] == [10, clf.n_outputs_]
    start = [w.copy() for w in clf.coefs_ + clf.intercepts_]
    clf.partial_fit(X, y)
    gradient = [a - b for a, b in zip(start, clf.coefs_ + clf.intercepts_, strict=True)]

    weights = [w.copy() for w in start]
    clf.coefs_, clf.intercepts_ = weights[:2], weights[2:]

    def loss():
        return -np.log(clf.predict_proba(X)[np.arange(5), y - 1]).mean()

    epsilon = 1e-5
    for w, dw in zip(weights, gradient, strict=True):
        for i in np.ndindex(w.shape):
            value = w[i]
            w[i] = value + epsilon
            above = loss()
            w[i] = value - epsilon
            below = loss()
            w[i] = value
            assert (above - below) / (2 * epsilon) == pytest.approx(dw[i], abs=1e-7)


@classification_datasets
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_lbfgs_classification(X, y, activation):
    # With Adam instead of L-BFGS.
    clf = DNNClassifier(50, epochs=150, random_state=1, activation=activation)
    clf.fit(X[:150], y[:150])
    predicted = clf.predict(X[150:])
    assert clf.score(X[:150], y[:150]) > 0.95
    assert predicted.shape == (50,) and predicted.dtype.kind == y.dtype.kind


@pytest.mark.parametrize("schedule", ["constant", "invscaling"])
def test_learning_rate_warmstart(schedule):
    X = [[3, 2], [1, 6], [5, 6], [-2, -4]]
    y = [1, 1, 1, 0]
    rate = 0.001
    if schedule == "invscaling":
        # Keras counts steps; scikit-learn counts points.
        rate = keras.optimizers.schedules.InverseTimeDecay(0.001, 1, 1.0)
    clf = DNNClassifier(
        4, optimizer="SGD", optimizer__learning_rate=rate, epochs=1, warm_start=True
    )
    rates = [float(clf.fit(X, y).model_.optimizer.learning_rate) for _ in range(2)]
    expected = [1e-3, 1e-3] if schedule == "constant" else [1e-3 / 2, 1e-3 / 3]
    assert rates == pytest.approx(expected)


def test_partial_fit_classes_error():
    clf = DNNClassifier(optimizer="SGD")
    clf.partial_fit([[3, 2]], [0], classes=[0, 1])
    with pytest.raises(ValueError, match="classes"):
        clf.partial_fit([[3, 2]], [0], classes=[1, 2])


@classification_datasets
def test_partial_fit_classification(X, y):
    params = {
        "optimizer": "SGD",
        "optimizer__learning_rate": 0.2,
        "epochs": 100,
        "random_state": 1,
    }
    whole = DNNClassifier(**params).fit(X, y)
    clf = DNNClassifier(**params)
    for _ in range(100):
        clf.partial_fit(X, y, classes=np.unique(y))
    assert_array_equal(clf.predict(X), whole.predict(X))
    assert clf.score(X, y) > 0.95


def test_partial_fit_unseen_classes():
    clf = DNNClassifier(random_state=0)
    clf.partial_fit([[1], [2], [3]], ["a", "b", "c"], classes=["a", "b", "c", "d"])
    clf.partial_fit([[4]], ["d"])
    assert clf.score([[1], [2], [3], [4]], ["a", "b", "c", "d"]) > 0


@pytest.mark.parametrize("classes", [None, [], [2]])
def test_partial_fit_errors(classes):
    # Unlike L-BFGS, every Keras optimizer supports partial_fit.
    with pytest.raises(ValueError, match="class"):
        DNNClassifier(optimizer="SGD").partial_fit(
            [[3, 2], [1, 6]], [1, 0], classes=classes
        )


def test_nonfinite_params():
    rng = np.random.RandomState(0)
    X = np.finfo(np.float64).max * rng.uniform(size=(10, 2))
    y = rng.standard_normal(size=10) > 0
    with pytest.raises(ValueError, match="too large"):
        DNNClassifier().fit(X, y)
    # Diverging training is a warning, not an error.
    clf = DNNClassifier(dtype="float64", epochs=10, random_state=0)
    with pytest.warns(ConvergenceWarning, match="diverged.*Scaling the points"):
        clf.fit(X, y)
    assert clf.diverged_


def fit_probabilities(X, y, **params):
    clf = DNNClassifier(
        5, dropout_rate=0.0, epochs=200, batch_size=-1, random_state=1, **params
    ).fit(X, y)
    proba, log_proba = clf.predict_proba(X), clf.predict_log_proba(X)
    assert proba.shape == (len(X), len(np.unique(y)))
    assert_array_equal(proba.argmax(axis=1), log_proba.argmax(axis=1))
    assert_allclose(log_proba, np.log(proba))
    return proba


def test_predict_proba_binary():
    X, y = X_digits_binary[:50], y_digits_binary[:50]
    proba = fit_probabilities(X, y, activation="sigmoid")
    assert roc_auc_score(y, proba[:, 1]) == 1.0


def test_predict_proba_multiclass():
    fit_probabilities(X_digits_multi[:10], y_digits_multi[:10])


def test_shuffle():
    X, y = make_classification(n_samples=50, n_features=5, random_state=0)

    def kernel(shuffle):
        clf = DNNClassifier(
            1,
            dropout_rate=0.0,
            epochs=1,
            batch_size=1,
            random_state=0,
            shuffle=shuffle,
        )
        return clf.fit(X, y).coefs_[0]

    for shuffle in (True, False):
        assert_array_equal(kernel(shuffle), kernel(shuffle))
    assert not np.array_equal(kernel(True), kernel(False))


def test_tolerance():
    # The criterion is the validation accuracy, not the training loss.
    X, y = [[3, 2], [1, 6]], [1, 0]
    clf = DNNClassifier(tol=0.5, epochs=3000, optimizer="SGD", early_stopping=True)
    clf.fit(X, y, X_val=X, y_val=y)
    assert clf.n_iter_ < clf.epochs


def test_verbose_sgd(capsys):
    X, y = [[3, 2], [1, 6]], [1, 0]
    clf = DNNClassifier(2, optimizer="SGD", epochs=2, verbose=2)
    clf.fit(X, y)
    clf.partial_fit(X, y)
    # Keras prints "Epoch" instead of "Iteration".
    assert capsys.readouterr().out.count("Epoch") == 3


def test_early_stopping():
    X, y = X_digits_binary[:100], y_digits_binary[:100]
    params = {"tol": 0.2, "optimizer": "SGD", "random_state": 0}
    clf = DNNClassifier(epochs=3000, early_stopping=True, **params).fit(X, y)
    assert clf.n_iter_ < clf.epochs
    assert clf.best_loss_ is None
    assert isinstance(clf.validation_scores_, list)
    best = clf.best_validation_score_
    assert max(clf.validation_scores_) == best
    assert best + clf.tol > clf.validation_scores_[-2]
    assert best + clf.tol > clf.validation_scores_[-1]

    clf = DNNClassifier(epochs=10, early_stopping=False, **params).fit(X, y)
    assert clf.validation_scores_ is None
    assert clf.best_validation_score_ is None
    assert clf.best_loss_ is not None


def test_adaptive_learning_rate():
    # Keras callbacks replace learning_rate="adaptive".
    callbacks = [
        keras.callbacks.ReduceLROnPlateau("loss", factor=0.2, min_delta=0.5),
        keras.callbacks.EarlyStopping("loss", min_delta=0.5, patience=100),
    ]
    clf = DNNClassifier(optimizer="SGD", epochs=3000, callbacks=callbacks)
    clf.fit([[3, 2], [1, 6]], [1, 0])
    assert clf.n_iter_ < clf.epochs
    assert clf.model_.optimizer.learning_rate < 1e-6


def test_warm_start():
    clf = DNNClassifier(2, epochs=10, warm_start=True, random_state=42)
    clf.fit(X_iris, y_iris)
    clf.fit(X_iris, y_iris)
    clf.fit(X_iris, np.repeat([0, 1, 2], [40, 40, 70]))


@pytest.mark.parametrize(
    "y",
    [
        np.repeat([0, 1], 75),
        np.repeat([0, 1, 3], 50),
        np.repeat([0, 1, 2, 3], [37, 37, 38, 38]),
        np.repeat([0, 1, 2, 3, 4], 30),
    ],
    ids=lambda y: str(np.unique(y)),
)
def test_warm_start_with_other_classes(y):
    clf = DNNClassifier(2, epochs=10, warm_start=True, random_state=42)
    clf.fit(X_iris, y_iris)
    message = (
        "warm_start can only be used where `y` has the same "
        "classes as in the previous call to fit."
        f" Previously got [0 1 2], `y` has {np.unique(y)}"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        clf.fit(X_iris, y)


def test_warm_start_full_iteration():
    clf = DNNClassifier(2, optimizer="SGD", warm_start=True, epochs=3)
    assert clf.fit(X_iris, y_iris).n_iter_ == 3
    assert clf.fit(X_iris, y_iris).n_iter_ == 3


@pytest.mark.parametrize("n_iter_no_change", [2, 5, 10, 50, 100])
def test_n_iter_no_change(n_iter_no_change):
    # The criterion is the validation accuracy, not the loss.
    clf = DNNClassifier(
        tol=0.01,
        epochs=3000,
        optimizer="SGD",
        early_stopping=True,
        n_iter_no_change=n_iter_no_change,
        random_state=0,
    )
    clf.fit(X_digits_binary[:100], y_digits_binary[:100])
    first_best = np.argmax(clf.validation_scores_) + 1
    assert clf.n_iter_ == first_best + n_iter_no_change
    assert clf.n_iter_ < clf.epochs


def test_n_iter_no_change_inf():
    clf = DNNClassifier(
        tol=1e9,
        epochs=300,
        optimizer="SGD",
        early_stopping=True,
        n_iter_no_change=np.inf,
    )
    with pytest.warns(ConvergenceWarning):
        clf.fit(X_digits_binary[:100], y_digits_binary[:100])
    assert clf.n_iter_ == 300


def test_early_stopping_stratified():
    X, y = [[1, 2], [2, 3], [3, 4], [4, 5]], [0, 0, 0, 1]
    with pytest.raises(
        ValueError,
        match=r"The least populated classes in y have only 1 member.*Classes with "
        r"too few members are: \[1\]",
    ):
        DNNClassifier(early_stopping=True).fit(X, y)


def test_mlp_early_stopping_string_labels():
    X, y = make_classification(
        n_samples=200, n_features=10, n_classes=3, n_informative=5, random_state=42
    )
    y = np.array(["class_a", "class_b", "class_c"], dtype=object)[y]
    clf = DNNClassifier(early_stopping=True, epochs=50, random_state=42)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(X, y)
    assert len(clf.validation_scores_) == clf.n_iter_
    assert np.isfinite(clf.validation_scores_).all()
    assert set(clf.predict(X)) <= {"class_a", "class_b", "class_c"}


def test_mlp_classifier_dtypes_casting():
    # Only the dtype of the data varies, since the initial weights depend on `dtype`.
    def fit_predict(dtype):
        X = X_digits.astype(dtype)
        clf = DNNClassifier((5, 3), random_state=1, epochs=100)
        clf.fit(X[:300], y_digits[:300])
        return clf.predict(X[300:]), clf.predict_proba(X[300:])

    pred_64, proba_64 = fit_predict(np.float64)
    pred_32, proba_32 = fit_predict(np.float32)
    assert_array_equal(pred_64, pred_32)
    assert_allclose(proba_64, proba_32, rtol=1e-2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mlp_param_dtypes(dtype):
    # The parameter `dtype`, not the data, determines the precision.
    X = X_digits.astype({"float32": "float64", "float64": "float32"}[dtype])
    clf = DNNClassifier((5, 3), random_state=1, epochs=50, dtype=dtype)
    clf.fit(X[:300], y_digits[:300])
    assert all(intercept.dtype == dtype for intercept in clf.intercepts_)
    assert all(coef.dtype == dtype for coef in clf.coefs_)
    assert clf.predict_proba(X[300:]).dtype == "float64"  # for both dtypes


def test_mlp_loading_from_joblib_partial_fit(tmp_path):
    X = [[2], [-2]]
    clf = DNNClassifier(42, random_state=42, optimizer__learning_rate=0.01)
    clf.fit(X, ["a", "b"])
    assert_array_equal(clf.predict(X), ["a", "b"])
    joblib.dump(clf, tmp_path / "clf.pkl")
    loaded = joblib.load(tmp_path / "clf.pkl")
    for _ in range(200):
        loaded.partial_fit(X, ["b", "a"])
    assert_array_equal(loaded.predict(X), ["b", "a"])


def test_preserve_feature_names():
    rng = np.random.RandomState(0)
    X = pd.DataFrame(rng.randn(10, 2), columns=["colname_a", "colname_b"])
    # Two classes, because the single class of scikit-learn's test is an error.
    y = pd.Series(np.repeat([0, 1], 5), name="colname_y")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        DNNClassifier(early_stopping=True, validation_fraction=0.2).fit(X, y)


def test_mlp_warm_start_with_early_stopping():
    clf = DNNClassifier(epochs=10, random_state=0, warm_start=True, early_stopping=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for epochs in (10, 20):
            clf.set_params(epochs=epochs).fit(X_iris, y_iris)
            # The list starts again in each fit.
            assert 0 < len(clf.validation_scores_) == clf.n_iter_ <= epochs


@pytest.mark.parametrize("optimizer", ["SGD", "adam"])
def test_mlp_warm_start_no_convergence(optimizer):
    clf = DNNClassifier(
        optimizer=optimizer,
        warm_start=True,
        # Without early stopping there is no warning about convergence.
        early_stopping=True,
        epochs=10,
        n_iter_no_change=np.inf,
        random_state=0,
    )
    for epochs in (10, 20):
        with pytest.warns(ConvergenceWarning):
            clf.set_params(epochs=epochs).fit(X_iris, y_iris)
        assert clf.n_iter_ == epochs


def test_mlp_partial_fit_after_fit():
    clf = DNNClassifier(early_stopping=True, random_state=0).fit(X_iris, y_iris)
    with pytest.raises(
        ValueError, match="partial_fit does not support early_stopping=True"
    ):
        clf.partial_fit(X_iris, y_iris)


def test_mlp_diverging_loss():
    clf = DNNClassifier(
        100,
        activation="linear",
        optimizer="SGD",
        # The cross-entropy does not diverge with a rate of 1.
        optimizer__learning_rate=1e30,
        epochs=20,
        early_stopping=True,
        random_state=0,
    )
    with pytest.warns(ConvergenceWarning, match="diverged"):
        clf.fit(X_iris, y_iris)
    # The score is an accuracy, which is finite even if weights are NaN.
    assert np.isnan(clf.history_["loss"][-1])
    assert isinstance(clf.validation_scores_[-1], float)
    assert 0 <= clf.validation_scores_[-1] <= 1


def test_mlp_sample_weight_with_early_stopping():
    X, y = make_classification(
        n_samples=100, n_features=2, n_redundant=0, random_state=42
    )
    clf = DNNClassifier(
        10,
        early_stopping=True,
        tol=1e-2,
        optimizer__learning_rate=0.01,
        batch_size=10,
        random_state=42,
    )
    weighted = clf.fit(X, y, sample_weight=np.ones(100)).predict_proba(X)
    assert_allclose(weighted, clf.fit(X, y).predict_proba(X))


def test_minimum_input_sample_size():
    X, y = make_classification(n_samples=2, n_features=5, random_state=0)
    with pytest.raises(ValueError, match="validation_fraction=0.1 cannot hold out"):
        DNNClassifier(early_stopping=True, random_state=0).fit(X, y)
