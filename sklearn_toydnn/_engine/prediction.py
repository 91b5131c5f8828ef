"""Prediction: the output for a row does not depend on the other rows of the call.

In a matrix product by BLAS or TensorFlow, the order of summation depends on the
position of a row, the number of rows, the threads and the processor. This module splits
the factors into integers so small that the sums of products are exact in any order
(Ozaki, Ogita, Oishi and Rump, Numerical Algorithms 59, 2012). Only then is each element
rounded. The activations are from Keras, except that softmax is from SciPy.
"""

import numpy as np
from scipy import special

from .network import Network, Weights
from .tensorflow import keras

_BLOCK = 2**18  # numbers per layer and block, which fit into the cache of a processor
_LARGE = 1e30  # the limit at which outputs are clipped
_ROWS = 64  # TensorFlow handles the SIMD remainder by another code path
_PARTS = {"float32": 2, "float64": 3}  # of 21 bits or more, up to 1,000 units
# In TensorFlow, the sum over a row depends on the position of the row.
_ROWWISE = (
    (keras.activations.softmax, special.softmax),
    (keras.activations.log_softmax, special.log_softmax),
)


def predict_proba(
    network: Network, output_cut: float, weights: Weights, X: np.ndarray
) -> np.ndarray:
    """Return the probabilities of the classes: float64, (n_samples, n_classes).

    `output_cut` is the output that separates two classes. It is 0 if the outputs are
    logits. If outputs are outside [0, 1], the most probable class is still the one that
    Keras uses for the accuracy.
    """
    output = predict(network, weights, X)
    with np.errstate(all="ignore"):
        return _normalise(_link(network, output_cut, output))


def _normalise(output):
    """Return probabilities that sum to 1 in each row, in float64."""
    output = output.astype(np.float64)
    has_nan = np.isnan(output).any(axis=1)
    if output.shape[1] == 1:
        output = np.clip(output, 0, 1)
        output[has_nan] = 0.5
        return np.hstack([1 - output, output])
    output = np.clip(output, -_LARGE, _LARGE)
    output -= np.minimum(output.min(axis=1, keepdims=True), 0)
    output[has_nan] = 0
    # If the output is 0 for every class, all classes are equally likely.
    output[~output.any(axis=1)] = 1
    return output / output.sum(axis=1, keepdims=True)


def _link(network, output_cut, output):
    """Convert logits and log-probabilities to probabilities."""
    if output_cut == 0:
        if output.shape[1] == 1:
            return special.expit(output)
        return special.softmax(output, axis=1)
    activation = keras.activations.get(network.output_activation)
    if activation is keras.activations.log_softmax:
        return np.exp(output)
    return output


def predict(network: Network, weights: Weights, X: np.ndarray) -> np.ndarray:
    """Return a network's output on X, as an array of shape (n_samples, n_outputs)."""
    n_parts = _PARTS[network.dtype]
    layers = [
        (keras.activations.get(activation), _Kernel(kernel, n_parts), bias)
        for activation, (kernel, bias) in zip(
            network.activations(), weights.layers(), strict=True
        )
    ]
    n_rows = max(_ROWS, _BLOCK // max(network.layer_sizes))
    output = np.empty((len(X), network.layer_sizes[-1]), network.dtype)
    with np.errstate(all="ignore"):  # training has already warned of a divergence
        for start in range(0, len(X), n_rows):
            block = X[start : start + n_rows]
            for activation, kernel, bias in layers:
                sums = (kernel.multiply(block) + bias).astype(network.dtype)
                block = _activate(activation, sums)
            output[start : start + n_rows] = block
    return output


class _Kernel:
    """A kernel that is split into parts for exact products."""

    def __init__(self, kernel, n_parts):
        # A sum of one product per input then stays below 2**53.
        self._n_bits = (53 - (len(kernel) - 1).bit_length()) // 2
        self._n_parts = n_parts
        self._kernel = kernel.astype(np.float64)
        self._parts, self._scale = self._split(self._kernel, axis=0)

    def multiply(self, X):
        """Return the product of X and the kernel, in float64."""
        X = X.astype(np.float64)
        parts, scale = self._split(X, axis=1)
        total = 0.0
        for last in reversed(range(self._n_parts)):
            total = total * 2.0**-self._n_bits + sum(
                parts[i] @ self._parts[last - i] for i in range(last + 1)
            )
        total = total * scale * self._scale
        if np.isnan(total).any():
            # Infinite factors cannot be split, but need no exact summation either.
            total = np.where(np.isnan(total), X @ self._kernel, total)
        return total

    def _split(self, matrix, axis):
        """Return integer parts and the scale of each row or column.

        The matrix is the scale times ``sum(parts[i] * 2**(-i * n_bits))``, up to a
        remainder.
        """
        _, exponent = np.frexp(np.abs(matrix).max(axis, keepdims=True))
        exponent = np.clip(exponent - self._n_bits, -1023, 1023)
        rest = matrix * np.ldexp(1.0, -exponent)
        parts = []
        for _ in range(self._n_parts):
            parts.append(np.rint(rest))
            rest = (rest - parts[-1]) * 2.0**self._n_bits
        return parts, np.ldexp(1.0, exponent)


def _activate(activation, sums):
    """Return the activation of each row, computed without a SIMD remainder."""
    n_rows = len(sums)
    for function, rowwise_function in _ROWWISE:
        if activation is function:
            return rowwise_function(sums, axis=1)
    sums = np.pad(sums, [(0, -n_rows % _ROWS), (0, 0)])
    return keras.ops.convert_to_numpy(activation(keras.ops.convert_to_tensor(sums)))[
        :n_rows
    ]
