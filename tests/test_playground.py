"""Tests of the playground without a browser."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from copy import copy
from queue import Empty, Queue
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("panel", reason="the extra playground is not installed")

from hypothesis import given
from hypothesis import strategies as st
from sklearn import config_context

from sklearn_toydnn import DNNClassifier, compare, playground
from sklearn_toydnn._engine import training
from sklearn_toydnn.playground import (
    __main__,
    _captions,
    _page,
    _pipeline,
    _tasks,
    _workers,
)
from sklearn_toydnn.playground._figures import disagreement, shade
from sklearn_toydnn.playground._session import COMPILING, Session, _Request
from sklearn_toydnn.playground._setting import (
    DEFAULT_LEARNING_RATES,
    MAKERS,
    NAMES,
    Choice,
    Layers,
    Setting,
    limits,
    quote,
)
from sklearn_toydnn.playground._url import (
    QUESTIONS,
    VIEWS,
    Page,
    read_address,
)
from sklearn_toydnn.playground._workers import Job, Task, Workers

QUICK = Setting(n_samples=60, epochs=3)


# ---- settings and addresses


def values_within(limit):
    if isinstance(limit, Choice):
        return st.sampled_from(limit.options)
    if isinstance(limit, Layers):
        return st.lists(values_within(limit.units), min_size=1, max_size=4).map(tuple)
    if limit.is_integer:
        return st.integers(limit.low, limit.high)
    return st.floats(limit.low, limit.high).map(lambda value: round(value, 6))


@st.composite
def settings(draw):
    data = draw(st.sampled_from([*MAKERS]))
    others = {name: values_within(limits(name, data)) for name in NAMES}
    return Setting(**draw(st.fixed_dictionaries(others)) | {"data": data})


PAGES = st.builds(
    Page,
    settings(),
    st.sampled_from([*VIEWS]),
    st.none() | settings(),
    st.sampled_from([0.002, 0.05]),
    st.integers(0, len(QUESTIONS)),
)


@given(PAGES)
def test_an_address_stores_the_page(page):
    assert read_address(page.address()) == (page, {})


def test_the_defaults_are_those_of_the_classifier():
    default, params = Setting(), DNNClassifier().get_params()
    shared = set(NAMES) & set(params) - {"random_state"}
    assert shared == {
        *("hidden_layer_sizes", "activation", "output_activation", "dropout_rate"),
        *("kernel_initializer", "optimizer", "batch_size", "epochs"),
        *("early_stopping", "n_iter_no_change"),
    }
    for name in shared:
        assert getattr(default, name) == params[name]


@pytest.mark.parametrize(
    "query, name",
    [
        ("n_samples=1000000000", "n_samples"),
        ("n_samples=19", "n_samples"),
        ("n_samples=" + "9" * 10_000, "n_samples"),
        ("n_samples=50.5", "n_samples"),
        ("noise=nan", "noise"),
        ("noise=-1", "noise"),
        ("data=moons&noise=20", "noise"),
        ("epochs=__import__('os').abort()", "epochs"),
        ("hidden_layer_sizes=20,20,20,20,20", "hidden_layer_sizes"),
        ("hidden_layer_sizes=20,", "hidden_layer_sizes"),
        ("activation=lambda x: x", "activation"),
        ("kernel_initializer=sklearn_toydnn.stop_fits", "kernel_initializer"),
        ("early_stopping=1", "early_stopping"),
        ("learning_rate=0.5", "learning_rate"),
        ("data=", "data"),
        ("view=all", "view"),
        ("A.epochs=0", "A.epochs"),
        ("epochs=3&epochs=4", "epochs"),
        ("gpu=1", ""),
        ("&".join(f"n_samples={n}" for n in range(200)), ""),
    ],
)
def test_a_wrong_value_in_an_address_gives_a_notice_and_the_default(query, name):
    page, notices = read_address(query)
    assert [*notices] == [name]
    assert name in notices[name] and len(notices[name]) < 250
    if name in NAMES and query.count(name) == 1:
        default = getattr(Setting(page.setting.data), name)
        assert getattr(page.setting, name) == default
        assert notices[name].endswith(f"Using {quote(default)}.")


@pytest.mark.parametrize(
    "query, notice",
    [
        (
            "n_samples=5",
            "n_samples must be an integer from 20 to 2,000, got 5. Using 500.",
        ),
        (
            "data=moons&noise=20",
            "noise must be a number from 0 to 0.5, got 20. Using 0.2.",
        ),
        (
            "early_stopping=yes",
            "early_stopping must be False or True, got 'yes'. Using False.",
        ),
        (
            "A.epochs=0",
            "A.epochs must be an integer from 1 to 300, got 0. Using 100.",
        ),
        (
            "epochs=3&epochs=4",
            "epochs is given more than once. The first value is used.",
        ),
        ("gpu=1", "The parameter 'gpu' is unknown and is ignored."),
        (
            "smallest=0.02",
            "The parameter 'smallest' has a new name and is ignored: use 'margin'.",
        ),
        (
            "hidden_layer_sizes=20,",
            "hidden_layer_sizes must be 1 to 4 integers from 1 to 50, separated by "
            "commas, got '20,'. Using 20,20.",
        ),
    ],
)
def test_a_notice_says_what_is_wrong_and_what_is_used(query, notice):
    _, notices = read_address(query)
    assert [*notices.values()] == [notice]


def test_an_old_parameter_is_not_used():
    page, notices = read_address("smallest=0.05&gpu=1")
    assert page == Page() and {*notices} == {"smallest", ""}


@given(st.text())
def test_any_address_opens_a_page(query):
    page, notices = read_address(query)
    assert page == Page() or notices


def test_a_setting_out_of_its_limits_names_the_parameter():
    with pytest.raises(ValueError, match="n_samples must be an integer from 20 to 2,0"):
        Setting(n_samples=5)


def test_a_new_data_set_resets_the_noise():
    setting = Setting(noise=8.0).changed(data="moons")
    assert (setting.noise, setting.std) == (0.2, 0.05)
    assert setting.changed(epochs=3).noise == 0.2


# ---- the generated program

PROGRAMS = [
    Page(QUICK),
    Page(QUICK.changed(augmentation="copies", noise=3.0, random_state=30)),
    Page(QUICK.changed(data="blobs", flip_y=0.1, augmentation="jitter", std=1.0)),
    Page(QUICK.changed(data="circles", hidden_layer_sizes=(3, 2, 4), optimizer="sgd")),
    Page(QUICK.changed(early_stopping=True, learning_rate=0.01, activation="tanh")),
    Page(QUICK.changed(data="moons"), "ten"),
    Page(QUICK.changed(augmentation="copies"), "watch"),
    Page(QUICK.changed(augmentation="jitter", early_stopping=True), "watch"),
]
COMPARED = [
    Page(QUICK, "versus", QUICK.changed(n_samples=30)),
    Page(
        QUICK.changed(data="gaussian", flip_y=0.1, augmentation="copies"),
        "versus",
        QUICK.changed(data="gaussian", flip_y=0.1, dropout_rate=0.5),
    ),
]


@pytest.fixture(scope="module")
def printed():
    """The output of each program, run in one separate process."""
    pages = [*PROGRAMS, *COMPARED]
    run = """if True:
        import contextlib, io, json, sys
        for program in json.load(sys.stdin):
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(program, "program", "exec"), {"__name__": "program"})
            print(json.dumps(out.getvalue()))
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", run],
        input=json.dumps([_pipeline.write_program(page) for page in pages]),
        capture_output=True,
        text=True,
        check=True,
    )
    lines = map(json.loads, done.stdout.splitlines())
    return dict(zip(map(id, pages), lines, strict=True))


