"""The playground without a browser: addresses, programs, what is shown, workers."""

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
    MAKERS,
    NAMES,
    OWN_RATES,
    Choice,
    Layers,
    Setting,
    limits,
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
    if limit.is_whole:
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
def test_an_address_holds_the_page(page):
    assert read_address(page.address()) == (page, {})


def test_the_defaults_are_the_classifiers():
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
def test_what_is_wrong_in_an_address_is_said_by_name(query, name):
    page, wrong = read_address(query)
    assert [*wrong] == [name]
    assert name in wrong[name] and len(wrong[name]) < 200
    spoiled = name.removeprefix("A.")
    if name in NAMES and query.count(name) == 1:
        default = Setting(page.setting.data)
        assert getattr(page.setting, spoiled) == getattr(default, spoiled)


@given(st.text())
def test_any_address_opens_a_page(query):
    page, wrong = read_address(query)
    assert page == Page() or wrong


def test_a_setting_out_of_its_limits_names_the_parameter():
    with pytest.raises(ValueError, match="n_samples is a whole number from 20 to"):
        Setting(n_samples=5)


def test_other_data_have_their_own_noise():
    setting = Setting(noise=8.0).changed(data="moons")
    assert (setting.noise, setting.std) == (0.2, 0.05)
    assert setting.changed(epochs=3).noise == 0.2


# ---- the program that is shown

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
    """What each program prints in a process of its own kind: the last word of each."""
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


def accuracy_shown(page):
    seeds = range(10) if page.view == "ten" else [page.setting.random_state]
    if page.view != "watch":
        return np.mean([_tasks.fit(page.setting, seed).accuracy for seed in seeds])
    watched = None
    for _ in range(page.setting.epochs):
        watched, fit = _tasks.train_an_epoch(page.setting, 0, watched)
    return fit.accuracy


def test_a_shown_program_that_is_run_here_gives_the_shown_accuracy(capsys):
    page = PROGRAMS[0]
    exec(_pipeline.write_program(page), {"__name__": "program"})
    assert capsys.readouterr().out.split()[-1] == str(accuracy_shown(page))


@pytest.mark.slow
@pytest.mark.parametrize("page", PROGRAMS, ids=lambda page: page.address())
@pytest.mark.filterwarnings("ignore:Maximum epochs")
def test_the_shown_program_gives_the_shown_accuracy(page, printed):
    with config_context(enable_metadata_routing=True):
        assert printed[id(page)].split()[-1] == str(accuracy_shown(page))


@pytest.mark.slow
@pytest.mark.parametrize("page", COMPARED, ids=lambda page: page.address())
def test_the_shown_comparison_is_the_one_of_the_page(page, printed):
    session, heard = started(page)
    assert printed[id(page)] == f"{session.found}\n"
    assert session.found.looks == 4


def test_an_epoch_after_the_other_ends_at_the_fit():
    with config_context(enable_metadata_routing=True):
        fit = _tasks.fit(QUICK, 0)
        assert accuracy_shown(Page(QUICK, "watch")) == fit.accuracy


def test_keras_own_learning_rates_are_known():
    import keras

    for name, rate in OWN_RATES.items():
        own = keras.optimizers.get(name).learning_rate.numpy()
        assert own == pytest.approx(rate)


def test_a_program_is_as_short_as_it_can_be():
    program = _pipeline.write_program(Page())
    assert "make_triangle(2500 + 500, random_state=seed)" in program
    assert "DNNClassifier(random_state=seed)" in program
    for page in [*PROGRAMS, *COMPARED]:
        lines = _pipeline.write_program(page).splitlines()
        assert max(map(len, lines)) <= 88 and len(lines) < 60


def test_flips_do_not_follow_the_points():
    setting = Setting("moons", flip_y=0.3)
    X, y = _pipeline.make_maker(setting)(4000, random_state=0)
    clean = _pipeline.make_maker(Setting("moons"))(4000, random_state=0)
    np.testing.assert_array_equal(X, clean[0])
    flipped = y != clean[1]
    assert 0.27 < flipped.mean() < 0.33
    assert abs(np.corrcoef(flipped, X[:, 0])[0, 1]) < 0.05


