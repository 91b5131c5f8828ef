"""Fingerprints: no fit gets the result of another, from `memory` or from a program."""

import functools
import gc
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from sklearn_toydnn import (
    DNNClassifier,
    cache_clear,
    cache_info,
    make_triangle,
)
from sklearn_toydnn._engine.compiled.structure import Structure
from sklearn_toydnn._engine.fingerprint import (
    NoFingerprint,
    fingerprint,
    fingerprint_graph,
    is_of_keras,
    n_threads,
)
from sklearn_toydnn._engine.fit_cache import _fingerprint_fit
from sklearn_toydnn._engine.network import Network
from sklearn_toydnn._engine.optimizer import OptimizerSpec
from sklearn_toydnn._engine.records import Data, Plan, Points
from sklearn_toydnn._engine.tensorflow import keras, tf

LeakyReLU = keras.layers.LeakyReLU
LossFunctionWrapper = keras.losses.Huber.__base__  # has no public name
ops = keras.ops


def net(**params):
    return DNNClassifier((3,), **{"epochs": 2, "random_state": 0} | params)


def weights(clf):
    return [*clf.coefs_, *clf.intercepts_]


def differ(one, other):
    return any(
        (a != b).any() for a, b in zip(weights(one), weights(other), strict=True)
    )


# ---- completeness


def unread(function, record):
    """Return the names of the fields of a record that a function does not read."""
    read = set()

    class Recorder(type(record)):
        def __getattribute__(self, name):
            read.add(name)
            return super().__getattribute__(name)

    names = {field.name for field in fields(record)}
    function(Recorder(**{name: getattr(record, name) for name in names}))
    return names - read


def test_fingerprints_contain_every_field():
    plan = Plan(
        Network((2, 8, 1)),
        OptimizerSpec.of("adam", {}),
        keras.losses.BinaryCrossentropy(),
    )
    points = Points(np.zeros((9, 2), "float32"), np.zeros((9, 1), "float32"))
    data, state = Data(points, points), plan.initial_state(0)
    structure = Structure.of(plan, data)

    def fingerprint_fit(plan=plan, state=state):
        return _fingerprint_fit(plan, data, state, range(3), [])

    assert not unread(Structure.fingerprint, structure)
    assert not unread(
        lambda n: replace(structure, network=n).fingerprint(), plan.network
    )
    assert not unread(lambda n: fingerprint_fit(replace(plan, network=n)), plan.network)
    # The arrays of the state are hashed separately; they depend on the initializer.
    assert unread(fingerprint_fit, plan) == {"initializer"}
    hashed = {"weights", "optimizer_state"}
    assert unread(lambda s: fingerprint_fit(state=s), state) == hashed


# ---- pairs of settings that differ in one value