def shown_accuracy(page):
    seeds = range(10) if page.view == "ten" else [page.setting.random_state]
    if page.view != "watch":
        return np.mean([_tasks.fit(page.setting, seed).accuracy for seed in seeds])
    state = None
    for _ in range(page.setting.epochs):
        state, fit = _tasks.train_an_epoch(page.setting, 0, state)
    return fit.accuracy


def test_a_program_run_in_this_process_prints_the_shown_accuracy(capsys):
    page = PROGRAMS[0]
    exec(_pipeline.write_program(page), {"__name__": "program"})
    assert capsys.readouterr().out.split()[-1] == str(shown_accuracy(page))


@pytest.mark.slow
@pytest.mark.parametrize("page", PROGRAMS, ids=lambda page: page.address())
@pytest.mark.filterwarnings("ignore:Maximum epochs")
def test_a_program_prints_the_shown_accuracy(page, printed):
    with config_context(enable_metadata_routing=True):
        assert printed[id(page)].split()[-1] == str(shown_accuracy(page))


@pytest.mark.slow
@pytest.mark.parametrize("page", COMPARED, ids=lambda page: page.address())
def test_a_program_prints_the_comparison_of_the_page(page, printed):
    session, _ = started(page)
    assert printed[id(page)] == f"{session.result}\n"
    assert session.result.looks == 4


def test_training_epoch_by_epoch_gives_the_same_network_as_fit():
    with config_context(enable_metadata_routing=True):
        fit = _tasks.fit(QUICK, 0)
        assert shown_accuracy(Page(QUICK, "watch")) == fit.accuracy


def test_default_learning_rates_are_those_of_keras():
    import keras

    for name, rate in DEFAULT_LEARNING_RATES.items():
        default = keras.optimizers.get(name).learning_rate.numpy()
        assert default == pytest.approx(rate)