# ---- what a visitor is shown


class AtOnce:
    """Workers that do each task when it is asked for, in this process."""

    are_ready = True

    def __init__(self):
        self.tasks, self.left = [], []

    def submit(self, visitor, job):
        self.current = job
        self._go_on(job)

    def add(self, visitor, job, tasks):
        job.add(tasks)
        self._go_on(job)

    def leave(self, visitor):
        self.left.append(visitor)

    def _go_on(self, job):
        while job.next_task and job is self.current:
            place, task = job.take()
            self.tasks.append(task)
            job.tell(job, "begins", False)
            found = getattr(_tasks, task.function)(*task.arguments)
            job.tell(job, "done", (place, found))


class OnDemand(AtOnce):
    """Workers that do what was asked for last when a test says so."""

    def _go_on(self, job):
        pass

    def work(self):
        with config_context(enable_metadata_routing=True):
            super()._go_on(self.current)


class Timers(list):
    """What waits for its time, which comes when a test says so."""

    def pass_time(self):
        calls = [*self]
        self.clear()
        for later, call in calls:
            later(call)


@pytest.fixture(autouse=True)
def timers(monkeypatch):
    waiting = Timers()

    def soon(session, seconds, call):
        waiting.append((session._later, call))

    monkeypatch.setattr(Session, "_soon", soon)
    return waiting


def started(page, workers=None):
    """Return a session that has been told all, and what it said on the way."""
    heard, waiting = [], []

    def changed():
        heard.append((session.status, session.verdict is not None, session.fits[:]))

    session = Session(workers or AtOnce(), page, changed, waiting.append)
    with config_context(enable_metadata_routing=True):
        session.ask(page)
        while waiting:
            waiting.pop(0)()
    return session, heard


def test_seeds_join_as_they_finish():
    session, heard = started(Page(QUICK, "ten"))
    assert [len(fits) for *_, fits in heard if fits][::2] == [*range(1, 11)]
    assert [fit.seed for fit in session.fits] == [*range(10)]
    assert not session.is_busy and session.is_current
    mean, (low, high) = session.mean_accuracy
    assert low < mean < high and mean == session.accuracies.mean()


@pytest.mark.slow
def test_verdicts_are_those_of_looks_only():
    page = Page(QUICK, "versus", QUICK.changed(dropout_rate=0.3), margin=0.002)
    session, heard = started(page)
    n_measured = session.found.n_repeats
    assert n_measured in (20, 40, 80)  # one look does not decide it
    told = [verdict for status, verdict, _ in heard if "repetitions" in status]
    assert not any(told[:10]) and told[-1]
    with config_context(enable_metadata_routing=True):
        found = compare(
            {"A": _pipeline.make_pipeline(page.kept, n_largest=60),
             "B": _pipeline.make_pipeline(page.setting, n_largest=60)},
            _pipeline.make_maker(page.setting),
            **_pipeline.compared_with(page.kept, page.setting),
            margin=page.margin,
        )  # fmt: skip
    pd.testing.assert_frame_equal(found.summary(), session.found.summary())


@pytest.mark.parametrize(
    "change, word", [({}, "the same"), ({"noise": 3.0}, "other data")]
)
def test_what_cannot_be_compared_has_no_verdict(change, word):
    session, _ = started(Page(QUICK.changed(**change), "versus", QUICK))
    assert word in session.remark and session.verdict is None
    assert "compare(" not in _pipeline.write_program(session.page)
    assert session.fits and session.fit_of_a is not None


def watch(setting=QUICK):
    """Return a session that watches a network, and who trains it."""
    workers = OnDemand()
    page = Page(setting, "watch")
    session = Session(workers, page, lambda: None, lambda call: call())
    session.ask(page)
    return session, workers


