"""The paper's network and what its parameters name in Keras."""

from ._tensorflow import keras  # before scikeras, whose import is not quiet

# isort: split
import json
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from inspect import signature
from numbers import Real

import numpy as np
from keras.src.losses.losses import LossFunctionWrapper
from scikeras._utils import get_optimizer_class

from ._keys import NotKnown, describe, is_of_keras, trace


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

    def weight_shapes(self):
        """Return the shapes of the weights, in Keras' order."""
        return [shape for n, m in self._kernel_shapes() for shape in ((n, m), (m,))]

    def layers(self):
        """Return the dense layers, their weights not drawn but zero."""
        dense = partial(keras.layers.Dense, kernel_initializer="zeros")
        *hidden, output = self.layer_sizes[1:]
        return [
            *(dense(n, self.activation, dtype=self.dtype) for n in hidden),
            dense(output, self.output_activation, dtype=self.dtype),
        ]

    def built_layers(self):
        """Return the dense layers with their variables."""
        layers = self.layers()
        for layer, n_inputs in zip(layers, self.layer_sizes, strict=False):
            layer.build((None, n_inputs))
        return layers

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

    def activations(self):
        """Return the activation of each layer."""
        hidden = [self.activation] * (len(self.layer_sizes) - 2)
        return [*hidden, self.output_activation]

    @property
    def known(self):
        """tuple: The activations' description; raises NotKnown unless Keras' own."""
        return describe(
            [
                keras.activations.get(activation)
                for activation in (self.activation, self.output_activation)
            ]
        )


def get_activation(activation, dtype):
    """Return an activation function by name, or one that proves to be one."""
    function = keras.activations.get(activation)
    if not (isinstance(activation, str) and is_of_keras(function)):
        if isinstance(function, keras.Layer):
            function = deepcopy(function)  # a call may give it weights of this shape
        values = keras.ops.ones((1, 2), dtype=dtype)
        if getattr(function(values), "shape", None) != values.shape:
            raise ValueError(f"{activation} does not return what an activation does")
        if getattr(function, "variables", None):
            raise ValueError(f"{activation} has weights, and no activation has any")
    return keras.activations.get(activation)


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


_OPTIMIZERS = {}  # Keras' own, by name: to look one up takes 3 ms


def _optimizer_class(name):
    cls = _OPTIMIZERS.get(name) or get_optimizer_class(name)
    if is_of_keras(cls):  # others may be registered anew
        _OPTIMIZERS[name] = cls
    return cls


def plain_number(value):
    """Return Python's number for NumPy's, with which Keras computes otherwise."""
    return value.item() if isinstance(value, np.generic) else value


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
        config = {name: plain_number(value) for name, value in config.items()}
        rate = config.get("learning_rate")
        if isinstance(rate, Real):
            rate = float(config.pop("learning_rate"))
        else:
            if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
                config["learning_rate"] = keras.saving.serialize_keras_object(rate)
            rate = None
        name = f"{maker.__module__}.{maker.__qualname__}"
        text = json.dumps(config, sort_keys=True, default=id)
        return cls(maker, config, rate, f"{name} {text}")

    @property
    def known(self):
        """tuple: The description but for the rate; NotKnown unless Keras' own."""
        return describe([self.cls, self.config])

    def describe(self, network):
        """Return what is equal for optimizers that do the same with a network."""
        with suppress(NotKnown):
            return self.known

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
        return self.cls.from_config(dict(self.config))


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


def n_steps(optimizer):
    """Return the variable in which an optimizer counts the gradients it was given."""
    return getattr(optimizer, "inner_optimizer", optimizer)._iterations


def loss_class(loss, dtype):
    """Return the class of a loss, or an instance that is or wraps what is given."""
    if isinstance(loss, type):
        if not issubclass(loss, keras.Loss):
            raise ValueError(f"{loss} is no class of losses")
        return loss
    named = getattr(keras.losses, loss, None) if isinstance(loss, str) else None
    if isinstance(named, type) and issubclass(named, keras.Loss):
        return named
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


def describe_loss(loss, given, params):
    """Describe a loss by what was given for it; NotKnown unless that is Keras' own."""
    if isinstance(given, keras.Loss):
        raise NotKnown(given)  # an instance may have been changed since it was made
    maker = loss.fn if type(loss) is LossFunctionWrapper else type(loss)
    return describe([maker, loss.dtype, params])


def takes_logits(loss):
    """Return whether a loss applies a sigmoid or softmax of its own to the output."""
    keywords = getattr(getattr(loss, "fn", None), "keywords", {})  # of a partial
    keywords = keywords | getattr(loss, "_fn_kwargs", {})  # of a wrapped function
    return bool(getattr(loss, "from_logits", keywords.get("from_logits")))