def test_a_program_is_short():
    program = _pipeline.write_program(Page())
    assert "make_triangle(2500 + 500, random_state=seed)" in program
    assert "DNNClassifier(random_state=seed)" in program
    for page in [*PROGRAMS, *COMPARED]:
        lines = _pipeline.write_program(page).splitlines()
        assert max(map(len, lines)) <= 88 and len(lines) < 60


def test_flipped_labels_are_independent_of_the_points():
    setting = Setting("moons", flip_y=0.3)
    X, y = _pipeline.make_maker(setting)(4000, random_state=0)
    clean = _pipeline.make_maker(Setting("moons"))(4000, random_state=0)
    np.testing.assert_array_equal(X, clean[0])
    flipped = y != clean[1]
    assert 0.27 < flipped.mean() < 0.33
    assert abs(np.corrcoef(flipped, X[:, 0])[0, 1]) < 0.05


# ---- sessions


class SyncWorkers:
    """Workers that compute each task immediately, in this process."""

    are_ready = True

    def __init__(self):
        self.tasks, self.canceled = [], []

    def submit(self, visitor, job):
        self.current = job
        self._compute(job)

    def add(self, visitor, job, tasks):
        job.add(tasks)
        self._compute(job)

    def cancel(self, visitor):
        self.canceled.append(visitor)

    def _compute(self, job):
        while job.next_task and job is self.current:
            index, task = job.take()
            self.tasks.append(task)
            job.notify(job, "started", False)
            value = getattr(_tasks, task.function)(*task.arguments)
            job.notify(job, "done", (index, value))


class ManualWorkers(SyncWorkers):
    """Workers that compute the current job when a test calls `work`."""

    def _compute(self, job):
        pass

    def work(self):
        with config_context(enable_metadata_routing=True):
            super()._compute(self.current)


class Timers(list):
    """Delayed calls, which run when a test calls `pass_time`."""

    def pass_time(self):
        calls = [*self]
        self.clear()
        for schedule, call in calls:
            schedule(call)


@pytest.fixture(autouse=True)
def timers(monkeypatch):
    waiting = Timers()

    def call_after(session, seconds, call):
        waiting.append((session._schedule, call))

    monkeypatch.setattr(Session, "_call_after", call_after)
    return waiting


def started(page, workers=None):
    """Return a session with all its results, and a log of its states."""
    log, waiting = [], []

    def on_change():
        log.append((session.status, session.verdict is not None, session.fits[:]))

    session = Session(workers or SyncWorkers(), page, on_change, waiting.append)
    with config_context(enable_metadata_routing=True):
        session.request(page)
        while waiting:
            waiting.pop(0)()
    return session, log


def test_fits_are_shown_as_they_finish():
    session, log = started(Page(QUICK, "ten"))
    assert [len(fits) for *_, fits in log if fits][::2] == [*range(1, 11)]
    assert [fit.seed for fit in session.fits] == [*range(10)]
    assert not session.is_busy and session.is_current
    mean, (low, high) = session.mean_accuracy
    assert low < mean < high and mean == session.accuracies.mean()


@pytest.mark.slow
def test_a_verdict_changes_only_at_tests():
    page = Page(QUICK, "versus", QUICK.changed(dropout_rate=0.3), margin=0.002)
    session, log = started(page)
    assert session.result.n_repeats in (20, 40, 80)  # one test does not decide it
    has_verdict = [verdict for status, verdict, _ in log if "repetitions" in status]
    assert not any(has_verdict[:10]) and has_verdict[-1]
    with config_context(enable_metadata_routing=True):
        result = compare(
            {"A": _pipeline.make_pipeline(page.baseline, n_largest=60),
             "B": _pipeline.make_pipeline(page.setting, n_largest=60)},
            _pipeline.make_maker(page.setting),
            **_pipeline.comparison_params(page.baseline, page.setting),
            margin=page.margin,
        )  # fmt: skip
    pd.testing.assert_frame_equal(result.summary(), session.result.summary())


@pytest.mark.parametrize(
    "change, remark", [({}, "the same as A"), ({"noise": 3.0}, "differ in noise,")]
)
def test_settings_that_are_not_comparable_have_no_verdict(change, remark):
    session, _ = started(Page(QUICK.changed(**change), "versus", QUICK))
    assert remark in session.remark and session.verdict is None
    assert "compare(" not in _pipeline.write_program(session.page)
    assert session.fits and session.fit_of_a is not None


def watch(setting=QUICK):
    """Return a session with the view "watch", and its workers."""
    workers = ManualWorkers()
    page = Page(setting, "watch")
    session = Session(workers, page, lambda: None, lambda call: call())
    session.request(page)
    return session, workers


