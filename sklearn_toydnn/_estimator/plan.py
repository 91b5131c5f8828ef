"""Converts the parameters of DNNClassifier to a plan, or raises an error."""

from functools import partial
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import InvalidParameterError

from .._engine.loss import (
    fingerprint_loss,
    loss_class,
    requires_output_per_class,
    takes_logits,
)
from .._engine.network import Network, get_activation, make_initializer
from .._engine.optimizer import OptimizerSpec
from .._engine.records import Plan, Settings, Stopping
from .._engine.tensorflow import keras

# Hints in errors for scikit-learn's names.
_HINTS = {
    "logistic": " Keras calls it 'sigmoid'.",
    "identity": " Keras calls it 'linear'.",
    "log_loss": " 'auto' is the log loss.",
    "lbfgs": " Keras has no L-BFGS; use MLPClassifier.",
}
_AUTO_OUTPUT = {True: "sigmoid", False: "softmax"}
_ACTIVATIONS_OVER_CLASSES = (
    keras.activations.softmax,
    keras.activations.log_softmax,
    keras.activations.sparsemax,
)
_AUTO_LOSS = {
    True: keras.losses.BinaryCrossentropy,
    False: keras.losses.SparseCategoricalCrossentropy,
}


def make_plan(clf):
    """Return the plan that a classifier's parameters describe.

    The classifier must have `classes_` and `n_features_in_`.
    """
    loss = _make_loss(clf)
    expects_logits = takes_logits(loss)
    network = _make_network(clf, expects_logits)
    return _make_plan(clf, loss, network, 0.0 if expects_logits else 0.5)


def plan_of_fitted(clf):
    """Return a plan with the fitted network, even if parameters have changed."""
    return _make_plan(clf, _make_loss(clf), clf._network, clf._output_cut)


def _make_plan(clf, loss, network, output_cut):
    is_instance = isinstance(clf.loss, keras.Loss)
    stopping = Stopping(clf.n_iter_no_change, clf.tol) if clf.early_stopping else None
    return Plan(
        network=network,
        optimizer=_describe_optimizer(clf),
        loss=loss,
        loss_fingerprint=(
            None if is_instance else fingerprint_loss(loss, clf._routed_to("loss"))
        ),
        output_cut=output_cut,
        initializer=clf.kernel_initializer,
        settings=Settings(
            batch_size=clf.batch_size,
            dropout_rate=clf.dropout_rate,
            shuffle=clf.shuffle,
            stopping=stopping,
            run_eagerly=clf.run_eagerly,
            jit_compile=clf.jit_compile,
            verbose=clf.verbose,
            memory=clf.memory,
            is_seeded=clf.random_state is not None,
        ),
    )


def initial_state(clf, plan):
    """Draw a seed, and initial weights from it."""
    # Fits in different threads must not share NumPy's global generator.
    generator = (
        np.random.RandomState()
        if clf.random_state is None
        else check_random_state(clf.random_state)
    )
    seed = int(generator.randint(np.iinfo(np.int32).max))
    look_up(clf, "kernel_initializer", partial(make_initializer, seed=seed))
    return plan.initial_state(seed)


def look_up(clf, param, get):
    """Look a parameter up in Keras, or raise an error that names the parameter."""
    value = getattr(clf, param)
    try:
        return get(value)
    except InvalidParameterError:
        raise
    except Exception as error:  # a user-defined function can raise any exception
        raise InvalidParameterError(
            f"The {param!r} parameter of {type(clf).__name__} must be a name "
            f"in Keras or a valid object. Got {value!r} instead."
            + (_HINTS.get(value, "") if isinstance(value, str) else "")
        ) from error


def _make_network(clf, expects_logits):
    hidden = clf.hidden_layer_sizes
    hidden = (hidden,) if isinstance(hidden, Integral) else tuple(hidden)
    if not all(isinstance(n, Integral) and n >= 1 for n in hidden):
        raise InvalidParameterError(
            f"The 'hidden_layer_sizes' parameter of {type(clf).__name__} must "
            f"contain integers of at least 1. Got {clf.hidden_layer_sizes!r}."
        )

    def activation(param):
        return look_up(clf, param, lambda value: get_activation(value, clf.dtype))

    activation("activation")
    n_classes = len(clf.classes_)
    output = clf.output_activation
    if output == "auto":
        output = "linear" if expects_logits else _AUTO_OUTPUT[n_classes == 2]
    else:
        function = activation("output_activation")
        if n_classes == 2 and function in _ACTIVATIONS_OVER_CLASSES:
            raise InvalidParameterError(
                f"output_activation={function.__name__} needs one output per class, "
                "but for two classes the network has a single output. Use 'auto' or "
                "'sigmoid'."
            )
    n_outputs = 1 if n_classes == 2 else n_classes
    sizes = (clf.n_features_in_, *map(int, hidden), n_outputs)
    return Network(sizes, clf.activation, output, clf.dtype)


def _describe_optimizer(clf):
    params = clf._routed_to("optimizer")
    error_prefix = partial(clf._error_prefix, "optimizer")
    spec = look_up(
        clf, "optimizer", lambda value: OptimizerSpec.of(value, {}, error_prefix)
    )
    if not params:
        return spec
    try:
        return OptimizerSpec.of(clf.optimizer, params, error_prefix)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{spec.error_prefix}{error}") from error


def _make_loss(clf):
    binary = len(clf.classes_) == 2
    loss = (
        _AUTO_LOSS[binary]
        if clf.loss == "auto"
        else look_up(clf, "loss", lambda loss: loss_class(loss, clf.dtype))
    )
    if binary and requires_output_per_class(loss):
        raise InvalidParameterError(
            f"loss={clf.loss!r} needs one output per class, but for two classes the "
            "network has a single output. Use 'auto' or 'binary_crossentropy'."
        )
    return clf._make_loss(loss)
