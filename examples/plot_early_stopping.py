"""
What does early stopping save?
==============================

With ``early_stopping=True`` training ends where the accuracy on held-out points has not
risen for some epochs. This saves epochs; what does it cost?
"""

import matplotlib.pyplot as plt
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import ComparisonDisplay, DNNClassifier, compare, make_triangle


def make_net(**how):
    """Return a network that may train for 300 epochs."""
    return make_pipeline(StandardScaler(), DNNClassifier(epochs=300, **how))


def score(net, X, y):
    """Return the accuracy and the epochs."""
    return {"accuracy": net.score(X, y), "epochs": net[-1].n_iter_}


nets = {
    "all epochs": make_net(),
    "patience 40": make_net(early_stopping=True, n_iter_no_change=40),
    "patience 10": make_net(early_stopping=True),
}

# %%
# Errors and epochs are compared by their ratio: 2 is half as many. ``losses`` says that
# fewer epochs are better.

found = compare(
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
print(found)

# %%
_, axes = plt.subplots(2, 1, figsize=(7, 4.5), layout="constrained")
ComparisonDisplay(found).plot(ax=axes)
axes[1].get_legend().remove()
plt.show()

# %%
# It saves most of the epochs, but not for nothing: the networks make more errors, also
# with a patience of 40 epochs.
