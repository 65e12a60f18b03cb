"""Counts and quartiles of the labels: their photos, crops and splits."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cropperhead.dataset.split_labels import ASIDE, TEST, TRAIN, VALIDATION
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS

_SAME_SHAPE = 0.01  # editors round the sides of a crop to pixels


@dataclass(frozen=True)
class Quartiles:
    """The 25th, 50th and 75th percentiles of some values."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class SplitSize:
    """The size of one split."""

    photos: int
    groups: int
    crops: int


@dataclass(frozen=True)
class Inventory:
    """The contents of the labels. Counts by name are sorted by frequency, `years` by year.

    Photos: `several_authors` counts those that several authors cropped, `not_upright` those with an
    EXIF orientation other than 1, `without_date` and `without_camera` those without these facts.
    `shapes` counts landscape, portrait and square photos. `photo_aspects` counts width / height,
    rounded to a hundredth.

    Groups: `joined_groups` counts those that each reason joined (`split.REASONS`), `largest_group`
    the photos of the largest.

    Crops: `tilted` counts those with an angle, and `median_tilt` is the median of their angles in
    degrees, either way (0 if there are none). `barely_cropped` counts crops that keep
    `uncropped_area` of the frame or more, `same_shape` those whose width / height differs from the
    photo's by less than a hundredth of it. `crop_aspects` counts width / height, rounded to a
    tenth. `limits` has the columns of `CROP_COLUMNS` without their prefix, and the area.
    """

    photos: int
    crops: int
    groups: int
    joined_groups: Mapping[str, int]
    largest_group: int
    splits: Mapping[str, SplitSize]
    authors: Mapping[str, int]
    sources: Mapping[str, int]
    several_authors: int
    cameras: int
    without_camera: int
    years: Mapping[str, int]
    without_date: int
    shapes: Mapping[str, int]
    not_upright: int
    photo_aspects: Mapping[str, int]
    crop_aspects: Mapping[str, int]
    megapixels: Quartiles
    limits: Mapping[str, Quartiles]
    same_shape: int
    tilted: int
    median_tilt: float
    barely_cropped: int
    uncropped_area: float


def take_inventory(labels: pd.DataFrame, uncropped_area: float) -> Inventory:
    """Count the contents of at least one label.

    `labels` are as `split_labels.read_labels_with_splits` returns them, `uncropped_area` is
    `train.uncropped_area`.
    """
    photos = labels.drop_duplicates("photo")
    limits = labels[list(CROP_COLUMNS)].to_numpy(float)
    area = crops.area(limits)
    cameras, years = _present(photos["camera"]), _present(photos["captured"]).str[:4]
    tilts = np.abs(limits[limits[:, 4] != 0, 4])
    high, wide = (limits[:, 2:4] - limits[:, :2]).T
    stretch = pd.Series(wide / high, labels.index)  # width / height, as a multiple of the photo's
    return Inventory(
        photos=len(photos),
        crops=len(labels),
        groups=int(photos["group"].nunique()),
        joined_groups=_count_joined_groups(photos),
        largest_group=int(photos["group"].value_counts().max()),
        splits=_split_sizes(labels),
        authors=_count(labels["author"]),
        sources=_count(labels["source"]),
        several_authors=int((labels.groupby("photo")["author"].nunique() > 1).sum()),
        cameras=int(cameras.nunique()),
        without_camera=len(photos) - len(cameras),
        years=dict(sorted(_count(years).items())),
        without_date=len(photos) - len(years),
        shapes=_shapes(photos),
        not_upright=int((photos["orientation"] != 1).sum()),
        photo_aspects=_ratios(photos["width"] / photos["height"], 2),
        crop_aspects=_ratios(labels["width"] / labels["height"] * stretch, 1),
        megapixels=_quartiles(photos["width"].astype(float) * photos["height"] / 1e6),
        limits=_limits(np.column_stack([limits, area])),
        same_shape=int((np.abs(stretch - 1) < _SAME_SHAPE).sum()),
        tilted=len(tilts),
        median_tilt=float(np.median(tilts)) if len(tilts) else 0.0,
        barely_cropped=int((area >= uncropped_area).sum()),
        uncropped_area=uncropped_area,
    )


def _present(column: pd.Series) -> pd.Series:
    """Return the values that are not missing, as text."""
    values = column.dropna().astype(str)
    return values[values != ""]


def _count_joined_groups(photos: pd.DataFrame) -> dict[str, int]:
    reasons = photos[["group"]].assign(reason=photos["joined_by"].str.split("; ")).explode("reason")
    joined = reasons[reasons["reason"].fillna("") != ""].drop_duplicates()
    return _count(joined["reason"])


def _split_sizes(labels: pd.DataFrame) -> dict[str, SplitSize]:
    order = (TRAIN, VALIDATION, TEST, ASIDE)
    by_split = {name: labels[labels["split"] == name] for name in order}
    return {
        name: SplitSize(int(part["photo"].nunique()), int(part["group"].nunique()), len(part))
        for name, part in by_split.items()
        if len(part)
    }


def _count(values: pd.Series) -> dict[str, int]:
    """Count each value, sorted by frequency and then by name."""
    counts = {str(value): int(count) for value, count in values.value_counts().items()}
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _shapes(photos: pd.DataFrame) -> dict[str, int]:
    excess = np.sign((photos["width"] - photos["height"]).to_numpy(int))
    return _count(pd.Series(excess).map({1: "landscape", -1: "portrait", 0: "square"}))


def _ratios(aspect: pd.Series, digits: int) -> dict[str, int]:
    return _count(aspect.map(f"{{:.{digits}f}}".format))


def _limits(columns: np.ndarray) -> dict[str, Quartiles]:
    names = [*(name.removeprefix("crop_") for name in CROP_COLUMNS), "area"]
    return {name: _quartiles(values) for name, values in zip(names, columns.T, strict=True)}


def _quartiles(values: ArrayLike) -> Quartiles:
    percentiles = np.percentile(np.asarray(values, dtype=float), [25, 50, 75])
    return Quartiles(*map(float, percentiles))
