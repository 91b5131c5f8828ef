"""Training: of a plan, data and a state it makes an outcome, compiled or with Keras."""

import warnings
from dataclasses import replace
from functools import lru_cache, partial
from itertools import pairwise

from sklearn.exceptions import EfficiencyWarning
from sklearn.metrics import accuracy_score
from sklearn.utils._param_validation import InvalidParameterError

from ._callbacks import (
    EarlyStopping,
    StopRequest,
    WatcherCallback,
    acts_within_epochs,
    train_with_keras_callbacks,
)
from ._keras_model import build_model, get_state, train_with_keras
from ._keys import NotKnown, describe, n_threads, process_settings, trace
from ._loop import CHUNK
from ._prediction import predict_proba
from ._program import NotCompilable, Run, Structure
from ._program_cache import TooManyPrograms, programs
from ._state import HISTORY, Outcome
from ._tensorflow import keras, tf
from .memory import NotToBeKept, recall

_SHARED_PRODUCTS = 2**18  # multiplications in a matrix product
# Parameters that outcomes depend on as they are given.
_AS_GIVEN = ["batch_size", "dropout_rate", "shuffle", "run_eagerly", "jit_compile"]


def train_or_recall(plan, data, state, epochs, callbacks=(), watchers=()):
    """Return the outcome of training, from `memory` if that of the same fit is there.

    `epochs` is the range of their numbers. `callbacks` are Keras'; `watchers` are told
    of each epoch, as :mod:`._callbacks` says.
    """
    compute = partial(train, plan, data, state, epochs, callbacks, watchers)
    known = None
    if plan.given.memory is not None:
        try:
            known = _describe_fit(plan, data, state, epochs, [*callbacks, *watchers])
        except NotKnown as reason:
            _warn_not_kept(str(reason))
    if known is None:
        return compute()
    arrays = data.training, data.validation, state.weights, state.optimizer_state or []
    compute = partial(_only_what_lasts, compute)
    outcome = recall(plan.given.memory, compute, known, *arrays)
    # A key is of this process, where a parameter is not plain.
    state = replace(outcome.state, optimizer_key=plan.optimizer.key)
    return replace(outcome, state=state)


def _only_what_lasts(compute):
    outcome = compute()
    if outcome.fell_back:
        raise NotToBeKept(outcome)
    return outcome


@lru_cache
def _warn_not_kept(reason):
    """Warn, once a process: of a search's thousand fits, each would have a reason."""
    warnings.warn(f"Fits are not kept in memory: {reason}.", stacklevel=2)


def train(plan, data, state, epochs, callbacks=(), watchers=()):
    """Train compiled where that is possible and asked for, or with Keras."""
    others, stopping = [*callbacks, *watchers], None
    watchers = [StopRequest(), *watchers]
    if plan.given.early_stopping:
        stopping = _make_stopping(plan, data.validation, state)
        watchers.append(stopping)
    reason, failed, trained = _why_not_compiled(plan, callbacks), None, None
    if plan.given.jit_compile and not reason:
        try:
            trained = _train_compiled(plan, data, state, epochs, callbacks, watchers)
        except NotCompilable as error:
            reason, failed = str(error), error
    if trained is None:
        if plan.given.jit_compile:
            _warn_or_raise(plan, reason)
        # Step by step: Keras' programs are never freed either.
        eagerly = plan.given.run_eagerly or isinstance(failed, TooManyPrograms)
        callbacks = [*callbacks, WatcherCallback(watchers)]
        try:
            trained = train_with_keras(plan, data, state, epochs, callbacks, eagerly)
        except (TypeError, ValueError, tf.errors.OpError) as error:
            if others:  # it may be theirs
                raise
            raise InvalidParameterError(
                f"Keras cannot train with optimizer={plan.given.optimizer!r}, "
                f"loss={plan.given.loss!r} and dtype={plan.network.dtype!r}: {error}"
            ) from error
    (weights, optimizer_state, history), converged = trained, True
    if stopping:
        weights, converged = stopping.best_weights, stopping.converged
    state = replace(
        state,
        weights=weights,
        epochs_seen=state.epochs_seen + len(history["loss"]),
        optimizer_state=optimizer_state,
        optimizer_key=plan.optimizer.key,
    )
    return Outcome(state, history, converged, failed is not None)


# ---- compiled


def _why_not_compiled(plan, callbacks):
    """Return why training cannot be compiled, or None."""
    if plan.given.run_eagerly:
        return "run_eagerly=True asks for steps in Python"
    if plan.loss.reduction in (None, "none"):
        return "a loss without reduction is no number to minimise"
    if plan.optimizer.config.get("use_ema"):
        return "use_ema=True exchanges the weights when training ends"
    if tf.distribute.has_strategy():
        return "a tf.distribute strategy is in scope"
    for callback in callbacks:
        if acts_within_epochs(callback):
            return f"{type(callback).__name__} acts within an epoch"
    return None


