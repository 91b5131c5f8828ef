"""Programs kept on disk, so that no other process need trace and compile them.

What XLA has compiled, TensorFlow writes to a folder that a flag names, and reads from
there; it reads the flag once. The folder that it is given is this process' own and a
temporary one. What is written to it for a program becomes, with the blueprint, one file
under the key of its structure; to have it read, it is put back for a moment. So of what
other processes have compiled TensorFlow meets no more than the program that is wanted,
which has been found whole, and made for such a processor.
"""

import os
import secrets
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from hashlib import blake2b
from multiprocessing.util import Finalize
from pathlib import Path

import platformdirs

from ..._checked_pickle import CorruptError, dumps, loads
from ..fingerprint import ENGINE_CODE, n_threads
from ..tensorflow import tf

SETTING = "SKLEARN_TOYDNN_CACHE"  # a folder, or "off"
MAX_BYTES = 2**29
_TEMPORARY = "sklearn-toydnn-{}-{}"  # number of the process, anything
_PART = "part-"  # how the names of files begin that are being written
_DAY = 86400
_CPU = {"cpu family", "model", "model name", "stepping", "flags"}  # x86
_CPU |= {"CPU implementer", "CPU part", "CPU variant", "Features"}  # ARM
_FLAGS = (
    "--tf_xla_persistent_cache_directory={} --tf_xla_persistent_cache_read_only=false"
)


class DiskCacheError(Exception):
    """Nothing can be kept; the message says why."""


class DiskCache:
    """The programs that are kept for processes like this one."""

    def __init__(self):
        self.folder = self.reason = self._own = None
        self._process = os.getpid()
        try:
            self._root = _find_root()
            self._made_for = _describe_surroundings()
            version = f"tensorflow-{tf.__version__}-{_hash_text(repr(self._made_for))}"
            self.folder = self._root / version
            for folder in (self._root, self.folder):
                _check_private(folder)
            self._own = _name_temporary()
            _have_read(_FLAGS.format(self._own))
        except (OSError, DiskCacheError) as error:
            self._give_up(str(error))

    def _give_up(self, reason):
        self.folder, self.reason = None, reason

    @property
    def description(self):
        """str: Where programs are kept, or why they are not."""
        return str(self.folder) if self.folder else f"off: {self.reason}"

    def read(self, key):
        """Return the blueprint and the compiled code of a program, or None."""
        path = self._path(key)
        if path is None:
            return None
        try:
            for folder in (self._root, path.parent):
                _check_private(folder)
            sealed = path.read_bytes()
        except FileNotFoundError:
            return None
        except (OSError, DiskCacheError) as error:
            self._give_up(str(error))
            return None
        try:
            made_for, *kept = loads(sealed)
        except CorruptError:
            made_for = None
        if made_for != (self._made_for, _text(key)):
            self.forget(key)
            return None
        with suppress(OSError):
            os.utime(path)  # the oldest go first
        return kept

    def prepare(self):
        """Make sure that TensorFlow reads from and writes to what is ours alone."""
        # It is made by the first program; what is temporary may be tidied away later.
        if self._own and not self._own.exists():
            _delete_left_behind()
            _make_private(self._own)
        elif self._own:
            _check_private(self._own)

    @contextmanager
    def put_back(self, compiled):
        """Have TensorFlow find compiled code: its files, by name."""
        self.prepare()
        paths = {self._own / name: code for name, code in compiled.items()}
        try:
            for path, code in paths.items():
                path.write_bytes(code)
            yield
        finally:
            for path in paths:
                path.unlink(missing_ok=True)

    def write(self, key, blueprint):
        """Keep a program that has just been compiled."""
        path = self._path(key)
        try:
            compiled = self.take(blueprint.name)
            if path is None:
                return
            if not compiled:
                raise DiskCacheError("TensorFlow has not written what it compiled")
            for folder in (self._root, path.parent):
                _make_private(folder)
        except (OSError, DiskCacheError) as error:
            self._give_up(str(error))
            return
        try:
            _write(path, dumps(((self._made_for, _text(key)), blueprint, compiled)))
            _trim(self._root)
        except FileNotFoundError:
            return  # somebody has deleted the folder meanwhile
        except OSError as error:
            self._give_up(str(error))

    def take(self, name):
        """Take what TensorFlow has compiled for a function of this name."""
        taken = {}
        for path in self._own.glob("*.pb") if self._own else []:
            with suppress(FileNotFoundError):  # another thread's
                code = path.read_bytes()
                if name.encode() in code:
                    path.unlink()
                    taken[path.name] = code
        return taken

    def forget(self, key):
        """Delete a program that cannot be used."""
        path = self._path(key)
        with suppress(OSError):
            if path is not None:
                path.unlink()

    def clear(self):
        """Delete all programs, of other processors and versions too."""
        if self.folder is None:
            raise ValueError(
                f"disk=True, but no programs are kept there: {self.reason}"
            )
        _check_private(self._root)
        for path in _files(self._root):
            path.unlink(missing_ok=True)

    def _path(self, key):
        folder = self.folder  # another thread may give it up
        if folder and os.getpid() != self._process:
            return self._give_up("this process was forked")
        return folder and folder / _hash_text(_text(key))


