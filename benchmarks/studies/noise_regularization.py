"""Training with noise as Tikhonov regularisation (Methods; Bishop 1995), f1.

The theorem is about fresh noise at every step: for small noise, the expected loss is
that without noise plus a penalty on the output's gradient by the input. The paper
adds copies whose noise is drawn once. Both are trained here: `fresh` draws new noise
for every point each time it is shown, `copies` adds the paper's 20 % once (at standard
deviation 0 they are repetitions). Of each, the norm of the gradient of the predicted
probability, on which the penalty acts, and that of the weights, which it need not.
What `fresh` shows is about the theorem; what `copies` shows is about the paper's way of
training, of which the theorem says nothing: it fits a sample that is a fifth larger.
"""

from itertools import product

import numpy as np
import seaborn as sns
from numpy.linalg import norm
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import DNNClassifier, GaussianAugmenter, GaussianNoise

from .. import paper
from .._repetitions import each_seed, interval, new_figure, repeat, summarize
from .._study import Study

MEASURES = {
    "weight_norm": "norm of the weights",
    "gradient_norm": "root mean square gradient",
    "test_accuracy": "test accuracy, last epoch",
}


def work(seeds, stds, n_samples, epochs):
    """Return how much there is to train: points times epochs."""
    return (
        seeds * len(stds) * 6 * n_samples * epochs
    )  # fresh noise takes so much longer


def measure(stds, n_samples, epochs, seed, memory):
    """Return a row for each kind and amount of noise."""
    nets = {
        (noise, std): Noisy(noise, std, epochs, memory)
        for std, noise in product(stds, ["copies", "fresh"])
    }
    names = ["noise", "std"]
    rows = repeat(nets, names, paper.MAKERS["f1"], n_samples, seed, _score)
    return rows.assign(seed=seed)


class Noisy(ClassifierMixin, BaseEstimator):
    """Scales points and trains a network, with noise on the points as they come."""

    def __init__(self, noise, std, epochs, memory=None, random_state=None):
        self.noise = noise
        self.std = std
        self.epochs = epochs
        self.memory = memory
        self.random_state = random_state

    def fit(self, X, y):
        """Fit."""
        self.classes_ = np.unique(y)
        self.scaler_ = StandardScaler().fit(X)
        self.net_ = DNNClassifier(epochs=self.epochs, random_state=self.random_state)
        if self.noise == "copies":
            X, y = GaussianAugmenter(
                0.2, self.std, random_state=self.random_state
            ).fit_resample(X, y)
            self.net_.set_params(memory=self.memory)
            self.net_.fit(self.scaler_.transform(X), y)
            return self
        # A fit of fresh noise is a hundred calls, too small to keep one by one.
        generator = np.random.RandomState(self.random_state)
        noise = GaussianNoise(self.std, random_state=generator)
        for _ in range(self.epochs):
            points = self.scaler_.transform(noise.fit_transform(X))
            self.net_.partial_fit(points, y, classes=self.classes_)
        return self


def _score(fitted, X, y):
    X, net = fitted.scaler_.transform(X), fitted.net_
    return {
        "weight_norm": float(norm([norm(kernel) for kernel in net.coefs_])),
        "gradient_norm": gradient_norm(net, X),
        "test_accuracy": net.score(X, y),
    }


def gradient_norm(net, X, step=1e-3):
    """Return the root mean square, over the points, of the output's gradient.

    By central differences of the predicted probability of label 1, in units of the
    scaled points.
    """
    slopes = [
        (net.predict_proba(X + shift)[:, 1] - net.predict_proba(X - shift)[:, 1])
        / (2 * step)
        for shift in step * np.eye(X.shape[1])
    ]
    return np.sqrt(np.mean(np.sum(np.square(slopes), axis=0, dtype=float)))


def summary(frame):
    """Return the norms for each kind and amount of noise."""
    by = ["noise", "std"]
    return summarize(frame.sort_values(by, kind="stable"), by, MEASURES)


def plot(frame):
    """Draw each measure against the noise."""
    figure, axes = new_figure(1, 3)
    for ax, name in zip(axes[0], MEASURES, strict=True):
        sns.lineplot(
            frame, x="std", y=name, hue="noise", marker="o", errorbar=interval, ax=ax
        )
        ax.set(xlabel=r"standard deviation $\sigma$", ylabel=MEASURES[name])
    return figure


STUDY = Study(
    __name__,
    title="Training with noise: norms of weights and of the output's gradient (f1)",
    alt=(
        "Three panels: norm of the weights, norm of the output's gradient and test "
        "accuracy against the standard deviation of the noise, for fresh noise and for "
        "copies."
    ),
    full={
        "seeds": 30,
        "stds": [0.0, 1.0, 2.0, 3.0, 5.0],
        "n_samples": 4000,
        "epochs": 100,
    },
    quick={"seeds": 3, "stds": [0.0, 1.0, 3.0], "n_samples": 4000, "epochs": 100},
    tasks=each_seed,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
)
