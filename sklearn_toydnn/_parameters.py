"""What the parameters of DNNClassifier name in Keras, or an error that names them."""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import ceil
from numbers import Integral
from types import SimpleNamespace

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import InvalidParameterError

from ._keys import NotKnown
from ._loss import (
    compares_classes,
    describe_loss,
    find_loss,
    takes_logits,
    takes_numbers,
)
from ._network import Network, get_activation, make_initializer
from ._optimizer import OptimizerSpec
from ._state import State
from ._tensorflow import keras
from ._validation import encode, weigh_classes

# scikit-learn's names, and where an error points those who give them.
_ELSEWHERE = {
    "logistic": " Keras calls it 'sigmoid'.",
    "identity": " Keras calls it 'linear'.",
    "log_loss": " 'auto' is the log loss.",
    "lbfgs": " Keras has no L-BFGS; MLPClassifier has.",
}
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


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be trained, and how: the parameters of a classifier, looked up."""

    classes: np.ndarray
    network: Network
    optimizer: OptimizerSpec
    loss: keras.Loss
    loss_known: tuple | None  # the description of a loss that is Keras', by name
    output_cut: float  # where two classes part in the output: at 0 in logits
    given: SimpleNamespace  # the classifier's attributes, for parameters as they are

    @classmethod
    def of(cls, clf, fitted=False):
        """Look up what the parameters of a classifier name.

        It knows its classes and the number of its features by now. `fitted` asks for
        the network that there is, whatever the parameters have become.
        """
        loss, loss_known = _make_loss(clf), None
        with suppress(NotKnown):
            loss_known = describe_loss(loss, clf.loss, clf._routed_to("loss"))
        of_logits = takes_logits(loss)
        return cls(
            clf.classes_,
            clf._network if fitted else _make_network(clf, of_logits),
            _describe_optimizer(clf),
            loss,
            loss_known,
            clf._output_cut if fitted else 0.0 if of_logits else 0.5,
            SimpleNamespace(**vars(clf)),
        )

    @property
    def targets_are_numbers(self):
        """bool: Whether targets are the numbers of the classes, not one-hot rows."""
        return len(self.classes) == 2 or takes_numbers(self.loss)

    @property
    def dropout_rate(self):
        """float: The share dropped of the last hidden layer; 0 where there is none."""
        return self.given.dropout_rate if len(self.network.layer_sizes) > 2 else 0.0

    def initial_state(self, clf):
        """Draw a seed and, from it, the initial weights."""
        # Not NumPy's global generator: fits in threads would disturb one another.
        generator = (
            np.random.RandomState()
            if clf.random_state is None
            else check_random_state(clf.random_state)
        )
        seed = int(generator.randint(np.iinfo(np.int32).max))
        initializer = look_up(
            clf, "kernel_initializer", lambda name: make_initializer(name, seed)
        )
        return State(self.network.initial_weights(initializer, seed), seed)

    def encode(self, y, name):
        """Return what the loss compares outputs with, for labels.

        A column of numbers or, for most losses of many classes, one-hot rows.
        """
        codes = encode(y, self.classes, name)
        if self.targets_are_numbers:
            return codes[:, None].astype(self.network.dtype)
        return np.eye(len(self.classes), dtype=self.network.dtype)[codes]

    def decode(self, targets):
        """Return the numbers of the classes that targets stand for."""
        if self.targets_are_numbers:
            return targets[:, 0].astype(int)
        return targets.argmax(axis=1)

    def score_weights(self, validation):
        """Return by which weights validation data count for early stopping, or None."""
        _, targets, *weights = validation
        if weights:
            return weights[0]
        if self.given.class_weight is None:
            return None
        labels = self.classes[self.decode(targets)]
        return weigh_classes(self.given.class_weight, self.classes, labels)

    def shapes(self, n_rows):
        """Return the shapes of the targets and of the outputs of so many rows."""
        n_outputs = self.network.layer_sizes[-1]
        n_targets = 1 if self.targets_are_numbers else n_outputs
        return (n_rows, n_targets), (n_rows, n_outputs)

    def n_in_batch(self, n_rows):
        """Return the number of rows of a batch, of so many rows in all."""
        batch_size = self.given.batch_size
        return n_rows if batch_size == -1 else min(batch_size, n_rows)

    def n_steps(self, n_rows):
        """Return the number of gradients taken in an epoch."""
        return ceil(n_rows / self.n_in_batch(n_rows))


def look_up(clf, param, get):
    """Look a parameter's value up in Keras, or raise an error that names it."""
    value = getattr(clf, param)
    try:
        return get(value)
    except InvalidParameterError:
        raise
    except Exception as error:  # whatever a function of the user's own raises
        raise InvalidParameterError(
            f"The {param!r} parameter of {type(clf).__name__} must be a name or "
            f"an object that Keras knows. Got {value!r} instead."
            + (_ELSEWHERE.get(value, "") if isinstance(value, str) else "")
        ) from error


def _make_network(clf, of_logits):
    hidden = clf.hidden_layer_sizes
    hidden = (hidden,) if isinstance(hidden, Integral) else tuple(hidden)
    if not all(isinstance(n, Integral) and n >= 1 for n in hidden):
        raise InvalidParameterError(
            f"The 'hidden_layer_sizes' parameter of {type(clf).__name__} must be "
            f"ints of at least 1. Got {clf.hidden_layer_sizes!r}."
        )

    def activation(param):
        return look_up(clf, param, lambda value: get_activation(value, clf.dtype))

    activation("activation")
    n_classes = len(clf.classes_)
    output = clf.output_activation
    if output == "auto":
        output = "linear" if of_logits else _AUTO_OUTPUT[n_classes == 2]
    else:
        function = activation("output_activation")
        if n_classes == 2 and function in _OVER_CLASSES:
            raise InvalidParameterError(
                f"output_activation={function.__name__} compares one output per class, "
                "but two classes have a single output. Use 'auto' or 'sigmoid'."
            )
    n_outputs = 1 if n_classes == 2 else n_classes
    sizes = (clf.n_features_in_, *map(int, hidden), n_outputs)
    return Network(sizes, clf.activation, output, clf.dtype)


def _describe_optimizer(clf):
    params = clf._routed_to("optimizer")
    refusal = partial(clf._refusal, "optimizer")
    spec = look_up(clf, "optimizer", lambda value: OptimizerSpec.of(value, {}, refusal))
    if not params:
        return spec
    try:
        return OptimizerSpec.of(clf.optimizer, params, refusal)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{spec.refusal}{error}") from error


def _make_loss(clf):
    binary = len(clf.classes_) == 2
    loss = (
        _AUTO_LOSS[binary]
        if clf.loss == "auto"
        else look_up(clf, "loss", lambda loss: find_loss(loss, clf.dtype))
    )
    if binary and compares_classes(loss):
        raise InvalidParameterError(
            f"loss={clf.loss!r} compares one output per class, but two classes "
            "have a single output. Use 'auto' or 'binary_crossentropy'."
        )
    return clf._make_loss(loss)