def test_playing_continues_to_the_last_epoch(timers):
    session, workers = watch()
    for n in (1, 2):
        workers.work()
        assert session.status == f"Epoch {n} of 3." and session.is_playing
        timers.pass_time()
    workers.work()
    assert session.status == "Epoch 3 of 3." and not session.is_playing
    assert len(session.fits[0].history["val_loss"]) == 3
    session.step()  # after the last epoch, training starts again
    workers.work()
    assert session.status == "Epoch 1 of 3."


def test_pausing_leaves_the_shown_epoch(timers):
    """The epoch being trained is shown next, without training it again."""
    session, workers = watch()
    workers.work()
    timers.pass_time()
    shown = session.fits[:]
    session.pause()
    workers.work()
    assert session.fits == shown and session.status == "Epoch 1 of 3."
    assert not session.is_busy
    session.step()
    assert session.status == "Epoch 2 of 3." and len(workers.tasks) == 2
    session.step()
    workers.work()
    assert session.status == "Epoch 3 of 3."


def test_steps_do_not_count_as_playing():
    session, workers = watch(QUICK.changed(epochs=30))
    workers.work()
    session.pause()
    session.step()
    session.step()
    assert session.is_busy and not session.is_playing


def test_a_paused_page_shows_a_new_setting(timers):
    session, workers = watch()
    workers.work()
    session.pause()
    session.request(Page(QUICK.changed(noise=3.0), "watch"))
    workers.work()
    timers.pass_time()
    assert session.is_current and session.status == "Epoch 1 of 3."
    assert not session.is_busy


def test_playing_after_a_drag_trains_the_requested_setting(timers):
    session, workers = watch()
    workers.work()
    session.preview(Page(QUICK.changed(hidden_layer_sizes=(1, 20)), "watch"))
    session.play()
    workers.work()
    assert session.status == "Epoch 1 of 3."


def test_only_the_newest_job_is_current_but_an_older_fit_may_be_shown():
    session, _ = started(Page(QUICK))
    old, newer = (_Request(Page(QUICK), [], None) for _ in "12")
    session._job, session.is_current = newer, False
    fit = session.fits[0]
    session._handle_event(old, "done", (0, fit))
    assert session.fits == [fit] and not session.is_current
    session._handle_event(old, "failed", "error of an older job")
    assert not session.problem
    session._handle_event(newer, "started", True)
    assert session.status == COMPILING
    session._handle_event(newer, "failed", "no")
    assert session.problem == "no" and not session.is_busy


@pytest.mark.parametrize("view", ["ten", "versus", "watch"])
def test_dragging_a_slider_ends_the_job(view):
    """Otherwise a test, or an epoch, would mix two settings."""
    page = Page(QUICK, view, QUICK.changed(dropout_rate=0.5))
    waiting = []
    session = Session(SyncWorkers(), page, lambda: None, waiting.append)
    with config_context(enable_metadata_routing=True):
        session.request(page)
        other = QUICK.changed(hidden_layer_sizes=(1, 20))
        session.preview(Page(other, view, page.baseline))
        n_tasks = len(session._workers.tasks)
        while waiting:
            waiting.pop(0)()
    assert not session.is_current and len(session._workers.tasks) == n_tasks
    assert session.scores is None and session.verdict is None


def test_a_slider_dragged_back_computes_the_page_again():
    session, _ = started(Page(QUICK))
    waiting = []
    session._schedule = waiting.append
    with config_context(enable_metadata_routing=True):
        session.preview(Page(QUICK.changed(hidden_layer_sizes=(1, 20))))
        assert not session.is_current
        session.preview(Page(QUICK))
        while waiting:
            waiting.pop(0)()
    assert session.is_current


def test_a_session_is_not_busy_after_a_failure():
    session, _ = started(Page(QUICK, "ten"))
    job = session._job
    session._handle_event(job, "timed out", "Stopped.")
    session._handle_event(job, "done", (3, session.fits[3]))
    assert session.problem == "Stopped." and not session.is_busy
    assert session.status == ""


def test_fresh_data_apply_to_a_too():
    page = Page(QUICK.changed(random_state=30), "versus", QUICK)
    assert page.baseline == page.setting


def test_divergence_is_counted():
    session, _ = started(Page(QUICK, "ten"))
    session.fits[1].warning = "Training diverged."
    said = "1 of 10 networks diverged. A lower learning_rate may help."
    assert _captions.describe_divergence(session.fits) == said
    assert _captions.describe_divergence(session.fits[1:2]) == "Training diverged."


def test_shades_are_pale_where_networks_are_unsure_or_agree():
    unsure, sure = np.array([[[0.5, 0.5]]]), np.array([[[0.0, 1.0]]])
    assert shade(unsure).mean() > shade(sure).mean()
    votes = np.array([sure, sure, 1 - sure, 1 - sure])
    assert disagreement(votes) == 0.5 and disagreement(votes[:2]) == 0


# ---- the page


