"""Checks the photos that people send: bytes become a stripped baseline JPEG, or a reason why not.

A picture that took hundreds of bytes to send may take seconds to decode: a progressive JPEG, or one
with many scans. Everything that decides its cost is therefore read from its header before anything
is decoded. What is kept is what the pixels need: no EXIF, XMP, IPTC, profile or comment, and
nothing after the end of the picture.

Source: ITU-T T.81, annex B (markers), and JFIF 1.02.
"""

import hashlib
import io
import re
import struct
from dataclasses import dataclass

from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.photos import image, tiff

MAX_MEGAPIXELS = 1.5  # a photo of 1,024 px has at most 1.05; square ones of 1,224 px fit
MIN_SIDE = 32  # px
MAX_SIDE = 4096  # px; 16 times as long as wide is no photo
_MAX_TABLES = 8192  # bytes of everything before the pixels: canvases write some 600

_START, _END = b"\xff\xd8", b"\xff\xd9"
_BASELINE, _HUFFMAN, _SCAN, _QUANTIZATION, _RESTART = 0xC0, 0xC4, 0xDA, 0xDB, 0xDD
_APP1, _ADOBE, _COMMENT = 0xE1, 0xEE, 0xFE
_KEPT = frozenset({_HUFFMAN, _QUANTIZATION, _RESTART})
# Other ways to code pixels than baseline: lossless, progressive, hierarchical, arithmetic
_OTHER_FRAMES = frozenset(range(0xC1, 0xD0)) - {_HUFFMAN, 0xC8, 0xCC}
_APPLICATIONS = frozenset(range(0xE0, 0xF0))
# In the pixels, FF comes before a zero or is one of the eight restart markers; else they end
_END_OF_PIXELS = re.compile(rb"\xff[^\x00\xd0-\xd7]")
_EXIF = b"Exif\0\0"
# JFIF 1.02, no density, no thumbnail: it says that the colours are YCbCr
_JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x00\x00"
_GREY, _COLOUR = 1, 3


@dataclass(frozen=True)
class Upload:
    """A photo that was checked: an upright baseline JPEG without metadata."""

    jpeg: bytes
    width: int  # px
    height: int
    sha256: str  # of `jpeg`, hex digits: its name in the object store


def check_upload(content: bytes) -> Upload:
    """Check a photo and strip it of everything but its pixels.

    Raises RejectedFile, whose kind is `not_jpeg`, `not_baseline`, `too_large`, `too_small`,
    `turned`, `colours` or `damaged`.
    """
    header = _read_header(content)
    stripped = b"".join([_START, _JFIF, *header.kept, header.pixels, _END])
    try:
        size = image.upright_size(stripped)
    except RejectedFile as error:
        raise RejectedFile("damaged", str(error)) from error
    if size != (header.width, header.height):
        raise _damaged(f"it decodes to {size[0]} x {size[1]} px, not to the size in its header")
    return Upload(stripped, *size, hashlib.sha256(stripped).hexdigest())


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    kept: tuple[bytes, ...]  # segments that the pixels need, in order
    pixels: bytes


def _read_header(content: bytes) -> _Header:
    if content[:3] != _START + b"\xff":
        raise RejectedFile("not_jpeg", "it is not a JPEG, expected one as a browser's canvas makes")
    kept: list[bytes] = []
    size: tuple[int, int] | None = None
    place = len(_START)
    while True:
        marker, payload, segment = _segment(content, place)
        place += len(segment)
        if marker == _BASELINE:
            if size is not None:
                raise _damaged("it has two frames")
            size = _frame_size(payload)
        elif marker in _OTHER_FRAMES:
            problem = "it is progressive, lossless or coded otherwise, expected a baseline JPEG"
            raise RejectedFile("not_baseline", problem)
        elif marker == _SCAN:
            break
        elif marker in _APPLICATIONS:
            _check_application(marker, payload)
        elif marker not in _KEPT and marker != _COMMENT:
            raise _damaged(f"marker {marker:02X} does not belong in a baseline JPEG")
        if marker in _KEPT or marker == _BASELINE:
            kept.append(segment)
    if size is None:
        raise _damaged("its pixels come before its size")
    _check_scan(payload, kept)
    kept.append(segment)
    if sum(map(len, kept)) > _MAX_TABLES:
        raise _damaged(f"it has more than {_MAX_TABLES:,} bytes before its pixels")
    return _Header(*size, tuple(kept), _pixels(content, place))


