"""Table II, its leaders: many repetitions of the best candidate for each value.

The grid itself is one data set, of which the best candidate is the luckiest too; and
the paper reports best candidates, no means over the grid. Here the best candidate of
each value of each parameter meets the others on fresh data sets, and with them the
published candidate, the paper's own network and the best candidates for the other
functions. Each trains once on a data set, as the paper's networks do: no folds.
"""

from itertools import permutations, product

import pandas as pd
import seaborn as sns

from .._study import Study
from .judging import NOTHING, SOME, Asked, Sentence
from .networks import (
    interval,
    new_figure,
    repeat,
    score_and_majority,
    summarize,
)
from .pairs import WORTH_LEARNING, pick, versus
from .published import MAKERS, TABLE2
from .table2_grid_search import PARAMETERS, best, make_table2_net

OWN = {  # the paper's network, before it searched
    "optimizer": "Adam",
    "activation": "relu",
    "output_activation": "sigmoid",
    "units": 20,
    "dropout_rate": 0.2,
    "initializer": "glorot_uniform",
}
ARM = ["initializer", *PARAMETERS]


def tasks(grid, seeds, n_samples, epochs):
    """List the repetitions of each function: who meets in them."""
    ranked = best(grid)
    everywhere = ranked.groupby(["initializer", "function"]).head(1)
    for seed in range(seeds):
        for function, part in ranked.groupby("function"):
            published = part.merge(TABLE2[TABLE2["function"] == function][PARAMETERS])
            chosen = pd.concat(
                [_firsts(part), everywhere, published, pd.DataFrame([OWN])]
            )
            yield {
                "function": function,
                "arms": chosen[ARM].drop_duplicates().to_dict("records"),
                "n_samples": n_samples,
                "epochs": epochs,
                "seed": seed,
            }


def _firsts(ranked):
    """Return the best candidate of each value of each parameter, for either weights."""
    by_value = [ranked.groupby(["initializer", name]) for name in PARAMETERS]
    return pd.concat([candidates.head(1) for candidates in by_value])


def work(seeds, n_samples, epochs):
    """Return how much there is to train: points times epochs."""
    return seeds * 3 * 40 * n_samples * epochs


def measure(function, arms, n_samples, epochs, seed, memory):
    """Return a row for each candidate and number of epochs."""
    nets = {
        tuple(arm.values()): _net(**arm, epochs=epochs, memory=memory) for arm in arms
    }
    rows = repeat(nets, ARM, MAKERS[function], n_samples, seed, score_and_majority)
    return rows.assign(function=function)


def _net(initializer, units, **params):
    return make_table2_net(
        kernel_initializer=initializer, hidden_layer_sizes=(units, units), **params
    )


def summary(frame):
    """Return the accuracy of each candidate, the best first."""
    last = frame.dropna(subset="test_accuracy")
    rows = summarize(last, ["function", *ARM], ["test_accuracy", "majority"])
    by = ["function", "initializer", "test_accuracy"]
    return rows.sort_values(by, ascending=[True, False, False], kind="stable")


def plot(frame):
    """Draw the accuracy of each candidate."""
    last = frame.dropna(subset="test_accuracy")
    names = last[PARAMETERS].astype(str).agg(", ".join, axis=1)
    last = last.assign(candidate=names)
    groups = last.groupby(["initializer", "function"], sort=False)
    n_rows = groups["candidate"].nunique().max()
    figure, axes = new_figure(2, 3, width=6, height=0.5 + 0.17 * n_rows)
    by_row = sorted(groups, key=lambda group: (group[0][0] != "zeros", group[0][1]))
    for ax, ((initializer, function), part) in zip(axes.flat, by_row, strict=False):
        order = part.groupby("candidate")["test_accuracy"].mean().sort_values()
        sns.pointplot(
            part,
            x="test_accuracy",
            y="candidate",
            order=order.index[::-1],
            linestyle="none",
            markersize=4,
            errorbar=interval,
            ax=ax,
        )
        ax.axvline(part["majority"].mean(), color="gray", linestyle=":")
        ax.tick_params(axis="y", labelsize=7)
        ax.set(title=f"{function}, {initializer}", ylabel="", xlabel="test accuracy")
        theirs = TABLE2.set_index("function").loc[function, PARAMETERS]
        for label in ax.get_yticklabels():
            if label.get_text() == ", ".join(map(str, theirs)):
                label.set(color="C3", fontweight="bold")
    return figure


# ---- what the paper says of it


WEIGHTS = {"zeros": "zero weights", "glorot_uniform": "random weights"}
CLUSTERS = ["f1", "f3"]  # that have "two clusters"
# "A smaller number" and "around 0.3": their neighbours are no rivals.
NO_RIVALS = {"units": [10], "dropout_rate": [0.2, 0.4]}


