"""What the labels hold, in numbers: the photos, their crops, and how these were dealt."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cropperhead.dataset.split import ASIDE, TEST, TRAIN, VALIDATION
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS

_SAME_SHAPE = 0.01  # editors round the sides of a crop to pixels


@dataclass(frozen=True)
class Quartiles:
    """A quarter of the values lie below `low`, half below `median`, three quarters below `high`."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Part:
    """What one split holds."""

    photos: int
    groups: int
    crops: int


@dataclass(frozen=True)
class Inventory:
    """What the labels hold. Counts by name are sorted, the most frequent first; years by year.

    `several` counts photos that several authors cropped, `tilted` crops with an angle (of `tilt`
    degrees in the median, either way; 0 without any), `barely` crops that keep `uncropped_area` of
    the frame or more, `same_shape` crops whose width / height is the photo's to a hundredth part.
    `shapes` counts photos that are wider than high (landscape), the reverse (portrait) and square;
    `frames` and `cropped` the width / height of photos, rounded to a hundredth, and of crops, to a
    tenth. `limits` are those of `CROP_COLUMNS` without their prefix, and the area.
    """

    photos: int
    crops: int
    groups: int
    parts: Mapping[str, Part]
    authors: Mapping[str, int]
    sources: Mapping[str, int]
    several: int
    cameras: int
    without_camera: int
    years: Mapping[str, int]
    undated: int
    shapes: Mapping[str, int]
    turned: int
    frames: Mapping[str, int]
    cropped: Mapping[str, int]
    megapixels: Quartiles
    limits: Mapping[str, Quartiles]
    same_shape: int
    tilted: int
    tilt: float
    barely: int
    uncropped_area: float


def of(labels: pd.DataFrame, uncropped_area: float) -> Inventory:
    """The inventory of at least one label, with the group and split of its photo.

    `labels` are as `splits.labelled` gives them; `uncropped_area` is `train.uncropped_area`.
    """
    photos = labels.drop_duplicates("photo")
    limits = labels[list(CROP_COLUMNS)].to_numpy(float)
    area = crops.area(limits)
    cameras, years = _told(photos["camera"]), _told(photos["captured"]).str[:4]
    tilts = np.abs(limits[limits[:, 4] != 0, 4])
    high, wide = (limits[:, 2:4] - limits[:, :2]).T
    stretched = pd.Series(wide / high, labels.index)  # width / height, as a multiple of the photo's
    return Inventory(
        photos=len(photos),
        crops=len(labels),
        groups=int(photos["group"].nunique()),
        parts=_parts(labels),
        authors=_counted(labels["author"]),
        sources=_counted(labels["source"]),
        several=int((labels.groupby("photo")["author"].nunique() > 1).sum()),
        cameras=int(cameras.nunique()),
        without_camera=len(photos) - len(cameras),
        years=dict(sorted(_counted(years).items())),
        undated=len(photos) - len(years),
        shapes=_shapes(photos),
        turned=int((photos["orientation"] != 1).sum()),
        frames=_ratios(photos["width"] / photos["height"], 2),
        cropped=_ratios(labels["width"] / labels["height"] * stretched, 1),
        megapixels=_quartiles(photos["width"].astype(float) * photos["height"] / 1e6),
        limits=_limits(np.column_stack([limits, area])),
        same_shape=int((np.abs(stretched - 1) < _SAME_SHAPE).sum()),
        tilted=len(tilts),
        tilt=float(np.median(tilts)) if len(tilts) else 0.0,
        barely=int((area >= uncropped_area).sum()),
        uncropped_area=uncropped_area,
    )


def _told(column: pd.Series) -> pd.Series:
    """The values that are there, as texts."""
    values = column.dropna().astype(str)
    return values[values != ""]


def _parts(labels: pd.DataFrame) -> dict[str, Part]:
    order = (TRAIN, VALIDATION, TEST, ASIDE)
    by_split = {name: labels[labels["split"] == name] for name in order}
    return {
        name: Part(int(part["photo"].nunique()), int(part["group"].nunique()), len(part))
        for name, part in by_split.items()
        if len(part)
    }


def _counted(values: pd.Series) -> dict[str, int]:
    """How often there is each value, the most frequent first, and by name where alike."""
    counts = {str(value): int(count) for value, count in values.value_counts().items()}
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _shapes(photos: pd.DataFrame) -> dict[str, int]:
    excess = np.sign((photos["width"] - photos["height"]).to_numpy(int))
    return _counted(pd.Series(excess).map({1: "landscape", -1: "portrait", 0: "square"}))


def _ratios(aspect: pd.Series, digits: int) -> dict[str, int]:
    return _counted(aspect.map(f"{{:.{digits}f}}".format))


def _limits(columns: np.ndarray) -> dict[str, Quartiles]:
    names = [*(name.removeprefix("crop_") for name in CROP_COLUMNS), "area"]
    return {name: _quartiles(values) for name, values in zip(names, columns.T, strict=True)}


def _quartiles(values: ArrayLike) -> Quartiles:
    found = np.percentile(np.asarray(values, dtype=float), [25, 50, 75])
    return Quartiles(*map(float, found))
