"""Worker processes that compute for all visitors.

The memory of compiled programs is only released when a process ends, so processes that
have grown are replaced. A request of a visitor is a job: a list of tasks. A new job of
a visitor ends the previous one. Visitors take turns, task by task.
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

MAX_SECONDS = 10.0  # computing time of a job, summed over processes
# Bytes by which a process may grow (about 20 programs), and the lower limit after
# IDLE_SECONDS without a task.
MAX_GROWTH = 300 * 2**20
IDLE_GROWTH = 16 * 2**20
IDLE_SECONDS = 60.0
_GRACE_SECONDS = 0.3  # before a task of an older job is stopped
_KILL_SECONDS = 4.0  # before a process that does not stop is killed


class Task(NamedTuple):
    """A function of `_tasks`, its arguments, and the compiled programs it needs."""

    function: str
    arguments: tuple
    programs: frozenset


class Job:
    """The tasks of a request, and the function that receives its events.

    Threads of the workers call ``notify(job, event, value)``. The events and their
    values are "started" (whether a program must be compiled), "done" (the index of the
    task and its result), "failed" (a message) and "timed out" (a message).
    """

    def __init__(self, tasks, notify):
        self._waiting = list(enumerate(tasks))
        self._n_tasks, self.n_running = len(self._waiting), 0
        self.notify, self.seconds_used = notify, 0.0

    def add(self, tasks):
        """Add tasks that share the time limit of the job."""
        self._waiting += enumerate(tasks, self._n_tasks)
        self._n_tasks += len(tasks)

    @property
    def next_task(self):
        """Tuple or None: The index of the next waiting task, and the task."""
        return self._waiting[0] if self._waiting else None

    def take(self):
        """Remove the next waiting task and return it with its index."""
        self.n_running += 1
        return self._waiting.pop(0)

    def end(self):
        """Drop the waiting tasks."""
        self._waiting.clear()


class Workers:
    """Worker processes, each with a thread that passes tasks to it."""

    def __init__(self, n_workers=None):
        n_workers = n_workers or min(4, os.cpu_count() or 1)
        self._changed, self._starting = threading.Condition(), threading.Semaphore()
        self._jobs = OrderedDict()  # by visitor; the first one is next
        self._busy, self._compiling = set(), set()
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
        """bool: Whether at least one process is ready."""
        return any(process.is_ready for process in self.processes)

    def submit(self, visitor, job):
        """Start a job of a visitor, and end the previous one."""
        with self._changed:
            older = self._jobs.get(visitor)
            if older is not None and older is not job:
                older.end()
            self._jobs[visitor] = job
            self._changed.notify_all()

    def add(self, visitor, job, tasks):
        """Add tasks to a job, unless its visitor has a newer one."""
        with self._changed:
            if self._jobs.setdefault(visitor, job) is job:
                job.add(tasks)
                self._changed.notify_all()

    def cancel(self, visitor):
        """End the job of a visitor."""
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

    # ---- the thread of each process

    def _serve(self, i):
        process, spare, n_failed = self.processes[i], None, 0
        while not self._closed:
            if spare is not None and spare.has_become_ready():
                process, spare = self._replace(i, process, spare), None
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
                    self._fail_jobs(2.0**n_failed)
                process = self._replace(i, process, Process())
            elif spare is None and process.growth > (
                MAX_GROWTH if work else IDLE_GROWTH
            ):
                spare = self._start_spare()
        for remaining in filter(None, (process, spare)):
            remaining.end()

    def _start_spare(self):
        """Return a new process, or None if one is starting: each start uses a core."""
        return Process() if self._starting.acquire(blocking=False) else None

    def _fail_jobs(self, seconds):
        """Report to all visitors that no process starts, and wait before a retry."""
        with self._changed:
            jobs = [*self._jobs.values()]
            self._jobs.clear()
        for job in jobs:
            _notify(job, "failed", _NO_START)
        end = time.monotonic() + min(60.0, seconds)
        while time.monotonic() < end and not self._closed:
            time.sleep(0.1)

    def _replace(self, i, process, other):
        with self._changed:  # from here on, no task is reserved for the old process
            self.processes[i] = other
            self._changed.notify_all()
        process.end()
        return other

    def _wait_for_work(self, process, seconds):
        """Return visitor, job, index and task, or None after some seconds."""
        end = time.monotonic() + seconds
        with self._changed:
            while not self._closed:
                work = self._choose(process)
                if work or not process.is_alive:
                    return work
                timeout = min(end - time.monotonic(), 9 if process.is_ready else 0.2)
                if timeout <= 0:
                    break
                self._changed.wait(timeout)
        return None

    def _choose(self, process):
        """Return the next task for a process: the first one, in order of visitors.

        Skip a task whose program this process lacks, if a free process has the program
        or any process is compiling it.
        """
        if not process.has_become_ready():
            return None
        for visitor, job in self._jobs.items():
            if not job.next_task:
                continue
            needed = job.next_task[1].programs
            missing = needed - process.programs
            if missing and (
                missing & self._compiling
                or any(needed <= free.programs for free in self._free())
            ):
                continue
            self._busy.add(process)
            self._jobs.move_to_end(visitor)
            self._compiling |= missing
            return visitor, job, *job.take()
        return None

    def _free(self):
        return [process for process in self.processes if process not in self._busy]

    def _compute(self, process, visitor, job, index, task):
        """Compute a task; stop it if its job is outdated or over its time limit."""
        missing = task.programs - process.programs
        _notify(job, "started", bool(missing))
        start, stopped = time.monotonic(), None
        process.begin(task)
        while not process.has_answered(0.05):
            seconds = time.monotonic() - start
            is_old = self._closed or self._jobs.get(visitor) is not job
            # The computing time of a running task is unknown: its elapsed time includes
            # compiling and waiting for other processes.
            is_over_limit = job.seconds_used > MAX_SECONDS or seconds > 2 * MAX_SECONDS
            is_unwanted = is_old and seconds > _GRACE_SECONDS
            if stopped is None and (is_over_limit or is_unwanted):
                process.stop()
                stopped = seconds
            elif stopped is not None and seconds - stopped > _KILL_SECONDS:
                process.kill()
        event, value, seconds = process.answer(task)
        with self._changed:
            self._busy.discard(process)
            self._compiling -= missing
            job.seconds_used += seconds
            job.n_running -= 1
            if event == "died" and stopped is not None:  # killed above
                event = "stopped"
            is_cut = event == "stopped" or (
                job.seconds_used > MAX_SECONDS and job.next_task is not None
            )
            if event != "done" or is_cut:
                job.end()
            is_over = not job.next_task and not job.n_running
            if is_over and self._jobs.get(visitor) is job:
                del self._jobs[visitor]
            self._changed.notify_all()
        if event == "done":
            _notify(job, event, (index, value))
        elif event != "stopped":
            _notify(job, "failed", value or _DIED)
        if is_cut:
            _notify(job, "timed out", _OVER_LIMIT)


def _notify(job, event, value):
    """Report an event. An error (the page may be closed) must not end the thread."""
    try:
        job.notify(job, event, value)
    except Exception:
        logging.getLogger(__name__).exception("A visitor could not be notified.")


_OVER_LIMIT = (
    f"Training stopped after {MAX_SECONDS:.0f} seconds of computing time, the limit "
    "for one request. Use fewer points, fewer epochs or larger batches."
)
_NO_START = "No worker process could be started. See the error in the terminal."
_DIED = "The worker process ended unexpectedly and was replaced. Try again."


# ---- a process


class Process:
    """A worker process and the connection to it; it needs some seconds to start."""

    def __init__(self):
        context = get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_run_tasks, args=(other,), daemon=True)
        self._process.start()
        other.close()
        self.programs = {Setting().program_key}  # compiled by `warm_up`
        self.memory = self.growth = 0
        self.is_ready = False

    @property
    def pid(self):
        """int: The process ID."""
        return self._process.pid

    @property
    def is_alive(self):
        """bool: Whether the process is running."""
        return self._process.is_alive()

    def has_become_ready(self):
        """Return whether the process is ready; only its own thread calls this."""
        if not self.is_ready and self._connection.poll():
            with suppress(EOFError, OSError):
                self.memory = self._connection.recv()
                self.is_ready = True
        return self.is_ready

    def begin(self, task):
        """Send a task."""
        with suppress(OSError):
            self._connection.send(task)

    def stop(self):
        """Ask the process to stop its task."""
        with suppress(OSError):
            self._connection.send(None)

    def kill(self):
        """Kill the process."""
        self._process.kill()
        self._process.join()

    def has_answered(self, seconds):
        """Wait; return whether there is an answer or the process has ended."""
        return self._connection.poll(seconds) or not self._process.is_alive()

    def answer(self, task):
        """Return the event, its value and the computing time in seconds."""
        try:
            event, value, seconds, memory = self._connection.recv()
        except (EOFError, OSError):
            self.kill()
            return "died", None, 0.0
        self.programs |= task.programs
        self.growth = memory - self.memory
        return event, value, seconds

    def end(self):
        """Kill the process and close its resources."""
        self._connection.close()
        self._process.kill()
        self._process.join()
        self._process.close()


def _run_tasks(connection):
    """Run tasks until the connection closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server ends this process
    waiting = SimpleQueue()
    threading.Thread(target=_receive, args=(connection, waiting), daemon=True).start()
    # Imported here because the import takes seconds.
    from .._engine.compiled.program_cache import cache_info, resident_memory
    from . import _tasks

    _tasks.warm_up(Setting())
    connection.send(resident_memory())
    while True:
        task, compile_start = waiting.get(), cache_info().seconds
        start, cpu_start = time.perf_counter(), time.process_time()
        try:
            answer = "done", getattr(_tasks, task.function)(*task.arguments)
        except KeyboardInterrupt:
            answer = "stopped", None
        except Exception as error:
            answer = "failed", f"{error}"
        # Neither compiling nor waiting for other processes counts as computing time.
        compile_seconds = cache_info().seconds - compile_start
        seconds = time.perf_counter() - start - compile_seconds
        seconds = max(0.0, min(seconds, time.process_time() - cpu_start))
        connection.send((*answer, seconds, resident_memory()))


def _receive(connection, waiting):
    """Queue the tasks of a connection; None stops the running fits."""
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            os._exit(0)  # the server has ended
        if task is not None:
            waiting.put(task)
        else:
            from .._engine.callbacks import stop_fits

            stop_fits()