def define_schedule(rate):
    @keras.saving.register_keras_serializable("tests", "Redefined")
    class Redefined(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return rate

        def get_config(self):
            return {}

    return {"optimizer__learning_rate": Redefined()}


def define_optimizer(factor):
    @keras.saving.register_keras_serializable("tests", "RedefinedSGD")
    class RedefinedSGD(keras.optimizers.SGD):
        def update_step(self, gradient, variable, learning_rate):
            super().update_step(gradient * factor, variable, learning_rate)

    return {"optimizer": RedefinedSGD}


def decay_only(share):
    names = ["bias"] if share < 0.5 else ["kernel"]

    class Decaying(keras.optimizers.AdamW):
        def build(self, variables):
            if not self.built:
                self.exclude_from_weight_decay(var_names=names)
            super().build(variables)

    return {"optimizer": Decaying, "optimizer__weight_decay": 0.5}


def change_in_place(slope):
    CHANGED.negative_slope = slope
    return {"activation": CHANGED}


def change_global(factor):
    SETTINGS.factor = factor
    return {"activation": reads_a_global}


def change_closure(factor):
    CELL[0] = factor
    return {"activation": lambda x: ops.tanh(x) * CELL[0]}


def reads_a_global(x):
    return ops.tanh(x) * SETTINGS.factor


def of_many_numbers(last):
    alpha = np.full(1500, 0.25, "float32")
    alpha[1000] = last
    return {"loss": LossFunctionWrapper(weighted_by_many, alpha=alpha)}


def weighted_by_many(y_true, y_pred, alpha):
    return ops.mean((y_true - y_pred) ** 2, axis=-1) * ops.sum(
        ops.convert_to_tensor(alpha)
    )


@keras.saving.register_keras_serializable("tests")  # required for cloning
class OwnLoss(keras.losses.Loss):
    factor = 1.0

    def call(self, y_true, y_pred):
        return ops.mean((y_true - y_pred) ** 2, axis=-1) * self.factor


def change_class(factor):
    OwnLoss.factor = factor
    return {"loss": OwnLoss}


VARIABLE, SEEDS = keras.Variable(1.0), keras.random.SeedGenerator(0)
CHANGED, SETTINGS, CELL = LeakyReLU(0.1), SimpleNamespace(factor=1.0), [1.0]
MAKERS = {
    "bound methods of two instances": lambda a: {"activation": LeakyReLU(a).call},
    "instances": lambda a: {"activation": LeakyReLU(a)},
    "an instance changed in place": change_in_place,
    "a global that a function reads": change_global,
    "a closure of a function": change_closure,
    "lambdas": lambda a: {"activation": lambda x: ops.tanh(x) * a},
    "partials": lambda a: {
        "activation": functools.partial(ops.leaky_relu, negative_slope=a)
    },
    "output activations": lambda a: {"output_activation": lambda x: ops.sigmoid(x * a)},
    "a redefined schedule": define_schedule,
    "a redefined optimizer": define_optimizer,
    "parameters of a wrapped loss": lambda a: {
        "loss": LossFunctionWrapper(keras.losses.huber, delta=a)
    },
    "parameters of Keras losses": lambda a: {"loss": keras.losses.Huber(delta=a)},
    "arrays of many numbers": of_many_numbers,
    "an attribute of a class": change_class,
    "partials of losses": lambda a: {
        "loss": functools.partial(keras.losses.huber, delta=a)
    },
    "exclusions from weight decay": decay_only,
    "parameters of Keras optimizers": lambda a: {
        "optimizer": keras.optimizers.Adam(0.01, a)
    },
    "epsilon": lambda a: {
        "loss": "poisson",
        "keras": (keras.config.set_epsilon, a, 1e-7),
    },
}


def fit_with(params, data, **more):
    """Fit with parameters and, temporarily, with a setting of Keras."""
    params = dict(params)
    set_, value, before = params.pop("keras", (lambda _: None, None, None))
    set_(value)
    try:
        return net(**params | more).fit(*data)
    finally:
        set_(before)


def pairs():
    values = st.sampled_from([0.05, 0.1, 0.3, 0.6, 0.9])
    return st.tuples(st.sampled_from(sorted(MAKERS)), values, values)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Fits are not cached")
@settings(max_examples=max(10, settings.default.max_examples // 10))
@given(pairs())
def test_each_setting_gets_its_own_result(tmp_path_factory, data, pair):
    """Both settings give the same results as with empty caches."""
    name, *values = pair
    assume(values[0] != values[1])
    assert_same_uncached(MAKERS[name], values, data, tmp_path_factory.mktemp("fits"))


@pytest.mark.fast("lambdas")
@pytest.mark.filterwarnings("ignore:Fits are not cached")
@pytest.mark.parametrize("name", MAKERS)
def test_results_of_these_pairs_differ(name, data, tmp_path):
    one, other = assert_same_uncached(MAKERS[name], [0.1, 0.9], data, tmp_path)
    assert differ(one, other)


def assert_same_uncached(make, values, data, folder):
    uncached = []
    for value in values:
        cache_clear()
        uncached.append(fit_with(make(value), data))
    for _ in range(2):  # first trained, then read from the cache if possible
        for value, expected in zip(values, uncached, strict=True):
            assert not differ(fit_with(make(value), data, memory=str(folder)), expected)
    return uncached


@pytest.mark.fast("True-set_floatx*")
@pytest.mark.parametrize(
    "set_, get, value",
    [
        (keras.config.set_epsilon, keras.config.epsilon, 1e-2),
        (keras.config.set_floatx, keras.config.floatx, "float64"),
        (keras.config.set_max_epochs, keras.config.max_epochs, 1),
    ],
)
@pytest.mark.parametrize("jit_compile", [True, False])
@pytest.mark.filterwarnings("ignore:Limiting epochs")
def test_settings_of_keras_are_part_of_the_cache_keys(
    set_, get, value, jit_compile, data, tmp_path
):
    clf = net(memory=str(tmp_path), jit_compile=jit_compile, loss="poisson")
    before = get()
    first = clone(clf).fit(*data)
    set_(value)
    try:
        expected = clone(clf).set_params(memory=None).fit(*data)
        result = clone(clf).fit(*data)
    finally:
        set_(before)
    assert not differ(expected, result) and expected.history_ == result.history_
    assert not differ(first, clone(clf).fit(*data))


@pytest.mark.slow
def test_the_number_of_threads_is_part_of_the_key_for_large_products(
    data, tmp_path, monkeypatch
):
    X, y = make_triangle(4096, random_state=0)
    small = DNNClassifier(epochs=1, random_state=0, memory=str(tmp_path / "small"))
    large = clone(small).set_params(batch_size=-1, memory=str(tmp_path / "large"))
    for clf, n_cached in [(small, 1), (large, 2)]:
        for n in (1, 2):
            monkeypatch.setattr(
                "sklearn_toydnn._engine.fit_cache.n_threads", lambda n=n: n
            )
            clf.fit(X / 30, y)
        assert len(list((tmp_path / clf.memory).rglob("output.pkl"))) == n_cached


def test_fingerprints_contain_all_values_of_arrays(three_classes, tmp_path):
    """The `repr` of a large array leaves out most values."""
    one, other = np.zeros(1500), np.zeros(1500)
    other[700] = 1
    assert fingerprint({"alpha": one}) != fingerprint({"alpha": other})
    assert (
        fingerprint(one)
        == fingerprint(one.copy())
        != fingerprint(one.astype("float32"))
    )


# ---- shared programs


@pytest.mark.fast("<lambda>[01]")
@pytest.mark.parametrize(
    "make",
    [
        lambda: {"activation": lambda x: ops.tanh(x) * 0.5},
        lambda: {"activation": LeakyReLU(0.2)},
        lambda: {"activation": lambda x: ops.silu(x) / 2},
        lambda: {"activation": "silu", "loss": OwnLoss},
        lambda: {"loss": OwnLoss(name="another")},
        lambda: {"loss": keras.losses.Huber(delta=0.3)},
        lambda: {"optimizer": define_optimizer(2.0)["optimizer"]()},
        lambda: define_optimizer(0.5) | {"dtype": "float64"},
        lambda: define_schedule(0.1),
        lambda: {"optimizer": keras.optimizers.Adam(0.01)},
    ],
)
def test_equal_computations_share_a_program(make, data):
    cache_clear()
    for _ in range(3):
        clone(net(**make())).fit(*data)
    assert cache_info().misses == 1


@pytest.mark.slow
def test_numpy_scalars_are_treated_like_python_numbers(data):
    """Keras treats numbers with a dtype differently."""
    for params in ({"optimizer__beta_2": 0.99}, {"loss__label_smoothing": 0.1}):
        ((name, value),) = params.items()
        one, other = net(**params), net(**{name: np.float64(value)})
        assert not differ(one.fit(*data), other.fit(*data))


def test_a_newly_registered_class_replaces_the_old_one(data):
    for factor in (0.01, 1.0):
        cls = define_optimizer(factor)["optimizer"]
        named = net(optimizer="tests>RedefinedSGD").fit(*data)
        assert not differ(named, net(optimizer=cls).fit(*data))


def test_user_defined_optimizers_leave_no_graphs_in_memory(data):
    params = define_optimizer(0.7)
    net(**params).fit(*data)
    gc.collect()
    before = sum(isinstance(obj, tf.Graph) for obj in gc.get_objects())
    for _ in range(3):
        net(**params).fit(*data)
    gc.collect()
    after = sum(isinstance(obj, tf.Graph) for obj in gc.get_objects())
    assert after == before


class Unhashable:
    """An activation with ``__eq__`` but without a hash."""

    def __eq__(self, other):
        return type(self) is type(other)

    def __call__(self, x):
        return ops.tanh(x)


@pytest.mark.slow
def test_activations_need_no_hash(data):
    one = net(activation=Unhashable()).fit(*data)
    assert not differ(one, net(activation="tanh").fit(*data))


# ---- fingerprints of values and graphs


@given(st.lists(st.integers() | st.floats() | st.text() | st.booleans() | st.none()))
def test_equal_fingerprints_mean_equal_values(values):
    fingerprints = [fingerprint(value) for value in values]
    for a, one in zip(values, fingerprints, strict=True):
        for b, other in zip(values, fingerprints, strict=True):
            if one == other:
                assert type(a) is type(b) and (a == b or a != a)


def test_incomplete_descriptions_are_not_fingerprints():
    assert is_of_keras(keras.activations.relu) and is_of_keras(keras.losses.Poisson)
    assert fingerprint(keras.activations.gelu) != fingerprint(keras.ops.gelu)
    impostor = type("Poisson", (), {"__module__": keras.losses.Poisson.__module__})
    for unknown in (LeakyReLU(0.1).call, impostor, object(), lambda x: x, OwnLoss):
        assert not is_of_keras(unknown)
        with pytest.raises(NoFingerprint):
            fingerprint({"a": [unknown]})
    with pytest.raises(NoFingerprint):
        fingerprint(
            {"class_name": "Own", "module": "tests", "registered_name": "own>Own"}
        )


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * VARIABLE,
        lambda x: x * tf.Variable(1.0),
        lambda x: x + tf.random.uniform(x.shape),
        lambda x: x + keras.random.uniform(x.shape, seed=SEEDS),
        lambda x: tf.py_function(lambda y: y, [x], tf.float32),
        lambda x: keras.random.normal(x.shape) + x,
        lambda x: ops.cond(ops.sum(x) > 0, lambda: x, lambda: -x),
        lambda x: tf.no_such_function(x),
    ],
)
def test_a_function_of_more_than_its_arguments_has_no_fingerprint(function):
    with pytest.raises(NoFingerprint):
        fingerprint_graph(function, (3, 2), dtype="float32")
    keras.random.normal((2,))  # fails if the generator of Keras is in the lost graph


def test_user_defined_gradients_are_part_of_the_fingerprint():
    def with_gradient(factor):
        @tf.custom_gradient
        def function(x):
            return tf.tanh(x), lambda upstream: upstream * factor

        return fingerprint_graph(function, (3, 2), dtype="float32")

    assert with_gradient(1.0) == with_gradient(1.0) != with_gradient(2.0)


@pytest.mark.parametrize("setting", ["", "4,2", "many"])
def test_a_number_of_threads_that_is_not_a_number_is_ignored(setting, monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    without = n_threads()
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", setting)
    assert n_threads() == without > 0
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    assert n_threads() == 7
