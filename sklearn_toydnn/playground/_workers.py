"""Worker processes that compute for all visitors, and are replaced as they grow.

Compiled programs never give their memory back; a process does. What a visitor asks for
is a job, a list of tasks; a newer job of the same visitor ends the older one. Visitors
take turns, task by task.
"""

import logging
import os
import signal
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from multiprocessing import get_context
from queue import SimpleQueue
from typing import NamedTuple

from ._setting import Setting

MAX_SECONDS = 10.0  # of computing, for a job, all processes together
MAX_GROWTH = 300 * 2**20  # of a process: some twenty programs
IDLE_GROWTH = 16 * 2**20  # of one that nobody has needed for so many seconds
IDLE_SECONDS = 60.0
_LET_FINISH = 0.3  # seconds in which a task of an older job may still end
_UNTIL_KILLED = 4.0  # seconds in which a fit hears that it is to stop


class Task(NamedTuple):
    """A function of `_tasks`, its arguments, and which compiled programs it needs."""

    function: str
    arguments: tuple
    programs: frozenset


class Job:
    """What a visitor asks for: tasks, and whom to tell what comes of them.

    `tell` is called in threads of the workers, as ``tell(job, event, value)`` with one
    of the events "begins" (value: whether a program is to be compiled), "done" (what
    the task returned, with its place among the tasks), "failed" and "spent" (words).
    """

    def __init__(self, tasks, tell):
        self._waiting = list(enumerate(tasks))
        self._n_tasks, self.n_running = len(self._waiting), 0
        self.tell, self.spent = tell, 0.0

    def add(self, tasks):
        """Ask for more, in the same time."""
        self._waiting += enumerate(tasks, self._n_tasks)
        self._n_tasks += len(tasks)

    @property
    def next_task(self):
        """tuple: Place and task, or None."""
        return self._waiting[0] if self._waiting else None

    def take(self):
        """Return the next task, no longer waiting."""
        self.n_running += 1
        return self._waiting.pop(0)

    def end(self):
        """Drop what waits."""
        self._waiting.clear()


