"""Where a PNG or a WebP keeps its pictures, so that what is before and after can be read alone.

Both are divided into chunks, each with its size at its start. Readers of metadata pass over those
of pictures, or look at their first bytes.
Sources: PNG specification, 5.3 and 11.2; WebP container specification.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

_PNG = b"\x89PNG\r\n\x1a\n"
_RIFF, _WEBP = b"RIFF", b"WEBP"
_PICTURES = frozenset({b"IDAT", b"fdAT", b"VP8 ", b"VP8L", b"ALPH", b"ANMF"})
_END = b"IEND"
_HEAD = 64  # bytes of a picture that may be looked at: sizes, and how it is coded
# Many PNGs have their picture in chunks of 8 to 64 KB. To pass over each of them takes a request
# and fetches nearly as much as there is.
_SMALL, _MOST_SMALL, _MOST = 1 << 18, 1, 1000


def is_chunked(start: bytes) -> bool:
    """Whether a file with these first 12 bytes is a PNG or a WebP."""
    return start.startswith(_PNG) or (start[:4] == _RIFF and start[8:12] == _WEBP)


def find_pictures(stream: BinaryIO, size: int) -> list[tuple[int, int]]:
    """The places and sizes in bytes of pictures in a file of this size that `is_chunked`.

    Raises struct.error for a file that is not sound, and for one with many small parts.
    """
    stream.seek(0)
    chunks = _png_chunks(stream, size) if stream.read(1) == _PNG[:1] else _riff_chunks(stream, size)
    pictures, small = [], 0
    for number, (kind, place, length) in enumerate(chunks):
        if place + length > size or number == _MOST:
            raise struct.error(f"a chunk of {length} bytes at {place}")
        if kind in _PICTURES:
            small += length < _SMALL
            if small > _MOST_SMALL:
                raise struct.error("the picture has many parts")
            pictures.append((place + _HEAD, max(0, length - _HEAD)))
    return pictures


def _png_chunks(stream: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's kind, and the place and the size of its content."""
    place, kind = len(_PNG), b""
    while place < size and kind != _END:
        stream.seek(place)
        length, kind = struct.unpack(">I4s", stream.read(8))
        yield kind, place + 8, length
        place += 8 + length + 4  # with a checksum


def _riff_chunks(stream: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    place = 12
    while place < size:
        stream.seek(place)
        kind, length = struct.unpack("<4sI", stream.read(8))
        yield kind, place + 8, length
        place += 8 + length + length % 2
