"""Paired t-tests, also for coarse scores; Holm's correction; power."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.optimize import brentq

POWER = 0.8


class OneSampleTTest:
    """One-sample t-test and equivalence test on paired differences, with intervals.

    It extends the textbook t-test in three ways. ``python -m benchmarks calibration``
    measures the resulting error rates.

    Overlapping training sets: differences vary less than on fresh data. With `overlap`,
    n_test / n_train, the variance of their mean is that of Nadeau and Bengio (2003),
    s² (1 / n + n_test / n_train), equal to that of `n_effective` independent
    differences.

    Coarse scores: differences of accuracies are multiples of one test point, the
    `resolution`. Their standard deviation is at least that of rounding to it. Tests of
    equivalence move the margin inwards by one net point (a point by which one side is
    ahead). Their p-value is at least the Poisson probability, at the margin, of at most
    the observed number of net points.

    Equal differences: if they vary by less than one `resolution`, the p-value is at
    least that of the sign-flip test, 2 / 2^n.

    Parameters
    ----------
    differences : array-like of shape (n,)
        Two or more finite differences.

    overlap : float, default=0.0
        n_test / n_train if training sets overlap, else 0.

    resolution : float, default=0.0
        The smallest step of a difference; 0 if there is none.

    can_be_small : bool, default=True
        Whether equivalence can be shown. False for ratios of few errors, which are
        biased towards 1.
    """

    def __init__(
        self,
        differences: ArrayLike,
        overlap: float = 0.0,
        resolution: float = 0.0,
        can_be_small: bool = True,
    ):
        self.differences = np.asarray(differences, dtype=float)
        n_finite = np.isfinite(self.differences).sum()
        if n_finite < 2 or n_finite < len(self.differences):
            raise ValueError(
                "differences must be two or more finite numbers, got "
                f"{len(self.differences)} values, {n_finite} of them finite."
            )
        self.n, self.resolution = len(self.differences), resolution
        self.can_be_small = can_be_small
        self.n_effective = self.n / (1 + self.n * overlap)
        span = np.ptp(self.differences)
        # The computed mean of equal numbers may differ from them in the last digit.
        self.mean = self.differences.mean() if span else self.differences[0]
        sd = self.differences.std(ddof=1) if span else 0.0
        sd = max(sd, resolution / np.sqrt(12))
        self.spread = sd * np.sqrt(1 + self.n * overlap)
        self.standard_error = sd / np.sqrt(self.n_effective)
        self.is_equal = span == 0 or span < resolution * (1 - 1e-9)
        if self.is_equal:
            # 0.5 ** n underflows to 0 for n > 1,074.
            flips = stats.t.isf(0.5 ** min(self.n, 1000), self.n - 1)
            self.standard_error = max(self.standard_error, abs(self.mean) / flips)

    @property
    def statistic(self) -> float:
        """float: The t statistic of no difference; 0 if all differences are 0."""
        return self.mean / self.standard_error if self.mean else 0.0

    @property
    def has_unknown_spread(self) -> bool:
        """bool: Whether the spread is unknown: all differences are 0, no resolution."""
        return self.standard_error == 0

    @property
    def skewness(self) -> float:
        """float: The sample skewness of the differences; 0 if they are equal."""
        from_mean = self.differences - self.mean
        sd = np.sqrt(np.mean(from_mean**2))
        return np.mean((from_mean / sd) ** 3) if sd else 0.0

    @property
    def is_skewed(self) -> bool:
        """bool: Whether the differences are significantly skewed.

        For 10 to 80 normally distributed differences, this is true in 4.5 % to 4.8 %
        of samples.
        """
        n = self.n
        critical = 2.02 * np.sqrt(6 * (n - 2) / ((n + 1) * (n + 3)))
        return n >= 5 and abs(self.skewness) > critical

    # ---- tests

    def p_zero(self) -> float:
        """Return the two-sided p-value of no difference."""
        return min(1.0, 2 * min(self.p_less(0.0), self.p_greater(0.0)))

    def p_less(self, bound: float) -> float:
        """Return the p-value of the alternative "expected difference < bound"."""
        if self.has_unknown_spread or (bound > 0 and not self.can_be_small):
            return 1.0
        distance = bound - self.mean
        if bound <= 0 or not self.resolution:
            return stats.t.sf(distance / self.standard_error, self.n - 1)
        # To show equivalence, there must be enough test points to detect a difference
        # as large as the margin.
        distance -= self._net_point
        p_value = stats.t.sf(distance / self.standard_error, self.n - 1)
        if self.mean < 0:
            return p_value
        n_net_points = self.mean / self._net_point
        few = stats.gamma.sf(bound / self._net_point, n_net_points + 1)
        return max(p_value, few)

    def p_greater(self, bound: float) -> float:
        """Return the p-value of the alternative "expected difference > bound"."""
        return self._negate().p_less(-bound)

    def p_within(self, margin: float) -> float:
        """Return the p-value of two one-sided tests of equivalence within a margin."""
        return max(self.p_less(margin), self.p_greater(-margin))

    @property
    def _net_point(self):
        """The change of the mean difference per test point, of all test sets."""
        return self.resolution / self.n_effective

    def _negate(self):
        """Return the test of the negated differences."""
        negated = object.__new__(type(self))
        vars(negated).update(vars(self), mean=-self.mean)
        return negated

    # ---- intervals

    def interval(self, level: float) -> tuple[float, float]:
        """Return the confidence interval that excludes 0 if p_zero is below the level.

        Its confidence level is 1 - level.
        """
        if np.isnan(level) or self.has_unknown_spread:
            return np.nan, np.nan
        width = self._t(level / 2) * self.standard_error
        return self.mean - width, self.mean + width

    def equivalence_interval(self, level: float) -> tuple[float, float]:
        """Return the interval that lies within a margin if p_within is below the level.

        Its confidence level is 1 - 2 * level.
        """
        if np.isnan(level) or self.has_unknown_spread or not self.can_be_small:
            return np.nan, np.nan
        width = self._t(level) * self.standard_error
        ends = []
        for mean in (-self.mean, self.mean):
            end = mean + width + self._net_point
            if self.resolution and mean >= 0:
                few = stats.gamma.isf(level, mean / self._net_point + 1)
                end = max(end, few * self._net_point)
            ends.append(end)
        return -ends[0], ends[1]

    def mean_interval(self, level: float) -> tuple[float, float]:
        """Return the plain confidence interval of the mean, of level 1 - level."""
        if not self.spread:
            return np.nan, np.nan
        width = self._t(level / 2) * self.spread / np.sqrt(self.n)
        return self.mean - width, self.mean + width

    def _t(self, level):
        return stats.t.isf(level, self.n - 1)

    # ---- probability of being better

    @property
    def n_ties(self) -> int:
        """int: The number of differences that are 0."""
        return int(np.sum(self.differences == 0))

    @property
    def share_better(self) -> float:
        """float: The share of positive differences; ties count half."""
        return np.mean((np.sign(self.differences) + 1) / 2)

    def share_interval(self, level: float) -> tuple[float, float]:
        """Return the Clopper-Pearson interval of the probability of being better."""
        better = self.share_better * self.n_effective
        other = self.n_effective - better
        low = stats.beta.ppf(level / 2, better, other + 1) if better else 0.0
        high = stats.beta.isf(level / 2, better + 1, other) if other else 1.0
        return low, high

    # ---- power

    def detectable(self, level: float, power: float = POWER) -> float:
        """Return the difference that a one-sided test detects with a given power."""
        if not self.spread:
            return np.nan
        return self.spread * detectable_effect(self.n, level, power)

    def n_needed(self, difference: float, level: float, power: float = POWER) -> int:
        """Return the number of pairs that a one-sided test needs for a given power."""
        if not self.spread:  # equal differences: as many as the sign-flip test needs
            return max(2, int(np.ceil(-np.log2(level))))
        return _n_pairs(difference / self.spread, level, power)


def holm(
    p_values: ArrayLike, alpha: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return corrected p-values, rejections, and the significance level of each test.

    Holm's method tests the smallest p-value first. It divides `alpha` by the number of
    remaining hypotheses. All hypotheses after the last rejection have the level of the
    first one that was not rejected.
    """
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    n_remaining = np.empty(len(p_values), dtype=int)
    n_remaining[order] = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.maximum.accumulate((p_values * n_remaining)[order])
    rejected = corrected <= alpha
    n_remaining = np.maximum(n_remaining, len(p_values) - rejected.sum())
    return np.minimum(corrected, 1.0), rejected, alpha / n_remaining


# ---- power of the one-sided test


def power_of(effect: float, n_pairs: float, level: float) -> float:
    """Return the power to detect an effect, given in standard deviations."""
    critical = stats.t.isf(level, n_pairs - 1)
    return stats.nct.sf(critical, n_pairs - 1, effect * np.sqrt(n_pairs))


@lru_cache
def detectable_effect(n_pairs: float, level: float, power: float) -> float:
    """Return the effect, in standard deviations, that is detected with a power."""
    return _root(lambda size: power_of(size, n_pairs, level) - power, 0.0)


@lru_cache
def _n_pairs(effect, level, power):
    if power_of(effect, 2, level) >= power:
        return 2
    return int(np.ceil(_root(lambda n: power_of(effect, n, level) - power, 2.0)))


def _root(function, low):
    """Return the root of an increasing function, which must lie above `low`."""
    high = low + 1
    while function(high) < 0:
        high *= 2
    return brentq(function, low, high)
