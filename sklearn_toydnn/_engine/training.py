"""Training: of a plan, data and a state it makes an outcome, compiled or with Keras."""

import warnings
from dataclasses import replace

from sklearn.exceptions import EfficiencyWarning
from sklearn.metrics import accuracy_score

from .callbacks import (
    EarlyStopping,
    StopRequest,
    WatcherCallback,
    acts_within_epochs,
    train_with_keras_callbacks,
)
from .compiled.program import Run
from .compiled.program_cache import NotCompilable, TooManyPrograms, programs
from .compiled.structure import Structure
from .keras_model import build_model, get_state, train_with_keras
from .prediction import predict_proba
from .records import HISTORY, Data, Outcome, Plan, State
from .tensorflow import tf


class CannotTrain(ValueError):
    """Keras cannot train with this optimizer, loss and dtype; the message says why."""


def train(
    plan: Plan,
    data: Data,
    state: State,
    epochs: range,
    callbacks: list | tuple = (),
    watchers: list | tuple = (),
) -> Outcome:
    """Train compiled where that is possible and asked for, or with Keras.

    `epochs` is the range of their numbers. `callbacks` are Keras'; `watchers` are told
    of each epoch, as :mod:`.callbacks` says. Arrays have the dtype of the network.
    """
    settings = plan.settings
    others, stopping = [*callbacks, *watchers], None
    watchers = [StopRequest(), *watchers]
    if settings.stopping:
        stopping = _make_stopping(plan, data, state)
        watchers.append(stopping)
    reason, failed, trained = _why_not_compiled(plan, callbacks), None, None
    if settings.jit_compile and not reason:
        try:
            trained = _train_compiled(plan, data, state, epochs, callbacks, watchers)
        except NotCompilable as error:
            reason, failed = str(error), error
    if trained is None:
        if settings.jit_compile:
            _warn_or_raise(settings, reason)
        # Step by step: Keras' programs are never freed either.
        eagerly = settings.run_eagerly or isinstance(failed, TooManyPrograms)
        callbacks = [*callbacks, WatcherCallback(watchers)]
        try:
            trained = train_with_keras(plan, data, state, epochs, callbacks, eagerly)
        except (TypeError, ValueError, tf.errors.OpError) as error:
            if others:  # it may be theirs
                raise
            raise CannotTrain(str(error)) from error
    (weights, optimizer_state, history), converged = trained, True
    if stopping:
        weights, converged = stopping.best_weights, stopping.converged
    state = replace(
        state,
        weights=weights,
        epochs_seen=state.epochs_seen + len(history["loss"]),
        optimizer_state=optimizer_state,
        optimizer=plan.optimizer.of_state,
    )
    return Outcome(state, history, converged, failed is not None)


# ---- compiled


def _why_not_compiled(plan, callbacks):
    """Return why training cannot be compiled, or None."""
    if plan.settings.run_eagerly:
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


def _warn_or_raise(settings, reason):
    """Say why training is not compiled, unless that was asked for."""
    if settings.jit_compile != "auto":
        raise ValueError(f"jit_compile=True, but {reason}.")
    if not settings.run_eagerly:
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
    n_rows, verbose = len(data.training), int(plan.settings.verbose)
    order = state.row_order(n_rows, plan.settings.shuffle)
    with programs.borrow(Structure.of(plan, data)) as program:
        dropout = plan.dropout_rate, state.seed
        run = Run(program, data, order, len(epochs), *dropout, stop_request.begin)
        if callbacks or verbose:
            model = build_model(plan, state)
            callbacks = [*callbacks, WatcherCallback(watchers)]
            history = train_with_keras_callbacks(
                run, model, callbacks, epochs, plan.n_steps(n_rows), verbose
            )
            return *get_state(model), history
        start = program.optimizer_state(plan.optimizer, state)
        epochs = range(len(epochs))
        weights, optimizer_state, scores = run(state.weights, start, epochs, others)
    history = dict(zip(HISTORY, scores.T.tolist(), strict=False))
    return weights, optimizer_state, history


# ---- early stopping


def _make_stopping(plan, data, state):
    """Return early stopping by accuracy, weighted where there are weights."""
    points, settings = data.validation, plan.settings.stopping
    codes, weights = plan.decode(points.targets), points.weights
    if weights is None:
        weights = data.score_weights

    def score(network_weights):
        proba = predict_proba(plan.network, plan.output_cut, network_weights, points.X)
        return accuracy_score(codes, proba.argmax(axis=1), sample_weight=weights)

    going_on = state.epochs_seen > 0
    return EarlyStopping(
        settings.n_iter_no_change,
        settings.tol,
        score if weights is not None or going_on else None,
        state.weights if going_on else None,
    )
