"""Checks, encodes and splits points, labels and weights."""

from dataclasses import replace
from math import floor
from numbers import Real

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_array,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from .._engine.records import Data, Points
from .._numbers import check_not_dates

_ALL_ZERO = (
    "All products of sample_weight and class_weight are zero. At least one must be "
    "positive."
)


def check_points(clf, X, y="no_validation", *, reset=False):
    """Check X, and y if given, as scikit-learn's classifiers do, and return them.

    If `reset` is true, store the number and names of the features; otherwise compare
    them with the stored ones.
    """
    has_labels = not isinstance(y, str)
    if has_labels:
        _check_is_one_label(y)
    # A value too large for float32 raises an error below.
    with np.errstate(over="ignore"):
        checked = validate_data(clf, X, y, reset=reset, dtype=clf.dtype)
    check_not_dates(X, "X")
    if has_labels:
        check_classification_targets(checked[1])
    return checked


def _check_is_one_label(y):
    """Raise an error if a point has more than one label."""
    y = np.asarray(y)
    if y.ndim != 2 or y.shape[1] < 2 or y.dtype.kind not in "biuf":
        return
    if np.isin(y, (0, 1)).all():
        if (y.sum(axis=1) == 1).all():
            raise ValueError(
                f"y must be a 1d array of labels, got one-hot rows of shape {y.shape}. "
                "Pass y.argmax(axis=1) instead."
            )
        raise ValueError(
            "y must be a 1d array of labels, got several labels per point (shape "
            f"{y.shape}). Use OneVsRestClassifier(DNNClassifier()), which fits one "
            "network per label."
        )


def _check_weights(clf, sample_weight, X, y):
    """Return sample weights times class weights, or None if there are neither."""
    if sample_weight is None and clf.class_weight is None:
        return None
    if isinstance(clf.class_weight, dict):
        _check_class_weight(clf)
    if not isinstance(sample_weight, Real | None):
        n_weights = _num_samples(sample_weight)
        if n_weights != len(X):
            raise ValueError(
                f"sample_weight has {n_weights} rows, but X has {len(X)}. A pipeline "
                "cannot route sample weights past a step that adds rows."
            )
    sample_weight = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True, copy=True
    )
    if clf.class_weight is not None:
        with np.errstate(over="ignore"):  # overflow raises an error in scale_weights
            sample_weight *= weigh_classes(clf.class_weight, clf.classes_, y)
    if not sample_weight.any():
        raise ValueError(_ALL_ZERO)
    return sample_weight


def _check_class_weight(clf):
    for weight in clf.class_weight.values():
        if not isinstance(weight, Real) or not 0 <= weight < np.inf:
            raise InvalidParameterError(
                f"The 'class_weight' parameter of {type(clf).__name__} must map "
                "labels to finite, non-negative numbers. Got "
                f"{clf.class_weight!r} instead."
            )


def weigh_classes(class_weight, classes, y):
    """Return the class weight of each label; `y` need not contain every class."""
    if class_weight == "balanced":
        return compute_sample_weight(class_weight, y)
    weights = compute_class_weight(class_weight, classes=classes, y=classes)
    return weights[encode(y, classes, "y")]


def encode(y, classes, name):
    """Return the indices of labels in `classes`; raise an error for other labels."""
    codes = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    unseen = y[classes[codes] != y]
    if len(unseen):
        raise ValueError(
            f"{name} contains labels that are not in classes_: "
            f"{np.unique(unseen).tolist()}."
        )
    return codes


# ---- training and validation data


def encode_training_data(clf, plan, X, y, sample_weight):
    """Return the training points; weights, if any, are in float64."""
    sample_weight = _check_weights(clf, sample_weight, X, y)
    points = Points(X, plan.encode(encode(y, clf.classes_, "y")), sample_weight)
    # Rows of weight 0 would still take a place in a batch. Without them, a weight of 0
    # is equivalent to removing the row.
    return points if sample_weight is None else points[sample_weight != 0]


