"""Small RAW files for tests: DNGs with known pixels, as cameras and Adobe's programs lay them out.

No camera's RAW file can be shipped. Tags and their types: DNG specification 1.4 and TIFF 6.0.
"""

import io
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL = 1, 2, 3, 4, 5, 7, 10
_STRUCT = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I", RATIONAL: "II", UNDEFINED: "B"}
_STRUCT[SRATIONAL] = "ii"
Value = tuple[int, Sequence[Any] | bytes]  # a TIFF type and what it holds

_CFA, _LINEAR_RAW, _YCBCR = 32803, 34892, 6
_PLAIN, _JPEG = 1, 7
_STRIP, _SUBDIRECTORIES = 273, 330
# XYZ of D65 to linear sRGB (IEC 61966-2-1): a camera that sees as sRGB shows
_SEES_SRGB = [
    *(3.2406, -1.5372, -0.4986),
    *(-0.9689, 1.8758, 0.0415),
    *(0.0557, -0.2040, 1.0570),
]
TAKEN = "2024:05:01 12:00:00"
_BORDER = (200, 0, 200)  # what lies outside the frame: to be seen in no picture
SCENE = {
    "top left": (150, 30, 30),
    "top right": (30, 150, 30),
    "bottom left": (30, 30, 150),
    "bottom right": (130, 130, 130),
}


