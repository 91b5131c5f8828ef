"""The compiled path ends where Keras does, and keeps its promises about programs."""

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
    return X[:70], y[:70]  # two whole batches and a part of one


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
    """Train a Keras model by hand, from the classifier's own initial weights."""
    still = clone(clf).set_params(optimizer="SGD", optimizer__learning_rate=0.0)
    for name in clf.get_params():
        if name.startswith("optimizer__") and not name.endswith("learning_rate"):
            delattr(still, name)
    start = still.fit(X, y).model_.get_weights()
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
def test_ends_where_keras_does(optimizer, activation, data):
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
    """Tells the variables apart, as subclasses may."""

    def update_step(self, gradient, variable, learning_rate):
        """Do a step of unit length in each variable."""
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
    "around another": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.01)
    ),
    "decay of kernels": lambda: optimizer_without_decay_of("bias"),
    "decay of biases": lambda: optimizer_without_decay_of("kernel"),
}


@pytest.mark.fast("Adam")
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_every_optimizer_ends_where_keras_does_and_goes_on_there(make, data):
    """The state is in Keras' form: either path goes on where the other ended."""
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


def test_decay_excluded_from_other_variables_is_refused(data):
    optimizer = keras.optimizers.AdamW()
    optimizer.exclude_from_weight_decay(var_list=[keras.Variable(1.0)])
    with pytest.raises(ValueError, match="'optimizer'.*exclude them by name"):
        compiled(optimizer=optimizer).fit(*data)


def test_fits_with_other_exclusions_share_nothing(data, tmp_path):
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
def test_honours_what_keras_honours(params, data):
    clf = compiled(**{"shuffle": False, "dropout_rate": 0.0} | params)
    assert_close(clone(clf).fit(*data), plain(clf).fit(*data))


@pytest.mark.fast("auto")
@pytest.mark.parametrize("loss", ["auto", "categorical_crossentropy", "mse"])
def test_three_classes_end_where_keras_does(loss, data):
    X, y = data
    y = y + (X[:, 0] > 0)
    clf = compiled(loss=loss, dropout_rate=0.0)
    assert_close(clone(clf).fit(X, y), plain(clf).fit(X, y))


def test_sample_weights_and_validation_data(data):
    X, y = data
    sample_weight = np.linspace(0, 3, len(y))
    X_val, y_val = make_data(300)  # more than one chunk, and a part
    clf = compiled(dropout_rate=0.0)
    args = {"sample_weight": sample_weight, "X_val": X_val, "y_val": y_val}
    assert_close(clone(clf).fit(X, y, **args), plain(clf).fit(X, y, **args))


def test_weights_are_those_of_keras_once_their_mean_is_1(data):
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


own_loss.__name__ = "mean_squared_error"  # Keras' name does not make it Keras'


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
def test_own_losses_are_used(loss, dtype, data):
    clf = compiled(loss=loss, dtype=dtype, dropout_rate=0.0)
    own, theirs = clone(clf).fit(*data), clone(clf).set_params(loss="mse").fit(*data)
    assert own.history_["loss"][0] == pytest.approx(
        3 * theirs.history_["loss"][0], rel=0.1
    )
    assert_close(own, plain(clf).fit(*data))


@pytest.mark.slow
def test_a_loss_class_is_structure_only():
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
def test_a_learning_rate_is_of_one_fit_only(data):
    alone = compiled().fit(*data)
    cache_clear()
    compiled(optimizer__learning_rate=0.1).fit(*data)
    assert_equal(alone, compiled().fit(*data))
    assert cache_info().misses == 1


@pytest.mark.fast("callbacks1-True")
@pytest.mark.parametrize("jit_compile", [True, False])
@pytest.mark.parametrize("callbacks", [None, [keras.callbacks.TerminateOnNaN()]])
def test_changed_optimizers_take_effect_when_going_on(jit_compile, callbacks, data):
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


def test_going_on_with_another_structure_is_refused(data):
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


@pytest.mark.parametrize("no", [False, np.False_])
def test_numpys_booleans_are_booleans(no, data):
    cache_clear()
    compiled(jit_compile=no).fit(*data)
    assert cache_info().misses == 0
    with pytest.raises(ValueError, match="jit_compile=True, but run_eagerly"):
        compiled(jit_compile=np.True_, run_eagerly=True).fit(*data)


@pytest.mark.fast("-1")
@pytest.mark.parametrize("batch_size", [-1, 1000])
def test_whole_batches_of_many_sizes_share_a_program(batch_size):
    X, y = make_data(128)
    cache_clear()
    for n_samples in (70, 99, 128):
        compiled(batch_size=batch_size).fit(X[:n_samples], y[:n_samples])
    assert cache_info().misses == 1


