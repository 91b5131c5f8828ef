"""How a run ends before it is done: by a signal, and with its worker processes."""

import os
import signal
import threading
import time
from contextlib import contextmanager
from multiprocessing import resource_tracker

INTERRUPTED = "Interrupted. The same command goes on from here.\n"
SIGNALS = [signal.SIGINT, signal.SIGTERM]  # Ctrl-C; `kill`, `timeout`, a scheduler


def leave_on_signals():
    """Have Ctrl-C and SIGTERM end this process at once, in one line.

    An exception would not do while modules are imported: compiled ones make another
    of it, or a traceback.
    """
    stderr = os.dup(2)  # which leads elsewhere while TensorFlow is imported

    def leave(*_):
        try:
            os.write(stderr, INTERRUPTED.encode())
        finally:
            os._exit(130)

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as the shell does for `&`
            signal.signal(number, leave)


@contextmanager
def interruptible():
    """Have Ctrl-C and SIGTERM raise KeyboardInterrupt: there is work to put away."""
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
def keep_signals_from_workers():
    """Have the processes started meanwhile take no notice of Ctrl-C.

    A terminal sends it to them too, and they would print tracebacks of their imports.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    resource_tracker.ensure_running()  # its start would unblock the signal again
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def end_with(parent):
    """End this process, a worker, within seconds of its parent, however that dies.

    Also where the parent has died before, or the worker is inside TensorFlow. On
    Windows, where a process keeps the parent's number, a killed run's workers stay.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent):
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
