"""Training: compiled programs give the results of Keras, and are shared and limited."""

import gc
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from queue import SimpleQueue
from unittest.mock import MagicMock, Mock

import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, EfficiencyWarning
from sklearn.model_selection import GridSearchCV, learning_curve
from sklearn.preprocessing import StandardScaler
from tensorflow.python.autograph.impl import api

from sklearn_toydnn import (
    DNNClassifier,
    cache_clear,
    cache_info,
    make_gaussian,
    make_sinusoidal,
    make_triangle,
    stop_fits,
)
from sklearn_toydnn._engine import training
from sklearn_toydnn._engine.callbacks import acts_within_epochs
from sklearn_toydnn._engine.compiled import capacity
from sklearn_toydnn._engine.compiled import program as compiled_program
from sklearn_toydnn._engine.compiled import program_cache as compiled_cache
from sklearn_toydnn._engine.compiled import structure as compiled_structure
from sklearn_toydnn._engine.compiled.capacity import Capacity
from sklearn_toydnn._engine.compiled.program import Program, Run
from sklearn_toydnn._engine.compiled.program_cache import ProgramCache, resident_memory
from sklearn_toydnn._engine.compiled.structure import Structure
from sklearn_toydnn._engine.compiled.training_loop import Loop
from sklearn_toydnn._engine.fingerprint import NoFingerprint
from sklearn_toydnn._engine.network import Network
from sklearn_toydnn._engine.optimizer import OptimizerSpec
from sklearn_toydnn._engine.tensorflow import keras, tf


def make_data(n_samples, maker=make_triangle):
    X, y = maker(n_samples, random_state=0)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def data(data):
    X, y = data
    return X[:70], y[:70]  # two full batches and an incomplete one


def compiled(**params):
    defaults = {"epochs": 3, "random_state": 0, "jit_compile": True}
    return DNNClassifier(**defaults | params)


def plain(clf):
    return clone(clf).set_params(jit_compile=False)


def weights(clf):
    return [*clf.coefs_, *clf.intercepts_]


def assert_close(one, other, atol=1e-5):
    for a, b in zip(weights(one), weights(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)
    assert set(one.history_) == set(other.history_)
    for name, values in one.history_.items():
        np.testing.assert_allclose(values, other.history_[name], rtol=0, atol=atol)


def assert_equal(one, other):
    assert_close(one, other, atol=0)


# ---- parity with Keras


def keras_fit(clf, X, y, *, sample_weight=None, validation_data=None):
    """Train a Keras model directly, from the initial weights of the classifier."""
    untrained = clone(clf).set_params(optimizer="SGD", optimizer__learning_rate=0.0)
    for name in clf.get_params():
        if name.startswith("optimizer__") and not name.endswith("learning_rate"):
            delattr(untrained, name)
    start = untrained.fit(X, y).model_.get_weights()
    clf = clone(clf).fit(X, y)
    model = keras.Sequential.from_config(clf.model_.get_config())
    model.set_weights(start)
    model.compile(
        optimizer=type(clf.model_.optimizer).from_config(
            clf.model_.optimizer.get_config()
        ),
        loss=clf.model_.loss,
        metrics=["accuracy"],
    )
    targets = np.searchsorted(np.unique(y), y)[:, None]
    history = model.fit(
        X.astype(clf.dtype),
        targets,
        batch_size=clf.batch_size,
        epochs=clf.epochs,
        shuffle=False,
        sample_weight=sample_weight,
        validation_data=validation_data,
        verbose=0,
    )
    return model.get_weights(), history.history


@pytest.mark.fast("relu-Adam")
@pytest.mark.parametrize("optimizer", ["SGD", "RMSprop", "Adagrad", "Adam", "Nadam"])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "elu"])
def test_results_equal_those_of_keras(optimizer, activation, data):
    X, y = data
    clf = compiled(
        optimizer=optimizer, activation=activation, shuffle=False, dropout_rate=0.0
    )
    expected, history = keras_fit(clf, X, y)
    clf.fit(X, y)
    for a, b in zip(clf.model_.get_weights(), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    for name in ["loss", "accuracy"]:
        np.testing.assert_allclose(clf.history_[name], history[name], atol=1e-5)


class NormalizedSGD(keras.optimizers.SGD):
    """A subclass whose update depends on the variable."""

    def update_step(self, gradient, variable, learning_rate):
        """Make a step of unit length in each variable."""
        gradient /= keras.ops.norm(gradient) + 1e-6
        super().update_step(gradient, variable, learning_rate)


def optimizer_without_decay_of(name, **params):
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.5, **params)
    optimizer.exclude_from_weight_decay(var_names=[name])
    return optimizer


NOT_OPTIMIZERS = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap"}
OPTIMIZERS = {
    **{
        name: cls
        for name, cls in vars(keras.optimizers).items()
        if isinstance(cls, type) and name not in NOT_OPTIMIZERS
    },
    "a subclass": NormalizedSGD,
    "momentum": lambda: keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
    "centered": lambda: keras.optimizers.RMSprop(0.01, momentum=0.9, centered=True),
    "amsgrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "scaled": lambda: keras.optimizers.Nadam(0.01, loss_scale_factor=8.0),
    "accumulating": lambda: keras.optimizers.Adamax(gradient_accumulation_steps=2),
    "with an inner optimizer": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.01)
    ),
    "decay of kernels": lambda: optimizer_without_decay_of("bias"),
    "decay of biases": lambda: optimizer_without_decay_of("kernel"),
}


