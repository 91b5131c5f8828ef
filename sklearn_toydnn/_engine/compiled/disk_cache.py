"""The disk cache of programs, so that other processes need not trace and compile them.

TensorFlow writes the code that XLA compiles to a folder, and reads it from there. A
flag, which TensorFlow reads only once, sets the folder. Here it is a temporary folder
of this process. The cache collects the code of a program from there and writes it,
together with the blueprint, to one file per structure. To load a program, the cache
checks this file, and copies the code to the temporary folder for a moment. TensorFlow
therefore never reads code that is damaged, that was compiled for another processor, or
that is not needed.
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

SETTING = "SKLEARN_TOYDNN_CACHE"  # environment variable: a folder or "off"
MAX_BYTES = 2**29
_TEMPORARY = "sklearn-toydnn-{}-{}"  # process ID, random token
_PART = "part-"  # prefix of incomplete files
_DAY = 86400
_CPU = {"cpu family", "model", "model name", "stepping", "flags"}  # x86
_CPU |= {"CPU implementer", "CPU part", "CPU variant", "Features"}  # ARM
_FLAGS = (
    "--tf_xla_persistent_cache_directory={} --tf_xla_persistent_cache_read_only=false"
)


class DiskCacheError(ValueError):
    """The disk cache cannot be used. The message is the reason."""


class DiskCache:
    """The cached programs for this environment: processor, versions and flags."""

    def __init__(self):
        self.folder = self.reason = self._temporary = None
        self._process = os.getpid()
        try:
            self._root = _find_root()
            self._environment = _describe_environment()
            digest = _hash_text(repr(self._environment))
            self.folder = self._root / f"tensorflow-{tf.__version__}-{digest}"
            for folder in (self._root, self.folder):
                _check_private(folder)
            self._temporary = _name_temporary()
            _set_flags(_FLAGS.format(self._temporary))
        except (OSError, DiskCacheError) as error:
            self._turn_off(str(error))

    def _turn_off(self, reason):
        self.folder, self.reason = None, reason

    @property
    def description(self):
        """str: The cache folder, or "off" and the reason."""
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
            self._turn_off(str(error))
            return None
        try:
            header, *content = loads(sealed)
        except CorruptError:
            header = None
        if header != (self._environment, _describe_program(key)):
            self.delete(key)
            return None
        with suppress(OSError):
            os.utime(path)  # programs not used for the longest time are deleted first
        return content

    def prepare(self):
        """Create the temporary folder, or check that it is private."""
        # The system may have deleted it, as it is temporary.
        if self._temporary and not self._temporary.exists():
            _delete_abandoned_folders()
            _make_private(self._temporary)
        elif self._temporary:
            _check_private(self._temporary)

    @contextmanager
    def restored(self, compiled):
        """Write compiled code, given as files by name, where TensorFlow reads it."""
        self.prepare()
        paths = {self._temporary / name: code for name, code in compiled.items()}
        try:
            for path, code in paths.items():
                path.write_bytes(code)
            yield
        finally:
            for path in paths:
                path.unlink(missing_ok=True)

    def write(self, key, blueprint):
        """Cache a program that has just been compiled."""
        path = self._path(key)
        try:
            compiled = self.collect(blueprint.name)
            if path is None:
                return
            if not compiled:
                raise DiskCacheError("TensorFlow did not write the compiled code")
            for folder in (self._root, path.parent):
                _make_private(folder)
        except (OSError, DiskCacheError) as error:
            self._turn_off(str(error))
            return
        header = self._environment, _describe_program(key)
        try:
            _write(path, dumps((header, blueprint, compiled)))
            _trim(self._root)
        except FileNotFoundError:
            return  # the folder has been deleted in the meantime
        except OSError as error:
            self._turn_off(str(error))

    def collect(self, name):
        """Move the compiled code of a function out of the temporary folder."""
        compiled = {}
        for path in self._temporary.glob("*.pb") if self._temporary else []:
            with suppress(FileNotFoundError):  # another thread has collected it
                code = path.read_bytes()
                if name.encode() in code:
                    path.unlink()
                    compiled[path.name] = code
        return compiled

    def delete(self, key):
        """Delete a program that cannot be used."""
        path = self._path(key)
        with suppress(OSError):
            if path is not None:
                path.unlink()

    def clear(self):
        """Delete all programs, including those of other processors and versions."""
        if self.folder is None:
            raise ValueError(f"disk=True, but the disk cache is off: {self.reason}")
        _check_private(self._root)
        for path in _files(self._root):
            path.unlink(missing_ok=True)

    def _path(self, key):
        folder = self.folder  # another thread may turn the cache off
        if folder and os.getpid() != self._process:
            return self._turn_off("this process was forked")
        return folder and folder / _hash_text(_describe_program(key))


def _find_root():
    setting = os.environ.get(SETTING)
    if setting == "off":
        raise DiskCacheError(f"{SETTING}=off")
    if not os.environ.get("XLA_FLAGS", "-").startswith("-"):
        raise DiskCacheError("XLA_FLAGS refers to a file, whose content may change")
    if "TF_XLA_FLAGS" in os.environ:
        raise DiskCacheError("TF_XLA_FLAGS is set and must not be overwritten")
    if not Path("/proc/cpuinfo").exists():
        raise DiskCacheError("/proc/cpuinfo, which describes the processor, is missing")
    root = Path(setting or platformdirs.user_cache_path("sklearn-toydnn"))
    if not root.is_absolute():
        raise DiskCacheError(f"{root} is not an absolute path")
    return root


def _describe_environment():
    """Return everything that determines whether blueprints and code can be used."""
    first = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    processor = sorted(line for line in first if line.split(":")[0].strip() in _CPU)
    build = tf.version.GIT_VERSION, tf.version.COMPILER_VERSION
    return ENGINE_CODE, build, processor, os.environ.get("XLA_FLAGS")


def _name_temporary():
    """Return the path of a temporary folder, to be deleted when the process ends."""
    token = secrets.token_hex(8)
    folder = Path(tempfile.gettempdir(), _TEMPORARY.format(os.getpid(), token))
    Finalize(None, shutil.rmtree, (folder, True), exitpriority=0)
    if set(str(folder)) & set(" \t\n\"'"):
        raise DiskCacheError(
            f"TensorFlow does not support spaces or quotes in a path, got {folder}"
        )
    return folder


def _delete_abandoned_folders():
    """Delete temporary folders of killed processes, if they are older than a day."""
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
    """Raise `DiskCacheError` if a folder may contain files of another user."""
    try:
        status = folder.lstat()
    except FileNotFoundError:  # it is created with the first program
        return
    if not stat.S_ISDIR(status.st_mode):
        raise DiskCacheError(f"{folder} is a symbolic link or not a folder")
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise DiskCacheError(f"other users may write to {folder}")


def _set_flags(flags):
    """Make TensorFlow read flags, without passing them to child processes."""
    threads = tf.config.threading
    os.environ["TF_XLA_FLAGS"] = flags
    try:
        n_threads = threads.get_intra_op_parallelism_threads()  # reads the flags
        threads.set_intra_op_parallelism_threads(n_threads + 1)
        threads.set_intra_op_parallelism_threads(n_threads)
    except RuntimeError:  # TensorFlow is in use and does not read flags again
        raise DiskCacheError(
            "TensorFlow was used before the import of DNNClassifier"
        ) from None
    finally:
        del os.environ["TF_XLA_FLAGS"]


def _files(root):
    """Return all files except incomplete files of the last day."""
    return [
        path
        for path in root.glob("tensorflow-*/*")
        if not path.name.startswith(_PART) or _age(path) > _DAY
    ]


def _trim(root):
    """Delete the least recently used programs, until the rest is within the limit."""
    entries = []
    for path in _files(root):
        status = path.stat()
        entries.append((status.st_mtime_ns, status.st_size, path))
    excess = sum(size for _, size, _ in entries) - MAX_BYTES
    for _, size, path in sorted(entries):
        if excess <= 0:
            break
        path.unlink(missing_ok=True)
        excess -= size


# ---- files


def _describe_program(key):
    """Return the cache key of a program with its threads and devices, as text."""
    devices = [
        (device.device_type, tf.config.experimental.get_device_details(device))
        for device in tf.config.get_visible_devices()
    ]
    return repr((key, n_threads(), devices))


def _hash_text(text):
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _write(path, content):
    """Write a file atomically, since other processes may write it too."""
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
