"""Sentences on the grid search (Results; Table II)."""

from itertools import permutations, product

from ..judging import NOTHING, SOME, Hypothesis, Sentence
from ..paired_effects import WORTH_LEARNING, versus
from ..published import TABLE2
from ..summaries import interval, pick
from ..table2_grid_search import PARAMETERS, best
from ..table2_leaders import ARM, OWN, firsts_of

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
        firsts = firsts_of(self._ranked[weights, function])
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
            Hypothesis(
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
