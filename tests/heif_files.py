"""HEIC and AVIF files whose container and EXIF tell different orientations."""

import struct
from pathlib import Path

import pillow_heif
from conftest import picture
from PIL import Image

_ORIENTATION, _SPARE, _UNUSED = 0x0112, 0x0113, 0x0114  # the latter two mean nothing to anybody
_SHORT = 3


def save_heif(
    file: Path, container: int, exif: int | None, image: Image.Image | None = None
) -> Path:
    """Saves a picture that its container displays by one orientation and its EXIF by another.

    The programs that write these formats turn the container by the orientation in the EXIF; so that
    is renamed afterwards, and another one takes its name. Without `exif` there is none.
    """
    pillow_heif.register_heif_opener()
    tags = Image.Exif()
    tags[_ORIENTATION], tags[_SPARE] = container, exif or 0
    saved = {"chroma": 444} if file.suffix == ".heic" else {"subsampling": "4:4:4"}
    (image or picture()).save(file, exif=tags.tobytes(), quality=95, **saved)
    content = file.read_bytes().replace(_start(_ORIENTATION), _start(_UNUSED))
    assert content.count(_start(_SPARE)) == 1
    if exif is not None:
        content = content.replace(_start(_SPARE), _start(_ORIENTATION))
    file.write_bytes(content)
    return file


def save_cut(file: Path, image: Image.Image, shown: tuple[int, int, int, int]) -> Path:
    """Saves an HEIC of which a clean aperture shows left, top, width and height in px.

    The encoder makes one for sides that are not even, which is widened by a pixel and moved here.
    Source: ISO/IEC 14496-12, 12.1.4.
    """
    pillow_heif.register_heif_opener()
    assert (image.width % 8, image.height % 8) == (7, 7)
    image.save(file, quality=95, chroma=444)
    left, top, width, height = shown
    across, down = 2 * left + width - (image.width + 1), 2 * top + height - (image.height + 1)
    aperture = struct.pack(">4I", width, 1, height, 1) + struct.pack(">iIiI", across, 2, down, 2)
    content = file.read_bytes()
    assert content.count(b"clap") == 1
    start = content.index(b"clap") + 4
    file.write_bytes(content[:start] + aperture + content[start + len(aperture) :])
    return file


def _start(tag: int) -> bytes:
    """The start of a TIFF's entry of one whole number."""
    return struct.pack(">HHI", tag, _SHORT, 1)
