"""How studies run: in processes or on a cluster, kept as they go, written whole."""

import json
import os
import textwrap
import time
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
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
from ._signals import end_with, keep_signals_from_workers
from .measurements import MEASUREMENTS

SECONDS = "seconds.json"  # that studies have taken, kept with what they have computed
RESTARTS = 10  # in a row, of a study whose worker processes die


def run(names, *, quick, output, n_jobs=1, dask=None, fresh=False):
    """Run studies, and before them what they need: CSV, picture and printed table.

    Returns what came of each: the study, its frame and the seconds it took, those of
    earlier runs in the same folder included.
    """
    # Workers may be elsewhere.
    output = output.resolve()
    kept = output / "memory"
    if fresh:
        joblib.Memory(kept, verbose=0).clear(warn=False)
        (kept / SECONDS).unlink(missing_ok=True)
    studies = with_needs(names)
    kind, done = "quick" if quick else "full", {}
    with _workers(n_jobs, dask), _Bars(studies.values(), quick) as bars:
        for name, study in studies.items():
            settings = study.settings(quick)
            frames = [done[needed].frame for needed in study.needs]
            with _timed(kept, f"{name}, {kind}") as spent:
                if study.judge:
                    frame = study.judge(*frames, **settings)
                else:
                    tasks = list(study.tasks(*frames, **settings))
                    parts = _measure_all(study, tasks, kept)
                    parts = bars.track(study, parts, len(tasks))
                    frame = pd.concat(parts, ignore_index=True)
            frame.insert(0, "run", kind)
            done[name] = SimpleNamespace(
                study=study, frame=frame, seconds=spent.seconds
            )
            _write(study, frame, quick, output)
            if dask is None and study.many_programs:
                # Nothing else gives back the memory that compiled programs hold.
                get_reusable_executor().shutdown(wait=True)
    return done


def with_needs(names):
    """Import the studies, before each what it needs."""
    studies = {}
    for name in names:
        folder = "measurements" if name in MEASUREMENTS else "paper"
        study = import_module(f"benchmarks.{folder}.{name}").STUDY
        studies |= with_needs(study.needs) | {name: study}
    return studies


@contextmanager
def _timed(kept, name):
    """Count the seconds that a study takes, and those it took in earlier runs."""
    spent, start = SimpleNamespace(), time.perf_counter()
    path = kept / SECONDS
    try:
        yield spent
    finally:
        of_all = {}
        with suppress(OSError, ValueError):  # where there are none yet, or damaged ones
            of_all = json.loads(path.read_text())
        spent.seconds = of_all.get(name, 0.0) + time.perf_counter() - start
        kept.mkdir(exist_ok=True)
        with whole_file(path) as part:
            part.write_text(json.dumps({**of_all, name: spent.seconds}))


# ---- where and how tasks are measured


@contextmanager
def _workers(n_jobs, dask):
    """Have joblib use processes of this machine or, by its address, a cluster."""
    if dask is None:
        with parallel_config(
            "loky", n_jobs=n_jobs, initializer=end_with, initargs=(os.getpid(),)
        ):
            yield
        return
    from distributed import Client

    with Client(dask), parallel_config("dask", n_jobs=-1):
        yield


def _measure_all(study, tasks, kept):
    """Yield each task's frame; where a worker dies, start again with what is left."""
    code, n_done, restarts = hash_code_of(study.module), 0, 0
    while n_done < len(tasks):
        n_before = n_done
        parallel = Parallel(
            return_as="generator",
            n_jobs=study.n_jobs,
            batch_size=1,
        )
        calls = (
            delayed(_measure)(study.module, task, str(kept), code)
            for task in tasks[n_done:]
        )
        try:
            with keep_signals_from_workers():
                frames = parallel(calls)
            for frame in frames:
                n_done += 1
                yield frame
        except _lost_workers() as error:
            restarts = restarts + 1 if n_done == n_before else 0
            if restarts > RESTARTS:
                raise
            print(
                f"Lost a worker ({type(error).__name__}): starting again.", flush=True
            )


def _lost_workers():
    """List the errors that tell of a worker that died, here or on a cluster."""
    errors = [TerminatedWorkerError]
    with suppress(ImportError):
        from distributed import FutureCancelledError, KilledWorker

        errors += [FutureCancelledError, KilledWorker]
    return tuple(errors)


def _measure(module, task, kept, code):
    """Measure a task, or take what was measured from where it is kept."""
    if code != hash_code_of(module):
        raise RuntimeError(
            "A worker has imported other code, or other versions of the packages, than "
            "this run: restart the workers."
        )
    with config_context(enable_metadata_routing=True):
        study = import_module(module).STUDY
        if not study.work:  # nothing is trained that could be kept
            return study.measure(**task)
        measure = partial(study.measure, **task, memory=kept)
        return memory.load_or_compute(kept, measure, repr((module, task, code)))


# ---- how far it is


class _Bars:
    """Bars for the whole and for the study; in a log file, a line a minute."""

    def __init__(self, studies, quick):
        console = Console()
        self._seen = console.is_terminal
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
            console=console,
            disable=not self._seen,
            transient=True,
            speed_estimate_period=600,
        )
        self._work = {
            study.name: study.work(**study.settings(quick))
            for study in studies
            if study.work
        }
        self._whole = self._bars.add_task("all", total=sum(self._work.values()) or 1)
        self._last_line = time.monotonic()

    def __enter__(self):
        self._bars.start()
        return self

    def __exit__(self, *error):
        self._bars.stop()

    def track(self, study, parts, n_parts):
        """Yield the parts of a study's frame, telling of each."""
        share = self._work.get(study.name, 0) / n_parts
        bar = self._bars.add_task(study.title, total=n_parts)
        for part in parts:
            self._bars.advance(bar)
            self._bars.advance(self._whole, share)
            if not self._seen and time.monotonic() - self._last_line > 60:
                self._print_line(bar)
            yield part
        self._bars.remove_task(bar)

    def _print_line(self, bar):
        self._last_line = time.monotonic()
        tasks = {task.id: task for task in self._bars.tasks}
        whole, part = tasks[self._whole], tasks[bar]
        print(
            f"{time.strftime('%H:%M')} {part.description}: {part.percentage:.0f} %, "
            f"{_time_left(part)} left; all: {whole.percentage:.0f} %, "
            f"{_time_left(whole)} left",
            flush=True,
        )


def _time_left(task):
    seconds = task.time_remaining
    return "?" if seconds is None else f"{seconds / 60:.0f} min"


# ---- what comes of it


def _write(study, frame, quick, output):
    """Write a study's CSV and picture, and print its table."""
    with whole_file(output / f"{study.name}.csv") as path:
        frame.to_csv(path, index=False)
    sns.set_theme(style="ticks")
    figure = study.plot(frame)
    width = min(100, int(7 * figure.get_figwidth()))  # in characters, as far as it goes
    title = f"{study.title}\n{textwrap.fill(study.describe(quick), width)}"
    figure.suptitle(title)
    with whole_file(output / f"{study.name}.png") as path:
        path.write_bytes(to_png(figure, dpi=120, colors=128))
    table = study.summary(frame).to_string(index=False, na_rep="")
    print(f"\n{title}\n{table}\n", flush=True)


@contextmanager
def whole_file(path):
    """Yield a path to write to, which becomes `path` once it is written whole."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
