"""Adapts scikeras 0.13, its last release, to current versions of scikit-learn.

Its ``KerasClassifier`` predates scikit-learn's ``__sklearn_tags__`` and mixin order,
lists parameters from ``__dict__``, accepts any routed name and has its own training
loop. This package uses only its parameter routing, its construction of Keras callbacks,
and its role as the base class that Keras users expect. No other module imports
scikeras.
"""

from .._engine.tensorflow import keras  # before scikeras, to suppress messages

# isort: split
from abc import ABCMeta
from difflib import get_close_matches
from inspect import Parameter, isclass, signature

from scikeras import wrappers
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.callback import CallbackSupportMixin

from .._engine.optimizer import (
    exclude_from_decay,
    exclusions_from_decay,
    plain_number,
)

_ROUTES = ("optimizer__", "loss__", "callbacks__")
# Parameter names of scikit-learn and scikeras, and ours.
_EQUIVALENTS = {
    "max_iter": "epochs",
    "solver": "optimizer",
    "learning_rate": "optimizer__learning_rate",
    "learning_rate_init": "optimizer__learning_rate",
    "momentum": "optimizer__momentum",
    "fit__epochs": "epochs",
    "fit__batch_size": "batch_size",
}
# Hooks that subclasses of scikeras' classifier may define, but that are not used here.
_UNUSED = {"_keras_build_fn", "feature_encoder", "target_encoder", "scorer"}
OWN_MODEL = (
    "the network is built from the classifier's parameters. To use your own Keras "
    "model, use scikeras' KerasClassifier, which sklearn_toydnn.compare also accepts."
)


def _sklearn_tags(self):
    """Return the tags of the next base class."""
    return super(wrappers.BaseWrapper, self).__sklearn_tags__()


# scikit-learn's `check_estimator_tags_renamed` requires `__sklearn_tags__` on every
# class that defines the old tags, as BaseWrapper does.
wrappers.BaseWrapper.__sklearn_tags__ = _sklearn_tags


def _copy_optimizer(optimizer):
    """Reduce an optimizer to its configuration and its exclusions from weight decay."""
    excluded = exclusions_from_decay(optimizer)
    reduced = type(optimizer).from_config, (optimizer.get_config(),)
    return (_exclude, (*reduced, excluded)) if any(excluded) else reduced


def _exclude(from_config, arguments, excluded):
    optimizer = from_config(*arguments)
    exclude_from_decay(optimizer, *excluded)
    return optimizer


# scikeras replaces this method on all optimizers. With its method, a copied or cloned
# Lamb is a string, and other copies lose their exclusions from weight decay.
keras.Optimizer.__reduce__ = _copy_optimizer


class _MixinFirst(ABCMeta):
    """Put the mixin before the class that it modifies, as scikit-learn requires.

    scikeras' class lists its bases in the opposite order, and a subclass cannot
    contradict the order of its bases. This derives from ``ABCMeta`` to allow subclasses
    with abstract bases.
    """

    def mro(cls):
        order = super().mro()
        order.remove(ClassifierMixin)
        order.insert(order.index(wrappers.BaseWrapper), ClassifierMixin)
        return order