@pytest.mark.fast("Adam")
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_every_optimizer_gives_the_results_of_keras_and_continues_them(make, data):
    """Compiled training continues training with Keras, and vice versa."""
    clf = compiled(optimizer=make(), dropout_rate=0.0, warm_start=True)
    one, other = clf.fit(*data), plain(clf).fit(*data)
    for _ in range(2):
        for net in (one, other):
            net.set_params(jit_compile=not net.jit_compile).fit(*data)
        assert_close(one, other)
        states = [net.model_.optimizer.variables for net in (one, other)]
        for a, b in zip(*states, strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=0, atol=1e-5)


def test_exclusion_of_other_variables_from_decay_is_an_error(data):
    optimizer = keras.optimizers.AdamW()
    optimizer.exclude_from_weight_decay(var_list=[keras.Variable(1.0)])
    with pytest.raises(ValueError, match="'optimizer'.*Exclude variables by name"):
        compiled(optimizer=optimizer).fit(*data)


def test_exclusions_from_decay_are_part_of_the_cache_keys(data, tmp_path):
    one, other = (
        compiled(optimizer=optimizer_without_decay_of(name), memory=str(tmp_path)).fit(
            *data
        )
        for name in ["kernel", "bias"]
    )
    assert not np.array_equal(one.coefs_[0], other.coefs_[0])


SCHEDULE = keras.optimizers.schedules.ExponentialDecay(0.05, 3, 0.5)


@pytest.mark.fast("optimizer__learning_rate", "batch_size1", "shuffle")
@pytest.mark.parametrize(
    "params",
    [
        {"optimizer__learning_rate": SCHEDULE},
        {"optimizer": keras.optimizers.Adam(SCHEDULE)},
        {"optimizer__learning_rate": 0.02, "optimizer__beta_1": 0.5},
        {"optimizer": "SGD", "optimizer__momentum": 0.9, "optimizer__nesterov": True},
        {"optimizer": keras.optimizers.RMSprop(0.01, centered=True)},
        {"optimizer__clipnorm": 0.01},
        {"optimizer__clipvalue": 0.001},
        {"optimizer__global_clipnorm": 0.01},
        {"optimizer": "AdamW", "optimizer__weight_decay": 0.1},
        {"optimizer": "Lion"},
        {"optimizer__gradient_accumulation_steps": 2},
        {"output_activation": "tanh"},
        {"output_activation": "relu"},
        {"output_activation": "elu"},
        {"loss": "mse"},
        {"loss": "hinge"},
        {"loss": "BinaryFocalCrossentropy"},
        {"loss__label_smoothing": 0.2},
        {"loss__reduction": "sum"},
        {"loss__reduction": "mean_with_sample_weight"},
        {"loss": keras.losses.MeanAbsoluteError()},
        {"loss": keras.losses.MeanSquaredError(), "dtype": "float64"},
        {"loss": keras.losses.poisson},
        {"kernel_initializer": "orthogonal"},
        {"hidden_layer_sizes": (3,)},
        {"hidden_layer_sizes": (7, 5, 3)},
        {"hidden_layer_sizes": (70, 70)},  # too many weights for one variable
        {"batch_size": 1, "epochs": 1},
        {"batch_size": -1},
        {"batch_size": 1000},
        {"validation_split": 0.3},
        {"class_weight": "balanced"},
        {"shuffle": True},
        {"shuffle": True, "validation_split": 0.3, "class_weight": {0: 1.0, 1: 5.0}},
    ],
    ids=lambda params: ",".join(params),
)
def test_parameters_have_the_same_effect_as_in_keras(params, data):
    clf = compiled(**{"shuffle": False, "dropout_rate": 0.0} | params)
    assert_close(clone(clf).fit(*data), plain(clf).fit(*data))


@pytest.mark.fast("auto")
@pytest.mark.parametrize("loss", ["auto", "categorical_crossentropy", "mse"])
def test_results_for_three_classes_equal_those_of_keras(loss, data):
    X, y = data
    y = y + (X[:, 0] > 0)
    clf = compiled(loss=loss, dropout_rate=0.0)
    assert_close(clone(clf).fit(X, y), plain(clf).fit(X, y))


def test_sample_weights_and_validation_data(data):
    X, y = data
    sample_weight = np.linspace(0, 3, len(y))
    X_val, y_val = make_data(300)  # a full chunk and an incomplete one
    clf = compiled(dropout_rate=0.0)
    args = {"sample_weight": sample_weight, "X_val": X_val, "y_val": y_val}
    assert_close(clone(clf).fit(X, y, **args), plain(clf).fit(X, y, **args))


