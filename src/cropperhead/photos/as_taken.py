"""Tells whether a file is as the camera wrote it, by the directories of its EXIF.

Source: EXIF 2.32.
"""

import re
from collections.abc import Sequence

from cropperhead.photos import tiff
from cropperhead.photos.tiff import Directory

_MAKE, _MODEL, _SOFTWARE, _CHANGED, _TAKEN = 271, 272, 305, 306, 36867
TAGS = frozenset({_MAKE, _MODEL, _SOFTWARE, _CHANGED, _TAKEN})
# Words in the names of cameras' own firmware, besides the camera's name; HDR+ is Google's
_FIRMWARE = frozenset({"digital", "camera", "firmware", "version", "ver", "hdr"})
_WORD = re.compile(r"(?<![^\W_])[^\W\d_]{2,}(?![^\W_])")  # letters alone: no number of a build


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
    return (bool(changed and taken) and changed != taken) or _names_program(directories)


def _names_program(directories: Sequence[Directory]) -> bool:
    """Whether Software says more than a version and the camera's name."""
    camera = f"{_first(directories, _MAKE)} {_first(directories, _MODEL)}"
    words = set(_WORD.findall(_first(directories, _SOFTWARE).lower()))
    return bool(words - _FIRMWARE - set(_WORD.findall(camera.lower())))


def _first(directories: Sequence[Directory], tag: int) -> str:
    return next((tiff.text(one, tag) for one in directories if tag in one), "")
