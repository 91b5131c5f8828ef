"""The cache of fits, DNNClassifier(memory=...): an interrupted search can continue."""

import shutil
import subprocess
import sys
from pathlib import Path
from warnings import catch_warnings

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.exceptions import ConvergenceWarning, EfficiencyWarning
from sklearn.model_selection import GridSearchCV, cross_validate, learning_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import DNNClassifier, cache_clear, memory
from sklearn_toydnn._engine import fit_cache
from sklearn_toydnn._engine.compiled.program import Program
from sklearn_toydnn._engine.tensorflow import keras, tf

ExponentialDecay = keras.optimizers.schedules.ExponentialDecay
PARAMS = {"epochs": 2, "random_state": 0}


@pytest.fixture
def trained(monkeypatch):
    """Record the fits that are trained instead of read from the cache."""
    train, fits = fit_cache.train, []

    def counting(*args):
        fits.append(args)
        return train(*args)

    monkeypatch.setattr(fit_cache, "train", counting)
    return fits


def state(clf):
    names = ["coefs_", "intercepts_", "history_", "n_iter_", "_optimizer_state"]
    return joblib.hash([vars(clf)[name] for name in names])


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"jit_compile": False},
        {"validation_split": 0.25},
        {"optimizer": "SGD", "optimizer__momentum": 0.5, "dtype": "float64"},
        {"activation": keras.activations.tanh, "loss": keras.losses.Poisson()},
        {"random_state": np.random.RandomState(0)},
        {"optimizer": keras.optimizers.Adam(ExponentialDecay(0.01, 10, 0.9))},
    ],
    ids=lambda params: "-".join(params),
)
def test_a_cached_fit_equals_the_trained_fit(params, data, tmp_path, trained):
    clf = DNNClassifier(**PARAMS | params)
    expected = state(clone(clf).fit(*data))
    clf.set_params(memory=str(tmp_path))
    assert [state(clone(clf).fit(*data)) for _ in range(3)] == [expected] * 3
    assert len(trained) == 2


@pytest.mark.fast("activation", "optimizer__beta_1", "jit_compile")
@pytest.mark.parametrize(
    "change",
    [
        {"random_state": 1},
        {"epochs": 3},
        {"batch_size": 16},
        {"dropout_rate": 0.1},
        {"shuffle": False},
        {"activation": "tanh"},
        {"output_activation": "tanh"},
        {"hidden_layer_sizes": (20, 20, 20)},
        {"kernel_initializer": "zeros"},
        {"optimizer": "SGD"},
        {"optimizer__learning_rate": 0.5},
        {"optimizer__beta_1": 0.5},
        {"loss": "mse"},
        {"loss__label_smoothing": 0.1},
        {"class_weight": "balanced"},
        {"validation_split": 0.1},
        {"jit_compile": False},
        {"dtype": "float64"},
    ],
    ids=lambda change: "-".join(change),
)
def test_a_changed_parameter_is_trained_again(change, data, tmp_path, trained):
    clf = DNNClassifier(**PARAMS, memory=str(tmp_path)).fit(*data)
    clone(clf).set_params(**change).fit(*data)
    assert len(trained) == 2


def test_changed_data_are_trained_again(data, tmp_path, trained):
    X, y = data
    clf = DNNClassifier(**PARAMS, memory=str(tmp_path)).fit(X, y)
    moved = X.copy()
    moved[0, 0] += 1e-6
    clf.fit(moved, y)
    clf.fit(X, np.where(np.arange(len(y)) == 0, 1 - y, y))
    clf.fit(X, y, np.linspace(1, 2, len(y)))
    clf.fit(X, y, X_val=X[:9], y_val=y[:9])
    assert len(trained) == 5


