"""What an evaluation found beside the scores of each cropper, as plain values to be told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cropperhead.stats import Interval

Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Answer:
    """One of the tests whether the network has learned: `passed` is None where it cannot be told.

    `question` is what is asked, in a few words; `finding` the answer with its numbers, a sentence.
    """

    question: str
    finding: str
    passed: bool | None


@dataclass(frozen=True)
class Slice:
    """The network on a part of the test photos: `part` of those that `by` tells apart."""

    by: str
    part: str
    photos: int
    overlap: Interval
    gain: Interval  # over the constant median crop


@dataclass(frozen=True)
class Measure:
    """A score of composition that needs no reference, by cropper (human, cnn, random...).

    `meaning` says what is measured, after whom, and what it cannot tell.
    """

    name: str
    unit: str
    better: Better
    values: Mapping[str, Interval]
    meaning: str


@dataclass(frozen=True)
class Judged:
    """How well a blind judge tells a person's crops from a cropper's: 0.5 is not at all.

    `auc` is the chance that of a person's crop and another, each of some photo, it takes the
    person's for the person's.
    """

    cropper: str
    auc: Interval


@dataclass(frozen=True)
class Agreement:
    """A cropper against the several people who cropped a photo, a mean over such photos.

    `mean` is over all people, `best` the closest of them. A person is compared to the others, and
    a cropper to the same number of people: each is left out in turn.
    """

    cropper: str
    mean: Interval
    best: Interval
