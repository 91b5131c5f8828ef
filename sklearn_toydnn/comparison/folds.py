"""Sizes of the splits of one data set, and how their scores are tested."""

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
    "splits of one data set are not independent: the corrected resampled t-test is an "
    "approximation"
)
# scikit-learn's default share of test points if neither size is given.
_TEST_SHARES = {ShuffleSplit: 0.1, StratifiedShuffleSplit: 0.1, GroupShuffleSplit: 0.2}


def options_for_splits(splits: Iterable[tuple]) -> dict[str, Any]:
    """Return the parameters of `Comparison` for splits of one data set."""
    n_train, n_test = np.mean(
        [[_n_points(indices) for indices in split] for split in splits], axis=0
    )
    return _options(n_train, n_test, float(n_test))


def options_for_search(
    search: Any, train_size: int | None, test_size: int | None
) -> dict[str, Any]:
    """Return the parameters of `Comparison` for the splits of a search."""
    if train_size is not None and test_size is not None:
        return _options(train_size, test_size, test_size)
    cv = check_cv(search.cv)
    if isinstance(search.cv, list | PredefinedSplit):
        return options_for_splits(cv.split())
    sizes = _relative_sizes(cv, search.n_splits_)
    if sizes is None:
        raise ValueError(
            "train_size and test_size must be given, because "
            f"{type(cv).__name__} does not define the sizes of its splits. They are "
            "the mean numbers of training and test points per split."
        )
    if isinstance(cv, LeaveOneOut):
        test_size = 1
    return _options(*sizes, test_size)


def _options(n_train, n_test, test_size):
    return {"overlap": n_test / n_train, "test_size": test_size, "notes": (_OVERLAP,)}


def _n_points(indices):
    indices = np.asarray(indices)
    return int(indices.sum()) if indices.dtype == bool else len(indices)


def _relative_sizes(cv, n_splits):
    """Return the mean training and test sizes, up to a common factor; None if unknown.

    A subclass may split differently from its base class, so its sizes are unknown.
    """
    kind = type(cv)
    if kind in (KFold, StratifiedKFold, GroupKFold, StratifiedGroupKFold):
        return cv.n_splits - 1, 1
    if kind in (RepeatedKFold, RepeatedStratifiedKFold):
        return cv.cvargs["n_splits"] - 1, 1
    if kind in (LeaveOneOut, LeaveOneGroupOut):
        return n_splits - 1, 1
    if kind in _TEST_SHARES:
        return _relative_shuffle_sizes(cv.train_size, cv.test_size, _TEST_SHARES[kind])
    is_plain = kind is TimeSeriesSplit and not cv.gap
    if is_plain and cv.max_train_size is None and cv.test_size is None:
        # The n-th of k splits trains on n of k + 1 parts and tests on the next part.
        return cv.n_splits + 1, 2
    return None


def _relative_shuffle_sizes(train, test, default):
    """Return both sizes of a shuffled split, if their ratio is defined, else None."""
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
