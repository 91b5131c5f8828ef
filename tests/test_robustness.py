"""Tests of interrupted fits, determinism, concurrent calls and hostile files."""

import linecache
import pickle
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import joblib
import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import sklearn_toydnn
from sklearn_toydnn import (
    DNNClassifier,
    cache_clear,
    make_sinusoidal,
)
from sklearn_toydnn._engine.tensorflow import keras

PACKAGE = str(Path(sklearn_toydnn.__file__).parent)


@pytest.fixture(scope="module")
def other_data():
    X, y = make_sinusoidal(n_samples=150, random_state=1)
    return X / 30, np.where(y, "in", "out")


def net(**params):
    return DNNClassifier(**{"epochs": 3, "random_state": 0} | params)


def state(clf):
    """Return a digest of everything that fitting changes."""
    return joblib.hash({k: v for k, v in vars(clf).items() if k != "_model"})


# ---- interruption


class Interrupter:
    """Raises KeyboardInterrupt at the n-th line that the package executes.

    If that line is a `with` statement whose block ends, it uses the next line: Python
    does not handle signals between the last line of the block and the call of
    `__exit__`, which releases a lock.
    """

    def __init__(self, n=None):
        self.n, self.lines, self.is_over = n, 0, False
        self.first = {}  # number of the first line of each module
        self._entered = set()  # frames and lines of `with` statements

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *error):
        sys.settrace(self._before)
        self._entered.clear()

    def _trace(self, frame, event, arg):
        return self._line if frame.f_code.co_filename.startswith(PACKAGE) else None

    def _line(self, frame, event, arg):
        if event == "line":
            self.lines += 1
            self.first.setdefault(Path(frame.f_code.co_filename).stem, self.lines)
            is_left = self._leaves_with(frame)
            if self.n and self.lines >= self.n and not (is_left or self.is_over):
                self.is_over = True
                raise KeyboardInterrupt
        return self._line

    def _leaves_with(self, frame):
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        if not line.lstrip().startswith("with "):
            return False
        self._entered ^= {(frame, frame.f_lineno)}
        return (frame, frame.f_lineno) not in self._entered


def count_lines(clf, data):
    with Interrupter() as counting:
        clf.fit(*data)
    return counting


