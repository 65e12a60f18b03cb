"""Reads a RAW file's header: its directories, and whether it is as the camera wrote it.

Most formats are TIFF structures. Canon's CR3 holds its directories in boxes, Fujifilm's RAF those
of the camera's JPEG; other formats (CRW, X3F) have none.
"""

import io
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from cropperhead.photos import dng, tiff
from cropperhead.photos.tiff import Directory
from cropperhead.system.regular_file import open_regular

# EXIF 2.32
_MAKE, _MODEL, _SOFTWARE, _CHANGED, _TAKEN = 271, 272, 305, 306, 36867
_WANTED = dng.TAGS | {tiff.ORIENTATION, _MAKE, _MODEL, _SOFTWARE, _CHANGED, _TAKEN}
_HEAD = 1 << 16  # bytes of a file that hold the directories of CR3 and RAF
_PREFIXES = (b"CMT1", b"CMT2", b"Exif\0\0")  # what a structure inside such a file comes after
# Words in the names of cameras' own firmware, besides the camera's name; HDR+ is Google's
_FIRMWARE = frozenset({"digital", "camera", "firmware", "version", "ver", "hdr"})
_WORD = re.compile(r"(?<![^\W_])[^\W\d_]{2,}(?![^\W_])")  # letters alone: no number of a build


def read_directories(file: Path) -> list[Directory]:
    """The directories with the tags that `dng` and this module need; none for other formats.

    Raises OSError. Where all editors read the directories, as those of a DNG, also struct.error if
    one is cut off, ZeroDivisionError for a broken fraction.
    """
    with open_regular(file) as stream:
        if tiff.is_plain(stream):
            return tiff.read_directories(stream, _WANTED)
        listed = _read_inner(stream)
        stream.seek(0)
        head = b"" if listed else stream.read(_HEAD)
    starts = [head.find(prefix) + len(prefix) for prefix in _PREFIXES if prefix in head]
    return listed or [one for start in starts for one in _read_inner(io.BytesIO(head[start:]))]


def is_as_taken(directories: Sequence[Directory]) -> bool:
    """Whether the file is shown to be as the camera wrote it.

    Then DateTime is the time at which the photo was taken, and Software at most the firmware.
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


def _read_inner(stream: BinaryIO) -> list[Directory]:
    """The directories of a structure; none for what only looks like one, or is cut off."""
    try:
        return tiff.read_directories(stream, _WANTED)
    except (struct.error, ZeroDivisionError):
        return []
