"""
What does learning look like?
=============================

A loss that falls says that a network learns, not what. Epoch by epoch, the regions in
which it predicts either label show it.
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
# ``partial_fit`` trains for one epoch. The network is kept as it is after each, as an
# animation may be drawn more than once.

scaler = StandardScaler().fit(X)
net = DNNClassifier(random_state=0)
seen = []
for _ in range(30):
    net.partial_fit(scaler.transform(X), y, classes=[0, 1])
    seen.append(make_pipeline(scaler, deepcopy(net)))

# %%
# The points that are drawn are a third of all.

figure, ax = plt.subplots(figsize=(4.5, 3.8), dpi=70, layout="constrained")


def draw(frame):
    """Draw what the network has learnt after an epoch."""
    ax.clear()
    plot_decision_regions(seen[frame], X[::3], y[::3], ax=ax)
    accuracy = seen[frame].score(X, y)
    ax.set_title(f"epoch {frame + 1}, training accuracy {accuracy:.2f}")


animation = FuncAnimation(figure, draw, frames=len(seen), interval=200)
figure.canvas.draw()  # for without a window, animations complain of not being drawn
plt.show()

# %%
# A corner of the triangle comes first, then its two long sides, and the narrow strip
# below it last.
