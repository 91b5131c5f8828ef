"""Prediction: the output for a row does not depend on the other rows of the call."""

import threading
import tracemalloc

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from sklearn_toydnn import DNNClassifier, make_triangle
from sklearn_toydnn._engine.network import Network, Weights
from sklearn_toydnn._engine.prediction import predict

ACTIVATIONS = [
    "relu",
    "tanh",
    "sigmoid",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "softsign",
    "exponential",
    "log_sigmoid",
    "leaky_relu",
    "softmax",
]


def draw_network(generator, activation, dtype):
    """Draw a network for two or for three classes, and its weights."""
    n_outputs, output = generator.choice([1, 3]), "sigmoid"
    sizes = 2, *generator.integers(1, 70, size=2), n_outputs
    network = Network(sizes, activation, output if n_outputs == 1 else "softmax", dtype)
    shapes = network.weight_shapes()
    arrays = [generator.normal(size=shape).astype(dtype) for shape in shapes]
    return network, Weights.of_keras(arrays)


def assert_same(one, other, dtype):
    if dtype == "float32":
        np.testing.assert_array_equal(one, other)
    else:
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(np.argmax(one, axis=1), np.argmax(other, axis=1))


@pytest.mark.fast("14-5000-float32")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "n_networks, n_rows",
    [(14, 5_000), pytest.param(28, 20_000, marks=pytest.mark.slow)],
)
def test_outputs_do_not_depend_on_other_rows(n_networks, n_rows, dtype, monkeypatch):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(n_rows, 2)).astype(dtype)
    order = generator.permutation(n_rows)
    for i in range(n_networks):
        activation = ACTIVATIONS[i % len(ACTIVATIONS)]
        network, weights = draw_network(generator, activation, dtype)
        output = predict(network, weights, X)
        assert_same(predict(network, weights, X[order]), output[order], dtype)
        some = order[: generator.integers(1, n_rows)]
        assert_same(predict(network, weights, X[some]), output[some], dtype)
        for row in order[:10]:
            alone = predict(network, weights, X[row : row + 1])
            assert_same(alone, output[row : row + 1], dtype)
        with monkeypatch.context() as patch:
            patch.setattr("sklearn_toydnn._engine.prediction._BLOCK", 3000)
            assert_same(predict(network, weights, X[:5000]), output[:5000], dtype)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_labels_and_probabilities_do_not_depend_on_other_rows(n_classes):
    X, y = make_blobs(300, centers=n_classes, cluster_std=4, random_state=0)
    clf = DNNClassifier(epochs=3, random_state=0).fit(X, y)
    some = X[::6]
    alone = [clf.predict_proba(row[None])[0] for row in some]
    np.testing.assert_array_equal(clf.predict_proba(X)[::6], alone)
    labels = [clf.predict([row])[0] for row in some]
    np.testing.assert_array_equal(clf.predict(X)[::6], labels)


def test_threads_predict_the_same_bits():
    X, y = make_triangle(2000, random_state=0)
    clf = DNNClassifier(epochs=2, random_state=0).fit(X / 30, y)
    expected, results = clf.predict_proba(X), [None] * 8

    def work(i):
        results[i] = clf.predict_proba(X)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for proba in results:
        np.testing.assert_array_equal(proba, expected)


@pytest.mark.parametrize("dtype, atol", [("float32", 1e-6), ("float64", 1e-14)])
def test_products_are_exact_before_rounding(dtype, atol):
    """If the large terms of a sum cancel, the sum of the small terms is not lost."""
    generator = np.random.default_rng(0)
    half = generator.normal(size=(500, 10)).astype(dtype)
    X = np.hstack([1000 * half, -1000 * half, half])
    kernel = np.ones((30, 1), dtype)
    network = Network((30, 1), None, "linear", dtype)
    output = predict(network, Weights([kernel], [np.zeros(1, dtype)]), X)
    expected = half.astype(np.longdouble).sum(axis=1)
    np.testing.assert_allclose(output[:, 0], expected, rtol=1e-6, atol=10 * atol)


@pytest.mark.parametrize("scale", [1e-300, 1e-40, 1e30, 1e300])
def test_points_and_weights_of_any_scale(scale):
    X = np.array([[1.0, -2.0], [0.0, 0.0], [3.0, 0.5]]) * scale
    kernel = np.array([[2.0], [0.25]]) / scale
    network = Network((2, 1), None, "linear", "float64")
    output = predict(network, Weights([kernel], [np.zeros(1)]), X)
    np.testing.assert_allclose(output[:, 0], [1.5, 0.0, 6.125], rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "n_rows, bound", [(100_000, 60e6), pytest.param(10**6, 2e8, marks=pytest.mark.slow)]
)
def test_memory_does_not_grow_with_rows_times_units(n_rows, bound):
    X, y = make_triangle(n_rows, random_state=0)
    clf = DNNClassifier((1000,), epochs=1).fit(X[:100] / 30, y[:100])
    clf.predict(X[:1000])
    tracemalloc.start()
    clf.predict(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < bound  # 1,000 units in float32: 400 MB for 100,000 rows


def test_infinite_outputs_of_hidden_layers_are_passed_on():
    network = Network((1, 2, 1), "relu", "sigmoid", "float32")
    biases = [np.zeros(2, "float32"), np.zeros(1, "float32")]
    kernels = [np.float32([[3e38, 1.0]]), np.float32([[1.0], [1.0]])]
    weights = Weights(kernels, biases)
    X = np.float32([[1e6], [0.0], [-1.0]])
    np.testing.assert_array_equal(predict(network, weights, X)[:, 0], [1, 0.5, 0.5])