def test_results_of_other_code_are_not_used(data, tmp_path, trained, monkeypatch):
    clf = DNNClassifier(**PARAMS, memory=str(tmp_path)).fit(*data)
    package = Path(memory.__file__).parent
    copied = tmp_path / "copied"
    shutil.copytree(package, copied, ignore=shutil.ignore_patterns("__pycache__"))
    engine, versions = copied / "_engine", (tf.__version__, "0", np.__version__)
    other_keras = memory.hash_code(engine, *versions)
    versions = tf.__version__, keras.__version__, np.__version__
    # The hash covers only the engine.
    (copied / "playground" / "_captions.py").write_text("# changed")
    (copied / "comparison" / "display.py").write_text("# changed")
    assert memory.hash_code(engine, *versions) == fit_cache.ENGINE_CODE
    (engine / "subfolder").mkdir()
    (engine / "subfolder" / "module.py").write_text("# new")
    other_source = memory.hash_code(engine, *versions)
    assert len({fit_cache.ENGINE_CODE, other_keras, other_source}) == 3
    monkeypatch.setattr(fit_cache, "ENGINE_CODE", other_source)
    clf.fit(*data)
    assert len(trained) == 2


def test_functions_of_the_same_name_are_distinguished(data, tmp_path, trained):
    clf = DNNClassifier(**PARAMS, memory=str(tmp_path))
    for activation in (keras.activations.gelu, keras.ops.gelu):
        clf.set_params(activation=activation).fit(*data)
    assert len(trained) == 2


def test_class_weights_in_the_validation_score_are_in_the_key(data, tmp_path, trained):
    X, y = data
    clf = DNNClassifier(
        **PARAMS | {"epochs": 30}, early_stopping=True, memory=str(tmp_path)
    )
    with catch_warnings(action="ignore", category=ConvergenceWarning):
        clf.set_params(class_weight={0: 1, 1: 8}).fit(X, y, X_val=X[:9], y_val=y[:9])
        clf.set_params(class_weight=None)
        clf.fit(X, y, np.where(y == 1, 8.0, 1.0), X_val=X[:9], y_val=y[:9])
    assert len(trained) == 2


def test_scikit_learn_tools_use_cached_fits(data, tmp_path, trained):
    memory = joblib.Memory(tmp_path, verbose=0)
    net = make_pipeline(StandardScaler(), DNNClassifier(**PARAMS, memory=memory))
    grid = {"dnnclassifier__dropout_rate": [0.1, 0.2]}

    def run():
        search = GridSearchCV(net, grid, cv=2).fit(*data)
        curve = learning_curve(net, *data, train_sizes=[20, 50], cv=2)
        scores = cross_validate(net, *data, cv=2)["test_score"]
        return search.cv_results_["mean_test_score"].tolist(), curve, scores

    first = run()
    assert len(trained) == 5 + 4  # cross_validate uses the folds of the search
    assert joblib.hash(first) == joblib.hash(run())
    assert len(trained) == 5 + 4


