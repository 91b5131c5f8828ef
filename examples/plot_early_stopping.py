"""
What does early stopping save?
==============================

With ``early_stopping=True``, training ends when the accuracy on held-out points has not
risen for some epochs. This saves epochs. Does it cost accuracy?
"""

import matplotlib.pyplot as plt
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import ComparisonDisplay, DNNClassifier, compare, make_triangle


def make_net(**params):
    """Return a network that trains for at most 300 epochs."""
    return make_pipeline(StandardScaler(), DNNClassifier(epochs=300, **params))


def score(net, X, y):
    """Return the accuracy and the number of epochs."""
    return {"accuracy": net.score(X, y), "epochs": net[-1].n_iter_}


nets = {
    "all epochs": make_net(),
    "patience 40": make_net(early_stopping=True, n_iter_no_change=40),
    "patience 10": make_net(early_stopping=True),
}

# %%
# With ``scale="ratio"``, we compare ratios of errors and of epochs: a ratio of 2 means
# half as many errors or epochs. ``losses`` declares that fewer epochs are better.

result = compare(
    nets,
    make_triangle,
    train_size=800,
    n_repeats=10,
    baseline="all epochs",
    scoring=score,
    losses=["epochs"],
    scale="ratio",
    margin=0.1,
    random_state=0,
)
print(result)

# %%
_, axes = plt.subplots(2, 1, figsize=(7, 4.5), layout="constrained")
ComparisonDisplay(result).plot(ax=axes)
axes[1].get_legend().remove()
plt.show()

# %%
# Early stopping saves most of the epochs, but it costs accuracy: the networks make more
# errors, even with a patience of 40 epochs.