@pytest.fixture
def view(monkeypatch):
    """A function that makes a page whose workers compute immediately."""
    monkeypatch.setattr(_page.pn.io, "push_notebook", lambda layout: None)

    def make(query=""):
        waiting = []
        page, notices = read_address(query)
        made = _page.View(SyncWorkers(), page, notices, waiting.append, is_served=True)

        def settle():
            with config_context(enable_metadata_routing=True):
                while waiting:
                    waiting.pop(0)()

        made.settle = settle
        with config_context(enable_metadata_routing=True):
            made._start()
        settle()
        return made

    return make


def widget(view, name):
    for part in view.controls._parts.values():
        for widget in part.widgets:
            if widget.label == name:
                return widget
    raise LookupError(name)


def change(view, name, value):
    with config_context(enable_metadata_routing=True):
        widget(view, name).value = value
    view.settle()


def test_a_control_changes_setting_address_and_picture(view):
    view = view("n_samples=60&epochs=3")
    before = view._plane.image.data["image"][0]
    change(view, "noise", 4.0)
    assert view.session.page.setting == QUICK.changed(noise=4.0)
    assert view.frame.query == "n_samples=60&noise=4&epochs=3"
    assert (view._plane.image.data["image"][0] != before).any()
    assert "noise=4.0" in view._program.text


def test_a_new_network_shape_waits_for_the_release_of_the_slider(view):
    view = view("n_samples=60&epochs=3")
    slider = widget(view, "units of layer 1")
    with config_context(enable_metadata_routing=True):
        slider._process_events({"value": 7})  # the event of a drag
    view.settle()
    assert view.frame.is_stale
    assert view.session.shown_page.setting.hidden_layer_sizes == (20, 20)
    with config_context(enable_metadata_routing=True):
        slider._process_events({"value_throttled": 7})
    view.settle()
    assert view.session.shown_page.setting.hidden_layer_sizes == (7, 20)
    assert not view.frame.is_stale


def test_a_question_opens_its_page_and_its_hint_stays(view):
    view = view()
    with config_context(enable_metadata_routing=True):
        view._show_page(QUESTIONS[0].page)
    view.settle()
    assert widget(view, "kernel_initializer").value == "zeros"
    assert QUESTIONS[0].hint in view._hint.object
    change(view, "epochs", 4)
    assert QUESTIONS[0].hint in view._hint.object
    assert view.frame.query.endswith("question=1")


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.title)
def test_each_question_is_stored_in_its_address(question):
    assert question.page == read_address(question.page.address())[0]
    assert question.title.endswith("?") and len(question.hint) < 200


@pytest.mark.slow
def test_the_page_shows_the_verdict_on_a_and_b(view):
    view = view("n_samples=60&epochs=3")
    with config_context(enable_metadata_routing=True):
        view._set_baseline()
    view.settle()
    assert view._views.value == "versus" and "the same as A" in view._status.object
    change(view, "dropout_rate", 0.9)
    assert view.session.page.baseline == QUICK
    assert "B is <strong>worse" in view._summary.object
    assert len(view._differences.mean.data["x"]) == 1
    with config_context(enable_metadata_routing=True):
        view._margin.value = 0.05
        view._views.value = "one"
    view.settle()
    assert view.frame.query.endswith("margin=0.05") and "A.epochs=3" in view.frame.query


def test_a_notice_is_shown_beside_its_control(view):
    view = view("n_samples=5&epochs=3&gpu=1&smallest=0.02")
    alerts = {n: a.object for n, a in view.controls._alerts.items() if a.visible}
    assert [*alerts] == ["n_samples"] and "from 20 to 2,000" in alerts["n_samples"]
    assert "gpu&#x27; is unknown" in view._status.object
    assert "use &#x27;margin&#x27;." in view._status.object
    assert view.session.fits


def test_fresh_data_change_the_points(view):
    view = view("n_samples=60&epochs=3")
    before = view._plane.points.data["x"]
    with config_context(enable_metadata_routing=True):
        view.controls._draw_new_data()
    view.settle()
    assert view.session.page.setting.random_state == 30
    assert (view._plane.points.data["x"] != before).any()


def test_three_classes_and_copies_are_drawn(view):
    view = view("data=blobs&n_samples=60&epochs=2&augmentation=copies&fraction=0.5")
    points = view._plane.points.data
    assert len(points["x"]) == 90 and (points["alpha"] == 0.5).sum() == 30
    assert len(np.unique(points["color"])) == 3
    change(view, "data", "moons")
    assert widget(view, "noise").end == 0.5 and view._plane.figure.x_range.end == 3


def test_the_page_reports_divergence(view):
    view = view(
        "n_samples=60&epochs=20&optimizer=sgd&learning_rate=10&activation=linear"
    )
    assert "Training diverged" in view._status.object
    assert np.isfinite(view._loss.figure.y_range.end)


