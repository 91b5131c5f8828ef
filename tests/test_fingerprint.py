"""No fit gets the outcome of another: neither from `memory` nor from a program."""

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


# ---- nothing is left out


def unread(function, record):
    """Return the names of the fields of a record that a function does not read."""
    read = set()

    class Noting(type(record)):
        def __getattribute__(self, name):
            read.add(name)
            return super().__getattribute__(name)

    names = {field.name for field in fields(record)}
    function(Noting(**{name: getattr(record, name) for name in names}))
    return names - read


def test_fingerprints_leave_no_field_out():
    plan = Plan(
        Network((2, 8, 1)),
        OptimizerSpec.of("adam", {}),
        keras.losses.BinaryCrossentropy(),
    )
    points = Points(np.zeros((9, 2), "float32"), np.zeros((9, 1), "float32"))
    data, state = Data(points, points), plan.initial_state(0)
    structure = Structure.of(plan, data)

    def of_fit(plan=plan, state=state):
        return _fingerprint_fit(plan, data, state, range(3), [])

    assert not unread(Structure.fingerprint, structure)
    assert not unread(
        lambda n: replace(structure, network=n).fingerprint(), plan.network
    )
    assert not unread(lambda n: of_fit(replace(plan, network=n)), plan.network)
    # The weights are hashed beside it, and the initializer is in them.
    assert unread(of_fit, plan) == {"initializer"}
    assert unread(lambda s: of_fit(state=s), state) == {"weights", "optimizer_state"}


# ---- pairs of settings that differ in one thing


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


@keras.saving.register_keras_serializable("tests")  # or clones are not made
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
    "what a function closes over": change_closure,
    "lambdas": lambda a: {"activation": lambda x: ops.tanh(x) * a},
    "partials": lambda a: {
        "activation": functools.partial(ops.leaky_relu, negative_slope=a)
    },
    "output activations": lambda a: {"output_activation": lambda x: ops.sigmoid(x * a)},
    "a schedule defined again": define_schedule,
    "an optimizer defined again": define_optimizer,
    "parameters of a wrapped loss": lambda a: {
        "loss": LossFunctionWrapper(keras.losses.huber, delta=a)
    },
    "parameters of Keras' losses": lambda a: {"loss": keras.losses.Huber(delta=a)},
    "arrays of many numbers": of_many_numbers,
    "an attribute of a class": change_class,
    "partials of losses": lambda a: {
        "loss": functools.partial(keras.losses.huber, delta=a)
    },
    "what an optimizer decays": decay_only,
    "Keras' optimizers' parameters": lambda a: {
        "optimizer": keras.optimizers.Adam(0.01, a)
    },
    "epsilon": lambda a: {
        "loss": "poisson",
        "keras": (keras.config.set_epsilon, a, 1e-7),
    },
}


