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


def _start(tag: int) -> bytes:
    """The start of a TIFF's entry of one whole number."""
    return struct.pack(">HHI", tag, _SHORT, 1)
