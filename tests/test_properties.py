"""For any input, results obey the contract or an error names the cause.

The profiles in ``conftest.py`` determine the number of inputs.
"""

import copy
import pickle
import re
import warnings
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from matplotlib import pyplot as plt
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils import check_array

from sklearn_toydnn import (
    DNNClassifier,
    GaussianAugmenter,
    GaussianNoise,
    cache_clear,
    cache_info,
    datasets,
    plotting,
)
from sklearn_toydnn._engine.tensorflow import keras

# ---- inputs

DTYPES = ["f2", "f4", "f8", "i1", "u1", "i4", "i8", "?", "O", "c8"]
LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "backwards": lambda X: np.ascontiguousarray(X[::-1])[::-1],
    "every other": lambda X: np.repeat(X, 2, axis=0)[::2],
    "read-only": lambda X: _read_only(X),
    "list": lambda X: X.tolist(),
    "frame": pd.DataFrame,
}
LABELS = {
    "numbers": np.arange(10),
    "negative": -3 * np.arange(10),
    "unsigned": np.arange(10, dtype="u1"),
    "whole floats": np.arange(10.0),
    "booleans": np.array([False, True]),
    "strings": np.array(list("jihgfedcba")),
    "objects": np.array(list("jihgfedcba"), dtype=object),
    "huge": 2**60 + np.arange(10),
}
BOXES = {"list": list, "array": np.asarray, "series": pd.Series}


def _read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


@st.composite
def points(draw, n_features=(1, 2, 50), dtypes=DTYPES):
    """Draw any array of points, in any layout, often with bad numbers."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    shape = draw(st.integers(1, 40)), draw(st.sampled_from(n_features))
    numbers = st.floats() if dtype.kind == "O" else hnp.from_dtype(dtype)
    if draw(st.booleans()):  # valid numbers in about half of the cases
        numbers = numbers.filter(np.isfinite)
        if dtype.kind in "fO":
            numbers = numbers.filter(lambda x: abs(x) < 1e3)
    X = draw(hnp.arrays(dtype, shape, elements=numbers))
    if draw(st.booleans()):
        X[:, 0] = X[0, 0]
    if draw(st.booleans()):
        X[:] = X[: 1 + len(X) // 3][np.arange(len(X)) % (1 + len(X) // 3)]
    return LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](X)


@st.composite
def labels(draw, n_samples):
    """Draw labels of 1 to 10 classes."""
    names = LABELS[draw(st.sampled_from(sorted(LABELS)))]
    n_classes = min(draw(st.sampled_from([1, 2, 3, 10])), len(names))
    y = names[np.arange(n_samples) % n_classes]
    y = y[draw(st.permutations(range(n_samples)))]
    return BOXES[draw(st.sampled_from(sorted(BOXES)))](y)


def refusal(X, dtype, n_features=None):
    """Return the error that scikit-learn raises for these points, or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # from NumPy's sum of X
        try:
            X = check_array(X, dtype=dtype, input_name="X")
        except (ValueError, TypeError) as error:
            return type(error)(str(error).splitlines()[0])
    if n_features not in (None, X.shape[1]):
        return ValueError(f"{n_features} features")
    return None


