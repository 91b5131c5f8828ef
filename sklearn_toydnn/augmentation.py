"""Gaussian noise on the training set, as the paper's "Data augmentation" has it.

Both estimators act while a pipeline is fitted and leave the points alone when it
predicts. Their ``std`` is in the units of the points they are given: before a
scaler, those of the data.
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

from ._numbers import add_noise, as_float, check_is_no_date, check_moved

_STD = [Interval(Real, 0, None, closed="left")]


class GaussianNoise(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Jitter the training points; leave every other point alone.

    ``fit_transform``, which a pipeline calls while it is fitted, returns the
    points with noise; ``transform``, which it calls to predict, returns them
    unchanged: the two phases of the Keras layer of this name. The number of
    points stays the same, so this works in any scikit-learn pipeline.

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
        Names of the features seen during fit, where the points had names.

    See Also
    --------
    GaussianAugmenter : Adds noisy copies instead, as the paper does.

    Notes
    -----
    The noise is drawn once per ``fit_transform``: every epoch of the network
    behind it sees the same jittered points.

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
        # fit_transform differs from fit().transform() by design.
        tags.non_deterministic = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check the points and remember their features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The training points.

        y : None
            Ignored; here for scikit-learn's convention.

        Returns
        -------
        self : GaussianNoise
            The fitted transformer.
        """
        self._check_points(X, reset=True)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None):
        """Return the training points with noise added.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The training points.

        y : None
            Ignored; here for scikit-learn's convention.

        Returns
        -------
        X_noisy : ndarray of shape (n_samples, n_features)
            The points, each moved by its own draw of the noise.

        Raises
        ------
        InvalidParameterError
            If a parameter has the wrong type or is out of range (a ValueError and
            a TypeError).
        ValueError
            If the points are not valid, or ``std`` is so large that one of them
            becomes infinite.
        """
        X = self._check_points(X, reset=True)
        return add_noise(X, self.std, check_random_state(self.random_state), "std")

    def transform(self, X):
        """Return the points unchanged.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The points to predict on.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            The same points.
        """
        check_is_fitted(self)
        return self._check_points(X, reset=False)

    def _check_points(self, X, reset):
        check_is_no_date(X, "X")
        return validate_data(self, X, reset=reset, dtype=[np.float64, np.float32])


class GaussianAugmenter(BaseSampler):
    """Add noisy copies of some training points, with the labels of their sources.

    An imbalanced-learn sampler: put it before the scaler in an
    :class:`imblearn.pipeline.Pipeline`, which is a scikit-learn pipeline and
    goes into ``GridSearchCV`` or ``learning_curve`` like any other. Samplers
    act only while the pipeline is fitted.

    Parameters
    ----------
    fraction : float, default=0.1
        The number of copies, as a share of the number of points. Sources are
        drawn without replacement; above 1, every point is copied before any is
        copied again.

    std : float, default=1.0
        Standard deviation of the noise on a copy, in the units of the points.

    random_state : int, RandomState instance or None, default=None
        Determines the sources and the noise. Pass an int for reproducible
        output.

    Attributes
    ----------
    sample_indices_ : ndarray of shape (n_samples_new,), dtype=int
        For each returned point, the index of the point it is or was copied
        from: ``0 ... n_samples - 1``, then the copies' sources.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during fit, where the points had names.

    See Also
    --------
    GaussianNoise : Jitters every point in place; works in any pipeline.

    Notes
    -----
    Not for use in front of a hold-out: rows split off after this step, as by
    ``validation_split``, are near copies of training points, and a score on
    them flatters. Pass clean points as ``X_val`` instead.

    A scaler belongs after this step, also for the sake of ``X_val``: a pipeline's
    `transform_input` cannot take points past a sampler that has another
    transformer before it; imbalanced-learn's error is "This 'Pipeline' has no
    attribute 'transform'". Sample weights cannot be taken past a step that adds
    rows at all.

    A copy close to the boundary may land on its other side with the wrong
    label; with a large ``std`` many do.

    References
    ----------
    The paper, "Data augmentation" and Table I.

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
    sampling_strategy = "auto"  # read by the base class; nothing to choose here

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
        """Check the data as every sampler does, but refuse sparse points."""
        # Of a frame only the columns' storage is sparse, and it comes back that way.
        if hasattr(X, "sparse"):
            X = X.sparse.to_dense()
        return super()._check_X_y(X, y, accept_sparse=accept_sparse)

    def fit_resample(self, X, y):
        """Return the points and their noisy copies.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            The training points.

        y : array-like of shape (n_samples,)
            Their labels.

        Returns
        -------
        X_resampled : {ndarray, dataframe} of shape (n_samples_new, n_features)
            The points, then the copies, as the kind of container that X is and
            with its names; of floats, whatever X is of.

        y_resampled : array-like of shape (n_samples_new,)
            Their labels.

        Raises
        ------
        InvalidParameterError
            If a parameter has the wrong type or is out of range (a ValueError and
            a TypeError).
        ValueError
            If the data are not valid training data, if memory cannot hold the
            copies that ``fraction`` asks for, or if ``std`` is so large that one
            of them becomes infinite.
        """
        check_is_no_date(X, "X")
        # imbalanced-learn takes every frame for one of pandas.
        polars_X = is_polars_dataframe(X)
        polars_y = is_polars_dataframe(y) or is_polars_series(y)
        points = pd.DataFrame(X.to_numpy(), columns=X.columns) if polars_X else X
        if isinstance(points, pd.DataFrame):
            # It comes back as it came: with whole numbers, the noise would be cut off.
            columns = points.dtypes.items()
            other = [
                name
                for name, dtype in columns
                if not (is_float_dtype(dtype) or is_complex_dtype(dtype))
            ]
            points = points.astype(dict.fromkeys(other, float))
        with np.errstate(over="ignore"):
            X_new, y_new = super().fit_resample(points, y.to_numpy() if polars_y else y)
        # A column may be narrower than the array that the noise was added to.
        if isinstance(X_new, pd.DataFrame):
            check_moved(X_new.to_numpy(float), "std")
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
            # Copies, noise, sum and result, before any of it is made: what memory
            # cannot hold is refused at once.
            np.empty((round(n_copies), 4 * n_features))
        except (MemoryError, OverflowError, ValueError) as error:
            raise ValueError(
                f"fraction asks for {n_copies:.3g} copies of {n_samples} points, more "
                "than memory holds."
            ) from error

        sources = generator.permutation(n_samples)[
            np.arange(round(n_copies)) % n_samples
        ]
        copies = add_noise(X[sources], self.std, generator, "std")
        self.sample_indices_ = np.concatenate([np.arange(n_samples), sources])
        return np.concatenate([X, copies]), _safe_indexing(y, self.sample_indices_)
