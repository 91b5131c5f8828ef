"""Actions between epochs: callbacks of Keras and scikit-learn, and stopping.

A watcher has two methods. ``begin()`` is called before each epoch and ``end(weights,
logs)`` after it. ``end`` returns whether training should stop.
"""

from collections import defaultdict
from collections.abc import Callable
from numbers import Real

import numpy as np
from sklearn.utils.validation import _num_samples

from .network import Weights
from .records import HISTORY
from .tensorflow import keras


class StopRequest:
    """Stop training if :func:`stop_fits` is called after this object was created."""

    def __init__(self):
        self._n_calls_before = _N_CALLS

    def begin(self):
        """Raise KeyboardInterrupt if :func:`stop_fits` was called."""
        if self._n_calls_before != _N_CALLS:
            raise KeyboardInterrupt("stop_fits() was called")

    def end(self, weights, logs):
        """Do nothing."""


_N_CALLS = 0  # of stop_fits


def stop_fits():
    """Stop the running fits of this process in all threads.

    Each fit raises KeyboardInterrupt, as after Ctrl-C in the main thread, and leaves
    its classifier unchanged. This happens within two seconds, or after the current
    epoch if that takes longer. A fit that is compiling stops after the compilation.
    Later fits are not affected. You can call this function from any thread.

    Examples
    --------
    >>> from sklearn_toydnn import stop_fits
    >>> stop_fits()
    """
    global _N_CALLS
    _N_CALLS += 1


class EarlyStopping:
    """Stop when the validation score no longer improves, like ``SGDClassifier``.

    Unlike the Keras callback of this name, it needs no Keras model. The best epoch is
    the epoch with the highest score, not the last one that improved it by `tol`.

    `score` is a function that returns the score of weights. By default, the score is
    the validation accuracy. `start`, if given, are the initial weights. Training must
    improve on their score.
    """

    def __init__(self, n_iter_no_change, tol, score=None, start=None):
        self._n_iter_no_change, self._tol = n_iter_no_change, tol
        self._score, self._n_unimproved = score, 0
        self.best_weights = start
        self._best = -np.inf if start is None else score(start)

    @property
    def converged(self):
        """bool: Whether training should stop."""
        return self._n_unimproved >= self._n_iter_no_change

    def begin(self):
        """Do nothing."""

    def end(self, weights, logs):
        """Compare the score of the epoch with the best score so far."""
        score = self._score(weights) if self._score else logs["val_accuracy"]
        improved = score >= self._best + self._tol
        self._n_unimproved = 0 if improved else self._n_unimproved + 1
        if score > self._best:
            self._best, self.best_weights = score, weights
        return self.converged


class EpochTasks:
    """Call the scikit-learn callbacks for a fit and for each of its epochs."""

    def __init__(self, estimator, X, y, sample_weight):
        self._history = defaultdict(list)
        if isinstance(sample_weight, Real):
            sample_weight = np.full(_num_samples(X), sample_weight)
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        self._arguments = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._fit = estimator._init_callback_context(max_subtasks=estimator.epochs)
        self._fit.call_on_fit_task_begin(**self._arguments)

    def begin(self):
        """Open a task for the epoch."""
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._arguments)

    def end(self, weights, logs):
        """Close the task of the epoch; return whether a callback requests a stop."""
        for name, value in logs.items():
            self._history[name].append(value)
        return self._close(self._epoch, weights)

    def end_fit(self, weights):
        """Close the task of the whole fit."""
        self._close(self._fit, weights)

    def _close(self, task, weights):
        fitted = {
            "coefs_": weights.kernels,
            "intercepts_": weights.biases,
            "history_": {name: [*values] for name, values in self._history.items()},
            "n_iter_": len(self._history["loss"]),
        }
        return task.call_on_fit_task_end(
            **self._arguments, reconstruction_attributes=fitted
        )


def end_epoch(watchers: list, weights: Weights, logs: dict[str, float]) -> bool:
    """Call all watchers; return whether any of them requests a stop."""
    stop = [watcher.end(weights, logs) for watcher in watchers]
    return any(stop)


def name_scores(scores: np.ndarray) -> dict[str, float]:
    """Return the scores of an epoch, by their names in the history."""
    return dict(zip(HISTORY, map(float, scores), strict=False))


