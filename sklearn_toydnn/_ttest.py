"""Student's t on paired differences, Holm's correction, and what they can detect."""

import gc
from functools import lru_cache

import numpy as np
from scipy import stats
from scipy.optimize import brentq
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

POWER = 0.8


class PairedTTest:
    """What differences between pairs say of the one expected.

    Where training sets overlap, differences vary less than fresh data would make them.
    With `overlap`, n_test / n_train, the variance of their mean is that of Nadeau and
    Bengio (2003), s² (1 / n + n_test / n_train): that of n independent differences
    whose spread is larger, which are what is tested then.
    """

    def __init__(self, differences, overlap=0.0):
        differences = np.asarray(differences, dtype=float)
        if len(differences) < 2 or not np.isfinite(differences).all():
            raise ValueError(
                f"There must be two pairs or more, all finite: {differences}"
            )
        self.n, self.share_positive = len(differences), np.mean(differences > 0)
        # As given: the mean of equal numbers may be another one.
        self._constant = np.ptp(differences) == 0
        self.mean = differences[0] if self._constant else differences.mean()
        widening = np.sqrt(1 + self.n * overlap)
        self._values = self.mean + widening * (differences - self.mean)
        self.spread = self._values.std(ddof=1)

    @property
    def statistic(self):
        """float: Student's t of no difference; of a constant one, infinite or 0."""
        if self._constant:
            return np.copysign(np.inf, self.mean) if self.mean else 0.0
        return self.mean / (self.spread / np.sqrt(self.n))

    def p_value(self, difference=0.0, alternative="two-sided"):
        """Return how likely such a mean is where this is the difference expected."""
        if self._constant:
            other = {
                "two-sided": self.mean != difference,
                "greater": self.mean > difference,
                "less": self.mean < difference,
            }
            return 0.0 if other[alternative] else 1.0
        return stats.ttest_1samp(
            self._values, difference, alternative=alternative
        ).pvalue

    def p_within(self, margin):
        """Return the p-value of two one-sided tests that it lies within the margin."""
        if self._constant:
            return 0.0 if abs(self.mean) < margin else 1.0
        return DescrStatsW(self._values).ttost_mean(-margin, margin)[0]

    def interval(self, confidence):
        """Return the confidence interval of the difference expected."""
        if np.isnan(confidence):  # nothing was tested
            return np.nan, np.nan
        if self._constant:
            return self.mean, self.mean
        found = stats.ttest_1samp(self._values, 0)
        return tuple(found.confidence_interval(confidence))

    def detectable(self, level, power=POWER):
        """Return the difference that a one-sided test at this level finds so often."""
        return self.spread * detectable_effect(self.n, level, power)

    def n_needed(self, difference, level, power=POWER):
        """Return how many pairs it takes to find a difference so often, one-sided."""
        if self.spread == 0:
            return 2
        return _n_pairs(difference / self.spread, level, power)


def holm(p_values, alpha):
    """Return corrected p-values, what is rejected, and the level each was held to.

    Holm's method divides the level by the number of hypotheses that are left; what
    stands after the last rejection is held to the level of the one that failed.
    """
    if not len(p_values):
        return np.empty(0), np.empty(0, bool), np.empty(0)
    # It asks for a garbage collection, which takes a quarter of a second where there
    # are TensorFlow's million objects.
    gc.freeze()
    rejected, corrected, *_ = multipletests(p_values, alpha, method="holm")
    gc.unfreeze()
    before = stats.rankdata(p_values, method="ordinal") - 1
    left = len(p_values) - np.minimum(before, rejected.sum())
    return corrected, rejected, alpha / left


# One-sided powers: statsmodels' two-sided one is NaN for some large effects, and its
# solver of them goes astray at small levels.


def _power(effect_size, n_pairs, level):
    return TTestPower().power(effect_size, n_pairs, level, alternative="larger")


@lru_cache
def detectable_effect(n_pairs, level, power):
    """Return the difference that is found so often, in standard deviations."""
    return _root(lambda size: _power(size, n_pairs, level) - power, 0.0)


@lru_cache
def _n_pairs(effect_size, level, power):
    if _power(effect_size, 2, level) >= power:
        return 2
    return int(np.ceil(_root(lambda n: _power(effect_size, n, level) - power, 2.0)))


def _root(rising, low):
    high = low + 1
    while rising(high) < 0:
        high *= 2
    return brentq(rising, low, high)
