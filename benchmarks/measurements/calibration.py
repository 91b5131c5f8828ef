"""How often the verdicts of `compare` are wrong, and how often it finds an effect.

False positives. The estimators of a comparison have the same settings and the same
data, but different seeds. (With equal seeds all differences are 0, which is checked
too.) At most 5 % of the comparisons may call an estimator better or worse, with or
without "negligibly". The decision trees have 80 repetitions: the first 10, the first
30, and as many as ``n_repeats="auto"`` uses are judged.

Few test points. Each estimator misclassifies each of 10, 20 or 50 test points with
probability 0.1. All pairs of two or of five estimators are compared on 2 to 10 test
sets, either fresh ones or the folds of one data set. For false equivalence, one
estimator makes no error and the other misclassifies each point with a probability of
exactly `margin`: at most 5 % may be called equivalent or negligible. False positives
are also counted for trees that are the candidates of a real grid search on 60 points. A
search uses the same seed in every fold, so the effect of a seed repeats.

Overlapping splits. Two 1-nearest-neighbor classifiers use five features each, out of
ten features with the same distribution. The corrected t-test is an approximation here.

Skewed differences, with mean 0. Student's t-test exceeds its significance level here,
and no other test would do better: no test can account for a rare event that is not in
the sample. The study reports the false positives, and those without a note on skewness.
GaussianNB and logistic regression are compared by log loss, with 20 training points:
differences are drawn from 4,000 measured ones. Another estimator loses 0.4 in 5 % of
its repetitions. On average, it is as good as the baseline in one case, and worse by
0.02 in the other case; there, it must not be called equivalent with a margin of 0.01.

Power. Scores are simulated, with differences of known standard deviation. The effect
that `summary` calls detectable must be found in 80 % of the comparisons, also if it is
tested together with 11 effects that are 0. Half this effect must be found with its
theoretical power. An effect of exactly `margin` may be called equivalent or negligible
in at most 5 %.

Confidence intervals of the shares have level 99 %, because there are many of them.
"""

from functools import lru_cache, partial
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RepeatedKFold,
    ShuffleSplit,
    train_test_split,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import ExtraTreeClassifier

from sklearn_toydnn import DNNClassifier, compare, compare_candidates, make_triangle
from sklearn_toydnn.comparison import Comparison
from sklearn_toydnn.comparison.estimators import LOOKS, repeat_until_settled
from sklearn_toydnn.comparison.statistics import POWER, detectable_effect, power_of

from .._figures import new_figure
from .._study import Study

ALPHA = 0.05
AT_MOST, ABOUT = "at most", "about"
STD = "standard deviation of differences"
DETECTABLE = "power, detectable effect"
HALF = "power, half the detectable effect"
METRICS = ["accuracy", "balanced_accuracy", "neg_brier_score"]


class Arm(ClassifierMixin, BaseEstimator):
    """Give a classifier a seed that depends on `number`, unless `own_seed` is False.

    Do not rename the class: the seeds that `compare` draws depend on its name.
    """

    def __init__(self, estimator, number, own_seed=True, random_state=None):
        self.estimator = estimator
        self.number = number
        self.own_seed = own_seed
        self.random_state = random_state

    def fit(self, X, y):
        """Fit a clone of the classifier."""
        entropy = [self.random_state, *[self.number] * self.own_seed]
        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        self.estimator_ = clone(self.estimator).set_params(random_state=seed)
        self.estimator_.fit(X, y)
        self.classes_ = self.estimator_.classes_
        return self

    def predict_proba(self, X):
        """Return the probabilities of the classifier."""
        return self.estimator_.predict_proba(X)

    def predict(self, X):
        """Return the labels of the classifier."""
        return self.estimator_.predict(X)


SETS, POINTS = (2, 3, 5, 10), (10, 20, 50)
NEIGHBORS = "2 nearest-neighbor classifiers, 100 points"
SPLITTERS = {
    "KFold(5)": lambda seed: KFold(5),
    "KFold(10)": lambda seed: KFold(10),
    "ShuffleSplit(30)": lambda seed: ShuffleSplit(30, random_state=seed),
    "RepeatedKFold(10, 10)": lambda seed: RepeatedKFold(
        n_splits=10, n_repeats=10, random_state=seed
    ),
}


