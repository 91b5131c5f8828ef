"""
How wide, and how deep?
=======================

A network can be made larger in two ways: more units in a layer, or more layers. The
wave is the hardest of the three shapes, and shows which of them pays.
"""

import matplotlib.pyplot as plt
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import ComparisonDisplay, DNNClassifier, compare, make_sinusoidal

sizes = {
    "100": (100,),
    "20, 20": (20, 20),
    "40, 40": (40, 40),
    "20, 20, 20": (20, 20, 20),
}
nets = {
    name: make_pipeline(StandardScaler(), DNNClassifier(hidden_layer_sizes))
    for name, hidden_layer_sizes in sizes.items()
}

# %%
# The paper's two layers of 20 units are what the others are compared with.

found = compare(
    nets,
    make_sinusoidal,
    train_size=1000,
    n_repeats=10,
    scoring="accuracy",
    baseline="20, 20",
    margin=0.01,
    random_state=0,
)
print(found)

# %%
ComparisonDisplay(found).plot()
plt.show()

# %%
# A third layer is better, and so are two of twice as many units, but a single one is
# worse, though it has five times as many.
