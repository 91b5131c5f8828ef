"""What took long, kept on disk: started again, it is taken from there.

Behind ``DNNClassifier(memory=...)``, and for studies whose pieces are not fits alone.
"""

from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from types import FunctionType

import joblib
from sklearn.utils.validation import check_memory

from ._checked_pickle import CorruptError, dumps, loads


def hash_code(folder, *versions):
    """Return a digest of all Python code in a folder, and of what it rests on.

    Parameters
    ----------
    folder : pathlib.Path
        A package's folder; those in it count too.

    *versions : str
        Versions of other packages, or digests of their code.

    Returns
    -------
    digest : str
        Equal for equal code, names of files aside.

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


# What computes: the playground only shows. Hashed as it is imported: it may change on
# disk later.
CODE = _hash_files(
    {*Path(__file__).parent.rglob("*.py")}
    - {*Path(__file__).with_name("playground").rglob("*.py")},
    *map(version, ["tensorflow", "keras", "numpy"]),
)


class NotCacheable(Exception):
    """What was computed is not what another call would compute.

    Parameters
    ----------
    computed : object
        What :func:`load_or_compute` is to return nevertheless.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn_toydnn.memory import NotCacheable, load_or_compute
    >>> def draw(n):
    ...     raise NotCacheable(n)
    >>> with TemporaryDirectory() as folder:
    ...     [load_or_compute(folder, lambda: draw(n), "luck") for n in (1, 2)]
    [1, 2]
    """


def load_or_compute(memory, compute, description, *arrays, code=CODE):
    """Return what a function computes, from memory if it is kept there.

    Parameters
    ----------
    memory : str, joblib.Memory or any object with its method ``cache``
        The folder, which must be your own: it is read with pickle. What is kept
        there is written whole or not at all; what the disk has damaged since is
        computed again.

    compute : callable
        The function, without arguments. What it returns must be pickleable. It may
        raise `NotCacheable` with what is returned, but not kept.

    description : str
        What the computation depends on, beside the code.

    *arrays : object
        The same, where it is no text: what `joblib.hash` takes.

    code : str, default=CODE
        The hash of the code that computes, as `hash_code` returns it. By default that
        of this package without its playground, and of the versions of TensorFlow,
        Keras and NumPy.

    Returns
    -------
    computed : object
        What `compute` has returned, now or before.

    Raises
    ------
    ValueError
        If there can be no such folder.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn_toydnn.memory import load_or_compute
    >>> with TemporaryDirectory() as folder:
    ...     [load_or_compute(folder, lambda: n, "the first number") for n in (1, 2)]
    [1, 1]
    """
    key = joblib.hash([code, description, *arrays], coerce_mmap=True)
    memory = _folder(memory)
    location = getattr(memory, "location", None)  # any object with `cache` will do
    kept = memory.cache(_compute_in(location), ignore=["compute"])
    try:
        try:
            return loads(kept(key, compute))
        except CorruptError:
            computed, _ = kept.call(key, compute)
            try:
                return loads(computed)
            except CorruptError as error:  # it can be pickled, but not unpickled
                raise (error.__cause__ or error) from None
    except NotCacheable as computed:
        return computed.args[0]


def _folder(memory):
    """Return a joblib.Memory, or say that there can be no folder."""
    try:
        return check_memory(memory)
    except OSError as error:
        raise ValueError(f"memory={memory!r} cannot be a folder: {error}") from error


def _compute(key, compute):
    # As bytes, for joblib's own unpickling, in Python, takes a millisecond more.
    return dumps(compute())


@lru_cache
def _compute_in(location):
    """Return `_compute` as a function of its own for each folder.

    joblib writes a function's source into the first folder that a process keeps its
    results in, and misses it in the others.
    """
    return FunctionType(_compute.__code__, globals(), _compute.__name__)
