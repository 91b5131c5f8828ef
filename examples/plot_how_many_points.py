"""
How many points does a shape need?
==================================

With more training points, a network learns the decision boundary more accurately. But
points can be expensive. Some shapes require fewer points than others.
"""

import matplotlib.pyplot as plt
from sklearn.model_selection import LearningCurveDisplay, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import DNNClassifier, make_gaussian, make_sinusoidal, make_triangle
from sklearn_toydnn.plotting import plot_dataset

shapes = {"triangle": make_triangle, "bell": make_gaussian, "wave": make_sinusoidal}

# %%
# The figure shows 4,000 points of each shape.

figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
for ax, (name, make) in zip(axes, shapes.items(), strict=True):
    plot_dataset(*make(4000, random_state=0), ax=ax).set_title(name)
    ax.get_legend().remove()
plt.show()

# %%
# We train the same network on 100 to 3,200 points of each shape, with five random
# splits.

# sphinx_gallery_thumbnail_number = 2
sizes = [100, 200, 400, 800, 1600, 3200]
net = make_pipeline(StandardScaler(), DNNClassifier(random_state=0))
_, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for name, make in shapes.items():
    display = LearningCurveDisplay.from_estimator(
        net,
        *make(4000, random_state=0),
        train_sizes=sizes,
        cv=ShuffleSplit(5, test_size=800, random_state=0),
        score_type="test",
        score_name="accuracy on 800 test points",
        line_kw={"marker": "o"},
        ax=ax,
    )
    display.lines_[0].set_label(name)
ax.set(xscale="log", xlabel="number of training points")
ax.set_xticks(sizes, sizes)
ax.minorticks_off()
ax.legend()
plt.show()

# %%
# With 100 epochs and a few hundred points, the accuracy reaches 90 % for the triangle
# and the bell. For the wave, even thousands of points are not enough.
