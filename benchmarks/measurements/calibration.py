"""Whether `compare` is right: how often its verdicts are wrong, and find what there is.

Nothing to find. Arms share data and settings, but draw a seed each: with common seeds
all differences would be 0, which is measured too. Of every 100 comparisons at most 5
should call an arm better or worse, negligibly or not. Of the trees' 80 repetitions the
first 10 and 30 are judged, and all of them as ``n_repeats="auto"`` looks at them.

Few test points. Each of 10, 20 or 50 test points is missed with a probability of 0.1 by
each of two or five arms, of which every pair is compared, by 2 to 10 test sets: fresh
ones, or the folds of one data set. Where one arm never errs and the other one misses a
point with a probability of exactly `margin`, at most 5 of 100 may be equivalent. The
same of trees that are the candidates of a real search, on 60 points; each has one seed
in all folds, whose luck repeats.

Overlapping splits. Two 1-nearest neighbours look at five features each, of ten that are
alike; the corrected test is an approximation for them.

Skewed differences, centred, so that there is nothing to find. Student's t does not have
its level for these, and no other test would: a rare event that was not seen cannot be
allowed for. They are reported as they are, and how often without a note. GaussianNB
meets logistic regression by log loss, on 20 training points: differences are drawn from
4,000 that were measured. An arm that collapses in 5 of 100 repetitions, by 0.4, is as
good as the other one on average; or it is worse by 0.02, and must not be equivalent to
within 0.01.

Something to find, in scores that are drawn, with a spread that is known: a difference
as large as `detectable`, which is found in 80 of 100, also where it is one of 12; half
of it; and one of exactly `margin`, which is called equivalent or negligible in at
most 5. Intervals have a confidence of 99 %, for there are many of them.
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
from sklearn_toydnn.comparison.estimators import LOOKS, look
from sklearn_toydnn.comparison.statistics import POWER, detectable_effect, power_of

from .._figures import new_figure
from .._study import Study

LEVEL = 0.05
AT_MOST, AS_OFTEN = "at most", "as often as"
SPREAD = "spread of a difference"
METRICS = ["accuracy", "balanced_accuracy", "neg_brier_score"]


class Arm(ClassifierMixin, BaseEstimator):
    """A classifier that draws a seed of its own; without `own_seed`, the common one."""

    def __init__(self, estimator, arm, own_seed=True, random_state=None):
        self.estimator = estimator
        self.arm = arm
        self.own_seed = own_seed
        self.random_state = random_state

    def fit(self, X, y):
        """Fit a clone."""
        words = [self.random_state, *[self.arm] * self.own_seed]
        seed = int(np.random.SeedSequence(words).generate_state(1)[0])
        self.estimator_ = clone(self.estimator).set_params(random_state=seed)
        self.estimator_.fit(X, y)
        self.classes_ = self.estimator_.classes_
        return self

    def predict_proba(self, X):
        """Return the classifier's probabilities."""
        return self.estimator_.predict_proba(X)

    def predict(self, X):
        """Return the classifier's labels."""
        return self.estimator_.predict(X)


SETS, POINTS = (2, 3, 5, 10), (10, 20, 50)
NEIGHBOURS = "2 nearest neighbours, 100 points"
SPLITTERS = {
    "KFold(5)": lambda seed: KFold(5),
    "KFold(10)": lambda seed: KFold(10),
    "ShuffleSplit(30)": lambda seed: ShuffleSplit(30, random_state=seed),
    "RepeatedKFold(10, 10)": lambda seed: RepeatedKFold(
        n_splits=10, n_repeats=10, random_state=seed
    ),
}


def tasks(comparisons, trees, nets, overlapping, drawn, block):
    """List blocks of comparisons; those of scores that are drawn take less."""
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
    for part, n_repeats in product([_detectable, _one_of_12, _smallest], (10, 30)):
        parts.append((partial(part, n_repeats), drawn, 20 * block))
    for part, n, size in parts:
        for first in range(0, n, size):
            yield {"part": part, "seeds": range(first, min(first + size, n))}


def measure(part, seeds):
    """Return a row for each thing that is counted."""
    rows = pd.DataFrame(row for seed in seeds for row in part(seed))
    by = ["measure", "how", "relation", "expected"]
    rows["value"] = rows["value"].astype(float)
    return rows.groupby(by, sort=False, as_index=False)["value"].agg(["sum", "count"])


