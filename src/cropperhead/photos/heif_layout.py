"""Where an HEIC or AVIF file keeps its pictures, so that all else can be read without them.

Sources: ISO/IEC 14496-12 (boxes; 8.11.3 iloc, 8.11.6 iinf), ISO/IEC 23008-12.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from cropperhead.photos.boxes import read_boxes

_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif", b"msf1"})
# Items of coded pictures, which ExifTool passes over; it reads those of Exif, XMP and JPEGs
_PICTURES = frozenset({b"hvc1", b"av01"})
_META, _MEDIA, _INFO, _LOCATION = b"meta", b"mdat", b"iinf", b"iloc"
_MOST_OF_META = 1 << 22  # bytes: of tiles and depth maps there are hundreds
_MOST_MEDIA, _MOST_EXTENTS = 16, 10_000


@dataclass(frozen=True)
class Layout:
    """Places and sizes in bytes: of coded pictures, and of everything else."""

    pictures: list[tuple[int, int]]
    others: list[tuple[int, int]]


def is_heif(start: bytes) -> bool:
    """Whether a file with these first 12 bytes is HEIC or AVIF."""
    return start[4:8] == b"ftyp" and start[8:12] in _BRANDS


def read_layout(stream: BinaryIO, size: int) -> Layout:
    """Where the pictures are, within a file of so many bytes that `is_heif`.

    A picture counts only as far as it lies in a box of media. Raises struct.error for a file that
    is not sound, or puts its parts elsewhere.
    """
    others, media, meta = _top_boxes(stream, size)
    kinds, extents = _items(meta)
    if sum(length for _, _, length in extents) > 2 * size:  # a damaged file may repeat itself
        raise struct.error("items of more bytes than the file has")
    pictures = []
    for item, place, length in extents:
        if kinds.get(item) not in _PICTURES:
            others.append((place, length))
        elif any(start <= place and place + length <= stop for start, stop in media):
            pictures.append((place, length))
    return Layout(pictures, others)


def _top_boxes(
    stream: BinaryIO, size: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]], bytes]:
    """Places and sizes of all but media, where media start and stop, and the metadata."""
    others, media, meta = list[tuple[int, int]](), list[tuple[int, int]](), b""
    for kind, head, place, length in read_boxes(stream, size):
        if kind == _MEDIA:
            if len(media) == _MOST_MEDIA:
                raise struct.error("more media than a photo has")
            media.append((place, place + length))
            others.append((place - head, head))
            continue
        others.append((place - head, head + length))
        if kind == _META:
            if meta or length > _MOST_OF_META:  # readers differ on which of two counts
                raise struct.error("more metadata than a photo has")
            stream.seek(place)
            meta = stream.read(length)
    return others, media, meta


def _items(meta: bytes) -> tuple[dict[int, bytes], list[tuple[int, int, int]]]:
    """The kinds of items by their numbers; the extents of each: item, place and size in bytes."""
    stream = io.BytesIO(meta)
    stream.seek(4)  # version and flags
    inside = {kind: (place, length) for kind, _, place, length in read_boxes(stream, len(meta))}
    if not {_INFO, _LOCATION} <= inside.keys():
        raise struct.error("no items")
    info, location = (
        meta[place : place + length] for place, length in (inside[_INFO], inside[_LOCATION])
    )
    return _kinds(info), list(_extents(location))


def _kinds(info: bytes) -> dict[int, bytes]:
    stream = io.BytesIO(info)
    stream.seek(6 if _number(stream, 1) == 0 else 8)  # version, flags and a count
    kinds = {}
    for kind, _, place, length in read_boxes(stream, len(info)):
        if kind == b"infe" and _number(io.BytesIO(info[place : place + length]), 1) in {2, 3}:
            layout = ">H2x4s" if info[place] == 2 else ">I2x4s"
            item, own = struct.unpack_from(layout, info, place + 4)
            if item in kinds:
                raise struct.error(f"item {item} is there twice")
            kinds[item] = own
    return kinds


def _extents(location: bytes) -> Iterator[tuple[int, int, int]]:
    stream = io.BytesIO(location)
    version = _number(stream, 1)
    stream.seek(4)
    sizes = _number(stream, 2)
    of_offset, of_length, of_base = (sizes >> shift & 15 for shift in (12, 8, 4))
    of_index = sizes & 15 if version else 0
    wide = 4 if version == 2 else 2
    left = _MOST_EXTENTS
    for _ in range(_number(stream, wide)):
        item = _number(stream, wide)
        method = _number(stream, 2) & 15 if version else 0
        source = _number(stream, 2)
        base = _number(stream, of_base)
        extents = _number(stream, 2)
        left -= 1 + extents  # which may take no bytes
        if left < 0:
            raise struct.error("more extents than a photo has")
        if source:
            raise struct.error(f"item {item} is in another file")
        if method:  # inside the meta box or another item, which are read anyway
            stream.seek(extents * (of_index + of_offset + of_length), io.SEEK_CUR)
            continue
        for _ in range(extents):
            _number(stream, of_index)
            place, length = base + _number(stream, of_offset), _number(stream, of_length)
            if not length:
                raise struct.error(f"item {item} has no size")
            yield item, place, length


def _number(stream: io.BytesIO, size: int) -> int:
    content = stream.read(size)
    if len(content) < size:
        raise struct.error("cut off")
    return int.from_bytes(content)