def test_sample_weights_equal_those_of_keras_after_division_by_the_mean(data):
    X, y = data
    sample_weight = np.linspace(1, 5, len(y))
    clf = compiled(dropout_rate=0.0, shuffle=False, optimizer="SGD", epochs=3)
    expected, history = keras_fit(clf, X, y, sample_weight=sample_weight / 3)
    clf.fit(X, y, sample_weight)
    for a, b in zip(clf.model_.get_weights(), expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    np.testing.assert_allclose(clf.history_["loss"], history["loss"], rtol=1e-5)
    (unscaled, *_), _ = keras_fit(clf, X, y, sample_weight=sample_weight)
    assert np.abs(clf.coefs_[0] - unscaled).max() > 1e-3


def own_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred) * 3, axis=-1)


own_loss.__name__ = "mean_squared_error"  # must not be mistaken for the Keras loss


@keras.saving.register_keras_serializable()
class OwnLoss(keras.losses.Loss):
    def __init__(self, factor=3.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, y_true, y_pred):
        return own_loss(y_true, y_pred) * self.factor / 3

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@pytest.mark.fast("loss2-float64")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", [own_loss, OwnLoss, OwnLoss(3.0)])
def test_user_defined_losses_are_used(loss, dtype, data):
    clf = compiled(loss=loss, dtype=dtype, dropout_rate=0.0)
    triple, mse = clone(clf).fit(*data), clone(clf).set_params(loss="mse").fit(*data)
    assert triple.history_["loss"][0] == pytest.approx(
        3 * mse.history_["loss"][0], rel=0.1
    )
    assert_close(triple, plain(clf).fit(*data))


@pytest.mark.slow
def test_fits_with_the_same_loss_class_share_a_program():
    X, y = make_data(50)
    cache_clear()
    for _ in range(3):
        compiled(loss=OwnLoss, loss__factor=2.0).fit(X, y)
    assert cache_info().misses == 1
    compiled(loss=OwnLoss, loss__factor=1.0).fit(X, y)
    assert cache_info().misses == 2


@pytest.mark.slow
@pytest.mark.parametrize("reduction", ["sum", "mean_with_sample_weight"])
def test_validation_loss_of_many_rows(reduction):
    X, y = make_data(1500)
    clf = compiled(
        loss__reduction=reduction,
        validation_split=0.5,
        dropout_rate=0.0,
        optimizer="SGD",
        optimizer__learning_rate=1e-4,
    )
    weight = np.linspace(0.5, 1.5, len(y))
    one, other = clone(clf).fit(X, y, weight), plain(clf).fit(X, y, weight)
    np.testing.assert_allclose(
        one.history_["val_loss"], other.history_["val_loss"], rtol=1e-5
    )


@pytest.mark.slow
def test_a_learning_rate_does_not_affect_later_fits(data):
    expected = compiled().fit(*data)
    cache_clear()
    compiled(optimizer__learning_rate=0.1).fit(*data)
    assert_equal(expected, compiled().fit(*data))
    assert cache_info().misses == 1


@pytest.mark.fast("callbacks1-True")
@pytest.mark.parametrize("jit_compile", [True, False])
@pytest.mark.parametrize("callbacks", [None, [keras.callbacks.TerminateOnNaN()]])
def test_changed_optimizers_take_effect_in_further_fits(jit_compile, callbacks, data):
    clf = compiled(
        jit_compile=jit_compile, callbacks=callbacks, warm_start=True, dropout_rate=0.0
    ).fit(*data)
    before = weights(clf)
    clf.set_params(optimizer__learning_rate=0.0).fit(*data)
    for a, b in zip(before, weights(clf), strict=True):
        np.testing.assert_array_equal(a, b)
    for name in ["RMSprop", "Adagrad", "SGD"]:
        clf.set_params(optimizer=name, optimizer__learning_rate=0.01).fit(*data)
        assert type(clf.model_.optimizer).__name__ == name
        assert clf.model_.optimizer.iterations.numpy() == 9


def test_continuing_with_another_structure_is_an_error(data):
    clf = compiled(warm_start=True).fit(*data)
    for change in ({"dtype": "float64"}, {"hidden_layer_sizes": (3,)}):
        with pytest.raises(ValueError, match="cannot change the network"):
            clone(clf).fit(*data).set_params(**change).fit(*data)


def test_history_has_a_value_for_each_epoch(data):
    clf = compiled(validation_split=0.3).fit(*data)
    clf.set_params(validation_split=0.0).partial_fit(*data)
    assert {k: len(v) for k, v in clf.history_.items()} == {"loss": 4, "accuracy": 4}


def test_loss_scaling_draws_a_mask_for_each_step(data):
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.0))
    clf = compiled(optimizer=optimizer, epochs=4, shuffle=False, dropout_rate=0.5)
    assert len(set(clf.fit(*data).history_["loss"])) == 4


@pytest.mark.parametrize("false", [False, np.False_])
def test_numpy_booleans_are_accepted(false, data):
    cache_clear()
    compiled(jit_compile=false).fit(*data)
    assert cache_info().misses == 0
    with pytest.raises(ValueError, match="jit_compile=True, but run_eagerly"):
        compiled(jit_compile=np.True_, run_eagerly=True).fit(*data)


@pytest.mark.fast("-1")
@pytest.mark.parametrize("batch_size", [-1, 1000])
def test_single_batches_of_many_sizes_share_a_program(batch_size):
    X, y = make_data(128)
    cache_clear()
    for n_samples in (70, 99, 128):
        compiled(batch_size=batch_size).fit(X[:n_samples], y[:n_samples])
    assert cache_info().misses == 1


