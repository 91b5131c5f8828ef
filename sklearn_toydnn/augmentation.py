"""Gaussian noise on the training set, as in the paper's "Data augmentation".

Both estimators change the points while a pipeline is fitted, but not when it predicts.
Their ``std`` is in the units of their input. If they come before a scaler, these are
the units of the data.
"""

from numbers import Real

import numpy as np
import pandas as pd
from imblearn.base import BaseSampler
from narwhals.dependencies import is_polars_dataframe, is_polars_series
from pandas.api.types import is_complex_dtype, is_float_dtype
from sklearn.base import (
    BaseEstimator,
    OneToOneFeatureMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from ._numbers import add_noise, as_float, check_finite, check_not_dates

_STD = [Interval(Real, 0, None, closed="left")]


class GaussianNoise(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Add jitter to the training points, but not to other points.

    While a pipeline is fitted, it calls ``fit_transform``, which adds the noise. When
    it predicts, it calls ``transform``, which returns the points unchanged. The Keras
    layer of the same name also has these two phases. The number of points does not
    change, so you can use this transformer in any scikit-learn pipeline.

    Parameters
    ----------
    std : float, default=1.0
        Standard deviation of the noise, in the units of the points.

    random_state : int, RandomState instance or None, default=None
        Determines the noise. Pass an int for reproducible output.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only if X has feature names.

    See Also
    --------
    GaussianAugmenter : Add noisy copies instead, as in the paper.

    Notes
    -----
    The noise is drawn once per ``fit_transform``. A network that follows is trained on
    the same jittered points in every epoch.

    Examples
    --------
    >>> from sklearn_toydnn import GaussianNoise, make_triangle
    >>> X, y = make_triangle(n_samples=100, random_state=0)
    >>> noise = GaussianNoise(std=2.0, random_state=0)
    >>> jittered = noise.fit_transform(X)
    >>> bool((jittered != X).all()), bool((noise.transform(X) == X).all())
    (True, True)
    """

    _parameter_constraints: dict = {"std": _STD, "random_state": ["random_state"]}

    def __init__(self, std=1.0, *, random_state=None):
        self.std = std
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # fit_transform intentionally differs from fit().transform().
        tags.non_deterministic = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check the points, and store the number and names of their features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The training points.

        y : None
            Not used, present for API consistency by convention.

        Returns
        -------
        self : GaussianNoise
            The fitted transformer.
        """
        self._check_points(X, reset=True)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None):
        """Add noise to the training points.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The training points.

        y : None
            Not used, present for API consistency by convention.

        Returns
        -------
        X_noisy : ndarray of shape (n_samples, n_features)
            The points with noise, drawn independently for each of them.

        Raises
        ------
        InvalidParameterError
            If a parameter has the wrong type or is out of range. This class derives
            from ValueError and TypeError.
        ValueError
            If the points are not valid, or if ``std`` is so large that a point becomes
            infinite.
        """
        X = self._check_points(X, reset=True)
        return add_noise(X, self.std, check_random_state(self.random_state), "std")

    def transform(self, X):
        """Return the points unchanged.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The points.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The unchanged points.
        """
        check_is_fitted(self)
        return self._check_points(X, reset=False)

    def _check_points(self, X, reset):
        check_not_dates(X, "X")
        return validate_data(self, X, reset=reset, dtype=[np.float64, np.float32])


class GaussianAugmenter(BaseSampler):
    """Add noisy copies of some training points, with the labels of the originals.

    This is a sampler of imbalanced-learn. Put it before the scaler in an
    :class:`imblearn.pipeline.Pipeline`, which you can use in ``GridSearchCV`` or
    ``learning_curve`` like any scikit-learn pipeline. Samplers change the points only
    while the pipeline is fitted.

    Parameters
    ----------
    fraction : float, default=0.1
        Number of copies, as a fraction of the number of points. The points to copy are
        drawn without replacement. If `fraction` is above 1, every point is copied once
        before any is copied again.

    std : float, default=1.0
        Standard deviation of the noise on a copy, in the units of the points.

    random_state : int, RandomState instance or None, default=None
        Determines which points are copied, and the noise. Pass an int for reproducible
        output.

    Attributes
    ----------
    sample_indices_ : ndarray of shape (n_samples_new,), dtype=int
        For each returned point, the index of the original point:
        ``0 ... n_samples - 1``, followed by the indices of the copied points.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only if X has feature names.

    See Also
    --------
    GaussianNoise : Jitter every point in place, in any scikit-learn pipeline.

    Notes
    -----
    Do not hold out validation data after this step, neither with ``validation_split``
    nor with ``early_stopping``. The held-out points would include noisy copies of
    training points, so scores on them would be too optimistic. Pass clean points as
    ``X_val`` instead.

    Put the scaler after this step. Otherwise, a pipeline cannot transform ``X_val``:
    its `transform_input` does not support a transformer before a sampler, and
    imbalanced-learn raises "This 'Pipeline' has no attribute 'transform'". Pipelines
    cannot route sample weights past a step that adds rows.

    A copy of a point close to the boundary may lie on the other side of it, where its
    label is wrong. A large ``std`` moves many copies across the boundary.

    References
    ----------
    Group 2210, "A study on Deep Neural Networks using Keras" (2022), section "Data
    augmentation" and Table I.

    Examples
    --------
    >>> from sklearn_toydnn import GaussianAugmenter, make_triangle
    >>> X, y = make_triangle(n_samples=100, random_state=0)
    >>> augmenter = GaussianAugmenter(fraction=0.1, std=1.0, random_state=0)
    >>> X_new, y_new = augmenter.fit_resample(X, y)
    >>> X_new.shape
    (110, 2)
    >>> bool((y_new[100:] == y[augmenter.sample_indices_[100:]]).all())
    True
    """

    _sampling_type = "bypass"
    sampling_strategy = "auto"  # required by the base class, but not used

    _parameter_constraints: dict = {
        "fraction": [Interval(Real, 0, None, closed="left")],
        "std": _STD,
        "random_state": ["random_state"],
    }

    def __init__(self, fraction=0.1, std=1.0, *, random_state=None):
        self.fraction = fraction
        self.std = std
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.sampler_tags.sample_indices = True
        return tags

    def _check_X_y(self, X, y, accept_sparse=False):
        """Check the data like other samplers, but reject sparse points."""
        # A sparse frame is allowed: the base class restores its sparse columns.
        if hasattr(X, "sparse"):
            X = X.sparse.to_dense()
        return super()._check_X_y(X, y, accept_sparse=accept_sparse)

    def fit_resample(self, X, y):
        """Return the points, followed by the noisy copies.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            The training points.

        y : array-like of shape (n_samples,)
            The labels of the training points.

        Returns
        -------
        X_resampled : {ndarray, dataframe} of shape (n_samples_new, n_features)
            The points, followed by the copies. The container type and the feature names
            are those of X; the dtype is a floating-point type.

        y_resampled : array-like of shape (n_samples_new,)
            The labels of `X_resampled`.

        Raises
        ------
        InvalidParameterError
            If a parameter has the wrong type or is out of range. This class derives
            from ValueError and TypeError.
        ValueError
            If the data are not valid training data, if the copies do not fit into
            memory, or if ``std`` is so large that a copy becomes infinite.
        """
        check_not_dates(X, "X")
        # imbalanced-learn expects every frame to be a pandas frame.
        polars_X = is_polars_dataframe(X)
        polars_y = is_polars_dataframe(y) or is_polars_series(y)
        points = pd.DataFrame(X.to_numpy(), columns=X.columns) if polars_X else X
        if isinstance(points, pd.DataFrame):
            # The base class restores dtypes: integer columns would truncate the noise.
            columns = points.dtypes.items()
            not_floating = [
                name
                for name, dtype in columns
                if not (is_float_dtype(dtype) or is_complex_dtype(dtype))
            ]
            points = points.astype(dict.fromkeys(not_floating, float))
        with np.errstate(over="ignore"):
            X_new, y_new = super().fit_resample(points, y.to_numpy() if polars_y else y)
        # The dtype of a column may have a smaller range than that of the array.
        if isinstance(X_new, pd.DataFrame):
            check_finite(X_new.to_numpy(float), "std")
        if polars_X:
            X_new = type(X)(X_new.to_numpy(), schema=X.columns)
        if polars_y:
            y_new = y[self.sample_indices_]
        return X_new, y_new

    def _fit_resample(self, X, y):
        n_samples, n_features = X.shape
        generator = check_random_state(self.random_state)
        n_copies = as_float(self.fraction) * n_samples
        try:
            # The size of copies, noise, sum and result. This raises an error before any
            # of them is computed.
            np.empty((round(n_copies), 4 * n_features))
        except (MemoryError, OverflowError, ValueError) as error:
            raise ValueError(
                f"fraction is too large: {n_copies:.3g} copies of {n_samples} points "
                "do not fit into memory."
            ) from error

        sources = generator.permutation(n_samples)[
            np.arange(round(n_copies)) % n_samples
        ]
        copies = add_noise(X[sources], self.std, generator, "std")
        self.sample_indices_ = np.concatenate([np.arange(n_samples), sources])
        return np.concatenate([X, copies]), _safe_indexing(y, self.sample_indices_)