def _count(measure, how, value, relation=AT_MOST, expected=LEVEL):
    return {
        "measure": measure,
        "how": how,
        "relation": relation,
        "expected": expected,
        "value": value,
    }


# ---- nothing to find


def _compare(seed, estimator, n_arms, n_repeats, own_seed=True, scoring="accuracy"):
    arms = {f"arm {i}": Arm(estimator, i, own_seed) for i in range(n_arms)}
    return compare(
        arms,
        make_triangle,
        train_size=40,
        test_size=100,
        n_repeats=n_repeats,
        baseline="arm 0",
        scoring=scoring,
        random_state=seed,
    )


def _first(found, n):
    return _judge(found.scores[found.scores["repeat"] < n])


def _judge(scores, baseline="arm 0", **how):
    return Comparison(scores, baseline, alpha=LEVEL, **{"test_size": 100, **how})


def _looked(scores, **how):
    """Judge scores as ``n_repeats="auto"`` does."""
    by_repeat = dict(iter(scores.groupby("repeat")))
    return look(
        lambda repeats: pd.concat(by_repeat[n] for n in repeats),
        lambda so_far: _judge(so_far, looks=len(LOOKS), **how),
    )


def _tidy(scores, metric):
    """Return scores of shape (n_arms, n_repeats) as a frame."""
    return pd.DataFrame(
        [
            (repeat, f"arm {arm}", metric, score)
            for (arm, repeat), score in np.ndenumerate(scores)
        ],
        columns=["repeat", "estimator", "metric", "score"],
    )


def _is_wrong(found):
    return found.summary()["verdict"].str.contains("better|worse").any()


def _is_equivalent(found):
    return found.summary()["verdict"].str.contains("equivalent|negligibly").any()


def _two_trees(seed):
    """Judge 80 repetitions of two arms, after 10, after 30, and by looking."""
    tree = ExtraTreeClassifier(max_depth=4)
    found = _compare(seed, tree, 2, max(LOOKS))
    for n in (10, 30):
        yield _count("2 trees", f"{n} repetitions", _is_wrong(_first(found, n)))
    looked = _looked(found.scores)
    yield _count("2 trees", "auto", _is_wrong(looked))
    yield _count(SPREAD, "own seeds", found.differences()["difference"].std(), "", 0)
    same = _compare(seed, tree, 2, 2, own_seed=False)
    yield _count(SPREAD, "common seeds", same.differences()["difference"].std(), "", 0)


def _five_trees(seed):
    """Judge 12 comparisons at once."""
    found = _compare(seed, ExtraTreeClassifier(max_depth=4), 5, 30, scoring=METRICS)
    for n in (10, 30):
        wrong = _is_wrong(_first(found, n))
        yield _count("5 trees, 3 metrics", f"{n} repetitions", wrong)


def _two_nets(seed):
    """Judge networks."""
    found = _compare(seed, DNNClassifier((10,), epochs=10), 2, 30)
    for n in (10, 30):
        yield _count("2 networks", f"{n} repetitions", _is_wrong(_first(found, n)))


# ---- few test points


def _few_points(n, n_points, kind, seed):
    """Judge test sets whose points err by themselves."""
    generator = np.random.default_rng([seed, n, n_points, kind == "folds"])
    how = {"test_size": n_points, "overlap": 1 / (n - 1) if kind == "folds" else 0.0}
    sets = f"{n} folds" if kind == "folds" else f"{n} test sets"
    for n_arms in (2, 5):
        scores = 1 - generator.binomial(n_points, 0.1, (n_arms, n)) / n_points
        wrong = _is_wrong(_judge(_tidy(scores, "accuracy"), None, **how))
        yield _count(f"{n_arms} arms, {n_points} points", sets, wrong)
    for margin in (0.01, 0.05):
        errors = generator.binomial(n_points, [[0], [margin]], (2, n)) / n_points
        scores = _tidy(1 - errors, "accuracy")
        wrong = _is_equivalent(_judge(scores, margin=margin, **how))
        name = f"calls {margin:g} smaller than {margin:g}, {n_points} points"
        yield _count(name, sets, wrong)


