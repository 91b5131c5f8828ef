"""Fig. 3: validation loss and accuracy against the number of samples, each f.

Beside the paper's two scores, which are extremes over the epochs and so flatter,
stands the last epoch's accuracy on an untouched test sample.
"""

import pandas as pd
import seaborn as sns
from sklearn.model_selection import learning_curve
from sklearn.pipeline import make_pipeline

from . import paper
from ._study import SCORES, draw, interval, make_net, new_figure, score, summarize

TITLE = "Fig. 3: loss and accuracy against the number of samples"
FULL = {"seeds": 30, "sizes": [250, 500, 1000, 2000, 4000, 8000], "epochs": 100}
QUICK = {"seeds": 5, "sizes": [250, 500, 1000, 2000, 4000], "epochs": 100}


def tasks(seeds, sizes, epochs):
    """List the repetitions."""
    for seed in range(seeds):
        for function in paper.MAKERS:
            yield {
                "function": function,
                "sizes": sizes,
                "epochs": epochs,
                "seed": seed,
            }


def measure(function, sizes, epochs, seed):
    """Return one row per number of samples.

    The training sets are nested. Each size has its own number of validation
    points, a fifth of it, so each is a learning curve of one size.
    """
    data = draw(paper.MAKERS[function], max(sizes), seed)
    net = make_net(make_pipeline, epochs=epochs, random_state=seed)
    rows = []
    for n_samples in sizes:
        n_val = n_samples // 5
        row = {"function": function, "n_samples": n_samples, "seed": seed}
        for name in SCORES:
            _, _, scores = learning_curve(
                net,
                data.X,
                data.y,
                train_sizes=[n_samples - n_val],
                cv=data.cv,
                scoring=_Score(name),
                params={"X_val": data.X_val[:n_val], "y_val": data.y_val[:n_val]},
            )
            row[name] = scores[0, 0]
        rows.append(row)
    return pd.DataFrame(rows)


class _Score:
    """One of the scores: a learning curve has room for one."""

    def __init__(self, name):
        self.name = name

    def __call__(self, pipeline, X, y):
        return score(pipeline, X, y)[self.name]


def summary(frame):
    """Return the scores for each function and number of samples."""
    frame = frame.sort_values(["function", "n_samples"])
    return summarize(frame, ["function", "n_samples"], SCORES)


def plot(frame):
    """Draw each score against the number of samples."""
    figure, axes = new_figure(1, 3)
    for ax, name in zip(axes[0], SCORES, strict=True):
        sns.lineplot(
            frame,
            x="n_samples",
            y=name,
            hue="function",
            style="function",
            markers=True,
            dashes=False,
            errorbar=interval,
            ax=ax,
        )
        ax.set(xscale="log", xlabel="number of samples $N$", ylabel=SCORES[name])
        ax.set_xticks(sizes := frame["n_samples"].unique(), sizes, rotation=45)
        ax.minorticks_off()
    return figure


if __name__ == "__main__":
    import sys

    from .__main__ import main

    main(["figure3_sample_size", *sys.argv[1:]])
