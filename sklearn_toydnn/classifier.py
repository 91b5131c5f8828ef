"""The paper's network (Methods, steps 2 to 4) as a scikit-learn classifier."""

from ._tensorflow import (
    keras,
    tf,
    without_retracing_warnings,
)  # before scikeras, whose import is not quiet

# isort: split
import warnings
from math import ceil, floor
from numbers import Integral, Real

import numpy as np
from scikeras.utils import loss_name
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
)
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
from ._memory import is_of_keras, name_of, recall, warn_not_kept
from ._network import (
    Network,
    OptimizerSpec,
    loss_class,
    loss_key,
    make_initializer,
    n_steps,
)
from ._scikeras import KerasClassifier
from ._training import (
    CHUNK,
    HISTORY,
    Data,
    NotCompilable,
    Structure,
    programs,
    row_dtype,
)

_AUTO_LOSS = {
    True: keras.losses.BinaryCrossentropy,
    False: keras.losses.SparseCategoricalCrossentropy,
}

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


class DNNClassifier(KerasClassifier):
    """Deep neural network for small problems: dense layers, dropout, an output.

    The network is the paper's: dense hidden layers that share one activation,
    dropout after the last of them, and a dense output layer. It is trained by
    Keras, and used like scikit-learn's
    :class:`~sklearn.neural_network.MLPClassifier`.

    Parameters
    ----------
    hidden_layer_sizes : array-like of shape (n_hidden_layers,), default=(20, 20)
        The number of units of each hidden layer.

    activation : str or callable, default="relu"
        Activation of the hidden layers, as Keras names it.

    output_activation : str or callable, default="auto"
        Activation of the output layer. "auto" is "sigmoid" for two classes and
        "softmax" for more. One that leaves [0, 1] is allowed, as in the paper's
        grid search: probabilities are then its clipped (for more than two
        classes also normalised) values.

    dropout_rate : float, default=0.2
        Share of the last hidden layer's units dropped in training, in [0, 1).

    kernel_initializer : str or keras.initializers.Initializer, \
            default="glorot_uniform"
        Initializer of the kernels of all layers, as Keras names it. Its seed is
        drawn from `random_state`, also where an instance brings its own. Biases
        start at zero.

    optimizer : str, keras.optimizers.Optimizer or class, default="adam"
        The optimizer, as Keras names it. A name or class takes parameters as
        ``optimizer__learning_rate`` and so on; an instance is copied.

    loss : str, keras.losses.Loss, class or callable, default="auto"
        The loss, as Keras names it. "auto" is binary cross entropy for two
        classes and sparse categorical cross entropy for more. A name or class
        takes parameters as ``loss__label_smoothing`` and so on; an instance of a
        class of your own is cloned if the class is registered with Keras. Except
        for the sparse loss, more than two classes are one-hot encoded.

    batch_size : int, default=32
        Number of points per gradient step; -1 takes all points at once.

    epochs : int, default=100
        Number of passes over the points.

    validation_split : float, default=0.0
        Share of the points, in [0, 1), that is held out for validation: the last
        ones in the order given, as in Keras. Behind an augmentation step they
        include noisy copies of training points: pass `X_val` instead.

    early_stopping : bool, default=False
        Whether to stop when the accuracy on the validation points no longer
        rises, and to keep the weights of the best epoch. Points and classes
        count by their weights. Where there are no validation points, from `X_val`
        or `validation_split`, a share of the points is drawn from each class and
        held out. It costs a millisecond or two per epoch.

    validation_fraction : float, default=0.1
        The share held out for early stopping, in (0, 1).

    n_iter_no_change : int, default=10
        Early stopping ends training after this many epochs in a row of which
        none was better than the best before it by `tol`.

    tol : float, default=1e-4
        The smallest rise of the validation accuracy that counts as one.

    shuffle : bool, default=True
        Whether to put the points in a new order before each epoch.

    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, ``{label: weight}``, not negative, which multiply
        `sample_weight`; see :func:`sklearn.utils.class_weight.compute_class_weight`.

    warm_start : bool, default=False
        Whether `fit` goes on from the weights and the optimizer state of the
        last call. The history starts again either way.

    callbacks : list, dict, keras.callbacks.Callback, class or None, default=None
        Keras callbacks. Each fit works on copies of instances; classes take
        parameters as ``callbacks__patience`` and so on.

    run_eagerly : bool, default=False
        Whether Keras runs step by step in Python, to debug what it calls.

    dtype : {"float32", "float64"}, default="float32"
        Precision of the weights and of the arithmetic; a loss given as an
        instance has its own.

    jit_compile : bool or "auto", default="auto"
        Whether all of training is compiled into one program, which is a hundred
        times faster and leaves nothing in memory. True raises an error where that
        cannot be; False trains with ``keras.Model.fit``; "auto" compiles what can
        be compiled. Keras callbacks that act between epochs can, but they cost
        a Keras model, and time per epoch; so does `verbose`. Callbacks that act
        within an epoch and `run_eagerly` cannot.

    memory : str, joblib.Memory or None, default=None
        Where to keep what comes of each fit, a folder or what ``Pipeline`` takes
        under this name: a search started again takes from there the fits that it
        had finished. A fit is known by its data, its parameters, the source of
        this package and the versions of TensorFlow, Keras and NumPy. Not kept,
        with a warning, are fits with ``random_state=None``, with callbacks, and
        with functions or classes of your own, which may change. The folder must
        be your own: what is read from there can run code.

    random_state : int, RandomState instance or None, default=None
        Determines the initial weights, the dropout and the order of the points.
        Pass an int for reproducible results. None draws fresh entropy from the
        operating system: unlike elsewhere in scikit-learn, ``np.random.seed``
        has no effect, so that fits in threads cannot disturb one another.

    verbose : int, default=0
        What Keras prints as it trains: 0 nothing, 1 a bar, 2 a line per epoch.

    **kwargs : dict
        Routed parameters only, as in scikeras: names that start with
        ``optimizer__``, ``loss__`` or ``callbacks__``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.

    n_classes_ : int
        The number of classes.

    coefs_ : list of ndarray of shape (n_inputs, n_units)
        The trained kernel of each layer.

    intercepts_ : list of ndarray of shape (n_units,)
        The trained bias of each layer.

    history_ : dict of list of float
        One value per epoch under "loss" and "accuracy" and, if all epochs had
        validation data, "val_loss" and "val_accuracy".

    n_iter_ : int
        The number of epochs in `history_`.

    model_ : keras.Sequential
        A compiled Keras model that holds the trained weights.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features seen during fit, where the points had names.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : scikit-learn's own, without dropout,
        choice of initializer or of output activation.

    Notes
    -----
    The state of a fitted classifier is NumPy arrays and plain Python: pickle,
    joblib, cloudpickle and skops save it, and what they load can be trained
    further. skops asks which types to trust; they are
    ``["sklearn_toydnn._network.Network",
    "sklearn_toydnn.classifier.DNNClassifier"]``. ``clf.model_.save("net.keras")``
    saves the network alone, for Keras.

    scikit-learn's callbacks, given by ``set_callbacks``, are told of each epoch
    of `fit` (not of `partial_fit`) with all the points, held-out ones included;
    Keras' own, given by the parameter `callbacks`, act in both.

    References
    ----------
    The paper, Methods. The base class is scikeras' ``KerasClassifier``.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_toydnn import DNNClassifier, make_triangle
    >>> X, y = make_triangle(n_samples=1000, random_state=0)
    >>> X_test, y_test = make_triangle(n_samples=1000, random_state=1)
    >>> clf = make_pipeline(
    ...     StandardScaler(), DNNClassifier(epochs=30, random_state=0)
    ... )
    >>> clf.fit(X, y).score(X_test, y_test) > 0.9
    True
    """

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like"],
        "activation": [str, callable],
        "output_activation": [str, callable],
        "dropout_rate": [Interval(Real, 0, 1, closed="left")],
        "kernel_initializer": [str, keras.initializers.Initializer],
        "optimizer": [str, keras.optimizers.Optimizer, type],
        "loss": [str, callable],
        "batch_size": [
            Interval(Integral, 1, None, closed="left"),
            Options(Integral, {-1}),
        ],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "validation_split": [Interval(Real, 0, 1, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "shuffle": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "warm_start": ["boolean"],
        "callbacks": [list, dict, keras.callbacks.Callback, type, None],
        "run_eagerly": ["boolean"],
        "dtype": [StrOptions({"float32", "float64"})],
        "jit_compile": ["boolean", StrOptions({"auto"})],
        "memory": [str, HasMethods("cache"), None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_layer_sizes=(20, 20),
        *,
        activation="relu",
        output_activation="auto",
        dropout_rate=0.2,
        kernel_initializer="glorot_uniform",
        optimizer="adam",
        loss="auto",
        batch_size=32,
        epochs=100,
        validation_split=0.0,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        shuffle=True,
        class_weight=None,
        warm_start=False,
        callbacks=None,
        run_eagerly=False,
        dtype="float32",
        jit_compile="auto",
        memory=None,
        random_state=None,
        verbose=0,
        **kwargs,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.output_activation = output_activation
        self.dropout_rate = dropout_rate
        self.kernel_initializer = kernel_initializer
        self.optimizer = optimizer
        self.loss = loss
        self.batch_size = batch_size
        self.epochs = epochs
        self.validation_split = validation_split
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.shuffle = shuffle
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.run_eagerly = run_eagerly
        self.dtype = dtype
        self.jit_compile = jit_compile
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose
        self._set_routed(kwargs, TypeError)

    # ---- what the parameters name

    def _keras(self, param, get):
        """Look a parameter's value up in Keras, or raise an error that names it."""
        value = getattr(self, param)
        try:
            return get(value)
        except (ValueError, TypeError) as error:
            raise InvalidParameterError(
                f"The {param!r} parameter of {type(self).__name__} must be a name or "
                f"an object that Keras knows. Got {value!r} instead."
            ) from error

    def _make_network(self):
        hidden = tuple(self.hidden_layer_sizes)
        if not hidden or not all(isinstance(n, Integral) and n >= 1 for n in hidden):
            raise InvalidParameterError(
                f"The 'hidden_layer_sizes' parameter of {type(self).__name__} must be "
                f"one or more ints of at least 1. Got {self.hidden_layer_sizes!r}."
            )
        self._keras("activation", keras.activations.get)
        output = self.output_activation
        binary = self.n_classes_ == 2
        if output == "auto":
            output = "sigmoid" if binary else "softmax"
        elif binary and self._keras("output_activation", keras.activations.get) is (
            keras.activations.softmax
        ):
            raise InvalidParameterError(
                "output_activation=softmax of the single output that two classes "
                "have is always 1. Use 'auto' or 'sigmoid'."
            )
        else:
            self._keras("output_activation", keras.activations.get)
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

    # ---- fitting

    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The training points.

        y : array-like of shape (n_samples,)
            Their labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the points, not negative. None weighs all alike.

        X_val : array-like of shape (n_samples_val, n_features), default=None
            Validation points. In a pipeline, name them in its `transform_input`
            to have them scaled with the training points' scaler. Give them
            another number of rows than X, else scikit-learn's cross-validation
            slices them as if they belonged to the training points.

        y_val : array-like of shape (n_samples_val,), default=None
            Labels of the validation points.

        Returns
        -------
        self : DNNClassifier
            The fitted classifier.

        Raises
        ------
        InvalidParameterError
            If a parameter has the wrong type, is out of range or names nothing
            in Keras (a ValueError and a TypeError).
        ValueError
            If the data are not valid training or validation data, or a routed
            parameter is not taken by what it is routed to.
        """
        self._validate_params()
        return super().fit(X, y, sample_weight, X_val=X_val, y_val=y_val)

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch, from where the last call ended.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The training points.

        y : array-like of shape (n_samples,)
            Their labels.

        classes : array-like of shape (n_classes,), default=None
            All labels that any call will bring; needed in the first call.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the points, not negative. None weighs all alike.

        Returns
        -------
        self : DNNClassifier
            The fitted classifier.
        """
        self._validate_params()
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True.")
        return super().partial_fit(X, y, classes, sample_weight)

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
        if not converged and len(history["loss"]) == len(epochs):
            warnings.warn(
                f"Maximum epochs ({len(epochs)}) reached and the validation accuracy "
                "has not converged yet.",
                ConvergenceWarning,
                stacklevel=2,
            )
        if epochs.start:
            # Each list has a value for each epoch: only what all epochs measured.
            past = self.history_
            history = {k: past[k] + history[k] for k in past.keys() & history.keys()}
        self.history_ = {name: history[name] for name in sorted(history)}
        self.n_iter_ = len(self.history_["loss"])

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
            "stopping": self.early_stopping and (self.n_iter_no_change, self.tol),
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
            history = self._fit_with_keras(data, epochs, callbacks, watchers)
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

    # ---- prediction

    def predict_proba(self, X):
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The points.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes), dtype=`dtype`
            Probabilities in the order of `classes_`; each row sums to 1.
        """
        check_is_fitted(self)
        X, _ = self._validate_data(X)
        return self._proba(self._network.predict(self._get_weights(), X))

    def _proba(self, output):
        """Return probabilities for the outputs of the network."""
        output = np.clip(output, 0, 1)
        if self.n_classes_ == 2:
            return np.hstack([1 - output, output])
        total = output.sum(axis=1, keepdims=True)
        # Where an output activation like relu is 0 for every class, none is likelier.
        uniform = np.full_like(output, 1 / self.n_classes_)
        return np.divide(output, total, out=uniform, where=total != 0)

    def predict(self, X):
        """Return the most probable class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The points.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels out of `classes_`.
        """
        return super().predict(X)


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
