"""
Does dropout help?
==================

Dropout omits random units during training. This is said to prevent overfitting, so it
should help if some points have wrong labels.
"""

from functools import partial

import matplotlib.pyplot as plt
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import ComparisonDisplay, DNNClassifier, compare, make_triangle

nets = {
    name: make_pipeline(
        StandardScaler(),
        DNNClassifier((40, 40), dropout_rate=rate, epochs=200),
    )
    for name, rate in {"without dropout": 0, "dropout of a half": 0.5}.items()
}

# %%
# Overfitting is likely with only 300 points and as many as 200 epochs. In the first
# comparison all labels are correct. In the second, one in five labels is flipped, also
# in the test set, so that no network can score much above 0.8.

_, axes = plt.subplots(2, 1, figsize=(8, 4), sharex=True, layout="constrained")
for ax, flip_y in zip(axes, [0.0, 0.2], strict=True):
    result = compare(
        nets,
        partial(make_triangle, flip_y=flip_y),
        train_size=300,
        n_repeats=15,
        scoring="accuracy",
        baseline="without dropout",
        margin=0.005,
        random_state=0,
    )
    ComparisonDisplay(result).plot(ax=ax)
    ax.set_ylabel(f"{flip_y:.0%} flipped")
    print(f"{flip_y:.0%} flipped\n{result}\n")
axes[0].set_xlabel("")
axes[1].get_legend().remove()
plt.show()

# %%
# Dropout helps if labels are wrong. If all labels are correct, the network with dropout
# is equivalent to the one without.