def _warn_or_raise(plan, reason):
    """Say why training is not compiled, unless that was asked for."""
    if plan.given.jit_compile != "auto":
        raise ValueError(f"jit_compile=True, but {reason}.")
    if not plan.given.run_eagerly:
        # Without TensorFlow's words, which are others each time: Python shows the same
        # warning once.
        warnings.warn(
            "Training with keras.Model.fit, which takes many times as long as a "
            f"compiled program: {reason.partition(':')[0]} (jit_compile=True says "
            "more).",
            EfficiencyWarning,
            stacklevel=2,
        )


def _train_compiled(plan, data, state, epochs, callbacks, watchers):
    """Train in a compiled program.

    Returns weights, optimizer state and history.
    """
    stop_request, *others = watchers
    given, check = plan.given, stop_request.begin
    order = state.row_order(data.n_rows, given.shuffle)
    with programs.borrow(Structure.of(plan, data)) as program:
        dropout = plan.dropout_rate, state.seed
        run = Run(program, data, order, len(epochs), *dropout, check)
        if callbacks or given.verbose:
            model = build_model(plan, state)
            callbacks = [*callbacks, WatcherCallback(watchers)]
            n_steps, verbose = plan.n_steps(data.n_rows), int(given.verbose)
            history = train_with_keras_callbacks(
                run, model, callbacks, epochs, n_steps, verbose
            )
            return *get_state(model), history
        start = program.optimizer_state(plan.optimizer, state)
        epochs = range(len(epochs))
        weights, optimizer_state, scores = run(state.weights, start, epochs, others)
    history = dict(zip(HISTORY, scores.T.tolist(), strict=False))
    return weights, optimizer_state, history


# ---- early stopping


def _make_stopping(plan, validation, state):
    """Return early stopping by accuracy, weighted where there are weights."""
    X, targets, *_ = validation
    codes, weights = plan.decode(targets), plan.score_weights(validation)

    def score(network_weights):
        proba = predict_proba(plan.network, plan.output_cut, network_weights, X)
        return accuracy_score(codes, proba.argmax(axis=1), sample_weight=weights)

    going_on = state.epochs_seen > 0
    return EarlyStopping(
        plan.given.n_iter_no_change,
        plan.given.tol,
        score if weights is not None or going_on else None,
        state.weights if going_on else None,
    )


# ---- by what a fit is known again


def _describe_fit(plan, data, state, epochs, callbacks):
    """Return, as text, what an outcome depends on beside the data and the weights.

    Raises `NotKnown`, whose message is the reason why it is not to be kept.
    """
    given = plan.given
    if given.random_state is None:
        raise NotKnown("with random_state=None, no two are meant to be the same")
    if callbacks:
        raise NotKnown("callbacks act on training as it happens")
    if tf.distribute.has_strategy():
        raise NotKnown("a tf.distribute strategy adds up in an order of its own")
    network, optimizer = plan.network, plan.optimizer

    def known(reason, how, setting):
        try:
            return how(setting)
        except NotKnown as error:
            raise NotKnown(f"{reason} Keras', and may change") from error

    settings = {
        "layer_sizes": network.layer_sizes,
        "activations": [
            known(f"{name} is not by a name of", describe, activation)
            for name, activation in [
                ("activation", keras.activations.get(network.activation)),
                ("output_activation", keras.activations.get(network.output_activation)),
            ]
        ],
        "optimizer": known("optimizer is not by a name of", describe, optimizer.cls),
        "loss": known("loss is not by a name of", _describe_loss, plan),
        "optimizer's parameters": known(
            "optimizer has a parameter that is not",
            describe,
            [optimizer.config, optimizer.not_decayed],
        ),
        "learning rate": optimizer.learning_rate,
        "optimizer of the state": state.optimizer_key,
        "epochs": (state.epochs_seen, len(epochs)),
        "stopping": given.early_stopping
        and (given.n_iter_no_change, given.tol, given.class_weight),
        "seed": state.seed,
        "process": process_settings(),
        "threads": _describe_threads(plan, data),
        "dtype": network.dtype,
        **{name: getattr(given, name) for name in _AS_GIVEN},
    }
    return repr(settings)


def _describe_loss(plan):
    """Describe a loss of Keras'; of an instance, what it now computes."""
    if plan.loss_known:
        return plan.loss_known
    is_instance = isinstance(plan.given.loss, keras.Loss)
    if not is_instance or type(plan.loss) not in vars(keras.losses).values():
        raise NotKnown(plan.loss)
    traced = trace(plan.loss, *plan.shapes(2), (2,), dtype=plan.network.dtype)
    return traced, plan.loss.dtype


def _describe_threads(plan, data):
    """Return the number of threads if sums may depend on it, else None.

    Eigen, which multiplies matrices for TensorFlow, shares a product between
    threads where it would take some 100,000 cycles.
    """
    n_rows = max(plan.n_in_batch(data.n_rows), min(CHUNK, data.n_validation_rows))
    largest = n_rows * max(n * m for n, m in pairwise(plan.network.layer_sizes))
    return n_threads() if largest > _SHARED_PRODUCTS else None