def scene(width: int, height: int, colours: Mapping[str, Any] = SCENE) -> Image.Image:
    """A picture whose four quadrants differ, so that a turn, a flip or a cut shows."""
    image = Image.new("RGB", (width, height))
    boxes = [(0, 0), (width // 2, 0), (0, height // 2), (width // 2, height // 2)]
    for (x, y), colour in zip(boxes, colours.values(), strict=True):
        image.paste(colour, (x, y, width if x else width // 2, height if y else height // 2))
    return image


def save_dng(
    file: Path,
    image: Image.Image | None = None,
    preview: Image.Image | None = None,
    *,
    masked: tuple[int, int, int, int] = (4, 6, 2, 2),
    inset: tuple[int, int, int, int] = (8, 10, 8, 6),
    layout: str = "bayer",
    tags: Mapping[int, Value] | None = None,
    raw_tags: Mapping[int, Value] | None = None,
    preview_exif: bytes = b"",
    smaller: Sequence[Image.Image] = (),
) -> Path:
    """Saves a DNG whose default crop shows `image`, and magenta around it.

    `masked` (top, left, bottom, right px) lies outside the active area, `inset` within it but
    outside the default crop. `layout` is bayer, lossless (a lossless JPEG) or linear. `tags` go
    into the first directory, where the preview is, and `raw_tags` into that of the RAW pixels.
    `smaller` are further previews, in directories of their own.
    """
    image = image or scene(1200, 800)
    pixels = _linear(_surrounded(image, [m + i for m, i in zip(masked, inset, strict=True)]))
    raw = _raw_directory(pixels, layout, masked) | {
        50829: (LONG, _active_area(pixels, masked)),
        50719: (LONG, [inset[1], inset[0]]),
        50720: (LONG, image.size),
    }
    raw |= raw_tags or {}
    first = _camera() | dict(tags or {})
    if preview is None:
        file.write_bytes(_tiff([first | raw]))
    else:
        others = [_preview_directory(one, preview_exif) for one in smaller]
        file.write_bytes(_tiff([first | _preview_directory(preview, preview_exif), *others, raw]))
    return file


def text(value: str) -> Value:
    """A TIFF tag's text."""
    return ASCII, value.encode() + b"\0"


def claim(file: Path, tag: int, value: int) -> None:
    """Overwrites a LONG of the directory with the RAW pixels: what a forged header claims."""
    content = bytearray(file.read_bytes())
    place = content.rindex(struct.pack("<HHI", tag, LONG, 1))
    content[place + 8 : place + 12] = struct.pack("<I", value)
    file.write_bytes(content)


def _surrounded(image: Image.Image, border: Sequence[int]) -> Image.Image:
    top, left, bottom, right = border
    whole = Image.new("RGB", (image.width + left + right, image.height + top + bottom), _BORDER)
    whole.paste(image, (left, top))
    return whole


def _linear(image: Image.Image) -> np.ndarray:
    """sRGB's numbers as light, (height, width, 3), 16 bits."""
    shown = np.asarray(image) / 255
    light = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    return np.round(light * 65535).astype("<u2")


def _active_area(pixels: np.ndarray, masked: tuple[int, int, int, int]) -> list[int]:
    top, left, bottom, right = masked
    return [top, left, pixels.shape[0] - bottom, pixels.shape[1] - right]


def _camera() -> dict[int, Value]:
    matrix = [(round(number * 10000), 10000) for number in _SEES_SRGB]
    return {
        271: text("Cropperhead"),
        272: text("Test"),
        305: text("Ver.1.02"),
        306: text(TAKEN),  # DateTime: when the file was changed
        36867: text(TAKEN),  # DateTimeOriginal
        50706: (BYTE, [1, 4, 0, 0]),  # DNGVersion
        50708: text("Cropperhead Test"),
        50721: (SRATIONAL, [part for pair in matrix for part in pair]),  # ColorMatrix1
        50728: (RATIONAL, [1, 1] * 3),  # AsShotNeutral
        50778: (SHORT, [21]),  # CalibrationIlluminant1: D65
    }


def _raw_directory(
    pixels: np.ndarray, layout: str, masked: tuple[int, int, int, int]
) -> dict[int, Value]:
    height, width = pixels.shape[:2]
    colours = 3 if layout == "linear" else 1
    if layout != "linear":
        pixels = _mosaic(pixels, *masked[:2])
    data = _lossless_jpeg(pixels) if layout == "lossless" else pixels.tobytes()
    directory = _picture(width, height, data) | {
        254: (LONG, [0]),
        258: (SHORT, [16] * colours),
        259: (SHORT, [_JPEG if layout == "lossless" else _PLAIN]),
        262: (SHORT, [_LINEAR_RAW if layout == "linear" else _CFA]),
        277: (SHORT, [colours]),
        50714: (SHORT, [0] * colours),  # BlackLevel
        50717: (LONG, [65535] * colours),  # WhiteLevel
    }
    if layout != "linear":
        directory |= {33421: (SHORT, [2, 2]), 33422: (BYTE, [0, 1, 1, 2])}  # red green, green blue
    return directory


def _preview_directory(preview: Image.Image, exif: bytes) -> dict[int, Value]:
    buffer = io.BytesIO()
    preview.save(buffer, "JPEG", quality=95, exif=exif)
    return _picture(*preview.size, buffer.getvalue()) | {
        254: (LONG, [1]),  # a reduced picture
        258: (SHORT, [8, 8, 8]),
        259: (SHORT, [_JPEG]),
        262: (SHORT, [_YCBCR]),
        277: (SHORT, [3]),
    }


def _picture(width: int, height: int, data: bytes) -> dict[int, Value]:
    """The tag for the strip's place holds the strip itself until the file is laid out."""
    return {
        256: (LONG, [width]),
        257: (LONG, [height]),
        _STRIP: (LONG, data),
        278: (LONG, [height]),
        279: (LONG, [len(data)]),
    }


def _mosaic(pixels: np.ndarray, top: int, left: int) -> np.ndarray:
    """One colour a pixel: the pattern begins where the active area does."""
    row, column = np.indices(pixels.shape[:2])
    colours = (row + top) % 2 + (column + left) % 2  # 0 red, 1 green, 2 blue
    return np.take_along_axis(pixels, colours[..., None], axis=2)[..., 0]


def _lossless_jpeg(pixels: np.ndarray) -> bytes:
    """ITU T.81, process 14, one component, each pixel predicted by its left neighbour."""
    height, width = pixels.shape
    values = pixels.astype(np.int64)
    before = np.concatenate([np.full((height, 1), 1 << 15), values[:, :-1]], axis=1)
    before[1:, 0] = values[:-1, 0]
    difference = (values - before + 32768) % 65536 - 32768
    bits = "".join(map(_huffman, difference.ravel().tolist()))
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\0")
    # 17 categories, each with a code of five bits
    table = b"\0" + bytes([0, 0, 0, 0, 17, *[0] * 11]) + bytes(range(17))
    frame = struct.pack(">BHHBBBB", 16, height, width, 1, 1, 0x11, 0)
    start = bytes([1, 1, 0x00, 1, 0, 0])  # predictor 1
    segments = [(0xC4, table), (0xC3, frame), (0xDA, start)]
    return b"\xff\xd8" + b"".join(map(_segment, segments)) + scan + b"\xff\xd9"


def _huffman(difference: int) -> str:
    size = abs(difference).bit_length()
    if size == 16:  # -32768, which has no further bits
        return f"{16:05b}"
    value = difference if difference > 0 else difference + (1 << size) - 1
    return f"{size:05b}" + (f"{value:0{size}b}" if size else "")


def _segment(marked: tuple[int, bytes]) -> bytes:
    marker, content = marked
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _tiff(directories: Sequence[dict[int, Value]]) -> bytes:
    """A little-endian TIFF: the first directory, the others as its SubIFDs, then the pixels."""
    out = bytearray(struct.pack("<2sHI", b"II", 42, 0))
    places = [_write(out, directory) for directory in directories[1:]]
    first = dict(directories[0]) | ({_SUBDIRECTORIES: (LONG, places)} if places else {})
    places.insert(0, _write(out, first))
    out[4:8] = struct.pack("<I", places[0])
    for place, directory in zip(places, [first, *directories[1:]], strict=True):
        strip = struct.pack("<I", _append(out, bytes(directory[_STRIP][1])))
        entry = place + 2 + 12 * sorted(directory).index(_STRIP)
        out[entry + 8 : entry + 12] = strip
    return bytes(out)


def _write(out: bytearray, directory: dict[int, Value]) -> int:
    """Appends a directory and its values, but no pixels; gives its place."""
    values = directory | {_STRIP: (LONG, [0])}
    entries = [_entry(out, tag, *values[tag]) for tag in sorted(values)]
    place = _append(out, struct.pack("<H", len(entries)))
    out += b"".join(entries) + struct.pack("<I", 0)
    return place


def _entry(out: bytearray, tag: int, kind: int, value: Sequence[Any] | bytes) -> bytes:
    letters = _STRUCT[kind]
    data = bytes(value) if letters == "B" else struct.pack(f"<{len(value)}{letters[0]}", *value)
    count = len(value) // len(letters)
    if len(data) > 4:
        data = struct.pack("<I", _append(out, data))
    return struct.pack("<HHI", tag, kind, count) + data.ljust(4, b"\0")


def _append(out: bytearray, data: bytes) -> int:
    out += b"\0" * (len(out) % 2)
    place = len(out)
    out += data
    return place
