"""The boxes of a file of ISO's base media format, as HEIC, AVIF and CR3 are.

Source: ISO/IEC 14496-12, 4.2.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

_MOST_BOXES = 5000


def read_boxes(stream: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int, int]]:
    """The boxes from where a stream is up to a place, which is that of its end.

    Of each its kind, the bytes of its head, and the place and the size of its content. Raises
    struct.error if they do not end there.
    """
    place = stream.tell()
    for _ in range(_MOST_BOXES):
        if place == size:
            return
        stream.seek(place)
        length, kind = struct.unpack(">I4s", stream.read(8))
        head = 8
        if length == 1:
            [length] = struct.unpack(">Q", stream.read(8))
            head = 16
        elif length == 0:
            length = size - place
        if length < head or place + length > size:
            raise struct.error(f"a box of {length} bytes at {place}")
        yield kind, head, place + head, length - head
        place += length
    raise struct.error("more boxes than a photo has")
