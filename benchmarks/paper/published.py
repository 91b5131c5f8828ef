"""The numbers in the paper, the names of its settings, and our readings of it."""

import pandas as pd

from sklearn_toydnn import make_gaussian, make_sinusoidal, make_triangle

MAKERS = {"f1": make_triangle, "f2": make_sinusoidal, "f3": make_gaussian}


def name_of_copies(fraction, std):
    """Return the name of a cell of Table I."""
    return f"{fraction:.0%} copies, \N{GREEK SMALL LETTER SIGMA} = {std:g}"


# Two choices for the settings that the paper leaves open: the most obvious one, and the
# one that makes its numbers the most likely, from the study `readings`.
READINGS = {
    "plain": {
        "hidden_layer_sizes": (20, 20),
        "optimizer": "adam",
        "batch_size": 32,
        "dropout_rate": 0.2,
        "scaling": "standard",
        "epochs": 100,
    },
    "closest": {
        "hidden_layer_sizes": (2, 20, 20),
        "optimizer": "adam",
        "batch_size": 50,
        "dropout_rate": 0.1,
        "scaling": "standard",
        "epochs": 200,
    },
}

TABLE1 = pd.DataFrame(
    {
        "fraction": [0.1, 0.1, 0.1, 0.2, 0.2, 0.2],
        "std": [1.0, 2.0, 3.0, 1.0, 2.0, 3.0],
        "published_loss": [0.055, 0.087, 0.040, 0.090, 0.127, 0.062],
        "published_accuracy": [0.9875, 0.9712, 0.9912, 0.9762, 0.9462, 0.9837],
    }
)

TABLE2_GRID = {
    "optimizer": ["SGD", "RMSprop", "Adagrad", "Adam", "Nadam"],
    "activation": ["sigmoid", "tanh", "relu", "elu"],
    "output_activation": ["sigmoid", "tanh", "relu", "elu"],
    "units": [5, 10, 15, 20, 25],
    "dropout_rate": [0.1, 0.2, 0.3, 0.4, 0.5],
}

TABLE2 = pd.DataFrame(
    {
        "function": ["f1", "f2", "f3"],
        "optimizer": ["SGD", "Adam", "SGD"],
        "activation": ["sigmoid", "relu", "sigmoid"],
        "output_activation": ["sigmoid", "sigmoid", "sigmoid"],
        "units": [5, 15, 5],
        "dropout_rate": [0.3, 0.3, 0.3],
        "published_accuracy": [0.5231, 0.5062, 0.5775],
    }
)

TABLE3 = pd.DataFrame(
    {
        "initializer": [
            "zeros",
            "ones",
            "random_uniform",
            "random_normal",
            "truncated_normal",
            "orthogonal",
        ],
        "published_loss": [0.6914, 0.6913, 0.2921, 0.1405, 0.2534, 0.1751],
        "published_accuracy": [0.5299, 0.5525, 0.9100, 0.9474, 0.9125, 0.9150],
    }
)
