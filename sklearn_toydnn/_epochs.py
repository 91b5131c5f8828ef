"""What happens between epochs: callbacks, Keras' and scikit-learn's, and stopping.

Watchers have two methods: ``begin()`` is called before an epoch, ``end(weights,
logs)`` after it, and tells whether training is to stop.
"""

from collections import defaultdict
from numbers import Real

import numpy as np
from sklearn.utils.validation import _num_samples

from ._tensorflow import keras, tf
from ._training import HISTORY


class StopRequest:
    """Stop where, since this was made, :func:`stop_fits` has been called."""

    def __init__(self):
        self._n_before = _N_STOPS

    def begin(self):
        """Raise KeyboardInterrupt if there is a request."""
        if self._n_before != _N_STOPS:
            raise KeyboardInterrupt("stop_fits() was called")

    def end(self, weights, logs):
        """Do nothing."""


_N_STOPS = 0


def stop_fits():
    """Stop the fits under way in this process, whatever thread they are in.

    Each raises KeyboardInterrupt, as after Ctrl-C in the main thread, and leaves its
    classifier as it was: within two seconds, or an epoch where that takes longer, and
    once its program is compiled. Fits begun later are not concerned. May be called from
    any thread.

    Examples
    --------
    >>> from sklearn_toydnn import stop_fits
    >>> stop_fits()
    """
    global _N_STOPS
    _N_STOPS += 1


class EarlyStopping:
    """Stop where the validation score no longer rises, as ``SGDClassifier`` does.

    Unlike Keras' callback of this name it needs no Keras model, and what it takes
    for the best epoch is the best, not the last to be better by `tol`.

    `score` returns the score of weights; without it, it is the accuracy. `start`
    are weights to do better than.
    """

    def __init__(self, n_iter_no_change, tol, score=None, start=None):
        self._n_iter_no_change, self._tol = n_iter_no_change, tol
        self._score, self._n_unimproved = score, 0
        self.best_weights = start
        self._best = -np.inf if start is None else score(start)

    @property
    def converged(self):
        """bool: Whether it is time to stop."""
        return self._n_unimproved >= self._n_iter_no_change

    def begin(self):
        """Do nothing."""

    def end(self, weights, logs):
        """Compare the epoch with the best so far."""
        score = self._score(weights) if self._score else logs["val_accuracy"]
        improved = score >= self._best + self._tol
        self._n_unimproved = 0 if improved else self._n_unimproved + 1
        if score > self._best:
            self._best, self.best_weights = score, weights
        return self.converged


class FitTasks:
    """Tell scikit-learn's callbacks of a fit and of each of its epochs."""

    def __init__(self, estimator, X, y, sample_weight):
        self._estimator = estimator
        self._history = defaultdict(list)
        if isinstance(sample_weight, Real):
            sample_weight = np.full(_num_samples(X), sample_weight)
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        self._about = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._fit = estimator._init_callback_context(max_subtasks=estimator.epochs)
        self._fit.call_on_fit_task_begin(**self._about)

    def begin(self):
        """Open a task for the epoch."""
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._about)

    def end(self, weights, logs):
        """Close the epoch's task; return whether a callback asks to stop."""
        for name, value in logs.items():
            self._history[name].append(value)
        return self._end(self._epoch, weights)

    def end_fit(self):
        """Close the task of the whole fit."""
        self._end(self._fit, self._estimator._get_weights())

    def _end(self, task, weights):
        fitted = {
            "coefs_": weights[::2],
            "intercepts_": weights[1::2],
            "history_": {name: [*values] for name, values in self._history.items()},
            "n_iter_": len(self._history["loss"]),
        }
        return task.call_on_fit_task_end(
            **self._about, reconstruction_attributes=fitted
        )


def watching(watchers):
    """Return Keras callbacks, one or none, that call the watchers."""
    return [_Watching(watchers)] if watchers else []


class _Watching(keras.callbacks.Callback):
    def __init__(self, watchers):
        super().__init__()
        self._watchers = watchers

    def on_epoch_begin(self, epoch, logs=None):
        """Tell the watchers."""
        for watcher in self._watchers:
            watcher.begin()

    def on_epoch_end(self, epoch, logs=None):
        """Ask the watchers."""
        self.model.stop_training |= _end(self._watchers, self.model.get_weights(), logs)


def train_watched(train, weights, state, n_epochs, watchers):
    """Train all at once or, if there are watchers, an epoch at a time.

    `train` takes weights, optimizer state and a range of the row orders, and returns
    them and the history as :class:`~._training.Program` does.
    """
    if not watchers:
        return train(weights, state, range(n_epochs))
    history = []
    for epoch in range(n_epochs):
        for watcher in watchers:
            watcher.begin()
        weights, state, scores = train(weights, state, range(epoch, epoch + 1))
        history.append(scores)
        if _end(watchers, weights, _logs(scores)):
            break
    return weights, state, np.concatenate(history)


def train_with_callbacks(train, model, callbacks, epochs, steps, verbose):
    """Train a Keras model an epoch at a time, with Keras' callbacks in between.

    For `train` see :func:`train_watched`. Returns Keras' history.
    """
    callback_list = keras.callbacks.CallbackList(
        callbacks,
        add_history=True,
        add_progbar=verbose > 0,
        model=model,
        verbose=verbose,
        epochs=epochs.stop,
        steps=steps,
    )
    model.stop_training = False
    callback_list.on_train_begin()
    for i, epoch in enumerate(epochs):
        callback_list.on_epoch_begin(epoch)
        state = [v.numpy() for v in model.optimizer.variables]
        weights, state, history = train(model.get_weights(), state, range(i, i + 1))
        model.set_weights(weights)
        for variable, value in zip(model.optimizer.variables, state, strict=True):
            variable.assign(value)
        logs = _logs(history)
        for callback in callback_list.callbacks:
            if isinstance(callback, keras.callbacks.TerminateOnNaN):
                callback.on_batch_end(steps - 1, logs)
        callback_list.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    callback_list.on_train_end(logs)
    return model.history.history


def _end(watchers, weights, logs):
    """Ask all watchers, also after one has asked to stop."""
    stop = [watcher.end(weights, logs) for watcher in watchers]
    return any(stop)


def _logs(scores):
    return dict(zip(HISTORY, map(float, scores[0]), strict=False))


def obstacle(callbacks, loss, optimizer, run_eagerly):
    """Return why training cannot be compiled, or None."""
    if run_eagerly:
        return "run_eagerly=True asks for steps in Python"
    if loss.reduction in (None, "none"):
        return "a loss without reduction is no number to minimise"
    if optimizer.config.get("use_ema"):
        return "use_ema=True exchanges the weights when training ends"
    if tf.distribute.has_strategy():
        return "a tf.distribute strategy is in scope"
    for callback in callbacks:
        if _acts_within_epochs(callback):
            return f"{type(callback).__name__} acts within an epoch"
    return None


def _acts_within_epochs(callback):
    if type(callback) is keras.callbacks.TerminateOnNaN:
        return False  # the loss of an epoch is NaN if that of a batch is
    if type(callback) is keras.callbacks.ModelCheckpoint:
        return callback.save_freq != "epoch"
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
