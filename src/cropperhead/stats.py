"""How far numbers can be trusted: intervals, p-values, and detectable differences.

All of them treat the group (near-duplicates and bursts) as the unit, not the photo: photos of one
group are not independent evidence. Nothing is drawn at random, so the same values always give the
same interval.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, stdtr, stdtrit

from cropperhead.geometry.crops import Floats

UNBOUNDED = (-math.inf, math.inf)
_POWER = 0.8
_MOST_PARTS = 500  # left out in turn, for statistics other than means
_MOST_EXPONENT = 700.0  # of e in a float
_NO_SKEW = 1e-9  # below which the correction for skewness is rounding


@dataclass(frozen=True)
class Interval:
    """A mean and its interval; NaN where there is nothing to average, or too little for ends."""

    mean: float
    low: float
    high: float

    @property
    def has_ends(self) -> bool:
        """Whether there was enough to compute an interval: at least two groups."""
        return math.isfinite(self.low) and math.isfinite(self.high)


class Jackknife:
    """Intervals and p-values of means over photos, from leaving out one group after another.

    The standard error is the jackknife's (Tukey 1958). Student's t has as many degrees of freedom
    as there are groups, less one; groups of unequal size count as the smaller number of equal ones
    that is as informative (Kish 1965). Where losses are few and large, t alone is too sure of
    gains: an end is moved outwards where the t statistic corrected for skewness (Hall 1992, "On the
    removal of skewness by transformation") is further out. The skewness is estimated in two ways.
    """

    def __init__(self, groups: Sequence[str], confidence: float) -> None:
        """`groups` names the group of each photo, in the order of the values to come."""
        _, self._member = np.unique(np.asarray(groups), return_inverse=True)
        self._sizes = np.bincount(self._member)
        self.confidence = confidence

    @property
    def groups(self) -> int:
        """The number of groups."""
        return len(self._sizes)

    def interval(self, values: Floats, bounds: tuple[float, float] = UNBOUNDED) -> Interval:
        """Return the mean over photos of `values` (n,) with its interval.

        The interval ends at `bounds`, beyond which no mean can be.
        """
        mean = float(np.mean(values)) if len(values) else math.nan
        if self.groups < 2:
            return Interval(mean, math.nan, math.nan)
        error, pulls = self._error(values), self._pulls(values)
        upper = self._quantile(0.5 + self.confidence / 2)
        high, low = (
            max(upper, *(sign * _unskew(sign * upper, pull) for pull in pulls)) for sign in (-1, 1)
        )
        return _clip(Interval(mean, mean - low * error, mean + high * error), bounds)

    def p_value(self, values: Floats) -> float:
        """Return the p-value, of two sides, of the mean of `values` (n,) against a true mean of 0.

        It is below 1 - confidence exactly where the interval excludes 0. NaN for fewer than two
        groups.
        """
        if self.groups < 2:
            return math.nan
        mean, error = float(np.mean(values)), self._error(values)
        if not error:
            return 0.0 if mean else 1.0
        t = mean / error
        all_t = [t, *(_correct_skew(t, pull) for pull in self._pulls(values))]
        above, below = self._tail(min(all_t)), self._tail(-max(all_t))
        return min(1.0, 2 * min(above, below))

    def detectable_difference(self, values: Floats) -> float:
        """Return the smallest true mean that differs from 0 detectably, with a power of 80 %.

        (t of confidence + t of power) standard errors. NaN for fewer than two groups.
        """
        if self.groups < 2:
            return math.nan
        quantiles = self._quantile(0.5 + self.confidence / 2) + self._quantile(_POWER)
        return float(quantiles * self._error(values))

    def weights(self) -> NDArray[np.float64]:
        """Weight the photos with one part of the groups left out after another, (parts, n).

        For statistics other than means. A part is one group, or several where there are many; a
        single group has no parts.
        """
        parts = min(self.groups, _MOST_PARTS)
        numbers = np.arange(parts) if parts > 1 else np.zeros(0)
        return np.asarray(self._member % parts != numbers[:, None], float)

    def statistic_interval(
        self, value: float, left_out: Floats, bounds: tuple[float, float]
    ) -> Interval:
        """Return the interval of a statistic from its `value` and those for `weights`, (parts,).

        `bounds` are the lowest value that it can have, or -infinity, and the highest. The interval
        is computed on a scale without bounds, so that it stays inside them.
        """
        if len(left_out) < 2 or not np.isfinite(left_out).all():
            return Interval(value, math.nan, math.nan)
        stretched = _stretch(np.append(left_out, value), bounds)
        if not np.isfinite(stretched).all():  # a statistic at its bound
            return _clip(Interval(value, *self._ends(value, left_out)), bounds)
        ends = self._ends(float(stretched[-1]), stretched[:-1])
        return Interval(value, *(_shrink(end, bounds) for end in ends))

    def _ends(self, value: float, left_out: Floats) -> tuple[float, float]:
        error = math.sqrt((len(left_out) - 1) * float(np.var(left_out)))
        reach = self._quantile(0.5 + self.confidence / 2) * error
        return value - reach, value + reach

    @property
    def _equal_groups(self) -> float:
        """How many equal groups are as informative (Kish 1965)."""
        return float(self._sizes.sum() ** 2 / np.sum(self._sizes**2))

    @property
    def _freedom(self) -> float:
        return max(1.0, self._equal_groups - 1)

    def _quantile(self, share: float) -> float:
        return float(stdtrit(self._freedom, share))

    def _tail(self, t: float) -> float:
        return float(stdtr(self._freedom, -t))

    def _error(self, values: Floats) -> float:
        """Compute the jackknife's standard error of the mean, with one group left out in turn."""
        sums = np.bincount(self._member, weights=values)
        left_out = (sums.sum() - sums) / (self._sizes.sum() - self._sizes)
        return math.sqrt((self.groups - 1) * float(np.var(left_out)))

    def _pulls(self, values: Floats) -> tuple[float, float]:
        """Estimate the skewness of the mean, over the root of the number of groups, in two ways.

        That of the groups' influence knows which groups are large, but of few large ones it sees
        little. The other takes gains to be as skewed in small groups as in large ones; their mean
        is the second. Of equal groups both are the same. A sample shows too little of its
        population's skewness: the factor is Hazen's (1930).
        """
        count, equal, sizes = self.groups, self._equal_groups, self._sizes.astype(float)
        deviations = values - np.mean(values)
        influence = np.bincount(self._member, weights=deviations).astype(float)
        if count < 3 or not np.any(influence):
            return 0.0, 0.0
        own = _skewness(influence, np.ones(count)) * (1 + 8.5 / equal) / math.sqrt(equal)
        spread = float(np.sum(sizes**3) / np.sum(sizes**2) ** 1.5)
        common = _skewness(influence / sizes, sizes) * (1 + 8.5 / count) * spread
        return own, (own + common) / 2


def holm_correction(p_values: Mapping[str, float]) -> dict[str, float]:
    """Correct p-values for the number of comparisons (Holm 1979, step-down).

    One false positive among all of them is then as rare as the p-value states. NaN values are not
    counted as comparisons and stay NaN.
    """
    ascending = sorted((p, name) for name, p in p_values.items() if not np.isnan(p))
    corrected, highest = dict(p_values), 0.0
    for place, (p, name) in enumerate(ascending):
        highest = max(highest, min(1.0, p * (len(ascending) - place)))
        corrected[name] = highest
    return corrected


def _skewness(deviations: Floats, weights: Floats) -> float:
    """Compute a skewness from deviations from the mean, without the bias of a small sample.

    0 where all are alike. `weights` (n,) count as Kish's number of equal ones.
    """
    square = float(np.average(deviations**2, weights=weights))
    cube = float(np.average(deviations**3, weights=weights))
    scale = math.sqrt(square) ** 3
    equal = float(weights.sum() ** 2 / np.sum(weights**2))
    unbiased = math.sqrt(equal * max(equal - 1, 0.1)) / max(equal - 2, 0.5)
    return cube / scale * unbiased if scale else 0.0


def _clip(interval: Interval, bounds: tuple[float, float]) -> Interval:
    low, high = bounds
    return Interval(interval.mean, max(interval.low, low), min(interval.high, high))


def _correct_skew(t: float, pull: float) -> float:
    """Correct a t statistic for skewness: t + a (t² / 3 + 1 / 6) + a² t³ / 27 (Hall 1992)."""
    return t + pull * (t**2 / 3 + 1 / 6) + pull**2 * t**3 / 27


def _unskew(corrected: float, pull: float) -> float:
    """Invert `_correct_skew`."""
    if abs(pull) < _NO_SKEW:
        return corrected
    return 3 / pull * (float(np.cbrt(1 + pull * (corrected - pull / 6))) - 1)


def _stretch(values: Floats, bounds: tuple[float, float]) -> Floats:
    """Map values between bounds to a scale without: log-odds, or a logarithm if only one is."""
    low, high = bounds
    with np.errstate(divide="ignore", invalid="ignore"):
        below = np.log(values - low) if math.isfinite(low) else 0.0
        return np.asarray(below - np.log(high - values))


def _shrink(stretched: float, bounds: tuple[float, float]) -> float:
    """Invert `_stretch`."""
    low, high = bounds
    if not math.isfinite(low):
        return high - math.exp(min(-stretched, _MOST_EXPONENT))
    return low + (high - low) * float(expit(stretched))