def tasks(comparisons, trees, nets, overlapping, simulated, block):
    """Yield blocks of comparisons, larger blocks where a comparison takes less time."""
    parts = [
        (_two_trees, trees, block),
        (_five_trees, trees, block),
        (_two_nets, nets, block),
    ]
    for n_folds in SETS:
        parts.append((partial(_search_of_trees, n_folds), comparisons, 5 * block))
    for n, n_points, kind in product(SETS, POINTS, ("fresh", "folds")):
        parts.append((partial(_few_points, n, n_points, kind), comparisons, 10 * block))
    for name in SPLITTERS:
        parts.append((partial(_overlapping, name), overlapping, block))
    for name in SKEWED:
        parts.append((partial(_skewed, name), comparisons, 5 * block))
    for part, n_repeats in product([_detectable, _one_of_12, _at_margin], (10, 30)):
        parts.append((partial(part, n_repeats), simulated, 20 * block))
    for part, n, size in parts:
        for first in range(0, n, size):
            yield {"part": part, "seeds": range(first, min(first + size, n))}


def measure(part, seeds):
    """Return the sum and count of each measure in a block of comparisons."""
    rows = pd.DataFrame(row for seed in seeds for row in part(seed))
    by = ["measure", "setup", "relation", "expected"]
    rows["value"] = rows["value"].astype(float)
    return rows.groupby(by, sort=False, as_index=False)["value"].agg(["sum", "count"])


def _count(measure, setup, value, relation=AT_MOST, expected=ALPHA):
    return {
        "measure": measure,
        "setup": setup,
        "relation": relation,
        "expected": expected,
        "value": value,
    }


# ---- false positives


def _compare(seed, estimator, n, n_repeats, own_seed=True, scoring="accuracy"):
    estimators = {f"estimator {i}": Arm(estimator, i, own_seed) for i in range(n)}
    return compare(
        estimators,
        make_triangle,
        train_size=40,
        test_size=100,
        n_repeats=n_repeats,
        baseline="estimator 0",
        scoring=scoring,
        random_state=seed,
    )


def _judge_first(result, n):
    return _judge(result.scores[result.scores["repeat"] < n])


def _judge(scores, baseline="estimator 0", **options):
    return Comparison(scores, baseline, alpha=ALPHA, **{"test_size": 100, **options})


def _judge_auto(scores, **options):
    """Judge scores as ``n_repeats="auto"`` does."""
    by_repeat = dict(iter(scores.groupby("repeat")))
    return repeat_until_settled(
        lambda repeats: pd.concat(by_repeat[n] for n in repeats),
        lambda so_far: _judge(so_far, looks=len(LOOKS), **options),
    )


def _tidy(scores, metric):
    """Return scores of shape (n_estimators, n_repeats) as a data frame."""
    return pd.DataFrame(
        [
            (repeat, f"estimator {i}", metric, score)
            for (i, repeat), score in np.ndenumerate(scores)
        ],
        columns=["repeat", "estimator", "metric", "score"],
    )


def _is_false_positive(result):
    return result.summary()["verdict"].str.contains("better|worse").any()


def _is_equivalent(result):
    return result.summary()["verdict"].str.contains("equivalent|negligibly").any()


def _two_trees(seed):
    """Judge 10, 30 and "auto" repetitions, out of 80, of two equivalent trees."""
    tree = ExtraTreeClassifier(max_depth=4)
    result = _compare(seed, tree, 2, max(LOOKS))
    for n in (10, 30):
        wrong = _is_false_positive(_judge_first(result, n))
        yield _count("2 trees", f"{n} repetitions", wrong)
    wrong = _is_false_positive(_judge_auto(result.scores))
    yield _count("2 trees", "auto", wrong)
    same_seeds = _compare(seed, tree, 2, 2, own_seed=False)
    for setup, each in [("different seeds", result), ("equal seeds", same_seeds)]:
        yield _count(STD, setup, each.differences()["difference"].std(), "", 0)


def _five_trees(seed):
    """Judge 12 comparisons at once: 4 estimators with the baseline, by 3 metrics."""
    result = _compare(seed, ExtraTreeClassifier(max_depth=4), 5, 30, scoring=METRICS)
    for n in (10, 30):
        wrong = _is_false_positive(_judge_first(result, n))
        yield _count("5 trees, 3 metrics", f"{n} repetitions", wrong)


def _two_nets(seed):
    """Judge two networks that differ only in their seeds."""
    result = _compare(seed, DNNClassifier((10,), epochs=10), 2, 30)
    for n in (10, 30):
        wrong = _is_false_positive(_judge_first(result, n))
        yield _count("2 networks", f"{n} repetitions", wrong)


# ---- few test points


