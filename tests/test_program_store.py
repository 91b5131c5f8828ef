"""Programs kept on disk: found by other processes, trusted only where they may be."""

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
    """Run code in a process of its own; return what it prints, read as JSON."""
    environ = {"SKLEARN_TOYDNN_CACHE": str(folder), **environ}
    ran = subprocess.run(
        [sys.executable, "-c", HEAD + code],
        env=os.environ | environ,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def expected():
    """What the fit comes to where nothing is kept."""
    digest, misses, hits = run("print(json.dumps(fit()))", "off")
    assert (misses, hits) == (1, 0)
    return digest


@pytest.fixture(scope="module")
def kept(tmp_path_factory, expected):
    """A folder in which a process has kept the program."""
    folder = tmp_path_factory.mktemp("cache") / "programs"
    assert run("print(json.dumps(fit()))", folder) == [expected, 1, 0]
    return folder


def files(folder):
    return [path for path in folder.glob("tensorflow-*/*") if path.is_file()]


@pytest.mark.slow
def test_a_folder_that_cannot_be_made_is_told(expected):
    code = "print(json.dumps([fit()[0], cache_info().disk]))"
    digest, disk = run(code, "/proc/nothing/here")
    assert digest == expected and disk.startswith("off: ") and "/proc/nothing" in disk


def test_there_may_be_nothing_to_delete(tmp_path, monkeypatch):
    monkeypatch.setenv("SKLEARN_TOYDNN_CACHE", str(tmp_path / "none"))
    # TensorFlow takes the flag only before it computes, as it may have by now.
    monkeypatch.setattr(disk_cache, "_have_read", lambda flags: None)
    DiskCache().clear()
    assert not (tmp_path / "none").exists()


# ---- other processes


@pytest.mark.slow
def test_another_process_finds_it_whatever_it_has_done_before(kept, expected):
    code = """
import tensorflow as tf
for i in (1, 2):
    tf.function(lambda x: x + i, jit_compile=True)(tf.constant(i))
other, own = fit(activation="tanh"), fit(activation=lambda x: x / 2)
print(json.dumps([fit(), other[1:], "TF_XLA_FLAGS" in os.environ]))
"""
    temporary, before = os.listdir(tempfile.gettempdir()), set(files(kept))
    [digest, *counts], other, flags = run(code, kept)
    assert (digest, counts, other, flags) == (expected, [2, 1], [1, 0], False)
    # What else was compiled is not kept, and no folder of a process is left.
    assert len(set(files(kept)) - before) == 1
    left = set(os.listdir(tempfile.gettempdir())) - set(temporary)
    assert not [name for name in left if name.startswith("sklearn-toydnn")]


@pytest.mark.slow
def test_threads_and_worker_processes_find_it_too(kept, expected):
    code = """
from joblib import Parallel, delayed
found = {}
for backend in ("threading", "loky"):
    fits = Parallel(2, backend=backend)(delayed(fit)() for _ in range(4))
    found[backend] = [[digest, misses] for digest, misses, _ in fits]
print(json.dumps(found))
"""
    run(code, kept)  # joblib gives its processes one thread each: other programs
    for fits in run(code, kept).values():
        assert fits == [[expected, 0]] * 4


@pytest.mark.slow
def test_dask_workers_find_it_too(distributed, kept, expected):
    code = """
if __name__ == "__main__":
    from distributed import Client, LocalCluster
    with LocalCluster(n_workers=2, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            fits = client.gather(client.map(fit, [0, 0], pure=False))
    print(json.dumps([fit[:2] for fit in fits]))
"""
    run(code, kept)  # Dask gives its processes one thread each
    assert run(code, kept) == [[expected, 0]] * 2


@pytest.mark.slow
def test_many_processes_may_compile_and_keep_the_same(tmp_path, expected):
    environ = os.environ | {"SKLEARN_TOYDNN_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", HEAD + "print(json.dumps(fit()))"]
    running = [
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) for _ in range(4)
    ]
    for process in running:
        assert json.loads(process.communicate()[0])[0] == expected
    assert len(files(tmp_path / "cache")) == 1
    assert run("print(json.dumps(fit()))", tmp_path / "cache") == [expected, 0, 1]


