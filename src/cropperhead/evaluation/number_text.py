"""Numbers as text for readers: minus signs, digits, intervals, p-values."""

import math
import re

from cropperhead.stats import Interval

MINUS, DASH = "−", "–"
NO_INTERVAL = "too few photos for an interval"


def format_number(value: float, digits: int, signed: bool = False, unit: str = "") -> str:
    """Format a number with a real minus sign, and none before zero; a dash for what is not finite.

    Thousands are separated by commas; `signed` adds a plus sign to what is above zero.
    """
    if not math.isfinite(value):
        return DASH
    text = f"{abs(value):,.{digits}f}"
    if not re.search("[1-9]", text):
        return text + unit
    return (MINUS if value < 0 else "+" if signed else "") + text + unit


def format_range(interval: Interval, digits: int, signed: bool = False, unit: str = "") -> str:
    """Format the ends of an interval, "0.72 to 0.76"; the empty text where it has none."""
    if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return ""
    low, high = (format_number(x, digits, signed, unit) for x in (interval.low, interval.high))
    return f"{low} to {high}"


def format_estimate(interval: Interval, digits: int, signed: bool = False) -> str:
    """Format a mean and its interval, "0.74 (0.72 to 0.76)"."""
    mean, ends = (
        format_number(interval.mean, digits, signed),
        format_range(interval, digits, signed),
    )
    return f"{mean} ({ends})" if ends else mean


def format_p_value(p_value: float | None) -> str:
    """Format a p-value, "p = 0.031"; the empty text where there is none."""
    if p_value is None or not math.isfinite(p_value):
        return ""
    if p_value < 0.001:
        return "p < 0.001"
    return f"p = {p_value:.3f}" if p_value < 0.1 else f"p = {p_value:.2f}"


def format_percent(share: float, digits: int = 0) -> str:
    """Format a share, 0 to 1, as a percentage: "36 %"."""
    return format_number(share * 100, digits, unit=" %")


def format_of_hundred(share: float) -> str:
    """Format how many of a hundred a share is, "35"; it is rounded neither to none nor to all."""
    text = format_number(share * 100, 0)
    if text == "0" and share > 0:
        return "fewer than 1"
    return "more than 99" if text == "100" and share < 1 else text


def format_share(part: int, whole: int) -> str:
    """Format `part` of `whole` as a percentage with one decimal; "0 %" of nothing."""
    return format_percent(part / whole, 1) if whole else "0 %"


def format_confidence(confidence: float) -> str:
    """Format the confidence of intervals, "95 %"."""
    return f"{confidence * 100:g} %"
