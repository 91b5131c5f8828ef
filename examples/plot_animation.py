"""
What does learning look like?
=============================

A falling loss shows that a network learns, but not what it learns. The decision regions
after each epoch show this.
"""

from copy import deepcopy

import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import DNNClassifier, make_triangle
from sklearn_toydnn.plotting import plot_decision_regions

X, y = make_triangle(1000, random_state=0)

# %%
# ``partial_fit`` trains for one epoch. We store a copy of the network after each epoch,
# because Matplotlib may draw the animation more than once.

scaler = StandardScaler().fit(X)
net = DNNClassifier(random_state=0)
snapshots = []
for _ in range(30):
    net.partial_fit(scaler.transform(X), y, classes=[0, 1])
    snapshots.append(make_pipeline(scaler, deepcopy(net)))

# %%
# The animation shows only every third point.

figure, ax = plt.subplots(figsize=(4.5, 3.8), dpi=70, layout="constrained")


def draw(frame):
    """Draw the decision regions after an epoch."""
    ax.clear()
    plot_decision_regions(snapshots[frame], X[::3], y[::3], ax=ax)
    accuracy = snapshots[frame].score(X, y)
    ax.set_title(f"epoch {frame + 1}, training accuracy {accuracy:.2f}")


animation = FuncAnimation(figure, draw, frames=len(snapshots), interval=200)
figure.canvas.draw()  # avoids a warning of Matplotlib if there is no window
plt.show()

# %%
# The network first learns a corner of the triangle, then its two long sides, and
# finally the narrow strip below the triangle.
