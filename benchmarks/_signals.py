"""Signals: how an interrupted run and its worker processes exit."""

import os
import signal
import threading
import time
from contextlib import contextmanager
from multiprocessing import resource_tracker

CONTINUE = "Run the same command again, without --fresh, to continue."
INTERRUPTED = f"Interrupted. {CONTINUE}\n"
# Ctrl-C sends the first; `kill`, `timeout` and batch schedulers send the second.
SIGNALS = [signal.SIGINT, signal.SIGTERM]


def exit_on_signals():
    """Exit at once on Ctrl-C and SIGTERM, with a message of one line.

    An exception would not work during imports: extension modules turn it into another
    exception or print a traceback.
    """
    stderr = os.dup(2)  # TensorFlow redirects stderr while it is imported

    def leave(*_):
        try:
            os.write(stderr, INTERRUPTED.encode())
        finally:
            os._exit(130)

    for number in SIGNALS:
        # The shell makes background jobs (`&`) ignore Ctrl-C.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, leave)


@contextmanager
def interruptible():
    """Raise KeyboardInterrupt on Ctrl-C and SIGTERM, so that cleanup code runs."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def block_sigint_in_children():
    """Make the processes that are started in this context ignore Ctrl-C.

    A terminal sends Ctrl-C to the workers too, and they would print tracebacks.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    resource_tracker.ensure_running()  # starting it later would unblock the signal
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def exit_with_parent(parent):
    """Exit this worker process within seconds after its parent dies, for any reason.

    This also works if the parent is already dead, or while TensorFlow computes. It does
    not work on Windows, where the parent's process ID never changes: the workers of a
    killed run keep running.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent):
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
