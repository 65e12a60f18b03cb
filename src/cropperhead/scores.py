"""Crops and truths in, numbers with their spread out.

The unit of every interval is the group (near-duplicates and bursts), not the photo: photos of one
group are no independent evidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cropperhead import crops
from cropperhead.croppers import HUMAN
from cropperhead.crops import CROP_COLUMNS, Floats

SCORES = ("iou", "bde", "angle_error")
# The column `reference`: what a crop is scored against
AUTHOR, OTHERS, ITSELF = "the author", "the other authors", "itself"
_RESAMPLES_AT_ONCE = 500


@dataclass(frozen=True)
class Interval:
    """A mean and the bootstrap interval about it; NaN where there is nothing to average."""

    mean: float
    low: float
    high: float


def of_cropper(cropper: str, labels: pd.DataFrame, cropped: Floats) -> pd.DataFrame:
    """Scores of one cropper's crops against every label, one row for each label.

    `cropped` is (draws, n, 5) in the order of the n labels; scores are means over the draws.
    Columns: photo, author (whose crop is the reference), cropper, iou, bde (boundary displacement
    error, fractions of the frame's sides), angle_error (degrees), area (share of the frame kept),
    reference.
    """
    truth = labels[list(CROP_COLUMNS)].to_numpy(float)
    measured = _measure(cropped, np.broadcast_to(truth, cropped.shape), aspects(labels))
    columns = {name: values.mean(axis=0) for name, values in measured.items()}
    named = {"photo": labels["photo"], "author": labels["author"], "cropper": cropper}
    return pd.DataFrame(named | columns | {"reference": AUTHOR})


def of_humans(labels: pd.DataFrame) -> pd.DataFrame:
    """The human row: each author against the others of the photo, or against itself when alone.

    An author who is alone is the reference: overlap 1, errors 0, by definition.
    """
    return pd.concat([_of_photo(group) for _, group in labels.groupby("photo", sort=False)])


def aspects(labels: pd.DataFrame) -> Floats:
    """Width / height of each label's displayed frame, (n,)."""
    return (labels["width"] / labels["height"]).to_numpy(float)


def by_photo(scores: pd.DataFrame, cropper: str, column: str) -> pd.Series:
    """A score of one cropper, averaged over a photo's authors; indexed by photo, sorted.

    A crop that was scored against itself for want of another says nothing, and does not count.
    """
    chosen = scores[(scores["cropper"] == cropper) & (scores["reference"] != ITSELF)]
    return chosen.groupby("photo")[column].mean().sort_index()


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
        sums = np.bincount(self._member, weights=values)
        means = np.concatenate([self._means(sums, drawn) for drawn in self._resamples()])
        low, high = np.percentile(means, self._percentiles)
        return Interval(float(np.mean(values)), float(low), float(high))

    def _resamples(self) -> list[NDArray[np.int64]]:
        generator, count = np.random.default_rng(self._seed), len(self._sizes)
        starts = range(0, self._samples, _RESAMPLES_AT_ONCE)
        sizes = [min(_RESAMPLES_AT_ONCE, self._samples - start) for start in starts]
        return [generator.integers(0, count, (size, count)) for size in sizes]

    def _means(self, sums: NDArray[Any], drawn: NDArray[np.int64]) -> Floats:
        return np.asarray(sums[drawn].sum(axis=1) / self._sizes[drawn].sum(axis=1))


def _of_photo(labels: pd.DataFrame) -> pd.DataFrame:
    limits, aspect = labels[list(CROP_COLUMNS)].to_numpy(float), aspects(labels)
    several = labels["author"].nunique() > 1
    rows = []
    for i, author in enumerate(labels["author"]):
        # what the same person did in another editor is no other opinion
        others = (labels["author"] != author).to_numpy() if several else np.arange(len(labels)) == i
        mine = np.broadcast_to(limits[i], limits[others].shape)
        measured = _measure(mine, limits[others], aspect[others])
        rows.append({"author": author} | {name: float(v.mean()) for name, v in measured.items()})
    reference = OTHERS if several else ITSELF
    named = {"photo": labels["photo"].iloc[0], "cropper": HUMAN, "reference": reference}
    return pd.DataFrame(rows).assign(**named)


def _measure(cropped: Floats, truth: Floats, aspect: Floats) -> dict[str, Floats]:
    frames = np.broadcast_to(aspect, cropped.shape[:-1])
    return {
        "iou": crops.overlap(cropped, truth, frames),
        "bde": crops.boundary_displacement(cropped, truth),
        "angle_error": np.abs(cropped[..., 4] - truth[..., 4]),
        "area": crops.area(cropped),
    }
