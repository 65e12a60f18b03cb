"""The answer to the question whether a network has learned to crop, in words."""

from typing import Literal

from cropperhead.stats import Interval

Outcome = Literal["learned", "no evidence", "worse"]


def outcome(over_median: Interval, over_shuffled: Interval) -> Outcome:
    """Learned only if the network beats both the constant median crop and its own misplaced."""
    if over_median.low > 0 and over_shuffled.low > 0:
        return "learned"
    return "worse" if over_median.high < 0 else "no evidence"


def verdict(gain: Interval, over_shuffled: Interval, photos: int, confidence: float) -> str:
    """The answer in one sentence. `gain` is over the median crop, on `photos` test photos."""
    said = outcome(gain, over_shuffled)
    interval = with_minus(f"{confidence * 100:g} % interval {gain.low:+.3f} to {gain.high:+.3f}")
    size = f"{abs(gain.mean):.3f} ({interval})"
    if said == "learned":
        return (
            f"The model has learned to crop: on {photos} photos that it never saw, its crops "
            f"overlap the photographer's by {size} more than the constant median crop does."
        )
    if said == "worse":
        return (
            f"The model crops worse than a constant crop: on {photos} photos that it never saw, "
            f"its crops overlap the photographer's by {size} less."
        )
    if gain.low > 0:
        return (
            f"There is no evidence that the model learned to crop: on {photos} photos that it "
            f"never saw, its crops overlap the photographer's by {size} more than the constant "
            "median crop does, but not reliably more than its own crops laid on other photos do."
        )
    direction = "more" if gain.mean >= 0 else "less"
    return (
        f"There is no evidence that the model learned to crop: on {photos} photos that it never "
        f"saw, its crops overlap the photographer's by {size} {direction} than the constant "
        "median crop does, which chance alone can explain."
    )


def with_minus(numbers: str) -> str:
    """Numbers with a real minus sign for readers."""
    return numbers.replace("-", "−")