def _segment(content: bytes, place: int) -> tuple[int, bytes, bytes]:
    """The marker, the payload and all bytes of the segment at `place`."""
    if len(content) < place + 4:
        raise _damaged("it ends before its pixels")
    flag, marker, length = struct.unpack_from(">BBH", content, place)
    if flag != 0xFF or marker in (0x00, 0xFF) or 0xD0 <= marker <= 0xD9:
        raise _damaged(f"no marker at byte {place:,}")
    segment = content[place : place + 2 + length]
    if length < 2 or len(segment) < 2 + length:
        raise _damaged("it ends within a segment")
    return marker, segment[4:], segment


def _frame_size(payload: bytes) -> tuple[int, int]:
    """Width and height of a baseline frame, once its cost and its colours are known to be small."""
    if len(payload) < 6:
        raise _damaged("its frame header is cut off")
    bits, height, width, components = struct.unpack_from(">BHHB", payload)
    if bits != 8 or components not in (_GREY, _COLOUR) or len(payload) != 6 + 3 * components:
        raise RejectedFile("colours", "expected grey or YCbCr with 8 bits")
    identities, sampling = payload[6::3], payload[7::3]
    if identities == b"RGB":
        raise RejectedFile("colours", "its colours are RGB, expected grey or YCbCr")
    if any(factor >> 4 not in (1, 2) or factor & 15 not in (1, 2) for factor in sampling):
        raise RejectedFile("colours", "its colours are sampled unusually")
    if min(width, height) < MIN_SIDE:
        raise RejectedFile("too_small", f"{width} x {height} px, expected at least {MIN_SIDE} px")
    if width * height > MAX_MEGAPIXELS * 1e6 or max(width, height) > MAX_SIDE:
        raise RejectedFile(
            "too_large",
            f"{width} x {height} px, expected at most {MAX_MEGAPIXELS:g} megapixels and "
            f"{MAX_SIDE:,} px a side",
        )
    return width, height


def _check_application(marker: int, payload: bytes) -> None:
    """Refuse what would look different once this segment is gone."""
    if marker == _APP1 and payload.startswith(_EXIF):
        turned = tiff.read_orientation(io.BytesIO(payload[len(_EXIF) :])) or orientation.UPRIGHT
        if turned != orientation.UPRIGHT:
            problem = f"its EXIF orientation is {turned}, expected an upright picture"
            raise RejectedFile("turned", problem)
    if marker == _ADOBE and payload.startswith(b"Adobe") and payload[11:12] == b"\0":
        raise RejectedFile("colours", "its colours are RGB, expected grey or YCbCr")


def _check_scan(payload: bytes, kept: list[bytes]) -> None:
    """Require one scan of all components, as a baseline JPEG of one pass has."""
    frame = next(segment[4:] for segment in kept if segment[1] == _BASELINE)
    if not payload or payload[0] != frame[5] or len(payload) != 4 + 2 * payload[0]:
        raise RejectedFile("not_baseline", "it has several scans, expected one with all components")


def _pixels(content: bytes, place: int) -> bytes:
    end = _END_OF_PIXELS.search(content, place)
    if end is None:
        raise _damaged("it ends within its pixels")
    if end.group() != _END:
        raise RejectedFile("not_baseline", "something else follows its pixels, expected its end")
    return content[place : end.start()]


def _damaged(problem: str) -> RejectedFile:
    return RejectedFile("damaged", problem)
