"""
Why can zero weights not learn?
===============================

To start from zeros looks neat: nothing is left to chance. But units that start alike
are told the same by every gradient.
"""

import matplotlib.pyplot as plt
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import DNNClassifier, make_triangle

X, y = make_triangle(1000, random_state=0)

# %%
# Three networks learn, without dropout, which would treat units differently. On the
# left is a dot for each unit of the first layer, at the weights of its two inputs.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for name, marker in {"glorot_uniform": "o", "ones": "s", "zeros": "X"}.items():
    net = DNNClassifier(kernel_initializer=name, dropout_rate=0, random_state=0)
    make_pipeline(StandardScaler(), net).fit(X, y)
    left.plot(*net.coefs_[0], marker, markersize=9, alpha=0.6, label=name)
    right.plot(range(1, 101), net.history_["accuracy"], label=name)
    n_different = len(set(zip(*net.coefs_[0], strict=True)))
    print(f"{name}: {n_different} different units of 20")
right.axhline(max(y.mean(), 1 - y.mean()), color="0.5", linestyle=":", label="majority")
left.set(
    xlabel="weight of $x_0$",
    ylabel="weight of $x_1$",
    title="after training, first layer",
)
right.set(xlabel="epoch", ylabel="training accuracy")
right.legend()
plt.show()

# %%
# Units that start equal stay equal, so that 20 of them are worth one, and from zeros
# nothing is learnt but which label is the more frequent.
