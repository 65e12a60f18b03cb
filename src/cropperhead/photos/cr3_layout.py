"""Where a Canon CR3 keeps its pictures, so that all else can be read without them.

A track of `moov` tells where its samples are in `mdat`: of RAW pixels (CMP1), of the large JPEG,
and of a camera's notes at the time (CTMD). XMP and the smaller previews are in boxes of their own.
Sources: ISO/IEC 14496-12, 8.5 to 8.7; LibRaw's cr3_parser.cpp; ExifTool's QuickTime.pm.
"""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from cropperhead.photos.boxes import read_boxes

_MOST_OF_MOOV = 1 << 22  # bytes: cameras write some 25 KB
_MOST_SAMPLES = 1000  # of a track; a burst has tens
_ENTRY = 82  # bytes of a CRAW entry before the boxes inside it
_TO_SAMPLES = (b"mdia", b"minf", b"stbl")
_Parts = list[tuple[int, int]]  # places and sizes in bytes


class Layout(NamedTuple):
    """Places and sizes in bytes: of RAW pixels, of JPEGs, and of other samples."""

    raw_pixels: _Parts
    previews: _Parts
    others: _Parts


def is_cr3(start: bytes) -> bool:
    """Whether a file with these first 12 bytes is a CR3."""
    return start[4:12] == b"ftypcrx "


def read_layout(stream: BinaryIO, size: int) -> Layout:
    """Where the pictures are, within a file of so many bytes that `is_cr3`.

    They count only if they lie in a box of media. Raises struct.error for a file that is not sound.
    """
    stream.seek(0)
    boxes = list(read_boxes(stream, size))
    media = [(place, place + length) for kind, _, place, length in boxes if kind == b"mdat"]
    found = [(place, length) for kind, _, place, length in boxes if kind == b"moov"]
    if len(found) != 1 or found[0][1] > _MOST_OF_MOOV:
        raise struct.error("more or less metadata than a photo has")
    stream.seek(found[0][0])
    layout = Layout([], [], [])
    for kind, content in _inside(stream.read(found[0][1])):
        if kind == b"trak":
            _sort(content, media, layout)
    if sum(length for parts in layout for _, length in parts) > size:
        raise struct.error("samples of more bytes than the file has")
    return layout


def _sort(track: bytes, media: _Parts, layout: Layout) -> None:
    """Puts a track's samples where they belong."""
    for name in _TO_SAMPLES:
        track = _single(track, name)
    holds, samples = _holds(_single(track, b"stsd")), list(_samples(dict(_inside(track))))
    if not all(_is_within(one, media) for one in samples):
        raise struct.error("samples outside of the media")
    if b"CMP1" in holds:
        layout.raw_pixels.extend(samples)
    elif b"JPEG" in holds:
        layout.previews.extend(samples)
    else:
        layout.others.extend(samples)


def _holds(description: bytes) -> set[bytes]:
    """The kinds of boxes that describe what a track's samples are; none for other tracks."""
    kinds = set[bytes]()
    for kind, content in _inside(description[8:]):  # after version, flags and a count
        if kind == b"CRAW":
            kinds.update(inner for inner, _ in _inside(content[_ENTRY:]))
    return kinds


def _samples(table: dict[bytes, bytes]) -> Iterator[tuple[int, int]]:
    """The places and sizes of samples, where each has a place, or all follow one another."""
    same, count = struct.unpack_from(">4xII", table.get(b"stsz", b""))
    letter, chunks = ("Q", table[b"co64"]) if b"co64" in table else ("I", table.get(b"stco", b""))
    [places] = struct.unpack_from(">4xI", chunks)
    if not 0 < count <= _MOST_SAMPLES or places not in {1, count}:
        raise struct.error(f"{count} samples in {places} places")
    sizes = [same] * count if same else struct.unpack_from(f">{count}I", table[b"stsz"], 12)
    starts = struct.unpack_from(f">{places}{letter}", chunks, 8)
    yield from zip(starts, sizes if places == count else [sum(sizes)], strict=True)


def _is_within(part: tuple[int, int], media: _Parts) -> bool:
    return any(start <= part[0] and sum(part) <= stop for start, stop in media)


def _single(content: bytes, name: bytes) -> bytes:
    found = [inner for kind, inner in _inside(content) if kind == name]
    if len(found) != 1:
        raise struct.error(f"{len(found)} boxes {name!r}")
    return found[0]


def _inside(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    for kind, _, place, length in read_boxes(io.BytesIO(content), len(content)):
        yield kind, content[place : place + length]
