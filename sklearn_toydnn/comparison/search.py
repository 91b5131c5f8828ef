"""What a finished search has scored, compared."""

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

from .estimators import JUDGING, SIZE
from .folds import judging_of_search
from .metrics import negated_losses, warn_of_suspects
from .renamed import refuse_old_parameters
from .result import Comparison

_FLATTERED = "baseline chosen by these same scores, which flatters it"


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
        **JUDGING,
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
    """Compare the candidates of a finished search by the scores it has kept.

    The folds of a search share most of their training points, so that its scores vary
    less than on fresh data: Student's t is corrected for it [1]_ [2]_, which is an
    approximation. A search maximises its scores: greater is better.

    Parameters
    ----------
    search : GridSearchCV, RandomizedSearchCV or Pipeline
        The search, fitted, or another one with their ``cv_results_``, such as Optuna's,
        or a pipeline that ends in one. Successive halving scores its candidates on
        different points, and is refused.

    baseline : int, "best" or None, default=None
        The candidate with which the others are compared, by its place in
        ``cv_results_["params"]``. "best" is ``best_index_``: being best of these same
        scores flatters it, which the column ``note`` says. None compares every pair.

    train_size, test_size : int, default=None
        The mean sizes of training and test sets, where ``search.cv`` does not tell
        their ratio. `test_size` also says how coarse scores are. Without it the scores
        tell, accuracies and the like are never called equivalent, and the column
        ``note`` says so.

    losses : list, tuple or set of str, default=()
        Metrics of which less is better, where a function that returns several scores
        returns losses too.

    margin : float or dict of str to float, default=None
        As in :func:`compare`.

    scale : {"difference", "ratio"}, default="difference"
        As in :func:`compare`.

    alpha : float, default=0.05
        As in :func:`compare`.

    Returns
    -------
    found : Comparison
        As :func:`compare` returns it; candidates are named by their parameters, and
        the seconds are a candidate's mean over the splits.

    Raises
    ------
    InvalidParameterError
        If a parameter has the wrong type or is out of range.
    NotFittedError
        If the search has not been fitted.
    ValueError
        If it is of successive halving, has one candidate or one split only, or scores
        that are not finite; if it has no parameters of candidates; if the sizes are
        needed; if `losses` names no metric.

    Warns
    -----
    UserWarning
        If a plain function that is named like a loss counts as a score.

    See Also
    --------
    compare : Compares on fresh data.

    Notes
    -----
    The variance of a mean difference of n splits is s\u00b2 (1 / n + n_test / n_train),
    with n - 1 degrees of freedom; for repeated splits too. That p-values are two-sided
    and corrected by Holm's method is what differs from scikit-learn's example
    "Statistical comparison of models using grid search".

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
            "search is of successive halving, which scores its candidates on different "
            "points: no pairs to compare."
        )
    names = _name_candidates(_params_of_candidates(search))
    scores = _tidy_results(search, names)
    how = judging_of_search(search, train_size, test_size)
    is_best = baseline == "best"
    if is_best:
        baseline = getattr(search, "best_index_", None)
        if baseline is None:
            raise ValueError("baseline='best': with refit=False there is no best one.")
    if baseline is not None:
        if baseline >= len(names):
            raise ValueError(f"baseline={baseline} of {len(names)} candidates.")
        ranks = [results[name][baseline] for name in results if name[:5] == "rank_"]
        how["notes"] += (_FLATTERED,) if is_best or 1 in ranks else ()
        baseline = names[baseline]
    metrics = scores["metric"].unique()
    negated = negated_losses(search.scoring, metrics)
    how |= {"losses": tuple(losses), "negated": negated}
    warn_of_suspects(search.scoring, metrics, losses, stacklevel=4)
    return Comparison(scores, baseline, margin, scale, alpha, **how)


def _params_of_candidates(search):
    """Return the parameters of each candidate; Optuna's search has them in trials."""
    if "params" in search.cv_results_:
        return search.cv_results_["params"]
    if hasattr(search, "trials_"):
        return [trial.params for trial in search.trials_]
    raise ValueError(
        "search must have cv_results_['params'], as GridSearchCV has: "
        f"{type(search).__name__} has none. Compare its best estimators with compare."
    )


def _tidy_results(search, names):
    """Return the scores of a search, tidy; all must be finite."""
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
        raise ValueError(f"Scores that are not finite have: {', '.join(failed)}.")
    if isinstance(search.scoring, str):
        scores["metric"] = search.scoring
    return scores


def _name_candidates(candidates):
    """Name candidates by their parameters, and where that is not enough by number."""
    names = [", ".join(f"{k}={v}" for k, v in params.items()) for params in candidates]
    return [
        name if names.count(name) == 1 else f"{name} (candidate {i})"
        for i, name in enumerate(names)
    ]
