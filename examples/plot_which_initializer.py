"""
Which initializer is best?
==========================

Training starts from random initial weights, and Keras has many initializers that draw
them. A single fit may be lucky, so we fit twenty networks with each initializer.
"""

import matplotlib.pyplot as plt
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import ComparisonDisplay, DNNClassifier, compare, make_triangle

names = "glorot_uniform", "he_uniform", "orthogonal", "random_normal", "random_uniform"
nets = {
    name: make_pipeline(
        StandardScaler(), DNNClassifier(kernel_initializer=name, epochs=50)
    )
    for name in names
}

# %%
# In each repetition, all networks are trained on the same fresh points. The baseline is
# ``glorot_uniform``, the default of Keras. The margin is half a percentage point of
# accuracy.

result = compare(
    nets,
    make_triangle,
    train_size=800,
    n_repeats=20,
    scoring="accuracy",
    baseline="glorot_uniform",
    margin=0.005,
    random_state=0,
)
print(result)

# %%
ComparisonDisplay(result).plot()
plt.show()

# %%
# No initializer is shown to be better than the default. ``random_normal`` and
# ``random_uniform`` are worse by several percentage points.
