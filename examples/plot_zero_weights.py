"""
Why can a network with zero weights not learn?
==============================================

Zero initial weights seem attractive, because they do not depend on chance. But units
with equal initial weights receive equal gradients.
"""

import matplotlib.pyplot as plt
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import DNNClassifier, make_triangle

X, y = make_triangle(1000, random_state=0)

# %%
# We train three networks without dropout, because dropout would treat units
# differently. The left plot has a dot for each unit of the first layer, at the weights
# of its two inputs.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for name, marker in {"glorot_uniform": "o", "ones": "s", "zeros": "X"}.items():
    net = DNNClassifier(kernel_initializer=name, dropout_rate=0, random_state=0)
    make_pipeline(StandardScaler(), net).fit(X, y)
    left.plot(*net.coefs_[0], marker, markersize=9, alpha=0.6, label=name)
    right.plot(range(1, 101), net.history_["accuracy"], label=name)
    n_different = len(set(zip(*net.coefs_[0], strict=True)))
    print(f"{name}: 20 units, different ones: {n_different}")
right.axhline(max(y.mean(), 1 - y.mean()), color="0.5", linestyle=":", label="majority")
left.set(
    xlabel="weight of $x_0$",
    ylabel="weight of $x_1$",
    title="first layer after training",
)
right.set(xlabel="epoch", ylabel="training accuracy")
right.legend()
plt.show()

# %%
# Units with equal initial weights stay equal, so that 20 units have the effect of one.
# With zero weights, the network learns only which label is more frequent.
