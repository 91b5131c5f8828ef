"""The cache of compiled programs of this process."""

import mmap
import threading
import time
import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sklearn.exceptions import EfficiencyWarning

from ..fingerprint import GraphFingerprint, NoFingerprint
from ..tensorflow import keras
from .disk_cache import DiskCacheError, store
from .program import Program
from .structure import Structure
from .training_loop import Loop

MAX_PROGRAMS = 1024  # the grid of the paper has 400 structures
# Most of the memory of a program is never released, even after eviction. The number of
# programs for user-defined functions is therefore limited: every fit may need a new
# one.
MAX_USER_DEFINED_PROGRAMS = 64  # about 800 MB

CacheInfo = namedtuple(
    "CacheInfo",
    "hits misses maxsize currsize seconds memory disk_hits disk",
)


class NotCompilable(Exception):
    """A structure cannot be compiled. The message is the reason."""


class TooManyPrograms(NotCompilable):
    """The process has reached the limit of programs for user-defined functions."""


class ProgramCache:
    """The programs of a process. Each program is lent to one fit at a time."""

    def __init__(self, maxsize: int, max_user_defined: int = MAX_USER_DEFINED_PROGRAMS):
        self._lock = threading.Lock()
        self._maxsize, self._max_user_defined, self._n_user_defined = (
            maxsize,
            max_user_defined,
            0,
        )
        self.clear()

    def clear(self):
        """Remove all programs and reset the counts."""
        with self._lock:
            self._idle = OrderedDict()  # lists of unused programs, last used last
            self._prototypes = {}  # a program for each key, from which to make copies
            self._compile_locks = {}  # so that threads do not compile the same program
            self._generation = object()  # older programs are not accepted back
            self._hits = self._misses = self._disk_hits = self._memory = 0
            self._seconds = 0.0

    def info(self):
        """Return the counts, like ``functools.lru_cache``, and the time and memory."""
        with self._lock:
            return CacheInfo(
                self._hits,
                self._misses,
                self._maxsize,
                sum(map(len, self._idle.values())),
                self._seconds,
                self._memory,
                self._disk_hits,
                store.description,
            )

    @contextmanager
    def borrow(self, structure: Structure) -> Iterator[Program]:
        """Lend a program of this structure for the duration of a ``with`` block."""
        try:
            key = structure.fingerprint()
        except NoFingerprint:
            key = None
        with self._lock:
            idle = self._idle.get(key)
            program = idle.pop() if idle else None
            self._hits += program is not None
            compile_lock = self._compile_locks.setdefault(key, threading.Lock())
            generation = self._generation
        if program is None and key is not None:
            with compile_lock:
                program = self._copy_or_make(key, structure, generation)
        elif program is None:
            program = self._make(key, structure)
            warnings.warn(
                "Every fit compiles a new program, because a user-defined function or "
                "class depends on more than its arguments. This takes seconds and "
                "about 12 MB, most of which is never released.",
                EfficiencyWarning,
                stacklevel=2,
            )
        try:
            yield program
        finally:
            if key is not None:
                self._take_back(key, program, generation)

    def _copy_or_make(self, key, structure, generation):
        """Return a copy of the program of this key or, if there is none, a new one."""
        with self._lock:
            prototype = self._prototypes.get(key)
            self._hits += prototype is not None
        if prototype is not None:
            return prototype.copy()
        program = self._make(key, structure)
        with self._lock:
            if generation is self._generation:
                self._prototypes[key] = program
        return program

    def _make(self, key, structure):
        """Read a program from disk or compile it.

        Programs for user-defined functions are not cached on disk.
        """
        parts = keras.tree.flatten(key)
        if key is None or any(isinstance(part, GraphFingerprint) for part in parts):
            program = self._compile(structure, user_defined=True)
            store.collect(program.blueprint.name)  # to delete its files
            return program
        program = self._read(key, structure)
        if program is None:
            program = self._compile(structure, user_defined=False)
            store.write(key, program.blueprint)
        return program

    def _read(self, key, structure):
        """Return a program from the disk cache, or None."""
        entry = store.read(key)
        if entry is None:
            return None
        blueprint, compiled = entry
        try:
            with self._measure_costs(), store.restored(compiled):
                program = Program(structure, blueprint)
                program.warm_up()
        except (OSError, DiskCacheError):  # the temporary folder cannot be used
            return None
        except Exception:  # TensorFlow may raise any exception if it cannot load code
            store.delete(key)
            return None
        # If there is new code, TensorFlow has not accepted the cached code.
        is_hit = not store.collect(blueprint.name)
        if not is_hit:
            store.delete(key)
        with self._lock:
            self._disk_hits += is_hit
            self._misses += not is_hit
        return program

    def _compile(self, structure, user_defined):
        with self._lock:
            if user_defined and self._n_user_defined >= self._max_user_defined:
                raise TooManyPrograms(
                    f"this process has reached the limit of {self._n_user_defined} "
                    "programs for user-defined functions (most of the memory of "
                    "programs is never freed); other processes, for example with "
                    "n_jobs, have their own limit"
                )
            self._n_user_defined += user_defined
        # The learning rate is not part of the structure but an argument of a run.
        optimizer = structure.optimizer.make_default()
        try:
            with self._measure_costs():
                store.prepare()
                program = Program(structure, *Loop(structure, optimizer).trace())
                program.warm_up()
        except Exception as error:
            with self._lock:
                self._n_user_defined -= user_defined
            raise NotCompilable(
                f"TensorFlow cannot compile the training loop: {error}"
            ) from error
        with self._lock:
            self._misses += 1
        return program

    @contextmanager
    def _measure_costs(self):
        """Add the time and the memory of a ``with`` block to the counts."""
        memory, start = resident_memory(), time.perf_counter()
        yield
        growth = max(0, resident_memory() - memory)
        with self._lock:
            self._seconds += time.perf_counter() - start
            self._memory += growth

    def _take_back(self, key, program, generation):
        """Make a program available again, and evict programs beyond the limit."""
        with self._lock:
            if generation is not self._generation:
                return
            self._idle.setdefault(key, []).append(program)
            self._idle.move_to_end(key)
            while sum(map(len, self._idle.values())) > self._maxsize:
                oldest = next(iter(self._idle))
                self._idle[oldest].pop()
                if not self._idle[oldest]:
                    del self._idle[oldest]
                    self._prototypes.pop(oldest, None)


