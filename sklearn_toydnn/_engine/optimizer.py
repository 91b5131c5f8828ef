"""Optimizers, described without creating Keras objects."""

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

# Subclasses are left out, because they may override the update.
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
    """A description of an optimizer.

    Creating an optimizer takes 3 ms and 70 kB, which are never freed.
    """

    cls: type
    config: dict = field(compare=False)
    learning_rate: float | None = field(compare=False)  # None: default or schedule
    settings: str  # class, config and not_decayed, as text
    error_prefix: str = field(compare=False)  # the beginning of error messages
    not_decayed: str | None = field(default=None, compare=False)  # pattern of names

    @classmethod
    def of(
        cls,
        optimizer: str | type | keras.Optimizer,
        params: dict,
        error_prefix: Callable[[type], str] = str,
    ) -> "OptimizerSpec":
        """Describe an optimizer given by name, class or instance.

        `error_prefix` returns the beginning of error messages for the class.
        """
        optimizer_class, config = _find_class(optimizer), dict(params)
        not_decayed = None
        if isinstance(optimizer, keras.Optimizer):
            if params:
                raise ValueError("only a name or a class accepts parameters.")
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
        name = f"{optimizer_class.__module__}.{optimizer_class.__qualname__}"
        settings = json.dumps(config, sort_keys=True, default=_name_object)
        settings = " ".join(filter(None, [name, settings, not_decayed]))
        message = error_prefix(optimizer_class)
        return cls(optimizer_class, config, rate, settings, message, not_decayed)

    @property
    def is_elementwise(self) -> bool:
        """bool: Whether the update of a number does not depend on its variable."""
        is_per_variable = self.config.get("clipnorm") is not None or self.not_decayed
        return self.cls in _ELEMENTWISE and not is_per_variable

    @property
    def state_key(self) -> tuple[str, float | None]:
        """tuple: The settings and the learning rate that an optimizer state is for.

        If a setting is an object, the key is valid only in this process.
        """
        return self.settings, self.learning_rate

    def fingerprint(self, network) -> tuple | str:
        """Return a fingerprint of the updates that the optimizer makes in a network."""
        with suppress(NoFingerprint):
            return fingerprint([self.cls, self.config, self.not_decayed])

        def step(*gradients):
            # An optimizer may distinguish kernels and biases by the names in layers.
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
        """Return a new optimizer with the default learning rate or a schedule."""
        try:
            optimizer = self.cls.from_config(dict(self.config))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.error_prefix}{error}") from error
        if self.not_decayed:
            exclude_from_decay(optimizer, None, self.not_decayed)
        return optimizer


def plain_number(value: object) -> object:
    """Convert a NumPy scalar to a Python number, which Keras treats differently."""
    return value.item() if isinstance(value, np.generic) else value


_NAMED_OBJECTS = WeakValueDictionary()  # by unique names that are never reused


def _name_object(obj):
    """Return a unique name for an object, which it has for its lifetime."""
    for reference in _NAMED_OBJECTS.valuerefs():
        if reference() is obj:
            return reference.key
    name = uuid4().hex
    with suppress(TypeError):  # no weak references: a new name for each call
        _NAMED_OBJECTS[name] = obj
    return name


_CLASSES = {}  # Keras classes by name: Keras takes 3 ms to look one up


def _find_class(optimizer):
    """Return the class of an optimizer given by name, class or instance."""
    if isinstance(optimizer, keras.Optimizer):
        return type(optimizer)
    if isinstance(optimizer, type) and issubclass(optimizer, keras.Optimizer):
        return optimizer
    cls = _CLASSES.get(optimizer) or type(keras.optimizers.get(optimizer))
    if is_of_keras(cls):  # a user may register another class under the same name
        _CLASSES[optimizer] = cls
    return cls


def names_without_decay(optimizer: keras.Optimizer) -> str | None:
    """Return the pattern of the names of variables without weight decay.

    Raises an error if an optimizer excludes variables instead of names.
    """
    variables, names = exclusions_from_decay(optimizer)
    if variables:
        raise InvalidParameterError(
            "The 'optimizer' parameter must not exclude variables of another network "
            "from weight decay. Exclude variables by name instead, for example with "
            "exclude_from_weight_decay(var_names=['bias'])."
        )
    return names


def exclusions_from_decay(optimizer: keras.Optimizer) -> tuple[set | None, str | None]:
    """Return the variables and the pattern of names that have no weight decay.

    The configuration of an optimizer does not contain them.
    """
    optimizer = _innermost(optimizer)
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    variables = getattr(optimizer, "_exclude_from_weight_decay", None)
    return variables, pattern and pattern.pattern


def exclude_from_decay(
    optimizer: keras.Optimizer, variables: set | None, names: str | None
) -> None:
    """Exclude variables, and names that match a pattern, from weight decay."""
    optimizer = _innermost(optimizer)
    optimizer.exclude_from_weight_decay(var_names=[names] if names else None)
    optimizer._exclude_from_weight_decay = variables or set()


def _innermost(optimizer):
    return getattr(optimizer, "inner_optimizer", optimizer)


def _update_plainly(optimizer):
    """Make an optimizer update variables without a ``tf.distribute`` strategy.

    The strategy would hold a reference to each graph that it is used in.
    """
    update_step = type(optimizer)._backend_update_step
    if update_step is not keras.Optimizer._backend_update_step:
        raise NoFingerprint(update_step)

    def update(gradients, variables, learning_rate):
        for gradient, variable in zip(gradients, variables, strict=True):
            optimizer.update_step(gradient, variable, learning_rate)

    optimizer._backend_update_step = update


def step_counter(optimizer: keras.Optimizer) -> keras.Variable:
    """Return the variable that counts the gradients an optimizer has received.

    `iterations` counts updates, which are fewer if gradients are accumulated.
    """
    return _innermost(optimizer)._iterations
