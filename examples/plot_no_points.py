"""
What does the network think where there are no points?
======================================================

A network gives a probability to every point of the plane, also to those far from all
that it has learnt from. Is it less sure of them?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import VotingClassifier
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import DNNClassifier, make_sinusoidal

X, y = make_sinusoidal(2000, random_state=0)

# %%
# Ten networks learn the same points, all of them in the box from -50 to 50. They differ
# by their seeds alone. A vote tells what each of them thinks.

nets = [(f"seed {i}", DNNClassifier((20,) * 3, random_state=i)) for i in range(10)]
vote = VotingClassifier(nets, voting="soft", flatten_transform=False)
vote = make_pipeline(StandardScaler(), vote).fit(X, y)

# %%
# Where the training points were is framed.

side = np.linspace(-150, 150, 151)
plane = np.stack(np.meshgrid(side, side), axis=-1)
ones = vote.transform(plane.reshape(-1, 2))[..., 1].reshape(10, 151, 151)
figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
for ax, title, response, largest in [
    (axes[0], "one network", ones[0], 1.0),
    (axes[1], "mean of ten", ones.mean(axis=0), 1.0),
    (axes[2], "standard deviation of ten", ones.std(axis=0), 0.5),
]:
    display = DecisionBoundaryDisplay(
        xx0=plane[..., 0], xx1=plane[..., 1], n_classes=2, response=response
    )
    display.plot(ax=ax, levels=np.linspace(0, largest, 11), cmap="viridis")
    figure.colorbar(display.surface_, ax=ax, shrink=0.75)
    ax.add_patch(plt.Rectangle((-50, -50), 100, 100, fill=False, edgecolor="white"))
    ax.set(xlabel="$x_0$", ylabel="$x_1$", aspect="equal", title=title)
figure.suptitle("probability of label 1")
plt.show()

# %%
# How sure the networks are of new points, and how often they are right.

X, y = make_sinusoidal(9000, box=(-150, 150), random_state=1)
proba = vote.transform(X)
right = proba.argmax(axis=2) == y
is_inside = (np.abs(X) < 50).all(axis=1)
for where, here in {"inside": is_inside, "outside": ~is_inside}.items():
    sure = proba[:, here].max(axis=2).mean()
    print(f"{where}: sure by {sure:.2f}, right in {right[:, here].mean():.2f}")

# %%
# Outside the networks are surer than inside, though right only about half of the time,
# and in places they contradict each other.
