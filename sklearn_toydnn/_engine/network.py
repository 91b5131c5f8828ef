"""The network of the paper (Methods, steps 2 to 4): layers and initial weights."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from inspect import signature
from itertools import pairwise

import numpy as np

from .fingerprint import is_of_keras
from .tensorflow import keras


@dataclass(frozen=True)
class Weights:
    """The weights of a network: a kernel and a bias for each layer."""

    kernels: list
    biases: list

    @classmethod
    def of_keras(cls, arrays: list) -> "Weights":
        """Create the weights from arrays or tensors in the order of Keras."""
        return cls([*arrays[::2]], [*arrays[1::2]])

    def in_keras_order(self) -> list:
        """Return a list of the kernel and bias of each layer in turn."""
        return [array for layer in self.layers() for array in layer]

    def layers(self) -> list[tuple]:
        """Return the pairs of kernel and bias."""
        return [*zip(self.kernels, self.biases, strict=True)]


@dataclass(frozen=True)
class Network:
    """The structure of a network, without its weights."""

    layer_sizes: tuple[int, ...]  # units per layer, with input and output
    activation: str | Callable = "relu"
    output_activation: str | Callable = "sigmoid"
    dtype: str = "float32"

    def initial_weights(
        self, initializer: str | keras.Initializer, seed: int
    ) -> Weights:
        """Draw the initial kernels as arrays; the biases are zero."""
        seeds = np.random.SeedSequence(seed).generate_state(len(self.layer_sizes) - 1)
        kernels = [
            make_initializer(initializer, layer_seed)(shape, dtype=self.dtype)
            for shape, layer_seed in zip(self._kernel_shapes(), seeds, strict=True)
        ]
        return Weights(
            [keras.ops.convert_to_numpy(kernel) for kernel in kernels],
            [np.zeros(n_units, self.dtype) for _, n_units in self._kernel_shapes()],
        )

    def _kernel_shapes(self):
        return list(pairwise(self.layer_sizes))

    def weight_shapes(self) -> list[tuple[int, ...]]:
        """Return the shapes of the weights, in the order of Keras."""
        return [shape for n, m in self._kernel_shapes() for shape in ((n, m), (m,))]

    def layers(self) -> list[keras.Layer]:
        """Return the dense layers, whose kernels are initialized to zero."""
        dense = partial(keras.layers.Dense, kernel_initializer="zeros")
        *hidden, output = self.layer_sizes[1:]
        return [
            *(dense(n, self.activation, dtype=self.dtype) for n in hidden),
            dense(output, self.output_activation, dtype=self.dtype),
        ]

    def built_layers(self) -> list[keras.Layer]:
        """Return the dense layers after creating their variables."""
        layers = self.layers()
        for layer, n_inputs in zip(layers, self.layer_sizes, strict=False):
            layer.build((None, n_inputs))
        return layers

    def build(
        self, weights: Weights, dropout_rate: float, seed: int
    ) -> keras.Sequential:
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
        model.set_weights(weights.in_keras_order())
        return model

    def activations(self) -> list[str | Callable]:
        """Return the activation of each layer."""
        hidden = [self.activation] * (len(self.layer_sizes) - 2)
        return [*hidden, self.output_activation]


def get_activation(activation: str | Callable, dtype: str) -> Callable:
    """Return an activation function, and check it unless it is a name in Keras."""
    function = keras.activations.get(activation)
    if not (isinstance(activation, str) and is_of_keras(function)):
        if isinstance(function, keras.Layer):
            function = deepcopy(function)  # a call may create weights of this shape
        values = keras.ops.ones((1, 2), dtype=dtype)
        if getattr(function(values), "shape", None) != values.shape:
            raise ValueError(
                f"{activation} must return a tensor of the same shape as its input"
            )
        if getattr(function, "variables", None):
            raise ValueError(f"{activation} must not have weights")
    return keras.activations.get(activation)


def make_initializer(
    initializer: str | keras.Initializer, seed: int
) -> keras.Initializer:
    """Return a new initializer for a name or instance, with `seed` if it has one."""
    config = {}
    if isinstance(initializer, keras.Initializer):
        cls, config = type(initializer), initializer.get_config()
    else:
        # keras.initializers.get would draw a seed from Python's global generator.
        cls = getattr(keras.initializers, initializer, None)
        if not (isinstance(cls, type) and issubclass(cls, keras.Initializer)):
            raise ValueError(f"{initializer!r} is not a Keras initializer")
    if "seed" in signature(cls).parameters:
        config["seed"] = int(seed)
    return cls.from_config(config)


# Saved files, and lists of trusted types, refer to the class by this path.
Network.__module__ = "sklearn_toydnn._network"
