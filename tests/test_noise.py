"""The measures of the noise study against known values; the data of fluctuations."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn import config_context

from benchmarks.paper.fluctuations import OneDataSet
from benchmarks.paper.noise_regularization import (
    Noisy,
    _faulty_accuracy,
    gradient_norm,
    logits_and_slopes,
    penalty,
)
from benchmarks.paper.published import MAKERS, READINGS
from sklearn_toydnn import DNNClassifier, make_triangle


@pytest.fixture(scope="module")
def net():
    X, y = make_triangle(300, random_state=0)
    return DNNClassifier((5, 4), epochs=20, random_state=0).fit(X / 30, y)


def points(n=200):
    return np.random.default_rng(0).normal(size=(n, 2))


def test_logits_are_those_of_the_network(net):
    logits, _ = logits_and_slopes(net, points())
    np.testing.assert_allclose(
        expit(logits), net.predict_proba(points())[:, 1], rtol=1e-4
    )


def test_slopes_are_the_gradients_of_the_logits(net):
    X, step = points(), 1e-6
    logits, slopes = logits_and_slopes(net, X)
    for i, shift in enumerate(step * np.eye(2)):
        moved = [logits_and_slopes(net, X + sign * shift)[0] for sign in (1, -1)]
        np.testing.assert_allclose(
            slopes[:, i], (moved[0] - moved[1]) / (2 * step), rtol=1e-4, atol=1e-6
        )
    p = expit(logits)
    expected = np.sqrt(np.mean((p * (1 - p)) ** 2 * np.sum(slopes**2, axis=1)))
    assert gradient_norm(logits, slopes) == pytest.approx(expected)


def test_the_penalty_is_the_increase_of_the_loss_by_small_noise():
    """Averaged over labels with the probabilities that the network predicts.

    See Bishop (1995).
    """
    generator = np.random.default_rng(0)
    slopes = np.array([[1.5, -0.5]])
    logits = np.array([0.7])
    std = np.array([0.05, 0.05])
    noise = generator.normal(0, std, size=(1_000_000, 2)) @ slopes[0]
    p = expit(logits[0])
    added = np.mean(np.logaddexp(0, logits + noise) - p * noise)
    added -= np.logaddexp(0, logits[0])
    assert added == pytest.approx(penalty(logits, slopes, std), rel=0.05)


def test_faults_without_an_effect_do_not_lower_the_accuracy(net):
    X = points()
    y = (logits_and_slopes(net, X)[0] > 0).astype(int)
    generator = np.random.default_rng(0)
    whole = _faulty_accuracy(net, lambda _, size: np.ones(size), X, y, generator)
    lost = _faulty_accuracy(net, lambda _, size: np.zeros(size), X, y, generator)
    assert whole == 1.0 > lost


@pytest.mark.parametrize("noise", ["fresh", "copies"])
def test_networks_are_recorded_during_training(noise):
    X, y = make_triangle(100, random_state=0)
    network = {**READINGS["plain"], "epochs": 7}
    with config_context(enable_metadata_routing=True):
        noisy = Noisy(network, noise, 1.0, random_state=0).fit(X, y)
    assert [*noisy.nets_] == [5, 7]
    five, seven = (net.coefs_[0] for net in noisy.nets_.values())
    assert not np.array_equal(five, seven)
    assert noisy.nets_[7].n_iter_ == 7 and noisy.nets_[5].n_iter_ == 5


def test_all_fluctuations_use_one_data_set():
    data = OneDataSet(MAKERS["f1"], 40, 10, 5)
    first, second = data.draw((0, 0), 0), data.draw((0, 7), 7)
    np.testing.assert_array_equal(first.X, second.X)
    np.testing.assert_array_equal(first.metadata["X_val"], second.metadata["X_val"])
