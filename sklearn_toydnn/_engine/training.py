"""Train a network with a compiled program or with Keras, and return the outcome."""

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


class TrainingError(ValueError):
    """Keras raised an error with this optimizer, loss and dtype."""


def train(
    plan: Plan,
    data: Data,
    state: State,
    epochs: range,
    callbacks: list | tuple = (),
    watchers: list | tuple = (),
) -> Outcome:
    """Train with a compiled program if possible and requested, otherwise with Keras.

    `epochs` is the range of epoch numbers. `callbacks` are Keras callbacks. `watchers`
    are called in each epoch, see :mod:`.callbacks`. Arrays have the dtype of the
    network.
    """
    settings = plan.settings
    user_callbacks, stopping = [*callbacks, *watchers], None
    watchers = [StopRequest(), *watchers]
    if settings.stopping:
        stopping = _make_stopping(plan, data, state)
        watchers.append(stopping)
    reason = _reason_not_to_compile(plan, callbacks)
    compile_error = trained = None
    if settings.jit_compile and not reason:
        try:
            trained = _train_compiled(plan, data, state, epochs, callbacks, watchers)
        except NotCompilable as error:
            reason, compile_error = str(error), error
    if trained is None:
        if settings.jit_compile:
            _warn_or_raise(settings, reason)
        # Not with a tf.function: TensorFlow never frees those of Keras either.
        eagerly = settings.run_eagerly or isinstance(compile_error, TooManyPrograms)
        callbacks = [*callbacks, WatcherCallback(watchers)]
        try:
            trained = train_with_keras(plan, data, state, epochs, callbacks, eagerly)
        except (TypeError, ValueError, tf.errors.OpError) as error:
            if user_callbacks:  # which may have raised it
                raise
            raise TrainingError(str(error)) from error
    (weights, optimizer_state, history), converged = trained, True
    if stopping:
        weights, converged = stopping.best_weights, stopping.converged
    state = replace(
        state,
        weights=weights,
        epochs_seen=state.epochs_seen + len(history["loss"]),
        optimizer_state=optimizer_state,
        optimizer=plan.optimizer.state_key,
    )
    return Outcome(state, history, converged, compile_error is not None)


# ---- compiled


def _reason_not_to_compile(plan, callbacks):
    """Return why training cannot be compiled, or None."""
    if plan.settings.run_eagerly:
        return "run_eagerly=True requires steps in Python"
    if plan.loss.reduction in (None, "none"):
        return "a loss without reduction does not return a single number"
    if plan.optimizer.config.get("use_ema"):
        return "use_ema=True replaces the weights at the end of training"
    if tf.distribute.has_strategy():
        return "a tf.distribute strategy is active"
    for callback in callbacks:
        if acts_within_epochs(callback):
            return f"{type(callback).__name__} acts within an epoch"
    return None


def _warn_or_raise(settings, reason):
    """Report why training is not compiled. `run_eagerly` needs no warning."""
    if settings.jit_compile != "auto":
        raise ValueError(
            f"jit_compile=True, but {reason}. To train with keras.Model.fit instead, "
            "set jit_compile=False."
        )
    if not settings.run_eagerly:
        # Leave out the error of TensorFlow: its text varies, and Python suppresses only
        # repeated warnings with the same text.
        warnings.warn(
            f"Training is not compiled, because {reason.partition(':')[0]}. "
            "Training uses keras.Model.fit, which takes many times as long. For "
            "details, set jit_compile=True. To silence this warning, set "
            "jit_compile=False.",
            EfficiencyWarning,
            stacklevel=2,
        )


def _train_compiled(plan, data, state, epochs, callbacks, watchers):
    """Train with a compiled program; return weights, optimizer state and history."""
    stop_request, *other_watchers = watchers
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
        weights, optimizer_state, scores = run(
            state.weights, start, epochs, other_watchers
        )
    history = dict(zip(HISTORY, scores.T.tolist(), strict=False))
    return weights, optimizer_state, history


# ---- early stopping


def _make_stopping(plan, data, state):
    """Return early stopping by the accuracy, weighted by any sample weights."""
    points, settings = data.validation, plan.settings.stopping
    y_true, weights = plan.decode(points.targets), points.weights
    if weights is None:
        weights = data.score_weights

    def score(network_weights):
        proba = predict_proba(plan.network, plan.output_cut, network_weights, points.X)
        return accuracy_score(y_true, proba.argmax(axis=1), sample_weight=weights)

    is_continued = state.epochs_seen > 0
    return EarlyStopping(
        settings.n_iter_no_change,
        settings.tol,
        score if weights is not None or is_continued else None,
        state.weights if is_continued else None,
    )