class Workers:
    """Processes, each with a thread that hands it tasks."""

    def __init__(self, n_workers=None):
        n_workers = n_workers or min(4, os.cpu_count() or 1)
        self._changed, self._starting = threading.Condition(), threading.Semaphore()
        self._jobs = OrderedDict()  # by visitor, whose turn is next first
        self._busy, self._learning = set(), set()
        self._closed = False
        self.processes = [Process() for _ in range(n_workers)]
        self._threads = [
            threading.Thread(target=self._serve, args=(i,), daemon=True)
            for i in range(n_workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def are_ready(self):
        """bool: Whether a process can compute."""
        return any(process.is_ready for process in self.processes)

    def submit(self, visitor, job):
        """Compute for a visitor, and nothing else any more."""
        with self._changed:
            older = self._jobs.get(visitor)
            if older is not None and older is not job:
                older.end()
            self._jobs[visitor] = job
            self._changed.notify_all()

    def add(self, visitor, job, tasks):
        """Compute more for a job, unless there is a newer one."""
        with self._changed:
            if self._jobs.setdefault(visitor, job) is job:
                job.add(tasks)
                self._changed.notify_all()

    def leave(self, visitor):
        """Compute nothing more for a visitor."""
        with self._changed:
            job = self._jobs.pop(visitor, None)
            if job:
                job.end()

    def close(self):
        """End all processes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    # ---- a thread of each process

    def _serve(self, i):
        process, spare, n_failed = self.processes[i], None, 0
        while not self._closed:
            if spare is not None and spare.has_become_ready():
                process, spare = self._exchange(i, process, spare), None
                self._starting.release()
            work = self._wait_for_work(process, IDLE_SECONDS if spare is None else 1.0)
            if work:
                self._compute(process, *work)
            if spare is not None and not spare.is_alive:
                spare = spare.end()
                self._starting.release()
            if not process.is_alive:
                n_failed = 0 if process.is_ready else n_failed + 1
                if n_failed:
                    self._give_up(2.0**n_failed)
                process = self._exchange(i, process, Process())
            elif spare is None and process.growth > (
                MAX_GROWTH if work else IDLE_GROWTH
            ):
                spare = self._start_spare()
        for one in filter(None, (process, spare)):
            one.end()

    def _start_spare(self):
        """Start a process if no other one is starting: it takes a core for seconds."""
        return Process() if self._starting.acquire(blocking=False) else None

    def _give_up(self, seconds):
        """Say that nothing can be computed, and wait before it is tried again."""
        with self._changed:
            jobs = [*self._jobs.values()]
            self._jobs.clear()
        for job in jobs:
            _tell(job, "failed", _NO_START)
        end = time.monotonic() + min(60.0, seconds)
        while time.monotonic() < end and not self._closed:
            time.sleep(0.1)

    def _exchange(self, i, process, other):
        with self._changed:  # nothing is left to it any more
            self.processes[i] = other
            self._changed.notify_all()
        process.end()
        return other

    def _wait_for_work(self, process, seconds):
        """Return visitor, job, place and task; None after a while without any."""
        end = time.monotonic() + seconds
        with self._changed:
            while not self._closed:
                work = self._choose(process)
                if work or not process.is_alive:
                    return work
                left = min(end - time.monotonic(), 0.2 if not process.is_ready else 9)
                if left <= 0:
                    break
                self._changed.wait(left)
        return None

    def _choose(self, process):
        """Take a task for a process: the visitor's whose turn it is.

        One that needs a program is left to a process that has it and is free, or that
        is just compiling it.
        """
        if not process.has_become_ready():
            return None
        for visitor, job in self._jobs.items():
            if not job.next_task:
                continue
            needed = job.next_task[1].programs
            missing = needed - process.programs
            if missing and (
                missing & self._learning
                or any(needed <= free.programs for free in self._free())
            ):
                continue
            self._busy.add(process)
            self._jobs.move_to_end(visitor)
            self._learning |= missing
            return visitor, job, *job.take()
        return None

    def _free(self):
        return [process for process in self.processes if process not in self._busy]

    def _compute(self, process, visitor, job, place, task):
        """Have a process compute a task, as long as it is wanted and there is time."""
        missing = task.programs - process.programs
        _tell(job, "begins", bool(missing))
        start, stopped = time.monotonic(), None
        process.begin(task)
        while not process.has_answered(0.05):
            seconds = time.monotonic() - start
            is_old = self._closed or self._jobs.get(visitor) is not job
            # Of a task there is only the time that passes, compiling and others' too.
            is_spent = job.spent > MAX_SECONDS or seconds > 2 * MAX_SECONDS
            if stopped is None and (is_spent or (is_old and seconds > _LET_FINISH)):
                process.stop()
                stopped = seconds
            elif stopped is not None and seconds - stopped > _UNTIL_KILLED:
                process.kill()
        event, value, seconds = process.answer(task)
        with self._changed:
            self._busy.discard(process)
            self._learning -= missing
            job.spent += seconds
            job.n_running -= 1
            if event == "died" and stopped is not None:  # it did not hear in time
                event = "stopped"
            is_cut = event == "stopped" or (
                job.spent > MAX_SECONDS and job.next_task is not None
            )
            if event != "done" or is_cut:
                job.end()
            is_over = not job.next_task and not job.n_running
            if is_over and self._jobs.get(visitor) is job:
                del self._jobs[visitor]
            self._changed.notify_all()
        if event == "done":
            _tell(job, event, (place, value))
        elif event != "stopped":
            _tell(job, "failed", value or _DIED)
        if is_cut:
            _tell(job, "spent", _SPENT)


def _tell(job, event, value):
    """Tell a visitor, who may have left: no reason for a thread to end."""
    try:
        job.tell(job, event, value)
    except Exception:
        logging.getLogger(__name__).exception("A visitor could not be told.")


_SPENT = (
    f"Stopped after {MAX_SECONDS:.0f} seconds of computing, the most that a page may "
    "ask for: fewer points or epochs, or larger batches, take less."
)
_NO_START = "No process can be started that computes: the terminal says why."
_DIED = "The computing process ended unexpectedly; there is a new one: try again."


# ---- a process


class Process:
    """A process with a connection to it; it takes some seconds to become ready."""

    def __init__(self):
        context = get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_work, args=(other,), daemon=True)
        self._process.start()
        other.close()
        self.programs = {Setting().program_key}  # by warming up
        self.memory = self.growth = 0
        self.is_ready = False

    @property
    def pid(self):
        """int: Its number in the system."""
        return self._process.pid

    @property
    def is_alive(self):
        """bool: Whether it runs."""
        return self._process.is_alive()

    def has_become_ready(self):
        """Return whether it can compute; asked by the one thread that serves it."""
        if not self.is_ready and self._connection.poll():
            with suppress(EOFError, OSError):
                self.memory = self._connection.recv()
                self.is_ready = True
        return self.is_ready

    def begin(self, task):
        """Hand over a task."""
        with suppress(OSError):
            self._connection.send(task)

    def stop(self):
        """Have it stop what it computes."""
        with suppress(OSError):
            self._connection.send(None)

    def kill(self):
        """End it at once."""
        self._process.kill()
        self._process.join()

    def has_answered(self, seconds):
        """Return whether there is an answer, or will never be one."""
        return self._connection.poll(seconds) or not self._process.is_alive()

    def answer(self, task):
        """Return an event, its value and the seconds of computing."""
        try:
            event, value, seconds, memory = self._connection.recv()
        except (EOFError, OSError):
            self.kill()
            return "died", None, 0.0
        self.programs |= task.programs
        self.growth = memory - self.memory
        return event, value, seconds

    def end(self):
        """End it."""
        self._connection.close()
        self._process.kill()
        self._process.join()
        self._process.close()


def _work(connection):
    """Do tasks as they come, until the connection ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the server, which ends this
    waiting = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, waiting), daemon=True).start()
    # Here, since it takes seconds.
    from .._engine.compiled.program_cache import cache_info, resident_memory
    from . import _tasks

    _tasks.warm_up(Setting())
    connection.send(resident_memory())
    while True:
        task, compiling = waiting.get(), cache_info().seconds
        start, busy = time.perf_counter(), time.process_time()
        try:
            found = "done", getattr(_tasks, task.function)(*task.arguments)
        except KeyboardInterrupt:
            found = "stopped", None
        except Exception as error:
            found = "failed", f"{error}"
        # Compiling is not what is asked for, nor is waiting for others.
        seconds = time.perf_counter() - start - (cache_info().seconds - compiling)
        seconds = max(0.0, min(seconds, time.process_time() - busy))
        connection.send((*found, seconds, resident_memory()))


def _listen(connection, waiting):
    """Pass on tasks; stop the fits where there is none."""
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            os._exit(0)  # nobody is there any more
        if task is not None:
            waiting.put(task)
        else:
            from .._engine.callbacks import stop_fits

            stop_fits()