programs = ProgramCache(MAX_PROGRAMS)


def resident_memory():
    """Return the resident memory of this process in bytes, or 0 without ``/proc``.

    The package does not require psutil. With psutil, joblib ends workers that have
    grown by 300 MB, which discards about twenty programs.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * mmap.PAGESIZE


def cache_info():
    """Return statistics of the compiled programs of this process.

    Returns
    -------
    info : CacheInfo
        A named tuple with the fields

        * `hits`: the number of fits whose program was already in this process,
        * `misses`: the number of programs compiled,
        * `maxsize`: the maximum number of programs in the cache,
        * `currsize`: the number of programs in the cache,
        * `seconds`: the time spent compiling and reading programs, in seconds,
        * `memory`: the growth of the process during that time, in bytes (0 without
          ``/proc``),
        * `disk_hits`: the number of programs read from the disk cache,
        * `disk`: the folder of the disk cache, or "off" and the reason.

    Examples
    --------
    >>> from sklearn_toydnn import cache_info
    >>> cache_info().maxsize
    1024
    """
    return programs.info()


def cache_clear(disk=False):
    """Remove the compiled programs of this process from the cache.

    TensorFlow releases only part of their memory. To release all of it, end the
    process.

    Parameters
    ----------
    disk : bool, default=False
        Whether to also delete all programs in the disk cache, including those of other
        processes, versions and processors.

    Raises
    ------
    ValueError
        If `disk` is true but the disk cache is off. The message includes the reason.

    Examples
    --------
    >>> from sklearn_toydnn import cache_clear, cache_info
    >>> cache_clear()
    >>> cache_info().currsize
    0
    """
    programs.clear()
    if disk:
        store.clear()
