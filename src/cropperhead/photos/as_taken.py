"""Tells whether a file is as the camera wrote it, by the directories of its EXIF.

Source: EXIF 2.32.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cropperhead.photos import tiff
from cropperhead.photos.tiff import Directory

_MAKE, _MODEL, _SOFTWARE, _CHANGED, _TAKEN = 271, 272, 305, 306, 36867
_FRACTION = 37521  # of the second at which it was taken: SubSecTimeOriginal
# The sensitivity, and the focal length for a 35 mm film: another one where the camera has zoomed
# digitally. No fractions, which may be broken
_SENSITIVITY, _FOCAL_LENGTH = 34855, 41989
TAGS = frozenset(
    {_MAKE, _MODEL, _SOFTWARE, _CHANGED, _TAKEN, _FRACTION, _SENSITIVITY, _FOCAL_LENGTH}
)
# Words in the names of cameras' own firmware, besides the camera's name; HDR+ is Google's
_FIRMWARE = frozenset({"digital", "camera", "firmware", "version", "ver", "hdr"})
_WORD = re.compile(r"(?<![^\W_])[^\W\d_]{2,}(?![^\W_])")  # letters alone: no number of a build


@dataclass(frozen=True)
class Exposure:
    """What the two files of one exposure say alike, as the camera wrote them."""

    camera: tuple[str, str]
    taken: tuple[str, str]  # the time, and the fraction of its second
    settings: tuple[float, ...]


def find_exposure(directories: Sequence[Directory]) -> Exposure | None:
    """The exposure, of a file that is shown to be as the camera wrote it; None for another."""
    if not is_as_taken(directories):
        return None
    camera = _first(directories, _MAKE), _first(directories, _MODEL)
    taken = _first(directories, _TAKEN), _first(directories, _FRACTION)
    numbers = [_numbers(directories, tag) for tag in (_SENSITIVITY, _FOCAL_LENGTH)]
    return Exposure(camera, taken, tuple(each for several in numbers for each in several or (0,)))


def is_as_taken(directories: Sequence[Directory]) -> bool:
    """Whether the file is shown to be as the camera wrote it.

    Then DateTime is the time at which the photo was taken, and Software at most the firmware.
    `directories` have the tags in TAGS.
    """
    changed, taken = (_first(directories, tag) for tag in (_CHANGED, _TAKEN))
    return bool(taken) and not is_changed(directories) and changed == taken


def is_changed(directories: Sequence[Directory]) -> bool:
    """Whether the file is shown to have been changed by a program since the camera wrote it."""
    changed, taken = (_first(directories, tag) for tag in (_CHANGED, _TAKEN))
    return (bool(changed and taken) and changed != taken) or names_program(
        directories, _first(directories, _SOFTWARE)
    )


def names_program(directories: Sequence[Directory], text: str) -> bool:
    """Whether a text that names who wrote a file says more than a version and the camera's name."""
    camera = f"{_first(directories, _MAKE)} {_first(directories, _MODEL)}"
    words = set(_WORD.findall(text.lower()))
    return bool(words - _FIRMWARE - set(_WORD.findall(camera.lower())))


def _numbers(directories: Sequence[Directory], tag: int) -> tuple[float, ...]:
    return next((one[tag] for one in directories if tag in one), ())


def _first(directories: Sequence[Directory], tag: int) -> str:
    return next((tiff.text(one, tag) for one in directories if tag in one), "")
