"""Tests of the estimators with the tools of scikit-learn."""

import pickle
import subprocess
import sys
from importlib.util import find_spec
from inspect import signature
from warnings import catch_warnings

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.callback import CallbackSupportMixin, ProgressBar, ScoringMonitor
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import DecisionBoundaryDisplay, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    LearningCurveDisplay,
    ValidationCurveDisplay,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from sklearn_toydnn import DNNClassifier, GaussianAugmenter, GaussianNoise
from sklearn_toydnn._engine.compiled.program import Run
from sklearn_toydnn._engine.tensorflow import keras
from sklearn_toydnn._estimator.data import encode_training_data, split
from sklearn_toydnn._estimator.plan import make_plan


@pytest.fixture(scope="module")
def data():
    """Points whose label is the sign of the first of two features."""
    X = np.random.default_rng(0).uniform(-1, 1, size=(200, 2))
    return X, (X[:, 0] > 0).astype(int)


def learner(**params):
    """Return a network that learns the data in a few epochs."""
    defaults = {"epochs": 30, "optimizer__learning_rate": 0.01, "random_state": 0}
    return DNNClassifier(**defaults | params)


# ---- labels


@pytest.mark.parametrize(
    "labels",
    [[0, 1], [5, -5], ["yes", "no"], [True, False], ["b", "c", "a"], [3.0, 1.0, 2.0]],
    ids=str,
)
def test_labels_of_any_type_are_predicted(labels, data):
    X, _ = data
    y = np.array(labels)[np.digitize(X[:, 0], [-0.3, 0.3][: len(labels) - 1])]
    clf, reference = learner().fit(X, y), LogisticRegression().fit(X, y)
    np.testing.assert_array_equal(clf.classes_, reference.classes_)
    assert clf.classes_.dtype == reference.classes_.dtype
    assert clf.predict_proba(X).shape == (len(X), len(labels))
    assert clf.score(X, y) > 0.8
    assert clf.predict(X).dtype == y.dtype


@pytest.mark.parametrize("class_weight", ["balanced", {"rare": 9.0, "common": 1.0}])
def test_class_weights_bring_out_the_rare_class(class_weight, data):
    X, _ = data
    generator = np.random.default_rng(0)
    rare = generator.uniform(size=len(X)) < 0.1  # independent of the features
    y = np.where(rare, "rare", "common")
    share = [
        learner(class_weight=weight).fit(X, y).predict_proba(X)[:, 1].mean()
        for weight in (None, class_weight)
    ]
    assert share[0] < 0.2 and share[1] > 0.35


# ---- containers


