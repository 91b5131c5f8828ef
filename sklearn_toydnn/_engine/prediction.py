"""What a network says of a row: the same bits whatever else is in the call.

A matrix product by BLAS or TensorFlow adds up each row in an order that depends on
where the row stands, on how many there are, on the threads and on the processor. Here
the factors are split into integers so small that a product's sums are exact, in
whatever order they are added up (Ozaki, Ogita, Oishi and Rump, Numerical Algorithms
59, 2012); what is then rounded is rounded element by element. Activations are Keras',
but softmax is SciPy's.
"""

import numpy as np
from scipy import special

from .network import Network, Weights
from .tensorflow import keras

_BLOCK = 2**18  # numbers per layer at a time: they fit into a processor's cache
_LARGE = 1e30  # outputs beyond it are no likelier
_ROWS = 64  # TensorFlow computes what fills no whole vector in another way
_PARTS = {"float32": 2, "float64": 3}  # of 21 bits or more, up to 1,000 units
# In TensorFlow, what is added up over a row depends on where it stands.
_OF_ROWS = (
    (keras.activations.softmax, special.softmax),
    (keras.activations.log_softmax, special.log_softmax),
)


def predict_proba(
    network: Network, output_cut: float, weights: Weights, X: np.ndarray
) -> np.ndarray:
    """Return the probabilities of the classes: float64, (n_samples, n_classes).

    `output_cut` is where two classes part in the output: 0 where the loss takes it for
    logits. Where an output activation leaves [0, 1], the most probable class is still
    the one that Keras takes for its accuracy.
    """
    output = predict(network, weights, X)
    with np.errstate(all="ignore"):
        return _normalise(_link(network, output_cut, output))


def _normalise(output):
    """Return probabilities that sum to 1 in each row, in float64."""
    output = output.astype(np.float64)
    unknown = np.isnan(output).any(axis=1)
    if output.shape[1] == 1:
        output = np.clip(output, 0, 1)
        output[unknown] = 0.5
        return np.hstack([1 - output, output])
    output = np.clip(output, -_LARGE, _LARGE)
    output -= np.minimum(output.min(axis=1, keepdims=True), 0)
    output[unknown] = 0
    # Where the output is 0 for every class, none is likelier.
    output[~output.any(axis=1)] = 1
    return output / output.sum(axis=1, keepdims=True)


def _link(network, output_cut, output):
    """Return what the loss, or a logarithmic activation, takes the output for."""
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
    with np.errstate(all="ignore"):  # training has warned of what diverged
        for start in range(0, len(X), n_rows):
            block = X[start : start + n_rows]
            for activation, kernel, bias in layers:
                sums = (kernel.multiply(block) + bias).astype(network.dtype)
                block = _activate(activation, sums)
            output[start : start + n_rows] = block
    return output


class _Kernel:
    """A kernel split for exact products."""

    def __init__(self, kernel, n_parts):
        # So that sums of as many products as there are inputs stay below 2**53.
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
            # Of infinite factors, there are no parts; nor does their order matter.
            total = np.where(np.isnan(total), X @ self._kernel, total)
        return total

    def _split(self, matrix, axis):
        """Return parts, integers all, and the scale of each row or column.

        The matrix is the scale times the sum over its parts, each of which counts
        ``2**-n_bits`` of the one before.
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
    """Return the activation of each row, the last ones in a full vector too."""
    n_rows = len(sums)
    for function, of_rows in _OF_ROWS:
        if activation is function:
            return of_rows(sums, axis=1)
    sums = np.pad(sums, [(0, -n_rows % _ROWS), (0, 0)])
    return keras.ops.convert_to_numpy(activation(keras.ops.convert_to_tensor(sums)))[
        :n_rows
    ]
