"""Folds of one data set: how many points train and test, and how that is judged."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    PredefinedSplit,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
    check_cv,
)

_OVERLAP = (
    "splits of one data set depend on each other: corrected resampled t-test, an "
    "approximation"
)
# The share of test points where neither size is given, as scikit-learn documents it.
_TEST_SHARES = {ShuffleSplit: 0.1, StratifiedShuffleSplit: 0.1, GroupShuffleSplit: 0.2}


def judging_of_folds(splits: Iterable[tuple]) -> dict[str, Any]:
    """Return how scores of the splits of one data set are judged: by mean sizes."""
    n_train, n_test = np.mean(
        [[_n_points(indices) for indices in split] for split in splits], axis=0
    )
    return _judging(n_train, n_test, float(n_test))


def judging_of_search(
    search: Any, train_size: int | None, test_size: int | None
) -> dict[str, Any]:
    """Return how the scores of a search are judged: by the sizes its splitter tells."""
    if train_size is not None and test_size is not None:
        return _judging(train_size, test_size, test_size)
    cv = check_cv(search.cv)
    if isinstance(search.cv, list | PredefinedSplit):
        return judging_of_folds(cv.split())
    sizes = _tell_sizes(cv, search.n_splits_)
    if sizes is None:
        raise ValueError(
            "train_size and test_size must be given, the mean numbers of training and "
            f"test points of a split: {type(cv).__name__} does not tell them."
        )
    if isinstance(cv, LeaveOneOut):
        test_size = 1
    return _judging(*sizes, test_size)


def _judging(n_train, n_test, test_size):
    return {"overlap": n_test / n_train, "test_size": test_size, "notes": (_OVERLAP,)}


def _n_points(indices):
    indices = np.asarray(indices)
    return int(indices.sum()) if indices.dtype == bool else len(indices)


def _tell_sizes(cv, n_splits):
    """Return the mean sizes of training and test sets, up to a factor, or None."""
    kind = type(cv)
    if kind in (KFold, StratifiedKFold, GroupKFold, StratifiedGroupKFold):
        return cv.n_splits - 1, 1
    if kind in (RepeatedKFold, RepeatedStratifiedKFold):
        return cv.cvargs["n_splits"] - 1, 1
    if kind in (LeaveOneOut, LeaveOneGroupOut):
        return n_splits - 1, 1
    if kind in _TEST_SHARES:
        return _tell_shares(cv.train_size, cv.test_size, _TEST_SHARES[kind])
    is_plain = kind is TimeSeriesSplit and not cv.gap
    if is_plain and cv.max_train_size is None and cv.test_size is None:
        # The n-th of k splits trains on n of k + 1 parts and tests on the next.
        return cv.n_splits + 1, 2
    return None


def _tell_shares(train, test, default):
    """Return both sizes of a shuffled split, where they tell a ratio."""
    if train is None and test is None:
        test = default
    shares = [size for size in (train, test) if isinstance(size, float)]
    if len(shares) == 2 or not (shares or train is None or test is None):
        return train, test
    if len(shares) == 1 and train is None:
        return 1 - test, test
    if len(shares) == 1 and test is None:
        return train, 1 - train
    return None