def fit_with(params, data, **more):
    """Fit with settings, of which some are Keras' own and put back afterwards."""
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
@pytest.mark.filterwarnings("ignore:Fits are not kept")
@settings(max_examples=max(10, settings.default.max_examples // 10))
@given(pairs())
def test_outcomes_are_those_of_the_settings(tmp_path_factory, data, pair):
    """Each of a pair ends as it does alone, with nothing kept or compiled before."""
    name, *values = pair
    assume(values[0] != values[1])
    assert_each_as_alone(MAKERS[name], values, data, tmp_path_factory.mktemp("fits"))


@pytest.mark.fast("lambdas")
@pytest.mark.filterwarnings("ignore:Fits are not kept")
@pytest.mark.parametrize("name", MAKERS)
def test_these_pairs_differ(name, data, tmp_path):
    one, other = assert_each_as_alone(MAKERS[name], [0.1, 0.9], data, tmp_path)
    assert differ(one, other)


def assert_each_as_alone(make, values, data, folder):
    alone = []
    for value in values:
        cache_clear()
        alone.append(fit_with(make(value), data))
    for _ in range(2):  # trained; then found, if it is kept
        for value, expected in zip(values, alone, strict=True):
            assert not differ(fit_with(make(value), data, memory=str(folder)), expected)
    return alone


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
def test_keras_settings_are_part_of_the_keys(
    set_, get, value, jit_compile, data, tmp_path
):
    clf = net(memory=str(tmp_path), jit_compile=jit_compile, loss="poisson")
    before = get()
    first = clone(clf).fit(*data)
    set_(value)
    try:
        alone = clone(clf).set_params(memory=None).fit(*data)
        found = clone(clf).fit(*data)
    finally:
        set_(before)
    assert not differ(alone, found) and alone.history_ == found.history_
    assert not differ(first, clone(clf).fit(*data))


@pytest.mark.slow
def test_the_number_of_threads_is_part_of_the_key_where_it_counts(
    data, tmp_path, monkeypatch
):
    X, y = make_triangle(4096, random_state=0)
    small = DNNClassifier(epochs=1, random_state=0, memory=str(tmp_path / "small"))
    large = clone(small).set_params(batch_size=-1, memory=str(tmp_path / "large"))
    for clf, n_kept in [(small, 1), (large, 2)]:
        for n in (1, 2):
            monkeypatch.setattr(
                "sklearn_toydnn._engine.fit_cache.n_threads", lambda n=n: n
            )
            clf.fit(X / 30, y)
        assert len(list((tmp_path / clf.memory).rglob("output.pkl"))) == n_kept


def test_arrays_are_described_whole(three_classes, tmp_path):
    """A thousand classes' weights: `repr` would leave most of them out."""
    one, other = np.zeros(1500), np.zeros(1500)
    other[700] = 1
    assert fingerprint({"alpha": one}) != fingerprint({"alpha": other})
    assert (
        fingerprint(one)
        == fingerprint(one.copy())
        != fingerprint(one.astype("float32"))
    )


# ---- what is shared


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
def test_what_computes_the_same_shares_a_program(make, data):
    cache_clear()
    for _ in range(3):
        clone(net(**make())).fit(*data)
    assert cache_info().misses == 1


@pytest.mark.slow
def test_numpys_numbers_are_those_of_python(data):
    """Keras computes otherwise with a number that has a dtype."""
    for params in ({"optimizer__beta_2": 0.99}, {"loss__label_smoothing": 0.1}):
        ((name, value),) = params.items()
        one, other = net(**params), net(**{name: np.float64(value)})
        assert not differ(one.fit(*data), other.fit(*data))


def test_a_name_registered_anew_is_the_new_thing(data):
    for factor in (0.01, 1.0):
        cls = define_optimizer(factor)["optimizer"]
        named = net(optimizer="tests>RedefinedSGD").fit(*data)
        assert not differ(named, net(optimizer=cls).fit(*data))


def test_optimizers_of_ones_own_leave_no_graph_behind(data):
    params = define_optimizer(0.7)
    net(**params).fit(*data)
    gc.collect()
    before = sum(isinstance(thing, tf.Graph) for thing in gc.get_objects())
    for _ in range(3):
        net(**params).fit(*data)
    gc.collect()
    after = sum(isinstance(thing, tf.Graph) for thing in gc.get_objects())
    assert after == before


class Unhashable:
    """An activation that is equal to its like, and so has no hash."""

    def __eq__(self, other):
        return type(self) is type(other)

    def __call__(self, x):
        return ops.tanh(x)


@pytest.mark.slow
def test_activations_need_no_hash(data):
    one = net(activation=Unhashable()).fit(*data)
    assert not differ(one, net(activation="tanh").fit(*data))


# ---- descriptions


@given(st.lists(st.integers() | st.floats() | st.text() | st.booleans() | st.none()))
def test_equal_descriptions_are_of_equal_values(values):
    described = [fingerprint(value) for value in values]
    for a, one in zip(values, described, strict=True):
        for b, other in zip(values, described, strict=True):
            if one == other:
                assert type(a) is type(b) and (a == b or a != a)


def test_only_what_is_complete_is_described():
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
def test_what_depends_on_more_than_its_arguments_is_not_known(function):
    with pytest.raises(NoFingerprint):
        fingerprint_graph(function, (3, 2), dtype="float32")
    keras.random.normal((2,))  # Keras' own generator is not in a lost graph


def test_gradients_of_their_own_count():
    def with_gradient(factor):
        @tf.custom_gradient
        def function(x):
            return tf.tanh(x), lambda upstream: upstream * factor

        return fingerprint_graph(function, (3, 2), dtype="float32")

    assert with_gradient(1.0) == with_gradient(1.0) != with_gradient(2.0)


@pytest.mark.parametrize("setting", ["", "4,2", "many"])
def test_threads_are_counted_where_the_setting_is_no_number(setting, monkeypatch):
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    without = n_threads()
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", setting)
    assert n_threads() == without > 0
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    assert n_threads() == 7