def test_float64_is_float64(data):
    clf = compiled(dropout_rate=0.0, dtype="float64", epochs=5)
    one, other = clone(clf).fit(*data), plain(clf).fit(*data)
    for a, b in zip(weights(one), weights(other), strict=True):
        assert a.dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


def test_going_on_ends_where_keras_does(data):
    clf = compiled(dropout_rate=0.0, warm_start=True)
    one, other = clf, plain(clf)
    for net in (one, other):
        net.fit(*data)
        net.set_params(epochs=2).fit(*data)
        net.partial_fit(*data)
    assert_close(one, other)
    # ... and one path goes on where the other ended.
    one.set_params(jit_compile=False).partial_fit(*data)
    other.set_params(jit_compile=True).partial_fit(*data)
    assert_close(one, other)


def make_structure(network, batch_size=32):
    loss, optimizer = keras.losses.MeanSquaredError(), OptimizerSpec.of("SGD", {})
    room = Capacity(batch_size, 4096, 0)
    return Structure(network, optimizer, loss, ("mse",), 0.5, (1,), room)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_dropout_keeps_its_share_and_scales_it(rate):
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

    # Every unit puts out 1, so that the output counts those kept, scaled.
    kept = output(1) * (1 - rate)
    np.testing.assert_allclose(kept, kept.round(), atol=1e-2)
    test = stats.binomtest(int(kept.sum().round()), n_rows * n_units, 1 - rate)
    assert test.pvalue > 0.001
    assert len(set(kept.round())) > 5  # each row has its own
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
def test_with_dropout_accuracies_are_distributed_as_keras_own():
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

    ours, theirs = accuracies(True), accuracies(False)
    assert stats.ks_2samp(ours, theirs).pvalue > 0.01
    assert abs(np.mean(ours) - np.mean(theirs)) < 3 * stats.sem(ours + theirs)


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
def test_callbacks_between_epochs_act_as_in_keras(make, data, tmp_path):
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
    """Has the hooks of MLflow's, and its name."""

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


def test_what_other_tools_log_of_epochs_is_compiled(data):
    callback = FakeMlflowCallback()
    clf = compiled(epochs=2, validation_split=0.3, callbacks=[callback]).fit(*data)
    names = "loss", "accuracy"
    for i, logs in enumerate(callback.logged):
        assert logs == {name: clf.history_[f"val_{name}"][i] for name in names}
    assert len(callback.logged) == 2
    clf.set_params(callbacks=[FakeMlflowCallback(log_every_epoch=False)])
    with pytest.raises(ValueError, match="MlflowCallback acts within an epoch"):
        clf.fit(*data)


def test_tensorboard_acts_within_epochs_where_it_is_asked_to(tmp_path):
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


def test_weights_that_overflow_in_the_last_step_are_a_divergence(data):
    clf = compiled(optimizer="SGD", optimizer__learning_rate=3e38, epochs=1)
    clf.set_params(loss="mse", output_activation="linear", batch_size=-1)
    X, y = data
    with pytest.warns(ConvergenceWarning, match="diverged: a weight is not finite"):
        clf.fit(1e3 * X, y)
    assert clf.diverged_ and np.isfinite(clf.history_["loss"]).all()


def test_a_callbacks_error_is_its_own(data):
    def fail(epoch, logs):
        raise ValueError("of the callback")

    callback = keras.callbacks.LambdaCallback(on_epoch_end=fail)
    with pytest.raises(ValueError, match="^of the callback$"):
        compiled(jit_compile=False, callbacks=[callback]).fit(*data)


def test_memory_is_unknown_where_the_system_does_not_tell(monkeypatch):
    def missing(path):
        raise FileNotFoundError

    monkeypatch.setattr("pathlib.Path.read_text", missing)
    assert resident_memory() == 0


def test_verbose_prints_each_epoch(data, capsys):
    compiled(verbose=2, epochs=2).fit(*data)
    printed = capsys.readouterr().out
    assert "Epoch 1/2" in printed and "Epoch 2/2" in printed and "loss" in printed


# ---- what is compiled, and when


