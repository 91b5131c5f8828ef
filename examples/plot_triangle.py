"""What the paper's network learns of a triangle, and how fast.

Draws the picture at the top of the README into the file named on the command line.
"""

import sys

import matplotlib.pyplot as plt
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import DNNClassifier, make_triangle
from sklearn_toydnn.plotting import plot_decision_regions, plot_history

X, y = make_triangle(n_samples=1000, random_state=0)
net = make_pipeline(
    StandardScaler(), DNNClassifier(validation_split=0.2, random_state=0)
)
net.fit(X, y)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
plot_decision_regions(net, X, y, ax=left)
plot_history(net[-1].history_, ax=right)
figure.savefig(sys.argv[1], dpi=90)
