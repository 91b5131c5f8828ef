"""What scores over repetitions say: intervals, tests, a verdict on each difference."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from .metrics import check_losses, is_negated
from .renamed import Summary, describe_missing, refuse_old_parameters
from .resolution import points_behind, ratio_of_errors, share_of_a_point
from .scale import (
    DIFFERENCE,
    RATIO,
    check_margin,
    differences,
    errors,
    from_scale,
    log_errors,
    to_scale,
)
from .statistics import POWER, OneSampleTTest, holm

_CONTINUED = "level not exact: repetitions were added after a look"
_SKEWED = "skewed differences: the level is not exact"
_FEW_ERRORS = (
    "fewer than two errors a test set: ratios are pulled towards 1, and equivalence is "
    "not claimed"
)
_PAIR = ["metric", "estimator", "baseline"]
_SHOWN = [
    *("mean", "effect", "effect_ci_low", "effect_ci_high"),
    *("probability_better", "p_value", "verdict"),
]
_COLUMNS = [
    *_PAIR,
    *("mean", "ci_low", "ci_high"),
    *("effect", "effect_ci_low", "effect_ci_high", "p_value"),
    *("equivalence_ci_low", "equivalence_ci_high", "p_equivalence"),
    *("probability_better", "probability_better_ci_low", "probability_better_ci_high"),
    *("n_ties", "verdict", "detectable", "n_repeats"),
    *("level", "equivalence_level", "interval", "note"),
]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Scores of estimators over repetitions, and what they say.

    Made by :func:`compare` and :func:`compare_candidates`; or of scores that were
    measured elsewhere.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns ``repeat``, ``estimator``, ``metric`` and ``score``; others are kept.
        Each estimator has one finite score per repetition and metric.

    baseline : str, default=None
        The estimator that the others are compared with; None compares every pair.

    margin : float or dict of str to float, default=None
        The smallest difference of interest, or one for each of some metrics.

    scale : {"difference", "ratio"}, default="difference"
        What is compared: see :func:`compare`.

    alpha : float, default=0.05
        The level of all tests together, in (0, 0.5).

    test_size : float, default=None
        The number of test points behind a score, on average. It tells how coarse a
        score made of labels is. None takes the largest denominator of the scores, and
        claims no equivalence of such scores.

    overlap : float, default=0.0
        n_test / n_train where training sets overlap, 0 where data are fresh.

    losses : tuple of str, default=()
        The metrics of which less is better. Of all others greater is better.

    negated : tuple of str, default=()
        The metrics that are the negative of a loss, which ``scale="ratio"`` needs to
        know; scikit-learn's own, as "neg_log_loss", need not be named.

    looks : int, default=1
        How often, at most, the scores are judged as repetitions are added, each time
        at `alpha` divided by it.

    notes : tuple of str, default=()
        Conditions that hold for every row: the column ``note`` of `summary` begins
        with them.

    Attributes
    ----------
    n_repeats : int
        The number of repetitions.

    estimators, metrics : list of str
        Their names, in the order of `scores`.

    is_decided : bool
        Whether no verdict is "undecided".

    is_skewed : bool
        Whether the differences of some row are so skewed that tests are not exact.

    is_settled : bool
        Whether ``compare(n_repeats="auto")`` would stop: decided, and not skewed.

    Raises
    ------
    ValueError
        If there are fewer than two estimators or repetitions, if a score is missing,
        double or not finite, if the baseline is none of the estimators, or if another
        parameter is out of its range.

    See Also
    --------
    compare : Fits and scores estimators, and makes one.
    ComparisonDisplay : Its picture.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_toydnn.comparison import Comparison
    >>> scores = pd.DataFrame({
    ...     "repeat": [0, 0, 1, 1, 2, 2], "estimator": ["a", "b"] * 3,
    ...     "metric": "accuracy", "score": [0.7, 0.8, 0.7, 0.81, 0.7, 0.82],
    ... })
    >>> Comparison(scores, baseline="a").summary()["verdict"].tolist()
    ['', 'better']
    """

    scores: pd.DataFrame
    baseline: str | None = None
    margin: float | dict | None = None
    scale: str = DIFFERENCE
    alpha: float = 0.05
    test_size: float | None = None
    overlap: float = 0.0
    losses: tuple[str, ...] = ()
    negated: tuple[str, ...] = ()
    looks: int = 1
    notes: tuple[str, ...] = ()
    _repetitions: object = field(default=None, repr=False, compare=False)

    def __post_init__(self):
        missing = {"repeat", "estimator", "metric", "score"} - set(self.scores)
        if missing:
            raise ValueError(f"scores must have columns {sorted(missing)}.")
        check_names(self.estimators, self.baseline)
        check_margin(self.margin, self.metrics)
        self._check_is_on_the_scale()
        negated = [m for m in self.metrics if self.is_negated(m)]
        check_losses(self.losses, negated, self.metrics)
        if self.scale not in (DIFFERENCE, RATIO):
            raise ValueError(f"scale must be 'difference' or 'ratio': {self.scale!r}.")
        for name, holds in {
            "alpha": 0 < self.alpha < 0.5,
            "test_size": self.test_size is None or self.test_size >= 1,
            "overlap": 0 <= self.overlap < np.inf,
            "looks": self.looks >= 1,
            "negated": set(self.negated) <= set(self.metrics),
        }.items():
            if not holds:
                raise ValueError(f"{name} is out of range: {getattr(self, name)!r}.")
        if self.n_repeats < 2:
            raise ValueError(f"{self.n_repeats} repetition is too few: two are needed.")
        if self.scores.duplicated(["repeat", "estimator", "metric"]).any():
            raise ValueError("scores has an estimator twice in a repetition.")
        n_scores = self.n_repeats * len(self.estimators) * len(self.metrics)
        if len(self.scores) < n_scores or not np.isfinite(self.scores["score"]).all():
            raise ValueError(
                "scores must have a finite score of each estimator in each repetition."
            )

    def _check_is_on_the_scale(self):
        """Raise an error for a margin that no two scores could have."""
        largest = self.scores.groupby("metric")["score"].agg(lambda s: s.abs().max())
        for metric in self.metrics:
            small = self.margin_for(metric)
            if small and small >= 1 >= largest[metric] and self.scale == DIFFERENCE:
                raise ValueError(
                    f"margin must be below 1 for {metric}, whose scores are at most "
                    f"1, got {small:g}. It is on the scale of the score: 0.02 is two "
                    "percentage points."
                )

    def __repr__(self):
        summary = self.summary()
        pair = [name for name in _PAIR if summary[name].nunique() > 1]
        table = summary[[*pair, *_SHOWN]].to_string(
            index=False, na_rep="", float_format="{:.4f}".format
        )
        notes = dict.fromkeys(
            note for row in summary["note"] for note in row.split("; ") if note
        )
        last = f"{self.n_repeats} repetitions; more in summary()"
        return "\n".join([table, *self._needs_of_equivalence(), *notes, last])

    def __getstate__(self):
        """Leave out what made it: a maker may be a function that pickle cannot take."""
        return {**vars(self), "_repetitions": None}

    def __setstate__(self, state):
        """Read what version 0.2.0 saved too: it called the margin `smallest`."""
        if "smallest" in state:
            state = {**state, "margin": state["smallest"]}
            del state["smallest"]
        vars(self).update(state)

    def __getattr__(self, name):
        raise AttributeError(describe_missing(self, name), name=name, obj=self)

    @property
    def n_repeats(self):
        """int: The number of repetitions."""
        return self.scores["repeat"].nunique()

    @property
    def estimators(self):
        """List of str: The estimators' names."""
        return self.scores["estimator"].unique().tolist()

    @property
    def metrics(self):
        """List of str: The metrics' names."""
        return self.scores["metric"].unique().tolist()

    @property
    def is_decided(self):
        """bool: Whether no verdict is "undecided"."""
        return "undecided" not in self.summary()["verdict"].tolist()

    @property
    def is_skewed(self):
        """bool: Whether the differences of some row are skewed: `note` says which."""
        return any(test.is_skewed for test in self._tests(self._wide()).values())

    @property
    def is_settled(self):
        """bool: Whether a look ends the comparison: all is decided, nothing skewed."""
        return self.is_decided and not self.is_skewed

    def is_negated(self, metric):
        """Return whether a metric is the negative of a loss.

        Parameters
        ----------
        metric : str
            The metric.

        Returns
        -------
        is_negated : bool
            Whether it is one of `negated`, or has the name of such a scorer of
            scikit-learn's.
        """
        return metric in self.negated or is_negated(metric)

    def margin_for(self, metric):
        """Return the smallest difference of interest in a metric, None without one.

        Parameters
        ----------
        metric : str
            The metric.

        Returns
        -------
        margin : float or None
            On `scale`.
        """
        small = self.margin
        return small.get(metric) if isinstance(small, dict) else small

    def differences(self):
        """Return how much better each estimator is, repetition by repetition.

        Returns
        -------
        frame : pandas.DataFrame of shape (n_metrics * n_pairs * n_repeats, 5)
            Columns ``metric``, ``estimator``, ``baseline``, ``repeat`` and
            ``difference``: positive (as a ratio: above 1) where the estimator is
            better than the baseline.
        """
        scores = self._wide()
        wide = pd.DataFrame(self._differences(scores), index=scores.index)
        wide.columns.names = _PAIR
        tidy = wide.melt(ignore_index=False, value_name="difference").reset_index()
        tidy["difference"] = from_scale(tidy["difference"], self.scale)
        return tidy[[*_PAIR, "repeat", "difference"]]

    def summary(self):
        """Return what the scores say, a row per comparison.

        Returns
        -------
        frame : pandas.DataFrame
            For each metric a row per estimator, or per pair; the baseline (of every
            pair: the first estimator), which is compared with nothing, has one too.

            metric, estimator, baseline : str
                What is compared: `estimator` with `baseline`.
            mean, ci_low, ci_high : float
                The estimator's mean score, and its interval of confidence 1 - `alpha`
                (divided by the number of looks, where there are several).
            effect, effect_ci_low, effect_ci_high : float
                How much better it is than the baseline: the mean difference, or the
                geometric mean of the ratios, and its interval, which excludes 0 (the
                ratio 1) if, and only if, the test of no difference rejects.
            p_value : float
                Of no difference, two-sided, corrected by Holm's method, and for looks.
            equivalence_ci_low, equivalence_ci_high : float
                The interval that lies within `margin` if, and only if, the two
                one-sided tests show the difference to be smaller.
            p_equivalence : float
                Of these two tests, corrected by Holm's method among themselves, and for
                looks.
            probability_better, probability_better_ci_low, probability_better_ci_high :\
                float
                The probability that it is better in a repetition: the share of them, a
                tie counting half, and its Clopper-Pearson interval of confidence
                1 - `alpha` (divided by the number of looks; where training sets
                overlap, of as many repetitions as they are worth).
            n_ties : float
                The number of repetitions in which both score the same.
            verdict : str
                As :func:`compare` explains; empty where nothing is compared.
            detectable : float
                The difference (or ratio) which as many repetitions, spread like these,
                find with a power of 0.8 where its p-value is the smallest of all.
            n_repeats : int
                The number of repetitions.
            level, equivalence_level : float
                The level to which Holm's method held each test. The confidence of the
                intervals is 1 - level, and 1 - 2 equivalence_level.
            interval : str
                "per comparison": each interval by itself covers the truth as often as
                1 - `alpha`, or more (for equivalence: 1 - 2 `alpha`); that all of them
                do at once is not promised.
            note : str
                The conditions under which the row holds.
        """
        wide, margins = self._wide(), self._margins()
        tests = self._tests(wide)
        within = {
            pair: test.p_within(margins[pair[0]])
            for pair, test in tests.items()
            if pair[0] in margins
        }
        zero = self._correct({pair: t.p_zero() for pair, t in tests.items()})
        small = self._correct(within)
        of_metric = {m: self._notes_of_metric(m, wide) for m in self.metrics}
        compared = pd.DataFrame(
            self._judge(pair, test, zero[pair], small.get(pair, _Corrected()))
            for pair, test in tests.items()
        )
        compared["note"] = [
            "; ".join([*of_metric[metric], *notes])
            for metric, notes in zip(compared["metric"], compared["note"], strict=True)
        ]
        rows = self._means(wide).merge(compared, how="left", on=["metric", "estimator"])
        rows = rows.assign(
            verdict=rows["verdict"].fillna(""),
            n_repeats=self.n_repeats,
            interval="per comparison",
            note=rows["note"].fillna("; ".join(self.notes)),
        )
        return Summary(rows[_COLUMNS])

    @refuse_old_parameters
    def n_repeats_for(self, effect=None, *, power=POWER):
        """Return how many repetitions, in all, it would take to find a difference.

        To plan with: compare afresh, with another `random_state` and so many. To show
        that a difference is smaller than `margin` can take more.

        Parameters
        ----------
        effect : float, default=None
            The true difference, more than 0 (as a ratio: 0.1 stands for 1.1); None
            is `margin`.

        power : float, default=0.8
            How often it is to be found, in (0, 1).

        Returns
        -------
        frame : pandas.DataFrame
            Columns ``metric``, ``estimator``, ``baseline`` and ``n_repeats``, for
            differences that are spread as they are here, and found where their p-value
            is the smallest of all.

        Raises
        ------
        ValueError
            If training sets overlap: more splits of the same data would not do. If
            the effect or the power is not in its range.
        """
        if self.overlap:
            raise ValueError(
                "Training sets overlap: what more splits of the same data can show is "
                "limited. Fresh data, from a maker, would do."
            )
        if not 0 < power < 1:
            raise ValueError(f"power must be between 0 and 1, not {power!r}.")
        if effect is not None and not effect > 0:
            raise ValueError(f"effect must be more than 0, not {effect!r}.")
        margins = self._margins()
        if effect is not None:
            margins = dict.fromkeys(self.metrics, to_scale(effect, self.scale))
        rows = [
            (*pair, test.n_needed(margins[pair[0]], self._first_level(), power))
            for pair, test in self._tests(self._wide()).items()
            if pair[0] in margins
        ]
        if not rows:
            raise ValueError("effect must be given where margin is None.")
        return pd.DataFrame(rows, columns=[*_PAIR, "n_repeats"])

    def extend(self, n_repeats, *, n_jobs=None, verbose=0):
        """Return the comparison with more repetitions.

        Where they are added because of what was found, tests no longer have their
        level: a note says so. For as many as it takes there is
        ``compare(n_repeats="auto")``.

        Parameters
        ----------
        n_repeats : int
            How many to add to those there are, 1 or more.

        n_jobs : int, default=None
            As in :func:`compare`.

        verbose : int, default=0
            As in :func:`compare`.

        Returns
        -------
        found : Comparison
            Of the repetitions there were and the added ones.

        Raises
        ------
        ValueError
            If the number is not positive, or if there is no maker at hand: of fixed
            data or of scores made elsewhere there are no more repetitions, and a
            comparison that was pickled has left its maker behind.
        """
        if self._repetitions is None or not self._repetitions.can_go_on:
            raise ValueError(
                "There is no maker at hand for more repetitions: compare again, with "
                "more of them or, of fixed data, more splits."
            )
        if n_repeats < 1:
            raise ValueError(f"n_repeats must be 1 or more, not {n_repeats}.")
        there = self.n_repeats
        added = self._repetitions.score(
            range(there, there + n_repeats), self.scale, self.margin, n_jobs, verbose
        )
        return replace(
            self,
            scores=pd.concat([self.scores, added], ignore_index=True),
            notes=tuple(dict.fromkeys([*self.notes, _CONTINUED])),
        )

    # ---- how

    def _wide(self):
        return self.scores.pivot(
            index="repeat", columns=["metric", "estimator"], values="score"
        )

    def _pairs(self):
        names = self.estimators
        if self.baseline is not None:
            return [(name, self.baseline) for name in names if name != self.baseline]
        return [(one, other) for i, one in enumerate(names) for other in names[:i]]

    def _costs(self, metric, wide):
        """Return the errors or losses behind a metric's scores, for ratios."""
        scores = wide[metric]
        is_loss = metric in self.losses
        return pd.DataFrame(
            errors(metric, scores, is_loss, self.is_negated(metric)),
            index=scores.index,
            columns=scores.columns,
        )

    def _differences(self, wide):
        """Return the differences by metric, estimator and baseline."""
        found = {}
        for metric in self.metrics:
            scores, is_loss = wide[metric], metric in self.losses
            if self.scale == RATIO:
                made_of_points = not (is_loss or self.is_negated(metric))
                logs = log_errors(
                    self._costs(metric, wide),
                    self.test_size if made_of_points else None,
                )
                scores, is_loss = pd.DataFrame(logs, columns=scores.columns), True
            for one, other in self._pairs():
                pair = scores[one].to_numpy(), scores[other].to_numpy()
                found[metric, one, other] = differences(*pair, is_loss)
        return found

    def _share_of_a_point(self, metric, wide):
        return share_of_a_point(metric, wide[metric].to_numpy(), self.test_size)

    def _tests(self, wide):
        shares = {
            metric: self._share_of_a_point(metric, wide) for metric in self.metrics
        }
        errors = {m: self._costs(m, wide).mean() for m in shares if self.scale == RATIO}
        tests = {}
        for (metric, *pair), values in self._differences(wide).items():
            how = {"resolution": shares[metric]}
            if self.test_size is None and not values.any():
                how = {}  # the scores tell too little
            elif self.scale == RATIO and shares[metric]:
                how = ratio_of_errors(errors[metric][pair] / shares[metric])
            if self.test_size is None and shares[metric]:
                # A balanced accuracy of 60 points may have a denominator of 1,840.
                how["can_be_small"] = False
            tests[metric, *pair] = OneSampleTTest(values, self.overlap, **how)
        return tests

    def _margins(self):
        """Return what counts as small, on the scale that is tested, by metric."""
        small = {metric: self.margin_for(metric) for metric in self.metrics}
        return {
            metric: to_scale(value, self.scale)
            for metric, value in small.items()
            if value is not None
        }

    def _first_level(self):
        """Return the one-sided level of the smallest p-value of all."""
        n_tests = len(self._pairs()) * len(self.metrics)
        return self.alpha / self.looks / n_tests / 2

    def _means(self, wide):
        """Return the mean of each estimator's scores, and its interval."""
        rows = []
        for metric in self.metrics:
            share = self._share_of_a_point(metric, wide)
            for name in self.estimators:
                test = OneSampleTTest(wide[metric, name], self.overlap, share)
                low, high = test.mean_interval(self.alpha / self.looks)
                rows.append((metric, name, test.mean, low, high))
        return pd.DataFrame(
            rows, columns=["metric", "estimator", "mean", "ci_low", "ci_high"]
        )

    def _needs_of_equivalence(self):
        """Return, for each margin, how many test points equivalence takes at least."""
        if self.test_size is None:
            return []
        margins, wide, lines = self._margins(), self._wide(), []
        n_tests = len(self._pairs()) * len(margins)
        for metric, margin in margins.items():
            share = self._share_of_a_point(metric, wide)
            if not share:
                continue
            widening = 1 + self.n_repeats * self.overlap
            level = self.alpha / self.looks / n_tests
            needed = int(np.ceil(-np.log(level) / margin * widening))
            what, there = "test points", self.n_repeats / share
            if self.scale == RATIO:
                what = "errors of each estimator, two a test set"
                there *= self._costs(metric, wide).mean().min()
            lines.append(
                f"equivalence in {metric} within {self.margin_for(metric):g} needs "
                f"at least {needed:,} {what}; there are {there:,.0f}"
            )
        return lines

    def _correct(self, p_values):
        """Correct p-values for each other, and for all looks."""
        found = holm([*p_values.values()], self.alpha / self.looks)
        return {
            pair: _Corrected(min(1.0, p * self.looks), rejected, level)
            for pair, p, rejected, level in zip(p_values, *found, strict=True)
        }

    def _judge(self, pair, test, zero, small):
        """Return the row of one comparison."""
        low, high = test.interval(zero.level)
        inner_low, inner_high = test.equivalence_interval(small.level)
        share_low, share_high = test.share_interval(self.alpha / self.looks)
        effects = {
            "effect": test.mean,
            "effect_ci_low": low,
            "effect_ci_high": high,
            "equivalence_ci_low": inner_low,
            "equivalence_ci_high": inner_high,
            "detectable": test.detectable(self._first_level()),
        }
        verdict = _verdict(test.mean, zero.rejected, small.rejected)
        notes = [*_notes(test, zero.level, verdict, self.scale)]
        if self.test_size is not None and not test.can_be_small:
            notes.append(_FEW_ERRORS)
        return {
            **dict(zip(_PAIR, pair, strict=True)),
            **{name: from_scale(value, self.scale) for name, value in effects.items()},
            "p_value": zero.p_value,
            "p_equivalence": small.p_value,
            "probability_better": test.share_better,
            "probability_better_ci_low": share_low,
            "probability_better_ci_high": share_high,
            "n_ties": test.n_ties,
            "verdict": verdict,
            "level": zero.level,
            "equivalence_level": small.level,
            "note": notes,
        }

    def _notes_of_metric(self, metric, wide):
        """Return the conditions under which all rows of a metric hold."""
        n_points = None
        if self.test_size is None:
            n_points = points_behind(wide[metric].to_numpy())
        if n_points is None:
            return self.notes
        told = (
            f"test_size is not given: taken as {n_points}, from the scores, and "
            "equivalence is not claimed"
        )
        return [*self.notes, told]


