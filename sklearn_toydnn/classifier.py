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

from . import _network  # noqa: F401  where cloudpickle looks for Network, or copies it
from ._engine.callbacks import EpochTasks
from ._engine.fit_cache import train_or_load
from ._engine.keras_model import build_model
from ._engine.network import Weights
from ._engine.prediction import predict_proba
from ._engine.records import State
from ._engine.tensorflow import check_usable, keras
from ._engine.training import CannotTrain
from ._estimator.data import check_points, encode_training_data, scale_weights, split
from ._estimator.plan import initial_state, make_plan, plan_of_fitted
from ._estimator.scikeras import OWN_MODEL, KerasClassifier

_ONE_OR_MORE = Interval(Integral, 1, None, closed="left")


class _OfLayers:
    """Arrays of each layer: those of the Keras model, once `model_` has made one.

    The model's are copies; read-only, so that a change of one is not lost silently.
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
            raise AttributeError(f"{self._name}: not fitted yet") from None

    def __set__(self, clf, arrays):
        clf.__dict__ = clf._without_model(vars(clf)) | {self._name: arrays}


class DNNClassifier(KerasClassifier):
    """Deep neural network for small problems: dense layers, dropout, an output.

    The network is the paper's: dense hidden layers that share one activation,
    dropout after the last of them, and a dense output layer. It is trained by
    Keras, and used like scikit-learn's
    :class:`~sklearn.neural_network.MLPClassifier`.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of shape (n_hidden_layers,), \
            default=(20, 20)
        The number of units of each hidden layer; an int is one layer. ``()`` has no
        hidden layer, and nothing to drop: logistic regression.

    activation : str or callable, default="relu"
        Activation of the hidden layers, as Keras names it, or a function of your
        own: one that computes the same as another's, as a lambda written twice
        does, shares its compiled program. A layer with weights is none.

    output_activation : str or callable, default="auto"
        Activation of the output layer. "auto" is "sigmoid" for two classes and
        "softmax" for more, and "linear" where the loss takes logits
        (``from_logits=True``): probabilities are then its sigmoid or softmax, and
        two classes part at 0. One that leaves [0, 1] is allowed, as in the paper's
        grid search: probabilities are then its clipped values or, for more than
        two classes, its values from the lowest on, normalised.

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

    n_iter_no_change : int or np.inf, default=10
        Early stopping ends training after this many epochs in a row of which
        none was better than the best before it by `tol`; never after `np.inf`.

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
        Keras callbacks. Instances are used as they are, and keep what a fit leaves in
        them, as in Keras, also one that fails; fits in threads that share one share
        its state. Classes take parameters as ``callbacks__patience`` and so on, and
        each fit makes its own.

    run_eagerly : bool, default=False
        Whether Keras runs step by step in Python, to debug what it calls.

    dtype : {"float32", "float64"}, default="float32"
        Precision of the weights and of the arithmetic; a loss given as an
        instance has its own.

    jit_compile : bool or "auto", default="auto"
        Whether all of training is compiled into one program, which is a hundred
        times faster and leaves nothing in memory. True raises an error where that
        cannot be; False trains with ``keras.Model.fit``; "auto" compiles what can
        be compiled, and warns where it cannot. Compiled code is never freed: of
        programs for functions and classes that are not Keras', a process makes
        64, some 800 MB, and trains further ones step by step. Keras callbacks
        that act between epochs can, but they cost a Keras model, and time per
        epoch; so does `verbose`. Callbacks that act within an epoch and
        `run_eagerly` cannot.

    memory : str, joblib.Memory or None, default=None
        Where to keep what comes of each fit, a folder or what ``Pipeline`` takes
        under this name: a search started again takes from there the fits that it
        had finished. A fit is known by its data, its parameters, the settings of
        ``keras.config``, the source of this package, the versions of TensorFlow,
        Keras and NumPy and, of large layers or batches, the number of threads. Not
        kept, with a warning, are fits with ``random_state=None``, with callbacks,
        with functions or classes of your own, which may change, and in the scope
        of a ``tf.distribute`` strategy. The folder must
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

    loss_curve_, best_loss_, validation_scores_, best_validation_score_ : \
            list of float or float
        The same history under ``MLPClassifier``'s names: the training loss and its
        minimum and, with `early_stopping`, the validation accuracy and its maximum
        (not weighted). Of the second and the last two, those that do not apply are
        None.

    n_layers_, n_outputs_, out_activation_ : int, int, str or callable
        The number of layers, input and output included, the number of outputs,
        and the activation of the output layer.

    diverged_ : bool
        Whether a loss in `history_` or a weight is infinite or not a number; the
        last fit has then warned of it. What the network says nothing of has the
        same probability for every class.

    model_ : keras.Sequential
        A compiled Keras model of the trained network. Weights set or trained in it
        count in `predict`, `coefs_`, `partial_fit` and what is saved, until the next
        fit, which makes a new model. The state of its optimizer, `clone` and
        `memory` take no part. From when it is asked for, `coefs_` and `intercepts_`
        are read-only copies of its weights: assign new lists to change them, and ask
        for `model_` again.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
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

    `predict` and `predict_proba` may be called from many threads, also while
    another one fits the same classifier: they answer as before it or as after. A
    `fit` that fails or is interrupted leaves the classifier as it was. Ctrl-C and
    :func:`sklearn_toydnn.stop_fits` are heard within two seconds, or an epoch where
    that takes longer, and once the program is compiled.

    What is predicted for a point does not depend on what other points are asked of
    in the same call, nor on threads: the same bits in float32, to 1e-12 in float64.
    The same data, parameters and `random_state` give the same bits wherever they are
    trained on a machine; of large layers or batches, as ``batch_size=-1`` of 4,000
    points, the sums may depend on how many threads share them, and joblib gives its
    workers fewer.

    TensorFlow cannot be used in a process that was forked from one in which it has
    computed: that is an error, as is a call where a ``tf.Graph`` is being made.

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

    coefs_, intercepts_ = _OfLayers("kernels"), _OfLayers("biases")

    # ---- fitting

    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, **others):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The training points.

        y : array-like of shape (n_samples,)
            Their labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the points, not negative. None weighs all alike. Times those of
            `class_weight`, they are divided by their mean over the points that are
            trained on, so that their scale does not change the learning rate; losses
            in `history_` are in these weights.

        X_val : array-like of shape (n_samples_val, n_features), default=None
            Validation points. In a pipeline, name them in its `transform_input`
            to have them scaled with the training points' scaler. Give them
            another number of rows than X, else scikit-learn's cross-validation
            slices them as if they belonged to the training points.

        y_val : array-like of shape (n_samples_val,), default=None
            Labels of the validation points.

        **others : dict
            Nothing else is taken; the error says where arguments of Keras go.

        Returns
        -------
        self : DNNClassifier
            The fitted classifier.

        Raises
        ------
        InvalidParameterError
            If a parameter has the wrong type, is out of range or names nothing
            in Keras (a ValueError and a TypeError).
        TypeError
            If another argument is given.
        ValueError
            If the data are not valid training or validation data, if a routed
            parameter is not taken by what it is routed to, or if `warm_start` is to
            go on with other classes.
        """
        self._validate_params()
        for name in others:
            raise TypeError(f"fit takes no argument {name!r}. {self._instead_of(name)}")
        with self._all_or_nothing() as clf:
            clf._fit(X, y, sample_weight, X_val, y_val)
        return self

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
            Weights of the points, not negative. None weighs all alike. Unlike in
            `fit`, they are taken as they are: of chunks, no mean is the whole's.

        Returns
        -------
        self : DNNClassifier
            The fitted classifier.

        Raises
        ------
        InvalidParameterError, ValueError
            As `fit` does, and if `classes` is missing or empty where it is needed, or
            if `class_weight` is "balanced", which one chunk cannot tell.
        """
        self._validate_params()
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True.")
        if isinstance(self.class_weight, str):
            raise ValueError(
                "partial_fit does not support class_weight='balanced': one chunk does "
                "not tell how frequent classes are. Give the weights as a dict, as "
                "compute_class_weight('balanced', classes=classes, y=y) returns them "
                "for all labels, or a large sample of them."
            )
        with self._all_or_nothing() as clf:
            clf._partial_fit(X, y, classes, sample_weight)
        return self

    def initialize(self, X, y):
        """Draw the initial weights, without training.

        `predict` then tells what the untrained network says, and `partial_fit`, or
        `fit` with ``warm_start=True``, goes on from there.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The training points.

        y : array-like of shape (n_samples,)
            Their labels.

        Returns
        -------
        self : DNNClassifier
            The classifier, its history empty.

        Raises
        ------
        InvalidParameterError, ValueError
            As `fit` does.
        """
        self._validate_params()
        with self._all_or_nothing() as clf:
            _, y = check_points(clf, X, y, reset=True)
            clf._begin(np.unique(y), go_on=False)
        return self

    def _instead_of(self, name):
        """Say where an argument of keras.Model.fit goes."""
        if name == "validation_data":
            return "Give validation points as X_val and y_val."
        if name in self.get_params():
            return f"It is a parameter: {type(self).__name__}({name}=...)."
        return (
            "For other arguments of keras.Model.fit use scikeras' KerasClassifier; "
            "compare takes it too."
        )

    def _validate_params(self):
        if callable(self.hidden_layer_sizes):
            raise InvalidParameterError(
                f"The 'hidden_layer_sizes' parameter of {type(self).__name__} is a "
                f"function: {OWN_MODEL}"
            )
        super()._validate_params()

    @contextmanager
    def _all_or_nothing(self):
        """Yield a copy to train; become it, in one step, when all has gone well.

        The copy is shallow: training replaces lists and arrays, and changes none.
        """
        trained = self._snapshot()
        check_usable()
        yield trained
        self.__dict__ = vars(trained)

    def _snapshot(self):
        """Return a shallow copy, which no other thread can change."""
        copied = object.__new__(type(self))
        copied.__dict__ = self._without_model(vars(self))
        return copied

    def _without_model(self, state):
        """Return a copy of a state with the weights of the Keras model instead of it.

        The model is trained in place, and made again from the rest.
        """
        state = state.copy()
        if state.pop("_model", None) is not None:
            state["coefs_"], state["intercepts_"] = self.coefs_, self.intercepts_
        return state

    @with_callbacks
    def _fit(self, X, y, sample_weight, X_val, y_val):
        has_callbacks = hasattr(self, "_skl_callbacks")
        tasks = [EpochTasks(self, X, y, sample_weight)] if has_callbacks else []
        go_on = self.warm_start and self.initialized_
        points, labels = check_points(self, X, y, reset=not go_on)
        classes = np.unique(labels)
        if go_on and not np.array_equal(classes, self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in "
                f"the previous call to fit. Previously got {self.classes_}, `y` "
                f"has {classes}"
            )
        plan = self._begin(self.classes_ if go_on else classes, go_on)
        training = points, labels, sample_weight
        epochs = range(self.epochs)
        self._train(plan, training, (X_val, y_val), epochs, tasks, normalise=True)
        for task in tasks:
            task.end_fit(self._weights())

    def _partial_fit(self, X, y, classes, sample_weight):
        go_on = self.initialized_
        if classes is not None and np.size(classes) == 0:
            raise ValueError("classes is empty: it must list the labels to come.")
        _check_partial_fit_first_call(self, classes)
        X, y = check_points(self, X, y, reset=not go_on)
        plan = self._begin(self.classes_, go_on)
        epochs = range(self.current_epoch, self.current_epoch + 1)
        self._train(plan, (X, y, sample_weight), (None, None), epochs)

    def _begin(self, classes, go_on):
        """Return what the parameters name; draw weights, unless there are some."""
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes, but the "
                f"data contain only one class: {classes.tolist()[0]!r}."
            )
        self.classes_, self.n_classes_ = classes, len(classes)
        plan = make_plan(self)
        if not go_on:
            self._keep(plan, initial_state(self, plan), {"loss": [], "accuracy": []})
        return plan

    def _train(self, plan, training, validation, epochs, watchers=(), normalise=False):
        """Encode and split, train or recall, keep."""
        state = self._state(plan.network)
        training = encode_training_data(self, plan, *training)
        data = split(self, plan, training, *validation, state.seed)
        data = scale_weights(data, plan.network.dtype, normalise=normalise)
        callbacks = self._make_callbacks()
        try:
            outcome = train_or_load(plan, data, state, epochs, callbacks, watchers)
        except CannotTrain as error:
            raise InvalidParameterError(
                f"Keras cannot train with optimizer={self.optimizer!r}, "
                f"loss={self.loss!r} and dtype={self.dtype!r}: {error}"
            ) from error
        history = outcome.history
        if epochs.start:
            # Each list has a value for each epoch: only what all epochs measured.
            past = self.history_
            history = {k: past[k] + history[k] for k in past.keys() & history.keys()}
        self._keep(plan, outcome.state, history)
        self._warn(outcome, len(epochs))

    # ---- what is kept

    def _keep(self, plan, state, history):
        """Make attributes of a state, and of a history."""
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
        """Make a state of the attributes, to go on from with such a network."""
        if network != self._network:
            raise ValueError(
                "warm_start and partial_fit go on with the network they find: "
                f"{self._network}. The parameters now ask for {network}."
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
        """Return which loss is not finite and since when, or whether weights are."""
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
        """Warn if training ended where it should not."""
        if self.diverged_:
            message = (
                f"Training diverged: {self._find_divergence()}. Scaling the points or "
                "a lower learning rate may help."
            )
        elif not outcome.converged and len(outcome.history["loss"]) == n_epochs:
            message = (
                f"Maximum epochs ({n_epochs}) reached and the validation accuracy "
                "has not converged yet."
            )
        else:
            return
        warnings.warn(message, ConvergenceWarning, stacklevel=2)

    @property
    def model_(self):
        """keras.Sequential: A compiled Keras model of the trained network.

        Weights that are set in it are the classifier's: they count in `predict`,
        `coefs_` and `partial_fit`, and are saved.
        """
        check_is_fitted(self)
        if "_model" not in vars(self):
            check_usable()
            model = build_model(plan_of_fitted(self), self._state(self._network))
            model(np.zeros((1, self.n_features_in_), self.dtype))  # export asks for it
            self._model = model
        return self._model

    def __getstate__(self):
        """Leave the Keras model out: it is built again from the arrays."""
        return self._without_model(super().__getstate__())

    def __setstate__(self, state):
        """Take what earlier versions have saved, too."""
        if "_optimizer_text" in state:
            state = {"_output_cut": 0.5} | state
            state["_optimizer_key"] = (
                state.pop("_optimizer_text"),
                state.pop("_learning_rate"),
            )
        super().__setstate__(state)

    # ---- what MLPClassifier calls by other names

    @property
    def n_layers_(self):
        """int: The number of layers, input and output included."""
        return len(self.coefs_) + 1

    @property
    def n_outputs_(self):
        """int: The number of outputs: 1 for two classes, else one per class."""
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
        """Float or None: The smallest training loss; None with early stopping."""
        return None if self.early_stopping else min(self.loss_curve_, default=None)

    @property
    def validation_scores_(self):
        """List of float or None: With early stopping, the validation accuracies."""
        return self.history_.get("val_accuracy") if self.early_stopping else None

    @property
    def best_validation_score_(self):
        """Float or None: With early stopping, the highest validation accuracy."""
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
            Probabilities in the order of `classes_`; each row sums to 1.
        """
        check_is_fitted(self)
        fitted = self._snapshot()  # another thread may fit this one meanwhile
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
            ``log(predict_proba(X))``: minus infinity where the probability is 0.
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
            Labels out of `classes_`.
        """
        fitted = self._snapshot()  # another thread may fit this one meanwhile
        proba = fitted.predict_proba(X)
        return fitted.classes_[np.argmax(proba, axis=1)]
