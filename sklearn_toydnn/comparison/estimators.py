"""Compare estimators on fresh data, or on the splits of one data set."""

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

from .folds import options_for_splits
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

LOOKS = (10, 20, 40, 80)  # the numbers of repetitions after which "auto" tests

LOOKS_NOTE = (
    f"interim looks after {', '.join(map(str, LOOKS))} repetitions, each at alpha / "
    f"{len(LOOKS)}, until no comparison is undecided or skewed: effects are slightly "
    "overestimated"
)
SIZE = Interval(Integral, 1, None, closed="left")
SHARED_CONSTRAINTS = {
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
        **SHARED_CONSTRAINTS,
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
    """Compare estimators over repetitions: test which is better, and by how much.

    In each repetition, `maker` draws new training and test sets, and every
    `random_state` in the estimators gets a new seed. All estimators get the same data
    and seeds. Repetitions are independent, and paired t-tests compare the scores.

    For fixed data, pass `X`, `y` and `cv` instead of `maker`. The t-test is then
    corrected for overlapping training sets [5]_ [6]_; this is an approximation.

    Parameters
    ----------
    estimators : dict of str to estimator, or list of (str, estimator)
        Two or more scikit-learn estimators by name: classifiers, pipelines or searches.
        They are cloned. In every repetition, each `random_state` is replaced by a new
        seed, also that of a shuffling cross-validation splitter. Seeds in the grid of a
        search, and seeds with another name, are not replaced. Estimators of the same
        class get the same seed.

    maker : callable, default=None
        A function that draws data: ``maker(n_samples, random_state=...)`` returns `X`
        and `y`, like :func:`make_triangle` and :func:`sklearn.datasets.make_moons`. One
        call draws all points of a repetition, which are then shuffled and split.
        `n_samples` is passed by name if the maker has such a parameter, else as the
        first argument. Set other arguments with
        ``functools.partial(make_moons, noise=0.3)``.

    train_size : int, default=None
        The number of training points, required with a maker.

    test_size : int, default=4000
        The number of test points that a maker draws.

    val_size : int, default=0
        The number of validation points that a maker draws. They are passed to ``fit``
        as `X_val` and `y_val`: to every estimator or, if scikit-learn's metadata
        routing is enabled, only to estimators that request them.

    X : array-like of shape (n_samples, n_features), default=None
        The points of a fixed data set, instead of a maker.

    y : array-like of shape (n_samples,), default=None
        The labels of `X`.

    cv : int, cross-validation splitter or iterable, default=None
        The splits of `X` and `y`. This parameter is required if these are given. Each
        split is a repetition. If the sizes of splits differ, the test uses their means.

    groups : array-like of shape (n_samples,), default=None
        Group labels of the points, for splitters that keep groups together.

    params : dict of str to object, default=None
        Other arguments of ``fit``, such as ``{"sample_weight": weights}``, as in
        :func:`sklearn.model_selection.cross_validate`. They require `X` and `y`.

    n_repeats : int or "auto", default=30
        The number of repetitions, 2 or more. "auto" tests after 10, 20, 40 and 80
        repetitions, and stops if no comparison is undecided and no differences are
        skewed. Each of these interim looks tests at `alpha` / 4 (p-values are
        multiplied by 4, and intervals are widened accordingly), so the false positive
        rate remains at most `alpha`. Effects are slightly overestimated, because large
        observed effects stop it early. With `cv`, each split is a repetition.

    baseline : str, default=None
        The estimator with which the others are compared; None compares every pair. If
        you choose it by the same scores, the comparison is biased in its favor.

    scoring : str, callable, list, tuple, set, dict or None, default=None
        The metrics, as in :func:`sklearn.model_selection.cross_validate`. Greater is
        better, as everywhere in scikit-learn, unless `losses` names the metric. A
        function of the fitted estimator, `X` and `y` may return a dict of scores. These
        may also describe the fit, such as the number of epochs. A metric is
        named after its key in a dict, or after the function.

    losses : list, tuple or set of str, default=()
        The metrics for which less is better. A function whose name ends in "loss" or
        "error" and that is not declared here is treated as a score, with a warning.

    margin : float or dict of str to float, default=None
        The equivalence margin: the smallest effect of interest. It must be more than 0.
        A dict sets it for some metrics. For accuracies, 0.005 is half a percentage
        point; for ratios, 0.1 is a factor of 1.1. Without a margin, verdicts are
        "better", "worse" or "undecided".

    scale : {"difference", "ratio"}, default="difference"
        The effect. "difference" is the mean difference of scores. "ratio" is the
        geometric mean of the ratios of errors (1 - score) or losses, baseline /
        estimator: above 1 is better. ``margin=0.1`` then means from 1/1.1 to 1.1.
        An error of 0 is replaced by the smaller of two values: 0.5 / `test_size`, and
        half of the smallest positive error. A loss of 0 is replaced by half of the
        smallest positive loss. Scorers that negate a loss, such as "neg_log_loss", are
        recognized; declare other losses in `losses`. Scores that are not losses must be
        in [0, 1], else an error is raised.

    alpha : float, default=0.05
        The significance level of all tests together, in (0, 0.5): if no estimators
        differ, the maximum probability that any verdict is "better" or "worse".

    random_state : int, RandomState instance or None, default=None
        Determines data and seeds. Pass an int for reproducible scores. The first
        repetitions are then the same for any `n_repeats`.

    n_jobs : int, default=None
        The number of repetitions that run in parallel, as everywhere in scikit-learn.
        With ``joblib.parallel_config("dask")`` they run on a cluster.

    memory : str, joblib.Memory or None, default=None
        The folder in which scores are cached. It is read with pickle, so it must be one
        that only you can write to. If you repeat a comparison, finished fits are not
        repeated. The cache key consists of the data, the estimator with its seeds,
        `scoring`, and their code. For a package, its version represents the code. For
        user-defined functions and classes, the key contains the loaded code and
        everything that it uses. Nothing is cached, with a warning, if `random_state` is
        None, or if a function or class cannot be imported by name, such as a lambda.

    error_score : "raise" or float, default="raise"
        The value that replaces an estimator's scores in a repetition in which it fails;
        a warning names the estimator. "raise" raises an error instead, which also names
        it. A number must be finite, and is compared like any other score: if the metric
        is a loss, 0 would be the best value. An OSError, such as for a full disk, is
        always raised.

    verbose : int, default=0
        Whether to show a progress bar with the remaining time.

    Returns
    -------
    result : Comparison
        The scores and tests. ``result.scores`` is a DataFrame with the columns repeat,
        estimator, metric, score and seconds (of the fit). ``result.summary()`` has one
        row per estimator or pair, with its verdict. ``result.n_repeats_for(0.005)``
        estimates how many repetitions are needed to detect a difference of 0.005.

    Raises
    ------
    InvalidParameterError
        If a parameter has the wrong type or is out of range.
    ValueError
        If there is only one estimator, or the baseline is not an estimator. If neither
        or both of a maker and data are given. If a maker returns only one class. If a
        score is not finite, or is undefined because no test point has a certain label
        (recall, for example). If `losses` names an unknown metric or a negated loss. If
        an estimator fails.

    Warns
    -----
    FitFailedWarning
        If an estimator fails and `error_score` is a number.
    UserWarning
        If scores cannot be cached in `memory`. If a function is named like a loss, but
        is treated as a score. If a maker's data are not reproducible.

    See Also
    --------
    compare_candidates : Compare the candidates of a fitted search.
    ComparisonDisplay : Plot a comparison.

    Notes
    -----
    Let d be the expected difference from the baseline, positive if the estimator is
    better, and s the `margin`, the smallest effect of interest [3]_. The interval from
    -s to s is also called the region of practical equivalence [4]_. The verdicts are:

    ========================  ==========================================================
    better                    d = 0 is rejected, the estimate of d is positive, and
                              -s < d < s is not shown
    better, negligibly        the same, but -s < d < s is shown
    worse; worse, negligibly  the same, for a negative estimate of d
    equivalent                d = 0 is not rejected, and -s < d < s is shown
    undecided                 d = 0 is not rejected, and -s < d < s is not shown:
                              there may be a difference of interest
    ========================  ==========================================================

    "better" means that there is a difference; it may be smaller or larger than s.
    All tests are t-tests: two-sided for d = 0, and two one-sided tests (TOST) [2]_,
    whose larger p-value counts, for -s < d < s. Holm's method [1]_ corrects the
    p-values of d = 0 over all rows of the summary, that is, all pairs and metrics, and
    separately the p-values of equivalence. Under the assumptions below, the probability
    of any wrong "better" or "worse" (negligibly or not) is thus at most `alpha`, and so
    is the probability of any wrong "equivalent" or "negligibly". Each confidence
    interval uses the significance level at which Holm's method tested its hypothesis,
    and therefore agrees with the verdict. Intervals are per comparison, not
    simultaneous. If you add repetitions because of a result, with ``result.extend`` or
    another call, these error rates no longer hold; ``extend`` adds a note.

    Scores of predicted labels (such as accuracy and F1) change in steps of one test
    point. The standard deviation of their differences is taken to be at least that of a
    rounding error, which is one test point divided by the square root of 12. If all
    differences are equal to within one test point, the p-value is at least that of the
    sign-flip test, 2 / 2**n for n repetitions. "equivalent" requires enough test
    points: at least 3 / s in total for one comparison at ``alpha=0.05``; the printed
    result states the number. For ratios of errors, "equivalent" and "negligibly" also
    require at least two errors per test set, on average, of each estimator.

    The error rates assume that test points are misclassified independently and that
    differences are not too skewed. The table shows the false positive rates in percent
    for skewed differences between estimators that do not differ on average, with
    ``alpha=0.05``. In the last row, one estimator is 0.02 better, but loses 0.4 in 5 %
    of its repetitions. ``python -m benchmarks calibration`` measured these rates.

    ==================================  ==============  ==============  ====
    differences                         10 repetitions  30 repetitions  auto
    ==================================  ==============  ==============  ====
    lognormal                           16.2            13.4            13.1
    GaussianNB and logistic regression  12.5            9.6             10.5
    collapse in 5 % of repetitions      59.7            21.4            59.7
    ==================================  ==============  ==============  ====

    No test can correct for this, because rare events may be missing from the sample.
    The column ``note`` marks skewed differences. For "equivalent" and "negligibly", it
    also gives the upper 95 % confidence limit of the rate of failures that were never
    observed, 1 - 0.05**(1 / n).

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure",
       Scandinavian Journal of Statistics 6 (1979).
    .. [2] D. J. Schuirmann, "A comparison of the two one-sided tests procedure and the
       power approach for assessing the equivalence of average bioavailability",
       Journal of Pharmacokinetics and Biopharmaceutics 15 (1987).
    .. [3] D. Lakens, A. M. Scheel, P. M. Isager, "Equivalence testing for psychological
       research: a tutorial", Advances in Methods and Practices in Psychological Science
       1 (2018).
    .. [4] J. K. Kruschke, "Rejecting or accepting parameter values in Bayesian
       estimation", Advances in Methods and Practices in Psychological Science 1 (2018).
    .. [5] C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine
       Learning 52 (2003).
    .. [6] R. R. Bouckaert, E. Frank, "Evaluating the replicability of significance
       tests for comparing learning algorithms", PAKDD (2004).

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_toydnn import compare, make_triangle
    >>> trees = {f"depth {n}": DecisionTreeClassifier(max_depth=n) for n in (1, 4)}
    >>> result = compare(
    ...     trees, make_triangle, train_size=100, n_repeats=10, baseline="depth 1",
    ...     scoring="accuracy", margin=0.01, random_state=0,
    ... )
    >>> result.summary()["verdict"].tolist()
    ['', 'better']
    """
    estimators = _named_estimators(estimators)
    check_names([*estimators], baseline)
    if error_score != "raise" and not np.isfinite(error_score):
        raise ValueError(f"error_score must be finite or 'raise', got {error_score}.")
    sizes = {"train_size": train_size, "test_size": test_size, "val_size": val_size}
    if _is_fresh_data(maker, X, y, cv):
        if groups is not None or params is not None:
            raise ValueError("groups and params require X, y and cv, not a maker.")
        data, options = _fresh_data(estimators, maker, **sizes)
    else:
        _check_are_defaults(**sizes, n_repeats=n_repeats)
        data, options = _fixed_data(estimators, X, y, cv, groups, params)
        n_repeats = len(data.splits)
    if isinstance(scoring, set):
        scoring = sorted(scoring)  # the same order in all processes
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
        options |= {"looks": len(LOOKS), "notes": (LOOKS_NOTE,)}

    def score(repeats):
        return repetitions.score(repeats, scale, margin, n_jobs, verbose)

    def make_comparison(scores):
        negated = repetitions.negated(scores["metric"].unique())
        return Comparison(
            scores,
            baseline,
            margin,
            scale,
            alpha,
            losses=tuple(losses),
            negated=negated,
            **options,
            _repetitions=repetitions,
        )

    if n_repeats == "auto":
        return repeat_until_settled(score, make_comparison)
    return make_comparison(score(range(n_repeats)))


def repeat_until_settled(
    score: Callable[[range], pd.DataFrame],
    make_comparison: Callable[[pd.DataFrame], Comparison],
) -> Comparison:
    """Add repetitions until all comparisons are decided and none is skewed."""
    scores = None
    for first, last in pairwise([0, *LOOKS]):
        scores = pd.concat([scores, score(range(first, last))], ignore_index=True)
        result = make_comparison(scores)
        if result.is_settled:
            break
    return result


# ---- parameters


def _named_estimators(estimators):
    """Return the estimators as a dict, after a check of names and values."""
    pairs = [*(estimators.items() if isinstance(estimators, dict) else estimators)]
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(
                "estimators must be a dict or a list of pairs (name, estimator), got "
                f"the item {pair!r}."
            )
        name, estimator = pair
        is_estimator = hasattr(estimator, "get_params")
        if not (isinstance(name, str) and is_estimator) or isinstance(estimator, type):
            raise ValueError(
                "estimators must map names (str) to estimator instances, got "
                f"{name!r}: {estimator!r}."
            )
    named = dict(pairs)
    if len(named) < len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"estimators must have unique names, got {name!r} twice.")
    return named


