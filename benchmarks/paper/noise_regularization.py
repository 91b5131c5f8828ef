"""Training with noise (Methods; references 12 and 13; f1).

The paper cites two results: noise aids generalization and fault tolerance, and training
with noise is equivalent to Tikhonov regularization. The study trains with two kinds of
noise. `fresh` adds new noise to every point in every epoch, as the second result
assumes. `copies` adds the paper's 20 % of noisy copies once; at standard deviation 0,
the copies are exact duplicates.

Regularization. The study measures the norm of the weights and the norm of the gradient
of the predicted probability p. The theorem (Bishop 1995) is about the objective. With
cross-entropy, noise of variance s² adds the penalty s² / 2 · E[p (1 - p) |∇z|²] to the
expected loss, up to second order in s; z is the logit of p. The study measures the loss
that the noise adds, as a mean over 20 draws (`added_loss`), and the penalty
(`penalty`). Both are measured on test points, for the network that was trained with
this noise. They are equivalent if their ratio is 1.

Fault tolerance. It is measured by the error that faults add. A fault multiplies each
weight by a normal factor with mean 1 and standard deviation 0.2 (`perturbed_accuracy`),
or removes it with probability 5 % (`pruned_accuracy`). Both accuracies are means over
10 draws.
"""

from copy import copy
from itertools import product

import numpy as np
import seaborn as sns
from numpy.linalg import norm
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from sklearn_toydnn import GaussianAugmenter, GaussianNoise

from .._figures import new_figure
from .._study import Study
from .networks import each_seed, epochs_read, make_net, repeat
from .published import MAKERS, READINGS
from .summaries import interval, last_epochs, summarize

MEASURES = {
    "weight_norm": "norm of the weights",
    "gradient_norm": "root mean square gradient",
    "test_accuracy": "test accuracy, last epoch",
    "perturbed_accuracy": "accuracy, perturbed weights",
    "pruned_accuracy": "accuracy, pruned weights",
    "penalty": "Tikhonov penalty",
    "added_loss": "loss added by the noise",
}
FAULTS = {
    "perturbed": lambda generator, size: generator.normal(1, 0.2, size),
    "pruned": lambda generator, size: generator.random(size) >= 0.05,
}


def work(seeds, readings, stds, n_samples):
    """Return the amount of training, in points times epochs."""
    epochs = sum(network["epochs"] for network in readings.values())
    # Training epoch by epoch takes five times as long.
    return seeds * len(stds) * 10 * n_samples * epochs


def measure(reading, network, stds, n_samples, seed, memory):
    """Return a row for each kind and level of noise and number of epochs."""
    nets = {
        (noise, std): Noisy(network, noise, std)
        for std, noise in product(stds, ["copies", "fresh"])
    }
    names = ["noise", "std"]
    rows = repeat(nets, names, MAKERS["f1"], n_samples, seed, _score)
    return rows.assign(reading=reading)


class Noisy(ClassifierMixin, BaseEstimator):
    """A network and its scaler, trained epoch by epoch with noise on the points."""

    def __init__(self, reading, noise, std, random_state=None):
        self.reading = reading
        self.noise = noise
        self.std = std
        self.random_state = random_state

    def fit(self, X, y):
        """Fit the scaler and the network."""
        self.classes_, self.nets_ = np.unique(y), {}
        scaler, net = clone(make_net(self.reading))
        self.scaler_ = scaler.fit(X)
        net.set_params(random_state=self.random_state)
        generator = np.random.RandomState(self.random_state)
        noise = GaussianNoise(self.std, random_state=generator)
        if self.noise == "copies":
            noise.set_params(std=0.0)
            X, y = GaussianAugmenter(
                0.2, self.std, random_state=generator
            ).fit_resample(X, y)
        for epoch in range(1, self.reading["epochs"] + 1):
            points = self.scaler_.transform(noise.fit_transform(X))
            net.partial_fit(points, y, classes=self.classes_)
            if epoch in epochs_read(self.reading["epochs"]):
                self.nets_[epoch] = copy(net)
        return self