def test_playing_goes_on_to_the_last_epoch(timers):
    session, workers = watch()
    for n in (1, 2):
        workers.work()
        assert session.status == f"Epoch {n} of 3." and session.is_playing
        timers.pass_time()
    workers.work()
    assert session.status == "Epoch 3 of 3." and not session.is_playing
    assert len(session.fits[0].history["val_loss"]) == 3
    session.step()  # at the end: from the start
    workers.work()
    assert session.status == "Epoch 1 of 3."


def test_pausing_leaves_what_is_seen(timers):
    """The epoch under way is the next to be seen, and not trained again."""
    session, workers = watch()
    workers.work()
    timers.pass_time()
    seen = session.fits[:]
    session.pause()
    workers.work()
    assert session.fits == seen and session.status == "Epoch 1 of 3."
    assert not session.is_busy
    session.step()
    assert session.status == "Epoch 2 of 3." and len(workers.tasks) == 2
    session.step()
    workers.work()
    assert session.status == "Epoch 3 of 3."


def test_steps_are_no_playing():
    session, workers = watch(QUICK.changed(epochs=30))
    workers.work()
    session.pause()
    session.step()
    session.step()
    assert session.is_busy and not session.is_playing


def test_what_is_paused_shows_another_setting(timers):
    session, workers = watch()
    workers.work()
    session.pause()
    session.ask(Page(QUICK.changed(noise=3.0), "watch"))
    workers.work()
    timers.pass_time()
    assert session.is_current and session.status == "Epoch 1 of 3."
    assert not session.is_busy


def test_an_epoch_is_of_the_setting_that_is_asked_for(timers):
    session, workers = watch()
    workers.work()
    session.expect(Page(QUICK.changed(hidden_layer_sizes=(1, 20)), "watch"))
    session.play()
    workers.work()
    assert session.status == "Epoch 1 of 3."


def test_only_the_newest_is_current_and_the_one_before_may_be_shown():
    session, _ = started(Page(QUICK))
    old, newer = (_Request(Page(QUICK), [], None) for _ in "12")
    session._job, session.is_current = newer, False
    fit = session.fits[0]
    session._hear(old, "done", (0, fit))
    assert session.fits == [fit] and not session.is_current
    session._hear(old, "failed", "of an older one")
    assert not session.problem
    session._hear(newer, "begins", True)
    assert session.status == COMPILING
    session._hear(newer, "failed", "no")
    assert session.problem == "no" and not session.is_busy


@pytest.mark.parametrize("view", ["ten", "versus", "watch"])
def test_what_is_dragged_over_ends_what_was_computed(view):
    """Else a look, or an epoch, would be of one setting and of the other."""
    page = Page(QUICK, view, QUICK.changed(dropout_rate=0.5))
    waiting = []
    session = Session(AtOnce(), page, lambda: None, waiting.append)
    with config_context(enable_metadata_routing=True):
        session.ask(page)
        other = QUICK.changed(hidden_layer_sizes=(1, 20))
        session.expect(Page(other, view, page.kept))
        n_tasks = len(session._workers.tasks)
        while waiting:
            waiting.pop(0)()
    assert not session.is_current and len(session._workers.tasks) == n_tasks
    assert session.scores is None and session.verdict is None


def test_a_slider_dragged_there_and_back_asks_again():
    session, _ = started(Page(QUICK))
    waiting = []
    session._later = waiting.append
    with config_context(enable_metadata_routing=True):
        session.expect(Page(QUICK.changed(hidden_layer_sizes=(1, 20))))
        assert not session.is_current
        session.expect(Page(QUICK))
        while waiting:
            waiting.pop(0)()
    assert session.is_current


def test_after_a_failure_nothing_is_busy():
    session, _ = started(Page(QUICK, "ten"))
    job = session._job
    session._hear(job, "spent", "Stopped.")
    session._hear(job, "done", (3, session.fits[3]))
    assert session.problem == "Stopped." and not session.is_busy
    assert session.status == ""


