"""
Does augmentation help?
=======================

Noisy copies of the training points are said to replace additional training points.
However, copies also increase the number of gradient steps, with or without noise.
"""

import matplotlib.pyplot as plt
from imblearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import (
    ComparisonDisplay,
    DNNClassifier,
    GaussianAugmenter,
    compare,
    make_gaussian,
)

# %%
# We therefore compare three variants: no copies, an exact copy of each point, and a
# noisy copy of each point. The noise has a standard deviation of 3; the box is 100
# units wide.

net = make_pipeline(StandardScaler(), DNNClassifier())
nets = {
    "no copies": net,
    "exact copies": make_pipeline(GaussianAugmenter(fraction=1.0, std=0.0), *net),
    "noisy copies": make_pipeline(GaussianAugmenter(fraction=1.0, std=3.0), *net),
}
result = compare(
    nets,
    make_gaussian,
    train_size=400,
    n_repeats=20,
    scoring="accuracy",
    scale="ratio",
    margin=0.1,
    random_state=0,
)
print(result)

# %%
ComparisonDisplay(result).plot()
plt.show()

# %%
# Noisy copies are better than no copies, but exact copies are better still. In this
# example, the additional gradient steps help, and the noise causes errors.
