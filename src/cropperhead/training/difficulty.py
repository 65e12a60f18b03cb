"""How well a photo can be cropped, and how unlike all known photos it is, from its fields.

The overlap to expect is learned from crops of photos that the cropper did not see. A network's are
known for the validation photos alone, which are too few. So a cropper that is learned in a moment,
a ridge regression from fields to limits, crops each training photo without having seen it: what is
hard for it is hard for the network, too (the overlaps correlate by 0.85).

Features are frozen, so that training photos' fields are as good or bad as those of others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cropperhead.geometry import crops
from cropperhead.geometry.crops import Floats
from cropperhead.training.batches import FieldArrays, FieldExamples

SHAPE_MARGIN = math.log(1.3)  # 3:2 against nearly 2:1

_FOLDS = 5
_CROP_PENALTY = 1.0  # of five folds on 1,275 photos, 0.3 to 3 are as good
_PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0)
_LEAST_MARGIN = 0.55  # of limits below and to the right: a ridge regression knows no bounds
_ENOUGH_CROPS = 100  # with fewer, nothing was learned that held for other photos
_USUAL = 0.995  # of the known photos, which are less unlike the others than "unlike"
# Of a column's standard deviation, where all frames have one shape: a new shape is no wonder then
_LEAST_SPREAD = 0.02
_DECIMALS = 7  # so that processors that add in another order give the same numbers
_SHRINKAGE = 0.1  # of covariances towards independent channels


@dataclass(frozen=True)
class Difficulty:
    """Two functions of a photo's summary (d,), see `summarise`.

    `weights` (d,) and `whitening` (d, k) are for its difference from `centre` (d,). `shapes` (2,)
    are the ends of the known frames' logarithms of width / height.
    """

    centre: Floats
    weights: Floats
    whitening: Floats
    shapes: Floats

    def overlap(self, summary: Floats) -> Floats:
        """By how much the overlap to expect differs from the mean, (n,)."""
        return np.asarray((summary - self.centre) @ self.weights)

    def unlike(self, summary: Floats) -> Floats:
        """How unlike known photos are, (n,): above 1 where one in two hundred of those is.

        Also where the frame is longer by more than `SHAPE_MARGIN`: a panorama.
        """
        distance = np.linalg.norm((summary - self.centre) @ self.whitening, axis=1)
        shape, (low, high) = summary[:, -2], self.shapes
        return np.asarray(
            np.maximum(distance, np.maximum(low - shape, shape - high) / SHAPE_MARGIN)
        )


def summarise(photos: FieldArrays) -> Floats:
    """What is known of photos wherever it is in them, (n, channels + 2).

    The means of the channels over all places and both looks, the logarithm of the frame's width /
    height, and its absolute value, which is the same for a portrait and a landscape frame.
    """
    means = [each.astype(np.float32).mean(axis=(0, 1, 2)) for each in photos.fields]
    return _with_shape(means, photos.aspect)


def learn_difficulty(examples: FieldExamples, seed: int) -> Difficulty:
    """Learns from known crops.

    Where there are few, or what was learned does not hold for others of them, all photos are
    equally hard.
    """
    summary = summarise(examples.photos)
    centre, weights = summary.mean(axis=0), np.zeros(summary.shape[1])
    if len(examples) >= _ENOUGH_CROPS:
        folds = np.random.default_rng(seed).permutation(len(summary)) % _FOLDS
        overlap = _overlaps_of_held_out(examples, folds[examples.photo])
        weights = _fit_weights(summary[examples.photo], overlap, folds[examples.photo])
    shapes = np.quantile(summary[:, -2], [1 - _USUAL, _USUAL])
    return Difficulty(centre, weights, _whitening(summary[:, :-2]), shapes)


def _with_shape(columns: Sequence[NDArray[np.float32]], aspect: NDArray[np.float32]) -> Floats:
    shape = np.log(aspect.astype(float))
    return np.concatenate([np.stack(columns), shape[:, None], np.abs(shape)[:, None]], axis=1)


def _overlaps_of_held_out(examples: FieldExamples, fold: NDArray[np.integer[Any]]) -> Floats:
    """The overlap of each crop with that of a cropper that did not see its photo, (m,)."""
    bands = [_bands(each) for each in examples.photos.fields]
    known = _with_shape(bands, examples.photos.aspect)[examples.photo]
    truth = examples.limits[:, :4].astype(float)
    found = np.zeros((len(truth), 5))
    for held in range(_FOLDS):
        rest, own = fold != held, fold == held
        found[own, :4] = _predict(known[own], *_ridge(known[rest], truth[rest], _CROP_PENALTY))
    found[:, :2] = np.clip(found[:, :2], 0, 1 - _LEAST_MARGIN)
    found[:, 2:4] = np.clip(found[:, 2:4], _LEAST_MARGIN, 1)
    return crops.overlap(found, examples.limits, examples.aspect)


def _bands(fields: NDArray[np.float16]) -> NDArray[np.float32]:
    """Means of every two rows of one photo's fields, both looks, in one line."""
    rows = fields.astype(np.float32).mean(axis=(0, 2))
    even = rows[: len(rows) // 2 * 2]
    return np.asarray(even.reshape(-1, 2, rows.shape[1]).mean(axis=1).reshape(-1))


def _fit_weights(summary: Floats, overlap: Floats, fold: NDArray[np.integer[Any]]) -> Floats:
    """The weights of the penalty that predicts held-out crops best, shrunk to be calibrated."""
    best, slope = (0.0, _PENALTIES[0]), 0.0
    for penalty in _PENALTIES:
        expected = np.empty_like(overlap)
        for held in range(_FOLDS):
            rest, own = fold != held, fold == held
            fitted = _ridge(summary[rest], overlap[rest, None], penalty)
            expected[own] = _predict(summary[own], *fitted)[:, 0] - overlap[rest].mean()
        if expected.std() == 0:
            continue
        likeness = float(np.corrcoef(expected, overlap)[0, 1])
        if likeness > best[0]:
            best = (likeness, penalty)
            slope = likeness * overlap.std() / expected.std()
    _, scale, weights, _ = _ridge(summary, overlap[:, None], best[1])
    return np.round(min(slope, 1.0) * weights[:, 0] / scale, _DECIMALS)


def _ridge(known: Floats, wanted: Floats, penalty: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Centre and scale of columns known, weights (d, k) and offset (k,) of a ridge regression."""
    centre, scale = known.mean(axis=0), np.maximum(known.std(axis=0), _LEAST_SPREAD)
    columns, offset = (known - centre) / scale, wanted.mean(axis=0)
    squares = columns.T @ columns + penalty * len(columns) * np.eye(columns.shape[1])
    return centre, scale, np.linalg.solve(squares, columns.T @ (wanted - offset)), offset


def _predict(
    known: Floats, centre: Floats, scale: Floats, weights: Floats, offset: Floats
) -> Floats:
    return np.asarray((known - centre) / scale @ weights + offset)


def _whitening(means: Floats) -> Floats:
    """The matrix by which differences from the mean become distances; see `Difficulty`.

    The frame's shape, of which `Difficulty.shapes` takes care, has no part in it.
    """
    apart = means - means.mean(axis=0)
    spread = np.maximum(apart.std(axis=0), _LEAST_SPREAD)
    columns = apart / spread
    covariance = (1 - _SHRINKAGE) * columns.T @ columns / len(columns)
    covariance += _SHRINKAGE * np.eye(len(spread))
    values, vectors = np.linalg.eigh(covariance)
    whitening = vectors / np.sqrt(values) @ vectors.T / spread[:, None]  # no sign is arbitrary
    farthest = np.quantile(np.linalg.norm(apart @ whitening, axis=1), _USUAL)
    whitening = np.round(whitening / max(float(farthest), 1e-6), _DECIMALS)
    return np.concatenate([whitening, np.zeros((2, len(spread)))])
