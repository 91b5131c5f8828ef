"""The disk cache of programs: shared by processes, and checked before it is used."""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from sklearn_toydnn import (
    DNNClassifier,
    cache_clear,
    cache_info,
    make_triangle,
)
from sklearn_toydnn._engine.compiled import disk_cache, program_cache
from sklearn_toydnn._engine.compiled.disk_cache import DiskCache
from sklearn_toydnn._engine.compiled.program import Program

HEAD = """
import json, os, sys
from hashlib import blake2b
import sklearn_toydnn
from sklearn_toydnn import DNNClassifier, cache_clear, cache_info, make_triangle
X, y = make_triangle(200, random_state=0)
def fit(i=0, **params):
    settings = dict(epochs=3, random_state=i, jit_compile=True, hidden_layer_sizes=(5,))
    clf = DNNClassifier(**settings | params).fit(X / 30, y)
    arrays = [*clf.coefs_, *clf.intercepts_, *clf._optimizer_state]
    info = cache_info()
    digest = blake2b(b"".join(a.tobytes() for a in arrays)).hexdigest()
    return digest, info.misses, info.disk_hits
"""


def run(code, folder, **environ):
    """Run code in a new process; return its output, parsed as JSON."""
    environ = {"SKLEARN_TOYDNN_CACHE": str(folder), **environ}
    process = subprocess.run(
        [sys.executable, "-c", HEAD + code],
        env=os.environ | environ,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


@pytest.fixture(scope="module")
def expected():
    """The digest of the fit without a disk cache."""
    digest, misses, hits = run("print(json.dumps(fit()))", "off")
    assert (misses, hits) == (1, 0)
    return digest


@pytest.fixture(scope="module")
def cached(tmp_path_factory, expected):
    """A folder in which another process has cached the program."""
    folder = tmp_path_factory.mktemp("cache") / "programs"
    assert run("print(json.dumps(fit()))", folder) == [expected, 1, 0]
    return folder


def files(folder):
    return [path for path in folder.glob("tensorflow-*/*") if path.is_file()]


@pytest.mark.slow
def test_a_folder_that_cannot_be_created_is_reported(expected):
    code = "print(json.dumps([fit()[0], cache_info().disk]))"
    digest, disk = run(code, "/proc/nothing/here")
    assert digest == expected and disk.startswith("off: ") and "/proc/nothing" in disk


def test_clear_without_a_folder_does_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("SKLEARN_TOYDNN_CACHE", str(tmp_path / "none"))
    # Other tests may have used TensorFlow, which then does not read the flag.
    monkeypatch.setattr(disk_cache, "_set_flags", lambda flags: None)
    DiskCache().clear()
    assert not (tmp_path / "none").exists()


# ---- other processes


@pytest.mark.slow
def test_another_process_reads_the_program_after_compiling_others(cached, expected):
    code = """
import tensorflow as tf
for i in (1, 2):
    tf.function(lambda x: x + i, jit_compile=True)(tf.constant(i))
other, _ = fit(activation="tanh"), fit(activation=lambda x: x / 2)
print(json.dumps([fit(), other[1:], "TF_XLA_FLAGS" in os.environ]))
"""
    temporary, before = os.listdir(tempfile.gettempdir()), set(files(cached))
    [digest, *counts], other, flags = run(code, cached)
    assert (digest, counts, other, flags) == (expected, [2, 1], [1, 0], False)
    # The other compiled functions are not cached, and no temporary folder remains.
    assert len(set(files(cached)) - before) == 1
    new = set(os.listdir(tempfile.gettempdir())) - set(temporary)
    assert not [name for name in new if name.startswith("sklearn-toydnn")]


@pytest.mark.slow
def test_threads_and_worker_processes_read_the_program(cached, expected):
    code = """
from joblib import Parallel, delayed
results = {}
for backend in ("threading", "loky"):
    fits = Parallel(2, backend=backend)(delayed(fit)() for _ in range(4))
    results[backend] = [[digest, misses] for digest, misses, _ in fits]
print(json.dumps(results))
"""
    run(code, cached)  # joblib's processes have one thread each and need other programs
    for fits in run(code, cached).values():
        assert fits == [[expected, 0]] * 4


@pytest.mark.slow
def test_dask_workers_read_the_program(distributed, cached, expected):
    code = """
if __name__ == "__main__":
    from distributed import Client, LocalCluster
    with LocalCluster(n_workers=2, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            fits = client.gather(client.map(fit, [0, 0], pure=False))
    print(json.dumps([fit[:2] for fit in fits]))
"""
    run(code, cached)  # Dask's processes have one thread each and need other programs
    assert run(code, cached) == [[expected, 0]] * 2


@pytest.mark.slow
def test_many_processes_can_compile_and_cache_the_same_program(tmp_path, expected):
    environ = os.environ | {"SKLEARN_TOYDNN_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", HEAD + "print(json.dumps(fit()))"]
    running = [
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) for _ in range(4)
    ]
    for process in running:
        assert json.loads(process.communicate()[0])[0] == expected
    assert len(files(tmp_path / "cache")) == 1
    assert run("print(json.dumps(fit()))", tmp_path / "cache") == [expected, 0, 1]


