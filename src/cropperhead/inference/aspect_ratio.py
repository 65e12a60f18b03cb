"""Aspect ratios as people write them."""

import math
import re

from cropperhead.errors import ParamsError

FREE, ORIGINAL = "free", "original"
_NUMBER = r"(\d+(?:\.\d+)?)"
_RATIO = re.compile(f"{_NUMBER}:{_NUMBER}", re.ASCII)


def parse_ratio(text: str, frame: float) -> float | None:
    """The width / height that a text asks for, in a frame of width / height `frame`.

    "free" gives None, "original" the frame's own, "4:5" four wide and five high, in a landscape
    photo too. Raises ParamsError for anything else.
    """
    if text == FREE:
        return None
    if text == ORIGINAL:
        return frame
    match = _RATIO.fullmatch(text)
    width, height = (float(side) for side in match.groups()) if match else (0.0, 0.0)
    ratio = width / height if height > 0 else 0.0
    if not 0 < ratio < math.inf:
        raise ParamsError(
            f"aspect ratio is {text!r}, expected {FREE}, {ORIGINAL}, or width:height in numbers "
            "above 0, such as 4:5 or 1.91:1"
        )
    return ratio
