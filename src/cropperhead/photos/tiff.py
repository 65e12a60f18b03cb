"""Reads the directories of a TIFF structure: of TIFF, of DNG and most other RAW files, and of EXIF.

Source: TIFF 6.0.
"""

import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from cropperhead.geometry import orientation

ORIENTATION, XMP = 274, 700
PICTURES = {273: 279, 324: 325, 513: 514}  # tags of places, of sizes: strips, tiles, JPEG
_SUBDIRECTORIES, _EXIF = 330, 34665
BELOW = (_SUBDIRECTORIES, _EXIF, 34853, 40965)  # directories: with GPS's and interoperability's
_POINTERS = frozenset({_SUBDIRECTORIES, _EXIF})
_PLAIN = frozenset({b"II*\0", b"MM\0*"})
# TIFF's types; a text's numbers are its bytes
_NUMBERS = {1: "B", 2: "B", 3: "H", 4: "I", 5: "II", 9: "i", 10: "ii", 13: "I"}
# Bytes of one value of each type: TIFF 6.0, section 2, and 13 of its supplement 1
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_MOST_DIRECTORIES, _MOST_VALUES = 64, 64  # a sound file has a dozen
_MOST_PARTS = 1 << 18  # strips and tiles of all pictures: 160 megapixels in tiles of 25 x 25
_ORDERS = {b"II": "<", b"MM": ">"}
# What follows the order of bytes: TIFF's 42, and what Olympus and Panasonic write in its place
_MAGIC = frozenset({b"*\0", b"\0*", b"RO", b"RS", b"OR", b"U\0"})

Directory = Mapping[int, tuple[float, ...]]


@dataclass(frozen=True)
class Entry:
    """One tag of a directory: its type, the number of its values, and the bytes that they take."""

    tag: int
    kind: int
    count: int
    place: int  # of its first byte in the file
    size: int
    order: str  # of the bytes, as `struct` writes it

    def read(self, stream: BinaryIO) -> bytes:
        """All its bytes. Raises struct.error if they are cut off."""
        stream.seek(self.place)
        content = stream.read(self.size)
        if len(content) < self.size:
            raise struct.error(f"tag {self.tag} is cut off")
        return content

    def numbers(self, stream: BinaryIO) -> tuple[int, ...]:
        """All its values, of whole numbers. Raises struct.error."""
        layout = {3: "H", 4: "I", 13: "I"}.get(self.kind)
        if layout is None:
            raise struct.error(f"tag {self.tag} has the type {self.kind}")
        return struct.unpack(f"{self.order}{self.count}{layout}", self.read(stream))


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


def walk(stream: BinaryIO, below: Collection[int]) -> Iterator[list[Entry]]:
    """All tags of every directory, each followed by those to which its tags `below` lead.

    Raises struct.error if one is cut off, comes twice or has an unknown type, and where there are
    more of them than a sound file has.
    """
    stream.seek(0)
    order, place = _start(stream)
    pending, seen = [place], {0}
    while pending:
        place = pending.pop(0)
        if place in seen or len(seen) > _MOST_DIRECTORIES:
            raise struct.error(f"directory {len(seen)} is one too many")
        seen.add(place)
        entries, following = _entries(stream, place, order)
        pointers = [one for one in entries if one.tag in below]
        if sum(one.count for one in pointers) > _MOST_DIRECTORIES:
            raise struct.error(f"directory {len(seen)} leads to too many others")
        inside = [number for one in pointers for number in one.numbers(stream)]
        pending = [*inside, *([following] if following else []), *pending]
        yield entries


def picture_parts(
    stream: BinaryIO,
) -> Iterator[tuple[Mapping[int, Entry], list[tuple[int, int]]]]:
    """Each picture's directory, and the place and the size in bytes of its strips, tiles or JPEG.

    Raises struct.error as `walk` does, for a picture that has places without sizes, and where there
    are more parts than a sound file has.
    """
    left = _MOST_PARTS
    for entries in walk(stream, BELOW):
        by_tag = {one.tag: one for one in entries}
        for places, sizes in PICTURES.items():
            if places in by_tag:
                left -= by_tag[places].count
                if left < 0:
                    raise struct.error(f"tag {places} has too many values")
                if sizes not in by_tag or by_tag[sizes].count != by_tag[places].count:
                    raise struct.error(f"tag {places} gives no sizes")
                numbers = (by_tag[tag].numbers(stream) for tag in (places, sizes))
                yield by_tag, list(zip(*numbers, strict=True))


def is_structure(start: bytes) -> bool:
    """Whether the first 8 bytes of a file are those of a TIFF, or of a maker's variety of it."""
    return len(start) >= 8 and start[:2] in _ORDERS and start[2:4] in _MAGIC


def is_cut_off(stream: BinaryIO, size: int) -> bool:
    """Whether the first directory, or the XMP that it names, goes on beyond a file of this size."""
    order, place = _start(stream)
    try:
        entries, _ = _entries(stream, place, order, {XMP})
    except struct.error:
        return True
    return any(one.place + one.size > size for one in entries)


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


def _entries(
    stream: BinaryIO, place: int, order: str, wanted: Collection[int] | None = None
) -> tuple[list[Entry], int]:
    """The wanted tags of a directory (None: all), and the place of the next directory or 0.

    Raises struct.error if the directory is cut off, or a wanted tag has an unknown type.
    """
    stream.seek(place)
    count = struct.unpack(order + "H", stream.read(2))[0]
    packed = stream.read(12 * count)
    following = struct.unpack(order + "I", stream.read(4).ljust(4, b"\0"))[0]
    entries = []
    if len(packed) < 12 * count:
        raise struct.error("a directory is cut off")
    for number, (tag, kind, length, value) in enumerate(struct.iter_unpack(order + "HHII", packed)):
        if wanted is not None and tag not in wanted:
            continue
        if kind not in _SIZES:
            raise struct.error(f"tag {tag} has the type {kind}")
        size = length * _SIZES[kind]
        inside = place + 2 + 12 * number + 8
        entries.append(Entry(tag, kind, length, inside if size <= 4 else value, size, order))
    return entries, following


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
