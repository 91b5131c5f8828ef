"""Cache slow computations on disk.

``DNNClassifier(memory=...)`` is built on this module. You can also cache your own
computations with it.
"""

from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from types import FunctionType

import joblib
from sklearn.utils.validation import check_memory

from ._checked_pickle import CorruptError, dumps, loads


def hash_code(folder, *versions):
    """Return a hash of all Python files in a folder and of the given versions.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of a package. Subfolders are included.

    *versions : str
        Versions of the packages that the code depends on, or hashes of their code.

    Returns
    -------
    code_hash : str
        The hash. File names affect it only through the order of the files.

    Examples
    --------
    >>> from pathlib import Path
    >>> import sklearn_toydnn
    >>> from sklearn_toydnn.memory import hash_code
    >>> folder = Path(sklearn_toydnn.__file__).parent
    >>> hash_code(folder, "1.0") == hash_code(folder, "1.1")
    False
    """
    return _hash_files(folder.rglob("*.py"), *versions)


def _hash_files(paths, *versions):
    return joblib.hash([*(path.read_bytes() for path in sorted(paths)), *versions])


# The playground is left out, since no result depends on it. The hash is computed at
# import, because the files may change on disk later.
CODE = _hash_files(
    {*Path(__file__).parent.rglob("*.py")}
    - {*Path(__file__).with_name("playground").rglob("*.py")},
    *map(version, ["tensorflow", "keras", "numpy"]),
)

_RENAMED = {"recall": "load_or_compute", "NotToBeKept": "NotCacheable"}


def __getattr__(name):
    message = f"module {__name__!r} has no attribute {name!r}"
    if name in _RENAMED:  # the names of version 0.2.0
        message += f": use {_RENAMED[name]!r}."
    raise AttributeError(message)


class NotCacheable(Exception):
    """Raised to return a result without caching it.

    Raise this exception in a function that you pass to :func:`load_or_compute` if
    another call might return a different result.

    Parameters
    ----------
    result : object
        The value that :func:`load_or_compute` returns.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn_toydnn.memory import NotCacheable, load_or_compute
    >>> def draw(n):
    ...     raise NotCacheable(n)
    >>> with TemporaryDirectory() as folder:
    ...     [load_or_compute(folder, lambda: draw(n), "draw") for n in (1, 2)]
    [1, 2]
    """


def load_or_compute(memory, compute, description, *arrays, code=CODE):
    """Return the result of a function, from the cache if it is there.

    Parameters
    ----------
    memory : str, joblib.Memory or any object with a ``cache`` method
        The cache folder. Use only a folder that you trust, because its files are read
        with pickle. Each result is written completely or not at all. If a file is
        damaged, the result is computed again.

    compute : callable
        The function to call, without arguments. Its result must be pickleable. If it
        raises `NotCacheable`, the result is returned but not cached.

    description : str
        A text that describes what the result depends on, except for `arrays` and
        `code`.

    *arrays : object
        Further values that the result depends on, of any type that `joblib.hash`
        supports.

    code : str, default=CODE
        The hash of the code that computes the result, see `hash_code`. The default
        covers the code of this package, except for its playground. It also covers the
        versions of TensorFlow, Keras and NumPy.

    Returns
    -------
    result : object
        The result of `compute`, from this call or an earlier one.

    Raises
    ------
    ValueError
        If the folder cannot be created.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn_toydnn.memory import load_or_compute
    >>> with TemporaryDirectory() as folder:
    ...     [load_or_compute(folder, lambda: n, "the first number") for n in (1, 2)]
    [1, 1]
    """
    key = joblib.hash([code, description, *arrays], coerce_mmap=True)
    memory = _check_memory(memory)
    location = getattr(memory, "location", None)  # not every memory has a folder
    cached_compute = memory.cache(_compute_for(location), ignore=["compute"])
    try:
        try:
            return loads(cached_compute(key, compute))
        except CorruptError:
            sealed, _ = cached_compute.call(key, compute)
            try:
                return loads(sealed)
            except CorruptError as error:  # it can be pickled, but not unpickled
                raise (error.__cause__ or error) from None
    except NotCacheable as error:
        return error.args[0]


def _check_memory(memory):
    """Return an object with a ``cache`` method, or raise an error for a bad folder."""
    try:
        return check_memory(memory)
    except OSError as error:
        raise ValueError(
            f"memory={memory!r} cannot be used as a folder: {error}"
        ) from error


def _compute(key, compute):
    # Unpickling by joblib, in Python, takes a millisecond longer than reading bytes.
    return dumps(compute())


@lru_cache
def _compute_for(location):
    """Return a copy of `_compute` for each folder.

    joblib writes the source of a function only to the first folder in which a process
    caches its results. In other folders it would miss the source.
    """
    return FunctionType(_compute.__code__, globals(), _compute.__name__)