# ---- files that are not as they should be


@pytest.mark.slow
def test_damaged_and_foreign_files_are_compiled_again(tmp_path, expected):
    code = """
from sklearn_toydnn._engine.compiled.disk_cache import store
fit(), fit(activation="tanh")
one, other = sorted(store.folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
whole = one.read_bytes()
middle = len(whole) // 2
flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
for_another = store._made_for
store._made_for = "another processor"
cache_clear(); one.unlink(); fit()
foreign = one.read_bytes()
store._made_for = for_another
bad = {
    "truncated": whole[:-1],
    "half written": whole[:middle],
    "empty": b"",
    "flipped": flipped,
    "of another program": other.read_bytes(),
    "made for another processor": foreign,
}
found = {}
for name, content in bad.items():
    one.write_bytes(content)
    cache_clear()
    found[name] = [*fit(), one.read_bytes() != content]
print(json.dumps(found))
"""
    for name, found in run(code, tmp_path / "cache").items():
        assert found == [expected, 1, 0, True], name


@pytest.mark.slow
def test_code_that_tensorflow_cannot_take_is_compiled_again(kept, expected):
    code = """
from sklearn_toydnn._engine.compiled.disk_cache import store
read = store.read
def damaged(key):
    blueprint, compiled = read(key)
    return blueprint, {name: code[:-100] for name, code in compiled.items()}
store.read = damaged
print(json.dumps(fit()))
"""
    assert run(code, kept) == [expected, 1, 0]


def test_what_has_not_been_used_for_longest_goes_first(tmp_path, monkeypatch):
    folder = tmp_path / "tensorflow-2"
    folder.mkdir()
    for i, name in enumerate("abcd"):
        (folder / name).write_bytes(bytes(100))
        os.utime(folder / name, (i, i))
    monkeypatch.setattr(disk_cache, "MAX_BYTES", 250)
    disk_cache._trim(tmp_path)
    assert sorted(path.name for path in files(tmp_path)) == ["c", "d"]


@pytest.mark.slow
def test_all_are_deleted_when_asked(tmp_path, expected):
    code = "print(json.dumps([fit(), cache_clear(disk=True), fit()]))"
    assert [f and f[1:] for f in run(code, tmp_path / "cache")] == [
        [1, 0],
        None,
        [1, 0],
    ]


@pytest.mark.slow
def test_an_import_makes_no_folder(tmp_path):
    code = """
from pathlib import Path
from sklearn_toydnn._engine.compiled.disk_cache import store
made = [Path(folder).exists() for folder in (store._root, store._own)]
fit()
made += [Path(folder).exists() for folder in (store._root, store._own)]
print(json.dumps(made))
"""
    assert run(code, tmp_path / "cache") == [False, False, True, True]


# ---- folders that cannot be used


def others_may_write(folder):
    folder.mkdir()
    folder.chmod(0o770)


def a_link(folder):
    folder.with_name("elsewhere").mkdir(mode=0o700)
    folder.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "make, reason",
    [
        (others_may_write, "others may write"),
        (a_link, "a symbolic link"),
        (Path.touch, "is no folder"),
    ],
)
def test_a_folder_that_cannot_be_trusted_is_not_used(
    make, reason, tmp_path, monkeypatch
):
    make(tmp_path / "cache")
    monkeypatch.setenv("SKLEARN_TOYDNN_CACHE", str(tmp_path / "cache"))
    assert DiskCache().description.startswith("off: ")
    assert reason in DiskCache().description


