"""The IPTC of a cropped copy: texts and dates, without previews of the photo.

IPTC's records are in a JPEG among Photoshop's image resources, of which most describe the old
picture: thumbnails, paths, slices, guides. Source: IPTC-IIM 4.2; Adobe's file format specification.
"""

import struct
from collections.abc import Iterator, Mapping

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

_RECORDS, _COPYRIGHT_FLAG, _URL = 0x0404, 0x040A, 0x040B  # Photoshop's image resources
_TIFF_RECORDS = 0x83BB
_SIGNATURE, _MOST = b"Photoshop 3.0\0", 0xFFFF - 2  # of one segment of a JPEG
_MARKER = 0x1C
_ENVELOPE, _APPLICATION = 1, 2
# Of the application record: a caption as a picture (125), the kind of picture and how it is turned
# (130, 131), sounds (150 to 154), and from 200 previews
_OF_THE_PICTURE = frozenset({125, 130, 131, *range(150, 155), *range(200, 256)})
# Codes and names of the content's location; city, sublocation, state, country code and country
_LOCATION = frozenset({26, 27, 90, 92, 95, 100, 101})


def read_resources(image: Image.Image) -> dict[int, bytes]:
    """Read IPTC's records and the copyright's flag and URL, by their numbers as resources."""
    if isinstance(image, TiffImageFile):
        # as bytes: Photoshop says that they are numbers, of which Pillow gives only the first
        found = {_RECORDS: image.tag_v2._tagdata.get(_TIFF_RECORDS)}
    else:
        found = image.info.get("photoshop", {})
    wanted = {number: found.get(number) for number in (_RECORDS, _COPYRIGHT_FLAG, _URL)}
    return {number: data for number, data in wanted.items() if data}


def jpeg_segment(resources: Mapping[int, bytes], with_location: bool) -> bytes:
    """Make the segment for a JPEG; empty if nothing is left, or it is too large for one."""
    parts = dict(resources) | {_RECORDS: copied_records(resources, with_location)}
    blocks = b"".join(_block(number, data) for number, data in parts.items() if data)
    content = _SIGNATURE + blocks
    if not blocks or len(content) > _MOST:
        return b""
    return b"\xff\xed" + (len(content) + 2).to_bytes(2, "big") + content


def copied_records(resources: Mapping[int, bytes], with_location: bool) -> bytes:
    """Select the datasets that are true of the copy."""
    dropped = _OF_THE_PICTURE | (frozenset() if with_location else _LOCATION)
    return b"".join(
        content
        for record, dataset, content in _datasets(resources.get(_RECORDS, b""))
        if record == _ENVELOPE or (record == _APPLICATION and dataset not in dropped)
    )


def _datasets(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Record, number and bytes of each dataset, up to the first that is damaged."""
    place = 0
    while len(data) >= place + 5 and data[place] == _MARKER:
        _, record, dataset, size = struct.unpack_from(">BBBH", data, place)
        start = place + 5
        if size & 0x8000:  # the other bits count the bytes of the size that follows
            start += size & 0x7FFF
            size = int.from_bytes(data[place + 5 : start], "big")
        if start + size > len(data):
            return
        yield record, dataset, data[place : start + size]
        place = start + size


def _block(number: int, data: bytes) -> bytes:
    unnamed = bytes(2)
    return b"8BIM" + struct.pack(">H2sI", number, unnamed, len(data)) + data + bytes(len(data) % 2)