def test_play_and_pause(view, timers):
    view = view("view=watch&n_samples=60&epochs=300")
    assert view._play.visible and view._play.label == "Pause"
    view._toggle("Pause")
    assert view._play.label == "Play" and not view.session.is_playing
    timers.pass_time()
    view.settle()
    assert "Epoch 1 of" in view._status.object
    with config_context(enable_metadata_routing=True):
        view._toggle("Play")
    assert view._play.label == "Pause"
    view.settle()
    assert view._play.label == "Pause" and "Epoch 2 of" in view._status.object
    view.session.cancel()
    assert view.session._workers.canceled == [view.session]


def test_a_late_pause_does_not_restart_training(view):
    """The label in the browser may still be Pause after the last epoch."""
    view = view("view=watch&n_samples=60&epochs=1")
    assert view._play.label == "Play"
    view.frame.pressed = ["Pause", 1]
    view.settle()
    assert not view.session.is_busy and "Epoch 1 of 1" in view._status.object
    with config_context(enable_metadata_routing=True):
        view.frame.pressed = ["Play", 2]
    assert view._play.label == "Pause"


def test_a_notebook_shows_the_same_page(monkeypatch):
    monkeypatch.setattr(_page, "shared_workers", SyncWorkers)
    monkeypatch.setattr(_page.pn, "extension", lambda **options: None)

    async def cell():
        return playground.playground()

    layout = asyncio.run(cell())
    labels = {item.label for item in layout.select() if hasattr(item, "label")}
    assert {"n_samples", "noise", "View", "Fresh data"} <= labels


# ---- workers


@pytest.fixture(scope="module")
def workers():
    with patch.object(_workers, "MAX_SECONDS", np.inf):
        made = Workers(2)
        yield made
        made.close()


class Scripted:
    """A fake process whose answers a test controls."""

    is_ready = is_alive = True
    growth = 0

    def __init__(self):
        self.programs, self.begun, self.stops = set(), Queue(), Queue()
        self._answers, self._has_answered = Queue(), threading.Event()

    def has_become_ready(self):
        return True

    def begin(self, task):
        self.begun.put(task)

    def stop(self):
        self.stops.put(True)

    def kill(self):
        self.is_alive = False
        self.reply("died")

    def reply(self, event, value=None, seconds=0.0):
        self._answers.put((event, value, seconds))
        self._has_answered.set()

    def has_answered(self, seconds):
        return self._has_answered.wait(seconds)

    def answer(self, task):
        self._has_answered.clear()
        return self._answers.get()

    def end(self):
        pass


@pytest.fixture
def scripted(monkeypatch):
    """Workers with one fake process."""
    monkeypatch.setattr(_workers, "Process", Scripted)
    monkeypatch.setattr(_workers, "MAX_SECONDS", np.inf)
    made = Workers(1)
    yield made
    for process in made.processes:
        process.kill()
    made.close()


HANGS = 600  # seconds after which a test fails


def wait_until(condition):
    """Wait until a condition holds that depends on another process."""
    end = time.monotonic() + HANGS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


class Visitor:
    """A visitor who submits jobs and records their events."""

    def __init__(self, workers):
        self.workers, self.events = workers, Queue()

    def submit(self, *tasks):
        self.job = Job(tasks, lambda job, *event: self.events.put((job, *event)))
        self.workers.submit(self, self.job)

    def wait_for(self, n, expected="done"):
        """Return the values of the next `n` events of a kind of the last job."""
        values = []
        while len(values) < n:
            try:
                job, event, value = self.events.get(timeout=HANGS)
            except Empty:
                message = f"got {len(values)} of {n} events '{expected}'"
                raise AssertionError(message) from None
            if job is self.job and event == expected:
                values.append(value)
            elif job is self.job and event in ("failed", "timed out"):
                raise AssertionError(value)
        return values


def fit_task(setting=QUICK, seed=0):
    return Task("fit", (setting, seed), frozenset([setting.program_key]))


VARIED = [
    *({"data": "blobs"}, {"n_samples": 60}, {"flip_y": 0.1}, {"random_state": 30}),
    *({"augmentation": "jitter"}, {"augmentation": "copies", "fraction": 1.0}),
    *({"hidden_layer_sizes": (3,)}, {"activation": "tanh"}, {"dropout_rate": 0.0}),
    *({"output_activation": "relu"}, {"kernel_initializer": "ones"}, {"epochs": 2}),
    *({"optimizer": "sgd"}, {"learning_rate": 0.1}, {"batch_size": 64}),
    *({"early_stopping": True}, {"n_iter_no_change": 2}, {"noise": 1.0}, {}),
    *({"n_samples": 60, "batch_size": 128}, {"n_samples": 130, "batch_size": 128}),
]