@contextmanager
def refused(error):
    """Expect an error of the same type with the same message."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with pytest.raises(type(error), match=re.escape(str(error))):
            yield


# ---- results


def fit_or_refuse(clf, X, y, error=None, **data):
    """Fit and check the contract, or check that the expected error is raised."""
    if error is not None:
        with refused(error):
            clf.fit(X, y, **data)
        assert not hasattr(clf, "classes_")
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.fit(X, y, **data)
    assert {warning.category for warning in caught} <= {ConvergenceWarning}
    assert len(caught) <= 1
    assert clf.diverged_ == any("diverged" in str(w.message) for w in caught)
    assert_contract(clf, X, y)


def assert_contract(clf, X, y):
    np.testing.assert_array_equal(clf.classes_, np.unique(y))
    assert all(len(values) == clf.n_iter_ for values in clf.history_.values())
    if not clf.diverged_:
        assert np.isfinite(list(clf.history_.values())).all()
        assert all(np.isfinite(kernel).all() for kernel in clf.coefs_)
    proba = clf.predict_proba(X)
    assert proba.shape == (len(X), clf.n_classes_)
    assert proba.dtype == np.float64
    assert_probabilities(proba)
    predicted = clf.predict(X)
    assert predicted.dtype == clf.classes_.dtype
    assert np.isin(predicted, clf.classes_).all()
    assert 0 <= clf.score(X, y) <= 1


def assert_probabilities(proba):
    assert (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)


# ---- the classifier


@given(st.data())
def test_any_points_and_labels(survived, data):
    survived["inputs"] += 1
    X = data.draw(points())
    y = data.draw(labels(len(X)))
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    error = refusal(X, dtype)
    if error is None and len(np.unique(y)) == 1:
        error = ValueError("only one class")
    clf = DNNClassifier((3,), batch_size=8, epochs=2, dtype=dtype, random_state=0)
    fit_or_refuse(clf, X, y, error)


@given(st.data())
def test_any_points_to_predict_on(survived, data):
    survived["inputs"] += 1
    clf = DNNClassifier((3,), batch_size=8, epochs=1, random_state=0)
    clf.fit([[0.0, 1.0], [1.0, 0.0]], ["a", "b"])
    X = data.draw(points())
    error = refusal(X, "float32", n_features=2)
    if error is None:
        assert_probabilities(clf.predict_proba(X))
    else:
        with refused(error):
            clf.predict(X)


@given(st.data())
def test_any_weights(survived, data):
    survived["inputs"] += 1
    X, y = datasets.make_triangle(30, random_state=0)
    numbers = st.floats()
    if data.draw(st.booleans()):  # valid numbers in about half of the cases
        numbers = st.floats(0, allow_infinity=False)
    weights = data.draw(hnp.arrays("f8", 30, elements=numbers))
    error = None
    # `fit` divides weights by their mean in float64, so that any scale is valid.
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        error = ValueError("sample_weight")
    elif not weights.any():
        error = ValueError("weight")
    clf = DNNClassifier((3,), batch_size=8, epochs=2, random_state=0)
    fit_or_refuse(clf, X, y, error, sample_weight=weights)


@given(st.data())
def test_any_validation_points(survived, data):
    survived["inputs"] += 1
    X, y = datasets.make_triangle(30, random_state=0)
    X_val = data.draw(points(n_features=[1, 2], dtypes=["f4", "f8"]))
    y_val = data.draw(st.sampled_from([0, 1, 2]))
    error = refusal(X_val, "float32")
    if error is not None:
        error = type(error)(str(error).replace("X ", "X_val ", 1))
    elif np.shape(X_val)[1] != 2:
        error = ValueError("X_val has 1 features")
    elif y_val == 2:
        error = ValueError("y_val contains labels that are not in classes_: [2]")
    clf = DNNClassifier((3,), batch_size=8, epochs=2, random_state=0)
    fit_or_refuse(clf, X, y, error, X_val=X_val, y_val=np.full(len(X_val), y_val))


def _names(module, base):
    """Return the names of the subclasses of `base` in a module of Keras."""
    return sorted(
        name
        for name, thing in vars(module).items()
        if isinstance(thing, type) and issubclass(thing, base) and thing is not base
    )


# Base classes, wrappers, and one optimizer that Keras does not accept by name.
EXCLUDED = {"LossScaleOptimizer", "MultiOptimizer", "Optimizer", "Lamb"}
OPTIMIZERS = sorted(set(_names(keras.optimizers, keras.Optimizer)) - EXCLUDED)
ACTIVATIONS = ["relu", "tanh", "sigmoid", "elu", "selu", "gelu", "silu", "softplus"]
ACTIVATIONS += ["linear", "exponential", "leaky_relu", "hard_sigmoid", "mish", "relu6"]
INITIALIZERS = ["zeros", "ones", "random_normal", "random_uniform", "truncated_normal"]
INITIALIZERS += ["orthogonal", "glorot_normal", "he_uniform", "lecun_normal"]
LOSSES = ["auto", "mse", "mae", "huber", "hinge", "poisson", "log_cosh", "kld"]
BINARY_LOSSES = ["binary_crossentropy", "binary_focal_crossentropy"]
MANY_LOSSES = ["categorical_crossentropy", "sparse_categorical_crossentropy"]
N_SAMPLES = 60

parameters = {
    "hidden_layer_sizes": st.lists(st.integers(1, 8), min_size=1, max_size=3),
    "activation": st.sampled_from(ACTIVATIONS),
    "output_activation": st.sampled_from(["auto", "sigmoid", "tanh", "relu", "linear"]),
    "dropout_rate": st.floats(0, 1, exclude_max=True),
    "kernel_initializer": st.sampled_from(INITIALIZERS),
    "optimizer": st.sampled_from(OPTIMIZERS),
    "optimizer__learning_rate": st.sampled_from([0.0, 1e-3, 1.0, 1e30]),
    "batch_size": st.sampled_from([-1, 1, 7, 32, 1000]),
    "epochs": st.integers(1, 3),
    "validation_split": st.sampled_from([0.0, 0.1, 0.5]),
    "early_stopping": st.booleans(),
    "validation_fraction": st.floats(0.2, 0.5),
    "n_iter_no_change": st.integers(1, 3),
    "tol": st.floats(0, 1),
    "shuffle": st.booleans(),
    "class_weight": st.sampled_from([None, "balanced", {0: 1.0, 1: 3.0}]),
    "warm_start": st.booleans(),
    "run_eagerly": st.just(False),
    "dtype": st.sampled_from(["float32", "float64"]),
    "jit_compile": st.sampled_from(["auto", True, False]),
    "random_state": st.none() | st.integers(0, 2**32 - 1),
}


@settings(max_examples=max(5, settings.default.max_examples // 5))
@given(st.fixed_dictionaries({}, optional=parameters), st.data())
def test_any_combination_of_parameters(survived, params, data):
    survived["inputs"] += 1
    # Keras' Muon computes in float32; see the test below.
    assume((params.get("optimizer"), params.get("dtype")) != ("Muon", "float64"))
    n_classes = data.draw(st.sampled_from([2, 3]))
    losses = LOSSES + (BINARY_LOSSES if n_classes == 2 else MANY_LOSSES)
    loss = data.draw(st.sampled_from(losses))
    X, _ = datasets.make_triangle(N_SAMPLES, random_state=0)
    y = np.arange(N_SAMPLES) % n_classes
    clf = DNNClassifier(**{"epochs": 1} | params, loss=loss)
    fit_or_refuse(clf, X / 30, y)
    if clf.warm_start:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            clf.set_params(early_stopping=False).fit(X / 30, y)
        assert_contract(clf, X / 30, y)


@pytest.mark.filterwarnings("ignore:Training is not compiled")
@pytest.mark.parametrize(
    "params", [{"optimizer": "Muon", "dtype": "float64"}, {"loss": lambda y: y}]
)
def test_parameters_that_keras_cannot_train_with_are_named(params):
    X, y = datasets.make_triangle(N_SAMPLES, random_state=0)
    (name, value), *_ = params.items()
    with pytest.raises(ValueError, match=re.escape(f"{name}={value!r}")):
        DNNClassifier((3,), epochs=1, **params).fit(X, y)


JUNK = [None, -1, 0, 1, 0.5, np.nan, np.inf, 1 + 2j, "nonsense", b"bytes", object()]
JUNK += [[], {}, (0,), ["relu"], {"a": 1}, np.array([3, 4]), np.float32(0.25), int]
JUNK += [np.True_, lambda x: x, keras.losses.Hinge, keras.callbacks.History]


@pytest.mark.filterwarnings("ignore:Training is not compiled")
@given(st.sampled_from(sorted(DNNClassifier().get_params())), st.sampled_from(JUNK))
def test_any_value_of_a_parameter(survived, name, value):
    survived["inputs"] += 1
    assume(not (name == "verbose" and value is not None))  # only changes the output
    X, y = datasets.make_triangle(N_SAMPLES, random_state=0)
    clf = DNNClassifier(**{"hidden_layer_sizes": (3,), "epochs": 1} | {name: value})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            clf.fit(X, y)
    except (ValueError, TypeError) as error:
        assert name in str(error)
        assert not hasattr(clf, "classes_")
    else:
        assert_contract(clf, X, y)


class AnyOrderOfCalls(RuleBasedStateMachine):
    """After calls in any order, a classifier is completely fitted or unfitted."""

    X, y = datasets.make_triangle(N_SAMPLES, random_state=0)

    @initialize()
    def start(self):
        self.clf = DNNClassifier((3,), epochs=2, random_state=0)
        self.fitted = False

    @rule()
    def fit(self):
        self.clf.fit(self.X, self.y)
        self.fitted = True

    @rule()
    def partial_fit(self):
        self.clf.partial_fit(self.X, self.y, classes=[0, 1])
        self.fitted = True

    @rule(bad=st.sampled_from(["X", "y", "X_val"]))
    def fail(self, bad):
        data = {"X": self.X, "y": self.y, bad: np.full((N_SAMPLES, 2), np.nan)}
        before = copy.copy(self.clf)
        with pytest.raises(ValueError, match=f"{bad}|continuous|NaN"):
            self.clf.fit(**data)
        assert vars(self.clf).keys() - {"_model"} == vars(before).keys()
        if self.fitted:
            np.testing.assert_array_equal(
                self.clf.predict_proba(self.X), before.predict_proba(self.X)
            )

    @rule(rate=st.sampled_from([1e-3, 0.1]), warm=st.booleans())
    def set_params(self, rate, warm):
        self.clf.set_params(optimizer__learning_rate=rate, warm_start=warm)

    @rule()
    def save_and_load(self):
        self.clf = pickle.loads(pickle.dumps(self.clf))

    @rule()
    def clone_unfitted(self):
        self.clf, self.fitted = clone(self.clf), False

    @rule()
    def clear_programs(self):
        cache_clear()
        assert cache_info().currsize == 0

    @precondition(lambda self: self.fitted)
    @rule()
    def use_the_keras_model(self):
        proba = self.clf.model_.predict(self.X, verbose=0)
        np.testing.assert_allclose(
            proba[:, 0], self.clf.predict_proba(self.X)[:, 1], atol=1e-6
        )

    @invariant()
    def is_consistent(self):
        if not hasattr(self, "clf"):
            return
        if self.fitted:
            assert_contract(self.clf, self.X, self.y)
        else:
            with pytest.raises(NotFittedError):
                self.clf.predict(self.X)


TestAnyOrderOfCalls = AnyOrderOfCalls.TestCase
TestAnyOrderOfCalls.settings = settings(
    max_examples=max(5, settings.default.max_examples // 10), stateful_step_count=8
)


# ---- augmentation


STDS = st.floats(0, 1e6) | st.floats(0, allow_infinity=False)


def assert_too_large(std, X):
    """Check that the noise can exceed the range of the dtype."""
    dtype = X.dtype if X.dtype.kind == "f" else np.dtype(float)
    # Python floats overflow to infinity without a warning.
    largest = float(np.abs(X.astype(float)).max())
    assert largest + 10 * float(std) > float(np.finfo(dtype).max)


@given(points(), STDS, st.integers(0, 2**32 - 1))
def test_noise_on_any_points(survived, X, std, seed):
    survived["inputs"] += 1
    noise = GaussianNoise(std, random_state=seed)
    # Other dtypes are converted to float64, as in scikit-learn's transformers.
    dtype = np.asarray(X).dtype
    dtype = dtype if dtype in ("f4", "f8") else np.dtype("f8")
    error = refusal(X, dtype)
    if error is not None:
        with refused(error):
            noise.fit_transform(X)
        return
    try:
        jittered = noise.fit_transform(X)
    except ValueError as error:
        assert str(error).startswith("std is too large")
        assert_too_large(std, np.asarray(X, dtype))
        return
    same = noise.transform(X)
    assert np.isfinite(jittered).all()
    assert jittered.dtype == same.dtype == dtype
    np.testing.assert_array_equal(same, np.asarray(X, dtype))
    assert jittered.shape == same.shape
    if std == 0:
        np.testing.assert_array_equal(jittered, same)


FRACTIONS = st.floats(0, 3) | st.floats(1e15, allow_infinity=False)


@given(st.data(), FRACTIONS, STDS, st.integers(0, 2**32 - 1))
def test_copies_of_any_points(survived, data, fraction, std, seed):
    survived["inputs"] += 1
    X = data.draw(points())
    y = data.draw(labels(len(X)))
    augmenter = GaussianAugmenter(fraction, std, random_state=seed)
    values = np.asarray(X)
    error = refusal(X, "numeric")
    if error is None and len(np.unique(y)) == 1:
        error = ValueError("more than 1 class")  # raised by imbalanced-learn
    if error is None and fraction > 3:
        error = ValueError("fraction is too large")
    if error is not None:
        with refused(error):
            augmenter.fit_resample(X, y)
        return
    try:
        X_new, y_new = augmenter.fit_resample(X, y)
    except ValueError as error:
        assert str(error).startswith("std is too large")
        assert_too_large(std, values)
        return
    assert np.isfinite(np.asarray(X_new, float)).all()
    n = len(X)
    sources = augmenter.sample_indices_
    assert len(X_new) == len(y_new) == len(sources) == n + round(fraction * n)
    np.testing.assert_array_equal(np.asarray(X_new)[:n], values)
    np.testing.assert_array_equal(np.asarray(y_new), np.asarray(y)[sources])
    assert type(X_new) is type(X)


# ---- data sets and plots

MAKERS = [datasets.make_triangle, datasets.make_sinusoidal, datasets.make_gaussian]
NUMBERS = st.integers() | st.floats() | st.none() | st.text(max_size=3)
NUMBERS |= st.just(10**400)
ENDS = NUMBERS | st.fractions() | st.decimals()
NARROW_BOXES = st.floats().map(lambda low: (low, np.nextafter(low, np.inf)))
BAD_SIZES = [0, -1, 1.5, None, "3", True, np.True_, 10**15, 10**400]


@given(
    st.sampled_from(MAKERS),
    st.fixed_dictionaries(
        {"n_samples": st.integers(1, 200) | st.sampled_from(BAD_SIZES)},
        optional={
            "box": st.tuples(ENDS, ENDS) | NARROW_BOXES | st.tuples(ENDS) | ENDS,
            "noise": NUMBERS,
            "flip_y": st.floats(0, 1) | NUMBERS,
            "random_state": NUMBERS,
        },
    ),
)
def test_any_data_set(survived, maker, params):
    survived["inputs"] += 1
    try:
        X, y = maker(**params)
    except (ValueError, TypeError) as error:
        assert any(name in str(error) for name in params)
        return
    n_samples = params["n_samples"]
    assert not isinstance(n_samples, bool)
    assert X.shape == (n_samples, 2) and X.dtype == np.float64
    assert y.shape == (n_samples,) and y.dtype == int
    assert np.isin(y, [0, 1]).all()
    assert np.isfinite(X).all()
    if not params.get("noise"):
        low, high = map(float, params.get("box", (-50, 50)))
        assert ((low <= X) & (high > X)).all()


@pytest.mark.parametrize(
    "name", ["label_triangle", "label_sinusoidal", "label_gaussian"]
)
@given(points())
def test_labels_of_any_points(survived, name, X):
    survived["inputs"] += 1
    label = getattr(datasets, name)
    error = refusal(X, np.float64, n_features=2)
    if error is not None:
        with refused(error):
            label(X)
        return
    y = label(X)
    assert y.shape == (len(X),) and np.isin(y, [0, 1]).all()
    np.testing.assert_array_equal(y, label(np.asarray(X, float)))


@settings(max_examples=max(20, settings.default.max_examples // 10))
@given(st.data())
def test_plots_of_any_points(survived, data):
    survived["inputs"] += 1
    X = data.draw(points(n_features=[1, 2]))
    y = data.draw(labels(len(X)))
    error = refusal(X, "float64", n_features=2)
    if error is not None:
        with refused(error):
            plotting.plot_dataset(X, y)
        return
    plt.close()
    ax = plotting.plot_dataset(X, y)
    (drawn,) = ax.collections
    np.testing.assert_array_equal(
        drawn.get_offsets(), np.asarray(X, float).clip(-1e100, 1e100)
    )
    shown = [text.get_text() for text in ax.get_legend().texts]
    assert shown == [str(label) for label in np.unique(np.asarray(y))]


LOSS_VALUES = st.floats(-1e100, 1e100) | st.sampled_from([np.nan, np.inf, -np.inf])


@given(
    st.dictionaries(
        st.sampled_from(["loss", "val_loss", "accuracy", "val_accuracy"]),
        st.lists(LOSS_VALUES, min_size=3, max_size=3),
    ),
    st.sampled_from(["loss", "accuracy"]),
)
def test_plots_of_any_history(survived, history, metric):
    survived["inputs"] += 1
    if metric not in history:
        with pytest.raises(ValueError, match=f"metric='{metric}'"):
            plotting.plot_history(history, metric=metric)
        return
    plt.close()
    ax = plotting.plot_history(history, metric=metric)
    lines = [np.asarray(line.get_ydata()) for line in ax.lines]
    for name in (metric, f"val_{metric}"):
        values = [value for value in history.get(name, []) if np.isfinite(value)]
        assert any(list(line[np.isfinite(line)]) == values for line in lines)
