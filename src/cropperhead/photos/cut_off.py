"""Tells photos of which a part is missing that may hold metadata.

ExifTool reads what is left of such a file. If no crop is there, the photo would pass for one that
nobody has cropped.

Sources: ITU T.81, B.1; PNG specification, 5.3; the WebP container's, "RIFF file format"; ISO/IEC
14496-12, 4.2.
"""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from cropperhead.photos import embedded_xmp, tiff
from cropperhead.system.regular_file import open_regular

_JPEG, _PNG, _RIFF, _FILE_TYPE = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF", b"ftyp"
_MEDIA, _METADATA = b"mdat", frozenset({b"meta", b"moov"})  # boxes
_MOST_PARTS = 100_000  # chunks or boxes; a sound file has hundreds


def is_cut_off(file: Path) -> bool:
    """Whether the file ends before all of its metadata may have come.

    False for a JPEG that is cut off within its picture, and for a TIFF whose first directory and
    the XMP of it are whole. Raises OSError if it cannot be opened.
    """
    with open_regular(file) as stream:
        start = stream.read(len(_PNG))
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        return _check(start)(stream, size)


def _check(start: bytes) -> Callable[[BinaryIO, int], bool]:
    if start.startswith(_JPEG):
        return _is_jpeg_cut
    if start == _PNG:
        return _is_png_cut
    if start.startswith(_RIFF):
        return _is_riff_cut
    if start[4:] == _FILE_TYPE:
        return _are_boxes_cut
    return tiff.is_cut_off if tiff.is_structure(start) else lambda *_: False


def _is_jpeg_cut(stream: BinaryIO, size: int) -> bool:
    try:
        embedded_xmp.read_jpeg_header(stream)
    except struct.error:  # also for what is between segments, which hides none of those before
        return stream.tell() >= size
    return False


def _is_png_cut(stream: BinaryIO, size: int) -> bool:
    place = len(_PNG)
    for _ in range(_MOST_PARTS):
        stream.seek(place)
        head = stream.read(8)
        if head[4:] == b"IEND":
            return False
        place += 12 + int.from_bytes(head[:4])  # with its head and its checksum
        if len(head) < 8 or place > size:
            return True
    return False


def _is_riff_cut(stream: BinaryIO, size: int) -> bool:
    head = stream.read(8)
    return len(head) < 8 or 8 + int.from_bytes(head[4:], "little") > size


def _are_boxes_cut(stream: BinaryIO, size: int) -> bool:
    place, whole = 0, set[bytes]()
    for _ in range(_MOST_PARTS):
        stream.seek(place)
        head = stream.read(16)
        length = int.from_bytes(head[:4])
        if length == 1:
            length = int.from_bytes(head[8:])
        if len(head) < 8 or length < 8 or not head[4:8].isalnum():
            return False  # to the end, or what is no box
        place += length
        if place > size:  # after a whole photo it is something else, such as a phone's film
            return not (_MEDIA in whole and whole & _METADATA)
        whole.add(head[4:8])
    return False