def test_program_keys_agree_with_those_of_the_engine(monkeypatch):
    """The server computes its own keys, because it does not import the engine."""
    keys = []

    def record_key(structure):
        keys.append(structure.fingerprint())
        raise KeyboardInterrupt

    monkeypatch.setattr(training.programs, "borrow", record_key)
    with config_context(enable_metadata_routing=True):
        settings = [Setting(**{"n_samples": 500} | values) for values in VARIED]
        for setting in settings:
            with pytest.raises(KeyboardInterrupt):
                _tasks.fit(setting, 0)
    for one, key in zip(settings, keys, strict=True):
        for other, other_key in zip(settings, keys, strict=True):
            is_same = one.program_key == other.program_key
            assert is_same == (key == other_key), one.differences(other)


def endless():
    """Return a setting with more epochs than the limit allows."""
    setting = copy(QUICK)
    object.__setattr__(setting, "epochs", 10_000_000)
    return setting


def test_results_come_with_the_index_of_their_task(workers):
    visitor = Visitor(workers)
    visitor.submit(*(fit_task(seed=seed) for seed in range(4)))
    fits = dict(visitor.wait_for(4))
    assert [fits[index].seed for index in range(4)] == [0, 1, 2, 3]
    with config_context(enable_metadata_routing=True):
        assert fits[2].accuracy == _tasks.fit(QUICK, 2).accuracy


def test_a_new_job_stops_the_previous_one(scripted, monkeypatch):
    monkeypatch.setattr(_workers, "_GRACE_SECONDS", 0.0)
    (process,) = scripted.processes
    visitor = Visitor(scripted)
    visitor.submit(fit_task(seed=0), fit_task(seed=1))
    assert process.begun.get(timeout=HANGS) == fit_task(seed=0)
    old = visitor.job
    visitor.submit(fit_task(seed=7))
    assert process.stops.get(timeout=HANGS) and old.next_task is None
    process.reply("stopped")
    assert process.begun.get(timeout=HANGS) == fit_task(seed=7)
    process.reply("done", "result")
    assert visitor.wait_for(1) == [(0, "result")]


@pytest.mark.slow
def test_a_new_job_interrupts_an_endless_task(workers):
    visitor = Visitor(workers)
    visitor.submit(*(fit_task(endless(), seed) for seed in range(50)))
    visitor.wait_for(2, "started")
    visitor.submit(fit_task(seed=7))
    ((_, fit),) = visitor.wait_for(1)
    assert fit.seed == 7


def test_visitors_take_turns(workers):
    turns = []

    class RecordedJob(Job):
        def take(self):
            turns.append(self.visitor)
            return super().take()

    visitors = [Visitor(workers) for _ in range(4)]
    with workers._changed:  # no task starts before all jobs are submitted
        for number, visitor in enumerate(visitors):
            tasks = [fit_task(seed=10 * number + i) for i in range(3)]
            visitor.job = RecordedJob(
                tasks, lambda *event, to=visitor: to.events.put(event)
            )
            visitor.job.visitor = number
            workers.submit(visitor, visitor.job)
    for number, visitor in enumerate(visitors):
        seeds = sorted(fit.seed for _, fit in visitor.wait_for(3))
        assert seeds == [10 * number + i for i in range(3)]
    assert turns == 3 * [0, 1, 2, 3]


def test_a_job_ends_at_its_time_limit(scripted, monkeypatch):
    monkeypatch.setattr(_workers, "MAX_SECONDS", 1e6)
    (process,) = scripted.processes
    visitor = Visitor(scripted)
    visitor.submit(*(fit_task(seed=seed) for seed in range(100)))
    for seconds in (5e5, 4e5, 3e5):
        process.begun.get(timeout=HANGS)
        process.reply("done", "result", seconds)
    (message,) = visitor.wait_for(1, "timed out")
    assert "the limit for one request" in message
    assert visitor.job.next_task is None and visitor.job.seconds_used == 12e5
    visitor.submit(fit_task())
    process.reply("done", "result")
    assert visitor.wait_for(1)


@pytest.mark.parametrize("stops", [True, False])
def test_a_task_over_the_time_limit_is_stopped_with_a_message(
    stops, scripted, monkeypatch
):
    """A process that does not stop, because it is compiling, is killed."""
    monkeypatch.setattr(_workers, "MAX_SECONDS", 0.0)
    monkeypatch.setattr(_workers, "_KILL_SECONDS", HANGS if stops else 0.0)
    (process,) = scripted.processes
    visitor = Visitor(scripted)
    visitor.submit(fit_task())
    assert process.stops.get(timeout=HANGS)
    if stops:
        process.reply("stopped")
    (message,) = visitor.wait_for(1, "timed out")
    assert "the limit for one request" in message