def test_float64_is_used_throughout(data):
    clf = compiled(dropout_rate=0.0, dtype="float64", epochs=5)
    one, other = clone(clf).fit(*data), plain(clf).fit(*data)
    for a, b in zip(weights(one), weights(other), strict=True):
        assert a.dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


def test_results_of_further_fits_equal_those_of_keras(data):
    clf = compiled(dropout_rate=0.0, warm_start=True)
    one, other = clf, plain(clf)
    for net in (one, other):
        net.fit(*data)
        net.set_params(epochs=2).fit(*data)
        net.partial_fit(*data)
    assert_close(one, other)
    # Each way of training continues the other.
    one.set_params(jit_compile=False).partial_fit(*data)
    other.set_params(jit_compile=True).partial_fit(*data)
    assert_close(one, other)


def make_structure(network, batch_size=32):
    loss, optimizer = keras.losses.MeanSquaredError(), OptimizerSpec.of("SGD", {})
    size = Capacity(batch_size, 4096, 0)
    return Structure(network, optimizer, loss, ("mse",), 0.5, (1,), size)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_dropout_drops_its_share_and_scales_the_rest(rate):
    n_units, n_rows = 500, 64
    network = Network((1, n_units, 1), "linear", "linear", "float32")
    loop = Loop(make_structure(network, n_rows), keras.optimizers.SGD())
    weights = [np.full(s, float(len(s) == 2)) for s in network.weight_shapes()]
    loop._variables[0].assign(*loop._packing.pack(weights))

    forward = tf.function(loop._forward, jit_compile=True, autograph=False)

    def output(seed, iteration=0):
        loop._optimizer.iterations.assign(iteration)
        rows = tf.ones((n_rows, 1))
        seed = tf.constant(seed, tf.int64)
        return forward(rows, tf.constant(rate, tf.float32), seed).numpy().ravel()

    # Every unit has the output 1, so that the sum is the scaled number of active units.
    n_active = output(1) * (1 - rate)
    np.testing.assert_allclose(n_active, n_active.round(), atol=1e-2)
    test = stats.binomtest(int(n_active.sum().round()), n_rows * n_units, 1 - rate)
    assert test.pvalue > 0.001
    assert len(set(n_active.round())) > 5  # each row has its own mask
    assert (output(1) == output(1)).all()
    assert (output(1) != output(2)).any() and (output(1, 1) != output(1)).any()
    assert (forward(tf.ones((2, 1)), None, None) == n_units).numpy().all()


