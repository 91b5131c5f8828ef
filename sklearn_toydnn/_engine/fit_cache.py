"""Fits that are kept on disk: the outcome of the same fit is read, not computed."""

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

_SHARED_PRODUCTS = 2**18  # multiplications in a matrix product


def train_or_load(
    plan: Plan,
    data: Data,
    state: State,
    epochs: range,
    callbacks: list | tuple = (),
    watchers: list | tuple = (),
) -> Outcome:
    """Return the outcome of `train`, from the plan's memory if it is kept there."""
    compute = partial(train, plan, data, state, epochs, callbacks, watchers)
    memory, key = plan.settings.memory, None
    if memory is not None:
        try:
            key = _fingerprint_fit(plan, data, state, epochs, [*callbacks, *watchers])
        except NoFingerprint as reason:
            _warn_not_kept(str(reason))
    if key is None:
        return compute()
    compute = partial(_only_what_lasts, compute)
    begun_from = state.weights, state.optimizer_state or []
    outcome = load_or_compute(memory, compute, key, data, *begun_from, code=ENGINE_CODE)
    # The fingerprint is of this process, where a parameter is an object.
    state = replace(outcome.state, optimizer=plan.optimizer.of_state)
    return replace(outcome, state=state)


def _only_what_lasts(compute):
    outcome = compute()
    if outcome.fell_back:
        raise NotCacheable(outcome)
    return outcome


@lru_cache
def _warn_not_kept(reason):
    """Warn, once a process: of a search's thousand fits, each would have a reason."""
    warnings.warn(f"Fits are not kept in memory: {reason}.", stacklevel=2)


def _fingerprint_fit(plan, data, state, epochs, callbacks):
    """Return, as text, what an outcome depends on beside the data and the weights.

    Raises `NoFingerprint`, whose message is the reason why it is not to be kept.
    """
    settings = plan.settings
    if not settings.is_seeded:
        raise NoFingerprint("with random_state=None, no two are meant to be the same")
    if callbacks:
        raise NoFingerprint("callbacks act on training as it happens")
    if tf.distribute.has_strategy():
        raise NoFingerprint("a tf.distribute strategy adds up in an order of its own")
    network, optimizer = plan.network, plan.optimizer

    def of(reason, how, setting):
        try:
            return how(setting)
        except NoFingerprint as error:
            raise NoFingerprint(f"{reason} Keras', and may change") from error

    parts = {
        "layer_sizes": network.layer_sizes,
        "dtype": network.dtype,
        "output_cut": plan.output_cut,
        "activations": [
            of(f"{name} is not by a name of", fingerprint, keras.activations.get(value))
            for name, value in [
                ("activation", network.activation),
                ("output_activation", network.output_activation),
            ]
        ],
        "optimizer": of("optimizer is not by a name of", fingerprint, optimizer.cls),
        "loss": of("loss is not by a name of", _fingerprint_loss, plan),
        "optimizer's parameters": of(
            "optimizer has a parameter that is not",
            fingerprint,
            [optimizer.config, optimizer.not_decayed],
        ),
        "learning rate": optimizer.learning_rate,
        "optimizer of the state": state.optimizer,
        "seed": state.seed,
        "epochs": (state.epochs_seen, len(epochs)),
        "settings": replace(settings, memory=None, verbose=0),
        "process": fingerprint_process(),
        "threads": _threads_that_count(plan, data),
    }
    return repr(parts)


def _fingerprint_loss(plan):
    """Return the fingerprint of a loss; of an instance, of what it now computes."""
    if plan.loss_fingerprint:
        return plan.loss_fingerprint
    if type(plan.loss) not in vars(keras.losses).values():
        raise NoFingerprint(plan.loss)
    graph = fingerprint_graph(
        plan.loss, *plan.shapes(2), (2,), dtype=plan.network.dtype
    )
    return graph, plan.loss.dtype


def _threads_that_count(plan, data):
    """Return the number of threads if sums may depend on it, else None.

    Eigen, which multiplies matrices for TensorFlow, shares a product between
    threads where it would take some 100,000 cycles.
    """
    n_rows = max(plan.n_in_batch(len(data.training)), min(CHUNK, len(data.validation)))
    largest = n_rows * max(n * m for n, m in pairwise(plan.network.layer_sizes))
    return n_threads() if largest > _SHARED_PRODUCTS else None
