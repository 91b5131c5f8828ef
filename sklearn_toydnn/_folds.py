"""Folds of one data set: how many points train and test, and how that is judged."""

import numpy as np
from sklearn.model_selection import (
    KFold,
    PredefinedSplit,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
    StratifiedShuffleSplit,
    check_cv,
)

_OVERLAP = "training sets overlap: corrected resampled t-test"


def judging_of_folds(cv, train_size, test_size):
    """Return how scores of overlapping training sets are judged."""
    if (
        train_size is None
        and test_size is None
        and isinstance(cv, list | PredefinedSplit)
    ):
        train_size, test_size = _count(check_cv(cv).split())
    sizes = train_size, test_size
    if None in sizes:
        sizes = _tell_sizes(check_cv(cv))
    if sizes is None:
        raise ValueError(
            "train_size and test_size must be given: cv does not tell how many points "
            f"each split has: {cv}."
        )
    return {
        "overlap": sizes[1] / sizes[0],
        "test_size": test_size,
        "notes": (_OVERLAP,),
    }


def _count(splits):
    """Return the sizes of training and test sets; an error unless all are the same."""
    sizes = sorted({(_n_points(train), _n_points(test)) for train, test in splits})
    if len(sizes) > 1:
        raise ValueError(
            "cv gives splits of different sizes, from "
            + " to ".join(f"{n} and {m}" for n, m in (sizes[0], sizes[-1]))
            + " points for training and testing: the t-test for training sets that "
            "overlap needs them equal. Leave out points until folds are of one size, "
            "or take ShuffleSplit or StratifiedShuffleSplit."
        )
    return sizes[0]


def _n_points(indices):
    indices = np.asarray(indices)
    return int(indices.sum()) if indices.dtype == bool else len(indices)


def _tell_sizes(cv):
    """Return the sizes of training and test sets, up to a factor, or None."""
    if type(cv) in (KFold, StratifiedKFold):
        return cv.n_splits - 1, 1
    if type(cv) in (RepeatedKFold, RepeatedStratifiedKFold):
        return cv.cvargs["n_splits"] - 1, 1
    if type(cv) in (ShuffleSplit, StratifiedShuffleSplit):
        return _tell_shares(cv.train_size, cv.test_size)
    return None


def _tell_shares(train, test):
    """Return both sizes of a shuffled split, where they tell a ratio."""
    if train is None and test is None:
        test = 0.1  # scikit-learn's default
    shares = [size for size in (train, test) if isinstance(size, float)]
    if len(shares) == 2 or not (shares or train is None or test is None):
        return train, test
    if len(shares) == 1 and train is None:
        return 1 - test, test
    if len(shares) == 1 and test is None:
        return train, 1 - train
    return None