@pytest.mark.parametrize(
    "frame, series",
    [(pd.DataFrame, pd.Series), (pl.DataFrame, pl.Series)],
    ids=["pandas", "polars"],
)
def test_frames_bring_their_names(frame, series, data):
    X, y = data
    named = frame({"left": X[:, 0], "up": X[:, 1]})
    clf = learner(epochs=2).fit(named, series(y))
    np.testing.assert_array_equal(clf.feature_names_in_, ["left", "up"])
    np.testing.assert_array_equal(
        clf.predict_proba(named), learner(epochs=2).fit(X, y).predict_proba(X)
    )
    with pytest.raises(ValueError, match="(?s)feature names .* same order"):
        clf.predict(named[["up", "left"]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        clf.predict(X)


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_set_output(container, data):
    noise = GaussianNoise(random_state=0).set_output(transform=container)
    frame = {"pandas": pd.DataFrame, "polars": pl.DataFrame}[container]
    named = frame(
        data[0], **{"columns" if frame is pd.DataFrame else "schema": ["a", "b"]}
    )
    for jittered in (noise.fit_transform(named), noise.transform(named)):
        assert isinstance(jittered, frame)
        assert list(jittered.columns) == ["a", "b"]


@pytest.mark.parametrize("module", [pd, pl], ids=["pandas", "polars"])
def test_the_augmenter_returns_the_same_container_types(module, data):
    X, y = data
    augmenter = GaussianAugmenter(0.5, random_state=0)
    X_new, y_new = augmenter.fit_resample(X, y)
    frame = module.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    table = module.DataFrame({"label": y})
    for labels in [table["label"], y.tolist(), y]:
        new, new_labels = augmenter.fit_resample(frame, labels)
        assert type(new) is type(frame) and list(new.columns) == ["a", "b"]
        assert type(new_labels) is type(labels)
        assert getattr(new_labels, "name", "label") == "label"
        np.testing.assert_array_equal(new, X_new)
        np.testing.assert_array_equal(new_labels, y_new)
    new, new_labels = augmenter.fit_resample(X, table["label"])
    assert type(new) is np.ndarray and type(new_labels) is module.Series
    new, new_labels = augmenter.fit_resample(frame, table)
    assert type(new_labels) is type(table)
    np.testing.assert_array_equal(new_labels["label"], y_new)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [1, 2, 3, 4], "b": [0, 0, 1, 1]}),
        pd.DataFrame({"a": pd.Categorical([1, 2, 3, 4]), "b": [True, False] * 2}),
        pd.DataFrame({"a": ["1", "2", "3", "4"], "b": pd.array([0, 0, 1, 1], "Int64")}),
        pl.DataFrame({"a": [1, 2, 3, 4], "b": [0, 0, 1, 1]}),
    ],
    ids=["int", "categories", "text", "polars"],
)
def test_noise_on_integer_columns_is_not_truncated(frame):
    new, _ = GaussianAugmenter(1.0, random_state=0).fit_resample(frame, [0, 1, 0, 1])
    np.testing.assert_array_equal(np.asarray(new)[:4, 0].astype(float), [1, 2, 3, 4])
    copies = np.asarray(new)[4:].astype(float)
    assert np.isfinite(copies).all() and (copies != np.round(copies)).all()


def test_feature_names_of_validation_points_are_checked(data):
    X, y = data
    named = pd.DataFrame(X, columns=["a", "b"])
    for names in (["b", "a"], ["c", "d"]):
        with pytest.raises(ValueError, match="(?s)X_val does not have the features of"):
            learner().fit(named, y, X_val=named.set_axis(names, axis=1), y_val=y)
    learner(epochs=1).fit(named, y, X_val=named, y_val=y)


@pytest.mark.parametrize(
    "act",
    [
        lambda X, y: learner().fit(csr_array(X), y),
        lambda X, y: learner(epochs=1).fit(X, y).predict(csr_array(X)),
        lambda X, y: GaussianNoise().fit(csr_array(X)),
        lambda X, y: GaussianAugmenter().fit_resample(csr_array(X), y),
    ],
    ids=["fit", "predict", "noise", "augmenter"],
)
def test_sparse_points_are_refused(act, data):
    with pytest.raises(TypeError, match="Sparse data was passed.*dense data is requ"):
        act(*data)


# ---- metadata routing


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


def test_a_search_routes_validation_points_and_weights(routing, data):
    X, y = data
    X_val, y_val = X[:60], y[:60]
    weight = np.where(y == 1, 1.0, 0.0) + np.where(np.arange(len(y)) < 20, 1.0, 0.0)
    net = learner().set_fit_request(X_val=True, y_val=True, sample_weight=True)
    net.set_score_request(sample_weight=True)
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    search = GridSearchCV(
        make_pipeline(scaler, net, transform_input=["X_val"]),
        {"dnnclassifier__dropout_rate": [0.0, 0.1]},
        cv=2,
    ).fit(X * 100, y, X_val=X_val * 100, y_val=y_val, sample_weight=weight)
    best = search.best_estimator_
    assert best[-1].history_["val_accuracy"][-1] == pytest.approx(
        best.score(X_val * 100, y_val)
    )
    unweighted = clone(best).fit(X * 100, y, X_val=X_val * 100, y_val=y_val)
    share = [p.predict_proba(X * 100)[:, 1].mean() for p in (best, unweighted)]
    assert share[0] > share[1]


