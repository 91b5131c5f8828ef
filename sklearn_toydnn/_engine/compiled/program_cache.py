"""The compiled programs of this process: lent to fits, kept for others like them."""

import mmap
import threading
import time
import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sklearn.exceptions import EfficiencyWarning

from ..fingerprint import NoFingerprint, OfGraph
from ..tensorflow import keras
from .disk_cache import DiskCacheError, store
from .program import Program
from .structure import Structure
from .training_loop import Loop

MAX_PROGRAMS = 1024  # the paper's grid has 400 structures
# Programs are for good, whether kept or not: little of their memory ever comes back.
# So those of functions that are not Keras', of which there is no end, have a limit.
MAX_OWN_PROGRAMS = 64  # some 800 MB

CacheInfo = namedtuple(
    "CacheInfo",
    "hits misses maxsize currsize seconds memory disk_hits disk",
)


class NotCompilable(Exception):
    """What is asked for cannot be compiled; the message says why."""


class TooManyPrograms(NotCompilable):
    """No more is compiled for functions that are not Keras'."""


class ProgramCache:
    """The programs of a process: for each key, those that no thread is using."""

    def __init__(self, maxsize: int, max_own: int = MAX_OWN_PROGRAMS):
        self._lock = threading.Lock()
        self._maxsize, self._max_own, self._n_own = maxsize, max_own, 0
        self.clear()

    def clear(self):
        """Forget all programs and start counting anew."""
        with self._lock:
            self._idle = OrderedDict()  # lists of programs, last used last
            self._made = {}  # a program for each key, to make more like it
            self._making = {}  # locks: no program is compiled twice at once
            self._cleared = object()  # programs lent before do not come back
            self._hits = self._misses = self._disk_hits = self._memory = 0
            self._seconds = 0.0

    def info(self):
        """Return the counts, as ``functools.lru_cache`` does, and what they cost."""
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
        """Lend a program of this structure."""
        try:
            key = structure.fingerprint()
        except NoFingerprint:
            key = None
        with self._lock:
            idle = self._idle.get(key)
            program = idle.pop() if idle else None
            self._hits += program is not None
            making = self._making.setdefault(key, threading.Lock())
            cleared = self._cleared
        if program is None and key is not None:
            with making:
                program = self._make_known(key, structure, cleared)
        elif program is None:
            program = self._make(key, structure)
            warnings.warn(
                "A program is compiled for each fit anew, which takes seconds and "
                "some 12 MB for good: what a function or class that is not Keras' "
                "computes depends on more than its arguments.",
                EfficiencyWarning,
                stacklevel=2,
            )
        try:
            yield program
        finally:
            if key is not None:
                self._take_back(key, program, cleared)

    def _make_known(self, key, structure, cleared):
        """Return a program: another like those in use, if there are any."""
        with self._lock:
            like = self._made.get(key)
            self._hits += like is not None
        if like is not None:
            return like.again()
        program = self._make(key, structure)
        with self._lock:
            if cleared is self._cleared:
                self._made[key] = program
        return program

    def _make(self, key, structure):
        """Return a program from disk or, as those of own functions are, compiled."""
        parts = keras.tree.flatten(key)
        if key is None or any(isinstance(part, OfGraph) for part in parts):
            program = self._compile(structure, own=True)
            store.take(program.blueprint.name)  # and leave it
            return program
        program = self._read(key, structure)
        if program is None:
            program = self._compile(structure, own=False)
            store.write(key, program.blueprint)
        return program

    def _read(self, key, structure):
        """Return a program that is kept on disk, or None."""
        kept = store.read(key)
        if kept is None:
            return None
        blueprint, compiled = kept
        try:
            with self._costs(), store.put_back(compiled):
                program = Program(structure, blueprint)
                program.warm_up()
        except (OSError, DiskCacheError):  # of this process' own folder
            return None
        except Exception:  # whatever TensorFlow makes of code that it cannot take
            store.forget(key)
            return None
        found = not store.take(blueprint.name)
        if not found:  # it has been compiled again, and is not what is kept
            store.forget(key)
        with self._lock:
            self._disk_hits += found
            self._misses += not found
        return program

    def _compile(self, structure, own):
        with self._lock:
            if own and self._n_own >= self._max_own:
                raise TooManyPrograms(
                    f"{self._n_own} programs of this process are compiled for "
                    "functions that are not Keras', and compiled code is never freed; "
                    "fits in other processes, as with n_jobs, start anew"
                )
            self._n_own += own
        # The rate is no part of the structure: each fit brings its own.
        optimizer = structure.optimizer.make_default()
        try:
            with self._costs():
                store.prepare()
                program = Program(structure, *Loop(structure, optimizer).trace())
                program.warm_up()
        except Exception as error:
            with self._lock:
                self._n_own -= own
            raise NotCompilable(f"TensorFlow cannot compile it: {error}") from error
        with self._lock:
            self._misses += 1
        return program

    @contextmanager
    def _costs(self):
        """Note the time and the memory that a program takes which is made meanwhile."""
        memory, start = resident_memory(), time.perf_counter()
        yield
        grown = max(0, resident_memory() - memory)
        with self._lock:
            self._seconds += time.perf_counter() - start
            self._memory += grown

    def _take_back(self, key, program, cleared):
        with self._lock:
            if cleared is not self._cleared:
                return
            self._idle.setdefault(key, []).append(program)
            self._idle.move_to_end(key)
            while sum(map(len, self._idle.values())) > self._maxsize:
                oldest = next(iter(self._idle))
                self._idle[oldest].pop()
                if not self._idle[oldest]:
                    del self._idle[oldest]
                    self._made.pop(oldest, None)


programs = ProgramCache(MAX_PROGRAMS)


def resident_memory():
    """Return the bytes of memory this process holds; 0 where there is no /proc.

    (With psutil installed, joblib's workers end once they have grown by 300 MB, and
    twenty programs with them: the package had better not require it.)
    """
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * mmap.PAGESIZE


def cache_info():
    """Return how the compiled programs of this process have been used.

    Returns
    -------
    info : CacheInfo
        A named tuple: `hits`, the fits that found their program compiled;
        `misses`, the programs compiled; `maxsize` and `currsize`, the number of
        programs that are kept at most and now; `seconds`, the time spent
        compiling and reading; `memory`, by how many bytes the process grew meanwhile
        (0 where there is no ``/proc``); `disk_hits`, the programs read from disk;
        `disk`, the folder in which they are kept, or "off" and the reason.

    Examples
    --------
    >>> from sklearn_toydnn import cache_info
    >>> cache_info().maxsize
    1024
    """
    return programs.info()


def cache_clear(disk=False):
    """Forget the compiled programs of this process.

    TensorFlow returns only part of their memory to the system; what returns all
    of it is the end of the process.

    Parameters
    ----------
    disk : bool, default=False
        Whether to delete the programs that are kept on disk, too: those of all
        processes, versions and processors.

    Raises
    ------
    ValueError
        If `disk` is true but nothing is kept there; it says why.

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