def test_fresh_data_are_fresh_for_a_too():
    page = Page(QUICK.changed(random_state=30), "versus", QUICK)
    assert page.kept == page.setting


def test_divergence_is_counted():
    session, _ = started(Page(QUICK, "ten"))
    session.fits[1].warning = "Training diverged."
    assert _captions.describe_divergence(session.fits) == "1 of 10 networks diverged."
    assert _captions.describe_divergence(session.fits[1:2]) == "Training diverged."


def test_the_shade_is_white_where_nothing_is_known():
    even, sure = np.array([[[0.5, 0.5]]]), np.array([[[0.0, 1.0]]])
    assert shade(even).mean() > shade(sure).mean()
    votes = np.array([sure, sure, 1 - sure, 1 - sure])
    assert disagreement(votes) == 0.5 and disagreement(votes[:2]) == 0


# ---- the page


@pytest.fixture
def view(monkeypatch):
    """A page whose workers compute at once, and what it waits for."""
    monkeypatch.setattr(_page.pn.io, "push_notebook", lambda layout: None)

    def make(query=""):
        waiting = []
        page, wrong = read_address(query)
        made = _page.View(AtOnce(), page, wrong, waiting.append, is_served=True)

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
        for one in part.widgets:
            if one.label == name:
                return one
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


def test_structure_waits_for_the_slider_to_rest(view):
    view = view("n_samples=60&epochs=3")
    slider = widget(view, "units of layer 1")
    with config_context(enable_metadata_routing=True):
        slider._process_events({"value": 7})  # as the browser says it: it is dragged
    view.settle()
    assert view.frame.is_stale
    assert view.session.shown_page.setting.hidden_layer_sizes == (20, 20)
    with config_context(enable_metadata_routing=True):
        slider._process_events({"value_throttled": 7})
    view.settle()
    assert view.session.shown_page.setting.hidden_layer_sizes == (7, 20)
    assert not view.frame.is_stale


def test_a_question_is_put_and_its_sentence_stays(view):
    view = view()
    with config_context(enable_metadata_routing=True):
        view._show_page(QUESTIONS[0].page)
    view.settle()
    assert widget(view, "kernel_initializer").value == "zeros"
    assert QUESTIONS[0].words in view._sentence.object
    change(view, "epochs", 4)
    assert QUESTIONS[0].words in view._sentence.object
    assert view.frame.query.endswith("question=1")


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.title)
def test_each_question_fits_its_address(question):
    assert question.page == read_address(question.page.address())[0]
    assert question.title.endswith("?") and len(question.words) < 200


@pytest.mark.slow
def test_what_is_kept_is_a_and_the_verdict_is_said(view):
    view = view("n_samples=60&epochs=3")
    with config_context(enable_metadata_routing=True):
        view._keep_present()
    view.settle()
    assert view._views.value == "versus" and "the same as A" in view._status.object
    change(view, "dropout_rate", 0.9)
    assert view.session.page.kept == QUICK
    assert "B is <strong>worse" in view._words.object
    assert len(view._differences.mean.data["x"]) == 1
    with config_context(enable_metadata_routing=True):
        view._margin.value = 0.05
        view._views.value = "one"
    view.settle()
    assert view.frame.query.endswith("margin=0.05") and "A.epochs=3" in view.frame.query


def test_a_word_stands_beside_what_is_wrong(view):
    view = view("n_samples=5&epochs=3&what=1")
    alerts = {n: a.object for n, a in view.controls._alerts.items() if a.visible}
    assert [*alerts] == ["n_samples"] and "from 20 to 2000" in alerts["n_samples"]
    assert "what&#x27; is no parameter" in view._status.object
    assert view.session.fits


def test_fresh_data_are_fresh(view):
    view = view("n_samples=60&epochs=3")
    before = view._plane.points.data["x"]
    with config_context(enable_metadata_routing=True):
        view.controls._draw_afresh()
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