def split(clf, plan, training, X_val, y_val, seed):
    """Return training and validation data: given, drawn at random or the last rows."""
    if X_val is not None or y_val is not None:
        X_val, y_val = _check_validation_points(clf, X_val, y_val)
        codes = encode(y_val, clf.classes_, "y_val")
        data = Data(training, Points(X_val, plan.encode(codes)))
    elif clf.early_stopping and not clf.validation_split:
        labels = clf.classes_[plan.decode(training.targets)]
        data = _hold_out(training, clf.validation_fraction, seed, labels)
    else:
        data = _split_off(training, clf.validation_split)
    return replace(data, score_weights=_score_weights(clf, plan, data.validation))


def _score_weights(clf, plan, validation):
    """Return the class weights of `X_val` for early stopping, or None if not needed."""
    # Points that were held out already have weights, which include class weights.
    is_weighted = validation.weights is not None
    if not clf.early_stopping or clf.class_weight is None or is_weighted:
        return None
    labels = clf.classes_[plan.decode(validation.targets)]
    return weigh_classes(clf.class_weight, clf.classes_, labels)


def scale_weights(data, dtype, *, normalize):
    """Return the data with weights, if any, converted to the dtype.

    If `normalize` is true, divide them by their mean over the training points, so that
    their scale does not change the size of a gradient step.
    """
    weights = data.training.weights
    if weights is None:
        return data
    scale = 1.0
    if normalize:
        scale = weights.max()  # prevents overflow, and makes equal weights exactly 1
        scale *= (weights / scale).mean()

    def scaled(weights):
        if weights is None:
            return None
        with np.errstate(over="ignore", under="ignore"):
            weights = (weights / scale).astype(dtype)
        if not np.isfinite(weights).all():
            raise ValueError(
                "sample_weight times class_weight contains values that are too large "
                f"for {dtype}."
            )
        return weights

    data = Data(
        replace(data.training, weights=scaled(data.training.weights)),
        replace(data.validation, weights=scaled(data.validation.weights)),
        data.score_weights,
    )
    if not data.training.weights.any():
        raise ValueError(_ALL_ZERO)
    return data


def _check_validation_points(clf, X_val, y_val):
    """Check and return the validation points and labels that `fit` was given."""
    if X_val is None or y_val is None:
        raise ValueError("Pass both X_val and y_val, got only one of them.")
    if clf.validation_split:
        raise ValueError(
            "Pass either validation_split or X_val, but not both. Got "
            f"validation_split={clf.validation_split}."
        )
    try:
        # Checks only the feature names. The errors do not mention X_val.
        validate_data(clf, X_val, reset=False, skip_check_array=True, ensure_2d=False)
    except ValueError as error:
        raise ValueError(f"X_val does not have the features of X: {error}") from error
    check_not_dates(X_val, "X_val")
    X_val = check_array(X_val, dtype=clf.dtype, input_name="X_val")
    if X_val.shape[1] != clf.n_features_in_:
        raise ValueError(
            f"X_val has {X_val.shape[1]} features, but X has {clf.n_features_in_}."
        )
    y_val = column_or_1d(y_val, input_name="y_val")
    check_consistent_length(X_val, y_val)
    return X_val, y_val


def _split_off(training, validation_split):
    """Hold out the last rows."""
    n_rows = len(training)
    n_train = floor(n_rows * (1 - validation_split))
    if validation_split and not 0 < n_train < n_rows:
        raise ValueError(
            f"validation_split={validation_split} of {n_rows} points leaves no point "
            "for training or for validation. Use another fraction or more points."
        )
    return Data(training[:n_train], training[n_train:])


def _hold_out(training, validation_fraction, seed, labels):
    """Hold out a stratified sample of the rows, which the seed determines."""
    try:
        rows = train_test_split(
            np.arange(len(labels)),
            test_size=validation_fraction,
            random_state=seed,
            stratify=labels,
        )
    except ValueError as error:
        raise ValueError(
            f"validation_fraction={validation_fraction} cannot hold out a stratified "
            f"sample from {len(labels)} points. Use another fraction, more points or "
            f"X_val. The reason: {error}"
        ) from error
    return Data(*(training[np.sort(part)] for part in rows))