def _search_of_trees(n_folds, seed):
    """Judge the candidates of a search that do not differ."""
    X, y = make_triangle(60, random_state=seed)
    arms = Arm(ExtraTreeClassifier(max_depth=4), 0, random_state=seed)
    for n_arms in (2, 5):
        grid = {"arm": [*range(n_arms)]}
        search = GridSearchCV(arms, grid, cv=n_folds, refit=False).fit(X, y)
        wrong = _is_wrong(compare_candidates(search, alpha=LEVEL))
        yield _count(f"search of {n_arms} trees, 60 points", f"{n_folds} folds", wrong)


# ---- overlapping splits


class Neighbour(KNeighborsClassifier):
    """The nearest neighbour by some of the features."""

    def __init__(self, first, n_neighbors=1):
        super().__init__(n_neighbors)
        self.first = first

    def fit(self, X, y):
        """Fit."""
        return super().fit(X[:, self.first : self.first + 5], y)

    def predict(self, X):
        """Return the neighbour's labels."""
        return super().predict(X[:, self.first : self.first + 5])


def _overlapping(name, seed):
    """Judge unstable learners that do not differ by splits of one data set."""
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(100, 10))
    y = (X.sum(axis=1) + generator.normal(size=100) > 0).astype(int)
    arms = {f"arm {n}": Neighbour(5 * n) for n in range(2)}
    how = {"cv": SPLITTERS[name](seed), "alpha": LEVEL, "random_state": seed}
    found = compare(arms, X=X, y=y, **how)
    yield _count(NEIGHBOURS, name, _is_wrong(found))


# ---- skewed differences


def _lognormal(generator):
    return generator.lognormal(0, 1, max(LOOKS)) - np.exp(0.5)


def _naive_bayes(generator):
    return generator.choice(_differences_of_naive_bayes(), max(LOOKS))


@lru_cache
def _differences_of_naive_bayes():
    """Return 4,000 differences of two classifiers' log losses, centred."""
    losses = []
    for seed in range(4000):
        X, y = make_classification(320, random_state=seed)
        X, rest, y, labels = train_test_split(
            X, y, train_size=20, stratify=y, random_state=seed
        )
        losses.append(
            [
                log_loss(labels, net.fit(X, y).predict_proba(rest))
                for net in (GaussianNB(), LogisticRegression())
            ]
        )
    differences = np.subtract(*np.transpose(losses))
    return differences - differences.mean()


def _collapse(generator, mean=0.0):
    """Draw differences to an arm that loses 0.4 in 5 of 100 repetitions."""
    noise = generator.normal(0, 0.01, max(LOOKS))
    return mean + 0.02 + noise - 0.4 * (generator.random(max(LOOKS)) < 0.05)


SKEWED = {
    "lognormal": _lognormal,
    "GaussianNB and logistic regression": _naive_bayes,
    "collapse in 5 of 100": _collapse,
}


def _skewed(name, seed):
    """Judge differences that are 0 on average, of a skewed distribution."""
    generator = np.random.default_rng(seed)
    for how, found in _by_repetitions(SKEWED[name](generator)):
        wrong = _is_wrong(found)
        yield _count(name, how, wrong)
        yield _count(f"{name}, not noted", how, wrong and not found.is_skewed)
    if SKEWED[name] is not _collapse:
        return
    worse = _collapse(generator, mean=-0.02)
    for how, found in _by_repetitions(worse, margin=0.01):
        yield _count(f"{name}: equivalent", how, _is_equivalent(found))


def _by_repetitions(differences, **how):
    """Yield what 10, 30 and as many repetitions as it takes say of differences."""
    scores = _tidy(np.stack([np.zeros(len(differences)), differences]), "utility")
    for n in (10, 30):
        yield f"{n} repetitions", _judge(scores[scores["repeat"] < n], **how)
    yield "auto", _looked(scores, **how)


# ---- something to find


