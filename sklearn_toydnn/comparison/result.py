"""Confidence intervals, tests and verdicts for scores over repetitions."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from .metrics import check_losses, is_negated
from .renamed import Summary, attribute_error_message, refuse_old_parameters
from .resolution import infer_test_size, log_ratio_test_options, score_step
from .scale import (
    DIFFERENCE,
    RATIO,
    check_margin,
    differences,
    errors,
    from_test_scale,
    log_errors,
    to_test_scale,
)
from .statistics import POWER, OneSampleTTest, holm

_EXTENDED = "repetitions were added after a test: the false positive rate is not exact"
_SKEWED = "skewed differences: the false positive rate is not exact"
_FEW_ERRORS = (
    "fewer than two errors per test set: ratios are biased towards 1, so equivalence "
    "is not claimed"
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
    """Scores of estimators over repetitions, with tests and verdicts.

    :func:`compare` and :func:`compare_candidates` return it. You can also create it
    from scores that you have measured yourself.

    Parameters
    ----------
    scores : pandas.DataFrame
        The columns ``repeat``, ``estimator``, ``metric`` and ``score``, with one finite
        score per repetition, estimator and metric. Other columns are preserved.

    baseline : str, default=None
        The estimator with which the others are compared; None compares every pair.

    margin : float or dict of str to float, default=None
        The equivalence margin: the smallest effect of interest. A dict sets it for some
        metrics.

    scale : {"difference", "ratio"}, default="difference"
        The effect: a difference of scores, or a ratio of errors or losses. See
        :func:`compare`.

    alpha : float, default=0.05
        The significance level of all tests together, in (0, 0.5).

    test_size : float, default=None
        The mean number of test points per score. It defines the resolution of scores of
        predicted labels: the step by which one test point changes a score. If it is
        None and all scores are fractions with denominators up to 10,000, the largest
        denominator is used, and equivalence of such scores is not claimed.

    overlap : float, default=0.0
        The ratio n_test / n_train if training sets overlap, 0 if data are fresh.

    losses : tuple of str, default=()
        The metrics for which less is better. For all others, greater is better.

    negated : tuple of str, default=()
        The metrics that are the negative of a loss. ``scale="ratio"`` changes their
        sign to get the losses. Those of scikit-learn, such as "neg_log_loss", are
        included automatically.

    looks : int, default=1
        The maximum number of times that the scores are tested while repetitions are
        added. Each interim look tests at `alpha` / `looks`.

    notes : tuple of str, default=()
        Notes on all rows. The column ``note`` of `summary` begins with them.

    Attributes
    ----------
    n_repeats : int
        The number of repetitions.

    estimators, metrics : list of str
        The names of the estimators and metrics, in the order of `scores`.

    is_decided : bool
        Whether no verdict is "undecided".

    is_skewed : bool
        Whether the differences of any row are so skewed that tests are not exact.

    is_settled : bool
        Whether ``compare(n_repeats="auto")`` would stop: decided, and not skewed.

    Raises
    ------
    ValueError
        If there are fewer than two estimators or repetitions; if a score is missing,
        duplicated or not finite; if the baseline is not an estimator; or if another
        parameter is out of range.

    See Also
    --------
    compare : Fit, score and compare estimators.
    ComparisonDisplay : Plot a comparison.

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
            raise ValueError(f"scores must have the columns {sorted(missing)}.")
        check_names(self.estimators, self.baseline)
        check_margin(self.margin, self.metrics)
        self._check_margin_scale()
        negated = [m for m in self.metrics if self.is_negated(m)]
        check_losses(self.losses, negated, self.metrics)
        if self.scale not in (DIFFERENCE, RATIO):
            raise ValueError(
                f"scale must be 'difference' or 'ratio', got {self.scale!r}."
            )
        for name, is_valid, requirement in [
            ("alpha", 0 < self.alpha < 0.5, "more than 0 and less than 0.5"),
            ("test_size", self.test_size is None or self.test_size >= 1, "1 or more"),
            ("overlap", 0 <= self.overlap < np.inf, "finite, and 0 or more"),
            ("looks", self.looks >= 1, "1 or more"),
            ("negated", set(self.negated) <= set(self.metrics), "names of metrics"),
        ]:
            if not is_valid:
                value = getattr(self, name)
                raise ValueError(f"{name} must be {requirement}, got {value!r}.")
        if self.n_repeats < 2:
            raise ValueError(
                f"scores must have two or more repetitions, got {self.n_repeats}."
            )
        if self.scores.duplicated(["repeat", "estimator", "metric"]).any():
            raise ValueError(
                "scores must have one score per repetition, estimator and metric, got "
                "duplicates."
            )
        n_scores = self.n_repeats * len(self.estimators) * len(self.metrics)
        if len(self.scores) < n_scores or not np.isfinite(self.scores["score"]).all():
            raise ValueError(
                "scores must have a finite score for each repetition, estimator and "
                "metric."
            )

    def _check_margin_scale(self):
        """Raise a ValueError for a margin that is too large for the scores' scale."""
        largest = self.scores.groupby("metric")["score"].agg(lambda s: s.abs().max())
        for metric in self.metrics:
            margin = self.margin_for(metric)
            if margin and margin >= 1 >= largest[metric] and self.scale == DIFFERENCE:
                raise ValueError(
                    f"margin must be less than 1 for {metric}, whose scores are at "
                    f"most 1, got {margin:g}. For two percentage points, use 0.02."
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
        last = f"{self.n_repeats} repetitions; summary() has more columns"
        return "\n".join([table, *self._equivalence_requirements(), *notes, last])

    def __getstate__(self):
        """Omit `_repetitions`, whose maker may be a function that cannot be pickled."""
        return {**vars(self), "_repetitions": None}

    def __setstate__(self, state):
        """Accept the state of version 0.2.0, in which `margin` was `smallest`."""
        if "smallest" in state:
            state = {**state, "margin": state["smallest"]}
            del state["smallest"]
        vars(self).update(state)

    def __getattr__(self, name):
        raise AttributeError(attribute_error_message(self, name), name=name, obj=self)

    @property
    def n_repeats(self):
        """int: The number of repetitions."""
        return self.scores["repeat"].nunique()

    @property
    def estimators(self):
        """List of str: The names of the estimators."""
        return self.scores["estimator"].unique().tolist()

    @property
    def metrics(self):
        """List of str: The names of the metrics."""
        return self.scores["metric"].unique().tolist()

    @property
    def is_decided(self):
        """bool: Whether no verdict is "undecided"."""
        return "undecided" not in self.summary()["verdict"].tolist()

    @property
    def is_skewed(self):
        """bool: Whether the differences of any row are skewed; `note` marks them."""
        return any(test.is_skewed for test in self._tests(self._pivot()).values())

    @property
    def is_settled(self):
        """bool: Whether ``n_repeats="auto"`` would stop: decided, and not skewed."""
        return self.is_decided and not self.is_skewed

    def is_negated(self, metric):
        """Return whether a metric is the negative of a loss.

        Parameters
        ----------
        metric : str
            The name of the metric.

        Returns
        -------
        is_negated : bool
            Whether it is in `negated`, or is the name of a scikit-learn scorer that
            negates a loss.
        """
        return metric in self.negated or is_negated(metric)

    def margin_for(self, metric):
        """Return the equivalence margin of a metric.

        Parameters
        ----------
        metric : str
            The name of the metric.

        Returns
        -------
        margin : float or None
            The margin, in the terms of `scale`; None if the metric has none.
        """
        margin = self.margin
        return margin.get(metric) if isinstance(margin, dict) else margin

    def differences(self):
        """Return the effect in each repetition: a difference or a ratio.

        Returns
        -------
        frame : pandas.DataFrame of shape (n_metrics * n_pairs * n_repeats, 5)
            Columns ``metric``, ``estimator``, ``baseline``, ``repeat`` and
            ``difference``. The last is positive (a ratio: above 1) if the estimator is
            better than the baseline.
        """
        scores = self._pivot()
        wide = pd.DataFrame(self._differences(scores), index=scores.index)
        wide.columns.names = _PAIR
        frame = wide.melt(ignore_index=False, value_name="difference").reset_index()
        frame["difference"] = from_test_scale(frame["difference"], self.scale)
        return frame[[*_PAIR, "repeat", "difference"]]

    def summary(self):
        """Return effects, confidence intervals, tests and verdicts.

        Returns
        -------
        frame : pandas.DataFrame
            For each metric, one row per estimator or, without a baseline, per pair. The
            baseline (for pairs, the first estimator) also has a row, without a
            comparison.

            metric, estimator, baseline : str
                The `estimator` is compared with the `baseline`.
            mean, ci_low, ci_high : float
                The estimator's mean score and its confidence interval, of confidence
                level 1 - `alpha` / `looks`.
            effect, effect_ci_low, effect_ci_high : float
                The mean difference from the baseline, positive if the estimator is
                better; or the geometric mean of the ratios, above 1 if it is better.
                Its confidence interval excludes 0 (ratio: 1) if and only if the test of
                no difference rejects.
            p_value : float
                The two-sided p-value of no difference, corrected by Holm's method and
                multiplied by `looks`.
            equivalence_ci_low, equivalence_ci_high : float
                The confidence interval that lies within `margin` if and only if the two
                one-sided tests (TOST) show equivalence.
            p_equivalence : float
                The p-value of these two tests (the larger one), corrected by Holm's
                method among the equivalence tests and multiplied by `looks`.
            probability_better, probability_better_ci_low, probability_better_ci_high :\
                float
                The estimated probability that the estimator is better in a repetition:
                the share of repetitions in which it is; ties count half. The
                Clopper-Pearson confidence interval has the confidence level
                1 - `alpha` / `looks`. For overlapping training sets, it counts n
                repetitions as n / (1 + n * `overlap`) independent ones.
            n_ties : float
                The number of repetitions with equal scores.
            verdict : str
                As defined in :func:`compare`; empty if the row has no comparison.
            detectable : float
                The effect that is detected with a power of 0.8, given the number of
                repetitions and the observed standard deviation, at the strictest level
                of Holm's method (that of the smallest p-value).
            n_repeats : int
                The number of repetitions.
            level, equivalence_level : float
                The significance levels at which Holm's method tested the hypotheses.
                The intervals of the effect have the confidence levels 1 - `level` and
                1 - 2 * `equivalence_level`.
            interval : str
                "per comparison": each interval covers the true value with a probability
                of at least 1 - `alpha` (for equivalence: 1 - 2 * `alpha`). Intervals
                are not simultaneous: the probability that all cover may be lower.
            note : str
                Assumptions and limitations of the row.
        """
        wide, margins = self._pivot(), self._test_margins()
        tests = self._tests(wide)
        p_within = {
            pair: test.p_within(margins[pair[0]])
            for pair, test in tests.items()
            if pair[0] in margins
        }
        differs = self._correct({pair: t.p_zero() for pair, t in tests.items()})
        within = self._correct(p_within)
        metric_notes = {m: self._metric_notes(m, wide) for m in self.metrics}
        pairs = pd.DataFrame(
            self._summarize_pair(pair, test, differs[pair], within.get(pair, _Result()))
            for pair, test in tests.items()
        )
        pairs["note"] = [
            "; ".join([*metric_notes[metric], *notes])
            for metric, notes in zip(pairs["metric"], pairs["note"], strict=True)
        ]
        rows = self._means(wide).merge(pairs, how="left", on=["metric", "estimator"])
        rows = rows.assign(
            verdict=rows["verdict"].fillna(""),
            n_repeats=self.n_repeats,
            interval="per comparison",
            note=rows["note"].fillna("; ".join(self.notes)),
        )
        return Summary(rows[_COLUMNS])

    @refuse_old_parameters
    def n_repeats_for(self, effect=None, *, power=POWER):
        """Return the total number of repetitions needed to detect an effect.

        Use it to plan a new comparison, with another `random_state`. Showing
        equivalence within `margin` can need more repetitions.

        Parameters
        ----------
        effect : float, default=None
            The true effect, more than 0 (for ratios, 0.1 means 1.1). None uses
            `margin`.

        power : float, default=0.8
            The probability of detecting it, in (0, 1).

        Returns
        -------
        frame : pandas.DataFrame
            Columns ``metric``, ``estimator``, ``baseline`` and ``n_repeats``. The
            numbers of repetitions assume the observed standard deviation and the
            strictest level of Holm's method (that of the smallest p-value).

        Raises
        ------
        ValueError
            If training sets overlap, because more splits of the same data are of
            limited use. If `effect` or `power` is out of range, or both `effect` and
            `margin` are None.
        """
        if self.overlap:
            raise ValueError(
                "n_repeats_for requires fresh data: with overlapping training sets, "
                "more splits are of limited use. Call compare with a maker instead."
            )
        if not 0 < power < 1:
            raise ValueError(f"power must be between 0 and 1, got {power!r}.")
        if effect is not None and not effect > 0:
            raise ValueError(f"effect must be more than 0, got {effect!r}.")
        effects = self._test_margins()
        if effect is not None:
            effects = dict.fromkeys(self.metrics, to_test_scale(effect, self.scale))
        rows = [
            (*pair, test.n_needed(effects[pair[0]], self._strictest_level(), power))
            for pair, test in self._tests(self._pivot()).items()
            if pair[0] in effects
        ]
        if not rows:
            raise ValueError("effect must be given if margin is None.")
        return pd.DataFrame(rows, columns=[*_PAIR, "n_repeats"])

    def extend(self, n_repeats, *, n_jobs=None, verbose=0):
        """Return the comparison with more repetitions.

        If you add repetitions because of a result, the false positive rate may exceed
        `alpha`, and the column ``note`` says that it is not exact. To add repetitions
        until comparisons are decided, use ``compare(n_repeats="auto")``, which corrects
        for this.

        Parameters
        ----------
        n_repeats : int
            The number of repetitions to add, 1 or more.

        n_jobs : int, default=None
            As in :func:`compare`.

        verbose : int, default=0
            As in :func:`compare`.

        Returns
        -------
        result : Comparison
            The comparison of all repetitions, previous and added ones.

        Raises
        ------
        ValueError
            If `n_repeats` is less than 1, or if the comparison has no maker: it uses
            fixed data or given scores, or was pickled (pickles omit the maker).
        """
        if self._repetitions is None or not self._repetitions.is_extendable:
            raise ValueError(
                "extend requires a maker. Comparisons of fixed data or given scores, "
                "and pickled comparisons, have none. Call compare again, with more "
                "repetitions or, for fixed data, more splits."
            )
        if n_repeats < 1:
            raise ValueError(f"n_repeats must be 1 or more, got {n_repeats}.")
        first = self.n_repeats
        added = self._repetitions.score(
            range(first, first + n_repeats), self.scale, self.margin, n_jobs, verbose
        )
        return replace(
            self,
            scores=pd.concat([self.scores, added], ignore_index=True),
            notes=tuple(dict.fromkeys([*self.notes, _EXTENDED])),
        )

    # ---- tests

    def _pivot(self):
        """Return the scores with a row per repetition."""
        return self.scores.pivot(
            index="repeat", columns=["metric", "estimator"], values="score"
        )

    def _pairs(self):
        names = self.estimators
        if self.baseline is not None:
            return [(name, self.baseline) for name in names if name != self.baseline]
        return [(one, other) for i, one in enumerate(names) for other in names[:i]]

    def _errors(self, metric, wide):
        """Return the errors or losses of a metric's scores, for ratios."""
        scores = wide[metric]
        is_loss = metric in self.losses
        return pd.DataFrame(
            errors(metric, scores, is_loss, self.is_negated(metric)),
            index=scores.index,
            columns=scores.columns,
        )

    def _differences(self, wide):
        """Return the differences, for ratios of logarithms, by metric and pair."""
        by_pair = {}
        for metric in self.metrics:
            scores, is_loss = wide[metric], metric in self.losses
            if self.scale == RATIO:
                is_error = not (is_loss or self.is_negated(metric))
                logs = log_errors(
                    self._errors(metric, wide),
                    self.test_size if is_error else None,
                )
                scores, is_loss = pd.DataFrame(logs, columns=scores.columns), True
            for one, other in self._pairs():
                pair = scores[one].to_numpy(), scores[other].to_numpy()
                by_pair[metric, one, other] = differences(*pair, is_loss)
        return by_pair

    def _score_step(self, metric, wide):
        return score_step(metric, wide[metric].to_numpy(), self.test_size)

    def _tests(self, wide):
        """Return the test of each metric, estimator and baseline."""
        steps = {metric: self._score_step(metric, wide) for metric in self.metrics}
        errors = {m: self._errors(m, wide).mean() for m in steps if self.scale == RATIO}
        tests = {}
        for (metric, *pair), values in self._differences(wide).items():
            options = {"resolution": steps[metric]}
            if self.test_size is None and not values.any():
                options = {}  # the inferred test size is too uncertain
            elif self.scale == RATIO and steps[metric]:
                options = log_ratio_test_options(errors[metric][pair] / steps[metric])
            if self.test_size is None and steps[metric]:
                # The inferred test size may be too large: a balanced accuracy of 60
                # points may have a denominator of 1,840.
                options["can_be_small"] = False
            tests[metric, *pair] = OneSampleTTest(values, self.overlap, **options)
        return tests

    def _test_margins(self):
        """Return the margin of each metric that has one, on the test scale."""
        margins = {metric: self.margin_for(metric) for metric in self.metrics}
        return {
            metric: to_test_scale(margin, self.scale)
            for metric, margin in margins.items()
            if margin is not None
        }

    def _strictest_level(self):
        """Return the one-sided significance level of the smallest p-value."""
        n_tests = len(self._pairs()) * len(self.metrics)
        return self.alpha / self.looks / n_tests / 2

    def _means(self, wide):
        """Return the mean score of each estimator and its confidence interval."""
        rows = []
        for metric in self.metrics:
            step = self._score_step(metric, wide)
            for name in self.estimators:
                test = OneSampleTTest(wide[metric, name], self.overlap, step)
                low, high = test.mean_interval(self.alpha / self.looks)
                rows.append((metric, name, test.mean, low, high))
        return pd.DataFrame(
            rows, columns=["metric", "estimator", "mean", "ci_low", "ci_high"]
        )

    def _equivalence_requirements(self):
        """Return a line per margin: how many test points equivalence needs."""
        if self.test_size is None:
            return []
        margins, wide, lines = self._test_margins(), self._pivot(), []
        n_tests = len(self._pairs()) * len(margins)
        for metric, margin in margins.items():
            step = self._score_step(metric, wide)
            if not step:
                continue
            widening = 1 + self.n_repeats * self.overlap
            level = self.alpha / self.looks / n_tests
            needed = int(np.ceil(-np.log(level) / margin * widening))
            unit, n_given = "test points", self.n_repeats / step
            if self.scale == RATIO:
                unit = "errors of each estimator (and two per test set)"
                n_given *= self._errors(metric, wide).mean().min()
            lines.append(
                f"equivalence in {metric} within {self.margin_for(metric):g} needs "
                f"at least {needed:,} {unit}; there are {n_given:,.0f}"
            )
        return lines

    def _correct(self, p_values):
        """Correct p-values by Holm's method, and for the number of looks."""
        results = holm([*p_values.values()], self.alpha / self.looks)
        return {
            pair: _Result(min(1.0, p * self.looks), rejected, level)
            for pair, p, rejected, level in zip(p_values, *results, strict=True)
        }

    def _summarize_pair(self, pair, test, differs, within):
        """Return a row of the summary."""
        low, high = test.interval(differs.level)
        inner_low, inner_high = test.equivalence_interval(within.level)
        share_low, share_high = test.share_interval(self.alpha / self.looks)
        effects = {
            "effect": test.mean,
            "effect_ci_low": low,
            "effect_ci_high": high,
            "equivalence_ci_low": inner_low,
            "equivalence_ci_high": inner_high,
            "detectable": test.detectable(self._strictest_level()),
        }
        verdict = _verdict(test.mean, differs.rejected, within.rejected)
        notes = [*_notes(test, differs.level, verdict, self.scale)]
        if self.test_size is not None and not test.can_be_small:
            notes.append(_FEW_ERRORS)
        return {
            **dict(zip(_PAIR, pair, strict=True)),
            **{n: from_test_scale(value, self.scale) for n, value in effects.items()},
            "p_value": differs.p_value,
            "p_equivalence": within.p_value,
            "probability_better": test.share_better,
            "probability_better_ci_low": share_low,
            "probability_better_ci_high": share_high,
            "n_ties": test.n_ties,
            "verdict": verdict,
            "level": differs.level,
            "equivalence_level": within.level,
            "note": notes,
        }

    def _metric_notes(self, metric, wide):
        """Return the notes on all rows of a metric."""
        n_points = None
        if self.test_size is None:
            n_points = infer_test_size(wide[metric].to_numpy())
        if n_points is None:
            return self.notes
        note = (
            f"test_size is not given: it is inferred as {n_points} from the scores, so "
            "equivalence is not claimed"
        )
        return [*self.notes, note]


Comparison.__init__ = refuse_old_parameters(Comparison.__init__)


def _notes(test, level, verdict, scale):
    """Yield the notes on one test."""
    if not test.differences.any():
        unknown = ", so their standard deviation is unknown"
        yield "all differences are 0" + (unknown if test.has_unknown_spread else "")
    elif test.is_equal:
        yield (
            "differences are (almost) equal: the p-value is at least that of the "
            "sign-flip test"
        )
    if test.n == 2:
        n_errors = stats.t.isf(level / 2, 1)
        smallest = from_test_scale(n_errors * test.standard_error, scale)
        yield (
            f"two repetitions: only effects of {n_errors:.3g} or more standard errors "
            f"(here: {smallest:.2g} or more) are significant"
        )
    if test.is_skewed:
        yield _SKEWED
    if verdict == "equivalent" or "negligibly" in verdict:
        percent = 100 * (1 - 0.05 ** (1 / test.n))
        yield (
            f"failures in up to {percent:.2g} % of repetitions could have remained "
            "unobserved (95 % confidence)"
        )


def _verdict(mean, differs, is_small):
    if not differs:
        return "equivalent" if is_small else "undecided"
    direction = "better" if mean > 0 else "worse"
    return f"{direction}, negligibly" if is_small else direction


class _Result(NamedTuple):
    """The result of Holm's method for one test."""

    p_value: float = np.nan
    rejected: bool = False
    level: float = np.nan


# ---- names


def check_names(estimators: list[str], baseline: str | None) -> None:
    """Raise a ValueError unless there are two estimators, including the baseline."""
    if len(estimators) < 2:
        raise ValueError(f"estimators must be two or more, got {estimators}.")
    if baseline is not None and baseline not in estimators:
        raise ValueError(
            f"baseline must be one of the estimators {estimators}, got {baseline!r}."
        )
