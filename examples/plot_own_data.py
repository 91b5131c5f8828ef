"""
How do I use my own data?
=========================

You need a table with two columns of numbers and one column of labels, which may be
strings. This example uses the iris data set of scikit-learn. Replace it with your own
file.
"""

from io import StringIO

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import DNNClassifier
from sklearn_toydnn.plotting import plot_decision_regions

iris = load_iris(as_frame=True)
columns = ["petal length (cm)", "petal width (cm)"]
flowers = iris.data[columns].assign(species=iris.target_names[iris.target])
file = StringIO(flowers.to_csv(index=False))  # replace with your file: "flowers.csv"

# %%
frame = pd.read_csv(file)
X, y = frame[columns], frame["species"]
print(frame.sample(5, random_state=0))

# %%
# We estimate the accuracy on new flowers by cross-validation with ten folds.

net = make_pipeline(StandardScaler(), DNNClassifier(random_state=0))
folds = StratifiedKFold(10, shuffle=True, random_state=0)
scores = cross_val_score(net, X, y, cv=folds)
print(f"accuracy {scores.mean():.2f}, from {scores.min():.2f} to {scores.max():.2f}")

# %%
# The figure shows the decision regions of a network trained on all flowers.

_, ax = plt.subplots(figsize=(6.5, 3.5), layout="constrained")
plot_decision_regions(net.fit(X, y), X, y, ax=ax)
plt.show()

# %%
# On average over the folds, the network predicts the species of more than 90 % of the
# new flowers correctly.
