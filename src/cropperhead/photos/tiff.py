"""Reads the directories of a TIFF structure: of TIFF, of DNG and most other RAW files, and of EXIF.

Source: TIFF 6.0.
"""

import struct
from collections.abc import Collection, Mapping
from typing import BinaryIO

from cropperhead.geometry import orientation

ORIENTATION = 274
_SUBDIRECTORIES, _EXIF = 330, 34665
_POINTERS = frozenset({_SUBDIRECTORIES, _EXIF})
_PLAIN = frozenset({b"II*\0", b"MM\0*"})
# TIFF's types; a text's numbers are its bytes
_NUMBERS = {1: "B", 2: "B", 3: "H", 4: "I", 5: "II", 9: "i", 10: "ii", 13: "I"}
_MOST_DIRECTORIES, _MOST_VALUES = 64, 64  # a sound file has a dozen
_ORDERS = {b"II": "<", b"MM": ">"}
# What follows the order of bytes: TIFF's 42, and what Olympus and Panasonic write in its place
_MAGIC = frozenset({b"*\0", b"\0*", b"RO", b"RS", b"OR", b"U\0"})

Directory = Mapping[int, tuple[float, ...]]


def is_plain(stream: BinaryIO) -> bool:
    """Whether a file is a TIFF, and no maker's variety of it; the stream goes back to its start."""
    start = stream.read(4)
    stream.seek(0)
    return start in _PLAIN


def read_directories(stream: BinaryIO, wanted: Collection[int]) -> list[Directory]:
    """The wanted tags of every directory, the first one first; nothing for other structures.

    Raises struct.error if one is cut off, unless it is EXIF's, ZeroDivisionError for a broken
    fraction.
    """
    order, place = _start(stream)
    tags = _POINTERS.union(wanted)
    listed: list[Directory] = []
    pending, seen, exif = [place], {0}, set[int]()
    while pending and len(listed) < _MOST_DIRECTORIES:
        place = pending.pop(0)
        if place in seen or place < 0:
            continue
        seen.add(place)
        try:
            directory, following = _directory(stream, place, order, tags)
        except (struct.error, ZeroDivisionError):
            if place in exif:
                continue
            raise
        listed.append(directory)
        below = [int(start) for start in directory.get(_SUBDIRECTORIES, ())]
        exif.update(map(int, directory.get(_EXIF, ())))
        pending += [following, *below, *sorted(exif)]
    return listed


def read_orientation(stream: BinaryIO) -> int | None:
    """The orientation (1 to 8) in the first directory.

    None where it has none of the eight, and for what is damaged or no TIFF structure.
    """
    try:
        order, place = _start(stream)
        directory, _ = _directory(stream, place, order, {ORIENTATION}) if place else ({}, 0)
    except (struct.error, ZeroDivisionError):
        return None
    return stated_orientation(directory)


def stated_orientation(directory: Directory) -> int | None:
    """The orientation (1 to 8) in a directory; None where it has none of the eight."""
    stated = directory.get(ORIENTATION, ())
    return orientation.parse_orientation(stated[0], 0) or None if stated else None


def text(directory: Directory, tag: int) -> str:
    """A tag's text, the first 64 characters of it; empty without one."""
    numbers = directory.get(tag, ())
    characters = "".join(chr(int(number)) for number in numbers if 0 <= number < 256)
    return characters.partition("\0")[0].strip()


def _start(stream: BinaryIO) -> tuple[str, int]:
    """The order of the bytes, and the place of the first directory, 0 for none."""
    start = stream.read(8)
    order = _ORDERS.get(start[:2])
    if order is None or start[2:4] not in _MAGIC:
        return "<", 0
    return order, struct.unpack(order + "I", start[4:])[0]


def _directory(
    stream: BinaryIO, place: int, order: str, wanted: Collection[int]
) -> tuple[Directory, int]:
    """A directory's wanted tags, and the place of the next directory or 0."""
    stream.seek(place)
    count = struct.unpack(order + "H", stream.read(2))[0]
    entries = stream.read(12 * count)
    following = struct.unpack(order + "I", stream.read(4).ljust(4, b"\0"))[0]
    values = {}
    for tag, kind, length, value in struct.iter_unpack(order + "HHI4s", entries):
        if tag in wanted:
            values[tag] = _values(stream, order, kind, length, value)
    return values, following


def _values(
    stream: BinaryIO, order: str, kind: int, length: int, value: bytes
) -> tuple[float, ...]:
    """A tag's numbers, the first `_MOST_VALUES` of them; none for one of another type."""
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