def test_weights_are_not_routed_past_an_augmenter(routing, data):
    X, y = data
    pipeline = make_sampling_pipeline(
        GaussianAugmenter(), learner().set_fit_request(sample_weight=True)
    )
    with pytest.raises(
        ValueError, match=r"sample_weight has 200 rows, but X has 220.*adds rows"
    ):
        pipeline.fit(X, y, sample_weight=np.ones(len(y)))


def test_validation_points_are_not_routed_past_a_scaler_and_an_augmenter(routing, data):
    X, y = data
    net = learner().set_fit_request(X_val=True, y_val=True)
    pipeline = make_sampling_pipeline(
        StandardScaler(), GaussianAugmenter(), net, transform_input=["X_val"]
    )
    with pytest.raises(AttributeError, match="'Pipeline' has no attribute 'transform'"):
        pipeline.fit(X, y, X_val=X[:9], y_val=y[:9])


# ---- callbacks


class Record:
    """Records calls of the hooks, and can stop training or fail."""

    max_propagation_depth = None

    def __init__(self, stop_after=np.inf, fail=False):
        self.stop_after, self.fail = stop_after, fail
        self.calls, self.scores = [], []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.calls.append(f"end {context.task_name}")
        self.scores.append(fitted_estimator.score(X, y))
        if self.fail:
            raise RuntimeError("failed on purpose")
        return len(self.scores) >= self.stop_after


PATHS = [
    {},
    {"jit_compile": False},
    {"callbacks": [keras.callbacks.TerminateOnNaN()]},
]


@pytest.mark.parametrize("params", PATHS, ids=["compiled", "keras", "keras-callback"])
def test_callbacks_are_told_of_every_epoch(params, data):
    record = Record()
    clf = learner(epochs=3, **params).set_callbacks(record).fit(*data)
    assert isinstance(clf, CallbackSupportMixin)
    epochs = ["begin epoch", "end epoch"] * 3
    assert record.calls == ["setup", "begin fit", *epochs, "end fit", "teardown"]
    after = [learner(epochs=n, **params).fit(*data).score(*data) for n in (1, 2, 3, 3)]
    assert record.scores == after


@pytest.mark.parametrize("params", PATHS, ids=["compiled", "keras", "keras-callback"])
def test_a_callback_can_stop_training(params, data):
    clf = learner(**params).set_callbacks(Record(stop_after=4)).fit(*data)
    assert clf.n_iter_ == len(clf.history_["loss"]) == 4
    shorter = learner(epochs=4, **params).fit(*data)
    np.testing.assert_array_equal(clf.coefs_[0], shorter.coefs_[0])


def test_callbacks_do_not_change_the_results(data):
    one, other = learner(), learner().set_callbacks(Record())
    np.testing.assert_array_equal(one.fit(*data).coefs_[1], other.fit(*data).coefs_[1])
    assert one.history_ == other.history_
    assert not [name for name in vars(other) if "callback" in name and "_fit" in name]


def test_a_failing_callback_does_not_change_the_classifier(data):
    record = Record(fail=True)
    clf = learner().fit(*data)
    proba = clf.predict_proba(data[0])
    with pytest.raises(RuntimeError, match="failed on purpose"):
        clf.set_callbacks(record).fit(*data)
    assert record.calls[-1] == "teardown"
    np.testing.assert_array_equal(clf.predict_proba(data[0]), proba)


