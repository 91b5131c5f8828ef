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
import pandas as pd
import seaborn as sns
from numpy.linalg import norm
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import DNNClassifier, GaussianAugmenter, GaussianNoise

from .. import paper
from .._repetitions import draw, interval, new_figure, summarize
from .._study import Study

MEASURES = {
    "weight_norm": "norm of the weights",
    "gradient_norm": "root mean square gradient",
    "test_accuracy": "test accuracy, last epoch",
}


def tasks(seeds, stds, n_samples, epochs):
    """List the repetitions."""
    for seed, std, noise in product(range(seeds), stds, ["copies", "fresh"]):
        yield {
            "noise": noise,
            "std": std,
            "n_samples": n_samples,
            "epochs": epochs,
            "seed": seed,
        }


def work(seeds, stds, n_samples, epochs):
    """Return how much there is to train: points times epochs."""
    return (
        seeds * len(stds) * 6 * n_samples * epochs
    )  # fresh noise takes so much longer


def measure(noise, std, n_samples, epochs, seed, memory):
    """Return the row of one network."""
    data = draw(paper.MAKERS["f1"], n_samples, seed)
    train = data.cv.test_fold == -1
    scaler = StandardScaler().fit(data.X[train])
    # A fit of fresh noise is a hundred calls, too small to keep one by one.
    memory = memory if noise == "copies" else None
    net = DNNClassifier(epochs=epochs, random_state=seed, memory=memory)
    fit = {"copies": _fit_on_copies, "fresh": _fit_on_fresh_noise}[noise]
    fit(net, scaler, data.X[train], data.y[train], std, seed)
    X_test = scaler.transform(data.X[~train])
    row = {
        "noise": noise,
        "std": std,
        "weight_norm": float(norm([norm(kernel) for kernel in net.coefs_])),
        "gradient_norm": gradient_norm(net, X_test),
        "test_accuracy": net.score(X_test, data.y[~train]),
        "seed": seed,
    }
    return pd.DataFrame([row])


def _fit_on_copies(net, scaler, X, y, std, seed):
    X, y = GaussianAugmenter(0.2, std, random_state=seed).fit_resample(X, y)
    net.fit(scaler.transform(X), y)


def _fit_on_fresh_noise(net, scaler, X, y, std, seed):
    noise = GaussianNoise(std, random_state=np.random.RandomState(seed))
    for _ in range(net.epochs):
        net.partial_fit(scaler.transform(noise.fit_transform(X)), y, classes=[0, 1])


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
    tasks=tasks,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
)
