"""Student's t on paired differences, also coarse ones; Holm's correction; power."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.optimize import brentq

POWER = 0.8


class OneSampleTTest:
    """A t-test on the differences between pairs, a test of equivalence, intervals.

    Three additions to the textbook test; their error rates were simulated, see
    ``python -m benchmarks calibration``.

    Training sets that overlap. Differences then vary less than on fresh data. With
    `overlap`, n_test / n_train, the variance of their mean is that of Nadeau and Bengio
    (2003), s² (1 / n + n_test / n_train), as of `n_effective` independent differences.

    Coarse scores. Differences of accuracies are multiples of one test point, the
    `resolution`. Their standard deviation is at least that of rounding to it, and a
    difference below the margin is shown only if as few net points as were seen would be
    rare at the margin (Poisson), with one net point to spare.

    Equal differences. Where they vary by less than one resolution, the p-value is at
    least that of the sign-flip test, 2 / 2^n.

    Parameters
    ----------
    differences : array-like of shape (n,)
        Two or more finite differences.

    overlap : float, default=0.0
        The ratio of test points to training points where training sets overlap.

    resolution : float, default=0.0
        The smallest step of a difference; 0 where it has none.

    can_be_small : bool, default=True
        Whether a small difference can be shown. False for ratios of few errors, which
        are pulled towards 1 whatever they are.
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
                "differences must be two or more numbers, all finite, got "
                f"{len(self.differences)}, of which {n_finite} are finite."
            )
        self.n, self.resolution = len(self.differences), resolution
        self.can_be_small = can_be_small
        self.n_effective = self.n / (1 + self.n * overlap)
        span = np.ptp(self.differences)
        # The mean of equal numbers may differ from them in the last digit.
        self.mean = self.differences.mean() if span else self.differences[0]
        sd = self.differences.std(ddof=1) if span else 0.0
        sd = max(sd, resolution / np.sqrt(12))
        self.spread = sd * np.sqrt(1 + self.n * overlap)
        self.standard_error = sd / np.sqrt(self.n_effective)
        self.is_equal = span == 0 or span < resolution * (1 - 1e-9)
        if self.is_equal:
            # 0.5 ** n is 0 for more than 1,074 differences.
            flips = stats.t.isf(0.5 ** min(self.n, 1000), self.n - 1)
            self.standard_error = max(self.standard_error, abs(self.mean) / flips)

    @property
    def statistic(self) -> float:
        """float: Student's t of no difference; 0 where all differences are 0."""
        return self.mean / self.standard_error if self.mean else 0.0

    @property
    def is_unknown(self) -> bool:
        """bool: Whether nothing tells how much differences vary: all of them are 0."""
        return self.standard_error == 0

    @property
    def skewness(self) -> float:
        """float: The skewness of the differences; 0 where they are equal."""
        from_mean = self.differences - self.mean
        sd = np.sqrt(np.mean(from_mean**2))
        return np.mean((from_mean / sd) ** 3) if sd else 0.0

    @property
    def is_skewed(self) -> bool:
        """bool: Whether so skewed a sample is rare where the distribution is normal.

        That is, for 10 to 80 normal differences, in 4.5 to 4.8 of 100 samples.
        """
        n = self.n
        rare = 2.02 * np.sqrt(6 * (n - 2) / ((n + 1) * (n + 3)))
        return n >= 5 and abs(self.skewness) > rare

    # ---- tests

    def p_zero(self) -> float:
        """Return the two-sided p-value of no difference."""
        return min(1.0, 2 * min(self.p_less(0.0), self.p_greater(0.0)))

    def p_less(self, bound: float) -> float:
        """Return the one-sided p-value for "the expected difference is below bound"."""
        if self.is_unknown or (bound > 0 and not self.can_be_small):
            return 1.0
        distance = bound - self.mean
        if bound <= 0 or not self.resolution:
            return stats.t.sf(distance / self.standard_error, self.n - 1)
        # To show that a difference is too small to matter, there must be test points
        # enough to see one that is not.
        distance -= self._net_point
        p_value = stats.t.sf(distance / self.standard_error, self.n - 1)
        if self.mean < 0:
            return p_value
        n_net_points = self.mean / self._net_point
        few = stats.gamma.sf(bound / self._net_point, n_net_points + 1)
        return max(p_value, few)

    def p_greater(self, bound: float) -> float:
        """Return the one-sided p-value for "the expected difference is above bound"."""
        return self._turned().p_less(-bound)

    def p_within(self, margin: float) -> float:
        """Return the p-value of two one-sided tests: it lies within the margin."""
        return max(self.p_less(margin), self.p_greater(-margin))

    @property
    def _net_point(self):
        """The change of the mean if one more test point of all counts for one side."""
        return self.resolution / self.n_effective

    def _turned(self):
        """Return the test of the differences with the opposite sign."""
        turned = object.__new__(type(self))
        vars(turned).update(vars(self), mean=-self.mean)
        return turned

    # ---- intervals

    def interval(self, level: float) -> tuple[float, float]:
        """Return the interval that excludes 0 if p_zero is below the level."""
        if np.isnan(level) or self.is_unknown:
            return np.nan, np.nan
        width = self._t(level / 2) * self.standard_error
        return self.mean - width, self.mean + width

    def equivalence_interval(self, level: float) -> tuple[float, float]:
        """Return the interval that lies within a margin if p_within is below the level.

        Its confidence is 1 - 2 * level.
        """
        if np.isnan(level) or self.is_unknown or not self.can_be_small:
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
        """Return the interval of the mean alone, whatever it is compared with."""
        if not self.spread:
            return np.nan, np.nan
        width = self._t(level / 2) * self.spread / np.sqrt(self.n)
        return self.mean - width, self.mean + width

    def _t(self, level):
        return stats.t.isf(level, self.n - 1)

    # ---- how often it is better

    @property
    def n_ties(self) -> int:
        """int: The number of differences that are 0."""
        return int(np.sum(self.differences == 0))

    @property
    def share_better(self) -> float:
        """float: The share of positive differences; a tie counts half."""
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
        """Return the difference that a one-sided test at this level finds so often."""
        if not self.spread:
            return np.nan
        return self.spread * detectable_effect(self.n, level, power)

    def n_needed(self, difference: float, level: float, power: float = POWER) -> int:
        """Return how many pairs it takes to find a difference so often, one-sided."""
        if not self.spread:  # as many equal differences as the sign-flip test needs
            return max(2, int(np.ceil(-np.log2(level))))
        return _n_pairs(difference / self.spread, level, power)