class ActsOnBatches(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.batches = getattr(self.model, "batches", 0) + 1


def untraceable(x):
    return keras.ops.convert_to_tensor(np.maximum(x.numpy(), 0))


@pytest.mark.parametrize(
    "params, message",
    [
        ({"run_eagerly": True}, "run_eagerly=True asks for steps in Python"),
        ({"callbacks": [ActsOnBatches()]}, "ActsOnBatches acts within an epoch"),
        ({"optimizer__use_ema": True}, "use_ema=True exchanges the weights"),
        ({"loss__reduction": "none"}, "a loss without reduction"),
    ],
    ids=lambda case: ",".join(case) if isinstance(case, dict) else "",
)
def test_what_cannot_be_compiled(params, message, data):
    cache_clear()
    with pytest.raises(ValueError, match=f"jit_compile=True, but {message}"):
        compiled(**params).fit(*data)
    if "loss__reduction" not in params:
        asked_for = "run_eagerly" in params
        with (
            nullcontext()
            if asked_for
            else pytest.warns(EfficiencyWarning, match=message)
        ):
            clf = compiled(**params, jit_compile="auto").fit(*data)
        assert len(clf.history_["loss"]) == 3
    assert cache_info().misses == 0


def test_autograph_rewrites_nothing_of_the_package(data, monkeypatch):
    # On Python 3.13 its parser warns.
    rewritten = []

    def refuse(function, _):
        rewritten.append(function)
        raise NotImplementedError

    monkeypatch.setattr(api, "_convert_actual", refuse)
    compiled(jit_compile=False, validation_split=0.3).fit(*data)
    assert not rewritten


@pytest.mark.parametrize("jit_compile", [True, False])
def test_a_plain_fit_and_its_model_warn_of_nothing(jit_compile, data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what the settings leave out, too
        clf = compiled(jit_compile=jit_compile).fit(*data)
        clf.partial_fit(*data, classes=[0, 1])
        assert clf.model_.optimizer.iterations > 0


def test_what_tensorflow_cannot_compile(data, monkeypatch):
    def fail(self):
        raise tf.errors.UnimplementedError(None, None, "no XLA here")

    cache_clear()
    monkeypatch.setattr(Program, "warm_up", fail)
    with pytest.raises(ValueError, match="TensorFlow cannot compile it: no XLA here"):
        compiled().fit(*data)
    with pytest.warns(EfficiencyWarning, match="TensorFlow cannot compile it"):
        assert compiled(jit_compile="auto").fit(*data).score(*data) > 0
    cache_clear()


def test_one_program_serves_all_fits_of_a_structure():
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


def test_padding_makes_no_difference(data, monkeypatch):
    padded = compiled().fit(*data)
    monkeypatch.setattr(capacity, "_MIN_ROWS", 256)
    monkeypatch.setattr(compiled_structure, "_MAX_EPOCHS", 2)
    assert_equal(padded, compiled().fit(*data))


@pytest.mark.slow
def test_the_cache_is_bounded_and_its_cost_can_be_read(data):
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
    assert borrow(3) is third  # the last are kept, the first is not
    assert borrow(1) is not first
    again = first.structure
    with programs.borrow(again), programs.borrow(again), programs.borrow(again):
        pass
    assert programs.info().currsize == 2  # of one structure as of many
    with programs.borrow(again):
        programs.clear()
    info = programs.info()
    assert info[:6] == (0, 0, 2, 0, 0.0, 0) and info.disk_hits == 0


def test_threads_get_a_program_each_and_the_same_weights(monkeypatch):
    X, y = make_data(2000)
    nets = [compiled(epochs=20, random_state=i) for i in range(8)]
    cache_clear()
    one_by_one = [clone(net).fit(X, y) for net in nets]
    assert cache_info().misses == 1
    barrier, met, trained = threading.Barrier(4), set(), Run.train_at_once

    def meet_and_train(*args):
        if threading.get_ident() not in met:
            met.add(threading.get_ident())
            barrier.wait(600)
        return trained(*args)

    monkeypatch.setattr(Run, "train_at_once", meet_and_train)

    def work(mine):
        for net in mine:
            net.fit(X, y)

    threads = [threading.Thread(target=work, args=(nets[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(one_by_one, nets, strict=True):
        assert_equal(one, other)
    assert cache_info().currsize == 4
    assert cache_info().misses == 1  # XLA compiles for all of them at once


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
        lambda *args, **kwargs: pytest.fail("a model was built"),
    )
    compiled().fit(*data).predict(data[0])


@pytest.mark.slow
def test_fits_leave_no_memory_behind():
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


# ---- what fails once


def assert_compiles_again(data, **params):
    """Fit as if nothing had happened: compiled, with the bits of a fresh process."""
    n_before = cache_info().misses
    clf = compiled(**params).fit(*data)
    assert cache_info().misses == n_before + 1
    cache_clear()
    assert_equal(clf, compiled(**params).fit(*data))


@pytest.mark.slow
def test_a_strategy_in_scope_is_of_its_scope_only(data):
    cache_clear()
    with (
        tf.distribute.MirroredStrategy(["CPU:0"]).scope(),
        pytest.warns(EfficiencyWarning, match="a tf.distribute strategy is in scope"),
    ):
        compiled(jit_compile="auto", hidden_layer_sizes=(4,)).fit(*data)
    assert_compiles_again(data, hidden_layer_sizes=(4,))


@pytest.mark.slow
def test_checked_numerics_are_so_only_while_they_are_checked(data):
    cache_clear()
    tf.debugging.enable_check_numerics()
    try:
        with pytest.warns(EfficiencyWarning, match="TensorFlow cannot compile it"):
            compiled(jit_compile="auto", hidden_layer_sizes=(4,)).fit(*data)
    finally:
        tf.debugging.disable_check_numerics()
    assert_compiles_again(data, hidden_layer_sizes=(4,))


def test_a_lack_of_memory_passes(data, monkeypatch):
    def fail(self):
        raise MemoryError

    cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(Program, "warm_up", fail)
        with pytest.warns(EfficiencyWarning, match="TensorFlow cannot compile it"):
            compiled(jit_compile="auto", hidden_layer_sizes=(4,)).fit(*data)
    assert_compiles_again(data, hidden_layer_sizes=(4,))


# ---- functions of one's own, without end


def own(factor):
    return lambda x: keras.ops.tanh(x) * factor


@pytest.mark.slow
def test_what_is_compiled_for_own_functions_has_a_limit(data, monkeypatch):
    budget = ProgramCache(maxsize=1024, max_own=2)
    monkeypatch.setattr("sklearn_toydnn._engine.training.programs", budget)
    params = {"jit_compile": "auto", "epochs": 1}
    with monkeypatch.context() as patch:  # what fails leaves nothing in memory
        patch.setattr(Program, "warm_up", Mock(side_effect=MemoryError))
        for i in range(3):
            with pytest.warns(EfficiencyWarning, match="cannot compile"):
                compiled(**params, activation=own(0.4 - i / 10)).fit(*data)
    fits = [compiled(**params, activation=own(0.5 + i / 10)) for i in range(4)]
    with pytest.warns(EfficiencyWarning, match="2 programs of this process") as w:
        for clf in fits:
            clf.fit(*data)
    assert budget.info().misses == 2 == len(w)
    assert len({str(one.message) for one in w}) == 1
    assert not fits[-1].model_.run_eagerly
    # What is compiled is still there, what is Keras' still compiles.
    compiled(epochs=1, activation=own(0.5)).fit(*data)
    compiled(epochs=1, activation="tanh").fit(*data)
    assert budget.info()[:2] == (1, 3)
    with pytest.raises(ValueError, match="jit_compile=True, but .* never freed"):
        compiled(epochs=1, activation=own(7)).fit(*data)


@pytest.mark.filterwarnings("ignore:A program is compiled for each fit anew")
def test_threads_do_not_pass_the_limit(monkeypatch):
    all_ask = threading.Barrier(8)

    def compile_slowly(*parts):
        with suppress(threading.BrokenBarrierError):
            all_ask.wait(0.5)  # until others would be compiling too
        return Mock()

    for name, fake in {"Loop": MagicMock(), "Program": compile_slowly}.items():
        monkeypatch.setattr(compiled_cache, name, fake)
    monkeypatch.setattr(compiled_cache, "store", Mock())
    budget = ProgramCache(maxsize=10, max_own=1)

    def borrow():
        with budget.borrow(Mock(fingerprint=Mock(side_effect=NoFingerprint))):
            return 1

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(borrow) for _ in range(8)]
    refused = [future.exception() for future in asked]
    assert sum(error is None for error in refused) == 1 == budget.info().misses


@pytest.mark.slow
def test_what_reads_a_variable_is_compiled_for_each_fit(data):
    factor = tf.Variable(1.0)
    clf = compiled(activation=lambda x: keras.ops.tanh(x) * factor)
    cache_clear()
    for value in (1.0, 0.1):
        factor.assign(value)
        with pytest.warns(EfficiencyWarning, match="compiled for each fit anew"):
            clf.fit(*data)
    assert_close(clf, compiled(activation=own(0.1)).fit(*data))
    assert cache_info()[:2] == (0, 3)


@pytest.mark.slow
def test_five_hundred_functions_stay_under_two_gigabytes():
    code = """
import warnings
from sklearn_toydnn import DNNClassifier, make_triangle
from sklearn_toydnn._engine.compiled.program_cache import ProgramCache, resident_memory
from sklearn_toydnn._engine.tensorflow import keras
warnings.simplefilter("ignore")
X, y = make_triangle(60, random_state=0)
def own(i):
    return lambda x: keras.ops.tanh(x) * (1 + i / 1000)
for i in range(500):
    DNNClassifier(activation=own(i), epochs=1, random_state=0).fit(X / 30, y)
print(resident_memory())
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert int(result.stdout) < 2e9


# ---- blocks of epochs


@pytest.mark.slow
def test_any_blocks_of_epochs_give_the_same_bits(data, monkeypatch):
    clf = compiled(epochs=10, validation_split=0.3)
    whole = clone(clf).fit(*data)
    for seconds, n_bytes in [(1e-9, 2**24), (1.0, 2**15), (1e-9, 1)]:
        monkeypatch.setattr(compiled_program, "_SECONDS", seconds)
        monkeypatch.setattr(compiled_structure, "_MAX_ORDER_BYTES", n_bytes)
        assert_equal(whole, clone(clf).fit(*data))


@pytest.mark.parametrize("jit_compile", [True, False])
def test_no_more_is_drawn_than_is_trained(jit_compile, monkeypatch):
    """A million epochs that stop early: their orders of the rows would be 16 GB."""
    X, y = make_data(100)
    clf = compiled(early_stopping=True, n_iter_no_change=2, jit_compile=jit_compile)
    tracemalloc.start()
    clf.set_params(epochs=1_000_000).fit(X, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert clf.n_iter_ < 100 and peak < 1e8


@pytest.mark.slow
def test_a_million_points_take_little_more_memory_than_they_are():
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
def under_way(monkeypatch):
    """A semaphore that is released by each fit once it has trained for a while."""
    fits = threading.Semaphore(0)

    class Noted(training.StopRequest):
        n_looks = 0

        def begin(self):
            super().begin()
            self.n_looks += 1
            if self.n_looks == 2:  # which is after some epochs
                fits.release()

    monkeypatch.setattr(training, "StopRequest", Noted)
    return fits


def far_too_many_epochs(jit_compile):
    X, y = make_data(4000 if jit_compile else 40)
    compiled(jit_compile=jit_compile, epochs=1).fit(X, y)
    clf = compiled(jit_compile=jit_compile, epochs=10_000_000)
    return clf, (X, y)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("jit_compile", [True, False])
def test_ctrl_c_ends_a_fit_of_many_epochs(jit_compile, under_way, monkeypatch):
    # Where a shell has started the tests in its background, Ctrl-C is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    clf, data = far_too_many_epochs(jit_compile)
    threads = threading.active_count()
    news, tell = SimpleQueue(), sys.unraisablehook

    def hear(lost):
        if issubclass(lost.exc_type, KeyboardInterrupt):
            news.put("lost")
        else:
            tell(lost)

    monkeypatch.setattr(sys, "unraisablehook", hear)

    def press():
        # Once is enough, but where Python was in a finalizer, which loses it.
        if not under_way.acquire(timeout=600):
            return
        os.kill(os.getpid(), signal.SIGINT)
        while news.get() == "lost":
            os.kill(os.getpid(), signal.SIGINT)

    presses = threading.Thread(target=press, daemon=True)
    presses.start()
    with pytest.raises(KeyboardInterrupt):
        clf.fit(*data)
    news.put("ended")
    presses.join()
    assert vars(clf) == vars(clone(clf))
    assert threading.active_count() <= threads


@pytest.mark.parametrize("jit_compile", [True, False])
def test_any_thread_can_stop_the_fits_of_others(jit_compile, under_way):
    clf, data = far_too_many_epochs(jit_compile)
    clfs, ended = [clone(clf), clone(clf)], []

    def work(clf):
        with pytest.raises(KeyboardInterrupt, match="stop_fits"):
            clf.fit(*data)
        ended.append(clf)

    threads = [threading.Thread(target=work, args=(one,)) for one in clfs]
    for thread in threads:
        thread.start()
    for _ in clfs:
        assert under_way.acquire(timeout=600)
    stop_fits()
    for thread in threads:
        thread.join()
    assert len(ended) == 2
    assert all(vars(one) == vars(clone(one)) for one in clfs)
    compiled(jit_compile=jit_compile, epochs=1).fit(*data)  # later ones go on
