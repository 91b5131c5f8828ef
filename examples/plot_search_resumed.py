"""
Can I stop and resume a search?
===============================

Ctrl-C, a crash or a time limit can end a long search early. With ``memory``, the
finished fits are not lost.
"""

from tempfile import TemporaryDirectory
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_toydnn import DNNClassifier, make_triangle

X, y = make_triangle(2000, random_state=0)
grid = {
    "dnnclassifier__dropout_rate": [0.0, 0.1, 0.2, 0.3],
    "dnnclassifier__optimizer__learning_rate": [0.001, 0.003, 0.01],
}

# %%
# The search scores 12 candidates on 5 folds. The scorer records the time at the end of
# each of the 60 fits. After 25 fits it interrupts the search, as Ctrl-C would.

times = [perf_counter()]


def score(net, X, y):
    """Return the accuracy; interrupt the search after 25 fits."""
    times.append(perf_counter())
    if len(times) == 1 + 25:
        raise KeyboardInterrupt
    return net.score(X, y)


with TemporaryDirectory() as folder:
    net = make_pipeline(StandardScaler(), DNNClassifier(memory=folder, random_state=0))
    search = GridSearchCV(net, grid, cv=5, scoring=score, refit=False)
    try:
        search.fit(X, y)
    except KeyboardInterrupt:
        print(f"stopped after {len(times) - 1} fits")
    search.fit(X, y)

# %%
seconds = np.diff(times)
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for label, marker, values in [
    ("first run", "o", seconds[:25]),
    ("second run", "X", seconds[25:]),
]:
    ax.plot(range(1, len(values) + 1), values, marker, label=label)
ax.set(yscale="log", xlabel="fit", ylabel="seconds")
ax.legend()
plt.show()

# %%
# In the second run, the search reads the finished fits from the folder, each in a
# fraction of the time. It computes only the remaining fits.
