"""The state of one visitor: the requested page, its results and the verdict.

A session does not depend on Panel. The page passes requests to it, and redraws itself
when the session calls `on_change`. Everything runs in the thread of the page: events of
the workers reach this thread through `schedule`.
"""

import threading
import time
from functools import partial

import numpy as np
import pandas as pd

from ..comparison.estimators import LOOKS, LOOKS_NOTE
from ..comparison.result import Comparison
from ..comparison.statistics import OneSampleTTest
from ._pipeline import comparison_params, reason_not_comparable
from ._setting import N_TEST
from ._url import N_SEEDS
from ._workers import Job, Task

_MAX_FRAME_RATE = 20  # epochs per second in the view "watch"
_STATUS_DELAY = 0.4  # seconds before the status says that a job is running

STARTING = "Starting: TensorFlow needs a few seconds to load."
COMPILING = "Preparing this setting (a few seconds); still showing the previous result."


class _Request(Job):
    """A job with its page and start time."""

    def __init__(self, page, tasks, notify):
        super().__init__(tasks, notify)
        self.page, self.start = page, time.monotonic()


class Session:
    """The requested page and its results.

    Attributes
    ----------
    page : Page
        The requested page.
    fits : list of Fit, shown_page : Page
        The trained networks by seed, and the page that they belong to.
    fit_of_a : Fit or None
        The network of the baseline A.
    scores : DataFrame or None, result : Comparison or None
        The scores of A and B, and the comparison at the last test.
    status, remark, problem : str
        The progress, a note about the request, and an error message.
    is_current, is_busy, is_playing : bool
        Whether the shown result belongs to the requested page; whether that page is
        being computed; whether a network trains epoch after epoch.
    """

    def __init__(self, workers, page, on_change, schedule):
        self._workers, self._on_change, self._schedule = workers, on_change, schedule
        self.page, self.shown_page = page, None
        self.fits, self.fit_of_a = [], None
        self.scores = self.result = None
        self.status = self.remark = self.problem = ""
        self.is_current = self.is_busy = False
        self._job = self._shown_job = None
        self._training_state = self._paused_epoch = None
        self._n_epochs_left = np.inf  # before training pauses in the view "watch"
        self._requested_page, self._n_changes = None, 0

    # ---- requests

    def request(self, page):
        """Compute a page, and drop the previous request."""
        if page.view != self.page.view:
            self._n_epochs_left = np.inf
        self._n_epochs_left = max(1, self._n_epochs_left)  # show at least one epoch
        self.page = self._requested_page = page
        self.remark = self.problem = ""
        self._job, self.is_current = None, False
        self.scores = self.result = None
        self._training_state = self._paused_epoch = None
        if page.view == "watch":
            self._train_epoch()
        elif page.view == "versus":
            self._compare()
        else:
            seeds = range(N_SEEDS[page.view])
            self._submit([self._fit_task(page.setting, seed) for seed in seeds])
        self._on_change()

    def preview(self, page):
        """Mark the shown result as stale while a slider is dragged."""
        if page == self._requested_page:  # the slider is back at its old value
            self.request(page)
            return
        self.cancel()
        self.page, self.is_current, self.is_busy = page, False, False
        self._training_state = self._paused_epoch = None
        self._on_change()

    def cancel(self):
        """Stop computing for this session."""
        self._job = None
        self._workers.cancel(self)

    def _fit_task(self, setting, i):
        programs = frozenset([setting.program_key])
        return Task("fit", (setting, setting.random_state + i), programs)

    def _submit(self, tasks, seconds_used=0.0):
        self._job = _Request(self.page, tasks, self._notify)
        self._job.seconds_used, self.is_busy = seconds_used, True
        self._call_after(
            _STATUS_DELAY, partial(self._show_busy, self._job, self.status)
        )
        self._workers.submit(self, self._job)

    def _call_after(self, seconds, call):
        timer = threading.Timer(seconds, self._schedule, [call])
        timer.daemon = True
        timer.start()

    def _show_busy(self, job, status):
        """Set the status of a slow job; for fast jobs, it would flicker."""
        if job is self._job and self.is_busy and self.status == status:
            self.status = "Computing …" if self._workers.are_ready else STARTING
            self._on_change()

    def _notify(self, job, event, value):
        self._schedule(partial(self._handle_event, job, event, value))

    # ---- results

    def _handle_event(self, job, event, value):
        if job is not self._job:
            if event == "done" and self._is_intermediate(job):
                self._show_fit(job, value[1])
                self._on_change()
            return
        if event == "started":
            if value:
                self.status = COMPILING
        elif event == "done":
            self._add_result(*value)
        else:
            self.problem, self.status, self.is_busy = value, "", False
            self._job, self._n_epochs_left = None, 0
        self._on_change()

    def _is_intermediate(self, job):
        """Return whether to show a fit of an outdated job while a slider is dragged.

        The fit must be no older than the shown ones.
        """
        views, shown = {"one", "ten", "thirty"}, self._shown_job
        return (
            {job.page.view, self.page.view} <= views
            and not self.is_current
            and (shown is None or shown.start <= job.start)
        )

    def _add_result(self, index, value):
        if self.page.view == "watch":
            self._add_epoch(*value)
        elif self.page.view == "versus":
            self._add_to_comparison(index, value)
        else:
            self._add_fit(value)

    def _show_fit(self, job, fit):
        if self._shown_job is not job:  # remove all fits of the old job
            self._shown_job, self.fits = job, []
            self.shown_page = job.page
        self.is_current = job is self._job
        self._n_changes += 1
        self.fits = sorted([*self.fits, fit], key=lambda fit: fit.seed)

    def _add_fit(self, fit):
        self._show_fit(self._job, fit)
        n = N_SEEDS[self.page.view]
        self.is_busy = len(self.fits) < n
        seconds = f"{time.monotonic() - self._job.start:.1f} s"
        if self.is_busy:
            self.status = f"{len(self.fits)} of {n} networks trained …"
        else:
            subject = "One network" if n == 1 else f"{n} networks, each on fresh data,"
            self.status = f"{subject} trained in {seconds}."

    @property
    def shown(self):
        """Tuple or None: The state of the pictures; it changes whenever they do."""
        return (self._n_changes, self.page.margin) if self.fits else None

    @property
    def accuracies(self):
        """ndarray: The accuracy on test points of each network."""
        return np.array([fit.accuracy for fit in self.fits])

    @property
    def mean_accuracy(self):
        """tuple: The mean accuracy, and its 95 % interval (None below 5 networks)."""
        if len(self.fits) < 5:
            return self.accuracies.mean(), None
        test = OneSampleTTest(self.accuracies, resolution=1 / N_TEST)
        return test.mean, test.mean_interval(0.05)

    # ---- the view "watch"

    @property
    def is_playing(self):
        """bool: Whether a network trains epoch after epoch."""
        is_endless = self.is_busy and np.isinf(self._n_epochs_left)
        return self.page.view == "watch" and is_endless

    def play(self):
        """Continue training; after the last epoch, start again."""
        self._continue(np.inf)

    def step(self):
        """Train for one more epoch."""
        is_stepping = self.is_busy and np.isfinite(self._n_epochs_left)
        self._continue(self._n_epochs_left + 1 if is_stepping else 1)

    def pause(self):
        """Pause training, and leave the shown epoch as it is."""
        self._n_epochs_left = 0
        self._on_change()

    def _continue(self, n_epochs):
        self.problem, self._n_epochs_left = "", n_epochs
        if self._n_epochs >= self.page.setting.epochs:
            self._training_state = None
        epoch, self._paused_epoch = self._paused_epoch, None
        if epoch:
            self._add_epoch(*epoch)
        elif not self.is_busy:
            self._train_epoch()
        self._on_change()

    @property
    def _n_epochs(self):
        return len(self.fits[0].history["loss"]) if self._training_state else 0

    @property
    def _epoch_status(self):
        return f"Epoch {self._n_epochs} of {self.page.setting.epochs}."

    def _train_epoch(self, seconds_used=0.0):
        """Request one epoch; all epochs share the time limit of one job."""
        setting = self.page.setting
        if setting.early_stopping:
            self.remark = "This view ignores early_stopping and trains for all epochs."
        programs = frozenset([("epoch", *setting.program_key)])
        arguments = setting, setting.random_state, self._training_state
        self._submit([Task("train_an_epoch", arguments, programs)], seconds_used)

    def _add_epoch(self, state, fit):
        if self._n_epochs_left < 1:  # paused while the epoch was computed
            self._paused_epoch, self.is_busy = (state, fit), False
            self.status = self._epoch_status if self._training_state else ""
            return
        self._training_state, self.fits = state, []
        self._show_fit(self._job, fit)
        self.status = self._epoch_status
        self._n_epochs_left -= 1
        is_last = self._n_epochs >= self.page.setting.epochs
        self.is_busy = self._n_epochs_left > 0 and not is_last
        if self.is_busy:
            elapsed = time.monotonic() - self._job.start
            wait = max(0.0, 1 / _MAX_FRAME_RATE - elapsed)
            self._call_after(wait, partial(self._train_next_epoch, self._job))

    def _train_next_epoch(self, job):
        if job is not self._job:
            return
        if self._n_epochs_left > 0:
            self._train_epoch(job.seconds_used)
        else:
            self.is_busy = False
            self._on_change()

    # ---- comparison of A and B

    def _compare(self):
        a, b, self.fit_of_a = self.page.baseline, self.page.setting, None
        self.remark = reason_not_comparable(a, b)
        tasks = [self._fit_task(b, 0), self._fit_task(a, 0)]
        self._n_requested = 0
        if not self.remark:
            tasks += self._tasks_until_next_test()
        self._submit(tasks)

    def _tasks_until_next_test(self):
        a, b = self.page.baseline, self.page.setting
        first = self._n_requested
        self._n_requested = next(n for n in LOOKS if n > first)
        programs = frozenset([a.program_key, b.program_key])
        return [
            Task("score", (a, b, repeat), programs)
            for repeat in range(first, self._n_requested)
        ]

    def _add_to_comparison(self, index, value):
        if index == 0:
            self._show_fit(self._job, value)
        elif index == 1:
            self.fit_of_a = value
            self._n_changes += 1
        else:
            self._n_changes += 1
            self.scores = pd.concat([self.scores, value], ignore_index=True)
            self._test()
        self._update_comparison_status()

    def _test(self):
        """Compare A and B once all requested repetitions are scored."""
        if self._n_scored < self._n_requested:
            return
        page = self._job.page
        params = comparison_params(page.baseline, page.setting)
        self.result = Comparison(
            self.scores.sort_values(["repeat", "estimator"], ignore_index=True),
            baseline=params["baseline"],
            margin=page.margin,
            test_size=params["test_size"],
            looks=len(LOOKS),
            notes=(LOOKS_NOTE,),
        )
        if not self.result.is_settled and self._n_requested < LOOKS[-1]:
            self._workers.add(self, self._job, self._tasks_until_next_test())

    @property
    def _n_scored(self):
        return 0 if self.scores is None else self.scores["repeat"].nunique()

    def _update_comparison_status(self):
        n, n_requested = self._n_scored, self._n_requested
        self.is_busy = n < n_requested
        if self.is_busy:
            self.status = f"{n} repetitions done. Next test after {n_requested}."
        elif self.result is None:
            self.status = ""
        elif self.result.is_settled:
            self.status = f"Decided after {n} repetitions."
        elif self.result.is_decided:
            self.status = (
                f"Decided after {n} repetitions, the maximum. The differences are "
                "skewed, so the false positive rate is not exact."
            )
        else:
            self.status = f"Undecided after {n} repetitions, the maximum."

    @property
    def differences(self):
        """array-like: The accuracy of B minus that of A, for each repetition."""
        if self.scores is None:
            return []
        wide = self.scores.pivot(index="repeat", columns="estimator", values="score")
        return (wide["B"] - wide["A"]).to_numpy()

    @property
    def verdict(self):
        """Series or None: The summary row of B at the last test."""
        if self.result is None:
            return None
        summary = self.result.summary()
        return summary[summary["estimator"] == "B"].iloc[0]
