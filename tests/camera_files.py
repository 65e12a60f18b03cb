"""JPEGs as cameras write them: EXIF first, and smaller pictures of the same photo behind it.

Sources: EXIF 2.32, 4.5; CIPA DC-007 (multi-picture format), 5.2.
"""

import io
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

LARGE_THUMBNAIL, FULL_HD = 0x010001, 0x010002  # kinds of pictures
PRIMARY, STEREO, UNDEFINED = 0x030000, 0x020002, 0x000000
TAKEN = "2024:05:01 12:00:00"
WIDTH, HEIGHT, ORIENTATION, SOFTWARE, CHANGED = 0xA002, 0xA003, 0x0112, 0x0131, 0x0132
_MAKE, _MODEL, _TAKEN, _EXIF = 0x010F, 0x0110, 0x9003, 0x8769
_JFIF = 0xE0
_ENTRY, _ENTRIES_AT = 16, 50  # bytes of an MP entry; where entries are after the index's header


def camera_jpeg(
    image: Image.Image | bytes,
    previews: Sequence[tuple[int, bytes]] = (),
    tags: Mapping[int, Any] | None = None,
    inner: Mapping[int, Any] | None = None,
) -> bytes:
    """A photo (its pixels, or a JPEG of them), with `previews`: each a kind and a JPEG.

    `tags` are of EXIF's first directory, `inner` of the one below it; None leaves a tag out.
    """
    jpeg = without_jfif(image if isinstance(image, bytes) else jpeg_bytes(image))
    head = _segment(0xE1, b"Exif\0\0" + _exif(jpeg, tags or {}, inner or {}))
    index_size = 4 + 4 + _ENTRIES_AT + _ENTRY * (1 + len(previews)) if previews else 0
    size = 2 + len(head) + index_size + len(jpeg) - 2
    index = _index(size, previews, 2 + len(head) + 8) if previews else b""
    return jpeg[:2] + head + index + jpeg[2:] + b"".join(each for _, each in previews)


def jpeg_bytes(image: Image.Image, quality: int = 92, **extra: Any) -> bytes:
    """A picture as a JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, **extra)
    return buffer.getvalue()


def without_jfif(jpeg: bytes) -> bytes:
    """A JPEG without the segment that cameras leave out, and programs write."""
    if jpeg[3] != _JFIF:
        return jpeg
    return jpeg[:2] + jpeg[4 + int.from_bytes(jpeg[4:6]) :]


def _exif(jpeg: bytes, tags: Mapping[int, Any], inner: Mapping[int, Any]) -> bytes:
    with Image.open(io.BytesIO(jpeg)) as image:
        width, height = image.size
    first = {_MAKE: "Cropperhead", _MODEL: "Test", SOFTWARE: "Ver.1.02", CHANGED: TAKEN} | tags
    below = {_TAKEN: TAKEN, WIDTH: width, HEIGHT: height} | inner
    exif = Image.Exif()
    exif.update({tag: value for tag, value in first.items() if value is not None})
    exif[_EXIF] = {tag: value for tag, value in below.items() if value is not None}
    return exif.tobytes().removeprefix(b"Exif\0\0")


def _index(size: int, previews: Sequence[tuple[int, bytes]], start: int) -> bytes:
    """The segment that lists the pictures; `start` is where its header is in the file."""
    entries = struct.pack("<IIIHH", PRIMARY | 1 << 29, size, 0, 0, 0)
    place = size - start
    for kind, jpeg in previews:
        entries += struct.pack("<IIIHH", kind, len(jpeg), place, 0, 0)
        place += len(jpeg)
    head = struct.pack("<2sHIH", b"II", 42, 8, 3)
    head += struct.pack("<HHI4s", 0xB000, 7, 4, b"0100")
    head += struct.pack("<HHII", 0xB001, 4, 1, 1 + len(previews))
    head += struct.pack("<HHII", 0xB002, 7, len(entries), _ENTRIES_AT)
    return _segment(0xE2, b"MPF\0" + head + struct.pack("<I", 0) + entries)


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