def _few_points(n, n_points, kind, seed):
    """Judge test sets in which each point is misclassified independently."""
    generator = np.random.default_rng([seed, n, n_points, kind == "folds"])
    overlap = 1 / (n - 1) if kind == "folds" else 0.0
    options = {"test_size": n_points, "overlap": overlap}
    sets = f"{n} folds" if kind == "folds" else f"{n} test sets"
    for n_estimators in (2, 5):
        scores = 1 - generator.binomial(n_points, 0.1, (n_estimators, n)) / n_points
        wrong = _is_false_positive(_judge(_tidy(scores, "accuracy"), None, **options))
        yield _count(f"{n_estimators} estimators, {n_points} points", sets, wrong)
    for margin in (0.01, 0.05):
        errors = generator.binomial(n_points, [[0], [margin]], (2, n)) / n_points
        scores = _tidy(1 - errors, "accuracy")
        wrong = _is_equivalent(_judge(scores, margin=margin, **options))
        name = f"false equivalence, margin {margin:g}, {n_points} points"
        yield _count(name, sets, wrong)


def _search_of_trees(n_folds, seed):
    """Judge equivalent candidates of a grid search."""
    X, y = make_triangle(60, random_state=seed)
    tree = Arm(ExtraTreeClassifier(max_depth=4), 0, random_state=seed)
    for n_trees in (2, 5):
        grid = {"number": [*range(n_trees)]}
        search = GridSearchCV(tree, grid, cv=n_folds, refit=False).fit(X, y)
        wrong = _is_false_positive(compare_candidates(search, alpha=ALPHA))
        yield _count(f"search of {n_trees} trees, 60 points", f"{n_folds} folds", wrong)


# ---- overlapping splits


class PartialNeighbor(KNeighborsClassifier):
    """A 1-nearest-neighbor classifier on five of the features."""

    def __init__(self, first, n_neighbors=1):
        super().__init__(n_neighbors)
        self.first = first

    def fit(self, X, y):
        """Fit on the features from `first` on."""
        return super().fit(X[:, self.first : self.first + 5], y)

    def predict(self, X):
        """Return the labels of the nearest neighbors."""
        return super().predict(X[:, self.first : self.first + 5])


def _overlapping(name, seed):
    """Judge equivalent, unstable classifiers on splits of one data set."""
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(100, 10))
    y = (X.sum(axis=1) + generator.normal(size=100) > 0).astype(int)
    estimators = {f"estimator {n}": PartialNeighbor(5 * n) for n in range(2)}
    options = {"cv": SPLITTERS[name](seed), "alpha": ALPHA, "random_state": seed}
    result = compare(estimators, X=X, y=y, **options)
    yield _count(NEIGHBORS, name, _is_false_positive(result))


# ---- skewed differences


def _lognormal(generator):
    return generator.lognormal(0, 1, max(LOOKS)) - np.exp(0.5)


def _naive_bayes(generator):
    return generator.choice(_differences_of_naive_bayes(), max(LOOKS))


@lru_cache
def _differences_of_naive_bayes():
    """Return 4,000 differences of the log losses of two classifiers, with mean 0."""
    losses = []
    for seed in range(4000):
        X, y = make_classification(320, random_state=seed)
        X_train, X_test, y_train, y_test = train_test_split(
            X, y, train_size=20, stratify=y, random_state=seed
        )
        losses.append(
            [
                log_loss(y_test, clf.fit(X_train, y_train).predict_proba(X_test))
                for clf in (GaussianNB(), LogisticRegression())
            ]
        )
    differences = np.subtract(*np.transpose(losses))
    return differences - differences.mean()


def _collapse(generator, mean=0.0):
    """Draw differences of an estimator that loses 0.4 in 5 % of its repetitions."""
    noise = generator.normal(0, 0.01, max(LOOKS))
    return mean + 0.02 + noise - 0.4 * (generator.random(max(LOOKS)) < 0.05)


SKEWED = {
    "lognormal": _lognormal,
    "GaussianNB and logistic regression": _naive_bayes,
    "collapse in 5 % of repetitions": _collapse,
}


def _skewed(name, seed):
    """Judge differences from a skewed distribution with mean 0."""
    generator = np.random.default_rng(seed)
    for setup, result in _by_repetitions(SKEWED[name](generator)):
        wrong = _is_false_positive(result)
        yield _count(name, setup, wrong)
        yield _count(f"{name}, without note", setup, wrong and not result.is_skewed)
    if SKEWED[name] is not _collapse:
        return
    worse = _collapse(generator, mean=-0.02)
    for setup, result in _by_repetitions(worse, margin=0.01):
        yield _count(f"{name}, false equivalence", setup, _is_equivalent(result))


def _by_repetitions(differences, **options):
    """Yield the results of 10, 30 and "auto" repetitions of the differences."""
    scores = _tidy(np.stack([np.zeros(len(differences)), differences]), "utility")
    for n in (10, 30):
        yield f"{n} repetitions", _judge(scores[scores["repeat"] < n], **options)
    yield "auto", _judge_auto(scores, **options)


# ---- power


