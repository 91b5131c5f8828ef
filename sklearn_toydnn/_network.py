"""The paper's network and what its parameters name in Keras."""

from ._tensorflow import keras  # before scikeras, whose import is not quiet

# isort: split
import json
from dataclasses import dataclass, field
from functools import lru_cache, partial
from inspect import signature
from numbers import Real

import numpy as np
from keras.src.losses.losses import LossFunctionWrapper
from scikeras._utils import get_optimizer_class


@dataclass(frozen=True)
class Network:
    """The structure of a network: everything about it but its numbers."""

    layer_sizes: tuple  # units of each layer, input and output included
    activation: object
    output_activation: object
    dtype: str

    def initial_weights(self, initializer, seed):
        """Draw the kernels; return the weights in Keras' order, as arrays."""
        seeds = np.random.SeedSequence(seed).generate_state(len(self.layer_sizes) - 1)
        weights = []
        for shape, layer_seed in zip(self._kernel_shapes(), seeds, strict=True):
            kernel = make_initializer(initializer, layer_seed)(shape, dtype=self.dtype)
            weights += [
                keras.ops.convert_to_numpy(kernel),
                np.zeros(shape[1], self.dtype),
            ]
        return weights

    def _kernel_shapes(self):
        return list(zip(self.layer_sizes[:-1], self.layer_sizes[1:], strict=True))

    def layers(self):
        """Return the dense layers, their weights not drawn but zero."""
        dense = partial(keras.layers.Dense, kernel_initializer="zeros")
        *hidden, output = self.layer_sizes[1:]
        return [
            *(dense(n, self.activation, dtype=self.dtype) for n in hidden),
            dense(output, self.output_activation, dtype=self.dtype),
        ]

    def build(self, weights, dropout_rate, seed):
        """Return a Keras model with these weights."""
        *hidden, output = self.layers()
        model = keras.Sequential(
            [
                keras.Input((self.layer_sizes[0],), dtype=self.dtype),
                *hidden,
                keras.layers.Dropout(dropout_rate, seed=seed, dtype=self.dtype),
                output,
            ]
        )
        model.set_weights(weights)
        return model

    def predict(self, weights, X):
        """Return the output on X, as an array of shape (n_samples, n_outputs)."""
        activations = [self.activation] * (len(self.layer_sizes) - 2)
        activations.append(self.output_activation)
        for activation, kernel, bias in zip(
            activations, weights[::2], weights[1::2], strict=True
        ):
            X = keras.activations.get(activation)(keras.ops.matmul(X, kernel) + bias)
        return keras.ops.convert_to_numpy(X)


def get_activation(activation, dtype):
    """Return an activation function by name, or one that proves to be one."""
    function = keras.activations.get(activation)
    if not isinstance(activation, str):
        values = keras.ops.ones((1, 2), dtype=dtype)
        if getattr(function(values), "shape", None) != values.shape:
            raise ValueError(f"{activation} does not return what an activation does")
    return function


def make_initializer(initializer, seed):
    """Return an initializer by name or like the instance, with a seed if it draws."""
    config = {}
    if isinstance(initializer, keras.Initializer):
        cls, config = type(initializer), initializer.get_config()
    else:
        # Not keras.initializers.get: it draws a seed from Python's global generator.
        cls = getattr(keras.initializers, initializer, None)
        if not (isinstance(cls, type) and issubclass(cls, keras.Initializer)):
            raise ValueError(f"Keras has no initializer {initializer!r}")
    if "seed" in signature(cls).parameters:
        config["seed"] = int(seed)
    return cls.from_config(config)


@lru_cache
def _optimizer_class(name):
    return get_optimizer_class(name)


def _plain(thing):
    """Return a number for NumPy's numbers, and for what has no value to write."""
    return thing.item() if isinstance(thing, np.generic) else id(thing)


@dataclass(frozen=True)
class OptimizerSpec:
    """An optimizer not made: making one takes 3 ms and 70 kB that never come back."""

    cls: type
    config: dict = field(compare=False)
    learning_rate: float | None = field(compare=False)  # None: default or schedule
    text: str

    @classmethod
    def of(cls, optimizer, params):
        """Describe an optimizer given by name, class or instance."""
        if isinstance(optimizer, keras.Optimizer):
            if params:
                raise ValueError("an instance takes no parameters")
            maker, config = type(optimizer), optimizer.get_config()
        elif isinstance(optimizer, type) and issubclass(optimizer, keras.Optimizer):
            maker, config = optimizer, dict(params)
        else:
            maker, config = _optimizer_class(optimizer), dict(params)
        config.pop("name", None)
        rate = config.get("learning_rate")
        if isinstance(rate, Real):
            rate = float(config.pop("learning_rate"))
        else:
            if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
                config["learning_rate"] = keras.saving.serialize_keras_object(rate)
            rate = None
        name = f"{maker.__module__}.{maker.__qualname__}"
        text = json.dumps(config, sort_keys=True, default=_plain)
        return cls(maker, config, rate, f"{name} {text}")

    def make(self):
        """Return a new optimizer."""
        optimizer = self.make_default()
        if self.learning_rate is not None:
            optimizer.learning_rate = self.learning_rate
        return optimizer

    def make_default(self):
        """Return a new optimizer with its class' own learning rate, or a schedule."""
        return self.cls.from_config(dict(self.config))


def n_steps(optimizer):
    """Return the variable in which an optimizer counts the gradients it was given."""
    return getattr(optimizer, "inner_optimizer", optimizer)._iterations


def loss_class(loss, dtype):
    """Return the class of a loss, or an instance that is or wraps what is given."""
    if isinstance(loss, type):
        if not issubclass(loss, keras.Loss):
            raise ValueError(f"{loss} is no class of losses")
        return loss
    loss = keras.losses.get(loss)
    if isinstance(loss, keras.Loss):
        return loss
    if getattr(loss, "__module__", "").startswith("keras."):
        # Keras' short names give functions; those of its own have a class each.
        name = loss.__name__.replace("_", "")
        for cls in vars(keras.losses).values():
            if isinstance(cls, type) and cls.__name__.lower() == name:
                return cls
    return LossFunctionWrapper(loss, dtype=dtype)


def loss_key(loss, given, params):
    """Return what is equal for losses that compute the same."""
    if type(loss) is LossFunctionWrapper:
        return loss.fn, loss.dtype
    if isinstance(given, type):
        return given, loss.dtype, json.dumps(params, sort_keys=True, default=_plain)
    if not type(loss).__module__.startswith("keras."):
        return loss  # its configuration may not say everything
    config = {name: repr(value) for name, value in loss.get_config().items()}
    config.pop("name")
    return type(loss), loss.dtype, tuple(sorted(config.items()))
