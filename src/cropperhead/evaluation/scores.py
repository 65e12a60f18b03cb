"""Crops and truths in, numbers out: how close a crop comes to those of people."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cropperhead.evaluation.croppers import HUMAN
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS, Floats

SCORES = ("iou", "bde", "angle_error", "aspect_error")
LIMITS = tuple(name.removeprefix("crop_") for name in CROP_COLUMNS)
# The column `reference`: what a crop is scored against
AUTHOR, OTHERS, ITSELF = "the author", "the other authors", "itself"
# How far a corner may lie outside the frame, as a fraction of its side: single precision and a
# pixel's rounding, not a prediction that nobody could crop by
_ROUNDING = 1e-4


def of_cropper(cropper: str, labels: pd.DataFrame, cropped: Floats) -> pd.DataFrame:
    """Scores of one cropper's crops against every label, one row for each label.

    `cropped` is (draws, n, 5) in the order of the n labels; scores are means over the draws.
    Columns: photo, author (whose crop is the reference), cropper, iou, bde (boundary displacement
    error, fractions of the frame's sides), angle_error (degrees), aspect_error (the share by which
    one of the two shapes is longer; none for a crop without area), area (share of the frame kept),
    invalid (share of crops that leave the frame or have no area), iou_best (with the closest of the
    photo's other authors, where there are any), the limits of the first draw, reference.
    """
    truth, aspect = labels[list(CROP_COLUMNS)].to_numpy(float), aspects(labels)
    measured = _measure(cropped, np.broadcast_to(truth, cropped.shape), aspect)
    columns = {name: _mean_over_draws(values) for name, values in measured.items()}
    best = np.full(cropped.shape[:2], np.nan)
    for rows in _shared(labels):
        others = _others(labels.iloc[rows])
        overlap = measured["iou"][:, rows]
        best[:, rows] = np.where(others, overlap[:, None, :], -1).max(axis=2)
    named = {"photo": labels["photo"], "author": labels["author"], "cropper": cropper}
    further = {"iou_best": best.mean(axis=0), **_limits(cropped[0]), "reference": AUTHOR}
    return pd.DataFrame(named | columns | further)


def of_humans(labels: pd.DataFrame) -> pd.DataFrame:
    """The human row: each author against the others of the photo, or against itself when alone.

    An author who is alone is the reference: overlap 1, errors 0, by definition.
    """
    table = pd.concat([_of_photo(group) for _, group in labels.groupby("photo", sort=False)])
    return table.assign(invalid=0.0)  # validation let no other through


def aspects(labels: pd.DataFrame) -> Floats:
    """Width / height of each label's displayed frame, (n,)."""
    return (labels["width"] / labels["height"]).to_numpy(float)


def by_photo(scores: pd.DataFrame, cropper: str, column: str) -> pd.Series:
    """A score of one cropper, averaged over a photo's authors; indexed by photo, sorted.

    A crop that was scored against itself for want of another says nothing, and does not count.
    """
    return means_by_photo(scores, cropper, [column])[column]


def means_by_photo(scores: pd.DataFrame, cropper: str, columns: Sequence[str]) -> pd.DataFrame:
    """Several scores as `by_photo` gives them, a column each."""
    chosen = scores[(scores["cropper"] == cropper) & (scores["reference"] != ITSELF)]
    return chosen.groupby("photo")[list(columns)].mean().sort_index()


def _of_photo(labels: pd.DataFrame) -> pd.DataFrame:
    limits, aspect = labels[list(CROP_COLUMNS)].to_numpy(float), aspects(labels)
    several = labels["author"].nunique() > 1
    against = _others(labels) if several else np.eye(len(labels), dtype=bool)
    rows = []
    for i, author in enumerate(labels["author"]):
        others = against[i]
        mine = np.broadcast_to(limits[i], limits[others].shape)
        measured = _measure(mine, limits[others], aspect[others])
        row = {name: float(v.mean()) for name, v in measured.items()}
        best = float(measured["iou"].max()) if several else np.nan
        rows.append({"author": author, **row, "iou_best": best})
    reference = OTHERS if several else ITSELF
    named = {"photo": labels["photo"].iloc[0], "cropper": HUMAN, "reference": reference}
    return pd.DataFrame(rows).assign(**named, **_limits(limits))


def _shared(labels: pd.DataFrame) -> list[NDArray[np.int64]]:
    """The rows of each photo that several people cropped."""
    places = labels.assign(place=np.arange(len(labels))).groupby("photo", sort=False)
    return [each["place"].to_numpy() for _, each in places if each["author"].nunique() > 1]


def _others(labels: pd.DataFrame) -> NDArray[np.bool_]:
    """For each crop of one photo, which are other people's, (n, n).

    What the same person did in another editor is no other opinion.
    """
    author = labels["author"].to_numpy()
    return np.asarray(author[:, None] != author[None, :])


def _limits(limits: Floats) -> dict[str, Floats]:
    return dict(zip(LIMITS, np.moveaxis(limits, -1, 0), strict=True))


def _measure(cropped: Floats, truth: Floats, aspect: Floats) -> dict[str, Floats]:
    frames = np.broadcast_to(aspect, cropped.shape[:-1])
    area = crops.area(cropped)
    outside = crops.outside(cropped, frames) > _ROUNDING
    return {
        "iou": crops.overlap(cropped, truth, frames),
        "bde": crops.boundary_displacement(cropped, truth),
        "angle_error": np.abs(cropped[..., 4] - truth[..., 4]),
        "aspect_error": np.exp(np.abs(_shape(cropped) - _shape(truth))) - 1,
        "area": area,
        "invalid": (outside | (area <= 0)).astype(float),
    }


def _shape(limits: Floats) -> Floats:
    """Logarithm of width / height in fractions of the frame; NaN for crops without area."""
    sides = limits[..., 2:4] - limits[..., :2]
    real = (sides > 0).all(axis=-1, keepdims=True)
    height, width = np.moveaxis(np.log(np.where(real, sides, np.nan)), -1, 0)
    return np.asarray(width - height)


def _mean_over_draws(values: Floats) -> Floats:
    """The mean over the first axis, of those draws that have a value."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)
