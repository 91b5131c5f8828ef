"""Estimators compared on fresh data, or on the folds of one data set."""

import warnings
from collections import Counter
from collections.abc import Callable
from inspect import signature
from itertools import pairwise
from numbers import Integral, Real

import joblib
import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_params,
)

from .folds import judging_of_folds
from .renamed import refuse_old_parameters
from .repetition import (
    FixedData,
    FreshData,
    Repetitions,
    draw_entropy,
    takes_validation,
)
from .result import Comparison, check_names
from .scale import DIFFERENCE, RATIO

LOOKS = (10, 20, 40, 80)  # the repetitions after which "auto" looks

LOOKED = (
    f"looks after {', '.join(map(str, LOOKS))} repetitions, each at alpha / "
    f"{len(LOOKS)}, until all is decided: effects come out a little too large"
)
SIZE = Interval(Integral, 1, None, closed="left")
JUDGING = {
    "margin": [Interval(Real, 0, None, closed="neither"), dict, None],
    "losses": [list, tuple, set],
    "scale": [StrOptions({DIFFERENCE, RATIO})],
    "alpha": [Interval(Real, 0, 0.5, closed="neither")],
}


@refuse_old_parameters
@validate_params(
    {
        "estimators": [dict, list, tuple],
        "maker": "no_validation",
        "train_size": [SIZE, None],
        "test_size": [SIZE],
        "val_size": [Interval(Integral, 0, None, closed="left")],
        "X": ["array-like", "sparse matrix", None],
        "y": ["array-like", None],
        "cv": ["cv_object"],
        "groups": ["array-like", None],
        "params": [dict, None],
        "n_repeats": [
            Interval(Integral, 2, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "baseline": [str, None],
        "scoring": [str, callable, list, tuple, set, dict, None],
        **JUDGING,
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "memory": [str, HasMethods("cache"), None],
        "error_score": [StrOptions({"raise"}), Real],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=False,
)
def compare(
    estimators,
    maker=None,
    *,
    train_size=None,
    test_size=4000,
    val_size=0,
    X=None,
    y=None,
    cv=None,
    groups=None,
    params=None,
    n_repeats=30,
    baseline=None,
    scoring=None,
    losses=(),
    margin=None,
    scale="difference",
    alpha=0.05,
    random_state=None,
    n_jobs=None,
    memory=None,
    error_score="raise",
    verbose=0,
) -> Comparison:
    """Compare estimators over repetitions: which is better, and by how much.

    A repetition is a fresh training and test sample from a maker of data and a fresh
    seed for every `random_state` inside the estimators; all of them get the same data
    and seeds. Repetitions are independent, and a paired t-test judges the differences.
    For data that cannot be drawn again, `X`, `y` and `cv` take the place of the maker,
    and the t-test is corrected for training sets that overlap [5]_ [6]_, which is an
    approximation.

    Parameters
    ----------
    estimators : dict of str to estimator, or list of (str, estimator)
        Two or more of scikit-learn's kind: classifiers, pipelines, searches. They are
        cloned. Their own `random_state` does not count: each is set anew in every
        repetition, those of cross-validation splitters too, but not those in the
        grid of a search or under another name. Estimators of one class get one seed.

    maker : callable, default=None
        Draws data: ``maker(n_samples, random_state=...)`` returns `X` and `y`, as
        :func:`make_triangle` and :func:`sklearn.datasets.make_moons` do. It is asked
        once a repetition for all points, which are then shuffled and split. A maker
        with a parameter `n_samples` gets it by name, else it comes first. Give other
        arguments by ``functools.partial(make_moons, noise=0.3)``.

    train_size : int, default=None
        The number of training points. It must be given with a maker.

    test_size : int, default=4000
        The number of test points that a maker draws.

    val_size : int, default=0
        The number of points that a maker draws for validation. They go to ``fit`` as
        `X_val` and `y_val`, by scikit-learn's metadata routing where that is enabled
        (then only to estimators that request them), else to every estimator.

    X : array-like of shape (n_samples, n_features), default=None
        The points, instead of a maker.

    y : array-like of shape (n_samples,), default=None
        Their labels.

    cv : int, cross-validation splitter or iterable, default=None
        Splits `X` and `y`: each split is a repetition. Where sizes differ, the test
        uses the mean sizes. It must be given with `X` and `y`.

    groups : array-like of shape (n_samples,), default=None
        Groups of the points, for splitters that keep them together.

    params : dict of str to object, default=None
        Other arguments of ``fit``, with `X` and `y`, as in
        :func:`sklearn.model_selection.cross_validate`: ``{"sample_weight": weights}``.

    n_repeats : int or "auto", default=30
        The number of repetitions, 2 or more. "auto" looks after 10, 20, 40 and 80,
        and stops where no comparison is undecided. Each look tests at a quarter of
        `alpha` (p-values are multiplied by 4), and intervals are as wide, so that
        looking does not cost validity. It also goes on while differences are skewed. An
        effect that is estimated where it stopped is a little too large: luck in its
        favour ends the search. With `cv`, its splits are the repetitions.

    baseline : str, default=None
        The estimator with which the others are compared; None compares every pair.
        One that is chosen by the same scores is flattered by them.

    scoring : str, callable, list, tuple, set, dict or None, default=None
        The scores, as in :func:`sklearn.model_selection.cross_validate`. Greater is
        better for every scorer, as everywhere in scikit-learn, unless `losses` names
        the metric. A function of fitted estimator, `X` and `y` may return a dict of
        scores, also of the fit. The name of a metric is its key in a dict, else the
        function's.

    losses : list, tuple or set of str, default=()
        The metrics of which less is better. A plain function whose name ends in "loss"
        or "error" and is not declared here counts as a score, with a warning.

    margin : float or dict of str to float, default=None
        The smallest difference of interest, more than 0, or one for each of some
        metrics: 0.005 of an accuracy is half a point, 0.1 of a ratio is 1.1. Without
        it, verdicts are "better", "worse" or "undecided".

    scale : {"difference", "ratio"}, default="difference"
        Whether scores are compared by their difference or errors (1 - score) and
        losses by their ratio, that of the baseline to that of the estimator, on
        average on a logarithmic scale. ``margin=0.1`` is then from 1/1.1 to 1.1.
        An error of 0, which has no ratio, counts as half a test point's, or as half of
        the smallest other error if that is less; a loss of 0 as half of the smallest
        other loss. scikit-learn's scorers tell by their sign which metrics are losses,
        `losses` names others; other scores outside of [0, 1] are an error.

    alpha : float, default=0.05
        The level of the tests, in (0, 0.5): where no estimator differs, the chance
        that any is called better or worse nevertheless.

    random_state : int, RandomState instance or None, default=None
        Determines data and seeds. Pass an int for the same scores on every call: the
        first repetitions are then the same for any number of them.

    n_jobs : int, default=None
        The number of repetitions at the same time, as everywhere in scikit-learn; with
        ``joblib.parallel_config("dask")`` on a cluster.

    memory : str, joblib.Memory or None, default=None
        Where to keep scores, your own folder: started again, a comparison takes from
        there what it had finished. They are known by the data, the estimator with its
        seeds, `scoring`, and the code of these: the versions of packages and, of your
        own, functions and classes as they are loaded, with those that they use. What
        cannot be known again is not kept, with a warning: ``random_state=None``, and
        what has no name in a module, as lambdas.

    error_score : "raise" or float, default="raise"
        The scores of an estimator that fails in a repetition, with a warning; "raise"
        raises an error. Both name the estimator. A number must be finite, and is
        compared as other scores are: 0 is the best of losses. An OSError, as of a full
        disk, is always raised.

    verbose : int, default=0
        Whether to show a bar with the time that is left.

    Returns
    -------
    found : Comparison
        The scores, in ``found.scores``: a frame with columns repeat, estimator,
        metric, score and seconds (of the fit). ``found.summary()`` has a row per
        estimator or pair, with the verdict. ``found.n_repeats_for(0.005)`` tells how
        many repetitions a difference would take.

    Raises
    ------
    InvalidParameterError
        If a parameter has the wrong type or is out of range.
    ValueError
        If there is one estimator only, if the baseline is none of them, if there is
        neither a maker nor data or both, if a maker gives one class, if a score is not
        finite, if a score such as recall is not defined because no test point has some
        label, if `losses` names no metric, or if an estimator fails.

    Warns
    -----
    FitFailedWarning
        If an estimator fails and `error_score` is a number.
    UserWarning
        If scores cannot be kept in `memory`; if a plain function that is named like a
        loss counts as a score.

    See Also
    --------
    compare_candidates : The same for what a search has scored.
    ComparisonDisplay : A picture of it.

    Notes
    -----
    Let d be the difference to the baseline, positive where the estimator is better,
    and s the smallest difference of interest [3]_, `margin`; -s to s is also called
    the region of practical equivalence [4]_. The verdict is

    ========================  ==========================================================
    better                    d = 0 is rejected, d is positive, d < s is not shown
    better, negligibly        the same, but d < s is shown
    worse; worse, negligibly  the same with -d for d
    equivalent                d = 0 is not rejected, and -s < d < s is shown
    undecided                 none of these: there may be a difference of interest
    ========================  ==========================================================

    "better" says that there is a difference, which may be as large as s, or not.
    d = 0 is tested two-sided, and -s < d < s by two one-sided tests [2]_ (of which the
    nearer decides), all with Student's t. Holm's method [1]_ corrects the p-values
    over all rows of the summary, pairs and metrics alike, and those of s over their
    own: the chance of one wrong "better", "worse" (negligibly or not) among all is at
    most `alpha`, and so is that of one wrong "equivalent" or "negligibly", under the
    condition below. Each interval has the level to which Holm's method held its test,
    and so agrees with the verdict; it is an interval per comparison, not one of a
    simultaneous family. A comparison that is continued because of what was found, by
    ``found.extend`` or by another call, no longer has this level; the former says so.

    Scores made of labels (accuracy, F1 and the like) change by whole test points. Their
    differences are taken to vary at least as much as rounding to one test point does.
    Equal differences have the p-value of the sign-flip test, 2 / 2**n. "equivalent"
    needs enough test points, at least 3 / s of them in all for one comparison at
    ``alpha=0.05``; the printed result says how many. Ratios of fewer than two errors a
    test set are never shown to be small.

    The levels hold on one condition: points err independently and differences are not
    too skewed. Of 100 comparisons of estimators that do not differ so many are wrong
    for skewed differences, by ``python -m benchmarks calibration``:

    ==================================  ==============  ==============  ====
    differences                         10 repetitions  30 repetitions  auto
    ==================================  ==============  ==============  ====
    lognormal                           16.2            13.4            13.1
    GaussianNB and logistic regression  12.5            9.6             10.5
    collapse in 5 of 100                59.7            21.4            59.7
    ==================================  ==============  ==============  ====

    No test mends this, since it cannot allow for an event that was not seen. The column
    ``note`` says where differences are skewed; beside "equivalent" and "negligibly" it
    says how often a failure could have gone unseen, 1 - 0.05**(1 / n).

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure",
       Scandinavian Journal of Statistics 6 (1979).
    .. [2] D. J. Schuirmann, "A comparison of the two one-sided tests procedure and the
       power approach for assessing the equivalence of average bioavailability",
       Journal of Pharmacokinetics and Biopharmaceutics 15 (1987).
    .. [3] D. Lakens, A. M. Scheel, P. M. Isager, "Equivalence testing for psychological
       research: a tutorial", Advances in Methods and Practices in Psychological Science
       1 (2018): the smallest effect size of interest.
    .. [4] J. K. Kruschke, "Rejecting or accepting parameter values in Bayesian
       estimation", the same journal and year.
    .. [5] C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine
       Learning 52 (2003).
    .. [6] R. R. Bouckaert, E. Frank, "Evaluating the replicability of significance
       tests for comparing learning algorithms", PAKDD (2004): repeated splits.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_toydnn import compare, make_triangle
    >>> trees = {f"depth {n}": DecisionTreeClassifier(max_depth=n) for n in (1, 4)}
    >>> found = compare(
    ...     trees, make_triangle, train_size=100, n_repeats=10, baseline="depth 1",
    ...     scoring="accuracy", margin=0.01, random_state=0,
    ... )
    >>> found.summary()["verdict"].tolist()
    ['', 'better']
    """
    estimators = _named_estimators(estimators)
    check_names([*estimators], baseline)
    if error_score != "raise" and not np.isfinite(error_score):
        raise ValueError(f"error_score must be finite or 'raise', not {error_score}.")
    sizes = {"train_size": train_size, "test_size": test_size, "val_size": val_size}
    if _asks_for_fresh_data(maker, X, y, cv):
        if groups is not None or params is not None:
            raise ValueError("groups and params are for X, y and cv, not for a maker.")
        data, judging = _fresh(estimators, maker, **sizes)
    else:
        _check_are_defaults(**sizes, n_repeats=n_repeats)
        data, judging = _fixed(estimators, X, y, cv, groups, params)
        n_repeats = len(data.splits)
    if isinstance(scoring, set):
        scoring = sorted(scoring)  # in one order in all processes
    check_scoring(next(iter(estimators.values())), scoring)
    entropy = draw_entropy(random_state)
    if isinstance(data, FreshData):
        data.check(entropy)
    fingerprints = None
    if memory is not None:
        fingerprints = _fingerprint_all(random_state, estimators, maker, scoring)
    repetitions = Repetitions(
        estimators,
        data,
        scoring,
        entropy,
        error_score,
        memory,
        fingerprints,
        tuple(losses),
    )
    if n_repeats == "auto":
        judging |= {"looks": len(LOOKS), "notes": (LOOKED,)}

    def score(repeats):
        return repetitions.score(repeats, scale, margin, n_jobs, verbose)

    def judge(scores):
        negated = repetitions.negated(scores["metric"].unique())
        return Comparison(
            scores,
            baseline,
            margin,
            scale,
            alpha,
            losses=tuple(losses),
            negated=negated,
            **judging,
            _repetitions=repetitions,
        )

    if n_repeats == "auto":
        return look(score, judge)
    return judge(score(range(n_repeats)))


def look(
    score: Callable[[range], pd.DataFrame],
    judge: Callable[[pd.DataFrame], Comparison],
) -> Comparison:
    """Score repetitions until a look finds no comparison undecided, and none skewed."""
    scores = None
    for first, last in pairwise([0, *LOOKS]):
        scores = pd.concat([scores, score(range(first, last))], ignore_index=True)
        found = judge(scores)
        if found.is_settled:
            break
    return found


# ---- what is asked for


def _named_estimators(estimators):
    """Return a dict of estimators, also of a list of pairs; check names and values."""
    pairs = [*(estimators.items() if isinstance(estimators, dict) else estimators)]
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(
                "estimators must be a dict, or a list of pairs (name, estimator): it "
                f"has {pair!r}."
            )
        name, estimator = pair
        is_estimator = hasattr(estimator, "get_params")
        if not (isinstance(name, str) and is_estimator) or isinstance(estimator, type):
            raise ValueError(
                "estimators must have names, which are str, and estimators: it has "
                f"{name!r}: {estimator!r}."
            )
    named = dict(pairs)
    if len(named) < len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"estimators must have different names, got {name!r} twice.")
    return named


def _asks_for_fresh_data(maker, X, y, cv):
    """Return whether a maker is given, and not data; one of them must be, whole."""
    if not (maker is None or callable(maker)):
        raise TypeError(
            "maker must be a function that draws points, as make_triangle is, got "
            f"{type(maker).__name__}. Give data as X=X, y=y and cv=10."
        )
    if maker is not None and X is None and y is None and cv is None:
        return True
    if maker is not None or X is None or y is None:
        raise ValueError(
            "Either a maker must be given, or X, y and cv: neither or both cannot be."
        )
    if cv is None:
        raise ValueError("cv must be given with X and y: cv=10, say.")
    return False


def _fresh(estimators, maker, train_size, test_size, val_size):
    """Return data that a maker draws, and how scores on them are judged."""
    if train_size is None:
        raise ValueError("train_size must be given: how many points maker draws.")
    names = {name for net in estimators.values() for name in net.get_params()}
    searched = any(name.rpartition("__")[2] == "cv" for name in names)
    if val_size == train_size + test_size or (val_size == train_size and searched):
        # scikit-learn splits metadata as long as the points as it does these.
        raise ValueError(
            f"val_size={val_size}: as many validation points as there are others would "
            "be taken for theirs, and split. Take one less."
        )
    if val_size and not takes_validation(estimators.values()):
        raise ValueError(
            "val_size: no estimator requests X_val. With metadata routing enabled, "
            "call set_fit_request(X_val=True, y_val=True) on those that take it."
        )
    return FreshData(maker, train_size, test_size, val_size), {"test_size": test_size}


def _fixed(estimators, X, y, cv, groups, params):
    """Return the splits of one data set, and how scores on them are judged."""
    check_consistent_length(X, y, groups)
    classifier = all(map(is_classifier, estimators.values()))
    places = np.arange(len(y))
    splits = [
        (places[train], places[test])  # also where they are masks
        for train, test in check_cv(cv, y, classifier=classifier).split(X, y, groups)
    ]
    if len(splits) < 2:
        raise ValueError("cv gives fewer than two splits: two are needed.")
    return FixedData(X, y, splits, params or {}), judging_of_folds(splits)


def _check_are_defaults(**given):
    parameters = signature(compare).parameters
    if any(value != parameters[name].default for name, value in given.items()):
        raise ValueError(
            "train_size, test_size, val_size and n_repeats (also 'auto') are for a "
            "maker: with cv, its splits decide."
        )


def _fingerprint_all(random_state, estimators, maker, scoring):
    """Return, by estimator, what scores are known by beside data and seeds.

    Or warn that nothing is kept, and why.
    """
    # Here, since TensorFlow takes seconds to import.
    from .._engine.fingerprint import NoFingerprint
    from .code_fingerprint import fingerprint_code

    parts = {"maker": maker, "scoring": scoring}
    parts |= {f"estimator {name!r}": net for name, net in estimators.items()}
    why_not, known = "with random_state=None, no two are meant to be the same", {}
    try:
        if random_state is not None:
            for name, part in parts.items():
                why_not = name
                known[name] = fingerprint_code(part)
            # The maker does not count: its points are hashed themselves.
            return {
                name: known[f"estimator {name!r}"]
                + known["scoring"]
                + joblib.hash([net, scoring])
                for name, net in estimators.items()
            }
    except NoFingerprint as error:
        why_not += f" cannot be known again: {error}"
    warnings.warn(f"memory: nothing is kept: {why_not}.", stacklevel=5)
    return None