def _score(fitted, X, y):
    """Return the measures after several numbers of epochs."""
    scaled = fitted.scaler_.transform(X)
    generator = np.random.default_rng(fitted.random_state)
    moved = [X + generator.normal(0, fitted.std, X.shape) for _ in range(20)]
    moved = fitted.scaler_.transform(np.concatenate(moved))
    scores = {}
    for epoch, net in fitted.nets_.items():
        slopes = logits_and_slopes(net, scaled)
        noisy = _cross_entropy(logits_and_slopes(net, moved)[0], np.tile(y, 20))
        measures = {
            "weight_norm": float(norm([norm(kernel) for kernel in net.coefs_])),
            "gradient_norm": gradient_norm(*slopes),
            "test_accuracy": np.mean((slopes[0] > 0) == y),
            "penalty": penalty(*slopes, _scaled(fitted)),
            "added_loss": noisy - _cross_entropy(slopes[0], y),
            **{
                f"{fault}_accuracy": _faulty_accuracy(net, draw, scaled, y, generator)
                for fault, draw in FAULTS.items()
            },
        }
        scores |= {f"{name}:{epoch}": value for name, value in measures.items()}
    return scores


def _scaled(fitted):
    """Return the standard deviation of the noise in units of the scaled points."""
    zero, one = fitted.scaler_.transform(np.array([[0.0, 0.0], [1.0, 1.0]]))
    return fitted.std * (one - zero)


# ---- the penalty implied by the noise, in units of the scaled points


def logits_and_slopes(net, X):
    """Return the logit of each point and its gradient, for a relu network."""
    X, on = np.asarray(X, dtype=float), []
    for kernel, bias in zip(net.coefs_[:-1], net.intercepts_[:-1], strict=True):
        X = X @ kernel.astype(float) + bias
        on.append(X > 0)
        X = X * on[-1]
    logits = (X @ net.coefs_[-1].astype(float) + net.intercepts_[-1])[:, 0]
    slopes = np.broadcast_to(net.coefs_[-1][:, 0].astype(float), on[-1].shape)
    for kernel, units in zip(net.coefs_[-2::-1], on[::-1], strict=True):
        slopes = (slopes * units) @ kernel.T.astype(float)
    return logits, slopes


def _cross_entropy(logits, y):
    return np.mean(np.logaddexp(0, np.where(y == 1, -logits, logits)))


def gradient_norm(logits, slopes):
    """Return the root mean square of the gradient of p = expit(logit)."""
    by_logit = expit(logits) * expit(-logits)
    return np.sqrt(np.mean(np.sum(np.square(by_logit[:, None] * slopes), axis=1)))


def penalty(logits, slopes, std):
    """Return the Tikhonov penalty of noise with this standard deviation per feature."""
    fisher = expit(logits) * expit(-logits)
    return np.mean(fisher * np.sum(np.square(slopes * std), axis=1)) / 2


# ---- faults


def _faulty_accuracy(net, draw, X, y, generator):
    """Return the mean accuracy with faulty weights."""
    accuracies = []
    for _ in range(10):
        faulty = copy(net)
        faulty.coefs_ = [w * draw(generator, w.shape) for w in net.coefs_]
        accuracies.append(np.mean((logits_and_slopes(faulty, X)[0] > 0) == y))
    return np.mean(accuracies)


# ---- results


def summary(frame):
    """Return the measures for each kind and level of noise after the last epoch."""
    by, frame = ["reading", "noise", "std"], last_epochs(frame)
    return summarize(frame.sort_values(by, kind="stable"), by, MEASURES)


def plot(frame):
    """Draw each measure against the noise."""
    figure, axes = new_figure(2, 3, height=3)
    frame = last_epochs(frame)
    frame = frame.assign(
        ratio=frame["added_loss"] / frame["penalty"].replace(0, np.nan)
    )
    shown = {**MEASURES, "ratio": "added loss / penalty"}
    for name in ("penalty", "added_loss"):
        del shown[name]
    for ax, name in zip(axes.flat, shown, strict=True):
        sns.lineplot(
            frame,
            x="std",
            y=name,
            hue="noise",
            style="reading",
            markers=True,
            errorbar=interval,
            legend=ax is axes[0][0],
            ax=ax,
        )
        ax.set(xlabel=r"standard deviation $\sigma$", ylabel=shown[name])
    return figure


STUDY = Study(
    __name__,
    title="Training with noise: regularization and fault tolerance (f1)",
    alt=(
        "Six panels against the standard deviation of the noise, for fresh noise and "
        "for copies: norm of the weights, norm of the gradient of the output, test "
        "accuracy, test accuracy with two kinds of faulty weights, and the loss added "
        "by the noise divided by the Tikhonov penalty."
    ),
    full={
        "seeds": 30,
        "readings": READINGS,
        "stds": [0.0, 1.0, 2.0, 3.0, 5.0],
        "n_samples": 4000,
    },
    quick={
        "seeds": 3,
        "readings": READINGS,
        "stds": [0.0, 1.0, 3.0],
        "n_samples": 4000,
    },
    tasks=each_seed,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
)
