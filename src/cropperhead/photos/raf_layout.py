"""Where a Fujifilm RAF keeps its pictures, so that all else can be read without them.

Its head gives the places of a JPEG, in which EXIF and XMP are, of a directory of Fujifilm's own,
and of the RAW pixels, before which newer cameras put a TIFF structure. It may do so a second time.
Sources: ExifTool's FujiFilm.pm (ProcessRAF); LibRaw's identify.cpp and fuji.cpp.
"""

import struct
from typing import BinaryIO, NamedTuple, cast

from cropperhead.photos import embedded_xmp, tiff

_START = b"FUJIFILM"
_JPEG, _DIRECTORIES, _PIXELS = 0x54, (0x5C, 0x78), (0x64, 0x80)  # places of places
_STRUCTURE, _STRIP, _STRIP_SIZE = 0xF000, 0xF007, 0xF008
_MOST_ENTRIES = 255
_Parts = list[tuple[int, int]]  # places and sizes in bytes


class Layout(NamedTuple):
    """Places and sizes in bytes: of RAW pixels, the JPEG, and its part that is behind the header.

    `others` are tags, which a picture's claimed size may cover.
    """

    raw_pixels: _Parts
    preview: tuple[int, int]
    scan: tuple[int, int]
    others: _Parts


def is_raf(start: bytes) -> bool:
    """Whether a file with these first bytes is a RAF."""
    return start.startswith(_START)


def read_layout(stream: BinaryIO, size: int) -> Layout:
    """Where the pictures are, within a file of so many bytes that `is_raf`.

    Raises struct.error for a file that is not sound.
    """
    place, length = _pair(stream, _JPEG)
    jpeg = _From(stream, place)
    jpeg.seek(0)
    if jpeg.read(2) != b"\xff\xd8" or place + length > size:
        raise struct.error("no JPEG")
    embedded_xmp.read_jpeg_header(cast("BinaryIO", jpeg))
    header = jpeg.tell()
    layout = Layout([], (place, length), (place + header, max(0, length - header)), [])
    for start in (one for one in _DIRECTORIES if one < place):
        layout.others.append(_directory(stream, _pair(stream, start)[0]))
    for start in (one for one in _PIXELS if one < place):
        _add_pixels(stream, *_pair(stream, start), size, layout)
    return layout


def _add_pixels(stream: BinaryIO, place: int, length: int, size: int, layout: Layout) -> None:
    if not place:
        return
    if place + length > size:
        raise struct.error("pixels are cut off")
    inner = _From(stream, place)
    inner.seek(0)
    if not tiff.is_structure(inner.read(8)):
        layout.raw_pixels.append((place, length))
        return
    left = 2 * size  # a damaged file may name the same bytes again and again
    for entries in tiff.walk(cast("BinaryIO", inner), {*tiff.BELOW, _STRUCTURE}):
        for one in entries:
            left -= one.size
            if left < 0 or place + one.place + one.size > size:
                raise struct.error(f"tag {one.tag} is cut off")
            layout.others.append((place + one.place, one.size))
        by_tag = {one.tag: one for one in entries}
        if _STRIP in by_tag and _STRIP_SIZE in by_tag:
            strips, sizes = (
                by_tag[tag].numbers(cast("BinaryIO", inner)) for tag in (_STRIP, _STRIP_SIZE)
            )
            parts = zip(strips, sizes, strict=False)
            layout.raw_pixels.extend((place + strip, count) for strip, count in parts)


def _directory(stream: BinaryIO, place: int) -> tuple[int, int]:
    """The place and the size of Fujifilm's directory: each tag has its number, size and value."""
    if not place:
        return 0, 0
    stream.seek(place)
    (count,) = struct.unpack(">I", stream.read(4))
    for _ in range(count if count <= _MOST_ENTRIES else 0):
        (length,) = struct.unpack(">2xH", stream.read(4))
        if len(stream.read(length)) < length:
            raise struct.error("a tag is cut off")
    return place, stream.tell() - place


def _pair(stream: BinaryIO, place: int) -> tuple[int, int]:
    stream.seek(place)
    first, second = struct.unpack(">II", stream.read(8))
    return first, second


class _From:
    """A stream from a place on, as far as readers of structures use it."""

    def __init__(self, stream: BinaryIO, start: int) -> None:
        self._stream, self._start = stream, start

    def seek(self, place: int) -> int:
        return self._stream.seek(self._start + place) - self._start

    def tell(self) -> int:
        return self._stream.tell() - self._start

    def read(self, size: int) -> bytes:
        return self._stream.read(size)