# ---- unusable files


@pytest.mark.slow
def test_programs_in_damaged_and_foreign_files_are_compiled_again(tmp_path, expected):
    code = """
from sklearn_toydnn._engine.compiled.disk_cache import store
fit(), fit(activation="tanh")
one, other = sorted(store.folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
whole = one.read_bytes()
middle = len(whole) // 2
flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
environment = store._environment
store._environment = "another processor"
cache_clear(); one.unlink(); fit()
foreign = one.read_bytes()
store._environment = environment
bad = {
    "truncated": whole[:-1],
    "half written": whole[:middle],
    "empty": b"",
    "flipped": flipped,
    "of another program": other.read_bytes(),
    "for another processor": foreign,
}
results = {}
for name, content in bad.items():
    one.write_bytes(content)
    cache_clear()
    results[name] = [*fit(), one.read_bytes() != content]
print(json.dumps(results))
"""
    for name, result in run(code, tmp_path / "cache").items():
        assert result == [expected, 1, 0, True], name


@pytest.mark.slow
def test_code_that_tensorflow_cannot_load_is_compiled_again(cached, expected):
    code = """
from sklearn_toydnn._engine.compiled.disk_cache import store
read = store.read
def damaged(key):
    blueprint, compiled = read(key)
    return blueprint, {name: code[:-100] for name, code in compiled.items()}
store.read = damaged
print(json.dumps(fit()))
"""
    assert run(code, cached) == [expected, 1, 0]


def test_the_least_recently_used_programs_are_deleted_first(tmp_path, monkeypatch):
    folder = tmp_path / "tensorflow-2"
    folder.mkdir()
    for i, name in enumerate("abcd"):
        (folder / name).write_bytes(bytes(100))
        os.utime(folder / name, (i, i))
    monkeypatch.setattr(disk_cache, "MAX_BYTES", 250)
    disk_cache._trim(tmp_path)
    assert sorted(path.name for path in files(tmp_path)) == ["c", "d"]


@pytest.mark.slow
def test_cache_clear_deletes_all_programs(tmp_path, expected):
    code = "print(json.dumps([fit(), cache_clear(disk=True), fit()]))"
    assert [f and f[1:] for f in run(code, tmp_path / "cache")] == [
        [1, 0],
        None,
        [1, 0],
    ]


@pytest.mark.slow
def test_an_import_creates_no_folder(tmp_path):
    code = """
from pathlib import Path
from sklearn_toydnn._engine.compiled.disk_cache import store
exist = [Path(folder).exists() for folder in (store._root, store._temporary)]
fit()
exist += [Path(folder).exists() for folder in (store._root, store._temporary)]
print(json.dumps(exist))
"""
    assert run(code, tmp_path / "cache") == [False, False, True, True]


# ---- unusable folders


def make_writable_for_others(folder):
    folder.mkdir()
    folder.chmod(0o770)


def make_link(folder):
    folder.with_name("elsewhere").mkdir(mode=0o700)
    folder.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "make, reason",
    [
        (make_writable_for_others, "other users may write"),
        (make_link, "is a symbolic link or not a folder"),
        (Path.touch, "is a symbolic link or not a folder"),
    ],
)
def test_an_untrusted_folder_is_not_used(make, reason, tmp_path, monkeypatch):
    make(tmp_path / "cache")
    monkeypatch.setenv("SKLEARN_TOYDNN_CACHE", str(tmp_path / "cache"))
    assert DiskCache().description.startswith("off: ")
    assert reason in DiskCache().description


