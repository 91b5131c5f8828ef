"""What scikeras 0.13, its last release, needs to follow today's scikit-learn.

Its ``KerasClassifier`` predates scikit-learn's ``__sklearn_tags__``, mixin order and
``validate_data``; it lists parameters from ``__dict__``, accepts any routed name,
seeds process-wide generators, multiplies class weights into the caller's array,
encodes labels in milliseconds rather than microseconds, knows no callbacks but
Keras', and squeezes the probabilities of a single row to one dimension. The class
here has none of that; what is left of scikeras is its parameter routing, its Keras
callbacks, the course of its ``fit`` and its place as the base class that users of
Keras look for.
"""

from ._tensorflow import (  # before scikeras, whose import is not quiet
    check_usable,
    keras,
)

# isort: split
from abc import ABCMeta
from contextlib import contextmanager
from copy import deepcopy
from inspect import Parameter, isclass, signature
from numbers import Real

import numpy as np
from scikeras import wrappers
from scikeras._utils import route_params, unflatten_params
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
)
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    validate_data,
)

from ._epochs import FitTasks
from ._network import plain_number

_ROUTES = ("optimizer__", "loss__", "callbacks__")


def _sklearn_tags(self):
    """Pass the question for an estimator's tags on to the next base class."""
    return super(wrappers.BaseWrapper, self).__sklearn_tags__()


# scikit-learn refuses classes that, like this one, have the tags of old but not these.
wrappers.BaseWrapper.__sklearn_tags__ = _sklearn_tags


class _AsSklearnAsks(ABCMeta):
    """Order the bases, and describe the constructor, as scikit-learn asks.

    (An ``ABCMeta`` so that subclasses may have abstract bases too.)
    """

    def mro(cls):
        """Put the mixin before what it modifies."""
        order = super().mro()
        order.remove(ClassifierMixin)
        order.insert(order.index(wrappers.BaseWrapper), ClassifierMixin)
        return order

    @property
    def __signature__(cls):
        """The constructor's signature but for ``**kwargs``, no parameter's name."""
        _, *named = signature(cls.__init__).parameters.values()
        return signature(cls.__init__).replace(
            parameters=[p for p in named if p.kind is not Parameter.VAR_KEYWORD]
        )


