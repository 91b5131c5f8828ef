"""
How wide, and how deep?
=======================

You can enlarge a network in two ways: more hidden units per layer, or more layers. We
test both on ``make_sinusoidal``, the most difficult of the three data sets.
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
# The baseline is the network of the paper, with two layers of 20 units.

result = compare(
    nets,
    make_sinusoidal,
    train_size=1000,
    n_repeats=10,
    scoring="accuracy",
    baseline="20, 20",
    margin=0.01,
    random_state=0,
)
print(result)

# %%
ComparisonDisplay(result).plot()
plt.show()

# %%
# A third layer is better than the baseline, and so are two layers of 40 units. A single
# layer is worse, although it has 100 units.
