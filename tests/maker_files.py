"""Small CR3 and RAF files, laid out as cameras do; their RAW pixels are noise that nobody decodes.

No camera's file can be shipped. Sources: ExifTool's Canon.pm, QuickTime.pm and FujiFilm.pm;
LibRaw's cr3_parser.cpp, crx.cpp and identify.cpp.
"""

import io
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

TAKEN = "2024:05:01 12:00:00"
FRAME = (1800, 1200)  # of the sensor, px
_EXIF, _TAKEN = 34665, 36867
_CANON = "85c0b687820f11e08111f4ce462b6a48"
_XMP = "be7acfcb97a942e89c71999491e3afac"
_PREVIEW = "eaf42b5e1c984b88b9fbb7dc406e4d16"
_UNPACKED = 16  # bits of a RAW pixel


def save_cr3(
    file: Path,
    shown: Image.Image,
    packet: bytes | None = None,
    tags: Mapping[int, str] | None = None,
) -> Path:
    """Saves a CR3 with a large JPEG, a preview of half its size, and RAW pixels of `FRAME`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    ftyp = _box("ftyp", b"crx \0\0\0\1crx isom")
    small = _jpeg(shown.resize((shown.width // 2, shown.height // 2)))
    boxes = [_uuid(_XMP, packet)] if packet is not None else []
    boxes.append(_uuid(_PREVIEW, struct.pack(">II", 0, 1) + _prvw(small, shown)))
    time = struct.pack("<IH", 24, 1) + bytes(6) + struct.pack("<xxH8B", 2024, *[5] * 8)
    samples = [_jpeg(shown), _noise(*FRAME), time]
    moov = _moov(tags or {}, [0] * 3, samples)
    start = len(ftyp) + len(moov) + sum(map(len, boxes)) + 16
    places = [start + sum(map(len, samples[:number])) for number in range(3)]
    media = struct.pack(">I4sQ", 1, b"mdat", 16 + sum(map(len, samples))) + b"".join(samples)
    file.write_bytes(ftyp + _moov(tags or {}, places, samples) + b"".join(boxes) + media)
    return file


def save_raf(
    file: Path,
    shown: Image.Image,
    packet: bytes | None = None,
    tags: Mapping[int, str] | None = None,
    has_structure: bool = True,
) -> Path:
    """Saves a RAF with a JPEG and RAW pixels of `FRAME`, which newer cameras put into a structure.

    EXIF and XMP are in the JPEG.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif.update({271: "FUJIFILM", 272: "X-T0", 274: 1, 306: TAKEN, **(tags or {})})
    exif[_EXIF] = {_TAKEN: TAKEN}
    jpeg = _jpeg(shown, exif=exif.tobytes(), **({"xmp": packet} if packet is not None else {}))
    directory = _fuji_directory()
    pixels = _fuji_pixels() if has_structure else _noise(*FRAME)
    places = [160, 160 + len(jpeg), 160 + len(jpeg) + len(directory)]
    head = b"FUJIFILMCCD-RAW 0201FF000000" + b"X-T0".ljust(32, b"\0") + b"0100" + bytes(20)
    for place, part in zip(places, (jpeg, directory, pixels), strict=True):
        head += struct.pack(">II", place, len(part))
    file.write_bytes(head.ljust(160, b"\0") + jpeg + directory + pixels)
    return file


def _moov(tags: Mapping[int, str], places: Sequence[int], samples: Sequence[bytes]) -> bytes:
    first = {271: "Canon", 272: "Canon EOS R0", 306: TAKEN, **tags}
    canon = _box("CNCV", b"CanonCR3_001/00.09.00/00.00.00")
    canon += _box("CMT1", _tiff(first)) + _box("CMT2", _tiff({_TAKEN: TAKEN}))
    canon += _box("CMT3", _tiff({})) + _box("CMT4", _tiff({}))
    movie = _box("mvhd", struct.pack(">5I", 0, 0, 0, 1, 1).ljust(100, b"\0"))
    jpeg = _box("JPEG", bytes(4))
    kinds = [("vide", _craw(jpeg)), ("vide", _craw(_box("CMP1", _cmp1()))), ("meta", _ctmd())]
    tracks = [
        _track(handler, entry, place, len(sample))
        for (handler, entry), place, sample in zip(kinds, places, samples, strict=True)
    ]
    return _box("moov", _uuid(_CANON, canon) + movie + b"".join(tracks))