def test_a_progress_bar_shows_epochs(data, monkeypatch, capsys):
    tasks = []
    end = ProgressBar.on_fit_task_end

    def recording(self, estimator, context):
        tasks.append((type(estimator).__name__, context.task_name))
        end(self, estimator, context)

    monkeypatch.setattr(ProgressBar, "on_fit_task_end", recording)
    learner(epochs=2).set_callbacks(ProgressBar()).fit(*data)
    assert tasks == [("DNNClassifier", "epoch")] * 2 + [("DNNClassifier", "fit")]
    net = make_pipeline(StandardScaler(), learner(epochs=2))
    for depth, epochs in [(0, 0), (1, 0), (2, 1 + 1 + 2 + 2 + 2)]:
        tasks.clear()
        capsys.readouterr()
        search = GridSearchCV(net, {"dnnclassifier__epochs": [1, 2]}, cv=2)
        search.set_callbacks(ProgressBar(max_propagation_depth=depth)).fit(*data)
        # The best candidate is fitted again, for one or two epochs.
        assert tasks.count(("DNNClassifier", "epoch")) in {epochs, max(0, epochs - 1)}
        out = capsys.readouterr().out
        assert "GridSearchCV - fit" in out
        assert ("DNNClassifier - fit" in out) == (epochs > 0)


@pytest.mark.slow
def test_callbacks_work_across_worker_processes(data, capsys):
    net = learner(epochs=2)
    search = GridSearchCV(net, {"dropout_rate": [0.1, 0.2]}, cv=2, n_jobs=2)
    search.set_callbacks(ProgressBar()).fit(*data)
    assert capsys.readouterr().out.count("DNNClassifier - fit") == 5
    monitor = ScoringMonitor(scoring="accuracy")
    cross_validate(net.set_callbacks(monitor), *data, cv=2, n_jobs=2)
    scores = [log.data_as_pandas for log in monitor.get_logs(select="all")]
    assert [(log["task_name"] == "epoch").sum() for log in scores] == [2, 2]


def test_callbacks_get_weights_and_history(data):
    X, y = data
    weight = np.where(y == 1, 3.0, 1.0)
    for given in (weight, 2.0):
        monitor = ScoringMonitor(scoring="accuracy")
        clf = learner(epochs=3).set_callbacks(monitor).fit(X, y, given)
        log = monitor.get_logs().data_as_pandas
        expected = accuracy_score(y, clf.predict(X), sample_weight=given * np.ones(200))
        assert log["accuracy"].iloc[-1] == pytest.approx(expected)

    lengths = []

    class Lengths(Record):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            lengths.append(len(fitted_estimator.history_["loss"]))
            assert fitted_estimator.n_iter_ == lengths[-1]

    clf.set_callbacks(Lengths()).fit(X, y)
    assert lengths == [1, 2, 3, 3]


def test_without_callbacks_all_epochs_run_in_one_call(data, monkeypatch):
    calls = []
    train = Run.train_at_once

    def counting(self, weights, state, epochs):
        calls.append(len(epochs))
        return train(self, weights, state, epochs)

    monkeypatch.setattr(Run, "train_at_once", counting)
    learner().fit(*data)
    assert calls[-1:] == [30] and set(calls) <= {0, 30}  # 0: warm-up of a new program


def test_a_scoring_monitor_records_a_score_per_epoch(data):
    monitor = ScoringMonitor(scoring="neg_log_loss")
    named = pd.DataFrame(data[0], columns=["a", "b"])
    clf = learner(epochs=5).set_callbacks(monitor).fit(named, data[1])
    log = monitor.get_logs().data_as_pandas
    scores = log.loc[log["task_name"] == "epoch", "neg_log_loss"]
    assert len(scores) == 5 and scores.is_monotonic_increasing
    shorter = learner(epochs=2).fit(named, data[1]).predict_proba(named)
    assert scores.iloc[1] == pytest.approx(
        np.log(shorter[range(200), data[1]]).mean(), rel=1e-5
    )
    assert clf.n_iter_ == 5


# ---- early stopping

STOPPING = {"early_stopping": True, "epochs": 300, "n_iter_no_change": 5}