@pytest.mark.parametrize(
    "environ, reason",
    [
        ({"SKLEARN_TOYDNN_CACHE": "off"}, "SKLEARN_TOYDNN_CACHE=off"),
        ({"SKLEARN_TOYDNN_CACHE": "a/b"}, "a/b is not an absolute path"),
        ({"XLA_FLAGS": "flags.txt"}, "XLA_FLAGS names a file"),
        ({"TF_XLA_FLAGS": "--tf_xla_clustering_debug"}, "TF_XLA_FLAGS is set"),
        ({"SKLEARN_TOYDNN_CACHE": ""}, "~/sklearn-toydnn is not an absolute path"),
    ],
)
def test_the_reason_why_nothing_is_kept_is_told(environ, reason, tmp_path, monkeypatch):
    def without_home(name):
        return Path("~", name)

    monkeypatch.setattr(disk_cache.platformdirs, "user_cache_path", without_home)
    monkeypatch.setenv("SKLEARN_TOYDNN_CACHE", str(tmp_path))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert reason in DiskCache().description
    if "TF_XLA_FLAGS" in environ:
        assert os.environ["TF_XLA_FLAGS"] == environ["TF_XLA_FLAGS"]


def test_no_path_with_spaces_is_given_to_tensorflow(tmp_path, monkeypatch):
    (tmp_path / "a b").mkdir()
    monkeypatch.setenv("SKLEARN_TOYDNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "a b"))
    assert "no path with spaces" in DiskCache().description


@pytest.mark.slow
def test_a_folder_that_becomes_untrusted_is_given_up(tmp_path):
    code = """
from sklearn_toydnn._engine.compiled.disk_cache import store
fit(1, hidden_layer_sizes=(6,))
mode = oct(store.folder.stat().st_mode & 0o777)
store.folder.chmod(0o777)
print(json.dumps([mode, fit()[1:], cache_info().disk]))
"""
    mode, counts, disk = run(code, tmp_path / "cache")
    assert (mode, counts) == ("0o700", [2, 0]) and "others may write" in disk


@pytest.mark.slow
def test_a_disk_that_takes_nothing_is_no_reason_not_to_train(tmp_path, expected):
    code = """
import errno
from sklearn_toydnn._engine.compiled import disk
def full(path, content):
    raise OSError(errno.ENOSPC, "no space left")
disk._write = full
print(json.dumps([fit(), cache_info().disk]))
"""
    found, disk = run(code, tmp_path / "cache")
    assert found == [expected, 1, 0] and "no space left" in disk


@pytest.mark.slow
def test_threads_that_begin_at_once_compile_one_program(tmp_path, expected):
    code = """
from threading import Barrier, Thread
barrier, found = Barrier(4), []
def work():
    barrier.wait()
    found.append(fit()[0])
threads = [Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(json.dumps([found, cache_info().misses]))
"""
    assert run(code, tmp_path / "cache") == [[expected] * 4, 1]


def test_deleting_where_nothing_is_kept_is_an_error():
    with pytest.raises(ValueError, match="disk=True, but .*SKLEARN_TOYDNN_CACHE=off"):
        cache_clear(disk=True)


@pytest.mark.slow
def test_tensorflow_at_work_before_the_import_is_told(kept):
    code = """
import tensorflow as tf
tf.constant(1) + 1
exec(head)
print(json.dumps([*fit()[1:], cache_info().disk]))
"""
    code = f"head = {HEAD!r}\n{code}"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"SKLEARN_TOYDNN_CACHE": str(kept)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    *counts, disk = json.loads(ran.stdout)
    assert counts == [1, 0] and "before the import" in disk


# ---- file by file, with a stand-in for TensorFlow, which reads its flags but once


class Blueprint:
    """What is kept of a program, as far as the store looks at it."""

    name = "toydnn_abc"


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store whose TensorFlow has read no flags."""
    monkeypatch.setenv("SKLEARN_TOYDNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(disk_cache, "_have_read", lambda flags: None)
    store = DiskCache()
    assert store.description == str(store.folder) and not store.folder.exists()
    return store


def compile_with(store, name=Blueprint.name):
    """Write what TensorFlow would, and what it would of someone else's function."""
    store.prepare()
    (store._own / "ours.pb").write_bytes(b"code of " + name.encode())
    (store._own / "other.pb").write_bytes(b"code of __inference_f_1")


def test_what_is_written_is_read_and_put_back_for_a_moment(store):
    compile_with(store)
    blueprint = SimpleNamespace(name=Blueprint.name)
    store.write("a key", blueprint)
    assert [path.name for path in store._own.iterdir()] == ["other.pb"]
    read, compiled = store.read("a key")
    assert read == blueprint and store.read("another key") is None
    with store.put_back(compiled):
        assert (store._own / "ours.pb").read_bytes() == b"code of toydnn_abc"
    assert not (store._own / "ours.pb").exists()
    store.clear()
    assert store.read("a key") is None
    store.forget("a key")  # which is no error


@pytest.mark.parametrize("damage", [bytes.lower, lambda whole: whole[:-1], bytes.upper])
def test_a_damaged_file_is_not_read_but_deleted(store, damage):
    compile_with(store)
    store.write("a key", SimpleNamespace(name=Blueprint.name))
    [path] = store.folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert store.read("a key") is None and not path.exists()


def test_a_file_of_classes_that_are_gone_is_not_read(store, monkeypatch):
    compile_with(store)
    store.write("a key", Blueprint())
    monkeypatch.delattr(sys.modules[__name__], "Blueprint")
    assert store.read("a key") is None and store.folder


def test_where_tensorflow_writes_nothing_the_store_gives_up(store):
    store.write("a key", Blueprint())
    assert store.description == "off: TensorFlow has not written what it compiled"
    assert store.read("a key") is None and store.take("anything") == {}
    store.write("a key", Blueprint())
    store.forget("a key")
    with pytest.raises(ValueError, match="no programs are kept there"):
        store.clear()


def test_a_full_disk_and_a_folder_of_others_are_given_up(store, monkeypatch):
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
    assert store.read("a key") is None and "others may write" in store.description


def test_a_folder_that_is_cleared_meanwhile_is_no_reason_to_give_up(store, monkeypatch):
    def cleared(root):
        raise FileNotFoundError

    monkeypatch.setattr(disk_cache, "_trim", cleared)
    compile_with(store)
    store.write("a key", Blueprint())
    assert store.folder


def test_a_forked_process_keeps_nothing(store):
    store._process = 0
    assert store.read("a key") is None
    assert store.description == "off: this process was forked"


def test_what_killed_processes_left_is_deleted_after_a_day(store, monkeypatch):
    store._root.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(store._root))
    left = {name: store._root / f"sklearn-toydnn-{name}-x" for name in ("0", "00", "1")}
    for name, folder in left.items():
        folder.mkdir()
        age = 0 if name == "00" else 2 * 86400
        os.utime(folder, (time.time() - age,) * 2)
    DiskCache().prepare()
    assert [name for name, folder in left.items() if folder.exists()] == ["00", "1"]


def fit():
    X, y = make_triangle(200, random_state=0)
    clf = DNNClassifier((7,), epochs=2, random_state=0, jit_compile=True).fit(X / 30, y)
    return clf.coefs_[0].tobytes(), cache_info().misses, cache_info().disk_hits


def test_a_program_that_is_kept_is_read_not_compiled(store, monkeypatch):
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
    # What TensorFlow compiles again all the same is no hit, and is deleted.
    cache_clear()
    compiled = True
    with monkeypatch.context() as patch:
        patch.setattr(DiskCache, "put_back", lambda self, compiled: nullcontext())
        assert fit() == (first, 1, 0)
    assert not list(store.folder.iterdir())

    for error, is_left in [(OSError("full"), True), (RuntimeError("not code"), False)]:
        cache_clear()
        fit()
        [path] = store.folder.iterdir()
        cache_clear()

        def failing(self, compiled, error=error):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(DiskCache, "put_back", failing)
            patch.setattr(store, "write", lambda *kept: None)
            assert fit() == (first, 1, 0)
        assert path.exists() == is_left
    cache_clear()
