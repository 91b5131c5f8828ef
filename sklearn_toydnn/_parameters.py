"""What the parameters of DNNClassifier name in Keras, or an error that names them."""

from ._tensorflow import keras  # before scikeras, whose import is not quiet

# isort: split
from numbers import Integral

import numpy as np
from scikeras.utils import loss_name
from sklearn.utils._param_validation import InvalidParameterError

from ._network import (
    Network,
    OptimizerSpec,
    describe_loss,
    get_activation,
    loss_class,
    takes_logits,
)
from ._scikeras import KerasClassifier

_AUTO_OUTPUT = {True: "sigmoid", False: "softmax"}
_OVER_CLASSES = (
    keras.activations.softmax,
    keras.activations.log_softmax,
    keras.activations.sparsemax,
)
_AUTO_LOSS = {
    True: keras.losses.BinaryCrossentropy,
    False: keras.losses.SparseCategoricalCrossentropy,
}


class ParametrizedClassifier(KerasClassifier):
    """A classifier that makes network, optimizer and loss of its parameters."""

    def _keras(self, param, get):
        """Look a parameter's value up in Keras, or raise an error that names it."""
        value = getattr(self, param)
        try:
            return get(value)
        except Exception as error:  # whatever a function of the user's own raises
            raise InvalidParameterError(
                f"The {param!r} parameter of {type(self).__name__} must be a name or "
                f"an object that Keras knows. Got {value!r} instead."
            ) from error

    def _activation(self, param):
        return self._keras(param, lambda value: get_activation(value, self.dtype))

    def _make_network(self):
        hidden = self.hidden_layer_sizes
        hidden = (hidden,) if isinstance(hidden, Integral) else tuple(hidden)
        if not hidden or not all(isinstance(n, Integral) and n >= 1 for n in hidden):
            raise InvalidParameterError(
                f"The 'hidden_layer_sizes' parameter of {type(self).__name__} must be "
                f"one or more ints of at least 1. Got {self.hidden_layer_sizes!r}."
            )
        self._activation("activation")
        output = self.output_activation
        binary = self.n_classes_ == 2
        if output == "auto":
            output = "linear" if self._takes_logits() else _AUTO_OUTPUT[binary]
        elif binary and self._activation("output_activation") in _OVER_CLASSES:
            name = self._activation("output_activation").__name__
            raise InvalidParameterError(
                f"output_activation={name} compares one output per class, but two "
                "classes have a single output. Use 'auto' or 'sigmoid'."
            )
        else:
            self._activation("output_activation")
        return Network(
            (self.n_features_in_, *map(int, hidden), 1 if binary else self.n_classes_),
            self.activation,
            output,
            self.dtype,
        )

    def _optimizer_spec(self):
        params = self._routed("optimizer", dict)
        self._keras("optimizer", lambda optimizer: OptimizerSpec.of(optimizer, {}))
        with self._naming_routed("optimizer", self.optimizer):
            return OptimizerSpec.of(self.optimizer, params)

    def _make_optimizer(self, spec, make):
        with self._naming_routed("optimizer", spec.cls):
            return make(spec)

    def _make_loss(self):
        binary = self.n_classes_ == 2
        loss = _AUTO_LOSS[binary] if self.loss == "auto" else self._loss_class()
        if binary and "categorical" in loss_name(loss):
            raise InvalidParameterError(
                f"loss={self.loss!r} compares one output per class, but two classes "
                "have a single output. Use 'auto' or 'binary_crossentropy'."
            )
        # Keras would compute it in float32 whatever the network's precision.
        return self._routed("loss", loss, dtype=self.dtype)

    def _takes_logits(self):
        return takes_logits(self._make_loss())

    def _describe_loss(self, loss):
        return describe_loss(loss, self.loss, self._routed("loss", dict))

    def _loss_class(self):
        return self._keras("loss", lambda loss: loss_class(loss, self.dtype))

    def _target(self, codes):
        """Return a column of numbers or, for most losses of many classes, one-hot."""
        sparse = self.loss == "auto" or loss_name(self._loss_class()).startswith(
            "sparse"
        )
        if self.n_classes_ == 2 or sparse:
            return codes[:, None].astype(self.dtype)
        return np.eye(self.n_classes_, dtype=self.dtype)[codes]