Comparison.__init__ = refuse_old_parameters(Comparison.__init__)


def _notes(test, level, verdict, scale):
    """Yield the conditions under which a test holds."""
    if not test.differences.any():
        unknown = ", and nothing tells by how much they could vary"
        yield "all differences are 0" + (unknown if test.is_unknown else "")
    elif test.is_equal:
        yield "differences as good as equal: the p-value is that of sign flips"
    if test.n == 2:
        n_errors = stats.t.isf(level / 2, 1)
        seen = from_scale(n_errors * test.standard_error, scale)
        yield (
            f"two repetitions: a difference is seen from {n_errors:.3g} standard "
            f"errors, here {seen:.2g}"
        )
    if test.is_skewed:
        yield _SKEWED
    if verdict == "equivalent" or "negligibly" in verdict:
        unseen = 100 * (1 - 0.05 ** (1 / test.n))
        yield (
            f"a failure in up to {unseen:.2g} of 100 repetitions could have gone unseen"
        )


def _verdict(mean, differs, is_small):
    if not differs:
        return "equivalent" if is_small else "undecided"
    direction = "better" if mean > 0 else "worse"
    return f"{direction}, negligibly" if is_small else direction


class _Corrected(NamedTuple):
    """What Holm's method makes of one p-value."""

    p_value: float = np.nan
    rejected: bool = False
    level: float = np.nan


# ---- what can be compared


def check_names(estimators: list[str], baseline: str | None) -> None:
    """Raise an error unless there are two estimators, the baseline among them."""
    if len(estimators) < 2:
        raise ValueError(
            f"estimators must be two or more, to be compared: got {estimators}."
        )
    if baseline is not None and baseline not in estimators:
        raise ValueError(
            f"baseline={baseline!r} is none of the estimators: {estimators}."
        )