def test_an_interrupted_search_continues(data, tmp_path, trained, monkeypatch):
    search = GridSearchCV(
        DNNClassifier(**PARAMS, memory=str(tmp_path)),
        {"dropout_rate": [0.1, 0.2, 0.3]},
        cv=2,
    )
    train = fit_cache.train

    def interrupted(*args):
        if len(trained) == 3:
            raise KeyboardInterrupt
        return train(*args)

    with monkeypatch.context() as patch:
        patch.setattr(fit_cache, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            search.fit(*data)
    search.fit(*data)
    assert len(trained) == 3 + 4  # 6 folds and the final fit


OTHER_PROCESS = """
import sys, joblib, numpy as np
from sklearn_toydnn import DNNClassifier
from sklearn_toydnn._engine import fit_cache
def train(*args): raise AssertionError("trained")
if sys.argv[2] == "again": fit_cache.train = train
X, y = np.load(sys.argv[1] + "/X.npy"), np.load(sys.argv[1] + "/y.npy")
clf = DNNClassifier(epochs=2, random_state=0, memory=sys.argv[1]).fit(X, y)
print(joblib.hash(clf.coefs_))
"""


@pytest.mark.slow
def test_another_process_uses_the_cached_fit(data, tmp_path):
    np.save(tmp_path / "X.npy", data[0])
    np.save(tmp_path / "y.npy", data[1])
    first, again = (
        subprocess.run(
            [sys.executable, "-c", OTHER_PROCESS, tmp_path, word],
            check=True,
            capture_output=True,
        ).stdout
        for word in ("first", "again")
    )
    assert first == again


def test_training_continues_from_a_cached_fit(data, tmp_path, trained):
    whole = DNNClassifier(**PARAMS | {"epochs": 4}).fit(*data)
    for _ in range(2):
        clf = DNNClassifier(**PARAMS, memory=str(tmp_path)).fit(*data)
        clf.partial_fit(*data).partial_fit(*data)
        assert state(clf) == state(whole)
    assert len(trained) == 1 + 3


def test_early_stopping_is_cached(data, tmp_path, trained):
    clf = DNNClassifier(
        **PARAMS | {"epochs": 100},
        early_stopping=True,
        n_iter_no_change=3,
        memory=str(tmp_path),
    )
    expected = state(clf.fit(*data))
    assert clf.n_iter_ < 100
    assert state(clf.fit(*data)) == expected
    clf.set_params(epochs=2)
    for _ in range(2):
        with pytest.warns(ConvergenceWarning):
            clf.fit(*data)
    assert len(trained) == 2


@keras.saving.register_keras_serializable()
class Constant(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.01

    def get_config(self):
        return {}


def swish(x):
    return keras.activations.swish(x)


@pytest.mark.parametrize(
    "params, reason",
    [
        ({"random_state": None}, "random_state=None"),
        ({"activation": swish}, "activation is not a function or class of Keras"),
        ({"activation": keras.layers.LeakyReLU(0.1)}, "activation is not a function"),
        (
            {"loss": lambda y, p: keras.ops.mean((y - p) ** 2, axis=-1)},
            "loss is not a function",
        ),
        ({"callbacks": [keras.callbacks.TerminateOnNaN()]}, "callbacks must run"),
        ({"optimizer__learning_rate": lambda: 0.01}, "parameters of the optimizer"),
        ({"optimizer__learning_rate": Constant()}, "parameters of the optimizer"),
    ],
    ids=lambda case: "-".join(case) if isinstance(case, dict) else "",
)
def test_fits_without_a_cache_key_are_not_cached(
    params, reason, data, tmp_path, trained
):
    clf = DNNClassifier(**PARAMS | params, memory=str(tmp_path))
    fit_cache._warn_not_cached.cache_clear()
    with pytest.warns(UserWarning, match=f"Fits are not cached: .*{reason}"):
        clf.fit(*data)
    clf.fit(*data)  # no second warning
    assert len(trained) == 2
    assert not list(tmp_path.rglob("output.pkl"))


def test_scikit_learn_callbacks_are_called_in_every_epoch(data, tmp_path):
    monitor = ScoringMonitor(scoring="accuracy")
    clf = DNNClassifier(**PARAMS, memory=str(tmp_path)).fit(*data)
    fit_cache._warn_not_cached.cache_clear()
    with pytest.warns(UserWarning, match="callbacks must run during training"):
        clf.set_callbacks(monitor).fit(*data)
    assert (monitor.get_logs().data_as_pandas["task_name"] == "epoch").sum() == 2


def test_a_failing_fit_is_not_cached(data, tmp_path):
    with pytest.raises(ValueError, match="jit_compile=True, but"):
        DNNClassifier(
            **PARAMS, memory=str(tmp_path), jit_compile=True, loss__reduction="none"
        ).fit(*data)
    assert not list(tmp_path.rglob("output.pkl"))


def test_memory_is_validated(data):
    with pytest.raises(ValueError, match="'memory' parameter"):
        DNNClassifier(memory=3).fit(*data)


def test_schedules_are_distinguished(data, tmp_path, trained):
    for boundary in [1, 2, 1]:
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
            [boundary], [0.1, 0.01]
        )
        clf = DNNClassifier(memory=str(tmp_path), **PARAMS)
        clf.set_params(optimizer__learning_rate=schedule).fit(*data)
    assert len(list(tmp_path.rglob("output.pkl"))) == 2


def test_a_damaged_fit_is_trained_again(data, tmp_path, trained):
    clf = DNNClassifier(memory=str(tmp_path), **PARAMS).fit(*data)
    (path,) = tmp_path.rglob("output.pkl")
    content = path.read_bytes()
    for i in range(0, len(content), 97):
        damaged = bytearray(content)
        damaged[i] ^= 0x01
        path.write_bytes(damaged)
        again = clone(clf).fit(*data)
        assert state(again) == state(clf)
        assert len(list(tmp_path.rglob("output.pkl"))) == 1


def test_a_fit_is_trained_again_if_its_file_holds_another_object(
    data, tmp_path, trained
):
    clf = DNNClassifier(memory=str(tmp_path), **PARAMS).fit(*data)
    (path,) = tmp_path.rglob("output.pkl")
    for other in ("text", ("a", "b"), (b"a", b"b", b"c"), None, 3):
        joblib.dump(other, path)
        assert state(clone(clf).fit(*data)) == state(clf)
    assert len(trained) == 6


def test_a_folder_below_a_file_is_an_error(data, tmp_path):
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "fits")
    with pytest.raises(ValueError, match=f"memory='{folder}' cannot be used"):
        DNNClassifier(memory=folder, **PARAMS).fit(*data)


