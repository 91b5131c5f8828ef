"""What one visitor of the playground is shown: asked for, computed, judged.

No word of Panel here: the page tells a session what is asked, and paints what it finds
in it when it is told of a change. All of it happens in one thread, that of the page, to
which `later` brings what the workers say.
"""

import threading
import time
from functools import partial

import numpy as np
import pandas as pd

from ..comparison.estimators import LOOKED, LOOKS
from ..comparison.result import Comparison
from ..comparison.statistics import OneSampleTTest
from ._pipeline import compared_with, why_not_compared
from ._setting import N_TEST
from ._url import N_SEEDS
from ._workers import Job, Task

_FRAMES = 20  # a second, at most
_UNTIL_SAID = 0.4  # seconds after which it is said that something is being computed

STARTING = "Starting: TensorFlow takes some seconds to be ready."
COMPILING = "Compiling a structure that is new here; the picture is still the old one."


class _Request(Job):
    """A page that is asked for, and when."""

    def __init__(self, page, tasks, tell):
        super().__init__(tasks, tell)
        self.page, self.start = page, time.monotonic()


class Session:
    """What is asked for and what there is of it.

    Attributes
    ----------
    page : Page
        What is asked for.
    fits : list of Fit, shown_page : Page
        Trained networks, by seed, and the page that they are of.
    fit_of_a : Fit or None
        A network of what is kept as A.
    scores : DataFrame or None, found : Comparison or None
        Of A against B: what is measured, and the verdicts of the last look.
    status, remark, problem : str
        What is being computed; what is to be known; what went wrong.
    is_current, is_busy, is_playing : bool
        Whether what is shown is what is asked for; whether that is being computed;
        whether a network is being watched.
    """

    def __init__(self, workers, page, changed, later):
        self._workers, self._changed, self._later = workers, changed, later
        self.page, self.shown_page = page, None
        self.fits, self.fit_of_a = [], None
        self.scores = self.found = None
        self.status = self.remark = self.problem = ""
        self.is_current = self.is_busy = False
        self._job = self._shown_job = self._watched = self._held = None
        self._epochs_to_go = np.inf  # while a network is watched
        self._asked_page, self._n_changes = None, 0

    # ---- what is asked

    def ask(self, page):
        """Compute a page, and nothing else any more."""
        if page.view != self.page.view:
            self._epochs_to_go = np.inf
        self._epochs_to_go = max(1, self._epochs_to_go)  # there is one to be seen
        self.page = self._asked_page = page
        self.remark = self.problem = ""
        self._job, self.is_current = None, False
        self.scores = self.found = self._watched = self._held = None
        if page.view == "watch":
            self._watch()
        elif page.view == "versus":
            self._compare()
        else:
            seeds = range(N_SEEDS[page.view])
            self._submit([self._fit_task(page.setting, seed) for seed in seeds])
        self._changed()

    def expect(self, page):
        """Show that what is shown is not what is asked for, before it is computed."""
        if page == self._asked_page:  # dragged there and back
            self.ask(page)
            return
        self.leave()
        self.page, self.is_current, self.is_busy = page, False, False
        self._watched = self._held = None  # of the setting before
        self._changed()

    def leave(self):
        """Compute nothing more."""
        self._job = None
        self._workers.leave(self)

    def _fit_task(self, setting, i):
        programs = frozenset([setting.program_key])
        return Task("fit", (setting, setting.random_state + i), programs)

    def _submit(self, tasks, spent=0.0):
        self._job = _Request(self.page, tasks, self._tell)
        self._job.spent, self.is_busy = spent, True
        self._soon(_UNTIL_SAID, partial(self._say_what_is_done, self._job, self.status))
        self._workers.submit(self, self._job)

    def _soon(self, seconds, call):
        timer = threading.Timer(seconds, self._later, [call])
        timer.daemon = True
        timer.start()

    def _say_what_is_done(self, job, status):
        """Say it where it takes time: words that come and go would flicker."""
        if job is self._job and self.is_busy and self.status == status:
            self.status = "Computing …" if self._workers.are_ready else STARTING
            self._changed()

    def _tell(self, job, event, value):
        self._later(partial(self._hear, job, event, value))

    # ---- what comes of it

    def _hear(self, job, event, value):
        if job is not self._job:
            if event == "done" and self._is_on_the_way(job):
                self._show_fit(job, value[1])
                self._changed()
            return
        if event == "begins":
            if value:
                self.status = COMPILING
        elif event == "done":
            self._take(*value)
        else:
            self.problem, self.status, self.is_busy = value, "", False
            self._job, self._epochs_to_go = None, 0
        self._changed()

    def _is_on_the_way(self, job):
        """Return whether networks of a moment ago are better than those shown.

        While a slider is dragged, they are what is seen to move.
        """
        views, shown = {"one", "ten", "thirty"}, self._shown_job
        return (
            {job.page.view, self.page.view} <= views
            and not self.is_current
            and (shown is None or shown.start <= job.start)
        )

    def _take(self, place, value):
        if self.page.view == "watch":
            self._take_epoch(*value)
        elif self.page.view == "versus":
            self._take_compared(place, value)
        else:
            self._take_fit(value)

    def _show_fit(self, job, fit):
        if self._shown_job is not job:  # of the old ones, none stays
            self._shown_job, self.fits = job, []
            self.shown_page = job.page
        self.is_current = job is self._job
        self._n_changes += 1
        self.fits = sorted([*self.fits, fit], key=lambda fit: fit.seed)

    def _take_fit(self, fit):
        self._show_fit(self._job, fit)
        n = N_SEEDS[self.page.view]
        self.is_busy = len(self.fits) < n
        seconds = f"{time.monotonic() - self._job.start:.1f} s"
        if self.is_busy:
            self.status = f"{len(self.fits)} of {n} networks …"
        else:
            what = "One network" if n == 1 else f"{n} networks, each on fresh data,"
            self.status = f"{what} trained in {seconds}."

    @property
    def shown(self):
        """tuple: What is equal as long as the pictures are the same; None before."""
        return (self._n_changes, self.page.margin) if self.fits else None

    @property
    def accuracies(self):
        """ndarray: The accuracy on test points of each network."""
        return np.array([fit.accuracy for fit in self.fits])

    @property
    def mean_accuracy(self):
        """tuple: The mean accuracy, and its 95 % interval where there are several."""
        if len(self.fits) < 5:  # of fewer it says little
            return self.accuracies.mean(), None
        test = OneSampleTTest(self.accuracies, resolution=1 / N_TEST)
        return test.mean, test.mean_interval(0.05)

    # ---- watching

    @property
    def is_playing(self):
        """bool: Whether epoch follows epoch."""
        goes_on = self.is_busy and np.isinf(self._epochs_to_go)
        return self.page.view == "watch" and goes_on

    def play(self):
        """Go on, from the start if it is at its end."""
        self._go_on_by(np.inf)

    def step(self):
        """Train for one epoch more."""
        waits = self.is_busy and np.isfinite(self._epochs_to_go)
        self._go_on_by(self._epochs_to_go + 1 if waits else 1)

    def pause(self):
        """Go on no more: what is shown stays."""
        self._epochs_to_go = 0
        self._changed()

    def _go_on_by(self, n_epochs):
        self.problem, self._epochs_to_go = "", n_epochs
        if self._n_epochs >= self.page.setting.epochs:
            self._watched = None
        held, self._held = self._held, None
        if held:
            self._take_epoch(*held)
        elif not self.is_busy:
            self._watch()
        self._changed()

    @property
    def _n_epochs(self):
        return len(self.fits[0].history["loss"]) if self._watched else 0

    @property
    def _epoch_in_words(self):
        return f"Epoch {self._n_epochs} of {self.page.setting.epochs}."

    def _watch(self, spent=0.0):
        """Ask for an epoch, in the time that the ones before have left."""
        setting = self.page.setting
        if setting.early_stopping:
            self.remark = "Early stopping ends a fit; watching goes on."
        programs = frozenset([("epoch", *setting.program_key)])
        arguments = setting, setting.random_state, self._watched
        self._submit([Task("train_an_epoch", arguments, programs)], spent)

    def _take_epoch(self, watched, fit):
        if self._epochs_to_go < 1:  # paused meanwhile
            self._held, self.is_busy = (watched, fit), False
            self.status = self._epoch_in_words if self._watched else ""
            return
        self._watched, self.fits = watched, []
        self._show_fit(self._job, fit)
        self.status = self._epoch_in_words
        self._epochs_to_go -= 1
        is_last = self._n_epochs >= self.page.setting.epochs
        self.is_busy = self._epochs_to_go > 0 and not is_last
        if self.is_busy:
            wait = max(0.0, 1 / _FRAMES - (time.monotonic() - self._job.start))
            self._soon(wait, partial(self._go_on, self._job))

    def _go_on(self, job):
        if job is not self._job:
            return
        if self._epochs_to_go > 0:
            self._watch(spent=job.spent)
        else:
            self.is_busy = False
            self._changed()

    # ---- A against B

    def _compare(self):
        a, b, self.fit_of_a = self.page.kept, self.page.setting, None
        self.remark = why_not_compared(a, b)
        tasks = [self._fit_task(b, 0), self._fit_task(a, 0)]
        self._n_asked = 0
        if not self.remark:
            tasks += self._next_look()
        self._submit(tasks)

    def _next_look(self):
        a, b = self.page.kept, self.page.setting
        first = self._n_asked
        self._n_asked = next(n for n in LOOKS if n > first)
        programs = frozenset([a.program_key, b.program_key])
        return [
            Task("score", (a, b, repeat), programs)
            for repeat in range(first, self._n_asked)
        ]

    def _take_compared(self, place, value):
        if place == 0:
            self._show_fit(self._job, value)
        elif place == 1:
            self.fit_of_a = value
            self._n_changes += 1
        else:
            self._n_changes += 1
            self.scores = pd.concat([self.scores, value], ignore_index=True)
            self._look()
        self._tell_looks()

    def _look(self):
        """Judge the scores if it is time to."""
        if self._n_scored < self._n_asked:
            return
        page = self._job.page
        how = compared_with(page.kept, page.setting)
        self.found = Comparison(
            self.scores.sort_values(["repeat", "estimator"], ignore_index=True),
            baseline=how["baseline"],
            margin=page.margin,
            test_size=how["test_size"],
            looks=len(LOOKS),
            notes=(LOOKED,),
        )
        if not self.found.is_settled and self._n_asked < LOOKS[-1]:
            self._workers.add(self, self._job, self._next_look())

    @property
    def _n_scored(self):
        return 0 if self.scores is None else self.scores["repeat"].nunique()

    def _tell_looks(self):
        n, asked = self._n_scored, self._n_asked
        self.is_busy = n < asked
        if self.is_busy:
            self.status = f"{n} repetitions; the next look is after {asked}."
        elif self.found is None:
            self.status = ""
        elif self.found.is_settled:
            self.status = f"Decided after {n} repetitions."
        elif self.found.is_decided:
            self.status = (
                f"Decided after {n} repetitions, the most there are. Differences are "
                "skewed: the level is not exact."
            )
        else:
            self.status = f"Not decided after {n} repetitions, the most there are."

    @property
    def differences(self):
        """array-like: B's accuracy less A's, repetition by repetition."""
        if self.scores is None:
            return []
        wide = self.scores.pivot(index="repeat", columns="estimator", values="score")
        return (wide["B"] - wide["A"]).to_numpy()

    @property
    def verdict(self):
        """Series or None: The row of the last look that compares B with A."""
        if self.found is None:
            return None
        summary = self.found.summary()
        return summary[summary["estimator"] == "B"].iloc[0]