@pytest.mark.fast("compiled")
@pytest.mark.parametrize(
    "params, n_times, stages",
    [
        ({}, 40, ["network", "training", "program_cache", "program"]),
        ({"early_stopping": True}, 40, ["callbacks", "program"]),
        ({"memory": "fits"}, 40, ["fit_cache", "fingerprint", "memory"]),
        ({"jit_compile": False, "epochs": 1}, 6, ["training", "keras_model"]),
    ],
    ids=["compiled", "early stopping", "memory", "keras"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_interrupted_fit_does_not_change_the_classifier(
    params, n_times, stages, data, other_data, tmp_path, monkeypatch, survived
):
    monkeypatch.chdir(tmp_path)
    fitted = net(**params).fit(*data)
    as_before, as_after = state(fitted), state(net(**params).fit(*other_data))
    # With `memory`, the results are cached now, so that the loop interrupts loading.
    counted = count_lines(net(**params), other_data)
    last = counted.lines
    for n in {*np.linspace(1, last, n_times, dtype=int), *counted.first.values()}:
        clf = clone(fitted).fit(*data)
        with pytest.raises(KeyboardInterrupt), Interrupter(n):
            clf.fit(*other_data)
        # An interruption in the last lines may come after the new state is adopted.
        assert state(clf) == as_before or (n > last - 10 and state(clf) == as_after), n
        clf.predict(data[0])
        assert state(clf.fit(*other_data)) == as_after
        survived["interruptions"] += 1
    assert {"classifier", "data", "plan", *stages} <= set(counted.first)
    new = net(**params)
    with pytest.raises(KeyboardInterrupt), Interrupter(last // 2):
        new.fit(*data)
    assert vars(new) == vars(net(**params))
    with pytest.raises(NotFittedError):
        new.predict(data[0])


@pytest.mark.parametrize("call", ["partial_fit", "fit"], ids=["partial", "warm start"])
def test_interrupted_further_training_does_not_change_the_classifier(
    call, data, survived
):
    fitted = net(warm_start=True).fit(*data)
    as_before = state(fitted)
    after = pickle.loads(pickle.dumps(fitted))
    with Interrupter() as counting:
        getattr(after, call)(*data)
    for n in np.linspace(1, counting.lines - 10, 20, dtype=int):
        clf = pickle.loads(pickle.dumps(fitted))
        with pytest.raises(KeyboardInterrupt), Interrupter(n):
            getattr(clf, call)(*data)
        assert state(clf) == as_before, n
        assert state(getattr(clf, call)(*data)) == state(after)
        survived["interruptions"] += 1


@pytest.mark.slow
def test_an_interrupted_compilation_is_repeated(data, survived):
    expected = state(net(epochs=1).fit(*data))
    cache_clear()
    last = count_lines(net(epochs=1), data).lines
    for n in np.linspace(1, last, 12, dtype=int):
        cache_clear()
        clf = net(epochs=1)
        with pytest.raises(KeyboardInterrupt), Interrupter(n):
            clf.fit(*data)
        survived["interruptions"] += 1
    assert state(clf.fit(*data)) == expected


# ---- determinism


@pytest.mark.slow
def test_the_order_of_fits_has_no_effect(data, other_data):
    def fits(*order):
        cache_clear()
        return {i: state(net().fit(*[data, other_data][i])) for i in order}

    assert fits(0, 1) == fits(1, 0)


@pytest.mark.slow
def test_results_are_identical_in_threads_and_processes(data, tmp_path):
    here = state(net().fit(*data))

    def states(**config):
        with parallel_config(**config):
            return {state(clf) for clf in Parallel()([delayed(net().fit)(*data)] * 4)}

    keras.utils.set_random_seed(2)
    assert states(n_jobs=1) == {here}
    assert states(backend="threading", n_jobs=4) == {here}
    assert states(backend="loky", n_jobs=2) == {here}
    joblib.dump((net(), data), tmp_path / "fit.joblib")
    code = """
import sys, joblib
net, data = joblib.load(sys.argv[1])
joblib.dump(net.fit(*data), sys.argv[1])
"""
    subprocess.run([sys.executable, "-c", code, tmp_path / "fit.joblib"], check=True)
    assert state(joblib.load(tmp_path / "fit.joblib")) == here


@pytest.mark.slow
def test_results_are_identical_in_dask_workers(distributed, data):
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        parallel_config("dask"),
    ):
        fitted = Parallel()(delayed(net(random_state=i).fit)(*data) for i in range(4))
    here = [state(net(random_state=i).fit(*data)) for i in range(4)]
    assert [state(clf) for clf in fitted] == here


def test_without_a_seed_fits_differ(data):
    assert len({state(net(random_state=None).fit(*data)) for _ in range(5)}) == 5


# ---- concurrent calls


def run_threads(n_threads, work, n_calls):
    """Call `work(i)` in threads for each i below `n_calls`, and count its results."""
    calls, kinds, errors = iter(range(n_calls)), [], []

    def loop():
        try:
            for i in calls:
                kinds.append(work(i))
                if errors:
                    return
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=loop, daemon=True) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)
    if errors:
        raise errors[0]
    assert len(kinds) == n_calls, "deadlock"
    return Counter(kinds)


@pytest.mark.parametrize(
    "n_threads, n_calls",
    [(8, 200), pytest.param(64, 5_000, marks=pytest.mark.slow)],
)
def test_concurrent_calls_give_correct_results(
    n_threads, n_calls, data, other_data, survived
):
    sets = [data, other_data]
    fits = {
        (i, seed): net(random_state=seed).fit(*sets[i])
        for i in (0, 1)
        for seed in (0, 1)
    }
    states = {key: state(clf) for key, clf in fits.items()}
    X = data[0]
    probabilities = {i: fits[i, 0].predict_proba(X).tobytes() for i in (0, 1)}
    labels = {i: fits[i, 0].predict(X).tobytes() for i in (0, 1)}
    fixed, refitted = clone(fits[0, 0]).fit(*data), clone(fits[0, 0]).fit(*data)

    def work(i):
        kind = ["fit", "predict", "predict refitted", "refit"][i % 4]
        data_set, seed = i // 4 % 2, i // 8 % 2
        if kind == "fit":
            clf = net(random_state=seed).fit(*sets[data_set])
            assert state(clf) == states[data_set, seed]
        elif kind == "predict":
            assert fixed.predict_proba(X).tobytes() == probabilities[0]
        elif kind == "refit":
            refitted.fit(*sets[data_set])
        else:
            assert refitted.predict_proba(X).tobytes() in probabilities.values()
            assert refitted.predict(X).tobytes() in labels.values()
        return kind

    counts = run_threads(n_threads, work, n_calls)
    assert len(counts) == 4
    assert state(refitted) in {states[0, 0], states[1, 0]}
    survived["calls from threads"] += sum(counts.values())


# ---- hostile files


def test_keras_refuses_code_in_its_files(tmp_path):
    path = tmp_path / "net.keras"
    layer = keras.layers.Lambda(lambda x: x)
    keras.Sequential([keras.Input((2,)), layer]).save(path)
    with pytest.raises(ValueError, match="unsafe"):
        keras.models.load_model(path)
