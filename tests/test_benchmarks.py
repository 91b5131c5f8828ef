"""Run each study with tiny settings; test the runner and the command line."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from html.parser import HTMLParser
from importlib import import_module
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from joblib.externals.loky import reusable_executor
from matplotlib import image
from sklearn import config_context

pytest.importorskip("jinja2", reason="the extra benchmarks is not installed")

from benchmarks import _code_hash, _runner
from benchmarks.__main__ import main
from benchmarks._code_hash import SOURCES, hash_code_of
from benchmarks._runner import run
from benchmarks._signals import INTERRUPTED
from benchmarks.browser import MISSING
from benchmarks.measurements import (
    MEASUREMENTS,
    calibration,
    playground,
    scaling,
    soak,
    speed,
)
from benchmarks.paper import (
    STUDIES,
    figure3_sample_size,
    noise_regularization,
    published,
    readings_screening,
    report,
    table1_augmentation,
    table2_grid_search,
)
from benchmarks.paper.summaries import interval, prediction_interval, with_places
from sklearn_toydnn._engine import fit_cache

READINGS = {
    name: {**reading, "epochs": 6} for name, reading in published.READINGS.items()
}
PLAIN = {"plain": READINGS["plain"]}
TINY = {
    "readings_screening": {
        "grid": {
            "hidden_layer_sizes": [(20, 20), (2, 20, 20)],
            "optimizer": ["adam"],
            "batch_size": [32],
            "dropout_rate": [0.2],
            "scaling": ["standard"],
        },
        "seeds": 3,
        "epochs": 10,
    },
    "readings": {"seeds": 3, "epochs": 10},
    "figure1_datasets": {"seeds": 2, "n_samples": 50},
    "figure2_loss_curves": {"seeds": 2, "readings": READINGS, "n_samples": 50},
    "figure3_sample_size": {"seeds": 2, "readings": READINGS, "sizes": [50, 75, 100]},
    "table1_augmentation": {"seeds": 2, "readings": READINGS, "sizes": [50, 75]},
    "table2_authors": {
        "seeds": 2,
        "grid": {
            "output_activation": ["sigmoid"],
            "activation": ["relu"],
            "dropout_rate": [0.3, 0.4],
            "units": [5],
            "optimizer": ["SGD"],
        },
    },
    "table2_grid_search": {
        "seeds": 2,
        "n_samples": 50,
        "epochs": 5,
        "folds": 2,
        "initializer": ["zeros", "glorot_uniform"],
        "optimizer": ["SGD"],
        "activation": ["sigmoid"],
        "output_activation": ["sigmoid"],
        "units": [5],
        "dropout_rate": [0.1, 0.3],
    },
    "table2_leaders": {"seeds": 3, "n_samples": 50, "epochs": 5},
    "noise_regularization": {
        "seeds": 2,
        "readings": PLAIN,
        "stds": [0.0, 1.0, 2.0],
        "n_samples": 50,
    },
    "table3_initializers": {"seeds": 2, "readings": READINGS, "n_samples": 50},
    "shared_optimizer": {"seeds": 2, "epochs": 1},
    "fluctuations": {"seeds": 2, "readings": READINGS, "n_samples": 50},
}
# Number of rows with the tiny settings, and the columns that identify a row.
READING_COLUMNS = [*readings_screening.SETTING, "epoch"]
ROWS = {
    "readings_screening": (
        2 * 3 * (6 + 12),
        [*READING_COLUMNS, "table", "n_samples", "cell", "seed"],
    ),
    "figure1_datasets": (2 * 3 * 50, ["function", "seed", "x0", "x1"]),
    "figure2_loss_curves": (2 * 2 * 2 * 6, ["reading", "seed", "points", "epoch"]),
    "figure3_sample_size": (
        2 * 2 * 3 * 3 * (2 + 1),
        ["reading", "equal", "seed", "function", "n_samples", "epoch"],
    ),
    "table1_augmentation": (
        2 * 2 * 2 * 9 * 2,
        ["reading", "seed", "n_samples", "fraction", "std", "epoch"],
    ),
    "table2_authors": (2 * 3 * 2, ["seed", "function", "dropout_rate"]),
    "table2_grid_search": (
        2 * 3 * 2 * 2,
        ["seed", "function", "initializer", "dropout_rate"],
    ),
    "table2_leaders": (
        3 * 3 * (2 * 2 + 1),
        ["seed", "function", "initializer", "dropout_rate", "optimizer"],
    ),
    "table3_initializers": (
        2 * 2 * (7 + 2 + 2 + 2) * 2,
        ["reading", "seed", "function", "activation", "initializer", "epoch"],
    ),
    "shared_optimizer": (2 * 2, ["seed", "counter"]),
    "fluctuations": (
        2 * 2 * 4 * 2,
        ["reading", "seed", "activation", "initializer", "epoch"],
    ),
    "noise_regularization": (2 * 2 * 3 * 2, ["seed", "noise", "std", "epoch"]),
}
SCORED = ["min_val_loss", "max_val_accuracy", "val_accuracy"]
MEASURED = {
    "readings_screening": ["min_val_loss", "max_val_accuracy"],
    "figure1_datasets": ["label"],
    "figure2_loss_curves": ["loss", "accuracy"],
    "figure3_sample_size": SCORED,
    "table1_augmentation": SCORED,
    "table2_authors": ["accuracy"],
    "table2_grid_search": ["accuracy", "accuracy_5", "majority"],
    "table2_leaders": ["val_accuracy", "test_accuracy", "majority"],
    "noise_regularization": [*noise_regularization.MEASURES],
    "table3_initializers": [*SCORED, "majority"],
    "shared_optimizer": ["min_val_loss", "max_val_accuracy"],
    "fluctuations": [*SCORED, "majority"],
}


def change(monkeypatch, module, **changes):
    """Replace attributes of a study, such as the settings of its quick run."""
    monkeypatch.setattr(module, "STUDY", replace(module.STUDY, **changes))


@pytest.fixture
def tiny(monkeypatch):
    """Use tiny settings in the quick run of every study."""
    for name, settings in TINY.items():
        change(monkeypatch, import_module(f"benchmarks.paper.{name}"), quick=settings)


@pytest.fixture
def no_figures(monkeypatch):
    """Skip figures and tables, which take longer than the tested code."""

    def write(study, frame, quick, output):
        frame.to_csv(output / f"{study.name}.csv", index=False)

    monkeypatch.setattr(_runner, "_write", write)


def run_one(name, output, n_jobs=1, **options):
    return run([name], quick=True, output=output, n_jobs=n_jobs, **options)[name].frame


@pytest.mark.fast("figure1*")
@pytest.mark.parametrize("name", ROWS)
def test_each_study_writes_its_csv_and_figure(name, tiny, tmp_path, capsys):
    frame = run_one(name, tmp_path)
    pd.testing.assert_frame_equal(frame, pd.read_csv(tmp_path / f"{name}.csv"))
    n_rows, key = ROWS[name]
    assert len(frame) == n_rows and not frame.duplicated(key).any()
    assert (frame["run"] == "quick").all()
    assert np.isfinite(frame[MEASURED[name]]).all(axis=None)
    assert image.imread(tmp_path / f"{name}.png").std() > 0.05
    printed = capsys.readouterr().out
    assert "quick run, only a check" in printed
    assert f"seeds {TINY[name]['seeds']}" in printed
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_published_values_are_in_the_frames(tiny, tmp_path):
    for name, key in [
        ("table1_augmentation", ["fraction", "std"]),
        ("table3_initializers", ["initializer"]),
    ]:
        frame = run_one(name, tmp_path)
        table = {"table1_augmentation": published.TABLE1}.get(name, published.TABLE3)
        in_frame = frame.dropna(subset="published_loss")[table.columns]
        pd.testing.assert_frame_equal(
            in_frame.drop_duplicates().sort_values(key, ignore_index=True),
            table.sort_values(key, ignore_index=True),
        )
    frame = run_one("table2_grid_search", tmp_path)
    rows = frame.dropna(subset="published_accuracy")
    assert set(rows["initializer"]) == {"zeros"}
    assert rows["published_accuracy"].unique().tolist() == [0.5231, 0.5775]


@pytest.mark.slow
def test_results_depend_on_seeds_but_not_on_workers(tiny, tmp_path):
    frame = run_one("table3_initializers", tmp_path)
    again = run_one("table3_initializers", tmp_path, n_jobs=2, fresh=True)
    pd.testing.assert_frame_equal(frame, again)
    random = frame[frame["initializer"] != "zeros"]
    by = ["reading", "epoch", "function", "activation", "initializer", "seed"]
    by_seed = random.set_index(by)["min_val_loss"].unstack()
    assert (by_seed[0] != by_seed[1]).all()


# ---- the cache


@pytest.mark.slow
def test_cached_tasks_are_not_run_again(tiny, tmp_path, monkeypatch):
    frame = run_one("table1_augmentation", tmp_path)

    def train(*args):
        raise AssertionError("trained")

    with monkeypatch.context() as patch:
        patch.setattr(fit_cache, "train", train)
        pd.testing.assert_frame_equal(frame, run_one("table1_augmentation", tmp_path))
        # Fits stay in the cache even if the code of the study changes.
        patch.setattr(_runner, "hash_code_of", lambda module: "another")
        pd.testing.assert_frame_equal(frame, run_one("table1_augmentation", tmp_path))
        with pytest.raises(ValueError, match="failed in repetition 0: trained"):
            run_one("table1_augmentation", tmp_path, fresh=True)
    changed = TINY["table1_augmentation"] | {"sizes": [60]}
    change(monkeypatch, table1_augmentation, quick=changed)
    assert (run_one("table1_augmentation", tmp_path)["min_val_loss"] > 0).all()


@pytest.mark.slow
def test_seconds_include_earlier_runs(short_study, no_figures, tmp_path, monkeypatch):
    def seconds(elapsed, **options):
        clock = iter([0.0, elapsed])
        monkeypatch.setattr(_runner, "time", SimpleNamespace(**vars(time)))
        monkeypatch.setattr(_runner.time, "perf_counter", lambda: next(clock))
        names = ["table1_augmentation"]
        done = run(names, quick=True, output=tmp_path, n_jobs=1, **options)
        return done[names[0]].seconds

    assert seconds(8.0) == 8.0
    assert seconds(1.0) == 9.0
    path = tmp_path / "memory" / _runner.SECONDS
    path.write_text("{")  # truncated, as after a full disk
    assert seconds(2.0) == 2.0
    assert json.loads(path.read_text())["table1_augmentation, quick"] == 2.0
    assert seconds(7.0, fresh=True) == 7.0


SCRIPT = """
import sys
from pathlib import Path
from types import SimpleNamespace
from dataclasses import replace
from benchmarks._runner import run
from benchmarks.paper import published, table1_augmentation
network = {**published.READINGS["plain"], "epochs": 2}
quick = {"seeds": 6, "readings": {"plain": network}, "sizes": [50]}
table1_augmentation.STUDY = replace(table1_augmentation.STUDY, quick=quick)
if __name__ == "__main__":
    run(["table1_augmentation"], quick=True, output=Path(sys.argv[1]), n_jobs=2)
