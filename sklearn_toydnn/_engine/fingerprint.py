"""Fingerprints of settings: equal fingerprints mean equal results.

A fingerprint contains the values of numbers, text and arrays, the names of functions
and classes of Keras, and the TensorFlow graphs of other functions. No other object has
a fingerprint. Results that depend on one are not cached, and its programs are not
shared: an incomplete fingerprint would give one fit the results of another.
"""

import os
from collections.abc import Callable
from hashlib import blake2b
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path
from sys import modules

import joblib
import numpy as np

from ..memory import hash_code
from .tensorflow import keras, tf

# isort: split
from keras.src.backend.common import global_state

# The hash is computed at import, because the files may change on disk later.
ENGINE_CODE = hash_code(
    Path(__file__).parent, *map(version, ["tensorflow", "keras", "numpy"])
)
PLAIN = (type(None), bool, int, float, complex, str, bytes)
# Environment variables that change the arithmetic of TensorFlow.
_ENVIRONMENT_VARIABLES = (
    "ONEDNN_MAX_CPU_ISA",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
)
# Attributes that hold names of variables, of colocated nodes and of gradients. The
# graph contains the gradients themselves.
_NAME_ATTRIBUTES = "shared_name", "debug_name", "_class", "_gradient_op_type"
_GENERATOR = "global_seed_generator"


class NoFingerprint(Exception):
    """The results of a setting cannot be described completely."""


class GraphFingerprint(str):
    """The fingerprint of a graph that TensorFlow has traced."""


def fingerprint(value: object) -> tuple:
    """Return the fingerprint of a value as nested tuples, or raise `NoFingerprint`."""
    kind = type(value)
    if kind in PLAIN or isinstance(value, np.generic):
        return kind.__name__, repr(value)
    if kind is np.ndarray and not value.dtype.hasobject:
        return kind.__name__, value.dtype.str, value.shape, joblib.hash(value)
    if kind in (list, tuple):
        return kind.__name__, *map(fingerprint, value)
    if kind is dict:
        if "class_name" in value and not _is_serialized_by_keras(value):
            raise NoFingerprint(value["class_name"])
        return kind.__name__, *sorted(fingerprint(item) for item in value.items())
    if is_of_keras(value):
        return value.__module__, value.__qualname__
    raise NoFingerprint(value)


def is_of_keras(value: object) -> bool:
    """Return whether a value is the function or class of its name in Keras."""
    module = getattr(value, "__module__", None) or ""
    name = getattr(value, "__qualname__", None)
    if not (module.startswith("keras.") and name and module in modules):
        return False
    try:
        return attrgetter(name)(modules[module]) is value
    except AttributeError:  # defined inside a function
        return False


def _is_serialized_by_keras(config):
    module, registered = config.get("module"), config.get("registered_name")
    return str(module).startswith("keras") and registered is None


def fingerprint_graph(
    function: Callable, *shapes: tuple, dtype: str, is_optimizer: bool = False
) -> GraphFingerprint:
    """Return the fingerprint of the graph of a function of arrays of these shapes.

    The graph includes the gradient, which may be user-defined, except for an optimizer.
    Only an optimizer may have variables. Raises `NoFingerprint` if a function cannot be
    traced, draws random numbers, branches or reads values from outside its graph.
    """
    generator = global_state.get_global_attribute(_GENERATOR)
    with tf.Graph().as_default() as graph:
        arrays = [tf.compat.v1.placeholder(dtype, shape) for shape in shapes]
        try:
            output = tf.identity(function(*arrays))
            if not is_optimizer:
                tf.gradients(output, arrays)
        except Exception as error:  # a user-defined function may raise any exception
            raise NoFingerprint(str(error)) from error
        finally:
            # Keras creates its generator on first use. It must not stay in this graph.
            global_state.set_global_attribute(_GENERATOR, generator)
    for operation in graph.get_operations():
        is_variable = "Var" in operation.type
        if operation.op_def.is_stateful and not (is_optimizer and is_variable):
            raise NoFingerprint(operation.type)
    definition = graph.as_graph_def()
    if definition.library.function:
        raise NoFingerprint("functions within the function")
    return GraphFingerprint(_hash_without_names(definition))


def _hash_without_names(graph):
    """Hash a graph without its names, because Keras numbers them in each process."""
    numbers = {node.name: str(i) for i, node in enumerate(graph.node)}
    for node in graph.node:
        node.name = numbers[node.name]
        for attribute in _NAME_ATTRIBUTES:
            node.attr.pop(attribute, None)
        for i, source in enumerate(node.input):
            control, name, *output = source.partition(source.lstrip("^").split(":")[0])
            node.input[i] = "".join([control, numbers[name], *output])
    return blake2b(graph.SerializeToString(deterministic=True)).hexdigest()


def fingerprint_process() -> tuple:
    """Return the settings of the process that affect results."""
    return (
        *(
            (name, repr(getattr(keras.config, name)()))
            for name in dir(keras.config)
            if not name.startswith(("_", "set_", "enable_", "disable_"))
        ),
        ("tensor_float_32", tf.config.experimental.tensor_float_32_execution_enabled()),
        ("functions_run_eagerly", tf.config.functions_run_eagerly()),
        ("jit", tf.config.optimizer.get_jit()),
        *sorted(tf.config.optimizer.get_experimental_options().items()),
        *((name, os.environ.get(name)) for name in _ENVIRONMENT_VARIABLES),
    )


def n_threads() -> int:
    """Return the number of threads that TensorFlow uses for one operation."""
    setting = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return (
        tf.config.threading.get_intra_op_parallelism_threads()
        or (int(setting) if setting.strip().isdecimal() else 0)
        or _n_cores()
    )


def _n_cores():
    """Return the number of cores that TensorFlow counts. It ignores cgroups."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()