@pytest.mark.slow
def test_a_second_folder_works_like_the_first(data, tmp_path):
    np.save(tmp_path / "X.npy", data[0])
    np.save(tmp_path / "y.npy", data[1])
    clf = DNNClassifier(**PARAMS)
    for folder in ("first", "second"):
        clf.set_params(memory=str(tmp_path / folder)).fit(*data)
    code = OTHER_PROCESS.replace(
        "memory=sys.argv[1])", "memory=sys.argv[1] + '/second')"
    )
    command = [sys.executable, "-c", code, tmp_path, "again"]
    subprocess.run(command, check=True, capture_output=True)


def test_fits_that_failed_to_compile_are_not_cached(
    data, tmp_path, trained, monkeypatch
):
    def fail(self):
        raise MemoryError

    cache_clear()
    clf = DNNClassifier((4,), memory=str(tmp_path), **PARAMS)
    with monkeypatch.context() as patch:
        patch.setattr(Program, "warm_up", fail)
        with pytest.warns(EfficiencyWarning, match="cannot compile the training loop"):
            clf.fit(*data)
    assert not list(tmp_path.rglob("output.pkl"))
    assert state(clf.fit(*data)) == state(clone(clf).set_params(memory=None).fit(*data))


def test_fits_under_a_strategy_are_not_cached(data, tmp_path):
    clf = DNNClassifier((4,), memory=str(tmp_path), **PARAMS)
    fit_cache._warn_not_cached.cache_clear()
    with (
        tf.distribute.MirroredStrategy(["CPU:0"]).scope(),
        pytest.warns(UserWarning, match="a tf.distribute strategy"),
    ):
        clf.fit(*data)
    assert not list(tmp_path.rglob("output.pkl"))


def test_memory_can_be_any_object_with_a_cache_method(data):
    class NoMemory:
        def cache(self, function, ignore):
            return function

    clf = DNNClassifier(memory=NoMemory(), **PARAMS).fit(*data)
    assert state(clf) == state(DNNClassifier(**PARAMS).fit(*data))


class Unreadable:
    def __reduce__(self):
        return _raise, ()


def _raise():
    raise TypeError("the reason")


def test_a_result_that_cannot_be_unpickled_raises_its_own_error(tmp_path):
    with pytest.raises(TypeError, match="the reason"):
        memory.load_or_compute(str(tmp_path), Unreadable, "unreadable")


def test_the_old_names_are_errors_that_give_the_new_ones():
    for old, new in {
        "recall": "load_or_compute",
        "NotToBeKept": "NotCacheable",
    }.items():
        with pytest.raises(AttributeError, match=f"{old!r}: use {new!r}"):
            getattr(memory, old)
    with pytest.raises(AttributeError, match="no attribute 'nothing'$"):
        _ = memory.nothing
