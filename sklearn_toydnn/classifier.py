"""The paper's network (Methods, steps 2 to 4) as a scikit-learn classifier."""

import warnings
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from sklearn.callback import with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
)
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import check_is_fitted

from . import _network  # noqa: F401  or cloudpickle would copy the class Network
from ._engine.callbacks import EpochTasks
from ._engine.fit_cache import train_or_load
from ._engine.keras_model import build_model
from ._engine.network import Weights
from ._engine.prediction import predict_proba
from ._engine.records import State
from ._engine.tensorflow import check_usable, keras
from ._engine.training import TrainingError
from ._estimator.data import check_points, encode_training_data, scale_weights, split
from ._estimator.plan import initial_state, make_plan, plan_of_fitted
from ._estimator.scikeras import OWN_MODEL, KerasClassifier

_ONE_OR_MORE = Interval(Integral, 1, None, closed="left")


class _LayerArrays:
    """One array per layer, read from the Keras model once `model_` has built it.

    Arrays of the model are read-only copies: writing to them raises an error, instead
    of changing nothing.
    """

    def __init__(self, field):
        self._field = field  # of Weights

    def __set_name__(self, owner, name):
        self._name = name

    def __get__(self, clf, owner=None):
        if clf is None:
            return self
        if "_model" in vars(clf):
            weights = Weights.of_keras(clf._model.get_weights())
            arrays = getattr(weights, self._field)
            for array in arrays:
                array.flags.writeable = False
            return arrays
        try:
            return vars(clf)[self._name]
        except KeyError:
            raise AttributeError(
                f"{type(clf).__name__} has no {self._name} before it is fitted. Call "
                "fit first."
            ) from None

    def __set__(self, clf, arrays):
        clf.__dict__ = clf._without_model(vars(clf)) | {self._name: arrays}


