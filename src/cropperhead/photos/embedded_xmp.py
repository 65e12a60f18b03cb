"""The XMP inside a JPEG or a TIFF (DNG, too): its packets, and a digest of all the rest.

Sources: XMP specification, part 3, 1.1.3 (JPEG) and 1.1.5 (TIFF); ITU T.81, B.1; TIFF 6.0.
"""

import hashlib
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cropperhead.errors import RejectedFile
from cropperhead.photos import tiff
from cropperhead.system.regular_file import open_regular

MOST_IN_JPEG = 65_502  # bytes of a packet: a segment's 65,535, less its length and the signature
_JPEG_START, _APP1 = b"\xff\xd8", 0xE1
_SCAN, _FILL = 0xDA, 0xFF
_WITHOUT_LENGTH = frozenset({0x00, 0x01, *range(0xD0, 0xDA)})  # no markers, or none of a header
_SIGNATURE, _EXTENSION = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_MAKER_NOTE, _PRIVATE = 37500, 50740
# A program that moves these has to change them: places, and makers' notes with places in them
_MOVED = frozenset({*tiff.PICTURES, *tiff.BELOW, tiff.XMP, _MAKER_NOTE, _PRIVATE})
_AT_ONCE = 1 << 20  # bytes


@dataclass(frozen=True)
class EmbeddedXmp:
    """A photo's packets in the order of Adobe's reader: the last one is what it reads.

    Of a JPEG's that is the last segment (XMP Toolkit SDK, JPEG_Handler.cpp), of a TIFF's the one in
    the first directory (TIFF_Handler.cpp). `is_extended`: a JPEG's goes on in further segments.
    """

    packets: Sequence[bytes]
    is_jpeg: bool
    is_extended: bool = False


def read_xmp(file: Path) -> EmbeddedXmp:
    """Reads the packets. Raises OSError, and RejectedFile for what is no sound JPEG or TIFF."""
    with _opened(file) as stream:
        if not _is_jpeg(stream):
            entries = [one for listed in tiff.walk(stream, tiff.BELOW) for one in listed]
            places = [one for one in entries if one.tag == tiff.XMP]
            return EmbeddedXmp([one.read(stream) for one in reversed(places)], False)
        app1 = [content for marker, content in _segments(stream) if marker == _APP1]
    packets = [one.removeprefix(_SIGNATURE) for one in app1 if one.startswith(_SIGNATURE)]
    return EmbeddedXmp(packets, True, any(one.startswith(_EXTENSION) for one in app1))


def read_jpeg_header(stream: BinaryIO) -> None:
    """Reads a JPEG up to its first scan. Raises struct.error if it is not sound so far."""
    for _ in _segments(stream):
        pass


def digest_without_xmp(file: Path) -> str:
    """A SHA-256 of everything in a JPEG or TIFF that stays when only its XMP is written anew.

    Of a JPEG: all bytes but the segments of XMP. Of a TIFF: the pictures of all directories and
    their tags, but for places, and for makers' notes, in which there are places. Raises as
    `read_xmp`.
    """
    digest = hashlib.sha256()
    with _opened(file) as stream:
        for part in _jpeg_parts(stream) if _is_jpeg(stream) else _tiff_parts(stream):
            digest.update(part)
    return digest.hexdigest()


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """Opens a JPEG or TIFF; a fault in its structure is a RejectedFile."""
    try:
        with open_regular(file, follow_link=False) as stream:
            if not (_is_jpeg(stream) or tiff.is_plain(stream)):
                raise RejectedFile("not_a_photo", "by its content it is no JPEG, TIFF or DNG")
            yield stream
    except struct.error as error:
        raise RejectedFile("unreadable", f"its structure is damaged: {error}") from error


def _is_jpeg(stream: BinaryIO) -> bool:
    stream.seek(0)
    is_one = stream.read(2) == _JPEG_START
    stream.seek(0)
    return is_one


def _segments(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The segments before the first scan: marker and content. Raises struct.error."""
    stream.seek(2)
    while True:
        start, marker = struct.unpack("BB", stream.read(2))
        while start == marker == _FILL:
            (marker,) = struct.unpack("B", stream.read(1))
        if start != _FILL or marker in _WITHOUT_LENGTH:
            raise struct.error(f"at byte {stream.tell()} is no segment")
        if marker == _SCAN:
            return
        (length,) = struct.unpack(">H", stream.read(2))
        content = stream.read(max(0, length - 2))
        if len(content) != length - 2:
            raise struct.error("a segment is cut off")
        yield marker, content


def _jpeg_parts(stream: BinaryIO) -> Iterator[bytes]:
    for marker, content in _segments(stream):
        if marker != _APP1 or not content.startswith((_SIGNATURE, _EXTENSION)):
            yield struct.pack(">BI", marker, len(content))
            yield content
    while part := stream.read(_AT_ONCE):
        yield part


def _tiff_parts(stream: BinaryIO) -> Iterator[bytes]:
    left = 2 * stream.seek(0, os.SEEK_END)  # a damaged file may name the same bytes again and again
    for entries in tiff.walk(stream, tiff.BELOW):
        yield struct.pack(">I", len([one for one in entries if one.tag != tiff.XMP]))
        for place, size, head in _stretches(stream, entries):
            left -= size
            if left < 0:
                raise struct.error("its tags have more bytes than the file")
            yield head
            yield from _bytes(stream, place, size)


def _stretches(stream: BinaryIO, entries: Sequence[tiff.Entry]) -> Iterator[tuple[int, int, bytes]]:
    """Where a directory's tags and pictures are, each with its size and what else tells it."""
    by_tag = {one.tag: one for one in entries}
    for one in sorted(entries, key=lambda entry: entry.tag):
        if one.tag in tiff.PICTURES:
            places, sizes = one.numbers(stream), by_tag.get(tiff.PICTURES[one.tag])
            if sizes is None or sizes.count != one.count:
                raise struct.error(f"tag {one.tag} gives no sizes")
            for place, size in zip(places, sizes.numbers(stream), strict=True):
                yield place, size, struct.pack(">HI", one.tag, size)
        elif one.tag not in _MOVED:
            yield one.place, one.size, struct.pack(">HHI", one.tag, one.kind, one.count)


def _bytes(stream: BinaryIO, place: int, size: int) -> Iterator[bytes]:
    stream.seek(place)
    while size and (part := stream.read(min(size, _AT_ONCE))):
        yield part
        size -= len(part)
    if size:
        raise struct.error("a picture or a tag is cut off")