def test_a_network_that_diverges_is_told_of(view):
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
    view.session.leave()
    assert view.session._workers.left == [view.session]


def test_pause_that_comes_after_the_end_does_not_begin_again(view):
    """In the browser the button still said Pause."""
    view = view("view=watch&n_samples=60&epochs=1")
    assert view._play.label == "Play"
    view.frame.pressed = ["Pause", 1]
    view.settle()
    assert not view.session.is_busy and "Epoch 1 of 1" in view._status.object
    with config_context(enable_metadata_routing=True):
        view.frame.pressed = ["Play", 2]
    assert view._play.label == "Pause"


def test_a_notebook_gets_the_same(monkeypatch):
    monkeypatch.setattr(_page, "shared_workers", AtOnce)
    monkeypatch.setattr(_page.pn, "extension", lambda **how: None)

    async def cell():
        return playground.playground()

    layout = asyncio.run(cell())
    labels = {one.label for one in layout.select() if hasattr(one, "label")}
    assert {"n_samples", "noise", "What to look at", "Fresh data"} <= labels


# ---- workers


@pytest.fixture(scope="module")
def workers():
    with patch.object(_workers, "MAX_SECONDS", np.inf):
        made = Workers(2)
        yield made
        made.close()


class Scripted:
    """In place of a process: it answers what a test says, and when."""

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
        self.say("died")

    def say(self, event, value=None, seconds=0.0):
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
    """Workers with one process, whose part the test plays."""
    monkeypatch.setattr(_workers, "Process", Scripted)
    monkeypatch.setattr(_workers, "MAX_SECONDS", np.inf)
    made = Workers(1)
    yield made
    for process in made.processes:
        process.kill()
    made.close()


HANGS = 600  # seconds: no computer is so slow


def wait_until(condition):
    """Wait for what needs time of another process."""
    end = time.monotonic() + HANGS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


class Visitor:
    """Somebody who asks, and notes what comes."""

    def __init__(self, workers):
        self.workers, self.heard = workers, Queue()

    def ask(self, *tasks):
        self.job = Job(tasks, lambda job, *heard: self.heard.put((job, *heard)))
        self.workers.submit(self, self.job)

    def hear(self, n, event="done"):
        """Return as many values of an event of what was asked for last."""
        found = []
        while len(found) < n:
            try:
                job, heard, value = self.heard.get(timeout=HANGS)
            except Empty:
                raise AssertionError(f"heard {len(found)} of {n} {event}") from None
            if job is self.job and heard == event:
                found.append(value)
            elif job is self.job and heard in ("failed", "spent"):
                raise AssertionError(value)
        return found


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


def test_a_setting_tells_which_compiled_program_it_needs(monkeypatch):
    """By the same key as the engine, which the server does without."""
    keys = []

    def note(structure):
        keys.append(structure.fingerprint())
        raise KeyboardInterrupt

    monkeypatch.setattr(training.programs, "borrow", note)
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
    """Return a setting of so many epochs as no page may ask for."""
    setting = copy(QUICK)
    object.__setattr__(setting, "epochs", 10_000_000)
    return setting


def test_tasks_come_back_with_their_places(workers):
    visitor = Visitor(workers)
    visitor.ask(*(fit_task(seed=seed) for seed in range(4)))
    found = dict(visitor.hear(4))
    assert [found[place].seed for place in range(4)] == [0, 1, 2, 3]
    with config_context(enable_metadata_routing=True):
        assert found[2].accuracy == _tasks.fit(QUICK, 2).accuracy


