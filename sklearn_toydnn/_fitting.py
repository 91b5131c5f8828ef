"""How DNNClassifier trains: its state, its data, and which way training goes."""

from ._tensorflow import (
    keras,
    tf,
    without_retracing_warnings,
)  # before scikeras, whose import is not quiet

# isort: split
import warnings
from math import ceil, floor

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import (
    _check_feature_names,
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from ._epochs import (
    EarlyStopping,
    obstacle,
    train_watched,
    train_with_callbacks,
    watching,
)
from ._memory import is_of_keras, is_plain, name_of, recall, warn_not_kept
from ._network import OptimizerSpec, loss_key, make_initializer, n_steps
from ._parameters import ParametrizedClassifier
from ._training import (
    CHUNK,
    HISTORY,
    Data,
    NotCompilable,
    Structure,
    programs,
    row_dtype,
)

# What outcomes depend on beside the data, the weights and what has been made of
# the other parameters.
_NAMED_IN_MEMORY = [
    "activation",
    "output_activation",
    "batch_size",
    "dropout_rate",
    "shuffle",
    "run_eagerly",
    "dtype",
    "jit_compile",
]


class TrainedClassifier(ParametrizedClassifier):
    """A classifier whose state is arrays, whatever trains it."""

    # ---- the state that training changes

    def _start(self):
        """Draw a seed and, from it, the initial weights."""
        generator = (
            np.random.RandomState()
            if self.random_state is None
            else check_random_state(self.random_state)
        )
        self._seed = int(generator.randint(np.iinfo(np.int32).max))
        self._network = self._make_network()
        self._epochs_seen = 0
        initializer = self._keras(
            "kernel_initializer", lambda name: make_initializer(name, self._seed)
        )
        self._set_weights(self._network.initial_weights(initializer, self._seed))
        self._optimizer_state = self._optimizer_text = self._learning_rate = None
        vars(self).pop("_model", None)

    def _set_weights(self, weights):
        self.coefs_, self.intercepts_ = weights[::2], weights[1::2]

    def _get_weights(self):
        return [
            weights
            for layer in zip(self.coefs_, self.intercepts_, strict=True)
            for weights in layer
        ]

    @property
    def model_(self):
        """keras.Sequential: A compiled Keras model that holds the trained weights."""
        check_is_fitted(self)
        if "_model" not in vars(self):
            self._model = self._build_keras_model()
        return self._model

    def _build_keras_model(self):
        model = self._network.build(self._get_weights(), self.dropout_rate, self._seed)
        spec = self._optimizer_spec()
        optimizer = self._make_optimizer(spec, OptimizerSpec.make)
        model.compile(
            optimizer=optimizer,
            loss=self._make_loss(),
            metrics=["accuracy"],
            run_eagerly=self.run_eagerly,
            # Keras' own choice, XLA, makes its Dropout layer slow on CPU.
            jit_compile=False,
        )
        optimizer.build(model.trainable_variables)
        if self._optimizer_state is not None and spec.text == self._optimizer_text:
            rate = keras.ops.convert_to_numpy(optimizer.learning_rate)
            for variable, value in zip(
                optimizer.variables, self._optimizer_state, strict=True
            ):
                variable.assign(value)
            if spec.learning_rate != self._learning_rate:
                optimizer.learning_rate = rate
            dropout = model.layers[-2]
            if dropout.rate > 0:  # Keras makes it a generator only then
                # The generator counts the masks it drew: one a step.
                drawn = [self._seed, n_steps(optimizer).numpy()]
                dropout.seed_generator.state.assign(drawn)
        return model

    def __getstate__(self):
        """Leave the Keras model out: it is built again from the arrays."""
        state = super().__getstate__().copy()
        state.pop("_model", None)
        return state

    # ---- training

    def _fit_keras_model(
        self,
        X,
        y,
        sample_weight,
        warm_start,
        epochs,
        initial_epoch,
        X_val=None,
        y_val=None,
        tasks=None,
    ):
        """Train for some epochs, compiled or with Keras; keep weights and history."""
        if self._make_network() != self._network:
            raise ValueError(
                "warm_start and partial_fit go on with the network they find: "
                f"{self._network}. The parameters now ask for {self._make_network()}."
            )
        epochs = range(initial_epoch, initial_epoch + epochs)
        points = self._split(X, y, sample_weight, X_val, y_val)
        optimizer = self._optimizer_spec()
        vars(self).pop("_model", None)  # parameters may have changed since
        weights, self._optimizer_state, history, converged = self._outcome(
            points, epochs, optimizer, tasks
        )
        self._set_weights(weights)
        self._optimizer_text = optimizer.text
        self._learning_rate = optimizer.learning_rate
        self._epochs_seen += len(history["loss"])
        stopped = converged or len(history["loss"]) < len(epochs)
        if epochs.start:
            # Each list has a value for each epoch: only what all epochs measured.
            past = self.history_
            history = {k: past[k] + history[k] for k in past.keys() & history.keys()}
        self.history_ = {name: history[name] for name in sorted(history)}
        self.n_iter_ = len(self.history_["loss"])
        divergence = self._divergence()
        self.diverged_ = divergence is not None
        if self.diverged_:
            message = (
                f"Training diverged: {divergence}. Scaling the points or a lower "
                "learning rate may help."
            )
        elif not stopped:
            message = (
                f"Maximum epochs ({len(epochs)}) reached and the validation accuracy "
                "has not converged yet."
            )
        else:
            return
        warnings.warn(message, ConvergenceWarning, stacklevel=2)

    def _divergence(self):
        """Return which loss is not finite and since when, or whether weights are."""
        for name, values in self.history_.items():
            finite = np.isfinite(values)
            if not finite.all():
                epoch = finite.argmin()
                return f"{name} is {values[epoch]} in epoch {epoch + 1}"
        if not all(np.isfinite(weights).all() for weights in self._get_weights()):
            return "a weight is not finite"
        return None

    def _outcome(self, points, epochs, optimizer, tasks):
        """Train, or take from memory what came of the same training before.

        Returns weights, optimizer state, history and whether training converged.
        """
        callbacks, loss = self._take_callbacks(), self._make_loss()

        def train():
            return self._train(points, epochs, optimizer, loss, callbacks, tasks)

        if self.memory is None:
            return train()
        reason = self._forgettable(optimizer, loss, callbacks or tasks)
        if reason:
            warn_not_kept(reason)
            return train()
        settings = {
            "layer_sizes": self._network.layer_sizes,
            "optimizer": (optimizer.text, optimizer.learning_rate),
            "optimizer of the state": (self._optimizer_text, self._learning_rate),
            "loss": loss_key(loss, self.loss, self._routed("loss", dict)),
            "epochs": (self._epochs_seen, len(epochs)),
            "stopping": self.early_stopping
            and (self.n_iter_no_change, self.tol, self.class_weight),
            "seed": self._seed,
            **{name: name_of(getattr(self, name)) for name in _NAMED_IN_MEMORY},
        }
        state = self._get_weights(), self._optimizer_state or []
        return recall(self.memory, train, repr(settings), points, state)

    def _forgettable(self, optimizer, loss, callbacks):
        """Return why a fit cannot be known again from what is given, or None."""
        if self.random_state is None:
            return "with random_state=None, no two are meant to be the same"
        if callbacks:
            return "callbacks act on training as it happens"
        used = {
            "activation": [self.activation],
            "output_activation": [self.output_activation],
            "optimizer": [optimizer.cls],
            "loss": [type(loss), getattr(loss, "fn", type(loss))],
        }
        for name, things in used.items():
            if not all(map(is_of_keras, things)):
                return f"{name} is not by a name of Keras', and may change"
        configs = {"optimizer": optimizer.config, "loss": loss.get_config()}
        for name, config in configs.items():
            if not is_plain(config):
                return f"{name} has a parameter that is not Keras', and may change"
        return None

    def _train(self, points, epochs, optimizer, loss, callbacks, tasks):
        """Train compiled where that is possible and asked for, or with Keras."""
        n_rows = len(points[0][0])
        data = Data(*points, self._row_orders(n_rows, len(epochs)))
        watchers = [tasks] if tasks else []
        if self.early_stopping:
            stopping = self._make_stopping(data.validation)
            watchers.append(stopping)
        reason = obstacle(callbacks, loss, optimizer, self.run_eagerly)
        history = None
        if self.jit_compile and not reason:
            try:
                history = self._fit_compiled(
                    data, epochs, optimizer, loss, callbacks, watchers
                )
            except NotCompilable as error:
                reason = str(error)
        if history is None:
            if self.jit_compile and self.jit_compile != "auto":
                raise ValueError(f"jit_compile=True, but {reason}.")
            try:
                history = self._fit_with_keras(data, epochs, callbacks, watchers)
            except (TypeError, ValueError, tf.errors.OpError) as error:
                if callbacks or tasks:  # it may be theirs
                    raise
                raise InvalidParameterError(
                    f"Keras cannot train with optimizer={self.optimizer!r}, "
                    f"loss={self.loss!r} and dtype={self.dtype!r}: {error}"
                ) from error
        if not self.early_stopping:
            return self._get_weights(), self._optimizer_state, history, True
        vars(self).pop("_model", None)  # it holds the last epoch's weights
        best = stopping.best_weights
        return best, self._optimizer_state, history, stopping.converged

    def _n_in_batch(self, data):
        n_rows = len(data.train[0])
        return n_rows if self.batch_size == -1 else min(self.batch_size, n_rows)

    def _n_steps(self, data):
        return ceil(len(data.train[0]) / self._n_in_batch(data))

    def _fit_compiled(self, data, epochs, optimizer, loss, callbacks, watchers):
        """Train in a compiled program: all at once, or an epoch at a time."""
        structure = Structure(
            self._network,
            (optimizer.cls, optimizer.text),
            loss_key(loss, self.loss, self._routed("loss", dict)),
            **data.capacities(self.batch_size),
        )

        def make_optimizer():
            # The rate is no part of the structure: the next fit brings its own.
            return self._make_optimizer(optimizer, OptimizerSpec.make_default)

        with programs.borrow(structure, make_optimizer, lambda: loss) as program:
            train = program.with_data(data, self.dropout_rate, self._seed)
            if callbacks or self.verbose:
                history = train_with_callbacks(
                    train,
                    self.model_,
                    [*callbacks, *watching(watchers)],
                    epochs,
                    self._n_steps(data),
                    int(self.verbose),
                )
                self._take_state(self.model_)
                return history
            state, rate = self._optimizer_state, optimizer.learning_rate
            if state is None or self._optimizer_text != optimizer.text:
                state = program.with_rate(program.initial_state, rate)
            elif rate != self._learning_rate:
                state = program.with_rate(state, rate)
            weights, self._optimizer_state, history = train_watched(
                train, self._get_weights(), state, len(epochs), watchers
            )
        self._set_weights(weights)
        return dict(zip(HISTORY, history.T.tolist(), strict=False))

    def _fit_with_keras(self, data, epochs, callbacks, watchers):
        """Train with keras.Model.fit."""
        with without_retracing_warnings():
            history = self.model_.fit(
                _batches(data, self._n_in_batch(data)),
                shuffle=False,
                steps_per_epoch=self._n_steps(data),
                epochs=epochs.stop,
                initial_epoch=epochs.start,
                validation_data=data.validation if len(data.validation[0]) else None,
                validation_batch_size=CHUNK,
                callbacks=[*callbacks, *watching(watchers)],
                verbose=int(self.verbose),
            ).history
        self._take_state(self.model_)
        return history

    def _take_state(self, model):
        self._set_weights(model.get_weights())
        self._optimizer_state = [v.numpy() for v in model.optimizer.variables]

    def _split(self, X, y, sample_weight, X_val, y_val):
        """Return training and validation data, given or split off."""
        train = tuple(array for array in (X, y, sample_weight) if array is not None)
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together: got only one of them.")
        if X_val is not None:
            if self.validation_split:
                raise ValueError(
                    f"validation_split={self.validation_split} and X_val exclude "
                    "each other."
                )
            X_val = self._check_X_val(X_val)
            y_val = column_or_1d(y_val, input_name="y_val")
            check_consistent_length(X_val, y_val)
            return train, (X_val, self._encode(y_val, "y_val"))
        if self.early_stopping and not self.validation_split:
            return self._hold_out(train)
        n_train = floor(len(X) * (1 - self.validation_split))
        if self.validation_split and not 0 < n_train < len(X):
            raise ValueError(
                f"validation_split={self.validation_split} of {len(X)} samples "
                "leaves no sample to train or to validate on."
            )
        return (
            tuple(array[:n_train] for array in train),
            tuple(array[n_train:] for array in train),
        )

    def _check_X_val(self, X_val):
        try:
            _check_feature_names(self, X_val, reset=False)
        except ValueError as error:
            raise ValueError(
                f"X_val does not have the features of X: {error}"
            ) from error
        X_val = check_array(X_val, dtype=self.dtype, input_name="X_val")
        if X_val.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X_val has {X_val.shape[1]} features, but X has {self.n_features_in_}."
            )
        return X_val

    def _make_stopping(self, validation):
        """Return early stopping by accuracy, weighted where there are weights."""
        X, y, *weights = validation
        codes = y[:, 0] if y.shape[1] == 1 else y.argmax(axis=1)
        if not weights and self.class_weight is not None:
            labels = self.classes_[codes.astype(int)]
            weights = [compute_sample_weight(self.class_weight, labels)]

        def score(network_weights):
            proba = self._proba(self._network.predict(network_weights, X))
            return accuracy_score(
                codes,
                proba.argmax(axis=1),
                sample_weight=weights[0] if weights else None,
            )

        going_on = self._epochs_seen > 0
        return EarlyStopping(
            self.n_iter_no_change,
            self.tol,
            score if weights or going_on else None,
            self._get_weights() if going_on else None,
        )

    def _hold_out(self, train):
        """Draw a share of each class for early stopping, the same in every fit."""
        try:
            rows = train_test_split(
                np.arange(len(train[0])),
                test_size=self.validation_fraction,
                random_state=self._seed,
                stratify=train[1],
            )
        except ValueError as error:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {len(train[0])} "
                f"samples cannot be held out of every class: {error}"
            ) from error
        return tuple(tuple(array[np.sort(part)] for array in train) for part in rows)

    def _row_orders(self, n_samples, epochs):
        """Return the order of the rows in each epoch, (epochs, n_samples).

        It depends on the seed and the epoch alone, so that calls of `partial_fit`
        continue what `fit` began.
        """
        rows = np.arange(n_samples, dtype=row_dtype(n_samples))
        if not self.shuffle:
            return np.tile(rows, (epochs, 1))
        seen = self._epochs_seen
        return np.array(
            [
                np.random.default_rng([self._seed, epoch]).permutation(rows)
                for epoch in range(seen, seen + epochs)
            ]
        )

    # ---- output

    def _proba(self, output):
        """Return probabilities for the outputs of the network."""
        unknown = np.isnan(output).any(axis=1)
        output = np.clip(output, 0, 1)
        if self.n_classes_ == 2:
            output[unknown] = 0.5
            return np.hstack([1 - output, output])
        output[unknown] = 0
        total = output.sum(axis=1, keepdims=True)
        # Where an output activation like relu is 0 for every class, none is likelier.
        uniform = np.full_like(output, 1 / self.n_classes_)
        return np.divide(output, total, out=uniform, where=total != 0)


def _batches(data, batch_size):
    """Return a tf.data.Dataset of the batches of all epochs, one after the other."""
    arrays = [tf.constant(array) for array in data.train]
    slices = tf.data.Dataset.from_tensor_slices
    return (
        slices(data.orders)
        .flat_map(lambda order: slices(order).batch(batch_size))
        .map(lambda rows: tf.cast(rows, tf.int32))
        .map(lambda rows: tuple(tf.gather(array, rows) for array in arrays))
        .prefetch(tf.data.AUTOTUNE)
    )
