"""Finds uniform borders around a picture: frames of scans, bars of screenshots and videos.

A border is a strip of one colour along a whole side, which ends in a straight line. A dark sky or a
white wall is of one colour, too, but does not end everywhere at once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cropperhead.geometry.crops import Floats

_NOISE = 16  # levels (of 255) by which a border's pixels may differ from its colour
_OUTLIERS = 0.01  # of a line's pixels: dust
_BLUR = 4  # lines over which a sharp edge spreads in a small copy, and JPEG's ringing reaches
# The least share of the line at which a border ends that differs from it; and the same where the
# opposite side has a border of about the same colour and width
_EDGE, _EDGE_OF_PAIR = 0.7, 0.35
_MOST = 0.4  # of a side: more is no border
_WHOLE = np.array([0.0, 0.0, 1.0, 1.0])
_WIDTHS_ALIKE = 1.5  # of a pair, wide / narrow


@dataclass(frozen=True)
class _Border:
    """A strip of one colour, (3,), so many px wide.

    `sharpness`: the share of the line at its end that differs from it.
    """

    width: int
    sharpness: float
    colour: NDArray[np.int16]


def find_content(image: Image.Image) -> Floats:
    """The picture without its borders: top, left, bottom, right as fractions of its sides, (4,).

    The whole picture if it has none.
    """
    pixels = np.asarray(image.convert("RGB"))
    top, bottom = _pair(pixels)
    left, right = _pair(pixels[top : len(pixels) - bottom].swapaxes(0, 1))
    height, width = pixels.shape[:2]
    return np.array([top / height, left / width, 1 - bottom / height, 1 - right / width])


def cut_out(image: Image.Image, content: Floats) -> Image.Image:
    """The part of a picture that `find_content` found; the picture itself if that is all."""
    if (content == _WHOLE).all():
        return image
    top, left, bottom, right = np.rint(content * np.array([*image.size[::-1]] * 2)).astype(int)
    return image.crop((int(left), int(top), int(right), int(bottom)))


def place_back(limits: Floats, content: Floats) -> Floats:
    """A crop (5,) of the content as a crop of the whole picture, (5,)."""
    offset, sides = np.tile(content[:2], 2), np.tile(content[2:] - content[:2], 2)
    return np.append(offset + limits[:4] * sides, limits[4])


def _pair(pixels: NDArray[np.uint8]) -> tuple[int, int]:
    """The widths in px of the borders before the first line and after the last, 0 for none."""
    first, last = _border(pixels), _border(pixels[::-1])
    if not (first.width or last.width):
        return 0, 0
    narrow, wide = sorted((first.width, last.width))
    are_alike = narrow > 0 and wide <= max(narrow * _WIDTHS_ALIKE, narrow + _BLUR)
    are_pair = are_alike and np.abs(first.colour - last.colour).max() <= _NOISE
    least = _EDGE_OF_PAIR if are_pair else _EDGE
    before, after = (each.width if each.sharpness >= least else 0 for each in (first, last))
    return before, after


def _border(lines: NDArray[np.uint8]) -> _Border:
    """The strip of one colour before the first line, of width 0 if there is none."""
    colour = np.median(lines[0], axis=0).astype(np.int16)
    nothing = _Border(0, 0.0, colour)
    if _differ(lines[:1], colour)[0] > _OUTLIERS:  # as in most photos
        return nothing
    most = int(len(lines) * _MOST)
    differing = _differ(lines[: most + _BLUR], colour)
    ends = np.flatnonzero(differing[: most + 1] >= _EDGE_OF_PAIR)
    if len(ends) == 0 or (differing[: max(0, ends[0] - _BLUR)] > _OUTLIERS).any():
        return nothing
    # against the lines just before: a sky may drift slowly from its colour at the top
    before, after = lines[max(0, ends[0] - _BLUR)], lines[ends[0] : ends[0] + _BLUR]
    sharpness = _differ(after, before.astype(np.int16)).max()
    return _Border(int(ends[0]), float(sharpness), colour)


def _differ(lines: NDArray[np.uint8], colour: NDArray[np.int16]) -> Floats:
    """The share of each line that differs from a colour, or from another line, (lines,)."""
    return np.asarray((np.abs(lines - colour).max(axis=2) > _NOISE).mean(axis=1))
