"""How far numbers can be trusted: intervals, tests of chance, and what could have been found.

The unit of all of them is the group (near-duplicates and bursts), not the photo: photos of one
group are no independent evidence.
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
    """A mean and the bootstrap interval about it; NaN where there is nothing to average."""

    mean: float
    low: float
    high: float


class Bootstrap:
    """Percentile bootstrap over groups, with the same resamples for every score."""

    def __init__(self, groups: Sequence[str], samples: int, confidence: float, seed: int) -> None:
        """`groups` names the group of each photo, in the order in which values will come."""
        _, self._member = np.unique(np.asarray(groups), return_inverse=True)
        self._sizes = np.bincount(self._member)
        self._samples, self._seed = samples, seed
        self.confidence = confidence
        tail = (1 - confidence) / 2 * 100
        self._percentiles = (tail, 100 - tail)

    def interval(self, values: Floats) -> Interval:
        """The mean over photos of `values` (n,) and its interval."""
        if not len(values):
            return Interval(np.nan, np.nan, np.nan)
        sums = np.bincount(self._member, weights=values)
        means = np.concatenate([self._means(sums, drawn) for drawn in self._resamples()])
        low, high = np.percentile(means, self._percentiles)
        return Interval(float(np.mean(values)), float(low), float(high))

    def weights(self) -> NDArray[np.float64]:
        """How often each photo is in each resample, (samples, n): for what is no mean."""
        count = len(self._sizes)
        drawn = np.concatenate(self._resamples())
        times = np.stack([np.bincount(row, minlength=count) for row in drawn])
        return times[:, self._member].astype(float)

    def of_weighted(self, value: float, resampled: Floats) -> Interval:
        """The interval of a statistic, from its `value` and what it is in each resample."""
        low, high = np.nanpercentile(resampled, self._percentiles)
        return Interval(value, float(low), float(high))

    def _resamples(self) -> list[NDArray[np.int64]]:
        generator, count = np.random.default_rng(self._seed), len(self._sizes)
        return [generator.integers(0, count, (size, count)) for size in _portions(self._samples)]

    def _means(self, sums: NDArray[Any], drawn: NDArray[np.int64]) -> Floats:
        return np.asarray(sums[drawn].sum(axis=1) / self._sizes[drawn].sum(axis=1))


def chance(differences: Floats, groups: Sequence[str], samples: int, seed: int) -> float:
    """How often chance alone makes a mean paired difference this far from 0: a p-value.

    A permutation test: were the two croppers alike, either could have been called the first, so the
    signs of whole groups of `differences` (n,) are drawn anew. The observed signs count as one draw
    (Phipson and Smyth 2010), so that the result is never 0.
    """
    if not len(differences):
        return float("nan")
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.bincount(member, weights=differences)
    generator, reached = np.random.default_rng(seed), 0
    observed = abs(sums.sum()) * (1 - 1e-12)  # sums of the same numbers differ in their last digit
    for size in _portions(samples):
        signs = generator.integers(0, 2, (size, len(sums))) * 2 - 1
        reached += int(np.sum(np.abs(signs @ sums) >= observed))
    return (reached + 1) / (samples + 1)


def corrected(chances: Mapping[str, float]) -> dict[str, float]:
    """p-values of several comparisons, so that one in all is found by chance as rarely as stated.

    Holm 1979, step-down. Of NaN nothing is asked, and it stays.
    """
    asked = sorted((p, name) for name, p in chances.items() if not np.isnan(p))
    found, highest = dict(chances), 0.0
    for place, (p, name) in enumerate(asked):
        highest = max(highest, min(1.0, p * (len(asked) - place)))
        found[name] = highest
    return found


def detectable(
    differences: Floats, groups: Sequence[str], confidence: float, power: float = 0.8
) -> float:
    """The smallest true mean difference that a test of this size finds with chance `power`.

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


def _portions(samples: int) -> list[int]:
    """`samples` in parts that fit in memory."""
    return [min(_DRAWN_AT_ONCE, samples - start) for start in range(0, samples, _DRAWN_AT_ONCE)]