def _is_fresh_data(maker, X, y, cv):
    """Return whether a maker is given; check that either it or all data are given."""
    if not (maker is None or callable(maker)):
        raise TypeError(
            "maker must be a function that draws points, such as make_triangle, got "
            f"{type(maker).__name__}. Pass a data set as X=X, y=y, cv=10."
        )
    if maker is not None and X is None and y is None and cv is None:
        return True
    if maker is not None or X is None or y is None:
        raise ValueError("Pass either maker, or X, y and cv, but not both.")
    if cv is None:
        raise ValueError("cv must be given with X and y, for example cv=10.")
    return False


def _fresh_data(estimators, maker, train_size, test_size, val_size):
    """Return data that a maker draws, and the parameters of `Comparison` for them."""
    if train_size is None:
        raise ValueError("train_size must be given with maker.")
    names = {name for net in estimators.values() for name in net.get_params()}
    has_inner_cv = any(name.rpartition("__")[2] == "cv" for name in names)
    if val_size == train_size + test_size or (val_size == train_size and has_inner_cv):
        # scikit-learn splits metadata whose length equals that of X.
        raise ValueError(
            f"val_size={val_size} is not supported: scikit-learn would also split the "
            "validation set, because it has as many points as the data to split. "
            "Reduce val_size by 1."
        )
    if val_size and not takes_validation(estimators.values()):
        raise ValueError(
            "val_size was given, but no estimator requests X_val. Metadata routing is "
            "enabled: call set_fit_request(X_val=True, y_val=True) on estimators that "
            "use validation data."
        )
    return FreshData(maker, train_size, test_size, val_size), {"test_size": test_size}


