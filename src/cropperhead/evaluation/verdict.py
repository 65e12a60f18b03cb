"""Whether a network has learned to crop, as a headline and a sentence with its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cropperhead.evaluation.findings import LearningCheck
from cropperhead.evaluation.number_text import (
    format_confidence,
    format_number,
    format_range,
    join_words,
)
from cropperhead.stats import Interval

Conclusion = Literal["learned", "no evidence", "worse"]

_HEADLINES: dict[Conclusion, str] = {
    "learned": "The model has learned to crop",
    "no evidence": "There is no evidence that the model learned to crop",
    "worse": "The model crops worse than a constant crop",
}
_LEARNED_IN_PART = "The model crops better than one crop for all photos"


@dataclass(frozen=True)
class Verdict:
    """The conclusion of an evaluation.

    `headline` states it and has no full stop; `sentence` gives the number behind it.
    """

    outcome: Conclusion
    headline: str
    sentence: str


def conclude(gain: Interval, over_shuffled: Interval) -> Conclusion:
    """Return "learned" only if the network beats the constant median crop and its own, shuffled.

    `gain` is the network's gain in overlap over the median crop, `over_shuffled` its gain over its
    own crops placed on other photos.
    """
    if gain.low > 0 and over_shuffled.low > 0:
        return "learned"
    return "worse" if gain.high < 0 else "no evidence"


def state_verdict(
    gain: Interval,
    over_shuffled: Interval,
    photos: int,
    confidence: float,
    checks: Sequence[LearningCheck] = (),
) -> Verdict:
    """State the conclusion on `photos` test photos; `confidence` is that of both intervals.

    The headline of a network that has learned claims no more than the weakest of `checks` shows:
    with any answer "no", only that the network is better than one crop for all photos.
    """
    outcome = conclude(gain, over_shuffled)
    interval = f"{format_confidence(confidence)} interval {format_range(gain, 3, signed=True)}"
    direction = "more" if gain.mean >= 0 else "less"
    sentence = (
        f"On {photos} photos it never saw, its crops overlap the photographer's by "
        f"{format_number(abs(gain.mean), 3)} ({interval}) {direction} than the constant median "
        "crop does"
    )
    sentence += f"{_doubt(outcome, gain)}."
    missing = [check.claim for check in checks if check.claim and check.passed is False]
    if outcome == "learned" and missing:
        shortfall = f"The test does not show that it {join_words(missing, 'or')}."
        return Verdict(outcome, _LEARNED_IN_PART, f"{sentence} {shortfall}")
    return Verdict(outcome, _HEADLINES[outcome], sentence)


def _doubt(outcome: Conclusion, gain: Interval) -> str:
    """Explain why a difference is not evidence of learning."""
    if outcome != "no evidence":
        return ""
    if gain.low > 0:
        return ", but not reliably more than its own crops do when placed on other photos"
    return ", which chance alone can explain"
