"""Intervals of statistics of votes, where both the raters and the photos are random.

Other people might have voted, on other photos. Votes of one rater are alike, and so are votes on
one photo, so the variance is that between raters plus that between photos, less that between votes,
which both contain (Cameron, Gelbach and Miller 2011, "Robust inference with multiway clustering").
Each of the three is the jackknife's: that of leaving out one unit after another. A bootstrap that
draws raters and photos and multiplies how often each was drawn (Owen 2007) has about three times
the variance where votes differ mostly by chance, as these do: benchmarks/study.py compares them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from cropperhead.geometry.crops import Floats
from cropperhead.stats import Interval

_POWER = 0.8
_LEAST_FREEDOM = 1.0

# From sums over votes, (..., d), to statistics on a scale without bounds, (..., m)
Statistic = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Units:
    """Which rater, photo, and both together, each of n votes belongs to, numbered from 0.

    Photos of one group are one unit.
    """

    rater: NDArray[np.int64]
    photo: NDArray[np.int64]
    cell: NDArray[np.int64]

    @classmethod
    def of(cls, raters: Sequence[str], photos: Sequence[str]) -> "Units":
        """Number the units of the votes."""
        rater, photo = (_numbers(np.asarray(names, dtype=str)) for names in (raters, photos))
        width = int(photo.max()) + 1 if len(photo) else 1
        return cls(rater, photo, _numbers(rater * width + photo))


@dataclass(frozen=True)
class Estimates:
    """Estimates of m statistics, their variances, and the degrees of freedom of these."""

    value: Floats
    variance: Floats
    freedom: Floats

    def ends(self, confidence: float) -> tuple[Floats, Floats]:
        """Return the low and the high ends of the intervals; NaN where there is no variance."""
        reach = stdtrit(self.freedom, 0.5 + confidence / 2) * np.sqrt(self.variance)
        return self.value - reach, self.value + reach

    def intervals(self, confidence: float, shrink: Callable[[Floats], Floats]) -> list[Interval]:
        """Return the intervals on the scale to which `shrink` brings the statistics."""
        parts = [shrink(part) for part in (self.value, *self.ends(confidence))]
        return [Interval(*map(float, each)) for each in zip(*parts, strict=True)]

    def p_values(self) -> Floats:
        """Return the p-values, of two sides, against true statistics of 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(self.value) / np.sqrt(self.variance)
        return np.asarray(2 * stdtr(self.freedom, -t))

    def detectable(self, confidence: float) -> Floats:
        """Return the smallest true statistics that differ from 0 detectably, at 80 % power."""
        quantiles = stdtrit(self.freedom, 0.5 + confidence / 2) + stdtrit(self.freedom, _POWER)
        return np.asarray(quantiles * np.sqrt(self.variance))


def estimate(values: Floats, units: Units, statistic: Statistic) -> Estimates:
    """Estimate a statistic of sums of votes; `values` (n, d) are what each vote adds to them.

    With fewer than two raters or photos there is no variance: it is NaN.
    """
    total = values.sum(axis=0)
    parts = [_sums(values, members) for members in (units.rater, units.photo, units.cell)]
    everything = np.concatenate([total[None], *(total - part for part in parts)])
    computed = statistic(everything)
    value, left_out = computed[0], np.split(computed[1:], np.cumsum([len(p) for p in parts])[:-1])
    if min(len(parts[0]), len(parts[1])) < 2:
        unknown = np.full_like(value, np.nan)
        return Estimates(value, unknown, np.full_like(value, _LEAST_FREEDOM))
    by_rater, by_photo, by_cell = (_variance(each, value) for each in left_out)
    # the variance cannot be smaller than if each vote was of its own: that is chance
    variance = np.maximum(by_rater + by_photo - by_cell, by_cell)
    freedom = _freedom((by_rater, by_photo), [_equal_units(p, values) for p in parts[:2]], variance)
    return Estimates(value, variance, freedom)


def _numbers(names: NDArray[np.generic]) -> NDArray[np.int64]:
    return np.asarray(np.unique(names, return_inverse=True)[1], np.int64)


def _sums(values: Floats, members: NDArray[np.int64]) -> Floats:
    sums = np.zeros((int(members.max()) + 1 if len(members) else 0, values.shape[1]))
    np.add.at(sums, members, values)
    return sums


def _variance(left_out: Floats, value: Floats) -> Floats:
    """Compute the jackknife's variance (Tukey 1958), around the estimate itself."""
    count = len(left_out)
    return np.asarray((count - 1) / count * np.sum((left_out - value) ** 2, axis=0))


def _equal_units(sums: Floats, values: Floats) -> float:
    """How many units of equal size are as informative (Kish 1965)."""
    size = np.abs(sums).sum(axis=1)
    return float(size.sum() ** 2 / np.sum(size**2)) if len(values) and size.any() else 0.0


def _freedom(parts: Sequence[Floats], units: Sequence[float], variance: Floats) -> Floats:
    """Approximate the degrees of freedom of a sum of variances (Satterthwaite 1946)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = sum(
            part**2 / max(n - 1, _LEAST_FREEDOM) for part, n in zip(parts, units, strict=True)
        )
        freedom = variance**2 / spread
    most = max(_LEAST_FREEDOM, sum(max(n - 1, 0) for n in units))
    return np.clip(np.nan_to_num(freedom, nan=_LEAST_FREEDOM), _LEAST_FREEDOM, most)
