"""The authors' data, shifted copies and network, from their notebooks.

Source: https://github.com/prodangp/LCP-B, commit 4dd874e, notebooks
``2210_ASSIGNMENT_1_DNN_partA.ipynb`` and ``2210_ASSIGNMENT_1_DNN_partB.ipynb`` (2022).
This module contains facts from these notebooks, but none of their code.
`authors_log.csv` contains the log of the seven runs of Table I, as the notebooks print
it.
"""

import numpy as np
import pandas as pd
from imblearn.base import BaseSampler
from sklearn.utils import check_random_state

from sklearn_toydnn.datasets import label_triangle

BOX = 100.0  # the side of the square that the points fill
SCALE = 50.0  # the points are divided by it
SEED = 1234  # of each network of Table I
LAYERS = (2, 20, 20)  # hidden units; dropout follows the last hidden layer
BATCH_SIZE = 50

# Fig. 3, one run a point, as the notebook prints it. Two accuracies (f1 at 2,600 and
# f2 at 4,000) are not multiples of 1 / n_val: they stand so in the notebook.
FIGURE3 = pd.concat(
    pd.DataFrame(
        {
            "function": function,
            "n_samples": n_samples,
            "published_loss": losses,
            "published_accuracy": accuracies,
        }
    )
    for function, n_samples, losses, accuracies in (
        (
            "f1",
            [50, 300, 700, 1000, 1200, 1400, 1800, 2600, 3200, 4000],
            [0.5605, 0.3358, 0.2710, 0.2930, 0.2205, 0.2736, 0.1607, 0.1302, 0.2065]
            + [0.1525],
            [0.7, 0.85, 0.9143, 0.92, 0.9292, 0.8607, 0.9306, 0.9477, 0.9281, 0.9312],
        ),
        (
            "f2",
            [500, 1000, 2000, 3000, 4000],
            [0.6727, 0.6350, 0.5176, 0.4435, 0.4090],
            [0.6100, 0.6299, 0.7174, 0.7616, 0.7816],
        ),
        (
            "f3",
            [500, 1000, 2000, 3000, 4000],
            [0.1961, 0.1806, 0.0209, 0.01303, 0.1767],
            [0.93, 0.9399, 0.9975, 1.0, 0.9375],
        ),
    )
)


def draw_points(n_samples):
    """Return the authors' points, of shape (n_samples, 2): their generator and seed."""
    generator = np.random.RandomState(12345)
    generator.randint(0, 10, size=3)  # three numbers that they print
    return (generator.random_sample((n_samples, 2)) - 0.5) * BOX


def draw_shift(std):
    """Return the authors' shift of Table I: one step for all copies, of shape (2,)."""
    return np.array([np.random.RandomState(n).normal(0, std) for n in (56789, 13579)])


def make_table1_data(fraction, std):
    """Return the scaled points and labels of a run: X_train, y_train, X_val, y_val."""
    X, n_train = draw_points(4000), 3200
    y = label_triangle(X)
    copies = ShiftedCopies(label_triangle, fraction, std, draw_shift(std))
    X_train, y_train = copies.fit_resample(X[:n_train], y[:n_train])
    return X_train / SCALE, y_train, X[n_train:] / SCALE, y[n_train:]


class ShiftedCopies(BaseSampler):
    """Add copies of the first points, all moved by one step and labeled anew.

    Parameters
    ----------
    label : callable
        Maps points to labels.
    fraction : float
        The number of copies, as a fraction of the training points.
    std : float
        The standard deviation of the step, in units of the box.
    shift : array-like of shape (2,), default=None
        The step. None draws it.
    random_state : int, RandomState or None, default=None
        Draws the step.
    """

    _sampling_type = "bypass"
    _parameter_constraints = {}

    def __init__(self, label, fraction, std, shift=None, random_state=None):
        super().__init__()
        self.label = label
        self.fraction = fraction
        self.std = std
        self.shift = shift
        self.random_state = random_state

    def _fit_resample(self, X, y):
        shift = self.shift
        if shift is None:
            shift = check_random_state(self.random_state).normal(0, self.std, 2)
        n_copies = round(self.fraction * len(X))
        moved = X + shift
        labels = self.label(moved).astype(y.dtype)
        X_new = np.concatenate([X, moved[:n_copies]])
        return X_new, np.concatenate([y, labels[:n_copies]])
