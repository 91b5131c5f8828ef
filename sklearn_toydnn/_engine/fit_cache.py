"""The cache of fits on disk: a fit that was made before is read instead of repeated."""

import warnings
from dataclasses import replace
from functools import lru_cache, partial
from itertools import pairwise

from ..memory import NotCacheable, load_or_compute
from .compiled.structure import CHUNK
from .fingerprint import (
    ENGINE_CODE,
    NoFingerprint,
    fingerprint,
    fingerprint_graph,
    fingerprint_process,
    n_threads,
)
from .records import Data, Outcome, Plan, State
from .tensorflow import keras, tf
from .training import train

_MAX_PRODUCTS_PER_THREAD = 2**18  # a larger matrix product may use several threads


def train_or_load(
    plan: Plan,
    data: Data,
    state: State,
    epochs: range,
    callbacks: list | tuple = (),
    watchers: list | tuple = (),
) -> Outcome:
    """Return the outcome of `train`, from the cache of the plan if it is there."""
    compute = partial(train, plan, data, state, epochs, callbacks, watchers)
    memory, key = plan.settings.memory, None
    if memory is not None:
        try:
            key = _fingerprint_fit(plan, data, state, epochs, [*callbacks, *watchers])
        except NoFingerprint as reason:
            _warn_not_cached(str(reason))
    if key is None:
        return compute()
    compute = partial(_raise_if_fell_back, compute)
    start = state.weights, state.optimizer_state or []
    outcome = load_or_compute(memory, compute, key, data, *start, code=ENGINE_CODE)
    # The cached key may come from another process, which names objects differently.
    state = replace(outcome.state, optimizer=plan.optimizer.state_key)
    return replace(outcome, state=state)


def _raise_if_fell_back(compute):
    """Return an outcome, unless the next fit may be compiled and differ from it."""
    outcome = compute()
    if outcome.fell_back:
        raise NotCacheable(outcome)
    return outcome


@lru_cache
def _warn_not_cached(reason):
    """Warn once per process and reason, because a search may run a thousand fits."""
    warnings.warn(f"Fits are not cached: {reason}.", stacklevel=2)


def _fingerprint_fit(plan, data, state, epochs, callbacks):
    """Return the cache key of a fit, without its data and initial weights, as text.

    Raises `NoFingerprint` if the fit cannot be cached. The message is the reason.
    """
    settings = plan.settings
    if not settings.is_seeded:
        raise NoFingerprint("with random_state=None, every fit is different")
    if callbacks:
        raise NoFingerprint("callbacks must run during training")
    if tf.distribute.has_strategy():
        raise NoFingerprint("a tf.distribute strategy changes the order of summation")
    network, optimizer = plan.network, plan.optimizer

    def describe(name, function, setting):
        try:
            return function(setting)
        except NoFingerprint as error:
            raise NoFingerprint(
                f"{name} is not a function or class of Keras, so it may change"
            ) from error

    parts = {
        "layer_sizes": network.layer_sizes,
        "dtype": network.dtype,
        "output_cut": plan.output_cut,
        "activations": [
            describe(name, fingerprint, keras.activations.get(value))
            for name, value in [
                ("activation", network.activation),
                ("output_activation", network.output_activation),
            ]
        ],
        "optimizer": describe("optimizer", fingerprint, optimizer.cls),
        "loss": describe("loss", _fingerprint_loss, plan),
        "optimizer's parameters": describe(
            "an object among the parameters of the optimizer",
            fingerprint,
            [optimizer.config, optimizer.not_decayed],
        ),
        "learning rate": optimizer.learning_rate,
        "optimizer of the state": state.optimizer,
        "seed": state.seed,
        "epochs": (state.epochs_seen, len(epochs)),
        "settings": replace(settings, memory=None, verbose=0),
        "process": fingerprint_process(),
        "threads": _relevant_threads(plan, data),
    }
    return repr(parts)


def _fingerprint_loss(plan):
    """Return the fingerprint of a loss. For an instance, it describes its graph."""
    if plan.loss_fingerprint:
        return plan.loss_fingerprint
    if type(plan.loss) not in vars(keras.losses).values():
        raise NoFingerprint(plan.loss)
    graph = fingerprint_graph(
        plan.loss, *plan.shapes(2), (2,), dtype=plan.network.dtype
    )
    return graph, plan.loss.dtype


def _relevant_threads(plan, data):
    """Return the number of threads if results may depend on it, else None.

    TensorFlow multiplies matrices with Eigen, which uses several threads for a product
    that takes about 100,000 cycles or more.
    """
    batch_rows = plan.rows_per_batch(len(data.training))
    n_rows = max(batch_rows, min(CHUNK, len(data.validation)))
    largest = n_rows * max(n * m for n, m in pairwise(plan.network.layer_sizes))
    return n_threads() if largest > _MAX_PRODUCTS_PER_THREAD else None