class Leaders:
    """The best candidates of the grid, and how they do on fresh data sets."""

    def __init__(self, grid, leaders):
        ranked = best(grid)
        self._ranked = dict([*ranked.groupby(["initializer", "function"], sort=False)])
        self._met = dict([*leaders.groupby(["function", *ARM])])
        self.epochs = sorted(leaders["epoch"].unique())
        self.functions = sorted(leaders["function"].unique())

    def best(self, weights, function, **values):
        """Return the best candidate that has these values, as the grid has it."""
        ranked = pick(self._ranked[weights, function], **values)
        return tuple(ranked[ARM].iloc[0]) if len(ranked) else None

    def published(self, weights, function):
        """Return the published candidate."""
        of_function = TABLE2.set_index("function").loc[function]
        return self.best(weights, function, **of_function[PARAMETERS])

    def firsts(self, weights, function):
        """Return the best candidate of each value of each parameter."""
        firsts = _firsts(self._ranked[weights, function])
        return [*firsts[ARM].drop_duplicates().itertuples(False, None)]

    def rivals(self, weights, function, parameter, value):
        """Return the other values, as far as they are rivals of this one."""
        others = self._ranked[weights, function][parameter].unique()
        near = NO_RIVALS.get(parameter, ())
        return [other for other in others if other != value and other not in near]

    def learns(self, function, arm):
        """Return whether a candidate learns more than the majority's label."""
        rows = self._met[function, *arm].dropna(subset="test_accuracy")
        return interval(rows["test_accuracy"] - rows["majority"])[0] > WORTH_LEARNING

    def versus(self, epoch, function, ours, theirs, chosen=True):
        """Compare two candidates, if they were chosen by something, and either learns.

        Where nothing is learnt the best is only the first of many.
        """
        learnt = any(self.learns(function, arm) for arm in (ours, theirs))
        one, other = (
            pick(self._met[function, *arm], epoch=epoch) for arm in (ours, theirs)
        )
        return versus(one, other, "error", "" if learnt and chosen else NOTHING)

    def ask(self, meetings, **how):
        """Return the ways of asking, for either weights and each number of epochs.

        `meetings` returns, by name, which candidates meet on which function.
        """
        return [
            Asked(
                words,
                "error of the best candidates",
                epoch,
                {name: self.versus(epoch, *who) for name, who in met.items()},
                decides=epoch == self.epochs[-1],
                **how,
            )
            for weights, words in WEIGHTS.items()
            if (met := meetings(weights))
            for epoch in self.epochs
        ]


def _of_values(ours, functions, **published):
    """Return the meetings of the best with the published values and with others."""

    def meetings(weights):
        return {
            f"{function}: {value} better than {rival}": (
                function,
                first,
                ours.best(weights, function, **{name: rival}),
            )
            for function, (name, value) in product(functions, published.items())
            if (first := ours.best(weights, function, **{name: value}))
            for rival in ours.rivals(weights, function, name, value)
        }

    return meetings


def claims(grid, leaders):
    """Yield the sentences about the grid search."""
    source = "Results, Grid search; Table II"
    ours = Leaders(grid, leaders)

    def own(weights):
        own = tuple(OWN[name] for name in ARM)
        return {
            f"{function}: better than the paper's own, with random weights": (
                function,
                ours.best(weights, function),
                own,
            )
            for function in ours.functions
        }

    def published(weights):
        return {
            f"{function}: published better than {', '.join(map(str, rival[1:]))}": (
                function,
                theirs,
                rival,
            )
            for function in ours.functions
            if (theirs := ours.published(weights, function))
            for rival in ours.firsts(weights, function)
            if rival != theirs
        }

    def of_others(weights):
        return {
            f"{one}: its own best better than that of {other}": (
                one,
                *bests,
                all(map(ours.learns, pair, bests)),
            )
            for pair in permutations(ours.functions, 2)
            for one, other in [pair]
            if len({*(bests := [ours.best(weights, f) for f in pair])}) == 2
        }

    yield Sentence(
        "Grid search finds parameters that increase the performance",
        "we apply grid searching to find better parameters which increase the DNN "
        "performance",
        "Abstract",
        ours.ask(own),
    )
    yield Sentence(
        "The published candidates are the best",
        "The parameters shown correspond the the best accuracy obtained in the grid "
        "searching process",
        "Table II",
        ours.ask(published),
    )
    yield Sentence(
        "SGD and few units are the best where there are two clusters (f1, f3)",
        "the SGD optimizer and a smaller number of layers lead to the best accuracy "
        "when data is separated only in two clusters",
        source,
        ours.ask(_of_values(ours, CLUSTERS, optimizer="SGD", units=5)),
    )
    yield Sentence(
        "A dropout rate of 0.3 is the best in any case",
        "The best drop-out rate seems to be around 0.3 in any case possible",
        source,
        ours.ask(_of_values(ours, ours.functions, dropout_rate=0.3)),
    )
    yield Sentence(
        "Two clusters require SGD and sigmoid activations (f1, f3)",
        "particular labeling functions which split the data in two clusters require "
        "the same optimizer (SGD) and similar activation functions",
        "Conclusions",
        ours.ask(
            _of_values(
                ours,
                CLUSTERS,
                optimizer="SGD",
                activation="sigmoid",
                output_activation="sigmoid",
            )
        ),
    )
    yield Sentence(
        "The best parameters depend on the data",
        "the best choice of the optimizer, number of neurons, activation functions, "
        "and drop-out rate depends on the nature of data we process",
        "Conclusions",
        ours.ask(of_others, how=SOME),
    )


STUDY = Study(
    __name__,
    title="Table II: its leading candidates, over repetitions",
    alt=(
        "Test accuracy of the best candidate for each value of each parameter, mean "
        "and 95 % interval, for each function and initializer; the published "
        "candidate's name is in red, a dotted line is the majority's share."
    ),
    full={"seeds": 30, "n_samples": 4000, "epochs": 50},
    quick={"seeds": 3, "n_samples": 4000, "epochs": 50},
    needs=("table2_grid_search",),
    tasks=tasks,
    measure=measure,
    work=work,
    summary=summary,
    plot=plot,
    many_programs=True,
)
