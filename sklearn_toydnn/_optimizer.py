"""Optimizers: what the parameter names in Keras, described without making it."""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from numbers import Real

from ._keys import NotKnown, describe, is_of_keras, trace
from ._numeric import plain_number
from ._tensorflow import keras


@dataclass(frozen=True)
class OptimizerSpec:
    """An optimizer not made: making one takes 3 ms and 70 kB that never come back."""

    cls: type
    config: dict = field(compare=False)
    learning_rate: float | None = field(compare=False)  # None: default or schedule
    fingerprint: str  # by which a state is known to be this optimizer's
    refusal: str = field(compare=False)  # how an error begins

    @classmethod
    def of(cls, optimizer, params, refusal=str):
        """Describe an optimizer given by name, class or instance.

        `refusal` returns, of its class, how an error begins.
        """
        maker, config = _find_class(optimizer), dict(params)
        if isinstance(optimizer, keras.Optimizer):
            if params:
                raise ValueError("an instance takes no parameters")
            config = optimizer.get_config()
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
        settings = json.dumps(config, sort_keys=True, default=id)
        return cls(maker, config, rate, f"{name} {settings}", refusal(maker))

    @property
    def key(self):
        """tuple: What tells whether a state is of this optimizer, and of its rate."""
        return self.fingerprint, self.learning_rate

    def describe(self, network):
        """Return what is equal for optimizers that do the same with a network."""
        with suppress(NotKnown):
            return describe([self.cls, self.config])

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
        return trace(step, *shapes, dtype=network.dtype, is_optimizer=True)

    def make(self):
        """Return a new optimizer."""
        optimizer = self.make_default()
        if self.learning_rate is not None:
            optimizer.learning_rate = self.learning_rate
        return optimizer

    def make_default(self):
        """Return a new optimizer with its class' own learning rate, or a schedule."""
        try:
            return self.cls.from_config(dict(self.config))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.refusal}{error}") from error


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


def _update_plainly(optimizer):
    """Have an optimizer of TensorFlow's update variables without its strategies.

    They would keep each graph that is made through them.
    """
    own = type(optimizer)._backend_update_step
    if own is not keras.Optimizer._backend_update_step:
        raise NotKnown(own)

    def update(gradients, variables, learning_rate):
        for gradient, variable in zip(gradients, variables, strict=True):
            optimizer.update_step(gradient, variable, learning_rate)

    optimizer._backend_update_step = update


def step_counter(optimizer):
    """Return the variable in which an optimizer counts the gradients it was given.

    Not `iterations`: of accumulated gradients it counts the updates.
    """
    return getattr(optimizer, "inner_optimizer", optimizer)._iterations