@pytest.mark.parametrize(
    "environ, reason",
    [
        ({"SKLEARN_TOYDNN_CACHE": "off"}, "SKLEARN_TOYDNN_CACHE=off"),
        ({"SKLEARN_TOYDNN_CACHE": "a/b"}, "a/b is not an absolute path"),
        ({"XLA_FLAGS": "flags.txt"}, "XLA_FLAGS refers to a file"),
        ({"TF_XLA_FLAGS": "--tf_xla_clustering_debug"}, "TF_XLA_FLAGS is set"),
        ({"SKLEARN_TOYDNN_CACHE": ""}, "~/sklearn-toydnn is not an absolute path"),
    ],
)
def test_the_description_has_the_reason(environ, reason, tmp_path, monkeypatch):
    def without_home(name):
        return Path("~", name)

    monkeypatch.setattr(disk_cache.platformdirs, "user_cache_path", without_home)
    monkeypatch.setenv("SKLEARN_TOYDNN_CACHE", str(tmp_path))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert reason in DiskCache().description
    if "TF_XLA_FLAGS" in environ:
        assert os.environ["TF_XLA_FLAGS"] == environ["TF_XLA_FLAGS"]


def test_a_path_with_spaces_is_not_used(tmp_path, monkeypatch):
    (tmp_path / "a b").mkdir()
    monkeypatch.setenv("SKLEARN_TOYDNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "a b"))
    assert "does not support spaces" in DiskCache().description


@pytest.mark.slow
def test_a_folder_that_becomes_untrusted_turns_the_cache_off(tmp_path):
    code = """
from sklearn_toydnn._engine.compiled.disk_cache import store
fit(1, hidden_layer_sizes=(6,))
mode = oct(store.folder.stat().st_mode & 0o777)
store.folder.chmod(0o777)
print(json.dumps([mode, fit()[1:], cache_info().disk]))
"""
    mode, counts, disk = run(code, tmp_path / "cache")
    assert (mode, counts) == ("0o700", [2, 0]) and "other users may write" in disk


@pytest.mark.slow
def test_training_works_with_a_full_disk(tmp_path, expected):
    code = """
import errno
from sklearn_toydnn._engine.compiled import disk_cache
def full(path, content):
    raise OSError(errno.ENOSPC, "no space left")
disk_cache._write = full
print(json.dumps([fit(), cache_info().disk]))
"""
    result, disk = run(code, tmp_path / "cache")
    assert result == [expected, 1, 0] and "no space left" in disk


@pytest.mark.slow
def test_threads_that_start_together_compile_one_program(tmp_path, expected):
    code = """
from threading import Barrier, Thread
barrier, digests = Barrier(4), []
def work():
    barrier.wait()
    digests.append(fit()[0])
threads = [Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(json.dumps([digests, cache_info().misses]))
"""
    assert run(code, tmp_path / "cache") == [[expected] * 4, 1]


def test_cache_clear_is_an_error_if_the_disk_cache_is_off():
    with pytest.raises(ValueError, match="disk=True, but .*SKLEARN_TOYDNN_CACHE=off"):
        cache_clear(disk=True)


@pytest.mark.slow
def test_use_of_tensorflow_before_the_import_is_reported(cached):
    code = """
import tensorflow as tf
tf.constant(1) + 1
exec(head)
print(json.dumps([*fit()[1:], cache_info().disk]))
"""
    code = f"head = {HEAD!r}\n{code}"
    process = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"SKLEARN_TOYDNN_CACHE": str(cached)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    *counts, disk = json.loads(process.stdout)
    assert counts == [1, 0] and "before the import" in disk


# ---- single files, without TensorFlow, which reads its flags only once


class Blueprint:
    """A blueprint with only the attribute that the cache uses."""

    name = "toydnn_abc"


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A disk cache, without setting the flags of TensorFlow."""
    monkeypatch.setenv("SKLEARN_TOYDNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(disk_cache, "_set_flags", lambda flags: None)
    store = DiskCache()
    assert store.description == str(store.folder) and not store.folder.exists()
    return store


def compile_with(store, name=Blueprint.name):
    """Write files like TensorFlow, for a program and for another function."""
    store.prepare()
    (store._temporary / "ours.pb").write_bytes(b"code of " + name.encode())
    (store._temporary / "other.pb").write_bytes(b"code of __inference_f_1")


def test_programs_are_written_read_and_restored_for_a_moment(store):
    compile_with(store)
    blueprint = SimpleNamespace(name=Blueprint.name)
    store.write("a key", blueprint)
    assert [path.name for path in store._temporary.iterdir()] == ["other.pb"]
    read, compiled = store.read("a key")
    assert read == blueprint and store.read("another key") is None
    with store.restored(compiled):
        assert (store._temporary / "ours.pb").read_bytes() == b"code of toydnn_abc"
    assert not (store._temporary / "ours.pb").exists()
    store.clear()
    assert store.read("a key") is None
    store.delete("a key")  # not an error


@pytest.mark.parametrize("damage", [bytes.lower, lambda whole: whole[:-1], bytes.upper])
def test_a_damaged_file_is_deleted(store, damage):
    compile_with(store)
    store.write("a key", SimpleNamespace(name=Blueprint.name))
    [path] = store.folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert store.read("a key") is None and not path.exists()


def test_a_file_of_a_missing_class_is_not_read(store, monkeypatch):
    compile_with(store)
    store.write("a key", Blueprint())
    monkeypatch.delattr(sys.modules[__name__], "Blueprint")
    assert store.read("a key") is None and store.folder


def test_the_cache_is_turned_off_if_tensorflow_writes_nothing(store):
    store.write("a key", Blueprint())
    assert store.description == "off: TensorFlow did not write the compiled code"
    assert store.read("a key") is None and store.collect("anything") == {}
    store.write("a key", Blueprint())
    store.delete("a key")
    with pytest.raises(ValueError, match="the disk cache is off"):
        store.clear()


def test_a_full_disk_or_an_untrusted_folder_turns_the_cache_off(store, monkeypatch):
    compile_with(store)

    def full(*names):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        store.write("a key", Blueprint())
    assert "no space left" in store.description
    store.folder = store._root / "elsewhere"
    store.folder.mkdir()
    store.folder.chmod(0o777)
    assert store.read("a key") is None and "other users may write" in store.description


def test_the_cache_stays_on_if_its_folder_is_cleared(store, monkeypatch):
    def cleared(root):
        raise FileNotFoundError

    monkeypatch.setattr(disk_cache, "_trim", cleared)
    compile_with(store)
    store.write("a key", Blueprint())
    assert store.folder


def test_a_forked_process_does_not_use_the_cache(store):
    store._process = 0
    assert store.read("a key") is None
    assert store.description == "off: this process was forked"


def test_folders_of_killed_processes_are_deleted_after_a_day(store, monkeypatch):
    store._root.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(store._root))
    folders = {
        name: store._root / f"sklearn-toydnn-{name}-x" for name in ("0", "00", "1")
    }
    for name, folder in folders.items():
        folder.mkdir()
        age = 0 if name == "00" else 2 * 86400
        os.utime(folder, (time.time() - age,) * 2)
    DiskCache().prepare()
    assert [name for name, folder in folders.items() if folder.exists()] == ["00", "1"]


def fit():
    X, y = make_triangle(200, random_state=0)
    clf = DNNClassifier((7,), epochs=2, random_state=0, jit_compile=True).fit(X / 30, y)
    return clf.coefs_[0].tobytes(), cache_info().misses, cache_info().disk_hits


def test_a_cached_program_is_read_instead_of_compiled(store, monkeypatch):
    monkeypatch.setattr(program_cache, "store", store)
    warm_up = Program.warm_up

    def compiling(program):
        warm_up(program)
        if compiled:
            compile_with(store, program.blueprint.name)

    monkeypatch.setattr(Program, "warm_up", compiling)
    cache_clear()
    compiled = True
    first, *counts = fit()
    assert counts == [1, 0] and cache_info().disk == str(store.folder)
    cache_clear()
    compiled = False
    assert fit() == (first, 0, 1)
    # If TensorFlow compiles again, it is not a hit, and the file is deleted.
    cache_clear()
    compiled = True
    with monkeypatch.context() as patch:
        patch.setattr(DiskCache, "restored", lambda self, compiled: nullcontext())
        assert fit() == (first, 1, 0)
    assert not list(store.folder.iterdir())

    for error, remains in [(OSError("full"), True), (RuntimeError("not code"), False)]:
        cache_clear()
        fit()
        [path] = store.folder.iterdir()
        cache_clear()

        def failing(self, compiled, error=error):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(DiskCache, "restored", failing)
            patch.setattr(store, "write", lambda *args: None)
            assert fit() == (first, 1, 0)
        assert path.exists() == remains
    cache_clear()