def _track(handler: str, entry: bytes, place: int, size: int) -> bytes:
    table = _box("stsd", struct.pack(">II", 0, 1) + entry)
    table += _box("stts", struct.pack(">IIII", 0, 1, 1, 1))
    table += _box("stsc", struct.pack(">IIIII", 0, 1, 1, 1, 1))
    table += _box("stsz", struct.pack(">III", 0, size, 1))
    table += _box("co64", struct.pack(">IIQ", 0, 1, place))
    named = _box("hdlr", bytes(8) + handler.encode() + bytes(13))
    media = _box("mdhd", bytes(24)) + named + _box("minf", _box("stbl", table))
    return _box("trak", _box("tkhd", bytes(84)) + _box("mdia", media))


def _craw(inside: bytes) -> bytes:
    sizes = struct.pack(">HH", *FRAME)
    return _box("CRAW", (bytes(7) + b"\1" + bytes(16) + sizes).ljust(82, b"\0") + inside)


def _ctmd() -> bytes:
    return _box("CTMD", bytes(7) + b"\1" + bytes(4))


def _cmp1() -> bytes:
    """Version 1, 14 bits, four planes, three levels, a header of 112 bytes."""
    sizes = struct.pack(">4I", *FRAME, *FRAME)
    head = b"\xff\xff\0\x30\1\0\0\0" + sizes + bytes([14, 0x40, 3, 0]) + struct.pack(">I", 112)
    return head.ljust(60, b"\0")


def _prvw(jpeg: bytes, shown: Image.Image) -> bytes:
    sizes = struct.pack(">IHHHHI", 0, 1, shown.width // 2, shown.height // 2, 1, len(jpeg))
    return _box("PRVW", sizes + jpeg)


def _uuid(name: str, content: bytes) -> bytes:
    return _box("uuid", bytes.fromhex(name) + content)


def _box(kind: str, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind.encode()) + content


def _fuji_directory() -> bytes:
    """The sizes of the sensor, all of which is the picture, and the white balance."""
    down = struct.pack(">HH", FRAME[1], FRAME[0])
    tags = [(0x100, down), (0x110, bytes(4)), (0x111, down), (0x121, down)]
    tags += [(0x130, b"\x0c\x08"), (0x2FF0, struct.pack(">4H", 300, 500, 300, 400))]
    packed = b"".join(struct.pack(">HH", tag, len(value)) + value for tag, value in tags)
    return struct.pack(">I", len(tags)) + packed


def _fuji_pixels() -> bytes:
    """RAW pixels behind a structure of one directory inside another one."""
    pixels, strip = _noise(*FRAME), 2048
    values = {0xF001: FRAME[0], 0xF002: FRAME[1], 0xF003: _UNPACKED, 0xF007: strip}
    inner = _long_tags(values | {0xF008: len(pixels)})
    outer = _long_tags({0xF000: 8 + 2 + 12 + 4})
    return (struct.pack("<2sHI", b"II", 42, 8) + outer + inner).ljust(strip, b"\0") + pixels


def _long_tags(values: Mapping[int, int]) -> bytes:
    entries = (struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(values.items()))
    return struct.pack("<H", len(values)) + b"".join(entries) + bytes(4)


def _tiff(tags: Mapping[int, str]) -> bytes:
    """A directory of texts of more than four bytes."""
    texts = {tag: text.encode() + b"\0" for tag, text in sorted(tags.items())}
    place, entries = 8 + 2 + 12 * len(texts) + 4, b""
    for tag, text in texts.items():
        entries += struct.pack("<HHII", tag, 2, len(text), place)
        place += len(text)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(texts))
    return head + entries + bytes(4) + b"".join(texts.values())


def _jpeg(image: Image.Image, **extra: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92, **extra)
    return buffer.getvalue()


def _noise(width: int, height: int) -> bytes:
    generator = np.random.default_rng(1)
    return generator.integers(0, 1 << 14, width * height, dtype="<u2").tobytes()