class KerasClassifier(
    CallbackSupportMixin, wrappers.KerasClassifier, metaclass=_AsSklearnAsks
):
    """scikeras' classifier, following scikit-learn 1.9.

    Subclasses name all their parameters in ``__init__`` and pass the routed rest
    to :meth:`_set_routed`. They implement ``_start``, which makes the state that
    training changes, ``_target``, which turns numbered labels into what the loss
    compares outputs with, and ``_fit_keras_model``.
    """

    __repr__ = BaseEstimator.__repr__

    # ---- parameters

    _get_param_names = vars(BaseEstimator)["_get_param_names"]

    def get_params(self, deep=True):
        """Return the parameters, routed ones like ``optimizer__learning_rate`` too.

        Parameters
        ----------
        deep : bool, default=True
            For scikit-learn's convention; no parameter is an estimator.

        Returns
        -------
        params : dict
            Values by name.
        """
        routed = sorted(name for name in vars(self) if name.startswith(_ROUTES))
        named = BaseEstimator.get_params(self, deep)
        return named | {name: getattr(self, name) for name in routed}

    def _set_routed(self, params, error):
        """Set parameters like ``optimizer__learning_rate``, or raise `error`."""
        for name in params:
            if not name.startswith(_ROUTES) or name in _ROUTES:
                raise error(
                    f"{type(self).__name__} has no parameter {name!r}. It takes those "
                    "in its signature, and routed ones whose names start with "
                    + ", ".join(map(repr, _ROUTES))
                    + "."
                )
        vars(self).update(params)

    def set_params(self, **params):
        """Set parameters, routed ones like ``optimizer__learning_rate`` included.

        Parameters
        ----------
        **params : dict
            Values by name.

        Returns
        -------
        self : KerasClassifier
            This estimator.

        Raises
        ------
        ValueError
            If a name is neither in the signature nor routed.
        """
        named = {name: value for name, value in params.items() if "__" not in name}
        routed = {name: value for name, value in params.items() if "__" in name}
        unknown = set(named) - set(self.get_params())
        self._set_routed(dict.fromkeys(unknown) | routed, ValueError)
        return BaseEstimator.set_params(self, **named)

    def _routed(self, destination, cls, **defaults):
        """Instantiate a Keras class with the parameters routed to it.

        What is not a class is returned as it is, if nothing is routed to it.
        """
        params = route_params(vars(self), destination, pass_filter=(), strict=False)
        for name in params:
            if destination != "callbacks" and "__" in name:
                raise ValueError(
                    f"{destination}__{name}: there is nothing that takes it. "
                    f"Parameters of the {destination} are named {destination}__NAME."
                )
        params = {name: plain_number(value) for name, value in params.items()}
        with self._naming_routed(destination, cls):
            return unflatten_params(cls, defaults | params if isclass(cls) else params)

    @contextmanager
    def _naming_routed(self, destination, cls):
        """Say in errors which routed parameters have led to them."""
        try:
            yield
        except (TypeError, ValueError) as error:
            names = [name for name in vars(self) if name.startswith(f"{destination}__")]
            raise ValueError(
                f"{getattr(cls, '__name__', cls)}, the {destination!r} of "
                f"{type(self).__name__}, does not take {', '.join(names)}: {error}"
            ) from error

    # ---- data

    def _validate_data(self, X, y="no_validation", reset=False):
        """Check X, and y if there should be one, as scikit-learn's classifiers do."""
        # A value too large for float32 is an error below; NumPy need not warn too.
        with np.errstate(over="ignore"):
            checked = validate_data(self, X, y, reset=reset, dtype=self.dtype)
        if isinstance(y, str):
            return checked, None
        check_classification_targets(checked[1])
        return checked

    def _check_sample_weight(self, sample_weight, X, y):
        """Return the weights times the class weights as an array, or None."""
        if sample_weight is None and self.class_weight is None:
            return None
        if isinstance(self.class_weight, dict):
            self._check_class_weight()
        if not isinstance(sample_weight, Real | None):
            n_weights = _num_samples(sample_weight)
            if n_weights != len(X):
                raise ValueError(
                    f"sample_weight has {n_weights} rows, but X has {len(X)}. In a "
                    "pipeline, weights cannot be routed past a step that adds rows."
                )
        sample_weight = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True, copy=True
        )
        with np.errstate(over="ignore"):
            if self.class_weight is not None:
                sample_weight *= compute_sample_weight(self.class_weight, y)
            sample_weight = sample_weight.astype(X.dtype)
        if not sample_weight.any():
            raise ValueError("sample_weight and class_weight leave no row any weight.")
        if not np.isfinite(sample_weight).all():
            raise ValueError(
                "sample_weight times class_weight contains values too large for "
                f"{X.dtype}."
            )
        return sample_weight

    def _check_class_weight(self):
        for weight in self.class_weight.values():
            if not isinstance(weight, Real) or not 0 <= weight < np.inf:
                raise InvalidParameterError(
                    f"The 'class_weight' parameter of {type(self).__name__} must give "
                    "each class a finite number that is not negative. Got "
                    f"{self.class_weight!r} instead."
                )

    def _initialize(self, X, y):
        """Check the data and start anew from it."""
        X, y = self._validate_data(X, y, reset=True)
        # The labels that `partial_fit` announces may be more than those in y.
        self.classes_ = np.unique(y if self.classes_ is None else self.classes_)
        self.n_classes_ = len(self.classes_)
        if self.n_classes_ < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes, but the "
                f"data contain only one class: {self.classes_[0]!r}."
            )
        self._start()
        return X, y

    # ---- fitting

    def fit(self, X, y, sample_weight=None, **data):
        """Train; see the subclass."""
        with self._all_or_nothing() as trained:
            go_on = self.warm_start and self.initialized_
            if not go_on:
                trained.classes_ = None
            trained._fit_telling(X, y, sample_weight, same_classes=go_on, **data)
        return self

    def initialize(self, X, y):
        """Draw the weights; see the subclass."""
        with self._all_or_nothing() as drawn:
            drawn.classes_ = None
            drawn._initialize(X, y)
        return self

    @with_callbacks
    def _fit_telling(self, X, y, sample_weight, **data):
        """Train, and tell scikit-learn's callbacks of it."""
        if not hasattr(self, "_skl_callbacks"):
            wrappers.BaseWrapper.fit(self, X, y, sample_weight, **data)
            return
        tasks = FitTasks(self, X, y, sample_weight)
        wrappers.BaseWrapper.fit(self, X, y, sample_weight, tasks=tasks, **data)
        tasks.end_fit()

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for an epoch; see the subclass."""
        with self._all_or_nothing() as trained:
            if classes is not None and np.size(classes) == 0:
                raise ValueError("classes is empty: it must list the labels to come.")
            _check_partial_fit_first_call(trained, classes)
            wrappers.BaseWrapper.partial_fit(trained, X, y, sample_weight)
        return self

    @contextmanager
    def _all_or_nothing(self):
        """Yield a copy to train; become it, in one step, when all has gone well."""
        trained = self._snapshot()
        check_usable()
        yield trained
        self.__dict__ = vars(trained)

    def _snapshot(self):
        """Return a shallow copy, which no other thread can change."""
        state = vars(self).copy()
        state.pop("_model", None)  # trained in place, and made again from the rest
        copied = object.__new__(type(self))
        copied.__dict__ = state
        return copied

    def _fit(
        self,
        X,
        y,
        sample_weight,
        warm_start,
        epochs,
        initial_epoch,
        same_classes=False,
        **data,
    ):
        """Check, encode and hand over, as scikeras does, with today's checks."""
        if warm_start and self.initialized_:
            X, y = self._validate_data(X, y)
            if same_classes and not np.array_equal(np.unique(y), self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in "
                    f"the previous call to fit. Previously got {self.classes_}, `y` "
                    f"has {np.unique(y)}"
                )
        else:
            X, y = self._initialize(X, y)
        sample_weight = self._check_sample_weight(sample_weight, X, y)
        y = self._encode(y, "y")
        if sample_weight is not None:
            # Rows of weight 0 would still fill batches: without them, a weight of
            # 0 is the same as leaving the row out.
            kept = sample_weight != 0
            X, y, sample_weight = X[kept], y[kept], sample_weight[kept]
        self._fit_keras_model(
            X, y, sample_weight, warm_start, epochs, initial_epoch, **data
        )

    def _encode(self, y, name):
        """Return the labels as numbers, or say which are not in `classes_`."""
        codes = np.minimum(np.searchsorted(self.classes_, y), self.n_classes_ - 1)
        unseen = y[self.classes_[codes] != y]
        if len(unseen):
            raise ValueError(
                f"{name} contains labels that are not in classes_: "
                f"{np.unique(unseen).tolist()}."
            )
        return self._target(codes)

    def _take_callbacks(self):
        """Return the callbacks of one fit: instances of classes, copies of others."""
        routed = [name for name in vars(self) if name.startswith("callbacks__")]
        if routed and not self.callbacks:
            raise ValueError(f"{', '.join(routed)}: there are no callbacks to take it.")
        try:
            self._initialize_callbacks()
        except TypeError as error:
            raise TypeError(f"callbacks={self.callbacks!r}: {error}") from error
        vars(self).pop("_predict_callbacks")
        return deepcopy(keras.tree.flatten(vars(self).pop("_fit_callbacks")))

    # ---- prediction

    def predict(self, X):
        """Return the most probable class of each row; see the subclass."""
        fitted = self._snapshot()  # another thread may fit this one meanwhile
        proba = fitted.predict_proba(X)
        return fitted.classes_[np.argmax(proba, axis=1)]

    @property
    def initialized_(self):
        """bool: Whether there is a trained state to predict with or go on from."""
        return hasattr(self, "coefs_")
