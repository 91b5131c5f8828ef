"""Run studies in worker processes or on a cluster; cache tasks, write results."""

import json
import os
import textwrap
import time
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import joblib
import pandas as pd
import seaborn as sns
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from sklearn import config_context

from sklearn_toydnn import memory

from ._code_hash import hash_code_of
from ._png import to_png
from ._signals import block_sigint_in_children, exit_with_parent
from .measurements import MEASUREMENTS

SECONDS = "seconds.json"  # run times of the studies, in the cache folder
SAVED = Path(__file__).parent / "results"
MAX_RESTARTS = 10  # successive restarts without progress after workers died


def run(names, *, quick, output, n_jobs=1, dask=None, fresh=False):
    """Run studies and their dependencies; write CSV files and figures, print tables.

    Returns a dict by name of the study, its frame and the seconds it took, including
    those of earlier runs in the same folder.
    """
    # Workers may have another working directory.
    output = output.resolve()
    cache_folder = output / "memory"
    if fresh:
        joblib.Memory(cache_folder, verbose=0).clear(warn=False)
        (cache_folder / SECONDS).unlink(missing_ok=True)
    studies = import_with_dependencies(names)
    kind, done = "quick" if quick else "full", {}
    with _workers(n_jobs, dask), _ProgressBars(studies.values(), quick) as bars:
        for name, study in studies.items():
            settings = study.settings(quick)
            frames = [done[needed].frame for needed in study.needs]
            is_saved = bool(study.missing)
            with _timed(cache_folder, f"{name}, {kind}") as timer:
                if is_saved:
                    frame = _read_saved(study)
                elif study.judge:
                    frame = study.judge(*frames, **settings)
                else:
                    tasks = list(study.tasks(*frames, **settings))
                    parts = _measure_all(study, tasks, cache_folder)
                    parts = bars.track(study, parts, len(tasks))
                    frame = pd.concat(parts, ignore_index=True)
            if not is_saved:  # a saved frame has the column
                frame.insert(0, "run", kind)
            done[name] = SimpleNamespace(
                study=study, frame=frame, seconds=timer.seconds
            )
            _write(study, frame, quick and not is_saved, output)
            if dask is None and study.many_programs:
                # Only the end of a process frees the memory of its compiled programs.
                get_reusable_executor().shutdown(wait=True)
    return done


def import_with_dependencies(names):
    """Import studies; return them by name, each after the studies that it needs."""
    studies = {}
    for name in names:
        folder = "measurements" if name in MEASUREMENTS else "paper"
        study = import_module(f"benchmarks.{folder}.{name}").STUDY
        studies |= import_with_dependencies(study.needs) | {name: study}
    return studies


def _read_saved(study):
    """Return the result of the full run that is part of this repository."""
    print(
        f"{study.name}: {', '.join(study.missing)} is not installed. Using the saved "
        "result of the full run. Install the requirements of the study with "
        "pip install 'sklearn-toydnn[authors]' to run it.",
        flush=True,
    )
    return pd.read_csv(SAVED / f"{study.name}.csv")


@contextmanager
def _timed(cache_folder, name):
    """Measure the seconds that a study takes, added to those of earlier runs."""
    timer, start = SimpleNamespace(), time.perf_counter()
    path = cache_folder / SECONDS
    try:
        yield timer
    finally:
        seconds = {}
        with suppress(OSError, ValueError):  # the file is missing or damaged
            seconds = json.loads(path.read_text())
        timer.seconds = seconds.get(name, 0.0) + time.perf_counter() - start
        cache_folder.mkdir(exist_ok=True)
        with write_atomically(path) as part:
            part.write_text(json.dumps({**seconds, name: timer.seconds}))


# ---- run tasks


@contextmanager
def _workers(n_jobs, dask):
    """Make joblib use local processes, or the cluster of a Dask scheduler."""
    if dask is None:
        with parallel_config(
            "loky", n_jobs=n_jobs, initializer=exit_with_parent, initargs=(os.getpid(),)
        ):
            yield
        return
    from distributed import Client

    with Client(dask), parallel_config("dask", n_jobs=-1):
        yield


