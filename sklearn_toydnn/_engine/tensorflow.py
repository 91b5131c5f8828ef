"""TensorFlow, imported without the lines it prints on the way in.

``TF_CPP_MIN_LOG_LEVEL`` silences what TensorFlow logs later, but not what its
libraries write to file descriptor 2 while they are loaded, before their logging
is set up. (The setting that the loudest of these lines recommends would change
the numerics.) Everything else that reaches the descriptor meanwhile is passed on.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache

_CHATTER = re.compile(rb"I0000 |WARNING: All log messages before absl::InitializeLog")


@contextmanager
def _without_chatter():
    """Hold back what is written to stderr, then pass on all but the chatter."""
    with ExitStack() as stack:
        held = None
        with suppress(OSError):  # closed, or nowhere to hold it: then let it pass
            stderr = os.dup(2)
            stack.callback(os.close, stderr)
            held = stack.enter_context(tempfile.TemporaryFile())
            os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            if held:
                os.dup2(stderr, 2)
                _pass_on(held)


def _pass_on(held):
    held.seek(0)
    with suppress(OSError):  # full or broken: no reason for an import to fail
        for line in held:
            if not _CHATTER.match(line):
                os.write(2, line)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# joblib tells its worker processes their share of the cores in OpenMP's variable, but
# TensorFlow reads its own: without it, two workers on two cores hinder each other.
if "OMP_NUM_THREADS" in os.environ:
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", os.environ["OMP_NUM_THREADS"])
with _without_chatter():
    import keras
    import tensorflow as tf

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "sklearn_toydnn trains with Keras on TensorFlow, but Keras is set to "
        f"{keras.backend.backend()!r}: unset KERAS_BACKEND, or set it to 'tensorflow'."
    )


@cache
def _process_of_first_use():
    return os.getpid()


def check_usable():
    """Raise an error where TensorFlow would hang, or not compute but make a graph."""
    if _process_of_first_use() != os.getpid():
        raise RuntimeError(
            "This process was forked from one in which TensorFlow had computed: it "
            "would wait for threads that were not forked. Start processes in another "
            "way, as joblib's 'loky' and multiprocessing's 'spawn' and 'forkserver' do."
        )
    if not tf.executing_eagerly():
        raise RuntimeError(
            "DNNClassifier computes at once, but a tf.Graph or tf.function is being "
            "made here: call it outside."
        )


@contextmanager
def without_retracing_warnings() -> Iterator[None]:
    """Silence TensorFlow's advice to compile less: every Keras model compiles once."""
    logger = tf.get_logger()

    def not_retracing(record):
        return "triggered tf.function retracing" not in record.getMessage()

    logger.addFilter(not_retracing)
    try:
        yield
    finally:
        logger.removeFilter(not_retracing)