"""


@pytest.mark.slow
def test_a_killed_run_continues_and_writes_the_same_csv(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}

    def start(output):
        output.mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, script, output],
            env=environment,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # so that its workers are killed with it
        )

    assert start(tmp_path / "never").wait() == 0
    killed = tmp_path / "killed"
    n_cached = []  # after each kill
    while len(n_cached) < 2:
        process = start(killed)
        before = len(list(killed.rglob("output.pkl")))
        while process.poll() is None and (
            len(list(killed.rglob("output.pkl"))) < before + 5
        ):
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        n_cached.append(len(list(killed.rglob("output.pkl"))))
        assert not (killed / "table1_augmentation.csv").exists()
    assert n_cached[1] > n_cached[0] > 0
    assert start(killed).wait() == 0
    one, other = (
        (tmp_path / run / "table1_augmentation.csv").read_bytes()
        for run in ("never", "killed")
    )
    assert one == other


@contextmanager
def killing(pids, folder, n_tasks):
    """Kill the first process of `pids()` after `n_tasks` results are cached."""

    def kill():
        while len(list(folder.rglob("output.pkl"))) < n_tasks:
            time.sleep(0.01)
        os.kill(pids()[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    yield
    thread.join()


@pytest.fixture
def short_study(monkeypatch):
    change(
        monkeypatch,
        table1_augmentation,
        quick={"seeds": 6, "readings": PLAIN, "sizes": [50]},
    )


@pytest.mark.slow
def test_a_run_survives_the_death_of_a_worker(short_study, tmp_path, capsys):
    def workers():
        return [*reusable_executor._executor._processes]

    (tmp_path / "lost").mkdir()
    frame = run_one("table1_augmentation", tmp_path)
    with killing(workers, tmp_path / "lost", 8):
        again = run_one("table1_augmentation", tmp_path / "lost", n_jobs=2)
    pd.testing.assert_frame_equal(frame, again)
    assert "A worker process died (TerminatedWorkerError)" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_survives_the_death_of_a_dask_worker(distributed, short_study, tmp_path):
    (tmp_path / "lost").mkdir()
    frame = run_one("table1_augmentation", tmp_path)
    one_thread_each = {"n_workers": 2, "threads_per_worker": 1}
    with (
        distributed.LocalCluster(**one_thread_each, dashboard_address=None) as dask,
        distributed.Client(dask) as client,
    ):
        pids = list(client.run(os.getpid).values())
        with killing(lambda: pids, tmp_path / "lost", 8):
            again = run_one(
                "table1_augmentation", tmp_path / "lost", dask=dask.scheduler_address
            )
        assert len(pids) == 2
        assert set(pids) != set(client.run(os.getpid).values())
    pd.testing.assert_frame_equal(frame, again)


OTHER_NETWORKS = {"figure1_datasets", "shared_optimizer", "table2_authors"}
DEPENDENCIES = {
    "readings": "readings_screening",
    "table2_leaders": "table2_grid_search",
}


@pytest.mark.parametrize("name", sorted({*TINY} - OTHER_NETWORKS))
def test_the_hash_depends_on_the_code_that_measures(name, monkeypatch):
    study = f"benchmarks.paper.{name}"
    before = hash_code_of(study)
    modules = {  # those that change the hash
        module.removeprefix("benchmarks.paper.")
        for module, source in SOURCES.items()
        if hash_code_of(study, SOURCES | {module: source + "\n"}) != before
    }
    assert modules >= {name, "networks", "published", "benchmarks._study"}
    dependencies = {DEPENDENCIES[name]} if name in DEPENDENCIES else set()
    assert modules & {*STUDIES} == {name} | dependencies
    assert not modules & {"judging", "paired_effects", "report", "claim_pictures"}
    assert not [n for n in modules if "claims_by_section." in n or "measure" in n]
    unused = {"benchmarks._runner", "benchmarks._png", "benchmarks.__main__"}
    assert not modules & unused
    monkeypatch.setattr(_code_hash, "DEPENDENCIES", ["another version of the package"])
    assert hash_code_of(study) != before


def test_workers_with_other_code_raise_an_error():
    with pytest.raises(RuntimeError, match="other code or other package versions"):
        _runner._measure("benchmarks.paper.table1_augmentation", {}, "", "another")


def test_fresh_deletes_only_cached_tasks(short_study, no_figures, tmp_path):
    run_one("table1_augmentation", tmp_path)
    (tmp_path / "memory" / "mine.txt").write_text("mine")
    run_one("figure1_datasets", tmp_path, fresh=True)
    assert not list(tmp_path.rglob("output.pkl"))
    assert (tmp_path / "memory" / "mine.txt").exists()


def test_an_interrupt_says_how_to_continue(tiny, tmp_path, monkeypatch, capsys):
    def measure(**_):
        raise KeyboardInterrupt

    change(monkeypatch, table1_augmentation, measure=measure)
    with pytest.raises(SystemExit) as end:
        main(["table1_augmentation", "--quick", "--n-jobs=1", f"--output={tmp_path}"])
    assert end.value.code == 130
    said = "Run the same command again, without --fresh, to continue."
    assert said in capsys.readouterr().err


@contextmanager
def running(output):
    """Run a study that takes minutes in a new process group."""
    # Background jobs of a shell ignore Ctrl-C, and their child processes inherit this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    study = ["figure3_sample_size", "--quick", "--n-jobs=2", "--output", output]
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks", *study],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _workers_of(process):
    """Wait until the workers of a run compute; return their process IDs."""
    for _ in range(6000):
        children = Path(f"/proc/{process.pid}/task").glob("*/children")
        pids = [pid for path in children for pid in path.read_text().split()]
        workers = [pid for pid in pids if "LokyProcess" in _read(pid, "cmdline")]
        # After 6 seconds of CPU time, a worker has finished its imports.
        if len(workers) == 2 and all(_seconds(pid) > 6 for pid in workers):
            return workers
        time.sleep(0.1)
    raise AssertionError("the workers do not compute")


def _wait_for_handlers(process):
    """Wait until a run handles SIGTERM; Python does not while it starts."""
    if sys.platform != "linux":
        return
    caught = 0
    while process.poll() is None and not caught & 1 << (signal.SIGTERM - 1):
        time.sleep(0.01)
        match = re.search(r"SigCgt:\s*(\w+)", _read(str(process.pid), "status"))
        caught = int(match[1], 16) if match else 0


def _read(pid, name):
    try:
        return Path("/proc", pid, name).read_text()
    except OSError:
        return ""


def _seconds(pid):
    user, system = _read(pid, "stat").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _wait_for_end(pids):
    def is_running(pid):  # and is not a zombie
        return _read(pid, "stat").rpartition(")")[2].split()[:1] not in ([], ["Z"])

    for _ in range(6000):
        if not any(map(is_running, pids)):
            return
        time.sleep(0.1)
    raise AssertionError("the workers are still running")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for the workers in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_exit_with_their_run(number, tmp_path):
    with running(tmp_path) as process:
        workers = _workers_of(process)
        for pid in workers:  # they ignore Ctrl-C of the terminal
            blocked = re.search(r"SigBlk:\s*(\w+)", _read(pid, "status"))[1]
            assert int(blocked, 16) & 1 << (signal.SIGINT - 1)
        os.kill(process.pid, number)
        _, error = process.communicate(timeout=600)
        _wait_for_end(workers)
    if number == signal.SIGTERM:
        assert (process.returncode, error) == (130, INTERRUPTED)


@pytest.mark.fast("1-2", "2-15")
@pytest.mark.skipif(sys.platform == "win32", reason="no process groups")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0.5, 1, 2, 3, 4])
def test_interrupting_the_start_prints_one_line(number, delay, tmp_path):
    """Signal the process group, including workers, as a terminal does."""
    with running(tmp_path) as process:
        _wait_for_handlers(process)
        time.sleep(delay)  # interrupt it at different points
        os.killpg(process.pid, number)
        _, error = process.communicate(timeout=600)
    assert (process.returncode, error) == (130, INTERRUPTED)


@pytest.mark.slow
def test_pytest_finds_the_studies_without_python_m():
    """Unlike ``python -m pytest``, it does not add the current folder to the path."""
    code = "import sys; sys.path.remove(''); import pytest; sys.exit(pytest.main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "--collect-only", "-q"]
        + ["tests/test_judging.py"],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


# ---- disk errors and damaged files

FULL_DISK = """
import resource, sys
from dataclasses import replace
from benchmarks.__main__ import main
from benchmarks._code_hash import SOURCES, hash_code_of
from benchmarks.paper import published, table1_augmentation
network = {**published.READINGS["plain"], "epochs": 2}
quick = {"seeds": 2, "readings": {"plain": network}, "sizes": [50]}
table1_augmentation.STUDY = replace(table1_augmentation.STUDY, quick=quick)
for limit in sys.argv[2:]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), -1))
    argv = f"table1_augmentation --quick --n-jobs=1 --output {sys.argv[1]}/{limit}"
    try:
        main(argv.split())
    except SystemExit as end:
        assert end.code == 1
    else:
        raise AssertionError("no error")
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    main(argv.split())
"""


@pytest.mark.slow
def test_a_run_continues_after_a_full_disk(tmp_path, survived):
    """A limit on the size of files simulates a full disk."""
    script = tmp_path / "script.py"
    script.write_text(FULL_DISK)
    limits = ["10", "100", "1000", "3000", "10000", "20000"]
    done = subprocess.run(
        [sys.executable, script, tmp_path, *limits],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    stops = re.findall(r"Stopped: \[Errno .* Run the same command again", done.stderr)
    assert len(stops) == len(limits) and "Traceback" not in done.stderr
    for limit in limits:
        names = {path.name for path in (tmp_path / limit).iterdir()}
        assert names == {"memory", "table1_augmentation.csv", "table1_augmentation.png"}
        survived["full disks"] += 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.EIO])
def test_a_disk_error_during_a_run_is_reported(
    number, short_study, no_figures, tmp_path, monkeypatch, capsys
):
    def fail(source, target):
        raise OSError(number, os.strerror(number))

    argv = ["table1_augmentation", "--quick", "--n-jobs=1", "--output", str(tmp_path)]
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr(os, "replace", fail)
        main(argv)
    assert end.value.code == 1
    assert f"Stopped: [Errno {number}]" in capsys.readouterr().err
    assert not list(tmp_path.glob("table1_augmentation.*"))
    main(argv)
    assert (tmp_path / "table1_augmentation.csv").is_file()


def _truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [_truncate, _flip, lambda path: path.write_bytes(b""), Path.unlink],
    ids=["truncated", "byte_flipped", "empty", "missing"],
)
def test_damaged_cache_files_are_replaced(
    damage, short_study, no_figures, tmp_path, survived
):
    run(["table1_augmentation"], quick=True, output=tmp_path, n_jobs=1)
    csv = tmp_path / "table1_augmentation.csv"
    before = csv.read_bytes()
    files = [path for path in tmp_path.rglob("memory/**/*") if path.is_file()]
    for first in range(0, len(files), 4):  # four at a time
        # joblib may have removed some together with other damaged files.
        damaged = [path for path in files[first : first + 4] if path.exists()]
        for path in damaged:
            damage(path)
        csv.unlink()
        run(["table1_augmentation"], quick=True, output=tmp_path, n_jobs=1)
        assert csv.read_bytes() == before, damaged
        survived["damaged files"] += len(damaged)


@pytest.mark.slow
def test_two_runs_in_one_folder_do_not_conflict(tmp_path, survived):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    def start(output):
        output.mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, script, output],
            env={**os.environ, "PYTHONPATH": os.getcwd()},
            stdout=subprocess.DEVNULL,
        )

    assert start(tmp_path / "alone").wait() == 0
    both = [start(tmp_path / "both") for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    one, other = (
        (tmp_path / folder / "table1_augmentation.csv").read_bytes()
        for folder in ("alone", "both")
    )
    assert one == other
    survived["two runs in one folder"] += 1


# ---- the report


class ParsedReport(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.images, self.links, self.names, self._open = [], [], set(), [""]
        self.texts = {"h2": [], "h3": [], "th": [], "li": [], "blockquote": []}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in {"img", "meta", "br"}:
            self._open.append(tag)
        if tag in self.texts:
            self.texts[tag].append("")
        if tag == "img":
            self.images.append(attrs)
        self.names.add(attrs.get("id"))
        self.links += [attrs[name] for name in ("href", "src") if name in attrs]

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        for tag in self.texts:
            if tag in self._open:
                self.texts[tag][-1] += data


@pytest.fixture(scope="module")
def parsed_report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        for name, settings in TINY.items():
            change(patch, import_module(f"benchmarks.paper.{name}"), quick=settings)
        done = run(STUDIES, quick=True, output=folder)
        report.write(done, quick=True, output=folder)
    return done, folder, ParsedReport((folder / "report.html").read_text())


@pytest.mark.slow
def test_the_report_contains_all_studies(parsed_report):
    done, folder, page = parsed_report
    text = (folder / "report.html").read_text()
    assert len(page.images) == 1 + done["claims"].frame["claim"].nunique() + len(
        STUDIES
    )
    assert all(len(image["alt"]) > 30 for image in page.images)
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.names
        elif not link.startswith("data:image/png;base64,"):
            assert link.endswith(".csv") and (folder / link).is_file()
    for part in done.values():
        assert part.study.title.replace("'", "&#39;") in text
        assert f"{part.study.name}.csv" in page.links
    losses = [*published.TABLE1["published_loss"], *published.TABLE3["published_loss"]]
    assert all(str(value) in text for value in losses)
    assert "This is a quick run" in text
    assert re.search(r"tensorflow \d+\.\d+", text) and "seeds 2" in text


@pytest.mark.slow
def test_the_report_lists_the_sentences_in_the_order_of_the_paper(parsed_report):
    done, _, page = parsed_report
    claims = done["claims"].frame
    assert page.texts["h3"] == claims["claim"].unique().tolist()
    sections = claims["section"].unique().tolist()
    assert page.texts["h2"][1 : 1 + len(sections)] == sections
    quotes = claims["sentence"].unique()
    assert page.texts["blockquote"] == [quote for quote in quotes if quote]
    n = claims["claim"].nunique()
    findings, contents, verdicts = np.split(page.texts["li"], [6, 6 + n])
    ranked = readings_screening.rank(done["readings"].frame)
    expected = report.findings(claims, report.published_places(done), ranked)
    assert [" ".join(finding.split()) for finding in findings] == expected
    assert contents.tolist() == claims["claim"].unique().tolist()
    decided = claims[claims["decides"] & (claims["comparison"] == "")]
    assert len(verdicts) == len(decided)
    for text, row in zip(verdicts, decided.to_dict("records"), strict=True):
        assert row["verdict"] in text and row["variant"] in text
        assert f"{row['n_agree']} of {row['n_pairs']} seeds" in text


@pytest.mark.slow
def test_column_names_of_the_report_have_no_underscores(parsed_report):
    *_, page = parsed_report
    assert len(page.texts["th"]) > 100
    assert not [name for name in page.texts["th"] if "_" in name]


# ---- studies of the paper


def test_table2_uses_the_grid_of_the_paper():
    study = table2_grid_search
    tasks = list(study.tasks(**study.STUDY.full))
    fits = sum(
        np.prod([len(values) for values in task["grid"].values()]) * task["folds"]
        for task in tasks
    )
    assert fits * len(published.MAKERS) == 2 * 30_000  # for each of two initializers
    structures = [
        (*(task["grid"][name][0] for name in study.STRUCTURE), units)
        for task in tasks
        for units in task["grid"]["units"]
    ]
    assert len(structures) == len(set(structures)) == 400  # each is compiled once


def test_table2_breaks_ties_by_order():
    """A search selects the first of the candidates with equal scores."""
    names = [*published.TABLE2_GRID]
    grid = pd.DataFrame(product(*published.TABLE2_GRID.values()), columns=names)
    rows = [grid.assign(function=f, initializer="zeros") for f in published.MAKERS]
    frame = pd.concat(rows).assign(seed=0, accuracy=0.5)
    frame["accuracy"] += 0.1 * (frame["function"] == "f2") * (frame["units"] == 15)
    table = table2_grid_search.ties(frame).set_index("function")
    assert table["as_good"].tolist() == [2000, 400, 2000]
    assert table["published_is"].all() and not table["published_first"].any()
    assert table.loc["f1", "first_printed"] == "SGD, sigmoid, sigmoid, 5, 0.1"
    by_name = table2_grid_search.ParameterGrid(published.TABLE2_GRID)[0]
    first = ", ".join(str(by_name[name]) for name in names)
    assert table.loc["f1", "first_ParameterGrid"] == first
    without = frame[(frame["dropout_rate"] == 0.3) | (frame["function"] != "f1")]
    assert table2_grid_search.ties(without)["published_first"].tolist() == [
        True,
        False,
        False,
    ]


def test_the_prediction_interval_contains_another_seed():
    generator = np.random.default_rng(0)
    inside = 0
    for losses in np.exp(generator.normal(-2, 1, size=(2000, 11))):
        low, high = prediction_interval(pd.Series(losses[:-1]), n_val=800)
        inside += low < losses[-1] < high
    assert inside / 2000 == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    "loss, accuracy, places",
    [
        (0.1, 0.95, ("within", "within")),
        (0.9, 0.5, ("above", "below")),
        (0.001, 0.9999, ("below", "above")),
        (np.nan, np.nan, ("", "")),
    ],
)
def test_with_places_locates_the_published_value(loss, accuracy, places):
    factors = np.exp(np.random.default_rng(0).normal(0, 0.3, size=(2, 30)))
    frame = pd.DataFrame(
        {
            "arm": 0,
            "min_val_loss": 0.1 * factors[0],
            "max_val_accuracy": 1 - 0.05 * factors[1],
            "published_loss": loss,
            "published_accuracy": accuracy,
        }
    )
    table = with_places(pd.DataFrame({"arm": [0]}), frame, ["arm"], 800)
    for name, place in zip(("loss", "accuracy"), places, strict=True):
        assert table[f"published_{name} lies"][0].partition(" ")[0] == place


def test_figure3_control_uses_equal_steps():
    network = published.READINGS["plain"]
    with config_context(enable_metadata_routing=True):
        nets = {
            n: figure3_sample_size._nets(network, n, None)[("steps",)]
            for n in (500, 16000)
        }
    steps = [
        net[-1].epochs * figure3_sample_size._n_steps(n, network)
        for n, net in nets.items()
    ]
    assert steps == pytest.approx([100 * 100] * 2, rel=0.01)


def test_the_interval_is_that_of_students_t():
    low, high = interval([1.0, 2.0, 3.0])
    assert (low + high) / 2 == 2.0
    assert high - 2.0 == pytest.approx(4.302653 / np.sqrt(3))  # t(0.975, 2) sd / sqrt n


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["figure9"], "unknown study 'figure9', expected one of: readings_screening"),
        (["--n-jobs", "0"], "must be a number of processes"),
        (["--n-jobs", "many"], "must be a number of processes"),
        (["--output", "/dev/null/results"], "cannot write to '/dev/null/results'"),
        (["--output", "/proc/results"], "cannot write to '/proc/results'"),
        (["--dask", "nowhere"], "cannot connect to a Dask scheduler at 'nowhere'"),
    ],
)
def test_invalid_arguments_print_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_help_lists_each_study_with_its_question(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    printed = capsys.readouterr().out
    for name in STUDIES + MEASUREMENTS:
        assert re.search(rf"^  {name} +\S.* \S", printed, flags=re.M), name
    assert "`" not in printed


@pytest.mark.slow
def test_a_single_study_writes_only_its_results(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "benchmarks", "figure1_datasets", "--quick"]
        + ["--output", tmp_path],
        check=True,
        capture_output=True,
    )
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"figure1_datasets.csv", "figure1_datasets.png", "memory"}


@pytest.mark.slow
def test_speed_measures_all_targets(tmp_path, monkeypatch):
    full = {"repeats": 1, "n_samples": 320, "memory_fits": 520, "large_rows": 10_000}
    full["quick_runs"] = False  # they take minutes
    change(monkeypatch, speed, full=full)
    frame = run(["speed"], quick=False, output=tmp_path)["speed"].frame
    optional = {f"fit: {peer} / ours" for peer in ["skorch", "JAX", "C++"]}
    optional |= {name for name in speed.TARGETS if "--quick" in name}
    assert set(speed.TARGETS) - optional <= set(frame["measure"])
    with_target = frame[frame["measure"].isin(speed.TARGETS)]
    assert (with_target["target"].notna() & (with_target["relation"] != "")).all()
    assert np.isfinite(frame["value"]).all()
    table = speed.summary(frame).set_index("measure")
    assert table.loc["memory growth, kB per fit", "relation"] == "<="
    assert set(table.loc[with_target["measure"], "passed"]) <= {"yes", "no"}
    assert table.loc["losses: largest difference between peers", "passed"] == "yes"
    assert (tmp_path / "speed.png").is_file()


@pytest.mark.slow
@pytest.mark.skipif(MISSING is not None, reason=f"{MISSING} is not installed")
def test_playground_measures_all_targets(tmp_path, monkeypatch):
    quick = {"repeats": 1, "structures": 1, "rest": 1}
    change(monkeypatch, playground, quick=quick)
    frame = run_one("playground", tmp_path)
    assert [*frame["measure"]] == [*playground.TARGETS]
    assert np.isfinite(frame["value"]).all()


@pytest.mark.slow
def test_soak_detects_growth(tmp_path, monkeypatch):
    change(monkeypatch, soak, quick={"fits": 600, "structures": 4, "block": 100})
    frame = run_one("soak", tmp_path)
    table = soak.summary(frame).set_index("measure")
    assert len(frame) == 4 * 6
    # A test must not depend on the time of a fit.
    assert (table.drop(soak.TIME)["passed"] == "yes").all(), table
    growing = frame.assign(value=frame["value"] + frame["fits"] * frame["value"])
    assert (soak.summary(growing)["passed"] == "no").all()


@pytest.mark.slow
def test_calibration_counts_verdicts(tmp_path, monkeypatch):
    quick = {"comparisons": 1, "trees": 2, "nets": 1, "overlapping": 1}
    change(monkeypatch, calibration, quick=quick | {"simulated": 20, "block": 2})
    differences = np.arange(-10, 10) / 10
    monkeypatch.setattr(calibration, "_differences_of_naive_bayes", lambda: differences)
    table = calibration.summary(run_one("calibration", tmp_path))
    counted = table[table["relation"] != ""].set_index(["measure", "setup"])
    # Trees and networks, searches, few points, splits, skewed differences, power.
    assert len(counted) == 7 + 8 + 96 + 4 + 21 + 10 and len(table) == len(counted) + 2
    std = table.set_index("setup")["share"]
    assert std["equal seeds"] == 0 < std["different seeds"]
    assert counted["share"].between(counted["low"], counted["high"]).all()
    assert counted.loc[("power, detectable effect", "30 repetitions"), "share"] > 0.5
    assert (tmp_path / "calibration.png").is_file()


@pytest.mark.parametrize(
    "relation, share, passed",
    [("at most", 0.04, "yes"), ("at most", 0.2, "no"), ("at most", 0.0, "yes"),
     ("about", 0.05, "yes"), ("about", 0.2, "no"), ("about", 0.0, "no")],
)  # fmt: skip
def test_calibration_checks_shares_against_expectations(relation, share, passed):
    row = {
        "measure": "m",
        "setup": "10 repetitions",
        "relation": relation,
        "expected": 0.05,
    }
    frame = pd.DataFrame([row | {"sum": 1000 * share, "count": 1000}])
    assert calibration.summary(frame)["passed"].tolist() == [passed]


@pytest.mark.slow
def test_scaling_measures_workers_and_tasks(distributed, tmp_path, monkeypatch):
    change(monkeypatch, scaling, quick={"repeats": 1, "fits": 4, "empty": 20})
    frame = run_one("scaling", tmp_path)
    assert set(frame["measure"]) == {
        scaling.FITS.format(1),
        scaling.FITS.format(2),
        scaling.OVERHEAD,
    }
    assert (frame["value"] > 0).all()


def test_speed_checks_medians_against_targets(monkeypatch):
    rows = [("fit: scikeras / ours", i, value) for i, value in enumerate([1.0, 200.0])]
    rows += [("predict_proba on 800 rows, ms", 0, 2.0), ("fit: ours, ms", 0, 61.234)]
    monkeypatch.setattr(speed, "_in_new_process", lambda part: part())
    table = speed.summary(speed.measure(lambda: rows))
    assert table["passed"].tolist() == ["no", "yes", ""]
    assert table["median"].tolist() == [100, 2.0, 61.2]