def _fixed_data(estimators, X, y, cv, groups, params):
    """Return data with their splits, and the parameters of `Comparison` for them."""
    check_consistent_length(X, y, groups)
    classifier = all(map(is_classifier, estimators.values()))
    rows = np.arange(len(y))
    splits = [
        (rows[train], rows[test])  # splitters may return masks
        for train, test in check_cv(cv, y, classifier=classifier).split(X, y, groups)
    ]
    if len(splits) < 2:
        raise ValueError(f"cv must have at least two splits, got {len(splits)}.")
    return FixedData(X, y, splits, params or {}), options_for_splits(splits)


def _check_are_defaults(**values):
    """Raise a ValueError if a parameter of makers is given with fixed data."""
    parameters = signature(compare).parameters
    if any(value != parameters[name].default for name, value in values.items()):
        raise ValueError(
            "train_size, test_size, val_size and n_repeats require a maker. With X, y "
            "and cv, the splits define them."
        )


def _fingerprint_all(random_state, estimators, maker, scoring):
    """Return the fingerprint of each estimator with `scoring`, for cache keys.

    If there is none, warn that scores are not cached, and return None.
    """
    # Imported here because TensorFlow takes seconds to import.
    from .._engine.fingerprint import NoFingerprint
    from .code_fingerprint import fingerprint_code

    parts = {"maker": maker, "scoring": scoring}
    parts |= {f"estimator {name!r}": net for name, net in estimators.items()}
    reason, codes = "random_state=None draws new seeds in every call", {}
    try:
        if random_state is not None:
            for name, part in parts.items():
                reason = name
                codes[name] = fingerprint_code(part)
            # Cache keys contain the maker's points, so they need not contain its code.
            return {
                name: codes[f"estimator {name!r}"]
                + codes["scoring"]
                + joblib.hash([net, scoring])
                for name, net in estimators.items()
            }
    except NoFingerprint as error:
        reason = f"no cache key can be computed for {reason}: {error}"
    warnings.warn(f"memory: scores are not cached, because {reason}.", stacklevel=5)
    return None
