"""
Does dropout help?
==================

Dropout leaves out random units in training. This is said to keep a network from
learning single points by heart, which should matter where points have wrong labels.
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
# 300 points are few, and 200 epochs many. Once all labels are right, once one in five
# is flipped, in the test as well: no network scores much over 0.8 there.

_, axes = plt.subplots(2, 1, figsize=(8, 4), sharex=True, layout="constrained")
for ax, flip_y in zip(axes, [0.0, 0.2], strict=True):
    found = compare(
        nets,
        partial(make_triangle, flip_y=flip_y),
        train_size=300,
        n_repeats=15,
        scoring="accuracy",
        baseline="without dropout",
        margin=0.005,
        random_state=0,
    )
    ComparisonDisplay(found).plot(ax=ax)
    ax.set_ylabel(f"{flip_y:.0%} flipped")
    print(f"{flip_y:.0%} flipped\n{found}\n")
axes[0].set_xlabel("")
axes[1].get_legend().remove()
plt.show()

# %%
# It helps where labels are wrong, and makes no difference worth naming where all are
# right.