@pytest.mark.parametrize("params", PATHS, ids=["compiled", "keras", "keras-callback"])
def test_early_stopping_keeps_the_weights_of_the_best_epoch(params, data):
    X, y = data
    noisy = np.where(np.random.default_rng(1).uniform(size=len(y)) < 0.2, 1 - y, y)
    X_val, y_val = X[:70], y[:70]
    clf = learner(**STOPPING, **params).fit(
        X[70:], noisy[70:], X_val=X_val, y_val=y_val
    )
    scores = clf.history_["val_accuracy"]
    assert clf.n_iter_ == len(scores) < 300
    best = int(np.argmax(scores))
    assert best < clf.n_iter_ - 1
    assert clf.score(X_val, y_val) == pytest.approx(scores[best])
    until = learner(epochs=best + 1, **params).fit(X[70:], noisy[70:])
    np.testing.assert_array_equal(clf.coefs_[0], until.coefs_[0])
    np.testing.assert_array_equal(clf.model_.get_weights()[0], until.coefs_[0])


def n_expected(scores, patience, tol):
    """Return the number of epochs after which these scores end training."""
    waited, best = 0, -np.inf
    for n, score in enumerate(scores, start=1):
        waited = 0 if score >= best + tol else waited + 1
        best = max(best, score)
        if waited == patience:
            return n
    return len(scores)


@pytest.mark.parametrize("patience, tol", [(1, 1e-4), (5, 1e-4), (5, 0.2), (5, 0.0)])
def test_early_stopping_waits_for_n_iter_no_change_epochs(patience, tol, data):
    X, y = data
    all_scores = learner(epochs=60).fit(X, y, X_val=X[:70], y_val=y[:70])
    expected = n_expected(all_scores.history_["val_accuracy"], patience, tol)
    params = {"n_iter_no_change": patience, "tol": tol, "epochs": 60}
    clf = learner(**STOPPING | params)
    with catch_warnings(action="ignore", category=ConvergenceWarning):
        clf.fit(X, y, X_val=X[:70], y_val=y[:70])
    assert clf.n_iter_ == expected


@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_early_stopping_holds_out_a_stratified_sample(fraction, data):
    X, _ = data
    y = np.where(np.arange(len(X)) < 20, "rare", "common")
    clf = learner(**STOPPING, validation_fraction=fraction).fit(X, y)
    plan = make_plan(clf)
    points = encode_training_data(clf, plan, X.astype(np.float32), y, None)
    validation = split(clf, plan, points, None, None, seed=0).validation
    assert len(validation) == fraction * 200
    assert validation.targets.sum() == fraction * 20
    few = np.where(np.arange(20) == 0, "rare", "common")
    with pytest.raises(ValueError, match=f"validation_fraction={fraction} cannot"):
        clf.fit(X[:20], few)


def test_early_stopping_uses_the_points_of_validation_split(data):
    X, y = data
    split = learner(**STOPPING, validation_split=0.35).fit(X, y)
    given = learner(**STOPPING).fit(X[:130], y[:130], X_val=X[130:], y_val=y[130:])
    np.testing.assert_array_equal(split.coefs_[0], given.coefs_[0])


@pytest.mark.parametrize("how", ["class_weight", "sample_weight", "X_val"])
def test_early_stopping_counts_weighted_accuracy(how):
    generator = np.random.RandomState(3)
    y = (generator.uniform(size=1000) < 0.05).astype(int)
    X = generator.normal(size=(1000, 2)) + 1.5 * y[:, None]
    balanced = {"class_weight": "balanced"} if how != "sample_weight" else {}
    fit = {"sample_weight": np.where(y, 19.0, 1.0)} if how == "sample_weight" else {}
    if how == "X_val":
        fit = {"X_val": X[:300], "y_val": y[:300]}
    clf = learner(**STOPPING, **balanced, optimizer__learning_rate=0.001)
    clf.fit(X, y, **fit)
    assert balanced_accuracy_score(y, clf.predict(X)) > 0.75
    if how == "X_val":
        score = balanced_accuracy_score(y[:300], clf.predict(X[:300]))
        until = clf.history_["val_accuracy"]
        assert clf.n_iter_ == len(until) and score > 0.75