class KerasClassifier(
    CallbackSupportMixin, wrappers.KerasClassifier, metaclass=_MixinFirst
):
    """scikeras' classifier, adapted to scikit-learn 1.9.

    Subclasses list all their parameters in ``__init__`` and pass routed parameters to
    :meth:`_set_routed`.
    """

    __repr__ = BaseEstimator.__repr__

    def __init_subclass__(cls, **kwargs):
        """Remove ``**kwargs``, which is not a parameter, from the signature."""
        super().__init_subclass__(**kwargs)
        unused = sorted(_UNUSED & set(vars(cls)))
        if unused:
            raise TypeError(
                f"{cls.__name__} defines {', '.join(unused)}, which "
                f"{cls.__base__.__name__} does not use: {OWN_MODEL}"
            )
        _, *named = signature(cls.__init__).parameters.values()
        named = [p for p in named if p.kind is not Parameter.VAR_KEYWORD]
        cls.__signature__ = signature(cls.__init__).replace(parameters=named)

    # ---- parameters

    @classmethod
    def _get_param_names(cls):
        """Return the parameters of the constructor, as for other estimators."""
        return super(wrappers.BaseWrapper, cls)._get_param_names()

    def get_params(self, deep=True):
        """Return the parameters, including routed ones.

        Parameters
        ----------
        deep : bool, default=True
            Not used, present for API consistency: no parameter is an estimator.

        Returns
        -------
        params : dict
            Parameter names mapped to their values. Routed parameters have names such
            as ``optimizer__learning_rate``.
        """
        routed = sorted(name for name in vars(self) if name.startswith(_ROUTES))
        named = BaseEstimator.get_params(self, deep)
        return named | {name: getattr(self, name) for name in routed}

    def set_params(self, **params):
        """Set parameters, including routed ones such as ``optimizer__learning_rate``.

        Parameters
        ----------
        **params : dict
            Parameter names and values.

        Returns
        -------
        self : KerasClassifier
            This estimator.

        Raises
        ------
        ValueError
            If a name is neither a parameter of the constructor nor a routed parameter.
        """
        named = {name: value for name, value in params.items() if "__" not in name}
        routed = {name: value for name, value in params.items() if "__" in name}
        unknown = set(named) - set(self.get_params())
        self._set_routed(dict.fromkeys(unknown) | routed, ValueError)
        return BaseEstimator.set_params(self, **named)

    def _set_routed(self, params, error):
        """Set routed parameters; raise `error` for other names."""
        for name in params:
            if name.partition("__")[0] in ("model", "build_fn"):
                raise error(
                    f"{type(self).__name__} has no parameter {name!r}: {OWN_MODEL}"
                )
            if not name.startswith(_ROUTES) or name in _ROUTES:
                names = self._get_param_names()
                suggestion = _EQUIVALENTS.get(name) or next(
                    iter(get_close_matches(name, names, n=1)), None
                )
                raise error(
                    f"{type(self).__name__} has no parameter {name!r}"
                    + (f"; did you mean {suggestion!r}?" if suggestion else ".")
                    + f" Its parameters are {', '.join(names)}, and routed parameters, "
                    "whose names start with " + ", ".join(map(repr, _ROUTES)) + "."
                )
        vars(self).update(params)

    # ---- routing

    def _routed_to(self, destination):
        """Return the parameters routed to the optimizer or to the loss."""
        prefix = f"{destination}__"
        params = {}
        for name in [name for name in vars(self) if name.startswith(prefix)]:
            if "__" in name.removeprefix(prefix):
                raise ValueError(
                    f"{name} is not a parameter of the {destination}: the part after "
                    f"{destination}__ must not contain '__'."
                )
            params[name.removeprefix(prefix)] = plain_number(getattr(self, name))
        return params

    def _make_loss(self, loss):
        """Return a loss, made from its class and the parameters routed to it."""
        params = self._routed_to("loss")
        error_prefix = self._error_prefix("loss", loss)
        if not isclass(loss):
            if params:
                raise ValueError(
                    f"{error_prefix}only a name or a class accepts parameters."
                )
            return loss
        try:
            # By default, Keras would use float32 regardless of the network's dtype.
            return loss(**{"dtype": self.dtype} | params)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{error_prefix}{error}") from error

    def _error_prefix(self, destination, cls):
        """Return the beginning of an error message about an optimizer or a loss."""
        names = [name for name in vars(self) if name.startswith(f"{destination}__")]
        rejected = f"does not accept {', '.join(names)}"
        problem = rejected if names else "cannot be created"
        return (
            f"{getattr(cls, '__name__', cls)}, the {destination!r} of "
            f"{type(self).__name__}, {problem}: "
        )

    def _make_callbacks(self):
        """Return the callbacks of one fit, instantiating those given as classes."""
        routed = [name for name in vars(self) if name.startswith("callbacks__")]
        if routed and not self.callbacks:
            raise ValueError(
                f"{', '.join(routed)} requires callbacks, got "
                f"callbacks={self.callbacks!r}."
            )
        try:
            self._initialize_callbacks()
        except TypeError as error:
            raise TypeError(f"callbacks={self.callbacks!r}: {error}") from error
        vars(self).pop("_predict_callbacks")
        return keras.tree.flatten(vars(self).pop("_fit_callbacks"))

    # ---- scikeras' public attribute

    @property
    def initialized_(self):
        """bool: Whether there are weights to predict with or to continue from."""
        return hasattr(self, "coefs_")