def test_a_newer_setting_stops_an_older_one(scripted, monkeypatch):
    monkeypatch.setattr(_workers, "_LET_FINISH", 0.0)
    (process,) = scripted.processes
    visitor = Visitor(scripted)
    visitor.ask(fit_task(seed=0), fit_task(seed=1))
    assert process.begun.get(timeout=HANGS) == fit_task(seed=0)
    old = visitor.job
    visitor.ask(fit_task(seed=7))
    assert process.stops.get(timeout=HANGS) and old.next_task is None
    process.say("stopped")
    assert process.begun.get(timeout=HANGS) == fit_task(seed=7)
    process.say("done", "found")
    assert visitor.hear(1) == [(0, "found")]


@pytest.mark.slow
def test_a_process_at_something_endless_is_soon_free(workers):
    visitor = Visitor(workers)
    visitor.ask(*(fit_task(endless(), seed) for seed in range(50)))
    visitor.hear(2, "begins")
    visitor.ask(fit_task(seed=7))
    ((place, fit),) = visitor.hear(1)
    assert fit.seed == 7


def test_each_visitor_gets_their_own_in_turn(workers):
    turns = []

    class Noted(Job):
        def take(self):
            turns.append(self.visitor)
            return super().take()

    visitors = [Visitor(workers) for _ in range(4)]
    with workers._changed:  # nobody takes anything before all have asked
        for number, visitor in enumerate(visitors):
            tasks = [fit_task(seed=10 * number + i) for i in range(3)]
            visitor.job = Noted(tasks, lambda *heard, to=visitor: to.heard.put(heard))
            visitor.job.visitor = number
            workers.submit(visitor, visitor.job)
    for number, visitor in enumerate(visitors):
        seeds = sorted(fit.seed for place, fit in visitor.hear(3))
        assert seeds == [10 * number + i for i in range(3)]
    assert turns == 3 * [0, 1, 2, 3]


def test_computing_ends_at_its_limit(scripted, monkeypatch):
    monkeypatch.setattr(_workers, "MAX_SECONDS", 1e6)
    (process,) = scripted.processes
    visitor = Visitor(scripted)
    visitor.ask(*(fit_task(seed=seed) for seed in range(100)))
    for seconds in (5e5, 4e5, 3e5):
        process.begun.get(timeout=HANGS)
        process.say("done", "found", seconds)
    (words,) = visitor.hear(1, "spent")
    assert "the most that a page may ask for" in words
    assert visitor.job.next_task is None and visitor.job.spent == 12e5
    visitor.ask(fit_task())
    process.say("done", "found")
    assert visitor.hear(1)


@pytest.mark.parametrize("hears", [True, False])
def test_a_task_that_takes_too_long_is_stopped_and_that_is_said(
    hears, scripted, monkeypatch
):
    """A process hears nothing while it compiles: it is killed."""
    monkeypatch.setattr(_workers, "MAX_SECONDS", 0.0)
    monkeypatch.setattr(_workers, "_UNTIL_KILLED", HANGS if hears else 0.0)
    (process,) = scripted.processes
    visitor = Visitor(scripted)
    visitor.ask(fit_task())
    assert process.stops.get(timeout=HANGS)
    if hears:
        process.say("stopped")
    (words,) = visitor.hear(1, "spent")
    assert "the most that a page may ask for" in words


@pytest.mark.slow
def test_something_endless_is_stopped(workers):
    visitor = Visitor(workers)
    with patch.object(_workers, "MAX_SECONDS", 0.5):
        visitor.ask(*(fit_task(endless(), seed) for seed in range(50)))
        visitor.hear(1, "spent")
    assert visitor.job.next_task is None
    visitor.ask(fit_task())
    assert visitor.hear(1)


def test_a_task_goes_where_its_program_is(workers):
    setting = QUICK.changed(hidden_layer_sizes=(3, 14))
    visitor = Visitor(workers)
    for seed in range(6):
        visitor.ask(fit_task(setting, seed))
        visitor.hear(1)
    having = [p for p in workers.processes if setting.program_key in p.programs]
    assert len(having) == 1


def test_a_task_that_fails_says_why(workers):
    visitor = Visitor(workers)
    visitor.ask(Task("fit", ("no setting", 0), frozenset()))
    with pytest.raises(AssertionError, match="has no attribute"):
        visitor.hear(1)