def _draw(seed, n_repeats, n_arms, mean, sd):
    """Draw scores of arms, the last of which is so much better than the first."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(0.8, 0.02, n_repeats) + np.zeros((n_arms, n_repeats))
    scores[1:] += generator.normal(0, sd, (n_arms - 1, n_repeats))
    scores[-1] += mean
    return _tidy(scores, "utility")


def _finds(scores):
    return _judge(scores).summary()["verdict"].iloc[-1] == "better"


def _detectable(n_repeats, seed, sd=0.01):
    """Look for a detectable difference, and for half of it."""
    effect = detectable_effect(n_repeats, LEVEL / 2, POWER)
    half = power_of(effect / 2, n_repeats, LEVEL / 2)
    for name, share, power in [("detectable", 1, POWER), ("half of it", 0.5, half)]:
        scores = _draw(seed, n_repeats, 2, share * effect * sd, sd)
        how = f"{n_repeats} repetitions"
        yield _count(f"finds {name}", how, _finds(scores), AS_OFTEN, power)


def _one_of_12(n_repeats, seed, sd=0.01):
    """Look for a detectable difference among 11 that are none."""
    effect = detectable_effect(n_repeats, LEVEL / 12 / 2, POWER)
    scores = _draw(seed, n_repeats, 13, effect * sd, sd)
    name, how = "finds detectable, 1 of 12", f"{n_repeats} repetitions"
    yield _count(name, how, _finds(scores), AS_OFTEN, POWER)


def _smallest(n_repeats, seed, margin=0.01):
    """Judge differences of exactly `margin`, quiet and loud ones."""
    for share in (0.3, 1.5):
        scores = _draw(seed, n_repeats, 2, margin, share * margin)
        wrong = _is_equivalent(_judge(scores, margin=margin))
        name = f"calls margin smaller, spread {share:g} times it"
        yield _count(name, f"{n_repeats} repetitions", wrong)


# ---- results


def summary(frame):
    """Return the share of each with its 99 % interval, and whether it holds."""
    by = ["measure", "how", "relation", "expected"]
    table = frame.groupby(by, sort=False, as_index=False)[["sum", "count"]].sum()
    table["share"] = table["sum"] / table["count"]
    counted = table["relation"] != ""
    tests = [
        stats.binomtest(round(row["sum"]), row["count"]).proportion_ci(0.99)
        for _, row in table[counted].iterrows()
    ]
    table.loc[counted, ["low", "high"]] = np.array(tests)
    too_seldom = (table["high"] < table["expected"]) & (table["relation"] == AS_OFTEN)
    holds = np.where((table["low"] > table["expected"]) | too_seldom, "no", "yes")
    table["holds"] = np.where(counted, holds, "")
    columns = ["share", "low", "high", "expected"]
    table[columns] = table[columns].round(4)
    return table[[*by[:2], "count", "share", "low", "high", *by[2:], "holds"]]


def plot(frame):
    """Draw each share with its interval, and what it should be."""
    table = summary(frame)
    n_rows = table["relation"].value_counts().max()
    figure, axes = new_figure(1, 2, width=8, height=2 + 0.2 * n_rows)
    for ax, relation in zip(axes[0], [AT_MOST, AS_OFTEN], strict=True):
        rows = table[table["relation"] == relation].reset_index(drop=True)
        ax.hlines(rows.index, rows["low"], rows["high"], "C0", linewidth=2)
        ax.plot(rows["share"], rows.index, "C0o", label="found, 99 % interval")
        ax.plot(
            *(rows["expected"], rows.index, "k|"),
            markersize=16,
            label=f"should be {relation} this",
        )
        ax.set_yticks(rows.index, rows["measure"] + ", " + rows["how"])
        ax.margins(y=0.01)
        ax.invert_yaxis()
        ax.set(xlim=(0, None), xlabel="share of comparisons")
        # Above: below so many rows a share of their height is far away.
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    return figure


STUDY = Study(
    __name__,
    title="Calibration: how often compare is wrong, and finds what there is",
    alt=(
        "For each kind of comparison the share with such a verdict, its interval and "
        "what it should be: at most 0.05 where there is nothing to find, 0.8 where "
        "there is a detectable difference."
    ),
    full={
        "comparisons": 1000,
        "trees": 500,
        "nets": 150,
        "overlapping": 500,
        "drawn": 4000,
        "block": 20,
    },
    quick={
        "comparisons": 20,
        "trees": 10,
        "nets": 4,
        "overlapping": 4,
        "drawn": 100,
        "block": 10,
    },
    tasks=tasks,
    measure=measure,
    summary=summary,
    plot=plot,
)
