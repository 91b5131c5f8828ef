"""Fig. 3: validation loss and accuracy against the number of samples (all functions).

The paper's two scores are the best values of all epochs, which is too optimistic. The
test accuracy after the last epoch is shown beside them. With equal epochs, more points
also mean more gradient steps. The control therefore trains with equal gradient steps:
every number of samples gets the gradient steps that 4,000 samples get.
"""

from math import ceil

import pandas as pd
import seaborn as sns

from .._figures import new_figure
from .._study import Study
from .networks import each_seed, make_net, repeat
from .published import MAKERS, READINGS
from .summaries import SCORES, interval, summarize

REFERENCE = 4000  # the control gives every N the gradient steps of this N


def tasks(seeds, readings, sizes):
    """Yield the repetitions."""
    for function in MAKERS:
        yield from each_seed(seeds, readings, function=function, sizes=sizes)


def work(seeds, readings, sizes):
    """Return the amount of training, in points times epochs."""
    epochs = sum(network["epochs"] for network in readings.values())
    return seeds * 3 * epochs * (sum(sizes) + REFERENCE * len(sizes))


def measure(reading, network, function, sizes, seed, memory):
    """Return a row per sample size and epoch, for equal epochs and equal steps."""
    parts = []
    for n_samples in sizes:
        nets = _nets(network, n_samples, memory)
        rows = repeat(nets, ["equal"], MAKERS[function], n_samples, seed)
        # With equal steps, intermediate epochs are not comparable between sizes.
        shown = (rows["equal"] == "epochs") | rows["test_accuracy"].notna()
        parts.append(rows[shown].assign(n_samples=n_samples))
    return pd.concat(parts).assign(function=function, reading=reading)


def _nets(reading, n_samples, memory):
    """Return the networks for equal epochs and for equal gradient steps."""
    share = _n_steps(REFERENCE, reading) / _n_steps(n_samples, reading)
    epochs = {"epochs": reading["epochs"], "steps": round(share * reading["epochs"])}
    return {
        (equal,): make_net(reading, epochs=max(1, n), memory=memory)
        for equal, n in epochs.items()
    }


def _n_steps(n_samples, reading):
    """Return the number of gradient steps in an epoch."""
    return ceil((n_samples - n_samples // 5) / reading["batch_size"])


def summary(frame):
    """Return the scores for each function and number of samples."""
    by = ["reading", "equal", "function", "n_samples"]
    last = frame.dropna(subset="test_accuracy").sort_values(by, kind="stable")
    return summarize(last, by, SCORES)


def plot(frame):
    """Draw each score against the number of samples."""
    last = frame.dropna(subset="test_accuracy")
    groups = last.groupby(["reading", "equal"], sort=False)
    figure, axes = new_figure(groups.ngroups, 3, height=3, sharex=True, sharey="col")
    for row, ((reading, equal), part) in zip(axes, groups, strict=True):
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
            ax.set_title(f"{reading}, equal {equal}")
            ax.set_xticks(sizes := frame["n_samples"].unique(), sizes, rotation=45)
            ax.minorticks_off()
    return figure


STUDY = Study(
    __name__,
    title="Fig. 3: loss and accuracy against the number of samples",
    alt=(
        "Minimum validation loss, maximum validation accuracy and test accuracy "
        "against the number of samples, with a line for each function and a row for "
        "each reading, for equal epochs and for equal gradient steps."
    ),
    full={
        "seeds": 30,
        "readings": READINGS,
        "sizes": [250, 500, 1000, 2000, 4000, 8000, 16000],
    },
    quick={
        "seeds": 3,
        "readings": READINGS,
        "sizes": [250, 1000, 4000],
    },
    tasks=tasks,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
)