@pytest.mark.slow
def test_a_process_that_dies_is_replaced(workers):
    visitor = Visitor(workers)
    wait_until(lambda: all(process.is_ready for process in workers.processes))
    visitor.ask(*(fit_task(endless(), seed) for seed in range(5)))
    visitor.hear(2, "begins")
    pids = [process.pid for process in workers.processes]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(AssertionError, match="ended unexpectedly"):
        visitor.hear(5)
    visitor.ask(fit_task())
    assert visitor.hear(1)
    wait_until(lambda: not {p.pid for p in workers.processes} & {*pids})


@pytest.mark.slow
def test_a_process_that_has_grown_is_replaced_meanwhile(workers, monkeypatch):
    visitor = Visitor(workers)
    visitor.ask(fit_task())
    visitor.hear(1)
    before = {process.pid for process in workers.processes}
    monkeypatch.setattr(_workers, "MAX_GROWTH", -1)

    def are_replaced():
        visitor.ask(fit_task(), fit_task())
        visitor.hear(2)  # it is never without an answer
        return not {p.pid for p in workers.processes} & before

    wait_until(are_replaced)


@pytest.mark.slow
def test_nothing_is_left_to_a_process_that_is_gone(workers, monkeypatch):
    setting = QUICK.changed(hidden_layer_sizes=(4, 13))
    visitor = Visitor(workers)
    visitor.ask(fit_task(setting))
    visitor.hear(1)
    (having,) = [p for p in workers.processes if setting.program_key in p.programs]
    os.kill(having.pid, signal.SIGKILL)
    wait_until(lambda: having not in workers.processes)
    visitor.ask(fit_task(setting))
    assert visitor.hear(1)


def test_a_process_that_cannot_start_is_told_of(monkeypatch):
    class Broken(_workers.Process):
        def __init__(self):
            super().__init__()
            self._process.kill()

    monkeypatch.setattr(_workers, "Process", Broken)
    workers = Workers(1)
    visitor = Visitor(workers)
    try:
        with pytest.raises(AssertionError, match="No process can be started"):
            visitor.ask(fit_task())
            visitor.hear(1)
    finally:
        workers.close()


@pytest.mark.slow
def test_the_server_does_without_tensorflow_when_a_network_is_watched():
    """It would hold half a gigabyte for nothing."""
    code = """if True:
        import sys, threading
        from sklearn_toydnn.playground import _workers
        from sklearn_toydnn.playground._setting import Setting
        from sklearn_toydnn.playground._workers import Job, Task, Workers

        def tell(job, event, value):
            if event == "done":
                done.append(value)
                heard.set()

        if __name__ == "__main__":
            _workers.MAX_SECONDS = float("inf")
            heard, done, workers = threading.Event(), [], Workers(1)
            task = Task("train_an_epoch", (Setting(), 0, None), frozenset(["epoch"]))
            workers.submit("somebody", Job([task], tell))
            assert heard.wait(600)
            workers.close()
            place, (watched, fit) = done[0]
            assert isinstance(watched, bytes) and fit.accuracy > 0
            sys.exit("tensorflow" in sys.modules)
    """
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- the command


def test_a_port_in_use_is_said(capsys):
    with socket.socket() as taken:
        taken.bind((__main__.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=f"Port {port}: Address already in use"):
            __main__.main(["--port", str(port)])
    with pytest.raises(SystemExit):
        __main__.main(["--port", "99999"])
    assert "a port is from 0 to 65535, not 99999" in capsys.readouterr().err


def test_without_panel_the_extra_is_named():
    code = (
        "import sys; sys.modules['panel'] = None\n"
        "from sklearn_toydnn.playground.__main__ import main\n"
        "main(['--port', '0'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'sklearn-toydnn[playground]'" in done.stderr
    assert "Traceback" not in done.stderr