def _draw(seed, n_repeats, n_estimators, mean, sd):
    """Draw scores; the last estimator is better than the others by `mean`."""
    generator = np.random.default_rng(seed)
    shape = n_estimators, n_repeats
    scores = generator.normal(0.8, 0.02, n_repeats) + np.zeros(shape)
    scores[1:] += generator.normal(0, sd, (n_estimators - 1, n_repeats))
    scores[-1] += mean
    return _tidy(scores, "utility")


def _is_found(scores):
    return _judge(scores).summary()["verdict"].iloc[-1] == "better"


def _detectable(n_repeats, seed, sd=0.01):
    """Count how often a detectable effect is found, and half of it."""
    effect = detectable_effect(n_repeats, ALPHA / 2, POWER)
    half = power_of(effect / 2, n_repeats, ALPHA / 2)
    for name, share, power in [(DETECTABLE, 1, POWER), (HALF, 0.5, half)]:
        scores = _draw(seed, n_repeats, 2, share * effect * sd, sd)
        setup = f"{n_repeats} repetitions"
        yield _count(name, setup, _is_found(scores), ABOUT, power)


def _one_of_12(n_repeats, seed, sd=0.01):
    """Count how often a detectable effect is found beside 11 that are 0."""
    effect = detectable_effect(n_repeats, ALPHA / 12 / 2, POWER)
    scores = _draw(seed, n_repeats, 13, effect * sd, sd)
    name, setup = f"{DETECTABLE}, 1 of 12", f"{n_repeats} repetitions"
    yield _count(name, setup, _is_found(scores), ABOUT, POWER)


def _at_margin(n_repeats, seed, margin=0.01):
    """Judge effects of exactly `margin`, with a small and a large deviation."""
    for share in (0.3, 1.5):
        scores = _draw(seed, n_repeats, 2, margin, share * margin)
        wrong = _is_equivalent(_judge(scores, margin=margin))
        name = f"false equivalence, SD {share:g} margins"
        yield _count(name, f"{n_repeats} repetitions", wrong)


# ---- results


def summary(frame):
    """Return each share with its 99 % interval, and whether it is as expected."""
    by = ["measure", "setup", "relation", "expected"]
    table = frame.groupby(by, sort=False, as_index=False)[["sum", "count"]].sum()
    table["share"] = table["sum"] / table["count"]
    has_target = table["relation"] != ""
    intervals = [
        stats.binomtest(round(row["sum"]), row["count"]).proportion_ci(0.99)
        for _, row in table[has_target].iterrows()
    ]
    table.loc[has_target, ["low", "high"]] = np.array(intervals)
    too_low = (table["high"] < table["expected"]) & (table["relation"] == ABOUT)
    passed = np.where((table["low"] > table["expected"]) | too_low, "no", "yes")
    table["passed"] = np.where(has_target, passed, "")
    columns = ["share", "low", "high", "expected"]
    table[columns] = table[columns].round(4)
    return table[[*by[:2], "count", "share", "low", "high", *by[2:], "passed"]]


def plot(frame):
    """Plot each share with its interval and the expected value."""
    table = summary(frame)
    n_rows = table["relation"].value_counts().max()
    figure, axes = new_figure(1, 2, width=8, height=2 + 0.2 * n_rows)
    for ax, relation in zip(axes[0], [AT_MOST, ABOUT], strict=True):
        rows = table[table["relation"] == relation].reset_index(drop=True)
        ax.hlines(rows.index, rows["low"], rows["high"], "C0", linewidth=2)
        ax.plot(rows["share"], rows.index, "C0o", label="observed, 99 % interval")
        ax.plot(
            *(rows["expected"], rows.index, "k|"),
            markersize=16,
            label=f"expected: {relation} this",
        )
        ax.set_yticks(rows.index, rows["measure"] + ", " + rows["setup"])
        ax.margins(y=0.01)
        ax.invert_yaxis()
        ax.set(xlim=(0, None), xlabel="share of comparisons")
        # Above the axes: an offset below them would be a fraction of their height.
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    return figure


STUDY = Study(
    __name__,
    title="Calibration: how often compare is wrong, and how often it finds an effect",
    alt=(
        "The share of comparisons with a verdict, its interval and the expected value, "
        "for each kind of comparison: at most 0.05 for false verdicts, 0.8 for the "
        "power at a detectable effect."
    ),
    full={
        "comparisons": 1000,
        "trees": 500,
        "nets": 150,
        "overlapping": 500,
        "simulated": 4000,
        "block": 20,
    },
    quick={
        "comparisons": 20,
        "trees": 10,
        "nets": 4,
        "overlapping": 4,
        "simulated": 100,
        "block": 10,
    },
    tasks=tasks,
    measure=measure,
    summary=summary,
    plot=plot,
)