class DNNClassifier(KerasClassifier):
    """Deep neural network classifier for small problems.

    This is the network of the paper: dense hidden layers that share one activation,
    dropout after the last hidden layer, and a dense output layer. Keras trains it. The
    interface is that of scikit-learn's
    :class:`~sklearn.neural_network.MLPClassifier`.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of shape (n_hidden_layers,), \
            default=(20, 20)
        Number of units of each hidden layer. An int means one hidden layer. ``()``
        means no hidden layer and no dropout, that is, logistic regression.

    activation : str or callable, default="relu"
        Activation of the hidden layers: a name in Keras or a function. User-defined
        functions with the same TensorFlow operations, such as two copies of one lambda,
        share a compiled program (see `jit_compile`). Activation layers with weights of
        their own, such as PReLU, are not allowed.

    output_activation : str or callable, default="auto"
        Activation of the output layer. "auto" is "sigmoid" for two classes and
        "softmax" for more. If the loss expects logits (``from_logits=True``), "auto"
        is "linear"; probabilities are then the sigmoid or softmax of the output, and
        the threshold between two classes is 0. Activations with values outside [0, 1]
        are allowed, as in the paper's grid search. For two classes, such values are
        clipped to [0, 1]. For more classes, if the lowest output of a point is
        negative, it is subtracted from all outputs of this point. They are then
        divided by their sum.

    dropout_rate : float, default=0.2
        Fraction of the units of the last hidden layer that is dropped during
        training, in [0, 1).

    kernel_initializer : str or keras.initializers.Initializer, \
            default="glorot_uniform"
        Initializer of the kernels of all layers: a name in Keras or an instance. Its
        seed is drawn from `random_state`, even if an instance has its own seed.
        Biases start at zero.

    optimizer : str, keras.optimizers.Optimizer or class, default="adam"
        The optimizer: a name in Keras, a class or an instance. A name or class accepts
        parameters such as ``optimizer__learning_rate``. An instance is copied.

    loss : str, keras.losses.Loss, class or callable, default="auto"
        The loss: a name in Keras, a class, an instance or a function. "auto" is binary
        cross-entropy for two classes and sparse categorical cross-entropy for more. A
        name or class accepts parameters such as ``loss__label_smoothing``. To clone an
        instance of a user-defined class, register the class with Keras. Labels of more
        than two classes are one-hot encoded, unless the loss is a sparse one.

    batch_size : int, default=32
        Number of points per gradient step; -1 means all points.

    epochs : int, default=100
        Number of passes over the training points.

    validation_split : float, default=0.0
        Fraction of the points, in [0, 1), that is held out for validation. As in
        Keras, these are the last rows. After an augmentation step, they include noisy
        copies of training points; pass `X_val` to `fit` instead.

    early_stopping : bool, default=False
        Whether to stop training when the validation accuracy no longer improves, and
        to restore the weights of the best epoch. The accuracy is weighted by sample
        and class weights. Without `X_val` and `validation_split`, a stratified sample
        of the points is held out. Early stopping takes 1 to 2 ms per epoch.

    validation_fraction : float, default=0.1
        Fraction of the points that is held out for early stopping, in (0, 1).

    n_iter_no_change : int or np.inf, default=10
        Early stopping ends training after this many consecutive epochs without an
        improvement by at least `tol` over the best validation accuracy so far.
        With ``np.inf``, training always runs for all epochs.

    tol : float, default=1e-4
        Minimum increase of the validation accuracy that counts as an improvement.

    shuffle : bool, default=True
        Whether to shuffle the training points before each epoch.

    class_weight : dict, "balanced" or None, default=None
        Non-negative weights of the classes, ``{label: weight}``. They multiply
        `sample_weight`; see :func:`sklearn.utils.class_weight.compute_class_weight`.

    warm_start : bool, default=False
        Whether `fit` continues from the weights and the optimizer state of the
        previous call. The history starts again in either case.

    callbacks : list, dict, keras.callbacks.Callback, class or None, default=None
        Keras callbacks. As in Keras, an instance is not copied and keeps its state
        after a fit, even after a failed one; concurrent fits that share an instance
        share its state. A class is instantiated for each fit and accepts parameters
        such as ``callbacks__patience``.

    run_eagerly : bool, default=False
        Whether Keras trains step by step in Python. Use it to debug your own functions.

    dtype : {"float32", "float64"}, default="float32"
        Precision of the weights and the arithmetic. A loss instance uses its own
        dtype.

    jit_compile : bool or "auto", default="auto"
        Whether to compile the whole training into one program. This is about a hundred
        times faster than ``keras.Model.fit``, and fits that use the same program again
        leak no memory. True raises an error if training cannot be compiled. "auto"
        instead trains with ``keras.Model.fit`` and, unless `run_eagerly` is true,
        issues a warning. False always trains with ``keras.Model.fit``, without a
        warning.

        Compiled training supports Keras callbacks that act between epochs, and
        `verbose`, but both need a Keras model and take time in each epoch. It does not
        support callbacks that act within an epoch, or `run_eagerly`.

        Most of the memory of compiled programs is never released. Each process
        therefore compiles at most 64 programs (about 800 MB) for user-defined functions
        and classes. Beyond this limit, "auto" issues a warning and trains as with
        ``run_eagerly=True``.

    memory : str, joblib.Memory or None, default=None
        Where to cache the results of fits: a folder, or any object that ``Pipeline``
        accepts as its `memory`. If you restart a search, it loads the fits that it
        finished before. The cache key consists of the data, the parameters, the
        settings of ``keras.config``, the training code of this package, and the
        versions of TensorFlow, Keras and NumPy. For large layers or batches, it also
        contains the number of threads. Some fits are not cached, with a warning: those
        with ``random_state=None``, with callbacks, with user-defined functions or
        classes (which may change), or in the scope of a ``tf.distribute`` strategy. Use
        a folder that only you can write to, because loading a result can run code.

    random_state : int, RandomState instance or None, default=None
        Determines the initial weights, the dropout, the order of the points and the
        random sample that `early_stopping` holds out. Pass an int for reproducible
        results. None uses fresh entropy from the operating system. Unlike elsewhere in
        scikit-learn, ``np.random.seed`` has no effect, so that fits in different
        threads are independent.

    verbose : int, default=0
        Output of Keras during training: 0 prints nothing, 1 shows a progress bar, 2
        prints one line per epoch.

    **kwargs : dict
        Routed parameters, as in scikeras: parameters that are passed on to the
        optimizer, the loss or the callbacks. Names must start with ``optimizer__``,
        ``loss__`` or ``callbacks__``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.

    n_classes_ : int
        The number of classes.

    coefs_ : list of ndarray of shape (n_inputs, n_units)
        The learned kernel of each layer.

    intercepts_ : list of ndarray of shape (n_units,)
        The learned bias of each layer.

    history_ : dict of list of float
        One value per epoch for "loss" and "accuracy". "val_loss" and "val_accuracy"
        are present if all epochs had validation data.

    n_iter_ : int
        The number of epochs in `history_`.

    loss_curve_, best_loss_, validation_scores_, best_validation_score_ : \
            list of float or float
        The history under ``MLPClassifier``'s names: the training loss, its minimum,
        the validation accuracy (not weighted) and its maximum. `best_loss_` is None
        with `early_stopping`; the last two are None without it.

    n_layers_, n_outputs_, out_activation_ : int, int, str or callable
        The number of layers (including the input and the output), the number of
        outputs, and the activation of the output layer.

    diverged_ : bool
        Whether a loss in `history_` or a weight is infinite or NaN. The last fit has
        then issued a ``ConvergenceWarning``. Points whose output is NaN have the same
        probability for every class.

    model_ : keras.Sequential
        A compiled Keras model of the trained network. If you set or train its weights,
        the classifier uses them in `predict`, `coefs_`, `partial_fit` and saved files,
        until the next fit replaces the model. The classifier does not use the state of
        the model's optimizer. `clone` and `memory` ignore the model. After the first
        access to `model_`, the arrays in `coefs_` and `intercepts_` are read-only
        copies of its weights. To change them, assign new lists, and access `model_`
        again.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit. Defined only if X has feature names.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : scikit-learn's multilayer perceptron. It has
        no dropout and no choice of the initializer or the output activation.

    Notes
    -----
    A fitted classifier consists of NumPy arrays and plain Python objects. You can save
    it with pickle, joblib, cloudpickle or skops, and continue training after you load
    it. skops requires a list of trusted types:
    ``["sklearn_toydnn._network.Network",
    "sklearn_toydnn.classifier.DNNClassifier"]``. To save only the network, for Keras,
    use ``clf.model_.save("net.keras")``.

    `predict` and `predict_proba` are thread-safe. While another thread fits the same
    classifier, they use its state before or after that fit. If a `fit` fails or is
    interrupted, the classifier does not change. Ctrl-C and
    :func:`sklearn_toydnn.stop_fits` stop a fit within two seconds, or within one epoch
    if that takes longer. They do not interrupt compilation.

    The prediction for a point does not depend on the other points in the same call or
    on the number of threads: results agree bit for bit in float32, and to 1e-12 in
    float64. On one machine, the same data, parameters and `random_state` give the same
    bits in every process and thread. For large layers or batches, such as
    ``batch_size=-1`` with 4,000 points, the learned weights may also depend on the
    number of threads, and joblib gives its worker processes fewer threads.

    You cannot use the classifier in a process that was forked from one that had used
    TensorFlow, or while a ``tf.Graph`` is being built: it raises an error.

    scikit-learn's callbacks, set with ``set_callbacks``, are called for each epoch of
    `fit`, but not in `partial_fit`. They receive all points, including held-out ones.
    Keras callbacks, set with the parameter `callbacks`, are called in both methods.

    References
    ----------
    Group 2210, "A study on Deep Neural Networks using Keras" (2022), Methods. The base
    class is scikeras' ``KerasClassifier``.

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
        "hidden_layer_sizes": ["array-like", _ONE_OR_MORE],
        "activation": [str, callable],
        "output_activation": [str, callable],
        "dropout_rate": [Interval(Real, 0, 1, closed="left")],
        "kernel_initializer": [str, keras.initializers.Initializer],
        "optimizer": [str, keras.optimizers.Optimizer, type],
        "loss": [str, callable],
        "batch_size": [_ONE_OR_MORE, Options(Integral, {-1})],
        "epochs": [_ONE_OR_MORE],
        "validation_split": [Interval(Real, 0, 1, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [_ONE_OR_MORE, Options(Real, {np.inf})],
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

    coefs_, intercepts_ = _LayerArrays("kernels"), _LayerArrays("biases")

    # ---- fitting

    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, **others):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The training points.

        y : array-like of shape (n_samples,)
            The labels of the training points.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the points. None means equal weights. They are
            multiplied by those of `class_weight` and divided by their mean over the
            training set, so that their scale does not change the learning rate.
            Losses in `history_` use these weights.

        X_val : array-like of shape (n_samples_val, n_features), default=None
            Validation points. In a pipeline, add "X_val" to its `transform_input` to
            scale them with the scaler of the training points. In cross-validation, the
            number of rows must differ from that of X; otherwise, scikit-learn splits
            `X_val` into folds along with X.

        y_val : array-like of shape (n_samples_val,), default=None
            The labels of the validation points.

        **others : dict
            Not supported. The error says where to pass an argument of Keras.

        Returns
        -------
        self : DNNClassifier
            The fitted classifier.

        Raises
        ------
        InvalidParameterError
            If a parameter has the wrong type, is out of range or is a name that does
            not exist in Keras. This class derives from ValueError and TypeError.
        TypeError
            If another argument is given.
        ValueError
            If the training or validation data are not valid, if the optimizer or loss
            does not accept a routed parameter, or if `warm_start` is used and the
            classes have changed.
        """
        self._validate_params()
        for name in others:
            raise TypeError(f"fit has no argument {name!r}. {self._hint_for(name)}")
        with self._all_or_nothing() as clf:
            clf._fit(X, y, sample_weight, X_val, y_val)
        return self

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch, starting from the current state.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The training points.

        y : array-like of shape (n_samples,)
            The labels of the training points.

        classes : array-like of shape (n_classes,), default=None
            All labels that occur in any call. Required in the first call.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the points. None means equal weights. Unlike in
            `fit`, they are not divided by their mean, because it differs between
            chunks.

        Returns
        -------
        self : DNNClassifier
            The fitted classifier.

        Raises
        ------
        InvalidParameterError, ValueError
            As in `fit`. Also if `classes` is missing in the first call or empty, if
            `early_stopping` is true, or if `class_weight` is "balanced", because one
            chunk does not determine the class frequencies.
        """
        self._validate_params()
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True. Set "
                "early_stopping=False, or use fit."
            )
        if isinstance(self.class_weight, str):
            raise ValueError(
                "partial_fit does not support class_weight='balanced', because one "
                "chunk does not determine the class frequencies. Compute weights with "
                "compute_class_weight('balanced', classes=classes, y=y), where y has "
                "all labels or a large sample of them, and pass them as a dict."
            )
        with self._all_or_nothing() as clf:
            clf._partial_fit(X, y, classes, sample_weight)
        return self

    def initialize(self, X, y):
        """Draw the initial weights, without training.

        Afterwards, `predict` uses the untrained network. `partial_fit`, or `fit` with
        ``warm_start=True``, continues from these weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The training points.

        y : array-like of shape (n_samples,)
            The labels of the training points.

        Returns
        -------
        self : DNNClassifier
            The classifier, with an empty history.

        Raises
        ------
        InvalidParameterError, ValueError
            As in `fit`.
        """
        self._validate_params()
        with self._all_or_nothing() as clf:
            _, y = check_points(clf, X, y, reset=True)
            clf._prepare(np.unique(y), resume=False)
        return self

    def _hint_for(self, name):
        """Return a hint where to pass an argument of keras.Model.fit."""
        if name == "validation_data":
            return "Pass validation points as X_val and y_val."
        if name in self.get_params():
            return f"It is a constructor parameter: {type(self).__name__}({name}=...)."
        return (
            "To pass other arguments of keras.Model.fit, use scikeras' "
            "KerasClassifier, which sklearn_toydnn.compare also accepts."
        )

    def _validate_params(self):
        if callable(self.hidden_layer_sizes):
            raise InvalidParameterError(
                f"The 'hidden_layer_sizes' parameter of {type(self).__name__} must "
                f"not be a function: {OWN_MODEL}"
            )
        super()._validate_params()

    @contextmanager
    def _all_or_nothing(self):
        """Yield a copy to train, and adopt its state in one step if no error occurs.

        The copy is shallow: training replaces lists and arrays but never modifies them.
        """
        trained = self._snapshot()
        check_usable()
        yield trained
        self.__dict__ = vars(trained)

    def _snapshot(self):
        """Return a shallow copy that other threads cannot change."""
        copied = object.__new__(type(self))
        copied.__dict__ = self._without_model(vars(self))
        return copied

    def _without_model(self, state):
        """Return a copy of a state, with the Keras model replaced by its weights.

        The model cannot be shared, because Keras trains it in place. It can be rebuilt
        from the other attributes.
        """
        state = state.copy()
        if state.pop("_model", None) is not None:
            state["coefs_"], state["intercepts_"] = self.coefs_, self.intercepts_
        return state

    @with_callbacks
    def _fit(self, X, y, sample_weight, X_val, y_val):
        has_callbacks = hasattr(self, "_skl_callbacks")
        tasks = [EpochTasks(self, X, y, sample_weight)] if has_callbacks else []
        resume = self.warm_start and self.initialized_
        points, labels = check_points(self, X, y, reset=not resume)
        classes = np.unique(labels)
        if resume and not np.array_equal(classes, self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in "
                f"the previous call to fit. Previously got {self.classes_}, `y` "
                f"has {classes}. To train a new network, set warm_start=False."
            )
        plan = self._prepare(self.classes_ if resume else classes, resume)
        training = points, labels, sample_weight
        epochs = range(self.epochs)
        self._train(plan, training, (X_val, y_val), epochs, tasks, normalize=True)
        for task in tasks:
            task.end_fit(self._weights())

    def _partial_fit(self, X, y, classes, sample_weight):
        resume = self.initialized_
        if classes is not None and np.size(classes) == 0:
            raise ValueError(
                "classes must list all labels that occur in any call, got no labels."
            )
        _check_partial_fit_first_call(self, classes)
        X, y = check_points(self, X, y, reset=not resume)
        plan = self._prepare(self.classes_, resume)
        epochs = range(self.current_epoch, self.current_epoch + 1)
        self._train(plan, (X, y, sample_weight), (None, None), epochs)

    def _prepare(self, classes, resume):
        """Return the plan; draw initial weights unless training resumes."""
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes, but the "
                f"data contain only one class: {classes.tolist()[0]!r}."
            )
        self.classes_, self.n_classes_ = classes, len(classes)
        plan = make_plan(self)
        if not resume:
            self._store(plan, initial_state(self, plan), {"loss": [], "accuracy": []})
        return plan

    def _train(self, plan, training, validation, epochs, watchers=(), normalize=False):
        """Encode and split the data, train or load a cached result, and store it."""
        state = self._state(plan.network)
        training = encode_training_data(self, plan, *training)
        data = split(self, plan, training, *validation, state.seed)
        data = scale_weights(data, plan.network.dtype, normalize=normalize)
        callbacks = self._make_callbacks()
        try:
            outcome = train_or_load(plan, data, state, epochs, callbacks, watchers)
        except TrainingError as error:
            raise InvalidParameterError(
                f"Keras cannot train with optimizer={self.optimizer!r}, "
                f"loss={self.loss!r} and dtype={self.dtype!r}: {error}"
            ) from error
        history = outcome.history
        if epochs.start:
            # Keep only the metrics that all epochs have measured.
            past = self.history_
            history = {k: past[k] + history[k] for k in past.keys() & history.keys()}
        self._store(plan, outcome.state, history)
        self._warn(outcome, len(epochs))

    # ---- state

    def _store(self, plan, state, history):
        """Store a state and a history in attributes."""
        self._network, self._output_cut = plan.network, plan.output_cut
        self.coefs_ = state.weights.kernels
        self.intercepts_ = state.weights.biases
        self._seed, self._epochs_seen = state.seed, state.epochs_seen
        self._optimizer_state = state.optimizer_state
        self._optimizer_key = state.optimizer
        self.history_ = {name: history[name] for name in sorted(history)}
        self.n_iter_ = len(self.history_["loss"])
        self.diverged_ = self._find_divergence() is not None

    def _state(self, network):
        """Return the state in the attributes, to resume training of this network."""
        if network != self._network:
            raise ValueError(
                "warm_start and partial_fit cannot change the network. It is "
                f"{self._network}, but the parameters describe {network}. To train a "
                "new network, call fit with warm_start=False."
            )
        return State(
            self._weights(),
            self._seed,
            self._epochs_seen,
            self._optimizer_state,
            self._optimizer_key,
        )

    def _weights(self):
        return Weights(self.coefs_, self.intercepts_)

    def _find_divergence(self):
        """Return a description of the first value that is not finite, or None."""
        for name, values in self.history_.items():
            finite = np.isfinite(values)
            if not finite.all():
                epoch = finite.argmin()
                return f"{name} is {values[epoch]} in epoch {epoch + 1}"
        if not all(
            np.isfinite(array).all() for array in self.coefs_ + self.intercepts_
        ):
            return "a weight is not finite"
        return None

    def _warn(self, outcome, n_epochs):
        """Warn if training has diverged or has not converged."""
        if self.diverged_:
            message = (
                f"Training diverged: {self._find_divergence()}. Scaling the points or "
                "a lower learning rate may help."
            )
        elif not outcome.converged and len(outcome.history["loss"]) == n_epochs:
            message = (
                f"Maximum epochs ({n_epochs}) reached, but the validation accuracy "
                "has not converged yet. More epochs may help."
            )
        else:
            return
        warnings.warn(message, ConvergenceWarning, stacklevel=2)

    @property
    def model_(self):
        """keras.Sequential: A compiled Keras model of the trained network.

        If you set weights in this model, the classifier uses them in `predict`,
        `coefs_`, `partial_fit` and saved files.
        """
        check_is_fitted(self)
        if "_model" not in vars(self):
            check_usable()
            model = build_model(plan_of_fitted(self), self._state(self._network))
            model(np.zeros((1, self.n_features_in_), self.dtype))  # required by export
            self._model = model
        return self._model

    def __getstate__(self):
        """Return the state without the Keras model, which `model_` rebuilds."""
        return self._without_model(super().__getstate__())

    def __setstate__(self, state):
        """Restore a state, including one that an earlier version has saved."""
        if "_optimizer_text" in state:
            state = {"_output_cut": 0.5} | state
            state["_optimizer_key"] = (
                state.pop("_optimizer_text"),
                state.pop("_learning_rate"),
            )
        super().__setstate__(state)

    # ---- the history and the layers under MLPClassifier's names

    @property
    def n_layers_(self):
        """int: The number of layers, including input and output."""
        return len(self.coefs_) + 1

    @property
    def n_outputs_(self):
        """int: The number of outputs: 1 for two classes, otherwise one per class."""
        return len(self.intercepts_[-1])

    @property
    def out_activation_(self):
        """Str or callable: The activation of the output layer."""
        return self._network.output_activation

    @property
    def loss_curve_(self):
        """List of float: The training loss of each epoch."""
        return self.history_["loss"]

    @property
    def best_loss_(self):
        """Float or None: The minimum training loss; None with early stopping."""
        return None if self.early_stopping else min(self.loss_curve_, default=None)

    @property
    def validation_scores_(self):
        """List of float or None: Validation accuracies; None without early stopping."""
        return self.history_.get("val_accuracy") if self.early_stopping else None

    @property
    def best_validation_score_(self):
        """Float or None: Maximum validation accuracy; None without early stopping."""
        return max(self.validation_scores_ or [], default=None)

    # ---- prediction

    def predict_proba(self, X):
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The points.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes), dtype=float64
            The probabilities, in the order of `classes_`. Each row sums to 1.
        """
        check_is_fitted(self)
        fitted = self._snapshot()  # another thread may be fitting this classifier
        X = check_points(fitted, X)
        check_usable()
        return predict_proba(fitted._network, fitted._output_cut, fitted._weights(), X)

    def predict_log_proba(self, X):
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The points.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes), dtype=float64
            The logarithm of `predict_proba`; minus infinity where that is 0.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X):
        """Return the most probable class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The points.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            The predicted labels, from `classes_`.
        """
        fitted = self._snapshot()  # another thread may be fitting this classifier
        proba = fitted.predict_proba(X)
        return fitted.classes_[np.argmax(proba, axis=1)]
