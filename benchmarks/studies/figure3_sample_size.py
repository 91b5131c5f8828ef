"""Fig. 3: validation loss and accuracy against the number of samples, each f.

Beside the paper's two scores, which are extremes over the epochs and so flatter,
stands the last epoch's accuracy on an untouched test sample. More points at equal
epochs are also more gradient steps: in the control, every N gets as many as the
paper's 4,000 points do.
"""

from itertools import product
from math import ceil

import pandas as pd
import seaborn as sns
from sklearn.model_selection import learning_curve
from sklearn.pipeline import make_pipeline

from sklearn_toydnn import DNNClassifier

from .. import paper
from .._repetitions import (
    SCORES,
    draw,
    interval,
    make_net,
    new_figure,
    score,
    summarize,
)
from .._study import Study

REFERENCE = 4000  # the number of samples whose gradient steps the control gives to all


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


def work(seeds, sizes, epochs):
    """Return how much there is to train: points times epochs."""
    return seeds * 3 * epochs * (sum(sizes) + REFERENCE * len(sizes))


def measure(function, sizes, epochs, seed, memory):
    """Return a row for each number of samples, at equal epochs and at equal steps.

    The training sets are nested. Each size has its own number of validation
    points, a fifth of it, so each is a learning curve of one size.
    """
    data = draw(paper.MAKERS[function], max(sizes), seed)
    net = make_net(make_pipeline, random_state=seed, memory=memory)
    rows = []
    for equal, n_samples in product(["epochs", "steps"], sizes):
        n_val = n_samples // 5
        share = 1 if equal == "epochs" else _n_steps(REFERENCE) / _n_steps(n_samples)
        net.set_params(dnnclassifier__epochs=max(1, round(epochs * share)))
        row = {"function": function, "equal": equal, "n_samples": n_samples}
        for name in SCORES:
            # A learning curve has room for one score. The fit is done once: the
            # second and the third find it in memory.
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
        rows.append({**row, "seed": seed})
    return pd.DataFrame(rows)


def _n_steps(n_samples):
    """Return the gradient steps of an epoch."""
    n_train = n_samples - n_samples // 5
    return ceil(n_train / DNNClassifier().batch_size)


class _Score:
    """One of the scores."""

    def __init__(self, name):
        self.name = name

    def __call__(self, pipeline, X, y):
        return score(pipeline, X, y)[self.name]


def summary(frame):
    """Return the scores for each function and number of samples."""
    by = ["equal", "function", "n_samples"]
    return summarize(frame.sort_values(by), by, SCORES)


def plot(frame):
    """Draw each score against the number of samples."""
    figure, axes = new_figure(2, 3, sharex=True, sharey="col")
    for row, (equal, part) in zip(axes, frame.groupby("equal"), strict=True):
        for ax, name in zip(row, SCORES, strict=True):
            sns.lineplot(
                part,
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
            ax.set_title(f"equal {equal}")
            ax.set_xticks(sizes := frame["n_samples"].unique(), sizes, rotation=45)
            ax.minorticks_off()
    return figure


STUDY = Study(
    __name__,
    title="Fig. 3: loss and accuracy against the number of samples",
    alt=(
        "Six panels: minimum validation loss, maximum validation accuracy and test "
        "accuracy against the number of samples, a line for each function; above at "
        "equal epochs, below at equal gradient steps."
    ),
    full={
        "seeds": 30,
        "sizes": [250, 500, 1000, 2000, 4000, 8000, 16000],
        "epochs": 100,
    },
    quick={"seeds": 3, "sizes": [250, 500, 1000, 2000, 4000], "epochs": 100},
    tasks=tasks,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
)
