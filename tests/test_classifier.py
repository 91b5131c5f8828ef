"""Tests of DNNClassifier, with compiled training and with Keras."""

import json
import multiprocessing
import pickle
import random
import subprocess
import sys
import threading
import warnings
from abc import ABC
from functools import partial

import numpy as np
import pytest
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from keras.src.backend.common import global_state
from scikeras.wrappers import KerasClassifier
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import AdaBoostClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import (
    DNNClassifier,
    GaussianAugmenter,
    make_gaussian,
    make_sinusoidal,
    make_triangle,
)
from sklearn_toydnn._engine.optimizer import OptimizerSpec
from sklearn_toydnn._engine.tensorflow import keras, tf

LossFunctionWrapper = keras.losses.Huber.__base__  # has no public name


JIT_COMPILE = ["auto"]


def small(**params):
    defaults = {"epochs": 2, "random_state": 0, "jit_compile": JIT_COMPILE[-1]}
    return DNNClassifier(**defaults | params)


@pytest.fixture(params=[True, False], ids=["compiled", "keras"])
def jit_compile(request):
    """Run a test twice: `small` trains in a compiled program, then with Keras."""
    JIT_COMPILE.append(request.param)
    yield request.param
    JIT_COMPILE.pop()


def weights(clf):
    return [*clf.coefs_, *clf.intercepts_]


def assert_same_weights(one, other):
    for a, b in zip(weights(one), weights(other), strict=True):
        np.testing.assert_array_equal(a, b)


# ---- learning


@pytest.mark.parametrize(
    "maker, accuracy",
    [(make_triangle, 0.97), (make_sinusoidal, 0.80), (make_gaussian, 0.97)],
)
def test_it_learns_each_function_of_the_paper(maker, accuracy):
    X, y = maker(n_samples=3200, random_state=0)
    X_test, y_test = maker(n_samples=4000, random_state=1)
    net = make_pipeline(StandardScaler(), DNNClassifier(epochs=60, random_state=0))
    assert net.fit(X, y).score(X_test, y_test) > accuracy


@pytest.mark.fast("activation-tanh")
@pytest.mark.parametrize(
    "params",
    [
        {name: value}
        for name, values in {
            "optimizer": ["SGD", "RMSprop", "Adagrad", "Adam", "Nadam"],
            "activation": ["sigmoid", "tanh", "relu", "elu"],
            "output_activation": ["sigmoid", "tanh", "relu", "elu"],
            "kernel_initializer": [
                "zeros",
                "ones",
                "random_uniform",
                "random_normal",
                "truncated_normal",
                "orthogonal",
            ],
        }.items()
        for value in values
    ],
    ids=lambda params: "-".join(*params.items()),
)
def test_it_trains_with_every_setting_of_the_paper(params, data):
    clf = small(**params).fit(*data)
    start = clone(clf).set_params(epochs=1, optimizer="SGD")
    start.set_params(optimizer__learning_rate=1e-30).fit(*data)
    assert any(
        (a != b).any() for a, b in zip(weights(clf), weights(start), strict=True)
    )
    assert all(np.isfinite(clf.history_["loss"]))
    proba = clf.predict_proba(data[0])
    assert proba.min() >= 0 and proba.max() <= 1
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.fast("auto", "relu")
@pytest.mark.parametrize(
    "output_activation", ["relu", "tanh", "elu", "sigmoid", "auto"]
)
def test_probabilities_are_valid_for_three_classes(output_activation, three_classes):
    clf = small(output_activation=output_activation).fit(*three_classes)
    assert list(clf.classes_) == ["a", "b", "c"]
    proba = clf.predict_proba(three_classes[0][:1])
    assert proba.shape == (1, 3) and proba.min() >= 0
    assert proba.sum() == pytest.approx(1)
    assert set(clf.predict(three_classes[0])) <= {"a", "b", "c"}


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "mse", "kl_divergence"])
def test_losses_on_one_hot_labels(loss, three_classes):
    clf = small(loss=loss, epochs=20, batch_size=8).fit(*three_classes)
    assert clf.score(*three_classes) > 0.7


@pytest.mark.fast("compiled")
def test_history_model_and_probabilities_agree(data, jit_compile):
    X, y = data
    clf = small(epochs=3).fit(X, y, X_val=X[:50], y_val=y[:50])
    assert {
        name: len(values) for name, values in clf.history_.items()
    } == dict.fromkeys(["loss", "accuracy", "val_loss", "val_accuracy"], 3)
    proba = clf.predict_proba(X[:50])
    assert proba.dtype == np.float64
    assert np.mean(clf.predict(X[:50]) == y[:50]) == pytest.approx(
        clf.history_["val_accuracy"][-1]
    )
    loss = -np.log(proba[range(50), y[:50]]).mean()
    assert loss == pytest.approx(clf.history_["val_loss"][-1], rel=1e-4)
    assert isinstance(clf.model_, keras.Model)
    np.testing.assert_allclose(
        clf.model_.predict(X[:50], verbose=0)[:, 0], proba[:, 1], atol=1e-6
    )
    assert [layer.name.split("_")[0] for layer in clf.model_.layers] == [
        "dense",
        "dense",
        "dropout",
        "dense",
    ]


@pytest.mark.fast("compiled")
def test_validation_split_holds_out_the_last_rows(data, jit_compile):
    X, y = data
    split = small(validation_split=0.25).fit(X, y)
    given = small().fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
    assert_same_weights(split, given)
    assert split.history_ == given.history_