def holm(
    p_values: ArrayLike, alpha: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return corrected p-values, rejections, and the level each test was held to.

    Holm's method divides the level by the number of hypotheses that are left; those
    after the last rejection are held to the level of the one that failed.
    """
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    left = np.empty(len(p_values), dtype=int)
    left[order] = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.maximum.accumulate((p_values * left)[order])
    rejected = corrected <= alpha
    n_left = np.maximum(left, len(p_values) - rejected.sum())
    return np.minimum(corrected, 1.0), rejected, alpha / n_left


# ---- power of the one-sided test


def power_of(effect: float, n_pairs: float, level: float) -> float:
    """Return how often a difference, in standard deviations, is found."""
    critical = stats.t.isf(level, n_pairs - 1)
    return stats.nct.sf(critical, n_pairs - 1, effect * np.sqrt(n_pairs))


@lru_cache
def detectable_effect(n_pairs: float, level: float, power: float) -> float:
    """Return the difference that is found so often, in standard deviations."""
    return _root(lambda size: power_of(size, n_pairs, level) - power, 0.0)


@lru_cache
def _n_pairs(effect, level, power):
    if power_of(effect, 2, level) >= power:
        return 2
    return int(np.ceil(_root(lambda n: power_of(effect, n, level) - power, 2.0)))


def _root(rising, low):
    high = low + 1
    while rising(high) < 0:
        high *= 2
    return brentq(rising, low, high)
