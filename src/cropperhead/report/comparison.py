"""What the comparison report shows, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from cropperhead.evaluation.corrections import Corrections
from cropperhead.evaluation.findings import (
    Agreement,
    Failure,
    JudgeScore,
    LearningCheck,
    Measure,
    Slice,
)
from cropperhead.evaluation.verdict import Verdict
from cropperhead.geometry.crops import Floats
from cropperhead.report.gallery import Picture
from cropperhead.report.votes_section import VotesSection
from cropperhead.stats import Interval

COUNT_NAMES = {
    "train": "training photos",
    "validation": "validation photos",
    "test": "test photos, on which all scores above are computed",
    "groups": "groups of photos: copies, near-duplicates and bursts form a group, in one split",
    "authors": "people or versions with crops of the test photos",
    "random_draws": "random crops for each photo",
}


@dataclass(frozen=True)
class CropperScores:
    """One cropper's scores on the test photos; None where a score does not apply.

    `cropper` is human, cnn, predecessor, random, other, none, median, shape, centred, similar,
    shuffled, smartcrop, attention or entropy. `gain` is the paired difference in overlap to the
    constant median crop, `angle_error` in degrees, `displacement` a fraction of the frame's sides,
    `aspect_error` a share of the width / height. `invalid` is the share of crops that leave the
    frame or have no area, `p_value` that of the gain, corrected for the number of croppers. A human
    without overlap is the reference of the others.
    """

    cropper: str
    label: str
    overlap: Interval | None
    displacement: Interval | None
    angle_error: Interval | None
    gain: Interval | None
    note: str = ""
    aspect_error: Interval | None = None
    invalid: float = 0.0
    p_value: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Everything that the report shows.

    `limits` holds the test crops, (n, 5), of human and cnn; `history` has one row an epoch with
    columns epoch, loss, validation_loss and maybe validation_iou and learning_rate; `counts` holds
    the numbers named in `COUNT_NAMES`, and any others; `facts` are names and values of versions,
    params and data; `sampler` and `intervals` describe how random crops are drawn and intervals
    computed. `agreements` are means over the `shared_photos` that several people cropped.
    `failure_pictures` are those of `failures` that are not among the `pictures` of the gallery.
    """

    verdict: Verdict
    evidence: Sequence[str]
    rows: Sequence[CropperScores]
    pictures: Sequence[Picture]
    limits: Mapping[str, Floats]
    history: pd.DataFrame
    counts: Mapping[str, int]
    facts: Sequence[tuple[str, str]]
    sampler: str
    intervals: str = ""
    confidence: float = 0.95
    learning_checks: Sequence[LearningCheck] = ()
    slices: Sequence[Slice] = ()
    measures: Sequence[Measure] = ()
    judge_scores: Sequence[JudgeScore] = ()
    agreements: Sequence[Agreement] = ()
    shared_photos: int = 0
    failures: Sequence[Failure] = ()
    failure_pictures: Sequence[Picture] = ()
    corrections: Corrections | None = None
    automatic: int = 0  # photos of the library with only a crop that nobody made
    votes: VotesSection | None = None  # of people on crops; None where there can be none

    @property
    def is_retrained(self) -> bool:
        """Whether the network was trained again on training and validation photos together."""
        return any(name.endswith(".refits") and value != "0" for name, value in self.facts)
