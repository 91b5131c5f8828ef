"""
Does augmentation help?
=======================

Noisy copies of the training points are said to make up for points that one does not
have. But copies also mean more steps of training, with or without noise.
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
# So three are compared: with no copies, with an exact copy of each point, and with a
# noisy one, moved by about 3 of the 100 units that the box is wide.

net = make_pipeline(StandardScaler(), DNNClassifier())
nets = {
    "no copies": net,
    "exact copies": make_pipeline(GaussianAugmenter(fraction=1.0, std=0.0), *net),
    "noisy copies": make_pipeline(GaussianAugmenter(fraction=1.0, std=3.0), *net),
}
found = compare(
    nets,
    make_gaussian,
    train_size=400,
    n_repeats=20,
    scoring="accuracy",
    scale="ratio",
    margin=0.1,
    random_state=0,
)
print(found)

# %%
ComparisonDisplay(found).plot()
plt.show()

# %%
# Noisy copies are better than none, but exact ones are better still: it is the steps
# that help here, and the noise makes errors.