class WatcherCallback(keras.callbacks.Callback):
    """A Keras callback that calls watchers."""

    def __init__(self, watchers):
        super().__init__()
        self._watchers = watchers

    def on_epoch_begin(self, epoch, logs=None):
        """Call ``begin`` of each watcher."""
        for watcher in self._watchers:
            watcher.begin()

    def on_epoch_end(self, epoch, logs=None):
        """Call ``end`` of each watcher, and stop if one requests it."""
        weights = Weights.of_keras(self.model.get_weights())
        self.model.stop_training |= end_epoch(self._watchers, weights, logs)


def train_with_keras_callbacks(
    run: Callable,
    model: keras.Model,
    callbacks: list[keras.callbacks.Callback],
    epochs: range,
    n_steps: int,
    verbose: int,
) -> dict[str, list[float]]:
    """Train a Keras model one epoch at a time, with Keras callbacks in between.

    `run` is a :class:`~.compiled.program.Run`, `epochs` is the range of epoch numbers,
    and `n_steps` is the number of gradient steps per epoch. Returns the Keras history.
    """
    callback_list = keras.callbacks.CallbackList(
        callbacks,
        add_history=True,
        add_progbar=verbose > 0,
        model=model,
        verbose=verbose,
        epochs=epochs.stop,
        steps=n_steps,
    )
    model.stop_training = False
    callback_list.on_train_begin()
    for i, epoch in enumerate(epochs):
        callback_list.on_epoch_begin(epoch)
        state = [v.numpy() for v in model.optimizer.variables]
        weights = Weights.of_keras(model.get_weights())
        weights, state, history = run(weights, state, range(i, i + 1))
        model.set_weights(weights.in_keras_order())
        for variable, value in zip(model.optimizer.variables, state, strict=True):
            variable.assign(value)
        logs = name_scores(history[0])
        _call_hooks_within_epoch(callback_list.callbacks, n_steps, logs)
        callback_list.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    callback_list.on_train_end(logs)
    return model.history.history


def _call_hooks_within_epoch(callbacks, n_steps, logs):
    """Call the hooks that Keras calls before the end of an epoch."""
    validation = {
        name.removeprefix("val_"): value
        for name, value in logs.items()
        if name.startswith("val_")
    }
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.TerminateOnNaN):
            callback.on_batch_end(n_steps - 1, logs)
        if validation:
            callback.on_test_begin()
            callback.on_test_end(validation)


# Callbacks with hooks within epochs that have an effect only with certain settings.
_ACTS_WITHIN_EPOCHS = {
    # The loss of an epoch is NaN if the loss of a batch is NaN.
    "keras.src.callbacks.terminate_on_nan.TerminateOnNaN": lambda callback: False,
    "keras.src.callbacks.model_checkpoint.ModelCheckpoint": (
        lambda callback: callback.save_freq != "epoch"
    ),
    "keras.src.callbacks.tensorboard.TensorBoard": (
        lambda callback: (
            callback.update_freq != "epoch"
            or callback.write_steps_per_second
            or callback._should_trace
        )
    ),
    "mlflow.keras.callback.MlflowCallback": (
        lambda callback: not callback.log_every_epoch
    ),
    "wandb.integration.keras.callbacks.metrics_logger.WandbMetricsLogger": (
        lambda callback: callback.logging_batch_wise
    ),
    "wandb.integration.keras.callbacks.model_checkpoint.WandbModelCheckpoint": (
        lambda callback: callback.save_freq != "epoch"
    ),
}


def acts_within_epochs(callback: keras.callbacks.Callback) -> bool:
    """Return whether a Keras callback acts within epochs, which prevents compiling."""
    name = f"{type(callback).__module__}.{type(callback).__qualname__}"
    if name in _ACTS_WITHIN_EPOCHS:
        return _ACTS_WITHIN_EPOCHS[name](callback)
    hooks = [
        f"on_{phase}batch_{moment}"
        for phase in ("", "train_", "test_")
        for moment in ("begin", "end")
    ]
    return any(
        getattr(getattr(callback, hook), "__func__", None)
        is not getattr(keras.callbacks.Callback, hook)
        for hook in [*hooks, "on_test_begin", "on_test_end"]
    )