@pytest.mark.slow
def test_an_endless_task_is_stopped(workers):
    visitor = Visitor(workers)
    with patch.object(_workers, "MAX_SECONDS", 0.5):
        visitor.submit(*(fit_task(endless(), seed) for seed in range(50)))
        visitor.wait_for(1, "timed out")
    assert visitor.job.next_task is None
    visitor.submit(fit_task())
    assert visitor.wait_for(1)


def test_a_task_goes_to_the_process_with_its_program(workers):
    setting = QUICK.changed(hidden_layer_sizes=(3, 14))
    visitor = Visitor(workers)
    for seed in range(6):
        visitor.submit(fit_task(setting, seed))
        visitor.wait_for(1)
    owners = [p for p in workers.processes if setting.program_key in p.programs]
    assert len(owners) == 1


def test_a_failed_task_gives_its_error(workers):
    visitor = Visitor(workers)
    visitor.submit(Task("fit", ("no setting", 0), frozenset()))
    with pytest.raises(AssertionError, match="has no attribute"):
        visitor.wait_for(1)


@pytest.mark.slow
def test_a_process_that_dies_is_replaced(workers):
    visitor = Visitor(workers)
    wait_until(lambda: all(process.is_ready for process in workers.processes))
    visitor.submit(*(fit_task(endless(), seed) for seed in range(5)))
    visitor.wait_for(2, "started")
    pids = [process.pid for process in workers.processes]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(AssertionError, match="ended unexpectedly"):
        visitor.wait_for(5)
    visitor.submit(fit_task())
    assert visitor.wait_for(1)
    wait_until(lambda: not {p.pid for p in workers.processes} & {*pids})


@pytest.mark.slow
def test_a_process_that_has_grown_is_replaced_without_a_gap(workers, monkeypatch):
    visitor = Visitor(workers)
    visitor.submit(fit_task())
    visitor.wait_for(1)
    before = {process.pid for process in workers.processes}
    monkeypatch.setattr(_workers, "MAX_GROWTH", -1)

    def are_replaced():
        visitor.submit(fit_task(), fit_task())
        visitor.wait_for(2)  # tasks are computed during the replacement
        return not {p.pid for p in workers.processes} & before

    wait_until(are_replaced)


@pytest.mark.slow
def test_no_task_waits_for_a_process_that_has_ended(workers, monkeypatch):
    setting = QUICK.changed(hidden_layer_sizes=(4, 13))
    visitor = Visitor(workers)
    visitor.submit(fit_task(setting))
    visitor.wait_for(1)
    (owner,) = [p for p in workers.processes if setting.program_key in p.programs]
    os.kill(owner.pid, signal.SIGKILL)
    wait_until(lambda: owner not in workers.processes)
    visitor.submit(fit_task(setting))
    assert visitor.wait_for(1)


def test_a_process_that_cannot_start_gives_a_message(monkeypatch):
    class Broken(_workers.Process):
        def __init__(self):
            super().__init__()
            self._process.kill()

    monkeypatch.setattr(_workers, "Process", Broken)
    workers = Workers(1)
    visitor = Visitor(workers)
    try:
        with pytest.raises(AssertionError, match="No worker process could be started"):
            visitor.submit(fit_task())
            visitor.wait_for(1)
    finally:
        workers.close()


@pytest.mark.slow
def test_the_server_stores_a_training_state_without_tensorflow():
    """TensorFlow would take half a gigabyte of memory."""
    code = """if True:
        import sys, threading
        from sklearn_toydnn.playground import _workers
        from sklearn_toydnn.playground._setting import Setting
        from sklearn_toydnn.playground._workers import Job, Task, Workers

        def notify(job, event, value):
            if event == "done":
                done.append(value)
                has_answer.set()

        if __name__ == "__main__":
            _workers.MAX_SECONDS = float("inf")
            has_answer, done, workers = threading.Event(), [], Workers(1)
            task = Task("train_an_epoch", (Setting(), 0, None), frozenset(["epoch"]))
            workers.submit("visitor", Job([task], notify))
            assert has_answer.wait(600)
            workers.close()
            _, (state, fit) = done[0]
            assert isinstance(state, bytes) and fit.accuracy > 0
            sys.exit("tensorflow" in sys.modules)
    """
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- the command


def test_a_port_in_use_gives_a_message(capsys):
    with socket.socket() as server:
        server.bind((__main__.HOST, 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(SystemExit, match=f"Port {port}: Address already in use"):
            __main__.main(["--port", str(port)])
    with pytest.raises(SystemExit):
        __main__.main(["--port", "99999"])
    assert "must be an integer from 0 to 65,535, got 99999" in capsys.readouterr().err


def test_the_error_without_panel_names_the_extra():
    code = (
        "import sys; sys.modules['panel'] = None\n"
        "from sklearn_toydnn.playground.__main__ import main\n"
        "main(['--port', '0'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'sklearn-toydnn[playground]'" in done.stderr
    assert "Traceback" not in done.stderr
