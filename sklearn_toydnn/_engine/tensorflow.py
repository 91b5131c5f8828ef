"""The import of TensorFlow and Keras, without the lines that TensorFlow prints.

``TF_CPP_MIN_LOG_LEVEL`` silences only later logs. While the libraries of TensorFlow are
loaded, before their logging is set up, they write to file descriptor 2. This module
filters out these lines and forwards everything else. (One of the lines recommends a
setting. The package does not use it, because it would change the numerical results.)
"""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache

_IMPORT_LOG = re.compile(
    rb"I0000 |WARNING: All log messages before absl::InitializeLog"
)


@contextmanager
def _without_import_log():
    """Redirect stderr to a file, then forward all lines but those of the import."""
    with ExitStack() as stack:
        buffer = None
        with suppress(OSError):  # stderr is closed, or no file can be created
            stderr = os.dup(2)
            stack.callback(os.close, stderr)
            buffer = stack.enter_context(tempfile.TemporaryFile())
            os.dup2(buffer.fileno(), 2)
        try:
            yield
        finally:
            if buffer:
                os.dup2(stderr, 2)
                _forward(buffer)


def _forward(buffer):
    buffer.seek(0)
    with suppress(OSError):  # the import must not fail if stderr is full or broken
        for line in buffer:
            if not _IMPORT_LOG.match(line):
                os.write(2, line)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# joblib limits the threads of its worker processes with OMP_NUM_THREADS, but TensorFlow
# reads another variable. Without it, workers would compete for the cores.
if "OMP_NUM_THREADS" in os.environ:
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", os.environ["OMP_NUM_THREADS"])
with _without_import_log():
    import keras
    import tensorflow as tf

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "sklearn_toydnn requires Keras with the backend 'tensorflow', got "
        f"{keras.backend.backend()!r}. Unset KERAS_BACKEND, or set it to 'tensorflow'."
    )


@cache
def _process_of_first_use():
    return os.getpid()


def check_usable():
    """Raise an error if TensorFlow would hang, or would build a graph."""
    if _process_of_first_use() != os.getpid():
        raise RuntimeError(
            "This process was forked from a process that had used TensorFlow. "
            "TensorFlow would wait forever for threads of that process. Use joblib's "
            "'loky', or 'spawn' or 'forkserver' of multiprocessing, to start processes."
        )
    if not tf.executing_eagerly():
        raise RuntimeError(
            "DNNClassifier cannot be used inside a tf.Graph or tf.function. Call it "
            "outside."
        )


@contextmanager
def without_retracing_warnings() -> Iterator[None]:
    """Silence the warnings of retracing, since each new Keras model is traced once."""
    logger = tf.get_logger()

    def not_retracing(record):
        return "triggered tf.function retracing" not in record.getMessage()

    logger.addFilter(not_retracing)
    try:
        yield
    finally:
        logger.removeFilter(not_retracing)