def test_dropout_is_inactive_at_prediction(data):
    clf = compiled(dropout_rate=0.9).fit(*data)
    one, other = (clf.predict_proba(data[0]) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(
        clf.model_.predict(data[0], verbose=0)[:, 0], one[:, 1], atol=1e-6
    )


@pytest.mark.slow
def test_accuracies_with_dropout_have_the_distribution_of_keras():
    X, y = make_data(1000)
    X_test, y_test = make_triangle(4000, random_state=1)
    X_test = (
        StandardScaler().fit(make_triangle(1000, random_state=0)[0]).transform(X_test)
    )

    def accuracies(jit_compile):
        return [
            compiled(epochs=15, random_state=seed, jit_compile=jit_compile)
            .fit(X, y)
            .score(X_test, y_test)
            for seed in range(30)
        ]

    ours, keras_ = accuracies(True), accuracies(False)
    assert stats.ks_2samp(ours, keras_).pvalue > 0.01
    assert abs(np.mean(ours) - np.mean(keras_)) < 3 * stats.sem(ours + keras_)


# ---- callbacks


@pytest.mark.fast("EarlyStopping")
@pytest.mark.parametrize(
    "make",
    [
        lambda folder: keras.callbacks.EarlyStopping(
            "val_loss", patience=0, min_delta=0.01, restore_best_weights=True
        ),
        lambda folder: keras.callbacks.ReduceLROnPlateau(
            "val_loss", patience=0, min_delta=0.02, factor=0.1
        ),
        lambda folder: keras.callbacks.LearningRateScheduler(lambda e, r: r / (e + 1)),
        lambda folder: keras.callbacks.ModelCheckpoint(str(folder / "{epoch}.keras")),
        lambda folder: keras.callbacks.CSVLogger(str(folder / "log.csv")),
        lambda folder: keras.callbacks.TerminateOnNaN(),
    ],
    ids=["EarlyStopping", "ReduceLROnPlateau", "Scheduler", "Checkpoint", "CSV", "NaN"],
)
def test_callbacks_between_epochs_work_as_in_keras(make, data, tmp_path):
    X, y = data
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    clf = compiled(
        epochs=6, dropout_rate=0.0, validation_split=0.3, optimizer__learning_rate=0.05
    )
    one = clone(clf).set_params(callbacks=[make(tmp_path / "one")]).fit(X, y)
    other = plain(clf).set_params(callbacks=[make(tmp_path / "other")]).fit(X, y)
    assert_close(one, other)
    names = [
        sorted(path.name for path in (tmp_path / n).iterdir()) for n in ("one", "other")
    ]
    assert names[0] == names[1]


class FakeMlflowCallback(keras.callbacks.Callback):
    """A callback with the name and the hooks of MLflow's callback."""

    def __init__(self, log_every_epoch=True):
        super().__init__()
        self.log_every_epoch, self.logged = log_every_epoch, []

    def on_batch_end(self, batch, logs=None):
        if not self.log_every_epoch:
            self.logged.append(logs)

    def on_test_end(self, logs=None):
        self.logged.append(logs)


FakeMlflowCallback.__module__ = "mlflow.keras.callback"
FakeMlflowCallback.__qualname__ = "MlflowCallback"


def test_fits_with_epoch_logs_of_other_tools_are_compiled(data):
    callback = FakeMlflowCallback()
    clf = compiled(epochs=2, validation_split=0.3, callbacks=[callback]).fit(*data)
    names = "loss", "accuracy"
    for i, logs in enumerate(callback.logged):
        assert logs == {name: clf.history_[f"val_{name}"][i] for name in names}
    assert len(callback.logged) == 2
    clf.set_params(callbacks=[FakeMlflowCallback(log_every_epoch=False)])
    with pytest.raises(ValueError, match="MlflowCallback acts within an epoch"):
        clf.fit(*data)


def test_tensorboard_acts_within_epochs_only_with_some_settings(tmp_path):
    def acts(**params):
        return acts_within_epochs(keras.callbacks.TensorBoard(tmp_path, **params))

    assert not acts()
    assert acts(update_freq="batch") and acts(write_steps_per_second=True)


def test_terminate_on_nan_ends_training(data):
    X, y = data
    callbacks = [keras.callbacks.TerminateOnNaN()]
    clf = compiled(epochs=5, callbacks=callbacks, loss="mse", optimizer="SGD")
    clf.set_params(output_activation="linear", optimizer__learning_rate=1e30)
    with pytest.warns(ConvergenceWarning, match="Training diverged: loss is"):
        clf.fit(X, y)
    assert len(clf.history_["loss"]) < 5
    assert clf.diverged_


def test_an_overflow_of_weights_in_the_last_step_is_a_divergence(data):
    clf = compiled(optimizer="SGD", optimizer__learning_rate=3e38, epochs=1)
    clf.set_params(loss="mse", output_activation="linear", batch_size=-1)
    X, y = data
    with pytest.warns(ConvergenceWarning, match="diverged: a weight is not finite"):
        clf.fit(1e3 * X, y)
    assert clf.diverged_ and np.isfinite(clf.history_["loss"]).all()


def test_an_error_of_a_callback_is_not_changed(data):
    def fail(epoch, logs):
        raise ValueError("callback error")

    callback = keras.callbacks.LambdaCallback(on_epoch_end=fail)
    with pytest.raises(ValueError, match="^callback error$"):
        compiled(jit_compile=False, callbacks=[callback]).fit(*data)


def test_resident_memory_is_0_without_proc(monkeypatch):
    def missing(path):
        raise FileNotFoundError

    monkeypatch.setattr("pathlib.Path.read_text", missing)
    assert resident_memory() == 0


def test_verbose_prints_each_epoch(data, capsys):
    compiled(verbose=2, epochs=2).fit(*data)
    printed = capsys.readouterr().out
    assert "Epoch 1/2" in printed and "Epoch 2/2" in printed and "loss" in printed


# ---- compilation


class ActsOnBatches(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.batches = getattr(self.model, "batches", 0) + 1


def untraceable(x):
    return keras.ops.convert_to_tensor(np.maximum(x.numpy(), 0))


@pytest.mark.parametrize(
    "params, message",
    [
        ({"run_eagerly": True}, "run_eagerly=True requires steps in Python"),
        ({"callbacks": [ActsOnBatches()]}, "ActsOnBatches acts within an epoch"),
        ({"optimizer__use_ema": True}, "use_ema=True replaces the weights"),
        ({"loss__reduction": "none"}, "a loss without reduction"),
    ],
    ids=lambda case: ",".join(case) if isinstance(case, dict) else "",
)
def test_settings_that_cannot_be_compiled(params, message, data):
    cache_clear()
    with pytest.raises(ValueError, match=f"jit_compile=True, but {message}"):
        compiled(**params).fit(*data)
    if "loss__reduction" not in params:
        is_intended = "run_eagerly" in params
        with (
            nullcontext()
            if is_intended
            else pytest.warns(EfficiencyWarning, match=message)
        ):
            clf = compiled(**params, jit_compile="auto").fit(*data)
        assert len(clf.history_["loss"]) == 3
    assert cache_info().misses == 0


def test_autograph_does_not_rewrite_the_package(data, monkeypatch):
    # On Python 3.13, the parser of AutoGraph warns.
    rewritten = []

    def refuse(function, _):
        rewritten.append(function)
        raise NotImplementedError

    monkeypatch.setattr(api, "_convert_actual", refuse)
    compiled(jit_compile=False, validation_split=0.3).fit(*data)
    assert not rewritten


@pytest.mark.parametrize("jit_compile", [True, False])
def test_a_plain_fit_and_its_model_do_not_warn(jit_compile, data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # including warnings that setup.cfg ignores
        clf = compiled(jit_compile=jit_compile).fit(*data)
        clf.partial_fit(*data, classes=[0, 1])
        assert clf.model_.optimizer.iterations > 0


def test_errors_of_compilation(data, monkeypatch):
    def fail(self):
        raise tf.errors.UnimplementedError(None, None, "no XLA here")

    cache_clear()
    monkeypatch.setattr(Program, "warm_up", fail)
    with pytest.raises(ValueError, match="the training loop: no XLA here"):
        compiled().fit(*data)
    with pytest.warns(EfficiencyWarning, match="cannot compile the training loop"):
        assert compiled(jit_compile="auto").fit(*data).score(*data) > 0
    cache_clear()


def test_all_fits_of_a_structure_share_a_program():
    cache_clear()
    clf = compiled(epochs=1)
    for maker in (make_triangle, make_sinusoidal, make_gaussian):
        X, y = make_data(100, maker)
        clone(clf).fit(X, y)
        for params in (
            {"random_state": 3},
            {"dropout_rate": 0.5},
            {"optimizer__learning_rate": np.float32(0.1)},
            {"kernel_initializer": "zeros"},
            {"shuffle": False},
            {"epochs": 7},
            {"class_weight": "balanced"},
        ):
            clone(clf).set_params(**params).fit(X, y)
        GridSearchCV(clf, {"dropout_rate": [0.1, 0.2]}, cv=2).fit(X, y)
    assert cache_info().misses == 1
    assert cache_info().hits == 3 * (1 + 7 + 5) - 1
    for _ in range(2):
        compiled(epochs=1, optimizer__beta_1=np.float32(0.5)).fit(X, y)
    assert cache_info().misses == 2
    compiled(epochs=1, activation="tanh").fit(X, y)
    assert cache_info().misses == 3


@pytest.mark.slow
def test_a_learning_curve_of_8_sizes_compiles_few_programs():
    X, y = make_data(10_000)
    cache_clear()
    sizes = np.geomspace(250, 8000, 8).astype(int)
    learning_curve(compiled(epochs=1), X, y, train_sizes=sizes, cv=5)
    assert cache_info().misses <= 6


def test_padding_does_not_change_results(data, monkeypatch):
    padded = compiled().fit(*data)
    monkeypatch.setattr(capacity, "_MIN_ROWS", 256)
    monkeypatch.setattr(compiled_structure, "_MAX_EPOCHS", 2)
    assert_equal(padded, compiled().fit(*data))


@pytest.mark.slow
def test_the_cache_has_a_limit_and_reports_its_cost(data):
    programs = ProgramCache(maxsize=2)
    assert cache_info().maxsize >= 512

    def borrow(n):
        structure = make_structure(Network((2, n, 1), "relu", "sigmoid", "float32"))
        with programs.borrow(structure) as program:
            return program

    first, _, third = borrow(1), borrow(2), borrow(3)
    info = programs.info()
    assert (info.hits, info.misses, info.currsize) == (0, 3, 2)
    assert info.seconds > 0 and info.memory > 0
    assert borrow(3) is third  # the oldest program has been evicted
    assert borrow(1) is not first
    again = first.structure
    with programs.borrow(again), programs.borrow(again), programs.borrow(again):
        pass
    assert programs.info().currsize == 2  # the limit includes copies
    with programs.borrow(again):
        programs.clear()
    info = programs.info()
    assert info[:6] == (0, 0, 2, 0, 0.0, 0) and info.disk_hits == 0


def test_threads_get_a_program_each_and_the_same_weights(monkeypatch):
    X, y = make_data(2000)
    nets = [compiled(epochs=20, random_state=i) for i in range(8)]
    cache_clear()
    sequential = [clone(net).fit(X, y) for net in nets]
    assert cache_info().misses == 1
    barrier, met, trained = threading.Barrier(4), set(), Run.train_at_once

    def meet_and_train(*args):
        if threading.get_ident() not in met:
            met.add(threading.get_ident())
            barrier.wait(600)
        return trained(*args)

    monkeypatch.setattr(Run, "train_at_once", meet_and_train)

    def work(nets):
        for net in nets:
            net.fit(X, y)

    threads = [threading.Thread(target=work, args=(nets[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(sequential, nets, strict=True):
        assert_equal(one, other)
    assert cache_info().currsize == 4
    assert cache_info().misses == 1  # XLA does not compile the copies again


def test_a_failing_fit_leaves_its_program_usable(data, monkeypatch):
    before = compiled().fit(*data)

    def interrupted(*args):
        trained(*args)
        raise KeyboardInterrupt

    trained = Run.train_at_once
    with monkeypatch.context() as patch:
        patch.setattr(Run, "train_at_once", interrupted)
        with pytest.raises(KeyboardInterrupt):
            compiled(random_state=7).fit(*data)
    n_programs = cache_info().misses
    assert_equal(before, compiled().fit(*data))
    assert cache_info().misses == n_programs


def test_a_fit_builds_no_keras_model(data, monkeypatch):
    compiled().fit(*data)
    monkeypatch.setattr(
        keras.Model,
        "__init__",
        lambda *args, **kwargs: pytest.fail("fit built a Keras model"),
    )
    compiled().fit(*data).predict(data[0])


@pytest.mark.slow
def test_fits_do_not_leak_memory():
    X, y = make_data(200)
    nets = [compiled(hidden_layer_sizes=(n,), epochs=2) for n in range(1, 21)]
    for i in range(5500):
        if i == 500:
            gc.collect()
            before = resident_memory()
        clone(nets[i % 20]).set_params(random_state=i).fit(X, y).predict(X)
    gc.collect()
    growth = resident_memory() - before
    assert growth / 5000 <= 10_000


# ---- failures that do not last


def assert_compiles_again(data, **params):
    """Check that a fit is compiled, with exactly the results of an empty cache."""
    n_before = cache_info().misses
    clf = compiled(**params).fit(*data)
    assert cache_info().misses == n_before + 1
    cache_clear()
    assert_equal(clf, compiled(**params).fit(*data))


@pytest.mark.slow
def test_a_strategy_does_not_affect_later_fits(data):
    cache_clear()
    with (
        tf.distribute.MirroredStrategy(["CPU:0"]).scope(),
        pytest.warns(EfficiencyWarning, match="a tf.distribute strategy is active"),
    ):
        compiled(jit_compile="auto", hidden_layer_sizes=(4,)).fit(*data)
    assert_compiles_again(data, hidden_layer_sizes=(4,))


@pytest.mark.slow
def test_check_numerics_does_not_affect_later_fits(data):
    cache_clear()
    tf.debugging.enable_check_numerics()
    try:
        with pytest.warns(EfficiencyWarning, match="cannot compile the training loop"):
            compiled(jit_compile="auto", hidden_layer_sizes=(4,)).fit(*data)
    finally:
        tf.debugging.disable_check_numerics()
    assert_compiles_again(data, hidden_layer_sizes=(4,))


def test_a_lack_of_memory_does_not_affect_later_fits(data, monkeypatch):
    def fail(self):
        raise MemoryError

    cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(Program, "warm_up", fail)
        with pytest.warns(EfficiencyWarning, match="cannot compile the training loop"):
            compiled(jit_compile="auto", hidden_layer_sizes=(4,)).fit(*data)
    assert_compiles_again(data, hidden_layer_sizes=(4,))


# ---- many user-defined functions


def make_activation(factor):
    return lambda x: keras.ops.tanh(x) * factor


@pytest.mark.slow
def test_programs_for_user_defined_functions_have_a_limit(data, monkeypatch):
    budget = ProgramCache(maxsize=1024, max_user_defined=2)
    monkeypatch.setattr("sklearn_toydnn._engine.training.programs", budget)
    params = {"jit_compile": "auto", "epochs": 1}
    with monkeypatch.context() as patch:  # failed compilations do not count
        patch.setattr(Program, "warm_up", Mock(side_effect=MemoryError))
        for i in range(3):
            with pytest.warns(EfficiencyWarning, match="cannot compile"):
                compiled(**params, activation=make_activation(0.4 - i / 10)).fit(*data)
    fits = [
        compiled(**params, activation=make_activation(0.5 + i / 10)) for i in range(4)
    ]
    with pytest.warns(EfficiencyWarning, match="limit of 2 programs") as w:
        for clf in fits:
            clf.fit(*data)
    assert budget.info().misses == 2 == len(w)
    assert len({str(one.message) for one in w}) == 1
    assert not fits[-1].model_.run_eagerly
    # Compiled programs remain in use, and Keras functions are still compiled.
    compiled(epochs=1, activation=make_activation(0.5)).fit(*data)
    compiled(epochs=1, activation="tanh").fit(*data)
    assert budget.info()[:2] == (1, 3)
    with pytest.raises(ValueError, match="jit_compile=True, but .* never freed"):
        compiled(epochs=1, activation=make_activation(7)).fit(*data)


@pytest.mark.filterwarnings("ignore:Every fit compiles a new program")
def test_threads_do_not_exceed_the_limit(monkeypatch):
    barrier = threading.Barrier(8)

    def compile_slowly(*parts):
        with suppress(threading.BrokenBarrierError):
            barrier.wait(0.5)  # time for other threads to compile too
        return Mock()

    for name, fake in {"Loop": MagicMock(), "Program": compile_slowly}.items():
        monkeypatch.setattr(compiled_cache, name, fake)
    monkeypatch.setattr(compiled_cache, "store", Mock())
    budget = ProgramCache(maxsize=10, max_user_defined=1)

    def borrow():
        with budget.borrow(Mock(fingerprint=Mock(side_effect=NoFingerprint))):
            return 1

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(borrow) for _ in range(8)]
    errors = [future.exception() for future in futures]
    assert sum(error is None for error in errors) == 1 == budget.info().misses


@pytest.mark.slow
def test_functions_that_read_a_variable_are_compiled_for_each_fit(data):
    factor = tf.Variable(1.0)
    clf = compiled(activation=lambda x: keras.ops.tanh(x) * factor)
    cache_clear()
    for value in (1.0, 0.1):
        factor.assign(value)
        with pytest.warns(EfficiencyWarning, match="Every fit compiles a new program"):
            clf.fit(*data)
    assert_close(clf, compiled(activation=make_activation(0.1)).fit(*data))
    assert cache_info()[:2] == (0, 3)


@pytest.mark.slow
def test_five_hundred_functions_take_less_than_two_gigabytes():
    code = """
import warnings
from sklearn_toydnn import DNNClassifier, make_triangle
from sklearn_toydnn._engine.compiled.program_cache import ProgramCache, resident_memory
from sklearn_toydnn._engine.tensorflow import keras
warnings.simplefilter("ignore")
X, y = make_triangle(60, random_state=0)
def make_activation(i):
    return lambda x: keras.ops.tanh(x) * (1 + i / 1000)
for i in range(500):
    activation = make_activation(i)
    DNNClassifier(activation=activation, epochs=1, random_state=0).fit(X / 30, y)
print(resident_memory())
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert int(result.stdout) < 2e9


# ---- blocks of epochs


@pytest.mark.slow
def test_results_do_not_depend_on_blocks_of_epochs(data, monkeypatch):
    clf = compiled(epochs=10, validation_split=0.3)
    whole = clone(clf).fit(*data)
    for seconds, n_bytes in [(1e-9, 2**24), (1.0, 2**15), (1e-9, 1)]:
        monkeypatch.setattr(compiled_program, "_SECONDS", seconds)
        monkeypatch.setattr(compiled_structure, "_MAX_ORDER_BYTES", n_bytes)
        assert_equal(whole, clone(clf).fit(*data))


@pytest.mark.parametrize("jit_compile", [True, False])
def test_orders_are_not_drawn_long_before_their_epochs(jit_compile, monkeypatch):
    """For a million epochs, the orders of the rows would take 16 GB."""
    X, y = make_data(100)
    clf = compiled(early_stopping=True, n_iter_no_change=2, jit_compile=jit_compile)
    tracemalloc.start()
    clf.set_params(epochs=1_000_000).fit(X, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert clf.n_iter_ < 100 and peak < 1e8


@pytest.mark.slow
def test_a_million_points_need_little_memory():
    code = """
import resource
from sklearn_toydnn import DNNClassifier, make_triangle
def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
X, y = make_triangle(1_000_000, random_state=0)
params = {"batch_size": 4096, "random_state": 0}
DNNClassifier(epochs=1, **params).fit(X[:1000], y[:1000])
before = peak()
clf = DNNClassifier(epochs=300, **params).fit(X, y)
print(peak() - before)
clf.partial_fit(X, y).predict(X)
print(peak() - before)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert max(map(int, result.stdout.split())) <= 3e8


@pytest.fixture
def running_fits(monkeypatch):
    """A semaphore that each fit releases after some epochs."""
    fits = threading.Semaphore(0)

    class ReportingStopRequest(training.StopRequest):
        n_calls = 0

        def begin(self):
            super().begin()
            self.n_calls += 1
            if self.n_calls == 2:  # after some epochs
                fits.release()

    monkeypatch.setattr(training, "StopRequest", ReportingStopRequest)
    return fits


def make_endless_fit(jit_compile):
    X, y = make_data(4000 if jit_compile else 40)
    compiled(jit_compile=jit_compile, epochs=1).fit(X, y)
    clf = compiled(jit_compile=jit_compile, epochs=10_000_000)
    return clf, (X, y)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("jit_compile", [True, False])
def test_ctrl_c_ends_a_fit_of_many_epochs(jit_compile, running_fits, monkeypatch):
    # If a shell runs the tests in the background, Ctrl-C is ignored by default.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    clf, data = make_endless_fit(jit_compile)
    n_threads = threading.active_count()
    events, original_hook = SimpleQueue(), sys.unraisablehook

    def record_lost_interrupts(unraisable):
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            events.put("lost")
        else:
            original_hook(unraisable)

    monkeypatch.setattr(sys, "unraisablehook", record_lost_interrupts)

    def interrupt():
        # Python loses an interrupt in a finalizer. Only then, send it again.
        if not running_fits.acquire(timeout=600):
            return
        os.kill(os.getpid(), signal.SIGINT)
        while events.get() == "lost":
            os.kill(os.getpid(), signal.SIGINT)

    interrupter = threading.Thread(target=interrupt, daemon=True)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        clf.fit(*data)
    events.put("ended")
    interrupter.join()
    assert vars(clf) == vars(clone(clf))
    assert threading.active_count() <= n_threads


@pytest.mark.parametrize("jit_compile", [True, False])
def test_any_thread_can_stop_the_fits_of_other_threads(jit_compile, running_fits):
    clf, data = make_endless_fit(jit_compile)
    clfs, ended = [clone(clf), clone(clf)], []

    def work(clf):
        with pytest.raises(KeyboardInterrupt, match="stop_fits"):
            clf.fit(*data)
        ended.append(clf)

    threads = [threading.Thread(target=work, args=(one,)) for one in clfs]
    for thread in threads:
        thread.start()
    for _ in clfs:
        assert running_fits.acquire(timeout=600)
    stop_fits()
    for thread in threads:
        thread.join()
    assert len(ended) == 2
    assert all(vars(one) == vars(clone(one)) for one in clfs)
    compiled(jit_compile=jit_compile, epochs=1).fit(*data)  # not affected