def test_early_stopping_never_lowers_the_score_in_a_warm_start(data):
    X, y = data
    noisy = np.where(np.random.default_rng(1).uniform(size=len(y)) < 0.2, 1 - y, y)
    clf = learner(**STOPPING | {"n_iter_no_change": 1}, warm_start=True)
    scores = []
    for _ in range(6):
        clf.fit(X, noisy, X_val=X[:70], y_val=y[:70])
        scores.append(clf.score(X[:70], y[:70]))
    assert scores == sorted(scores)


def test_early_stopping_warns_if_it_has_not_converged(data):
    with pytest.warns(ConvergenceWarning, match=r"Maximum epochs \(3\) reached"):
        learner(**STOPPING | {"epochs": 3}).fit(*data)
    learner(epochs=3).fit(*data)  # without early stopping: no warning


def test_partial_fit_does_not_support_early_stopping(data):
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping"):
        learner(**STOPPING).partial_fit(*data, classes=[0, 1])


def test_early_stopping_of_keras(data):
    stop = keras.callbacks.EarlyStopping("val_loss", patience=2)
    clf = learner(callbacks=[stop], validation_split=0.3, epochs=200).fit(*data)
    assert clf.n_iter_ < 200


MONITORING = [
    callback
    for callback in vars(keras.callbacks).values()
    if isinstance(callback, type)
    and "monitor" in signature(callback).parameters
    and (callback.__name__ != "OrbaxCheckpoint" or find_spec("orbax"))
]


def make_monitoring(callback, monitor, folder):
    params = {"monitor": monitor}
    if callback is keras.callbacks.ModelCheckpoint:
        params |= {"filepath": folder / "best.keras", "save_best_only": True}
    elif "directory" in signature(callback).parameters:
        params |= {"directory": folder, "save_best_only": True}
    return callback(**params)


