"""What an evaluation finds besides each cropper's scores, as plain values for the report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cropperhead.stats import Interval

Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class LearningCheck:
    """One check of whether the network has learned.

    `question` is short; `finding` answers it with numbers, in one or two sentences that need no
    statistics; `small_print` gives intervals and p-values. `passed` is None where the data cannot
    answer it. `claim` is what a headline may claim only if the check is passed, to follow "that
    it"; empty where there is nothing to claim.
    """

    question: str
    finding: str
    passed: bool | None
    small_print: str = ""
    claim: str = ""


@dataclass(frozen=True)
class Slice:
    """The network's scores on a part of the test photos.

    `by` names the property that divides the photos, `part` its value.
    """

    by: str
    part: str
    photos: int
    overlap: Interval
    gain: Interval  # over the constant median crop


@dataclass(frozen=True)
class Measure:
    """A reference-free metric of composition, by cropper (human, cnn, random...).

    `meaning` explains what is measured, its source, and what it cannot show.
    """

    name: str
    unit: str
    better: Better
    values: Mapping[str, Interval]
    meaning: str


@dataclass(frozen=True)
class JudgeScore:
    """How well two judges distinguish people's crops from a cropper's.

    `auc` is the chance that the blind judge, which never saw the network's crops, ranks a person's
    crop above one of them, each of any photo; `trained_auc` that of a judge that learned from crops
    of both kinds. 0.5 is guessing. That a blind judge guesses does not show that crops are alike.
    """

    cropper: str
    auc: Interval
    trained_auc: Interval | None = None

    @property
    def stronger(self) -> tuple[Literal["blind", "trained"], Interval]:
        """The judge whose AUC is further from guessing, and that AUC."""
        trained = self.trained_auc
        if trained and not abs(trained.mean - 0.5) < abs(self.auc.mean - 0.5):
            return "trained", trained
        return "blind", self.auc


@dataclass(frozen=True)
class Agreement:
    """A cropper's overlap with the people who cropped a photo, a mean over such photos.

    `mean` is over all people, `best` with the closest of them. A person is compared with the
    others, and a cropper with the same number of people: each is left out in turn.
    """

    cropper: str
    mean: Interval
    best: Interval


@dataclass(frozen=True)
class Failure:
    """A test photo on which the network fails, and sentences that explain how."""

    photo: str
    explanation: str
