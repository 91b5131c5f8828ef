"""How DNNClassifier trains: its state, its data, and which way training goes."""

from ._tensorflow import (
    check_usable,
    keras,
    tf,
    without_retracing_warnings,
)  # before scikeras, whose import is not quiet

# isort: split
import warnings
from contextlib import ExitStack
from itertools import pairwise
from math import ceil, floor

import numpy as np
from scipy.special import expit, softmax
from sklearn.exceptions import ConvergenceWarning, EfficiencyWarning
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
    StopRequest,
    obstacle,
    train_watched,
    train_with_callbacks,
    watching,
)
from ._keys import NotKnown, is_of_keras, n_threads, process_settings, trace
from ._memory import NotToBeKept, recall, warn_not_kept
from ._network import OptimizerSpec, make_initializer, n_steps
from ._parameters import ParametrizedClassifier
from ._prediction import predict
from ._programs import TooManyPrograms, programs
from ._training import (
    CHUNK,
    HISTORY,
    Data,
    NotCompilable,
    Run,
    Structure,
    row_dtype,
)

# What outcomes depend on beside the data, the weights and what has been made of
# the other parameters.
_NAMED_IN_MEMORY = [
    "batch_size",
    "dropout_rate",
    "shuffle",
    "run_eagerly",
    "dtype",
    "jit_compile",
]
_SHARED_PRODUCTS = 2**18  # multiplications in a matrix product
_LARGE = 1e30  # outputs beyond it are no likelier


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
        self._output_cut = 0.0 if self._takes_logits() else 0.5
        self._epochs_seen = 0
        initializer = self._keras(
            "kernel_initializer", lambda name: make_initializer(name, self._seed)
        )
        self._set_weights(self._network.initial_weights(initializer, self._seed))
        self.history_ = {"loss": [], "accuracy": []}
        self.n_iter_, self.diverged_ = 0, False
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
            check_usable()
            self._model = self._build_keras_model()
        return self._model

    def _build_keras_model(self):
        model = self._network.build(self._get_weights(), self.dropout_rate, self._seed)
        spec = self._optimizer_spec()
        optimizer = self._make_optimizer(spec, OptimizerSpec.make)
        model.compile(
            optimizer=optimizer,
            loss=self._make_loss(),
            metrics=[
                keras.metrics.BinaryAccuracy("accuracy", threshold=self._cut())
                if self.n_classes_ == 2
                else "accuracy"
            ],
            run_eagerly=self.run_eagerly,
            # Keras' own choice, XLA, makes its Dropout layer slow on CPU.
            jit_compile=False,
        )
        optimizer.build(model.trainable_variables)
        # Callbacks ask metrics whether more is better; a first use makes them.
        n_targets = self._target(np.zeros(1, int)).shape[1]
        n_outputs = self._network.layer_sizes[-1]
        model.compute_metrics(
            None, keras.ops.zeros((1, n_targets)), keras.ops.zeros((1, n_outputs))
        )
        model.reset_metrics()
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
        self._output_cut = 0.0 if self._takes_logits() else 0.5
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
            "activations": self._network.known,
            "optimizer": (optimizer.known, optimizer.learning_rate),
            "optimizer of the state": (self._optimizer_text, self._learning_rate),
            "loss": self._loss_in_memory(loss),
            "epochs": (self._epochs_seen, len(epochs)),
            "stopping": self.early_stopping
            and (self.n_iter_no_change, self.tol, self.class_weight),
            "seed": self._seed,
            "process": process_settings(),
            "threads": self._n_threads(points),
            **{name: getattr(self, name) for name in _NAMED_IN_MEMORY},
        }
        state = self._get_weights(), self._optimizer_state or []
        return recall(self.memory, train, repr(settings), points, state)

    def _forgettable(self, optimizer, loss, callbacks):
        """Return why a fit cannot be known again from what is given, or None."""
        if self.random_state is None:
            return "with random_state=None, no two are meant to be the same"
        if callbacks:
            return "callbacks act on training as it happens"
        if tf.distribute.has_strategy():
            return "a tf.distribute strategy adds up in an order of its own"
        activations = self._network.activations()
        used = {
            "activation": activations[0],
            "output_activation": activations[-1],
            "optimizer": optimizer.cls,
        }
        for name in ("activation", "output_activation"):
            used[name] = keras.activations.get(used[name])
        for name, thing in used.items():
            if not is_of_keras(thing):
                return f"{name} is not by a name of Keras', and may change"
        try:
            self._loss_in_memory(loss)
        except NotKnown:
            return "loss is not by a name of Keras', and may change"
        try:
            _ = optimizer.known
        except NotKnown:
            return "optimizer has a parameter that is not Keras', and may change"
        return None

    def _loss_in_memory(self, loss):
        """Describe a loss of Keras'; of an instance, what it now computes."""
        if not isinstance(self.loss, keras.Loss):
            return self._describe_loss(loss)
        if type(loss) not in vars(keras.losses).values():
            raise NotKnown(loss)
        outputs = 2, self._network.layer_sizes[-1]
        targets = 2, *self._target(np.zeros(1, int)).shape[1:]
        return trace(loss, targets, outputs, (2,), dtype=self.dtype), loss.dtype

    def _n_threads(self, points):
        """Return the number of threads if sums may depend on it, else None.

        Eigen, which multiplies matrices for TensorFlow, shares a product between
        threads where it would take some 100,000 cycles.
        """
        train, validation = points
        n_rows = max(self._n_in_batch(len(train[0])), min(CHUNK, len(validation[0])))
        largest = n_rows * max(n * m for n, m in pairwise(self._network.layer_sizes))
        return n_threads() if largest > _SHARED_PRODUCTS else None

    def _train(self, points, epochs, optimizer, loss, callbacks, tasks):
        """Train compiled where that is possible and asked for, or with Keras."""
        order = self._row_order(len(points[0][0]))
        data = Data(*points, order, len(epochs))
        watchers = [StopRequest(), *([tasks] if tasks else [])]
        if self.early_stopping:
            stopping = self._make_stopping(data.validation)
            watchers.append(stopping)
        reason = obstacle(callbacks, loss, optimizer, self.run_eagerly)
        history = failed = None
        if self.jit_compile and not reason:
            try:
                history = self._fit_compiled(
                    data, epochs, optimizer, loss, callbacks, watchers
                )
            except NotCompilable as error:
                reason, failed = str(error), error
        if history is None:
            if self.jit_compile:
                self._warn_or_raise(reason)
            # Step by step: Keras' programs are never freed either.
            eagerly = self.run_eagerly or isinstance(failed, TooManyPrograms)
            try:
                history = self._fit_with_keras(
                    data, epochs, callbacks, watchers, eagerly
                )
            except (TypeError, ValueError, tf.errors.OpError) as error:
                if callbacks or tasks:  # it may be theirs
                    raise
                raise InvalidParameterError(
                    f"Keras cannot train with optimizer={self.optimizer!r}, "
                    f"loss={self.loss!r} and dtype={self.dtype!r}: {error}"
                ) from error
        weights, converged = self._get_weights(), True
        if self.early_stopping:
            vars(self).pop("_model", None)  # it holds the last epoch's weights
            weights, converged = stopping.best_weights, stopping.converged
        outcome = weights, self._optimizer_state, history, converged
        if failed and self.memory is not None:
            raise NotToBeKept(outcome)  # next time it may compile, with other bits
        return outcome

    def _warn_or_raise(self, reason):
        """Say why training is not compiled, unless that was asked for."""
        if self.jit_compile != "auto":
            raise ValueError(f"jit_compile=True, but {reason}.")
        if self.run_eagerly:
            return
        # Without TensorFlow's words, which are others each time: Python shows the same
        # warning once.
        warnings.warn(
            "Training with keras.Model.fit, which takes many times as long as a "
            f"compiled program: {reason.partition(':')[0]} (jit_compile=True says "
            "more).",
            EfficiencyWarning,
            stacklevel=2,
        )

    def _n_in_batch(self, n_rows):
        return n_rows if self.batch_size == -1 else min(self.batch_size, n_rows)

    def _n_steps(self, n_rows):
        return ceil(n_rows / self._n_in_batch(n_rows))

    def _cut(self):
        """Return where two classes part in the output, 0 for logits."""
        # Nets saved before there was a choice do not say.
        return vars(self).get("_output_cut", 0.5)

    def _fit_compiled(self, data, epochs, optimizer, loss, callbacks, watchers):
        """Train in a compiled program: all at once, or an epoch at a time."""
        try:
            loss_known = self._describe_loss(loss)
        except NotKnown:
            loss_known = None
        structure = Structure(
            self._network,
            optimizer,
            loss,
            loss_known,
            self._cut(),
            **data.capacities(self.batch_size),
        )
        with ExitStack() as stack:
            with self._naming_routed("optimizer", optimizer.cls):
                program = stack.enter_context(programs.borrow(structure))
            run = Run(program, data, self.dropout_rate, self._seed, watchers[0].begin)
            if callbacks or self.verbose:
                history = train_with_callbacks(
                    run,
                    self.model_,
                    [*callbacks, *watching(watchers)],
                    epochs,
                    self._n_steps(len(data.train[0])),
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
                run, self._get_weights(), state, len(epochs), watchers[1:]
            )
        self._set_weights(weights)
        return dict(zip(HISTORY, history.T.tolist(), strict=False))

    def _fit_with_keras(self, data, epochs, callbacks, watchers, eagerly):
        """Train with keras.Model.fit."""
        n_rows = len(data.train[0])
        model = self.model_
        model.run_eagerly = eagerly
        with without_retracing_warnings():
            history = model.fit(
                _batches(data, self._n_in_batch(n_rows)),
                shuffle=False,
                steps_per_epoch=self._n_steps(n_rows),
                epochs=epochs.stop,
                initial_epoch=epochs.start,
                validation_data=data.validation if len(data.validation[0]) else None,
                validation_batch_size=CHUNK,
                callbacks=[*callbacks, *watching(watchers)],
                verbose=int(self.verbose),
            ).history
        model.run_eagerly = self.run_eagerly
        self._take_state(model)
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
        codes = _codes(y)
        if not weights and self.class_weight is not None:
            labels = self.classes_[codes]
            weights = [compute_sample_weight(self.class_weight, labels)]

        def score(network_weights):
            proba = self._proba(predict(self._network, network_weights, X))
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
                stratify=self.classes_[_codes(train[1])],
            )
        except ValueError as error:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {len(train[0])} "
                f"samples cannot be held out of every class: {error}"
            ) from error
        return tuple(tuple(array[np.sort(part)] for array in train) for part in rows)

    def _row_order(self, n_samples):
        """Return the function that gives the order of the rows in an epoch.

        It depends on the seed and the epoch alone, so that calls of `partial_fit`
        continue what `fit` began.
        """
        rows = np.arange(n_samples, dtype=row_dtype(n_samples))
        seed, seen = self._seed, self._epochs_seen

        def order(epoch):
            return np.random.default_rng([seed, seen + epoch]).permutation(rows)

        return order if self.shuffle else lambda epoch: rows

    # ---- output

    def _proba(self, output):
        """Return probabilities for the outputs of the network.

        Where an output activation leaves [0, 1], the most probable class is still the
        one that Keras takes for its accuracy.
        """
        output = self._link(output)
        unknown = np.isnan(output).any(axis=1)
        if self.n_classes_ == 2:
            output = np.clip(output, 0, 1)
            output[unknown] = 0.5
            return np.hstack([1 - output, output])
        output = np.clip(output, -_LARGE, _LARGE)
        output -= np.minimum(output.min(axis=1, keepdims=True), 0)
        output[unknown] = 0
        # Where the output is 0 for every class, none is likelier.
        output[~output.any(axis=1)] = 1
        return output / output.sum(axis=1, keepdims=True)

    def _link(self, output):
        """Return what the loss, or a logarithmic activation, takes the output for."""
        if self._cut() == 0:
            if self.n_classes_ == 2:
                return expit(output)
            with np.errstate(invalid="ignore"):  # of a network that diverged
                return softmax(output, axis=1)
        activation = keras.activations.get(self._network.output_activation)
        if activation is keras.activations.log_softmax:
            return np.exp(output)
        return output


def _codes(targets):
    """Return the numbers of the classes that targets of the loss stand for."""
    if targets.shape[1] == 1:
        return targets[:, 0].astype(int)
    return targets.argmax(axis=1)


def _batches(data, batch_size):
    """Return a tf.data.Dataset of the batches of all epochs, one after the other."""
    arrays = [tf.constant(array) for array in data.train]
    n_rows = len(data.train[0])
    slices = tf.data.Dataset.from_tensor_slices
    return (
        tf.data.Dataset.from_generator(
            lambda: map(data.order, range(data.n_epochs)),
            output_signature=tf.TensorSpec(n_rows, row_dtype(n_rows)),
        )
        .flat_map(lambda order: slices(order).batch(batch_size))
        .map(lambda rows: tf.cast(rows, tf.int32))
        .map(lambda rows: tuple(tf.gather(array, rows) for array in arrays))
        .prefetch(tf.data.AUTOTUNE)
    )
