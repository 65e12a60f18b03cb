"""Reads a DNG's header: which part of the sensor it shows, and whether its previews are edited.

A DNG is a TIFF: directories of tags; the one of the RAW pixels may be below the first.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cropperhead.errors import RejectedFile

# TIFF 6.0 and DNG 1.4: the tags of a DNG's frame, and of the program that made its previews
_SUBFILE, _WIDTH, _HEIGHT, _PHOTOMETRIC, _SUBDIRECTORIES = 254, 256, 257, 262, 330
_DNG_VERSION, _SCALE, _CROP_ORIGIN, _CROP_SIZE, _ACTIVE_AREA = 50706, 50718, 50719, 50720, 50829
# PreviewApplicationName, -Version, PreviewSettingsName and -Digest
_PREVIEW_MAKER = frozenset({50966, 50967, 50968, 50969})
_WANTED = _PREVIEW_MAKER | {
    *(_SUBFILE, _WIDTH, _HEIGHT, _PHOTOMETRIC, _SUBDIRECTORIES),
    *(_DNG_VERSION, _SCALE, _CROP_ORIGIN, _CROP_SIZE, _ACTIVE_AREA),
}
_RAW_PIXELS = {32803, 34892}  # PhotometricInterpretation: colour filter array, LinearRaw
_NUMBERS = {1: "B", 3: "H", 4: "I", 5: "II", 9: "i", 10: "ii", 13: "I"}  # TIFF's types
_MOST_DIRECTORIES, _MOST_VALUES = 64, 64  # a sound file has a dozen

Directory = Mapping[int, tuple[float, ...]]


@dataclass(frozen=True)
class Box:
    """A part of the sensor in its pixels."""

    left: float
    top: float
    width: float
    height: float


def read_directories(file: Path) -> list[Directory]:
    """The wanted tags of every directory of a DNG; nothing for other formats.

    Raises struct.error if a directory is cut off, ZeroDivisionError for a broken fraction.
    """
    with file.open("rb") as stream:
        start = stream.read(8)
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(start[:4])
        if order is None:
            return []
        listed: list[Directory] = []
        pending, seen = [struct.unpack(order + "I", start[4:])[0]], {0}
        while pending and len(listed) < _MOST_DIRECTORIES:
            place = pending.pop(0)
            if place in seen:
                continue
            seen.add(place)
            directory, following = _directory(stream, place, order)
            listed.append(directory)
            pending += [following, *map(int, directory.get(_SUBDIRECTORIES, ()))]
    return listed if any(_DNG_VERSION in one for one in listed) else []


def default_frame(directories: list[Directory]) -> tuple[Box, tuple[int, int]] | None:
    """A DNG's default crop, and its size in square pixels.

    LibRaw 0.22 moves one that begins at an odd pixel, so it is read here. None for other formats.
    Raises RejectedFile (`frame`) if it is not a part of the sensor, ValueError or IndexError if a
    tag has too many or too few numbers.
    """
    raw = next((one for one in directories if _holds_raw_pixels(one)), None)
    if raw is None:
        return None
    top, left, bottom, right = raw.get(_ACTIVE_AREA, (0, 0, *raw[_HEIGHT], *raw[_WIDTH]))
    x, y = raw.get(_CROP_ORIGIN, (0, 0))
    width, height = raw.get(_CROP_SIZE, (right - left, bottom - top))
    # a pixel, for origins and sizes may be fractions
    inside = 0 <= x <= right - left - width + 1 and 0 <= y <= bottom - top - height + 1
    if not (inside and width >= 1 and height >= 1):
        raise RejectedFile(
            "frame",
            f"DefaultCropOrigin is {x:g}, {y:g} and DefaultCropSize {width:g}, {height:g}, "
            f"expected a part of {right - left:g} x {bottom - top:g} px",
        )
    scale = raw.get(_SCALE, (1, 1))  # of pixels that are not square
    size = max(1, round(width * scale[0])), max(1, round(height * scale[1]))
    return Box(left + x, top + y, width, height), size


def previews_are_edited(directories: list[Directory]) -> bool:
    """Whether an editor has put its own previews in, which show the photo as it was edited."""
    return any(_PREVIEW_MAKER & one.keys() for one in directories)


def _holds_raw_pixels(directory: Directory) -> bool:
    return (
        directory.get(_SUBFILE, (0,)) == (0,)
        and directory.get(_PHOTOMETRIC, (-1,))[0] in _RAW_PIXELS
        and _WIDTH in directory
        and _HEIGHT in directory
    )


def _directory(stream: BinaryIO, place: int, order: str) -> tuple[Directory, int]:
    """A directory's wanted tags, and the place of the next directory or 0."""
    stream.seek(place)
    count = struct.unpack(order + "H", stream.read(2))[0]
    entries = stream.read(12 * count)
    following = struct.unpack(order + "I", stream.read(4).ljust(4, b"\0"))[0]
    values = {}
    for tag, kind, length, value in struct.iter_unpack(order + "HHI4s", entries):
        if tag in _WANTED:
            values[tag] = _values(stream, order, kind, length, value)
    return values, following


def _values(
    stream: BinaryIO, order: str, kind: int, length: int, value: bytes
) -> tuple[float, ...]:
    """A tag's numbers, the first `_MOST_VALUES` of them; none for one of text."""
    if kind not in _NUMBERS:
        return ()
    parts = min(length, _MOST_VALUES) * len(_NUMBERS[kind])
    layout = struct.Struct(f"{order}{parts}{_NUMBERS[kind][0]}")
    if layout.size > len(value):
        stream.seek(struct.unpack(order + "I", value)[0])
        value = stream.read(layout.size)
    numbers = layout.unpack(value[: layout.size])
    if len(_NUMBERS[kind]) == 1:
        return numbers
    return tuple(over / under for over, under in zip(numbers[::2], numbers[1::2], strict=True))
