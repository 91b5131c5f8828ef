"""Optimizers: what the parameter names in Keras, described without making it."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from numbers import Real
from uuid import uuid4
from weakref import WeakValueDictionary

import numpy as np
from sklearn.utils._param_validation import InvalidParameterError

from .fingerprint import NoFingerprint, fingerprint, fingerprint_graph, is_of_keras
from .tensorflow import keras

# Themselves, not their subclasses, which may do otherwise.
_ELEMENTWISE = {
    keras.optimizers.SGD,
    keras.optimizers.RMSprop,
    keras.optimizers.Adagrad,
    keras.optimizers.Adam,
    keras.optimizers.AdamW,
    keras.optimizers.Nadam,
    keras.optimizers.Adamax,
    keras.optimizers.Adadelta,
    keras.optimizers.Ftrl,
    keras.optimizers.Lion,
}


@dataclass(frozen=True)
class OptimizerSpec:
    """An optimizer not made: making one takes 3 ms and 70 kB that never come back."""

    cls: type
    config: dict = field(compare=False)
    learning_rate: float | None = field(compare=False)  # None: default or schedule
    settings: str  # all of these, as text
    refusal: str = field(compare=False)  # how an error begins
    not_decayed: str | None = field(default=None, compare=False)  # names of weights

    @classmethod
    def of(
        cls,
        optimizer: str | type | keras.Optimizer,
        params: dict,
        refusal: Callable[[type], str] = str,
    ) -> "OptimizerSpec":
        """Describe an optimizer given by name, class or instance.

        `refusal` returns, of its class, how an error begins.
        """
        maker, config, not_decayed = _find_class(optimizer), dict(params), None
        if isinstance(optimizer, keras.Optimizer):
            if params:
                raise ValueError("an instance takes no parameters")
            config, not_decayed = optimizer.get_config(), names_without_decay(optimizer)
        config.pop("name", None)
        config = {name: plain_number(value) for name, value in config.items()}
        rate = config.get("learning_rate")
        if isinstance(rate, Real):
            rate = float(config.pop("learning_rate"))
        else:
            if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
                config["learning_rate"] = keras.saving.serialize_keras_object(rate)
            rate = None
        name = f"{maker.__module__}.{maker.__qualname__}"
        settings = json.dumps(config, sort_keys=True, default=_name_object)
        settings = " ".join(filter(None, [name, settings, not_decayed]))
        return cls(maker, config, rate, settings, refusal(maker), not_decayed)

    @property
    def is_elementwise(self) -> bool:
        """bool: Whether each number is updated regardless of the variable it is in."""
        tells_apart = self.config.get("clipnorm") is not None or self.not_decayed
        return self.cls in _ELEMENTWISE and not tells_apart

    @property
    def of_state(self) -> tuple[str, float | None]:
        """tuple: The fingerprint of a state: whose it is, and of which learning rate.

        Of objects it is good in this process only.
        """
        return self.settings, self.learning_rate

    def fingerprint(self, network) -> tuple | str:
        """Return what is equal for optimizers that do the same with a network."""
        with suppress(NoFingerprint):
            return fingerprint([self.cls, self.config, self.not_decayed])

        def step(*gradients):
            # Of layers, by whose names an optimizer may tell kernels from biases.
            layers = network.built_layers()
            variables = [v for layer in layers for v in layer.variables]
            optimizer = self.make_default()
            _update_plainly(optimizer)
            optimizer.build(variables)
            optimizer.apply(gradients, variables)
            return optimizer.scale_loss(gradients[0])

        shapes = network.weight_shapes()
        return fingerprint_graph(step, *shapes, dtype=network.dtype, is_optimizer=True)

    def make(self) -> keras.Optimizer:
        """Return a new optimizer."""
        optimizer = self.make_default()
        if self.learning_rate is not None:
            optimizer.learning_rate = self.learning_rate
        return optimizer

    def make_default(self) -> keras.Optimizer:
        """Return a new optimizer with its class' own learning rate, or a schedule."""
        try:
            optimizer = self.cls.from_config(dict(self.config))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.refusal}{error}") from error
        if self.not_decayed:
            exclude_from_decay(optimizer, None, self.not_decayed)
        return optimizer


def plain_number(value: object) -> object:
    """Return Python's number for NumPy's, with which Keras computes otherwise."""
    return value.item() if isinstance(value, np.generic) else value


_NAMED = WeakValueDictionary()  # objects by names that no other object ever has


def _name_object(thing):
    """Return the name of an object that is no text, the same as long as it lives."""
    for named in _NAMED.valuerefs():
        if named() is thing:
            return named.key
    name = uuid4().hex
    with suppress(TypeError):  # of what cannot be referred to, each is another
        _NAMED[name] = thing
    return name


_CLASSES = {}  # Keras' own, by name: to look one up takes 3 ms


def _find_class(optimizer):
    if isinstance(optimizer, keras.Optimizer):
        return type(optimizer)
    if isinstance(optimizer, type) and issubclass(optimizer, keras.Optimizer):
        return optimizer
    cls = _CLASSES.get(optimizer) or type(keras.optimizers.get(optimizer))
    if is_of_keras(cls):  # others may be registered anew
        _CLASSES[optimizer] = cls
    return cls


def names_without_decay(optimizer: keras.Optimizer) -> str | None:
    """Return the pattern of names without weight decay, or raise an error."""
    variables, names = exclusions_from_decay(optimizer)
    if variables:
        raise InvalidParameterError(
            "The 'optimizer' parameter excludes variables from weight decay that are "
            "not of this network: exclude them by name, as in "
            "exclude_from_weight_decay(var_names=['bias'])."
        )
    return names


def exclusions_from_decay(optimizer: keras.Optimizer) -> tuple[set | None, str | None]:
    """Return what has no weight decay, variables and names: no configuration has it."""
    optimizer = _innermost(optimizer)
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    variables = getattr(optimizer, "_exclude_from_weight_decay", None)
    return variables, pattern and pattern.pattern


def exclude_from_decay(
    optimizer: keras.Optimizer, variables: set | None, names: str | None
) -> None:
    """Do without weight decay of variables, and where a pattern finds a name."""
    optimizer = _innermost(optimizer)
    optimizer.exclude_from_weight_decay(var_names=[names] if names else None)
    optimizer._exclude_from_weight_decay = variables or set()


def _innermost(optimizer):
    return getattr(optimizer, "inner_optimizer", optimizer)


def _update_plainly(optimizer):
    """Have an optimizer of TensorFlow's update variables without its strategies.

    They would keep each graph that is made through them.
    """
    own = type(optimizer)._backend_update_step
    if own is not keras.Optimizer._backend_update_step:
        raise NoFingerprint(own)

    def update(gradients, variables, learning_rate):
        for gradient, variable in zip(gradients, variables, strict=True):
            optimizer.update_step(gradient, variable, learning_rate)

    optimizer._backend_update_step = update


def step_counter(optimizer: keras.Optimizer) -> keras.Variable:
    """Return the variable in which an optimizer counts the gradients it was given.

    Not `iterations`: of accumulated gradients it counts the updates.
    """
    return _innermost(optimizer)._iterations
