"""
What does a network predict far from its training points?
=========================================================

A network predicts a probability for every point of the plane, even far from all
training points. Is it less confident there?
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
# Ten networks are trained on the same points, which lie in the box from -50 to 50. The
# networks differ only in their seeds. A voting classifier returns the probabilities of
# each network.

nets = [(f"seed {i}", DNNClassifier((20,) * 3, random_state=i)) for i in range(10)]
vote = VotingClassifier(nets, voting="soft", flatten_transform=False)
vote = make_pipeline(StandardScaler(), vote).fit(X, y)

# %%
# The white frame marks the box of the training points.

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
# The next step computes the mean confidence and the accuracy of the networks for new
# points, inside and outside the frame.

X, y = make_sinusoidal(9000, box=(-150, 150), random_state=1)
proba = vote.transform(X)
is_correct = proba.argmax(axis=2) == y
is_inside = (np.abs(X) < 50).all(axis=1)
for name, mask in {"inside": is_inside, "outside": ~is_inside}.items():
    confidence = proba[:, mask].max(axis=2).mean()
    accuracy = is_correct[:, mask].mean()
    print(f"{name}: mean confidence {confidence:.2f}, accuracy {accuracy:.2f}")

# %%
# The networks are more confident outside the frame than inside, although their accuracy
# there is only about one half. In some places they contradict each other.
