"""Compare the candidates of a fitted search."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_params,
)
from sklearn.utils.validation import check_is_fitted

from .estimators import SHARED_CONSTRAINTS, SIZE
from .folds import options_for_search
from .metrics import negated_losses, warn_about_undeclared_losses
from .renamed import refuse_old_parameters
from .result import Comparison

_BIASED_BASELINE = (
    "the baseline is the best candidate by these same scores, which biases the "
    "comparison in its favor"
)


@refuse_old_parameters
@validate_params(
    {
        "search": [HasMethods("fit")],
        "baseline": [
            Interval(Integral, 0, None, closed="left"),
            StrOptions({"best"}),
            None,
        ],
        "train_size": [SIZE, None],
        "test_size": [SIZE, None],
        **SHARED_CONSTRAINTS,
    },
    prefer_skip_nested_validation=False,
)
def compare_candidates(
    search,
    *,
    baseline=None,
    train_size=None,
    test_size=None,
    losses=(),
    margin=None,
    scale="difference",
    alpha=0.05,
) -> Comparison:
    """Compare the candidates of a fitted search, using its cross-validation scores.

    The training sets of a search overlap, so its scores vary less than on fresh data.
    The t-test is corrected for the overlap [1]_ [2]_; this is an approximation.
    Greater scores are better, because a search maximizes them.

    Parameters
    ----------
    search : GridSearchCV, RandomizedSearchCV or Pipeline
        A fitted search of scikit-learn, one of another package with similar
        ``cv_results_`` (such as Optuna's), or a pipeline that ends in a search.
        Successive halving is not supported, because it scores candidates on different
        points.

    baseline : int, "best" or None, default=None
        The candidate with which the others are compared, as an index of
        ``cv_results_["params"]``. "best" is ``best_index_``. If the baseline is best
        by these same scores, the comparison is biased in its favor, and the column
        ``note`` says so. None compares every pair.

    train_size, test_size : int, default=None
        The mean sizes of the training and test sets, required if ``search.cv`` does not
        define their ratio. `test_size` also defines the resolution of scores that are
        computed from labels, such as accuracy: the step by which one test point changes
        a score. If neither `test_size` nor ``search.cv`` gives the number of test
        points (a list of splits does, ``KFold`` does not), the resolution is inferred
        from the scores, equivalence of such scores is not claimed, and the column
        ``note`` says so.

    losses : list, tuple or set of str, default=()
        The metrics for which less is better, if a scoring function returns losses
        among its scores.

    margin : float or dict of str to float, default=None
        As in :func:`compare`.

    scale : {"difference", "ratio"}, default="difference"
        As in :func:`compare`.

    alpha : float, default=0.05
        As in :func:`compare`.

    Returns
    -------
    result : Comparison
        As returned by :func:`compare`. Candidates are named by their parameters. The
        column ``seconds`` of ``result.scores`` has each candidate's mean fit time over
        the splits.

    Raises
    ------
    InvalidParameterError
        If a parameter has the wrong type or is out of range.
    NotFittedError
        If the search has not been fitted.
    ValueError
        If the search uses successive halving, or has only one candidate or one split,
        or scores that are not finite. If it lacks the candidates' parameters, or does
        not define the sizes of its splits. If `baseline` does not exist, or `losses`
        names an unknown metric or a negated loss.

    Warns
    -----
    UserWarning
        If a function is named like a loss, but is treated as a score.

    See Also
    --------
    compare : Compare estimators on fresh data.

    Notes
    -----
    The variance of the mean difference over n splits is
    s\u00b2 (1 / n + n_test / n_train), where s is the standard deviation of the
    differences, with n - 1 degrees of freedom, also for repeated splits. Unlike in
    scikit-learn's example "Statistical comparison of models using grid search",
    p-values are two-sided and corrected by Holm's method.

    References
    ----------
    .. [1] C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine
       Learning 52 (2003).
    .. [2] R. R. Bouckaert, E. Frank, "Evaluating the replicability of significance
       tests for comparing learning algorithms", PAKDD (2004).

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_toydnn import compare_candidates, make_triangle
    >>> X, y = make_triangle(400, random_state=0)
    >>> search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 5]}, cv=10)
    >>> compare_candidates(search.fit(X, y)).summary()["verdict"].tolist()
    ['', 'better']
    """
    if isinstance(search, Pipeline):
        search = search[-1]
    check_is_fitted(search, "cv_results_")
    results = search.cv_results_
    if "n_resources" in results:
        raise ValueError(
            "search must not use successive halving, which scores candidates on "
            "different points. Use GridSearchCV or RandomizedSearchCV."
        )
    names = _name_candidates(_params_of_candidates(search))
    scores = _tidy_results(search, names)
    options = options_for_search(search, train_size, test_size)
    is_best = baseline == "best"
    if is_best:
        baseline = getattr(search, "best_index_", None)
        if baseline is None:
            raise ValueError(
                "baseline='best' requires best_index_, which this search does not have "
                "(refit=False). Pass the index of a candidate."
            )
    if baseline is not None:
        if baseline >= len(names):
            raise ValueError(
                f"baseline must be less than the number of candidates, {len(names)}, "
                f"got {baseline}."
            )
        ranks = [results[name][baseline] for name in results if name[:5] == "rank_"]
        options["notes"] += (_BIASED_BASELINE,) if is_best or 1 in ranks else ()
        baseline = names[baseline]
    metrics = scores["metric"].unique()
    negated = negated_losses(search.scoring, metrics)
    options |= {"losses": tuple(losses), "negated": negated}
    warn_about_undeclared_losses(search.scoring, metrics, losses, stacklevel=4)
    return Comparison(scores, baseline, margin, scale, alpha, **options)


def _params_of_candidates(search):
    """Return each candidate's parameters; Optuna's search stores them in `trials_`."""
    if "params" in search.cv_results_:
        return search.cv_results_["params"]
    if hasattr(search, "trials_"):
        return [trial.params for trial in search.trials_]
    raise ValueError(
        "search must have cv_results_['params'], like GridSearchCV, but "
        f"{type(search).__name__} has none. Use compare on its best estimators."
    )


def _tidy_results(search, names):
    """Return the scores of a search in long format; all must be finite."""
    results = search.cv_results_
    means = [name for name in results if name.startswith("mean_test_")]
    scores = pd.DataFrame(
        [
            (repeat, name, mean.removeprefix("mean_test_"), score, seconds)
            for mean in means
            for repeat in range(search.n_splits_)
            for name, score, seconds in zip(
                names,
                results[mean.replace("mean_", f"split{repeat}_", 1)],
                results["mean_fit_time"],
                strict=True,
            )
        ],
        columns=["repeat", "estimator", "metric", "score", "seconds"],
    )
    failed = scores[~np.isfinite(scores["score"])]["estimator"].unique()
    if len(failed):
        raise ValueError(
            f"All scores must be finite, but those of {', '.join(failed)} are not."
        )
    if isinstance(search.scoring, str):
        scores["metric"] = search.scoring
    return scores


def _name_candidates(candidates):
    """Name candidates by their parameters; number those with equal parameters."""
    names = [", ".join(f"{k}={v}" for k, v in params.items()) for params in candidates]
    return [
        name if names.count(name) == 1 else f"{name} (candidate {i})"
        for i, name in enumerate(names)
    ]
