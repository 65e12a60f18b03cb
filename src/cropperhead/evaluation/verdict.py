"""Whether a network has learned to crop, as a headline and a sentence with its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cropperhead.evaluation.findings import LearningCheck
from cropperhead.evaluation.number_text import format_confidence, format_number, format_range
from cropperhead.stats import Interval
from cropperhead.words import format_count, join_words

Conclusion = Literal["learned", "no evidence", "worse", "too few photos"]

# Groups of test photos below which there is no verdict. With 5, no test of signs at 5 % can fail:
# all five agree by chance once in 16. From 10 on, intervals are right for skewed gains, too
LEAST_GROUPS = 10

_HEADLINES: dict[Conclusion, str] = {
    "too few photos": "There are too few test photos to tell whether the model learned to crop",
    "learned": "The model has learned to crop",
    "no evidence": "There is no evidence that the model learned to crop",
    "worse": "The model crops worse than a constant crop",
}
_LEARNED_IN_PART = "The model crops better than one crop for all photos"


@dataclass(frozen=True)
class Gains:
    """The gains in overlap on which the verdict is based: the network's, over other crops.

    `over_median` is over the constant median crop, `over_shape` over the constant crop by frame
    shape, `over_shuffled` over the network's own crops placed on other photos. `groups` is the
    number of groups of test photos.
    """

    over_median: Interval
    over_shape: Interval
    over_shuffled: Interval
    groups: int


@dataclass(frozen=True)
class Verdict:
    """The conclusion of an evaluation.

    `headline` states it and has no full stop; `sentence` gives the number behind it.
    """

    outcome: Conclusion
    headline: str
    sentence: str


def conclude(gains: Gains) -> Conclusion:
    """Return "learned" only if the network beats both constant crops and its own, shuffled.

    As it must beat all three, comparing with three makes no false verdict more likely.
    """
    if gains.groups < LEAST_GROUPS:
        return "too few photos"
    if all(gain.low > 0 for gain in (gains.over_median, gains.over_shape, gains.over_shuffled)):
        return "learned"
    return "worse" if gains.over_median.high < 0 else "no evidence"


def state_verdict(
    gains: Gains, photos: int, confidence: float, checks: Sequence[LearningCheck] = ()
) -> Verdict:
    """State the conclusion on `photos` test photos; `confidence` is that of all intervals.

    The headline of a network that has learned claims no more than the weakest of `checks` shows:
    with any answer "no", only that the network is better than one crop for all photos.
    """
    outcome, gain = conclude(gains), gains.over_median
    if outcome == "too few photos":
        return Verdict(outcome, _HEADLINES[outcome], _explain_shortage(gains.groups, photos))
    interval = f"{format_confidence(confidence)} interval {format_range(gain, 3, signed=True)}"
    direction = "more" if gain.mean >= 0 else "less"
    sentence = (
        f"On {photos} photos it never saw, its crops overlap the photographer's by "
        f"{format_number(abs(gain.mean), 3)} ({interval}) {direction} than the constant median "
        "crop does"
    )
    sentence += f"{_doubt(outcome, gains)}."
    missing = [check.claim for check in checks if check.claim and not check.passed]
    if outcome == "learned" and missing:
        shortfall = f"The test does not show that it {join_words(missing, 'or')}."
        return Verdict(outcome, _LEARNED_IN_PART, f"{sentence} {shortfall}")
    return Verdict(outcome, _HEADLINES[outcome], sentence)


def _explain_shortage(groups: int, photos: int) -> str:
    return (
        f"The {format_count(photos, 'test photo')} form {format_count(groups, 'group')} of similar "
        f"photos, and a verdict takes at least {LEAST_GROUPS} groups: with fewer, chance decides. "
        "Crop more photos that differ from these, or test on more of them (split.fractions)."
    )


def _doubt(outcome: Conclusion, gains: Gains) -> str:
    """Explain why a difference is not evidence of learning."""
    if outcome != "no evidence":
        return ""
    if not gains.over_median.low > 0:
        return ", which chance alone can explain"
    rivals = {
        "a constant crop for each shape of frame does": gains.over_shape,
        "its own crops do when placed on other photos": gains.over_shuffled,
    }
    unbeaten = [rival for rival, gain in rivals.items() if not gain.low > 0]
    return f", but not reliably more than {join_words(unbeaten, 'or')}"