def _find_root():
    setting = os.environ.get(SETTING)
    if setting == "off":
        raise DiskCacheError(f"{SETTING}=off")
    if not os.environ.get("XLA_FLAGS", "-").startswith("-"):
        raise DiskCacheError("XLA_FLAGS names a file, whose content may change")
    if "TF_XLA_FLAGS" in os.environ:
        raise DiskCacheError("TF_XLA_FLAGS is set, and is left as it is")
    if not Path("/proc/cpuinfo").exists():
        raise DiskCacheError("the processor's features cannot be told here")
    root = Path(setting or platformdirs.user_cache_path("sklearn-toydnn"))
    if not root.is_absolute():
        raise DiskCacheError(f"{root} is not an absolute path")
    return root


def _describe_surroundings():
    """Return what blueprints and compiled code are good for."""
    first = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    processor = sorted(line for line in first if line.split(":")[0].strip() in _CPU)
    build = tf.version.GIT_VERSION, tf.version.COMPILER_VERSION
    return ENGINE_CODE, build, processor, os.environ.get("XLA_FLAGS")


def _name_temporary():
    """Name a folder that goes with this process, and is made when it is needed."""
    token = secrets.token_hex(8)
    folder = Path(tempfile.gettempdir(), _TEMPORARY.format(os.getpid(), token))
    Finalize(None, shutil.rmtree, (folder, True), exitpriority=0)
    if set(str(folder)) & set(" \t\n\"'"):
        raise DiskCacheError(
            f"TensorFlow takes no path with spaces or quotes: {folder}"
        )
    return folder


def _delete_left_behind():
    """Delete the folders of processes that were killed."""
    for old in Path(tempfile.gettempdir()).glob(_TEMPORARY.format("*", "*")):
        with suppress(OSError):
            alive = Path("/proc", old.name.split("-")[2]).exists()
            if old.stat().st_uid == os.geteuid() and not alive and _age(old) > _DAY:
                shutil.rmtree(old, ignore_errors=True)


def _age(path):
    return time.time() - path.stat().st_mtime


def _make_private(folder):
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    _check_private(folder)


def _check_private(folder):
    """Raise `DiskCacheError` if what is in a folder may be another user's."""
    try:
        status = folder.lstat()
    except FileNotFoundError:  # it is made with the first program
        return
    if not stat.S_ISDIR(status.st_mode):
        raise DiskCacheError(f"{folder} is no folder, or a symbolic link")
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise DiskCacheError(f"others may write to {folder}")


def _have_read(flags):
    """Have TensorFlow read flags, which processes started from here are not to see."""
    threads = tf.config.threading
    os.environ["TF_XLA_FLAGS"] = flags
    try:
        n_threads = threads.get_intra_op_parallelism_threads()  # this reads them
        threads.set_intra_op_parallelism_threads(n_threads + 1)
        threads.set_intra_op_parallelism_threads(n_threads)
    except RuntimeError:  # nothing can be set once it has computed
        raise DiskCacheError("TensorFlow had computed before the import") from None
    finally:
        del os.environ["TF_XLA_FLAGS"]


def _files(root):
    """Return all files but those that are being written."""
    return [
        path
        for path in root.glob("tensorflow-*/*")
        if not path.name.startswith(_PART) or _age(path) > _DAY
    ]


def _trim(root):
    """Delete what has not been used for longest, if there is too much."""
    found = []
    for path in _files(root):
        status = path.stat()
        found.append((status.st_mtime_ns, status.st_size, path))
    excess = sum(size for _, size, _ in found) - MAX_BYTES
    for _, size, path in sorted(found):
        if excess <= 0:
            break
        path.unlink(missing_ok=True)
        excess -= size


# ---- files


def _text(key):
    """Return what a program is known by: its key, and what XLA compiled it for."""
    devices = [
        (device.device_type, tf.config.experimental.get_device_details(device))
        for device in tf.config.get_visible_devices()
    ]
    return repr((key, n_threads(), devices))


def _hash_text(text):
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _write(path, content):
    """Write a file at once, whoever else writes it."""
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=_PART, delete=False
    ) as file:
        try:
            file.write(content)
            file.flush()
            os.replace(file.name, path)
        finally:
            Path(file.name).unlink(missing_ok=True)


store = DiskCache()