def _measure_all(study, tasks, cache_folder):
    """Yield the frame of each task; after a worker dies, restart with the rest."""
    code, n_done, restarts = hash_code_of(study.module), 0, 0
    while n_done < len(tasks):
        n_before = n_done
        parallel = Parallel(
            return_as="generator",
            n_jobs=study.n_jobs,
            batch_size=1,
        )
        calls = (
            delayed(_measure)(study.module, task, str(cache_folder), code)
            for task in tasks[n_done:]
        )
        try:
            with block_sigint_in_children():
                frames = parallel(calls)
            for frame in frames:
                n_done += 1
                yield frame
        except _lost_worker_errors() as error:
            restarts = restarts + 1 if n_done == n_before else 0
            if restarts > MAX_RESTARTS:
                raise
            print(
                f"A worker process died ({type(error).__name__}). "
                "The workers are restarted.",
                flush=True,
            )


def _lost_worker_errors():
    """Return the errors that joblib and Dask raise when a worker process dies."""
    errors = [TerminatedWorkerError]
    with suppress(ImportError):
        from distributed import FutureCancelledError, KilledWorker

        errors += [FutureCancelledError, KilledWorker]
    return tuple(errors)


def _measure(module, task, cache_folder, code):
    """Return the frame of a task, from the cache if possible."""
    if code != hash_code_of(module):
        raise RuntimeError(
            "A worker uses other code or other package versions than this run. "
            "Restart the workers."
        )
    with config_context(enable_metadata_routing=True):
        study = import_module(module).STUDY
        if not study.work:  # studies that train nothing are not cached
            return study.measure(**task)
        measure = partial(study.measure, **task, memory=cache_folder)
        return memory.load_or_compute(cache_folder, measure, repr((module, task, code)))


# ---- progress


class _ProgressBars:
    """Progress of the run and of the study: bars, or a line per minute in a log."""

    def __init__(self, studies, quick):
        console = Console()
        self._is_terminal = console.is_terminal
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
            console=console,
            disable=not self._is_terminal,
            transient=True,
            speed_estimate_period=600,
        )
        self._work = {
            study.name: study.work(**study.settings(quick))
            for study in studies
            if study.work and not study.missing
        }
        self._run_bar = self._bars.add_task("all", total=sum(self._work.values()) or 1)
        self._last_line = time.monotonic()

    def __enter__(self):
        self._bars.start()
        return self

    def __exit__(self, *error):
        self._bars.stop()

    def track(self, study, parts, n_parts):
        """Yield the parts of a study's frame, and update the progress."""
        share = self._work.get(study.name, 0) / n_parts
        bar = self._bars.add_task(study.title, total=n_parts)
        for part in parts:
            self._bars.advance(bar)
            self._bars.advance(self._run_bar, share)
            if not self._is_terminal and time.monotonic() - self._last_line > 60:
                self._print_line(bar)
            yield part
        self._bars.remove_task(bar)

    def _print_line(self, bar):
        self._last_line = time.monotonic()
        tasks = {task.id: task for task in self._bars.tasks}
        run, study = tasks[self._run_bar], tasks[bar]
        print(
            f"{time.strftime('%H:%M')} {study.description}: {study.percentage:.0f} %, "
            f"{_time_left(study)} left; all: {run.percentage:.0f} %, "
            f"{_time_left(run)} left",
            flush=True,
        )


def _time_left(task):
    seconds = task.time_remaining
    return "?" if seconds is None else f"{seconds / 60:.0f} min"


# ---- results


def _write(study, frame, quick, output):
    """Write the CSV file and the figure of a study, and print its table."""
    with write_atomically(output / f"{study.name}.csv") as path:
        frame.to_csv(path, index=False)
    sns.set_theme(style="ticks")
    figure = study.plot(frame)
    width = min(100, int(7 * figure.get_figwidth()))  # of the title, in characters
    title = f"{study.title}\n{textwrap.fill(study.describe(quick), width)}"
    figure.suptitle(title)
    with write_atomically(output / f"{study.name}.png") as path:
        path.write_bytes(to_png(figure, dpi=120, colors=128))
    table = study.summary(frame).to_string(index=False, na_rep="")
    print(f"\n{title}\n{table}\n", flush=True)


@contextmanager
def write_atomically(path):
    """Yield a temporary path; rename it to `path` after it is written completely."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
