"""What scikeras 0.13, its last release, needs to follow today's scikit-learn.

Its ``KerasClassifier`` predates scikit-learn's ``__sklearn_tags__`` and mixin order, it
lists parameters from ``__dict__``, accepts any routed name and trains in its own way.
What is left of it here is its routing of parameters, its making of Keras callbacks and
its place as the base class that users of Keras look for. Only this module imports
scikeras.
"""

from .._engine.tensorflow import keras  # before scikeras, whose import is not quiet

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
# What scikit-learn and scikeras call parameters.
_MEANT = {
    "max_iter": "epochs",
    "solver": "optimizer",
    "learning_rate": "optimizer__learning_rate",
    "learning_rate_init": "optimizer__learning_rate",
    "momentum": "optimizer__momentum",
    "fit__epochs": "epochs",
    "fit__batch_size": "batch_size",
}
# What subclasses of scikeras' classifier may define, and would find ignored here.
_UNUSED = {"_keras_build_fn", "feature_encoder", "target_encoder", "scorer"}
OWN_MODEL = (
    "the network is built from the classifier's own parameters. For a Keras model of "
    "your own use scikeras' KerasClassifier; compare takes it too."
)


def _sklearn_tags(self):
    """Pass the question for an estimator's tags on to the next base class."""
    return super(wrappers.BaseWrapper, self).__sklearn_tags__()


# Only scikit-learn's `check_estimator_tags_renamed` needs it: a class that has the tags
# of old, as BaseWrapper has, must itself have those of today.
wrappers.BaseWrapper.__sklearn_tags__ = _sklearn_tags


def _copy_optimizer(optimizer):
    """Reduce an optimizer to its configuration and what that leaves out."""
    excluded = exclusions_from_decay(optimizer)
    made = type(optimizer).from_config, (optimizer.get_config(),)
    return (_exclude, (*made, excluded)) if any(excluded) else made


def _exclude(from_config, arguments, excluded):
    optimizer = from_config(*arguments)
    exclude_from_decay(optimizer, *excluded)
    return optimizer


# scikeras' own, which all optimizers of the process have, makes a text of a Lamb and
# forgets what is excluded from weight decay: in clones, too.
keras.Optimizer.__reduce__ = _copy_optimizer


class _MixinFirst(ABCMeta):
    """Put the mixin before what it modifies, as scikit-learn asks.

    scikeras' class has its bases the wrong way round, and no subclass can list them in
    an order that contradicts its own bases'. (An ``ABCMeta`` so that subclasses may
    have abstract bases too.)
    """

    def mro(cls):
        order = super().mro()
        order.remove(ClassifierMixin)
        order.insert(order.index(wrappers.BaseWrapper), ClassifierMixin)
        return order


class KerasClassifier(
    CallbackSupportMixin, wrappers.KerasClassifier, metaclass=_MixinFirst
):
    """scikeras' classifier, following scikit-learn 1.9.

    Subclasses name all their parameters in ``__init__`` and pass the routed rest to
    :meth:`_set_routed`.
    """

    __repr__ = BaseEstimator.__repr__

    def __init_subclass__(cls, **kwargs):
        """Describe the constructor without ``**kwargs``, which is no parameter."""
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
        """Have scikit-learn read them from the constructor, as of other estimators."""
        return super(wrappers.BaseWrapper, cls)._get_param_names()

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

    def _set_routed(self, params, error):
        """Set parameters like ``optimizer__learning_rate``, or raise `error`."""
        for name in params:
            if name.partition("__")[0] in ("model", "build_fn"):
                raise error(
                    f"{type(self).__name__} has no parameter {name!r}: {OWN_MODEL}"
                )
            if not name.startswith(_ROUTES) or name in _ROUTES:
                known = self._get_param_names()
                meant = _MEANT.get(name) or next(
                    iter(get_close_matches(name, known, n=1)), None
                )
                raise error(
                    f"{type(self).__name__} has no parameter {name!r}"
                    + (f"; did you mean {meant!r}?" if meant else ".")
                    + f" It takes {', '.join(known)}, and routed ones whose names "
                    "start with " + ", ".join(map(repr, _ROUTES)) + "."
                )
        vars(self).update(params)

    # ---- what is routed

    def _routed_to(self, destination):
        """Return the parameters that are routed to the optimizer or the loss."""
        prefix = f"{destination}__"
        params = {}
        for name in [name for name in vars(self) if name.startswith(prefix)]:
            if "__" in name.removeprefix(prefix):
                raise ValueError(
                    f"{name}: there is nothing that takes it. "
                    f"Parameters of the {destination} are named {destination}__NAME."
                )
            params[name.removeprefix(prefix)] = plain_number(getattr(self, name))
        return params

    def _make_loss(self, loss):
        """Return the loss, of its class and the parameters routed to it."""
        params = self._routed_to("loss")
        refusal = self._refusal("loss", loss)
        if not isclass(loss):
            if params:
                raise ValueError(f"{refusal}an instance takes no parameters")
            return loss
        try:
            # Keras would compute it in float32 whatever the network's precision.
            return loss(**{"dtype": self.dtype} | params)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{refusal}{error}") from error

    def _refusal(self, destination, cls):
        """Return how an error begins that routed parameters have led to."""
        names = [name for name in vars(self) if name.startswith(f"{destination}__")]
        return (
            f"{getattr(cls, '__name__', cls)}, the {destination!r} of "
            f"{type(self).__name__}, does not take {', '.join(names)}: "
        )

    def _make_callbacks(self):
        """Return the callbacks of one fit: instances given, or made of classes."""
        routed = [name for name in vars(self) if name.startswith("callbacks__")]
        if routed and not self.callbacks:
            raise ValueError(f"{', '.join(routed)}: there are no callbacks to take it.")
        try:
            self._initialize_callbacks()
        except TypeError as error:
            raise TypeError(f"callbacks={self.callbacks!r}: {error}") from error
        vars(self).pop("_predict_callbacks")
        return keras.tree.flatten(vars(self).pop("_fit_callbacks"))

    # ---- what scikeras makes public

    @property
    def initialized_(self):
        """bool: Whether there is a trained state to predict with or go on from."""
        return hasattr(self, "coefs_")
