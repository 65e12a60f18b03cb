"""How close crops come to those of people: overlap, displacement, angle and aspect errors."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cropperhead.evaluation.croppers import HUMAN
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS, Floats

SCORES = ("iou", "bde", "angle_error", "aspect_error")
LIMITS = tuple(name.removeprefix("crop_") for name in CROP_COLUMNS)
# The lowest and the highest value of each score, and of a difference in overlap
_NO_LIMIT = (0.0, math.inf)
BOUNDS = {"iou": (0.0, 1.0), **dict.fromkeys(("bde", "angle_error", "aspect_error"), _NO_LIMIT)}
GAIN_BOUNDS = (-1.0, 1.0)
# The column `reference`: what a crop is scored against
AUTHOR, OTHERS, ITSELF = "the author", "the other authors", "itself"
# How far a corner may be outside the frame, as a fraction of its side: this allows for single
# precision and a pixel's rounding, not for a prediction that nobody could use
_ROUNDING = 1e-4
# Between crops within a frame, whose angles are 45 degrees at most
_LARGEST_DISPLACEMENT, _LARGEST_TURN_DEG = 1.0, 90.0


def score_cropper(cropper: str, labels: pd.DataFrame, cropped: Floats) -> pd.DataFrame:
    """Score one cropper's crops against every label, one row for each label.

    `cropped` is (draws, n, 5) in the order of the n labels; scores are means over the draws.
    Columns: photo, author (whose crop is the reference), cropper, iou, bde (boundary displacement
    error, fractions of the frame's sides), angle_error (degrees), aspect_error (the share by which
    one of the two shapes is longer; NaN for a crop without area), area (share of the frame kept),
    invalid (share of crops that leave the frame or have no area), iou_best (with the closest of the
    photo's other authors, if any), the limits of the first draw, reference.

    A crop with a limit that is not finite is invalid: its overlap is 0, and its errors are as large
    as those of two crops within a frame can be.
    """
    truth, aspect = labels[list(CROP_COLUMNS)].to_numpy(float), aspect_ratios(labels)
    by_draw = _compare_limits(cropped, np.broadcast_to(truth, cropped.shape), aspect)
    columns = {name: _mean_over_draws(values) for name, values in by_draw.items()}
    best = np.full(cropped.shape[:2], np.nan)
    for rows in _shared_photos(labels):
        others = _others(labels.iloc[rows])
        overlap = by_draw["iou"][:, rows]
        best[:, rows] = np.where(others, overlap[:, None, :], -1).max(axis=2)
    first = {"photo": labels["photo"], "author": labels["author"], "cropper": cropper}
    last = {"iou_best": best.mean(axis=0), **_limits(cropped[0]), "reference": AUTHOR}
    return pd.DataFrame(first | columns | last)


def score_humans(labels: pd.DataFrame) -> pd.DataFrame:
    """Score each author against the photo's other authors, or a lone one against itself.

    A lone author is the reference: overlap 1 and errors 0, by definition.
    """
    table = pd.concat([_score_authors(group) for _, group in labels.groupby("photo", sort=False)])
    return table.assign(invalid=0.0)  # validation rejects invalid labels


def aspect_ratios(labels: pd.DataFrame) -> Floats:
    """Compute width / height of each label's displayed frame, (n,)."""
    return (labels["width"] / labels["height"]).to_numpy(float)


def score_by_photo(scores: pd.DataFrame, cropper: str, column: str) -> pd.Series:
    """Average a score of one cropper over each photo's authors; indexed by photo, sorted.

    Crops that were scored against themselves, as the only ones of their photo, do not count.
    """
    return scores_by_photo(scores, cropper, [column])[column]


def scores_by_photo(scores: pd.DataFrame, cropper: str, columns: Sequence[str]) -> pd.DataFrame:
    """Average several scores as `score_by_photo` does, a column each."""
    rows = scores[(scores["cropper"] == cropper) & (scores["reference"] != ITSELF)]
    return rows.groupby("photo")[list(columns)].mean().sort_index()


def _score_authors(labels: pd.DataFrame) -> pd.DataFrame:
    """Score the authors of one photo."""
    limits, aspect = labels[list(CROP_COLUMNS)].to_numpy(float), aspect_ratios(labels)
    several = labels["author"].nunique() > 1
    against = _others(labels) if several else np.eye(len(labels), dtype=bool)
    rows = []
    for i, author in enumerate(labels["author"]):
        others = against[i]
        own = np.broadcast_to(limits[i], limits[others].shape)
        compared = _compare_limits(own, limits[others], aspect[others])
        row = {name: float(v.mean()) for name, v in compared.items()}
        best = float(compared["iou"].max()) if several else np.nan
        rows.append({"author": author, **row, "iou_best": best})
    reference = OTHERS if several else ITSELF
    constant = {"photo": labels["photo"].iloc[0], "cropper": HUMAN, "reference": reference}
    return pd.DataFrame(rows).assign(**constant, **_limits(limits))


def _shared_photos(labels: pd.DataFrame) -> list[NDArray[np.int64]]:
    """Find the rows of each photo that several people cropped."""
    places = labels.assign(place=np.arange(len(labels))).groupby("photo", sort=False)
    return [each["place"].to_numpy() for _, each in places if each["author"].nunique() > 1]


def _others(labels: pd.DataFrame) -> NDArray[np.bool_]:
    """For each crop of one photo, mark those of other people, (n, n).

    The same person's crop in another editor is not a second opinion.
    """
    author = labels["author"].to_numpy()
    return np.asarray(author[:, None] != author[None, :])


def _limits(limits: Floats) -> dict[str, Floats]:
    return dict(zip(LIMITS, np.moveaxis(limits, -1, 0), strict=True))


def _compare_limits(cropped: Floats, truth: Floats, aspect: Floats) -> dict[str, Floats]:
    frames = np.broadcast_to(aspect, cropped.shape[:-1])
    is_none = np.asarray(~np.isfinite(cropped).all(axis=-1))
    cropped = np.where(is_none[..., None], 0.0, cropped)  # a crop without an area
    area = crops.area(cropped)
    outside = crops.outside(cropped, frames) > _ROUNDING
    displacement = crops.boundary_displacement(cropped, truth)
    turn = np.abs(cropped[..., 4] - truth[..., 4])
    return {
        "iou": crops.overlap(cropped, truth, frames),
        "bde": np.where(is_none, _LARGEST_DISPLACEMENT, displacement),
        "angle_error": np.where(is_none, _LARGEST_TURN_DEG, turn),
        "aspect_error": np.exp(np.abs(_shape(cropped) - _shape(truth))) - 1,
        "area": area,
        "invalid": (outside | (area <= 0)).astype(float),
    }


def _shape(limits: Floats) -> Floats:
    """Compute the logarithm of width / height, fractions of the frame; NaN without area."""
    sides = limits[..., 2:4] - limits[..., :2]
    has_area = (sides > 0).all(axis=-1, keepdims=True)
    height, width = np.moveaxis(np.log(np.where(has_area, sides, np.nan)), -1, 0)
    return np.asarray(width - height)


def _mean_over_draws(values: Floats) -> Floats:
    """Average over the first axis, ignoring draws without a value."""
    finite = np.isfinite(values)
    total = np.where(finite, values, 0).sum(axis=0)
    return np.where(finite.any(axis=0), total / np.maximum(finite.sum(axis=0), 1), np.nan)
