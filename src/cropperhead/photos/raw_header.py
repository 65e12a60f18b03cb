"""Reads a RAW file's header: its directories, and where its previews are.

Most formats are TIFF structures. Canon's CR3 holds its directories in boxes, Fujifilm's RAF those
of the camera's JPEG; other formats (CRW, X3F) have none.
"""

import io
import re
import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from cropperhead.photos import as_taken, dng, tiff
from cropperhead.photos.tiff import Directory
from cropperhead.system.regular_file import open_regular

_WANTED = dng.TAGS | as_taken.TAGS | {tiff.ORIENTATION}
# TIFF 6.0: the place and the size of a JPEG, and of a picture's strip
_JPEG, _STRIP = (513, 514), (273, 279)
_OF_PREVIEWS = dng.TAGS | {*_JPEG, *_STRIP}
_HEAD = 1 << 16  # bytes of a file that hold the directories of CR3 and RAF
_PREFIXES = (b"CMT1", b"CMT2", b"Exif\0\0")  # what a structure inside such a file comes after

_EXIF, _XMP, _MAKER_NOTE = 34665, 700, 37500
_LARGEST_CONTENT = 1 << 20
_CREATOR = re.compile(rb"""CreatorTool\s*(?:=\s*["']|>)([^"'<]{0,200})""")
# Nikon's notes of the second kind: this, a version, and a TIFF structure of their own. Capture NX
# puts what it has edited into the first of these tags; cameras write neither (ExifTool's Nikon.pm).
_NIKON, _NIKON_START = b"Nikon\0\2", 10
_OF_CAPTURE = frozenset({0x0E01, 0x0E0E})


def read_directories(file: Path) -> list[Directory]:
    """The directories with the tags that others and this module need; none for other formats.

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


def find_previews(file: Path) -> list[tuple[int, int]]:
    """The place and the size in bytes of each picture but the RAW pixels, the smallest first.

    None for formats that are no TIFF structure, and for damaged ones. Raises OSError.
    """
    with open_regular(file) as stream:
        directories = _read_inner(stream, _OF_PREVIEWS)
    found = {part for one in directories for part in _picture_parts(one)}
    return sorted(found, key=lambda part: part[1])


def read_programs(file: Path) -> list[str] | None:
    """The programs that have left their name in a file's XMP, or their data in Nikon's notes.

    Nikon's cameras name themselves in XMP. An empty list for formats that are no TIFF structure,
    such as CR3 and RAF, and None for damaged files. Raises OSError.
    """
    with open_regular(file) as stream:
        if not tiff.is_structure(stream.read(12)):
            return []
        try:
            contents = _contents(stream, (_XMP, _MAKER_NOTE))
        except struct.error:
            return None
    names = _CREATOR.findall(contents.get(_XMP, b""))
    notes = contents.get(_MAKER_NOTE, b"")
    inner = io.BytesIO(notes[_NIKON_START:] if notes.startswith(_NIKON) else b"")
    is_captured = any(_OF_CAPTURE & one.keys() for one in _read_inner(inner, _OF_CAPTURE))
    return [name.decode("utf-8", "replace") for name in names] + ["Capture"] * is_captured


def _contents(stream: BinaryIO, wanted: Collection[int]) -> dict[int, bytes]:
    """The first bytes of tags of the first directories and EXIF's.

    Raises struct.error if these are damaged, or a tag is cut off.
    """
    entries = [one for each in tiff.walk(stream, {_EXIF}) for one in each if one.tag in wanted]
    contents = {}
    for one in entries:
        size = min(one.size, _LARGEST_CONTENT)
        stream.seek(one.place)
        contents[one.tag] = stream.read(size)
        if len(contents[one.tag]) < size:
            raise struct.error(f"tag {one.tag} is cut off")
    return contents


def _picture_parts(directory: Directory) -> Iterator[tuple[int, int]]:
    """What EXIF calls a thumbnail, and the single strip of a directory."""
    is_picture = not dng.holds_raw_pixels(directory)
    for place_tag, size_tag in (_JPEG, _STRIP) if is_picture else ():
        places, sizes = directory.get(place_tag, ()), directory.get(size_tag, ())
        if len(places) == len(sizes) == 1:
            yield int(places[0]), int(sizes[0])


def _read_inner(stream: BinaryIO, wanted: Collection[int] = _WANTED) -> list[Directory]:
    """The directories of a structure; none for what only looks like one, or is cut off."""
    try:
        return tiff.read_directories(stream, wanted)
    except (struct.error, ZeroDivisionError):
        return []
