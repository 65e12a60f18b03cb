"""How far numbers can be trusted: intervals, permutation tests, and detectable differences.

All of them treat the group (near-duplicates and bursts) as the unit, not the photo: photos of one
group are not independent evidence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cropperhead.geometry.crops import Floats

_DRAWN_AT_ONCE = 500


@dataclass(frozen=True)
class Interval:
    """A mean and its bootstrap interval; NaN where there is nothing to average."""

    mean: float
    low: float
    high: float


class Bootstrap:
    """Percentile bootstrap over groups, with the same resamples for every score."""

    def __init__(self, groups: Sequence[str], samples: int, confidence: float, seed: int) -> None:
        """`groups` names the group of each photo, in the order of the values to come."""
        _, self._member = np.unique(np.asarray(groups), return_inverse=True)
        self._sizes = np.bincount(self._member)
        self._samples, self._seed = samples, seed
        self.confidence = confidence
        tail = (1 - confidence) / 2 * 100
        self._percentiles = (tail, 100 - tail)

    def interval(self, values: Floats) -> Interval:
        """Return the mean over photos of `values` (n,) with its interval."""
        if not len(values):
            return Interval(np.nan, np.nan, np.nan)
        sums = np.bincount(self._member, weights=values)
        means = np.concatenate([self._means(sums, drawn) for drawn in self._resamples()])
        low, high = np.percentile(means, self._percentiles)
        return Interval(float(np.mean(values)), float(low), float(high))

    def weights(self) -> NDArray[np.float64]:
        """Count how often each photo is in each resample, (samples, n).

        For statistics other than means.
        """
        count = len(self._sizes)
        drawn = np.concatenate(self._resamples())
        times = np.stack([np.bincount(row, minlength=count) for row in drawn])
        return times[:, self._member].astype(float)

    def statistic_interval(self, value: float, resampled: Floats) -> Interval:
        """Return the interval of a statistic from its `value` and its value in each resample."""
        low, high = np.nanpercentile(resampled, self._percentiles)
        return Interval(value, float(low), float(high))

    def _resamples(self) -> list[NDArray[np.int64]]:
        generator, count = np.random.default_rng(self._seed), len(self._sizes)
        return [generator.integers(0, count, (size, count)) for size in _batch_sizes(self._samples)]

    def _means(self, sums: NDArray[Any], drawn: NDArray[np.int64]) -> Floats:
        return np.asarray(sums[drawn].sum(axis=1) / self._sizes[drawn].sum(axis=1))


def permutation_p_value(
    differences: Floats, groups: Sequence[str], samples: int, seed: int
) -> float:
    """Return how often chance alone moves a mean paired difference this far from 0.

    If the two croppers were equally good, either could have been called the first. So the test
    draws the signs of whole groups of `differences` (n,) at random. The observed signs count as one
    draw (Phipson and Smyth 2010), so the result is never 0.
    """
    if not len(differences):
        return float("nan")
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.bincount(member, weights=differences)
    generator, reached = np.random.default_rng(seed), 0
    observed = abs(sums.sum()) * (1 - 1e-12)  # sums of the same numbers differ in their last digit
    for size in _batch_sizes(samples):
        signs = generator.integers(0, 2, (size, len(sums))) * 2 - 1
        reached += int(np.sum(np.abs(signs @ sums) >= observed))
    return (reached + 1) / (samples + 1)


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


def detectable_difference(
    differences: Floats, groups: Sequence[str], confidence: float, power: float = 0.8
) -> float:
    """Return the smallest true mean difference that such a test detects with this `power`.

    (z of confidence + z of power) standard errors; those of the mean over groups of unequal size,
    as of a ratio (Cochran 1977, 6.4). NaN for fewer than two groups.
    """
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    sizes = np.bincount(member)
    if len(sizes) < 2:
        return float("nan")
    residues = np.bincount(member, weights=differences) - sizes * np.mean(differences)
    count = len(sizes)
    error = np.sqrt(np.sum(residues**2) * count / (count - 1)) / sizes.sum()
    normal = NormalDist()
    return float((normal.inv_cdf(0.5 + confidence / 2) + normal.inv_cdf(power)) * error)


def _batch_sizes(samples: int) -> list[int]:
    """Split `samples` into batches that fit in memory."""
    return [min(_DRAWN_AT_ONCE, samples - start) for start in range(0, samples, _DRAWN_AT_ONCE)]
