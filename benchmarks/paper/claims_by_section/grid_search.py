"""Claims about the grid search (Results; Table II)."""

from itertools import permutations, product

from ..judging import NO_LEARNING, SOME, Claim, Hypothesis
from ..paired_effects import LEARNING_MARGIN, paired_ratio
from ..published import TABLE2
from ..summaries import interval, pick
from ..table2_grid_search import PARAMETERS, best
from ..table2_leaders import ARM, OWN, firsts_of

WEIGHTS = {"zeros": "zero weights", "glorot_uniform": "random weights"}
CLUSTERS = ["f1", "f3"]  # the functions with "two clusters"
# The paper says "a smaller number" and "around 0.3": neighboring values are no rivals.
NO_RIVALS = {"units": [10], "dropout_rate": [0.2, 0.4]}


class Leaders:
    """The best candidates of the grid, and their scores on fresh data sets."""

    def __init__(self, grid, leaders):
        ranked = best(grid)
        self._ranked = dict([*ranked.groupby(["initializer", "function"], sort=False)])
        self._scores = dict([*leaders.groupby(["function", *ARM])])
        self.epochs = sorted(leaders["epoch"].unique())
        self.functions = sorted(leaders["function"].unique())

    def best(self, weights, function, **values):
        """Return the best candidate of the grid with these values, or None."""
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
        """Return the values that compete with this one."""
        others = self._ranked[weights, function][parameter].unique()
        near = NO_RIVALS.get(parameter, ())
        return [other for other in others if other != value and other not in near]

    def learns(self, function, arm):
        """Return whether a candidate predicts better than the majority class."""
        rows = self._scores[function, *arm].dropna(subset="test_accuracy")
        return interval(rows["test_accuracy"] - rows["majority"])[0] > LEARNING_MARGIN

    def effect(self, epoch, function, ours, theirs, chosen=True):
        """Compare two candidates.

        The effect is not testable if neither learns, or if one was not `chosen` by its
        score: then the best candidate is only the first of many equal ones.
        """
        learns = any(self.learns(function, arm) for arm in (ours, theirs))
        one, other = (
            pick(self._scores[function, *arm], epoch=epoch) for arm in (ours, theirs)
        )
        untestable = "" if learns and chosen else NO_LEARNING
        return paired_ratio(one, other, "error", untestable)

    def hypotheses(self, matches, **options):
        """Return a hypothesis for each kind of initial weights and number of epochs.

        `matches` returns, by name, a function and the two candidates to compare on it.
        """
        return [
            Hypothesis(
                words,
                "error of the best candidates",
                epoch,
                {name: self.effect(epoch, *match) for name, match in named.items()},
                decides=epoch == self.epochs[-1],
                **options,
            )
            for weights, words in WEIGHTS.items()
            if (named := matches(weights))
            for epoch in self.epochs
        ]


def _of_values(leaders, functions, **published):
    """Compare the best candidate of each published value with those of its rivals."""

    def matches(weights):
        return {
            f"{function}: {_in_words(name, value)} better than {rival}": (
                function,
                first,
                leaders.best(weights, function, **{name: rival}),
            )
            for function, (name, value) in product(functions, published.items())
            if (first := leaders.best(weights, function, **{name: value}))
            for rival in leaders.rivals(weights, function, name, value)
        }

    return matches


def _in_words(name, value):
    if name == "dropout_rate":
        return f"dropout rate {value}"
    return f"{value} units" if name == "units" else value


def claims(grid, scores):
    """Yield the claims about the grid search."""
    source = "Results, Grid search; Table II"
    leaders = Leaders(grid, scores)

    def own(weights):
        own = tuple(OWN[name] for name in ARM)
        return {
            f"{function}: best candidate better than the paper's first network": (
                function,
                leaders.best(weights, function),
                own,
            )
            for function in leaders.functions
        }

    def published(weights):
        better = "published candidate better than"
        return {
            f"{function}: {better} {', '.join(map(str, rival[1:]))}": (
                function,
                theirs,
                rival,
            )
            for function in leaders.functions
            if (theirs := leaders.published(weights, function))
            for rival in leaders.firsts(weights, function)
            if rival != theirs
        }

    def of_others(weights):
        return {
            f"{one}: best candidate for {one} better than best for {other}": (
                one,
                *bests,
                all(map(leaders.learns, pair, bests)),
            )
            for pair in permutations(leaders.functions, 2)
            for one, other in [pair]
            if len({*(bests := [leaders.best(weights, f) for f in pair])}) == 2
        }

    yield Claim(
        "Grid search finds better parameters",
        "we apply grid searching to find better parameters which increase the DNN "
        "performance",
        "Abstract",
        leaders.hypotheses(own),
    )
    yield Claim(
        "The published candidates are the best",
        "The parameters shown correspond the the best accuracy obtained in the grid "
        "searching process",
        "Table II",
        leaders.hypotheses(published),
    )
    yield Claim(
        "SGD and few units are best for data in two clusters (f1, f3)",
        "the SGD optimizer and a smaller number of layers lead to the best accuracy "
        "when data is separated only in two clusters",
        source,
        leaders.hypotheses(_of_values(leaders, CLUSTERS, optimizer="SGD", units=5)),
    )
    yield Claim(
        "A dropout rate of 0.3 is always the best",
        "The best drop-out rate seems to be around 0.3 in any case possible",
        source,
        leaders.hypotheses(_of_values(leaders, leaders.functions, dropout_rate=0.3)),
    )
    yield Claim(
        "Data in two clusters require SGD and sigmoid activations (f1, f3)",
        "particular labeling functions which split the data in two clusters require "
        "the same optimizer (SGD) and similar activation functions",
        "Conclusions",
        leaders.hypotheses(
            _of_values(
                leaders,
                CLUSTERS,
                optimizer="SGD",
                activation="sigmoid",
                output_activation="sigmoid",
            )
        ),
    )
    yield Claim(
        "The best parameters depend on the data",
        "the best choice of the optimizer, number of neurons, activation functions, "
        "and drop-out rate depends on the nature of data we process",
        "Conclusions",
        leaders.hypotheses(of_others, quantifier=SOME),
    )