@pytest.mark.fast(
    "EarlyStopping-val_accuracy-*-2-fit",
    "ModelCheckpoint-accuracy-compiled-2-fit",
    "ReduceLROnPlateau-val_loss-compiled-3-partial_fit",
)
@pytest.mark.parametrize("how", ["fit", "partial_fit", "early_stopping"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("jit_compile", [True, False], ids=["compiled", "keras"])
@pytest.mark.parametrize("monitor", ["val_accuracy", "accuracy", "val_loss"])
@pytest.mark.parametrize("callback", MONITORING, ids=lambda cls: cls.__name__)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_callbacks_that_monitor(
    callback, monitor, jit_compile, n_classes, how, data, tmp_path
):
    X, y = data
    y = y + (X[:, 0] > 0) * (n_classes - 2)
    clf = learner(
        epochs=2,
        batch_size=100,
        validation_split=0.2,
        callbacks=make_monitoring(callback, monitor, tmp_path),
        jit_compile=jit_compile,
        early_stopping=how == "early_stopping",
    )
    if how == "partial_fit":
        clf.partial_fit(X, y, classes=np.unique(y))
    else:
        clf.fit(X, y)
    assert clf.n_iter_ == (1 if how == "partial_fit" else 2)


@pytest.mark.parametrize("jit_compile", [True, False])
def test_early_stopping_of_keras_maximizes_accuracy(jit_compile, data):
    stop = keras.callbacks.EarlyStopping(
        "val_accuracy", patience=100, restore_best_weights=True
    )
    clf = learner(callbacks=stop, jit_compile=jit_compile, epochs=12)
    X, y = data
    clf.fit(X, y, X_val=X[:70], y_val=y[:70])
    best = max(clf.history_["val_accuracy"])
    assert clf.score(X[:70], y[:70]) == pytest.approx(best)


# ---- persistence

TRUSTED = ["sklearn_toydnn._network.Network", "sklearn_toydnn.classifier.DNNClassifier"]
DUMPS = {
    "pickle": pickle.dump,
    "joblib": joblib.dump,
    "cloudpickle": cloudpickle.dump,
    "skops": skops.io.dump,
}
OTHER_PROCESS = f"""
import pickle, sys
from pathlib import Path
import cloudpickle, joblib, numpy as np, skops.io

folder = Path(sys.argv[1])
X, y = np.load(folder / "X.npy"), np.load(folder / "y.npy")
loads = {{
    "pickle": pickle.load,
    "joblib": joblib.load,
    "cloudpickle": cloudpickle.load,
    "skops": lambda file: skops.io.load(file, trusted={TRUSTED}),
}}
for way, load in loads.items():
    with open(folder / way, "rb") as file:
        clf = load(file)
    np.save(folder / f"{{way}}-proba.npy", clf.predict_proba(X))
    np.save(folder / f"{{way}}-further.npy", clf.partial_fit(X, y).predict_proba(X))
"""


@pytest.mark.slow
def test_saved_classifiers_go_on_in_another_process(data, tmp_path):
    X, y = data
    clf = learner(epochs=3).fit(X, y)
    for way, dump in DUMPS.items():
        with open(tmp_path / way, "wb") as file:
            dump(clf, file)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    subprocess.run([sys.executable, "-c", OTHER_PROCESS, tmp_path], check=True)
    proba = clf.predict_proba(X)
    further = clf.partial_fit(X, y).predict_proba(X)
    for way in DUMPS:
        np.testing.assert_array_equal(np.load(tmp_path / f"{way}-proba.npy"), proba)
        np.testing.assert_array_equal(np.load(tmp_path / f"{way}-further.npy"), further)


def test_a_pipeline_is_saved_by_skops(data):
    pipeline = make_pipeline(StandardScaler(), learner(epochs=2)).fit(*data)
    saved = skops.io.dumps(pipeline)
    assert sorted(skops.io.get_untrusted_types(data=saved)) == TRUSTED
    again = skops.io.loads(saved, trusted=TRUSTED)
    np.testing.assert_array_equal(
        again.predict_proba(data[0]), pipeline.predict_proba(data[0])
    )


def test_the_model_is_saved_by_keras(data, tmp_path):
    clf = learner(epochs=3).fit(*data)
    clf.model_.save(tmp_path / "net.keras")
    model = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_allclose(
        model.predict(data[0], verbose=0)[:, 0],
        clf.predict_proba(data[0])[:, 1],
        rtol=1e-5,
    )
    model.fit(*data, epochs=1, verbose=0)


# ---- display


def test_repr_shows_changed_parameters():
    clf = DNNClassifier((5,), epochs=3, optimizer__learning_rate=0.1)
    shown = (
        "DNNClassifier(epochs=3, hidden_layer_sizes=(5,), optimizer__learning_rate=0.1)"
    )
    assert " ".join(repr(clf).split()) == shown


@pytest.mark.parametrize("fitted", [False, True])
def test_html_diagram(fitted, data):
    pipeline = make_pipeline(StandardScaler(), learner(epochs=1))
    if fitted:
        pipeline.fit(*data)
    html = estimator_html_repr(pipeline)
    for text in ["DNNClassifier", "optimizer__learning_rate", "hidden_layer_sizes"]:
        assert text in html
    assert ("<span>Fitted</span>" in html) == fitted


def test_routed_parameters_on_fresh_unfitted_and_fitted_estimators(data):
    def rate(clf):
        return float(np.asarray(clf.model_.optimizer.learning_rate))

    fresh = DNNClassifier(epochs=1, random_state=0, optimizer__learning_rate=0.5)
    assert fresh.get_params()["optimizer__learning_rate"] == 0.5
    unfitted = DNNClassifier(epochs=1).set_params(optimizer__learning_rate=0.25)
    assert unfitted.get_params()["optimizer__learning_rate"] == 0.25
    assert rate(fresh.fit(*data)) == 0.5
    fresh.set_params(optimizer__learning_rate=0.125)
    assert fresh.get_params()["optimizer__learning_rate"] == 0.125
    assert rate(fresh.fit(*data)) == 0.125
    fresh.set_params(optimizer="SGD", optimizer__momentum=0.5)
    assert fresh.fit(*data).model_.optimizer.momentum == 0.5


# ---- tools


def test_halving_grid_search(data):
    search = HalvingGridSearchCV(
        learner(),
        {"optimizer__learning_rate": [1e-30, 0.01]},
        resource="epochs",
        max_resources=20,
        min_resources=10,
        cv=2,
        factor=2,
        random_state=0,
    ).fit(*data)
    assert search.best_params_["optimizer__learning_rate"] == 0.01
    assert search.n_iterations_ == 2 and search.best_estimator_.epochs == 20
    assert search.score(*data) > 0.9


def test_calibrated_classifier(data):
    X, y = data
    noisy = np.where(np.random.default_rng(0).uniform(size=len(y)) < 0.2, 1 - y, y)
    calibrated = CalibratedClassifierCV(learner(), cv=3).fit(X, noisy)
    assert calibrated.score(X, y) > 0.9
    proba = calibrated.predict_proba(X)[:, 1]
    assert proba.max() < 0.95  # a fifth of the labels are wrong
    assert proba[y == 1].mean() > 0.6 > 0.4 > proba[y == 0].mean()


def test_voting_classifier(data):
    X, y = data
    names = np.array(["left", "right"])[y]
    vote = VotingClassifier(
        [("net", learner()), ("line", LogisticRegression())], voting="soft"
    ).fit(X, names)
    assert vote.score(X, names) > 0.9
    expected = (
        vote.named_estimators_["net"].predict_proba(X)
        + vote.named_estimators_["line"].predict_proba(X)
    ) / 2
    np.testing.assert_allclose(vote.predict_proba(X), expected, rtol=1e-6)


def test_bagging_classifier(data):
    bag = BaggingClassifier(learner(), n_estimators=3, random_state=0).fit(*data)
    assert bag.score(*data) > 0.9
    first, second, _ = bag.estimators_
    assert (first.coefs_[0] != second.coefs_[0]).any()


def test_permutation_importance(data):
    clf = learner().fit(*data)
    relevant, irrelevant = permutation_importance(
        clf, *data, random_state=0
    ).importances_mean
    assert relevant > 0.3 > 0.1 > abs(irrelevant)


def test_decision_boundary_display(data):
    clf = learner().fit(*data)
    display = DecisionBoundaryDisplay.from_estimator(
        clf, data[0], response_method="predict"
    )
    right = display.xx0 > 0.2
    assert display.response[right].mean() > 0.9
    assert display.response[display.xx0 < -0.2].mean() < 0.1


def test_learning_curve_display(data):
    display = LearningCurveDisplay.from_estimator(
        learner(), *data, train_sizes=[10, 100], cv=2, score_type="test"
    )
    assert list(display.train_sizes) == [10, 100]
    assert display.test_scores[1].mean() > max(0.9, display.test_scores[0].mean())


def test_validation_curve_display(data):
    display = ValidationCurveDisplay.from_estimator(
        learner(), *data, param_name="epochs", param_range=[1, 30], cv=2
    )
    assert display.test_scores[1].mean() > max(0.9, display.test_scores[0].mean())


def test_public_attributes_of_scikeras(data):
    X, y = data
    labels = np.where(y, "in", "out")
    clf = learner(epochs=3)
    assert clf.current_epoch == 0
    clf.initialize(X, labels).partial_fit(X, labels)
    assert clf.initialized_ and clf.current_epoch == 1
    encoder = clf.target_encoder.fit(labels)
    numbers = encoder.transform(labels)
    np.testing.assert_array_equal(encoder.inverse_transform(numbers), labels)
    np.testing.assert_array_equal(clf.feature_encoder.fit_transform(X), X)
    assert clf.scorer(labels, clf.predict(X)) == clf.score(X, labels)
