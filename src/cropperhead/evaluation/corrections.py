"""What became of a model's suggestions: how many stand as they were made, how far others moved."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cropperhead.dataset.shards import SUGGESTED_BY, SUGGESTED_COLUMNS
from cropperhead.geometry import crops
from cropperhead.geometry.crops import CROP_COLUMNS
from cropperhead.params import EvaluateParams
from cropperhead.stats import Bootstrap, Interval


@dataclass(frozen=True)
class Corrections:
    """Photos with a suggestion, and how corrections differ from it, a mean over corrected photos.

    Whether a person has looked at an untouched one is not known. Those that were removed are not
    told from photos that were never cropped, and are not among them.
    """

    untouched: int  # photos
    corrected: int
    overlap: Interval  # of suggestion and correction
    displacement: Interval  # fractions of the frame's sides
    angle: Interval  # degrees, without sign

    @property
    def share(self) -> float:
        """The share of the photos whose suggestion was corrected, 0 to 1."""
        return self.corrected / (self.untouched + self.corrected)


def of(
    labels: pd.DataFrame, extracted: Mapping[str, Any], params: EvaluateParams
) -> Corrections | None:
    """What became of the suggestions; None where there were none.

    `labels` has a row for each label, with its photo's group; `extracted` is what
    reports/extract.json holds, in which an earlier release counted no suggestions.
    """
    untouched = int(extracted.get("suggested", 0))
    photos = _photos(labels)
    if not untouched and photos.empty:
        return None
    drawn = (params.bootstrap_samples, params.confidence, params.seed)
    means = Bootstrap(photos["group"].tolist(), *drawn)
    overlap, displacement, angle = (
        means.interval(photos[name].to_numpy(float))
        for name in ("overlap", "displacement", "angle")
    )
    return Corrections(untouched, len(photos), overlap, displacement, angle)


def _photos(labels: pd.DataFrame) -> pd.DataFrame:
    """Each corrected photo's group, and a mean over its labels of how they differ."""
    found = labels[labels[SUGGESTED_BY] != ""]
    made, suggested = (
        found[list(names)].to_numpy(float) for names in (CROP_COLUMNS, SUGGESTED_COLUMNS)
    )
    aspect = (found["width"] / found["height"]).to_numpy(float)
    measured = found[["photo", "group"]].assign(
        overlap=crops.overlap(made, suggested, aspect),
        displacement=crops.boundary_displacement(made, suggested),
        angle=np.abs(made[:, 4] - suggested[:, 4]),
    )
    return measured.groupby(["group", "photo"], as_index=False).mean()
