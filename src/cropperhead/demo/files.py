"""Photos of the demo library as files: pixels, EXIF and XMP, with fixed times."""

import calendar
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cropperhead.demo.packets import Value, packet
from cropperhead.demo.painting import paint
from cropperhead.demo.rolls import Photo
from cropperhead.editors.lightroom import LIMIT_TAGS, encode
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import FULL_FRAME
from cropperhead.photos import image

JPEG_QUALITY = 88
_FORMATS: Mapping[str, str] = {".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF"}
_FULL: Mapping[str, Value] = dict(zip(LIMIT_TAGS, FULL_FRAME, strict=True))
# The four ways of an uncropped photo: without a word, or in one of three forms.
_UNCROPPED: tuple[Mapping[str, Value] | None, ...] = (
    None,
    {"HasCrop": False},
    {"HasCrop": False, **_FULL},
    _FULL,
)
_XMP_TAG = 700  # TIFF's tag for an XMP packet
_MAKE, _MODEL, _ORIENTATION, _EXIF_BLOCK, _TAKEN = 0x010F, 0x0110, 0x0112, 0x8769, 0x9003


def paths(photo: Photo) -> list[str]:
    """The files that a photo is stored in, relative to the library."""
    with_sidecar = photo.sidecar and _packet(photo) is not None
    return [photo.path, sidecar_of(photo.path)] if with_sidecar else [photo.path]


def sidecar_of(path: str) -> str:
    """The sidecar's path for a photo's."""
    return str(Path(path).with_suffix(".xmp").as_posix())


def write_photo(folder: Path, photo: Photo) -> None:
    """Paints a photo and writes it below `folder`, with its sidecar where it has one."""
    content = _packet(photo)
    picture = encoded(
        photo, paint(photo.scene, photo.grain_seed), None if photo.sidecar else content
    )
    write(folder / photo.path, picture, photo)
    if photo.sidecar and content is not None:
        write(folder / sidecar_of(photo.path), content, photo)


def write(file: Path, content: bytes, photo: Photo) -> None:
    """Writes a file whose time is the photo's: two libraries are alike in their times, too."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    moment = calendar.timegm(photo.captured.timetuple())
    os.utime(file, (moment, moment))


def encoded(photo: Photo, picture: Image.Image, xmp: bytes | None) -> bytes:
    """A displayed picture as the photo's file would hold it."""
    stored = image.transposed(picture, orientation.inverse(photo.orientation))
    kind, file = _FORMATS[Path(photo.path).suffix.lower()], io.BytesIO()
    stored.save(file, kind, **_save_options(kind, photo, xmp))
    return file.getvalue()


def _save_options(kind: str, photo: Photo, xmp: bytes | None) -> dict[str, Any]:
    exif = _exif(photo)
    if kind == "JPEG":
        options: dict[str, Any] = {"quality": JPEG_QUALITY, "exif": exif.tobytes()}
        return options | ({"xmp": xmp} if xmp else {})
    if kind == "PNG":
        info = PngInfo()
        if xmp:
            info.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8"))
        return {"exif": exif.tobytes(), "pnginfo": info, "compress_level": 6}
    if xmp:
        exif[_XMP_TAG] = xmp
    return {"exif": exif.tobytes()}  # not compressed: libtiff would leave out the capture time


def _exif(photo: Photo) -> Image.Exif:
    exif = Image.Exif()
    exif[_MAKE], exif[_MODEL] = photo.camera
    exif[_ORIENTATION] = photo.orientation
    exif.get_ifd(_EXIF_BLOCK)[_TAKEN] = photo.captured.strftime("%Y:%m:%d %H:%M:%S")
    return exif


def settings_of(photo: Photo) -> Mapping[str, Value] | None:
    """The Camera Raw settings that tell of the photo's crop; None where nothing does."""
    if photo.crop is None:
        return _UNCROPPED[photo.says]
    width, height = photo.scene.width, photo.scene.height
    stored = orientation.displayed_size(width, height, orientation.inverse(photo.orientation))
    return encode(photo.crop, *stored, shown_as=photo.orientation)


def _packet(photo: Photo) -> bytes | None:
    settings = settings_of(photo)
    return None if settings is None else packet(settings, photo.orientation, photo.elements)
