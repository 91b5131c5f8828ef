"""Whether `compare` is right: how often its verdicts are wrong, and find what there is.

Nothing to find. Arms share data and settings, but draw a seed each: with common seeds
all differences would be 0, which is measured too. Of every 100 comparisons at most 5
should call an arm better or worse, negligibly or not. Of the trees' 80 repetitions the
first 10 and 30 are judged, and all of them as ``n_repeats="auto"`` looks at them.

Something to find, in scores that are drawn, with a spread that is known: a difference
as large as `detectable`, which is found in 80 of 100, also where it is one of 12; half
of it; and one of exactly `smallest`, which is called equivalent or negligible in at
most 5. Intervals have a confidence of 99 %, for there are many of them.
"""

from functools import partial
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.tree import ExtraTreeClassifier
from statsmodels.stats.power import TTestPower

from sklearn_toydnn import DNNClassifier, compare, make_triangle
from sklearn_toydnn._ttest import POWER, detectable_effect
from sklearn_toydnn.comparison import LOOKS, Comparison, look

from .._repetitions import new_figure
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


def tasks(comparisons, nets, drawn, block):
    """List blocks of comparisons; those of scores that are drawn take less."""
    parts = [
        (_two_trees, comparisons, block),
        (_five_trees, comparisons, block),
        (_two_nets, nets, block),
    ]
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


def _judge(scores, **how):
    return Comparison(scores, "arm 0", alpha=LEVEL, **how)


def _is_wrong(found):
    return found.summary()["verdict"].str.contains("better|worse").any()


def _two_trees(seed):
    """Judge 80 repetitions of two arms, after 10, after 30, and by looking."""
    tree = ExtraTreeClassifier(max_depth=4)
    found = _compare(seed, tree, 2, max(LOOKS))
    for n in (10, 30):
        yield _count("2 trees", f"{n} repetitions", _is_wrong(_first(found, n)))
    scores = dict(iter(found.scores.groupby("repeat")))
    looked = look(
        lambda repeats: pd.concat(scores[n] for n in repeats),
        lambda so_far: _judge(so_far, looks=len(LOOKS)),
    )
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


# ---- something to find


def _draw(seed, n_repeats, n_arms, mean, sd):
    """Draw scores of arms, the last of which is so much better than the first."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(0.8, 0.02, n_repeats) + np.zeros((n_arms, n_repeats))
    scores[1:] += generator.normal(0, sd, (n_arms - 1, n_repeats))
    scores[-1] += mean
    return pd.DataFrame(
        [
            (repeat, f"arm {arm}", "accuracy", score)
            for (arm, repeat), score in np.ndenumerate(scores)
        ],
        columns=["repeat", "estimator", "metric", "score"],
    )


def _finds(scores):
    return _judge(scores).summary()["verdict"].iloc[-1] == "better"


def _detectable(n_repeats, seed, sd=0.01):
    """Look for a detectable difference, and for half of it."""
    effect = detectable_effect(n_repeats, LEVEL / 2, POWER)
    half = TTestPower().power(effect / 2, n_repeats, LEVEL / 2, alternative="larger")
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


def _smallest(n_repeats, seed, smallest=0.01):
    """Judge differences of exactly `smallest`, quiet and loud ones."""
    for share in (0.3, 1.5):
        scores = _draw(seed, n_repeats, 2, smallest, share * smallest)
        verdict = _judge(scores, smallest=smallest).summary()["verdict"].iloc[-1]
        wrong = verdict == "equivalent" or "negligibly" in verdict
        name = f"calls smallest smaller, spread {share:g} times it"
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
    figure, axes = new_figure(1, 2, width=8)
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
        ax.invert_yaxis()
        ax.set(xlim=(0, None), xlabel="share of comparisons")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), frameon=False)
    return figure


STUDY = Study(
    __name__,
    title="Calibration: how often compare is wrong, and finds what there is",
    alt=(
        "For each kind of comparison the share with such a verdict, its interval and "
        "what it should be: at most 0.05 where there is nothing to find, 0.8 where "
        "there is a detectable difference."
    ),
    full={"comparisons": 1000, "nets": 200, "drawn": 4000, "block": 20},
    quick={"comparisons": 40, "nets": 4, "drawn": 100, "block": 20},
    tasks=tasks,
    measure=measure,
    summary=summary,
    plot=plot,
)
