"""How people corrected a model's suggestions: how many they changed, and how far."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cropperhead.dataset.columns import SUGGESTED_BY, SUGGESTED_COLUMNS
from cropperhead.evaluation.scores import BOUNDS
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.params import EvaluateParams
from cropperhead.stats import Interval, Jackknife


@dataclass(frozen=True)
class Corrections:
    """Counts of photos with a suggestion, and how far corrections differ from it.

    Intervals are of means over corrected photos. An unchanged suggestion may never have been looked
    at. A removed one cannot be distinguished from a photo that was never cropped, and is not
    counted.
    """

    untouched: int  # photos
    corrected: int
    overlap: Interval  # of suggestion and correction
    displacement: Interval  # fractions of the frame's sides
    angle: Interval  # degrees, without sign

    @property
    def share(self) -> float:
        """The share of photos whose suggestion was corrected, 0 to 1."""
        return self.corrected / (self.untouched + self.corrected)


def summarise_corrections(
    labels: pd.DataFrame, extract_report: Mapping[str, Any], params: EvaluateParams
) -> Corrections | None:
    """Summarise how suggestions were corrected; None where there were none.

    `labels` has a row for each label, with its photo's group. `extract_report` is the content of
    reports/extract.json; an earlier release's did not count suggestions.
    """
    untouched = int(extract_report.get("suggested", 0))
    photos = _differences_by_photo(labels)
    if not untouched and photos.empty:
        return None
    jackknife = Jackknife(photos["group"].tolist(), params.confidence)
    overlap, displacement, angle = (
        jackknife.interval(photos[name].to_numpy(float), BOUNDS[score])
        for name, score in (("overlap", "iou"), ("displacement", "bde"), ("angle", "angle_error"))
    )
    return Corrections(untouched, len(photos), overlap, displacement, angle)


def _differences_by_photo(labels: pd.DataFrame) -> pd.DataFrame:
    """Return each corrected photo's group and how far its labels differ from the suggestion."""
    corrected = labels[labels[SUGGESTED_BY] != ""]
    correction, suggestion = (
        corrected[list(names)].to_numpy(float) for names in (CROP_COLUMNS, SUGGESTED_COLUMNS)
    )
    aspect = (corrected["width"] / corrected["height"]).to_numpy(float)
    differences = corrected[["photo", "group"]].assign(
        overlap=crops.overlap(correction, suggestion, aspect),
        displacement=crops.boundary_displacement(correction, suggestion),
        angle=np.abs(correction[:, 4] - suggestion[:, 4]),
    )
    return differences.groupby(["group", "photo"], as_index=False).mean()
