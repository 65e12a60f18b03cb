"""Writes photos of the demo library: pixels, EXIF and XMP, with fixed file times."""

import calendar
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cropperhead.demo.packets import Value, xmp_packet
from cropperhead.demo.painting import paint
from cropperhead.demo.rolls import DemoPhoto
from cropperhead.editors.lightroom import LIMIT_TAGS, encode
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import FULL_FRAME
from cropperhead.photos import image

JPEG_QUALITY = 88
_FORMATS: Mapping[str, str] = {".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF"}
_FULL: Mapping[str, Value] = dict(zip(LIMIT_TAGS, FULL_FRAME, strict=True))
# The metadata of an uncropped photo: none, or one of three forms
_UNCROPPED: tuple[Mapping[str, Value] | None, ...] = (
    None,
    {"HasCrop": False},
    {"HasCrop": False, **_FULL},
    _FULL,
)
_XMP_TAG = 700  # TIFF's tag for an XMP packet
_MAKE, _MODEL, _ORIENTATION, _EXIF_BLOCK, _TAKEN = 0x010F, 0x0110, 0x0112, 0x8769, 0x9003


def photo_files(photo: DemoPhoto) -> list[str]:
    """Return the paths of a photo and its sidecar, relative to the library."""
    with_sidecar = photo.sidecar and _packet(photo) is not None
    return [photo.path, sidecar_path(photo.path)] if with_sidecar else [photo.path]


def sidecar_path(path: str) -> str:
    """Return the path of a photo's sidecar."""
    return str(Path(path).with_suffix(".xmp").as_posix())


def write_photo(folder: Path, photo: DemoPhoto) -> None:
    """Paint a photo and write it below `folder`, with its sidecar if it has one."""
    content = _packet(photo)
    picture = encode_photo(
        photo, paint(photo.scene, photo.grain_seed), None if photo.sidecar else content
    )
    write_with_time(folder / photo.path, picture, photo)
    if photo.sidecar and content is not None:
        write_with_time(folder / sidecar_path(photo.path), content, photo)


def write_with_time(file: Path, content: bytes, photo: DemoPhoto) -> None:
    """Write a file with the photo's time, so that libraries also agree in their file times."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    moment = calendar.timegm(photo.capture_time.timetuple())
    os.utime(file, (moment, moment))


def encode_photo(photo: DemoPhoto, picture: Image.Image, xmp: bytes | None) -> bytes:
    """Encode a displayed picture in the photo's format and orientation."""
    stored = image.transpose(picture, orientation.inverse(photo.orientation))
    kind, file = _FORMATS[Path(photo.path).suffix.lower()], io.BytesIO()
    stored.save(file, kind, **_save_options(kind, photo, xmp))
    return file.getvalue()


def _save_options(kind: str, photo: DemoPhoto, xmp: bytes | None) -> dict[str, Any]:
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
    return {"exif": exif.tobytes()}  # uncompressed: otherwise libtiff drops the capture time


def _exif(photo: DemoPhoto) -> Image.Exif:
    exif = Image.Exif()
    exif[_MAKE], exif[_MODEL] = photo.camera
    exif[_ORIENTATION] = photo.orientation
    exif.get_ifd(_EXIF_BLOCK)[_TAKEN] = photo.capture_time.strftime("%Y:%m:%d %H:%M:%S")
    return exif


def camera_raw_settings(photo: DemoPhoto) -> Mapping[str, Value] | None:
    """Return the Camera Raw settings of the photo's crop; None if it has no settings."""
    if photo.crop is None:
        return _UNCROPPED[photo.uncropped_form]
    width, height = photo.scene.width, photo.scene.height
    stored = orientation.displayed_size(width, height, orientation.inverse(photo.orientation))
    return encode(photo.crop, *stored, shown_as=photo.orientation)


def _packet(photo: DemoPhoto) -> bytes | None:
    settings = camera_raw_settings(photo)
    return None if settings is None else xmp_packet(settings, photo.orientation, photo.elements)