@pytest.mark.fast("compiled")
def test_class_weights_multiply_sample_weights(data, jit_compile):
    X, y = data
    sample_weight = np.linspace(0, 2, len(y))
    given = sample_weight.copy()
    one = small(class_weight={0: 1.0, 1: 3.0}).fit(X, y, given)
    other = small().fit(X, y, sample_weight * np.where(y == 1, 3.0, 1.0))
    assert_same_weights(one, other)
    np.testing.assert_array_equal(given, sample_weight)


@pytest.mark.fast("compiled-*")
@pytest.mark.parametrize("scale", [1e-6, 1e6, 1e308])
def test_the_scale_of_sample_weights_has_no_effect(scale, data, jit_compile):
    X, y = data
    sample_weight = np.linspace(0, 1, len(y))
    sgd = {"optimizer": "SGD", "optimizer__learning_rate": 0.5}
    one = small(**sgd).fit(X, y, sample_weight)
    other = small(**sgd).fit(X, y, scale * sample_weight)
    for a, b in zip(weights(one), weights(other), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    np.testing.assert_allclose(one.history_["loss"], other.history_["loss"], rtol=1e-5)
    equal = small(**sgd).fit(X, y, scale * np.ones(len(y)))
    for a, b in zip(weights(small(**sgd).fit(X, y)), weights(equal), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_sample_weights_have_mean_1_over_the_training_set(data):
    X, y = data
    sample_weight = np.linspace(0, 3, len(y))  # the first weight is 0
    params = {"validation_split": 0.25, "epochs": 1, "shuffle": False, "batch_size": -1}
    clf = small(**params, dropout_rate=0.0).fit(X, y, sample_weight)
    start = small(**params, dropout_rate=0.0).initialize(X, y)
    proba = start.predict_proba(X)[np.arange(len(y)), y]
    trained = slice(1, 1 + int(199 * 0.75))
    normalized = sample_weight / sample_weight[trained].mean()
    loss = -(normalized * np.log(proba))[trained].mean()
    assert clf.history_["loss"] == [pytest.approx(loss, rel=1e-5)]
    proba = clf.predict_proba(X)[np.arange(len(y)), y]
    loss = -(normalized * np.log(proba))[trained.stop :].mean()
    assert clf.history_["val_loss"] == [pytest.approx(loss, rel=1e-5)]


def test_partial_fit_does_not_normalize_sample_weights(data):
    X, y = data
    sgd = small(optimizer="SGD", optimizer__learning_rate=0.1).initialize(X, y)
    one, other = (pickle.loads(pickle.dumps(sgd)) for _ in range(2))
    one.partial_fit(X, y, sample_weight=np.full(len(y), 1e-3))
    other.partial_fit(X, y)
    moved = [np.abs(clf.coefs_[0] - sgd.coefs_[0]).max() for clf in (one, other)]
    assert 0 < moved[0] < 0.01 * moved[1]


def test_adaboost_learns_with_sgd(data):
    """AdaBoost passes sample weights that sum to 1."""
    net = small(epochs=30, optimizer="SGD", optimizer__learning_rate=0.3)
    boosted = AdaBoostClassifier(net, n_estimators=2, random_state=0).fit(*data)
    assert boosted.score(*data) > 0.8


def test_class_weights_may_include_classes_without_points(three_classes):
    X, y = three_classes
    clf = small(class_weight={"a": 1.0, "b": 2.0, "c": 3.0})
    is_a_or_b = y != "c"
    one = clone(clf).partial_fit(X[is_a_or_b], y[is_a_or_b], classes=list("abc"))
    other = small().partial_fit(
        X[is_a_or_b],
        y[is_a_or_b],
        classes=list("abc"),
        sample_weight=np.where(y[is_a_or_b] == "b", 2.0, 1.0),
    )
    assert_same_weights(one, other)
    # Nor do validation points need to contain every class.
    stopping = clf.set_params(early_stopping=True, n_iter_no_change=1)
    assert stopping.fit(X, y, X_val=X[is_a_or_b], y_val=y[is_a_or_b]).n_iter_ > 0


def test_partial_fit_does_not_support_balanced_weights(data):
    clf = small(class_weight="balanced").fit(*data)
    with pytest.raises(ValueError, match="partial_fit does not support class_weight="):
        clf.partial_fit(*data)


@pytest.mark.fast("compiled")
def test_zero_weight_is_equivalent_to_removal(data, jit_compile):
    X, y = data
    selected = np.arange(len(y)) % 3 > 0
    assert_same_weights(
        small().fit(X, y, selected.astype(float)),
        small().fit(X[selected], y[selected]),
    )


class Recorder(keras.callbacks.Callback):
    """Records losses. It cannot be copied, because it holds a lock."""

    def __init__(self, fail_at=None):
        super().__init__()
        self.losses, self.lock, self.fail_at = [], threading.Lock(), fail_at

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append(logs["loss"])
        if epoch == self.fail_at:
            raise RuntimeError("failed on purpose")


def test_callbacks_are_the_instances_given(data, jit_compile):
    X, y = data
    recorder = Recorder()
    stop = keras.callbacks.EarlyStopping("loss", min_delta=10.0, patience=1)
    clf = small(epochs=30, callbacks={"a": recorder, "more": [stop]}).fit(X, y)
    assert recorder.losses == clf.history_["loss"] and clf.n_iter_ == 2
    assert stop.stopped_epoch == 1
    clf.set_params(callbacks=recorder, epochs=3).fit(X, y)
    assert len(recorder.losses) == 2 + 3
    clf.partial_fit(X, y)
    assert len(recorder.losses) == 2 + 3 + 1
    failing = Recorder(fail_at=1)
    before = weights(clf)
    with pytest.raises(RuntimeError, match="failed on purpose"):
        clf.set_params(callbacks=[failing]).fit(X, y)
    assert len(failing.losses) == 2
    for array, past in zip(weights(clf), before, strict=True):
        np.testing.assert_array_equal(array, past)


def test_callback_classes_are_instantiated_in_each_fit(data, jit_compile):
    routed = small(
        epochs=30,
        callbacks=keras.callbacks.EarlyStopping,
        callbacks__monitor="loss",
        callbacks__min_delta=10.0,
        callbacks__patience=3,
    )
    for _ in range(2):
        assert len(routed.fit(*data).history_["loss"]) == 4


@pytest.mark.fast("compiled")
def test_float64(data, jit_compile):
    clf = small(dtype="float64").fit(*data)
    assert {w.dtype for w in weights(clf)} == {np.dtype("float64")}
    assert clf.predict_proba(data[0]).dtype == np.float64


# ---- randomness


@pytest.mark.fast("compiled")
def test_the_seed_determines_the_weights(data, jit_compile):
    assert_same_weights(small().fit(*data), small().fit(*data))
    for seed in [1, None]:
        other = small(random_state=seed).fit(*data)
        assert (weights(other)[0] != weights(small().fit(*data))[0]).any()


@pytest.mark.fast("compiled")
def test_random_state_instance_advances(data, jit_compile):
    clf = small(random_state=np.random.RandomState(0))
    first = weights(clf.fit(*data))[0].copy()
    assert (weights(clf.fit(*data))[0] != first).any()


@pytest.mark.fast("compiled")
def test_global_random_generators_do_not_change(data, jit_compile):
    def states():
        keras_generator = global_state.get_global_attribute("global_seed_generator")
        numpy_state = np.random.mtrand._rand.get_state()
        return [
            random.getstate(),
            numpy_state[1].tolist(),
            numpy_state[2],
            keras_generator and keras_generator.state.numpy().tolist(),
        ]

    before = states()
    one = small().fit(*data, X_val=data[0][:9], y_val=data[1][:9])
    one.predict(data[0])
    assert states() == before
    random.seed(5)
    keras.utils.set_random_seed(5)
    assert_same_weights(one, small().fit(*data))


@pytest.mark.fast("compiled")
def test_shuffle_changes_the_weights(data, jit_compile):
    plain = small(shuffle=False, dropout_rate=0.0).fit(*data)
    shuffled = small(dropout_rate=0.0).fit(*data)
    assert (weights(plain)[0] != weights(shuffled)[0]).any()
    reordered = [a[::-1] for a in data]
    assert (
        weights(plain)[0]
        != weights(small(shuffle=False, dropout_rate=0.0).fit(*reordered))[0]
    ).any()


# ---- continued training


def test_repeated_partial_fit_equals_fit(data, jit_compile):
    whole = small(epochs=3).fit(*data)
    parts = small()
    for _ in range(2):
        parts.partial_fit(*data, classes=[0, 1])
    # Pickling between two calls has no effect.
    parts = pickle.loads(pickle.dumps(parts)).partial_fit(*data)
    assert_same_weights(whole, parts)
    assert whole.history_ == parts.history_


def test_warm_start_continues_from_the_weights(data, jit_compile):
    cold = small().fit(*data)
    warm = small(warm_start=True).fit(*data).fit(*data)
    longer = small(epochs=4).fit(*data)
    assert_same_weights(warm, longer)
    assert warm.history_["loss"] == longer.history_["loss"][2:]
    assert_same_weights(cold.fit(*data), small().fit(*data))


def test_partial_fit_requires_the_classes_in_the_first_call(data):
    X, y = data
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        small().partial_fit(X, y)
    clf = small().partial_fit(X[:1], y[:1], classes=[2, 1, 0])
    assert list(clf.classes_) == [0, 1, 2]
    with pytest.raises(
        ValueError, match=r"y contains labels .* not in classes_: \[7\]"
    ):
        clf.partial_fit(X[:1], [7])


# ---- in scikit-learn


def test_is_a_scikeras_classifier_with_named_parameters():
    assert issubclass(DNNClassifier, KerasClassifier)
    clf = DNNClassifier(optimizer__learning_rate=0.1)
    assert set(clf.get_params()) - {"optimizer__learning_rate"} == set(
        DNNClassifier().get_params()
    )
    assert not {"model", "build_fn"} & set(clf.get_params())
    assert repr(clf) == "DNNClassifier(optimizer__learning_rate=0.1)"
    assert clone(clf).get_params() == clf.get_params()
    assert clone(clf).set_params(
        optimizer__learning_rate=0.2, epochs=3
    ).get_params() == {
        **clf.get_params(),
        "epochs": 3,
        "optimizer__learning_rate": 0.2,
    }


class Subclass(DNNClassifier, ABC):
    def __init__(self, depth=2, epochs=2, random_state=0):
        super().__init__((5,) * depth, epochs=epochs, random_state=random_state)
        self.depth = depth

    def fit(self, X, y):
        self.__seen = len(X)
        return super().fit(X, y)


def test_a_subclass_defines_its_parameters(data):
    clf = Subclass(depth=3).fit(*data)
    assert set(clf.get_params()) == {"depth", "epochs", "random_state"}
    assert clone(clf).set_params(epochs=1).get_params()["depth"] == 3
    assert len(clf.coefs_) == 4
    assert "depth" in Subclass._get_param_names()


def test_routed_parameters_reach_optimizer_and_loss(data):
    clf = small(optimizer__learning_rate=0.125, loss__label_smoothing=0.5).fit(*data)
    assert float(clf.model_.optimizer.learning_rate.numpy()) == 0.125
    assert clf.model_.loss.get_config()["label_smoothing"] == 0.5


@pytest.mark.fast("compiled")
def test_pickle_restores_the_classifier(data, jit_compile):
    clf = small().fit(*data)
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(
        again.predict_proba(data[0]), clf.predict_proba(data[0])
    )
    np.testing.assert_allclose(
        again.model_.predict(data[0], verbose=0),
        clf.model_.predict(data[0], verbose=0),
        rtol=1e-6,
    )
    assert again.history_ == clf.history_


def test_grid_search_over_a_pipeline(data):
    X, y = data
    pipeline = make_pipeline(StandardScaler(), small(epochs=10))
    rates = [1e-30, 0.01]
    search = GridSearchCV(
        pipeline, {"dnnclassifier__optimizer__learning_rate": rates}, cv=2
    ).fit(X, y)
    assert search.best_params_ == {"dnnclassifier__optimizer__learning_rate": 0.01}
    assert search.best_estimator_.predict(X).shape == y.shape


def test_other_tools_of_model_selection(data):
    X, y = data
    clf = small(epochs=1)
    search = RandomizedSearchCV(
        clf, {"dropout_rate": [0.0, 0.5]}, n_iter=2, cv=2, random_state=0
    )
    assert search.fit(X, y).best_score_ > 0
    sizes, _, scores = learning_curve(clf, X, y, cv=2, train_sizes=[20, 90])
    assert list(sizes) == [20, 90] and np.isfinite(scores).all()
    _, scores = validation_curve(
        clf, X, y, cv=2, param_name="epochs", param_range=[1, 2]
    )
    assert np.isfinite(scores).all()
    result = cross_validate(clf, X, y, cv=2, return_estimator=True)
    assert [len(fitted.history_["loss"]) for fitted in result["estimator"]] == [1, 1]


@pytest.mark.parametrize("augment", [False, True])
def test_pipeline_scales_validation_points_with_the_training_scaler(augment):
    X, y = make_triangle(n_samples=150, random_state=0)
    X_val, y_val = make_triangle(n_samples=60, random_state=1)
    with config_context(enable_metadata_routing=True):
        net = small().set_fit_request(X_val=True, y_val=True)
        steps = [GaussianAugmenter(random_state=0)] if augment else []
        pipeline = make_sampling_pipeline(
            *steps, StandardScaler(), net, transform_input=["X_val"]
        ).fit(X, y, X_val=X_val, y_val=y_val)
    assert pipeline[-1].history_["val_accuracy"][-1] == pytest.approx(
        pipeline.score(X_val, y_val)
    )


# ---- bad input


@pytest.mark.parametrize(
    "params, message",
    [
        ({"hidden_layer_sizes": (20, 0)}, "'hidden_layer_sizes' parameter"),
        ({"hidden_layer_sizes": (2.5,)}, "'hidden_layer_sizes' parameter"),
        ({"hidden_layer_sizes": 0}, "'hidden_layer_sizes' parameter"),
        ({"activation": "rely"}, "'activation' parameter .* Got 'rely'"),
        ({"activation": 3}, "'activation' parameter"),
        ({"output_activation": "softmacks"}, "'output_activation' parameter"),
        ({"output_activation": "softmax"}, "output_activation=softmax"),
        ({"dropout_rate": -0.1}, "'dropout_rate' parameter"),
        ({"dropout_rate": 1.0}, "'dropout_rate' parameter"),
        ({"kernel_initializer": "zeroes"}, "'kernel_initializer' parameter"),
        ({"optimizer": "Adamant"}, "'optimizer' parameter"),
        ({"optimizer": dict}, "'optimizer' parameter"),
        ({"loss": "crossed"}, "'loss' parameter"),
        ({"loss": dict}, "'loss' parameter"),
        ({"loss": "sparse_categorical_crossentropy"}, "needs one output per class"),
        ({"loss": "kl_divergence"}, "needs one output per class"),
        ({"loss": keras.losses.CosineSimilarity()}, "needs one output per class"),
        ({"batch_size": 0}, "'batch_size' parameter"),
        ({"epochs": 0}, "'epochs' parameter"),
        ({"validation_split": 1.0}, "'validation_split' parameter"),
        (
            {"validation_split": 0.999},
            "validation_split=0.999 of 200 points leaves no",
        ),
        ({"shuffle": "yes"}, "'shuffle' parameter"),
        ({"class_weight": "even"}, "'class_weight' parameter"),
        ({"class_weight": {0: -1.0, 1: 1.0}}, "'class_weight' parameter"),
        ({"class_weight": {0: np.nan, 1: 1.0}}, "'class_weight' parameter"),
        ({"class_weight": {0: "a", 1: 1.0}}, "'class_weight' parameter"),
        ({"early_stopping": 3}, "'early_stopping' parameter"),
        ({"validation_fraction": 0.0}, "'validation_fraction' parameter"),
        ({"n_iter_no_change": 0}, "'n_iter_no_change' parameter"),
        ({"tol": -1.0}, "'tol' parameter"),
        ({"callbacks__patience": 3}, "callbacks__patience requires callbacks"),
        ({"warm_start": 3}, "'warm_start' parameter"),
        ({"callbacks": 3}, "'callbacks' parameter"),
        ({"callbacks": [3]}, "callbacks=\\[3\\]"),
        ({"run_eagerly": "a"}, "'run_eagerly' parameter"),
        ({"dtype": "float16"}, "'dtype' parameter"),
        ({"jit_compile": "always"}, "'jit_compile' parameter"),
        ({"random_state": "a"}, "'random_state' parameter"),
        ({"verbose": "loud"}, "'verbose' parameter"),
        ({"optimizer__rate": 1}, "Adam, the 'optimizer' of DNN.* optimizer__rate"),
        ({"loss__smooth": 1}, "BinaryCrossentropy, the 'loss' .* loss__smooth"),
    ],
    ids=lambda case: "-".join(case) if isinstance(case, dict) else "",
)
def test_bad_parameters_are_named(params, message, data):
    clf = small(**params)
    with pytest.raises((ValueError, TypeError), match=message):
        clf.fit(*data)
    assert not hasattr(clf, "history_")


@pytest.mark.parametrize(
    "params, message",
    [
        ({"model": len}, "use scikeras' KerasClassifier, which .*compare also"),
        ({"build_fn": len}, "use scikeras' KerasClassifier"),
        ({"model__units": 3}, "use scikeras' KerasClassifier"),
        ({"hidden_layer_sizes": len}, "use scikeras' KerasClassifier"),
        ({"activation": "logistic"}, "Keras calls it 'sigmoid'"),
        ({"output_activation": "identity"}, "Keras calls it 'linear'"),
        ({"optimizer": "lbfgs"}, "Keras has no L-BFGS; use MLPClassifier"),
        ({"loss": "log_loss"}, "'auto' is the log loss"),
    ],
    ids=lambda case: ",".join(case) if isinstance(case, dict) else "",
)
def test_errors_suggest_alternatives(params, message, data):
    with pytest.raises((TypeError, ValueError), match=message):
        small(**params).fit(*data)


def test_errors_say_where_to_pass_arguments_of_keras_fit(data):
    for name, message in [
        ("epochs", r"It is a constructor parameter: DNNClassifier\(epochs="),
        ("validation_data", "Pass validation points as X_val and y_val"),
        ("steps_per_epoch", "To pass other .* use scikeras' KerasClassifier"),
    ]:
        with pytest.raises(TypeError, match=f"no argument '{name}'. {message}"):
            small().fit(*data, **{name: 3})


def test_labels_of_several_columns_are_explained(data):
    X, y = data
    with pytest.raises(ValueError, match=r"one-hot rows of .*Pass y.argmax\(axis=1\)"):
        small().fit(X, np.eye(2)[y])
    labels = np.stack([y, X[:, 0] > 0], axis=1).astype(int)
    with pytest.raises(ValueError, match="OneVsRestClassifier"):
        small().fit(X, labels)
    assert OneVsRestClassifier(small()).fit(X, labels).predict(X).shape == (200, 2)


@pytest.mark.parametrize(
    "name", ["_keras_build_fn", "feature_encoder", "target_encoder", "scorer"]
)
def test_hooks_of_scikeras_are_errors(name):
    with pytest.raises(TypeError, match=f"Net defines {name}, which DNNClassifier do"):
        type("Net", (DNNClassifier,), {name: None})


def test_unknown_parameter_names_are_refused():
    with pytest.raises(TypeError, match="DNNClassifier has no parameter 'layers'"):
        DNNClassifier(layers=3)
    with pytest.raises(TypeError, match="'max_iter'; did you mean 'epochs'?"):
        DNNClassifier(max_iter=3)
    with pytest.raises(TypeError, match="'dropout'; did you mean 'dropout_rate'?"):
        DNNClassifier(dropout=0.3)
    with pytest.raises(TypeError, match="'fit__epochs'.*'optimizer__'"):
        DNNClassifier(fit__epochs=3)
    clf = DNNClassifier()
    with pytest.raises(ValueError, match="no parameter 'layers'"):
        clf.set_params(epochs=3, layers=3)
    with pytest.raises(ValueError, match="no parameter 'fit__epochs'"):
        clf.set_params(epochs=3, fit__epochs=3)
    assert clf.epochs == 100


@pytest.mark.parametrize(
    "change, message",
    [
        ({"X": [[np.nan, 1.0]] * 200}, "Input X contains NaN"),
        ({"X": [[1e300, 1.0]] * 200}, "Input X contains infinity or a value too large"),
        ({"X": [1.0] * 200}, "Expected 2D array"),
        (
            {"X": [[np.datetime64("2026")] * 2] * 200},
            "X must be numbers, got date",
        ),
        (
            {"X_val": [[np.timedelta64(1, "s")] * 2], "y_val": [0]},
            "X_val must be numbers, got timedelta64",
        ),
        ({"y": [0] * 200}, "at least 2 classes, but .* only one class: 0[.]"),
        ({"y": [0.0] * 200}, "only one class: 0.0[.]"),
        ({"y": np.linspace(0, 1, 200)}, "Unknown label type"),
        ({"y": [0, 1]}, "inconsistent numbers of samples"),
        ({"sample_weight": [1.0]}, "sample_weight has 1 rows, but X has 200"),
        (
            {"sample_weight": [-1.0] * 200},
            "Negative values in data passed to `sample_w",
        ),
        ({"X_val": [[0.0, 0.0]]}, "Pass both X_val and y_val"),
        ({"y_val": [0]}, "Pass both X_val and y_val"),
        ({"X_val": [[0.0]], "y_val": [0]}, "X_val has 1 features, but X has 2"),
        ({"X_val": [[0.0, 0.0]], "y_val": [0, 1]}, "inconsistent numbers of samples"),
        ({"X_val": [[np.nan, 0.0]], "y_val": [0]}, "Input X_val contains NaN"),
        ({"X_val": [[0.0, 0.0]], "y_val": [7]}, r"y_val contains labels .*: \[7\]"),
    ],
    ids=lambda case: "-".join(case) if isinstance(case, dict) else "",
)
def test_bad_data_raise_clear_errors(change, message, data):
    given = {"X": data[0], "y": data[1]} | change
    with pytest.raises(ValueError, match=message):
        small().fit(**given)


class Interrupt(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


@pytest.mark.parametrize("warm_start", [False, True])
def test_a_failed_fit_does_not_change_the_classifier(data, jit_compile, warm_start):
    X, y = data
    clf = small(warm_start=warm_start).fit(X, y)
    before, proba = dict(vars(clf)), clf.predict_proba(X)
    model = clf.model_.get_weights()
    for fail in (
        lambda: clf.fit(X * np.nan, y),
        lambda: clf.fit(X, y, X_val=X),
        lambda: clf.partial_fit(X, y + 7),
    ):
        with pytest.raises(ValueError, match=r"NaN|Pass both|labels"):
            fail()
    clf.set_params(callbacks=[Interrupt()], epochs=5)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    clf.set_params(callbacks=None, epochs=2)
    assert set(before) - {"_model"} == set(vars(clf)) - {"_model"}
    np.testing.assert_array_equal(clf.predict_proba(X), proba)
    for a, b in zip(clf.model_.get_weights(), model, strict=True):
        np.testing.assert_array_equal(a, b)
    assert clf.history_ == before["history_"]


def test_two_kinds_of_validation_data_are_refused(data):
    with pytest.raises(ValueError, match="either validation_split or X_val"):
        small(validation_split=0.5).fit(*data, X_val=data[0], y_val=data[1])


# ---- prediction


def test_probabilities_are_plain_floats(three_classes):
    X, y = three_classes
    proba = small().fit(X, y).predict_proba(X)
    assert proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-15)
    json.dumps(dict(enumerate(proba[0])))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log_loss(y, proba)
        VotingClassifier([("net", small())], voting="soft").fit(X, y).predict(X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "params",
    [{}, {"optimizer": "SGD", "optimizer__learning_rate": 1e30}],
    ids=["sure", "diverged"],
)
def test_prediction_raises_no_floating_point_warnings(params, three_classes):
    X, y = three_classes
    clf = small(**params).fit(X, y)
    assert clf.diverged_ == bool(params)
    with np.errstate(all="raise"):
        proba = clf.predict_proba(1e4 * X)
        clf.predict(1e4 * X)
    assert np.isfinite(proba).all()


@pytest.mark.fast("compiled")
def test_without_hidden_layers_it_is_logistic_regression(data, jit_compile):
    X, y = data
    clf = small(hidden_layer_sizes=(), dropout_rate=0.9, epochs=400, batch_size=-1)
    clf.set_params(optimizer__learning_rate=0.1, dtype="float64").fit(X, y)
    logistic = LogisticRegression(C=np.inf).fit(X, y)
    np.testing.assert_allclose(
        clf.predict_proba(X), logistic.predict_proba(X), atol=0.01
    )
    assert [layer.rate for layer in clf.model_.layers[:-1]] == [0.0]


# ---- the Keras model


def test_the_classifier_uses_weights_set_in_the_model(data):
    X, y = data
    clf = small().fit(X, y)
    other = small(random_state=1).fit(X, y)
    before = pickle.loads(pickle.dumps(clf))
    clf.model_.set_weights(other.model_.get_weights())
    assert_same_weights(clf, other)
    np.testing.assert_array_equal(clf.predict_proba(X), other.predict_proba(X))
    assert_same_weights(pickle.loads(pickle.dumps(clf)), other)
    with pytest.raises(ValueError, match="read-only"):
        clf.coefs_[0][:] = 0
    clf.partial_fit(X, y)
    expected = before
    expected.coefs_, expected.intercepts_ = other.coefs_, other.intercepts_
    assert_same_weights(clf, expected.partial_fit(X, y))


def test_the_classifier_uses_weights_trained_in_the_model(data):
    X, y = data
    clf = small(hidden_layer_sizes=(4,)).fit(X, y)
    before = [array.copy() for array in weights(clf)]
    clf.model_.fit(X, y, verbose=0)
    assert all((a != b).any() for a, b in zip(weights(clf), before, strict=True))
    np.testing.assert_allclose(
        clf.predict_proba(X)[:, 1], clf.model_.predict(X, verbose=0)[:, 0], atol=1e-6
    )
    clf.intercepts_ = [array * 0 for array in clf.intercepts_]
    assert not any(array.any() for array in clf.model_.get_weights()[1::2])


def test_the_model_has_the_initializer(data):
    clf = small(kernel_initializer="he_normal").fit(*data)
    names = {
        type(layer.kernel_initializer).__name__
        for layer in clf.model_.layers
        if hasattr(layer, "kernel_initializer")
    }
    assert names == {"HeNormal"}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_global_dtype_policy_of_keras_has_no_effect(data):
    X, y = data
    same = {"epochs": 1, "dropout_rate": 0.0}
    expected = small(**same).fit(X, y)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        for params in ({}, {"callbacks": [Recorder()]}, {"jit_compile": False}):
            clf = small(**same, **params).fit(X, y)
            for a, b in zip(weights(clf), weights(expected), strict=True):
                np.testing.assert_allclose(a, b, atol=1e-5)
            assert clf.model_.predict(X, verbose=0).dtype == np.float32
            clf.set_params(jit_compile="auto", callbacks=None).partial_fit(X, y)
    finally:
        keras.config.set_dtype_policy(policy)


def test_floatx_of_keras_may_change_between_fits(data):
    X, y = data
    expected = small(warm_start=True, callbacks=[Recorder()]).fit(X, y).fit(X, y)
    clf = small(warm_start=True, callbacks=[Recorder()]).fit(X, y)
    floatx = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        clf.fit(X, y)
    finally:
        keras.config.set_floatx(floatx)
    for a, b in zip(weights(clf), weights(expected), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_optimizers_at_the_same_address_have_different_settings(data):
    """Addresses do not identify objects, because Python reuses them."""

    def settings():
        return OptimizerSpec.of("adam", {"learning_rate": lambda: 0.01}).settings

    assert len({settings() for _ in range(100)}) == 100
    rate = object.__new__(type("Rate", (), {}))
    one, other = (OptimizerSpec.of("adam", {"x": rate}).settings for _ in range(2))
    assert one == other


def test_prediction_checks_its_input(data):
    with pytest.raises(NotFittedError):
        small().predict(data[0])
    with pytest.raises(NotFittedError):
        _ = small().model_
    clf = small().fit(*data)
    with pytest.raises(ValueError, match="X has 3 features, but DNNClassifier is exp"):
        clf.predict([[1.0, 2.0, 3.0]])


@pytest.mark.parametrize(
    "name, params",
    [
        ("activation", {"activation": lambda x: 0}),
        (
            "optimizer",
            {"optimizer": keras.optimizers.SGD(), "optimizer__learning_rate": 0.1},
        ),
    ],
)
def test_unusable_parameters_are_named(data, name, params):
    with pytest.raises(ValueError, match=f"'{name}'"):
        DNNClassifier((3,), epochs=1, **params).fit(*data)


def test_optimizers_are_given_by_name_or_class(data):
    one, other = (
        small(optimizer=optimizer, optimizer__learning_rate=0.1).fit(*data)
        for optimizer in ("SGD", keras.optimizers.SGD)
    )
    assert one.history_ == other.history_


def test_a_keras_function_that_is_not_a_loss_is_user_defined(data):
    clf = small(loss=keras.ops.subtract).fit(*data)
    assert set(clf.history_) == {"loss", "accuracy"}


def test_a_user_defined_activation_gets_the_dtype_of_the_network(data):
    def doubled(x):
        return 2 * tf.nn.relu(x) * tf.ones(1, tf.float64)

    clf = DNNClassifier((3,), activation=doubled, dtype="float64", epochs=1)
    assert clf.fit(*data).coefs_[0].dtype == "float64"


def test_other_bad_input_raises_clear_errors(data, three_classes):
    X, y = data
    with pytest.raises(ValueError, match="got no labels"):
        small().partial_fit(X, y, classes=[])
    warm = small(warm_start=True).fit(*three_classes)
    before = weights(warm)
    is_a_or_b = three_classes[1] != "c"
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has"):
        warm.fit(X[is_a_or_b], three_classes[1][is_a_or_b])
    assert all((a == b).all() for a, b in zip(before, weights(warm), strict=True))
    layer_with_weights = keras.layers.PReLU()
    with pytest.raises(ValueError, match="The 'activation' parameter") as caught:
        small(activation=layer_with_weights).fit(X, y)
    assert "must not have weights" in str(caught.value.__cause__)
    assert not layer_with_weights.built
    for name in ("optimizer__learning_rate__x", "loss__label_smoothing__x"):
        with pytest.raises(ValueError, match=f"{name} is not a parameter of the"):
            small(**{name: 3}).fit(X, y)


def test_an_int_is_one_hidden_layer(data):
    one = small(hidden_layer_sizes=5).fit(*data)
    assert_same_weights(one, small(hidden_layer_sizes=(5,)).fit(*data))


@pytest.mark.parametrize("loss", ["BinaryCrossentropy", "binary_crossentropy"])
def test_losses_given_by_name_accept_parameters(loss, data):
    named = small(loss=loss, loss__label_smoothing=0.1).fit(*data)
    assert_same_weights(named, small(loss__label_smoothing=0.1).fit(*data))


def test_predict_log_proba(data, three_classes):
    clf = small().fit(*three_classes)
    proba = clf.predict_proba(data[0])
    np.testing.assert_array_equal(clf.predict_log_proba(data[0]), np.log(proba))
    certain = small(output_activation="relu").fit(*data)
    assert certain.predict_log_proba(1e6 * data[0]).max() <= 0  # without a warning


def test_attributes_of_mlpclassifier(data, three_classes):
    X, y = three_classes
    clf = small(epochs=5).fit(X, y)
    mlp = MLPClassifier((20, 20), max_iter=2, random_state=0)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        mlp.fit(X, y)
        stopping = small(early_stopping=True, epochs=5).fit(X, y)
    for name in ("n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(clf, name) == getattr(mlp, name)
    assert small().fit(*data).n_outputs_ == 1
    assert clf.loss_curve_ == clf.history_["loss"]
    assert clf.best_loss_ == min(clf.loss_curve_)
    assert clf.validation_scores_ is clf.best_validation_score_ is None
    assert stopping.best_loss_ is None
    assert stopping.validation_scores_ == stopping.history_["val_accuracy"]
    assert stopping.best_validation_score_ == max(stopping.validation_scores_)
    drawn = small().initialize(X, y)
    assert drawn.best_loss_ is None
    drawn.set_params(early_stopping=True)
    assert drawn.validation_scores_ is drawn.best_validation_score_ is None
    with pytest.raises(AttributeError):
        _ = small().loss_curve_


# ---- initialize


@pytest.mark.fast("compiled")
def test_initialize_draws_the_weights_that_fit_starts_from(data, jit_compile):
    clf = small().initialize(*data)
    assert clf.history_ == {"loss": [], "accuracy": []} and clf.n_iter_ == 0
    assert clf.predict_proba(data[0]).shape == (200, 2)
    assert_same_weights(clf.partial_fit(*data), small(epochs=1).fit(*data))
    warm = small(warm_start=True).initialize(*data).fit(*data)
    assert_same_weights(warm, small().fit(*data))


def test_a_failed_initialize_does_not_change_the_classifier(data):
    with pytest.raises(ValueError, match="'dropout_rate' parameter"):
        small(dropout_rate=7).initialize(*data)
    clf = small().fit(*data)
    before = vars(clf).copy()
    for bad in ([[np.nan, 0.0]], [[0.0, 1.0]]):
        with pytest.raises(ValueError, match="NaN|only one class"):
            clf.initialize(bad, [0])
    assert vars(clf) == before


# ---- logits


BINARY_LOGITS = [
    {"loss__from_logits": True},
    {"loss": keras.losses.BinaryCrossentropy(from_logits=True)},
    {
        "loss": "BinaryFocalCrossentropy",
        "loss__from_logits": True,
        "output_activation": "elu",
    },
    {"loss": partial(keras.losses.binary_crossentropy, from_logits=True)},
    {"loss": LossFunctionWrapper(keras.losses.binary_crossentropy, from_logits=True)},
]
MANY_LOGITS = [
    {"loss__from_logits": True},
    {"loss": "CategoricalCrossentropy", "loss__from_logits": True},
    {"loss": "categorical_focal_crossentropy", "loss__from_logits": True},
    {"loss__from_logits": True, "output_activation": "log_softmax"},
    {"output_activation": "log_softmax"},
    *({"output_activation": name, "loss": "mse"} for name in ["relu", "tanh", "elu"]),
]


@pytest.mark.fast("compiled-2-params0", "compiled-3-params8", "keras-2-params0")
@pytest.mark.parametrize(
    "n_classes, params",
    [*((2, params) for params in BINARY_LOGITS), *((3, p) for p in MANY_LOGITS)],
)
def test_history_and_score_agree(n_classes, params, data, jit_compile):
    X, y = data
    y = y + (X[:, 0] > 0) * (n_classes - 2)
    clf = small(epochs=15, **params).fit(X, y, X_val=X[:120], y_val=y[:120])
    score = clf.score(X[:120], y[:120])
    assert clf.history_["val_accuracy"][-1] == pytest.approx(score)
    if {"loss": "mse"}.items() <= params.items() or len(params) == 1 < n_classes:
        return  # outputs are not probabilities
    proba = clf.predict_proba(X[:120])
    loss = -np.log(proba[range(120), y[:120]]).mean()
    if "ocal" not in str(params.get("loss")):
        assert loss == pytest.approx(clf.history_["val_loss"][-1], rel=1e-3)


def test_log_softmax_of_one_output_is_refused(data):
    with pytest.raises(ValueError, match="output_activation=log_softmax needs one"):
        small(output_activation="log_softmax").fit(*data)


# ---- unsupported states of TensorFlow


def test_the_error_in_a_forked_process_suggests_alternatives(data):
    small().fit(*data)

    def child(sender):
        for call in (lambda: small().fit(*data), lambda: fitted.predict(data[0])):
            try:
                call()
            except RuntimeError as error:
                sender.send(str(error))
        sender.close()

    fitted = small().fit(*data)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(sender,))
    process.start()
    try:
        for _ in range(2):
            assert receiver.poll(600), "the child hangs"
            assert "Use joblib's 'loky'" in receiver.recv()
    finally:
        process.kill()
        process.join()


@pytest.mark.slow
def test_a_fork_before_the_first_fit_is_allowed():
    code = """
import multiprocessing
from sklearn_toydnn import DNNClassifier, make_triangle
def fit(seed):
    X, y = make_triangle(40, random_state=0)
    return DNNClassifier((3,), epochs=1, random_state=seed).fit(X, y).n_iter_
with multiprocessing.get_context("fork").Pool(1) as pool:
    assert pool.map_async(fit, [1]).get(600) == [1]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=900)


def test_fit_and_predict_are_refused_while_a_graph_is_built(data):
    clf = small().fit(*data)
    before = vars(clf).copy()
    with tf.Graph().as_default():
        for call in (lambda: clf.fit(*data), lambda: clf.predict(data[0])):
            with pytest.raises(RuntimeError, match="inside a tf.Graph or tf.function"):
                call()
    assert vars(clf) == before
