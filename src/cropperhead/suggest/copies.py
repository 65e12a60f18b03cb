"""Cropped copies of photos, at full resolution, with what the photo says of itself.

EXIF, XMP, the colour profile and a JPEG's IPTC are carried over. What is not true of the copy is
changed or left out: it lies upright, has another size, no thumbnail of the whole, and no crop to be
made. Of a RAW photo EXIF is taken where the file is a TIFF within, as most are, without what only
its maker can read.
"""

import io
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, JpegImagePlugin
from PIL.PngImagePlugin import PngInfo

from cropperhead.api import Crop
from cropperhead.editors import lightroom
from cropperhead.editors.xmp import Name, Packet
from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.library import sidecars
from cropperhead.photos import image as photos
from cropperhead.photos import raw as raws

_FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe"), "JPEG"),
    ".png": "PNG",
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    ".webp": "WEBP",
}
_OTHERWISE = ".jpg"
_MOST_MEGAPIXELS = 400  # as in `api`
# Modes of Pillow in which each format keeps a picture. 16 bits of one channel are cut out as such.
_MODES = {
    "JPEG": {"L", "RGB", "CMYK"},
    "PNG": {"L", "LA", "RGB", "RGBA", "I;16"},
    "TIFF": {"L", "LA", "RGB", "RGBA", "CMYK", "I;16"},
    "WEBP": {"RGB", "RGBA"},
}
# EXIF 2.32
_ORIENTATION, _EXIF, _GPS, _WIDTH, _HEIGHT = 0x0112, 0x8769, 0x8825, 0xA002, 0xA003
_XMP, _PHOTOSHOP, _MAKERS_NOTES = 0x02BC, 0x8649, 0x927C
# Of a TIFF's first directory (TIFF 6.0) what describes photographer and camera; the rest describes
# the pixels and where they lie.
_TOLD = frozenset({0x010E, 0x010F, 0x0110, 0x0112, 0x0131, 0x0132, 0x013B, 0x8298, 0x8769, 0x8825})
_TIFF_NAMESPACE = "http://ns.adobe.com/tiff/1.0/"
_SEGMENT = 0xFFFF - 2  # bytes in one segment of a JPEG
_XMP_SEGMENT = _SEGMENT - len(b"http://ns.adobe.com/xap/1.0/\0")


def name(photo: str) -> str:
    """What a copy of a photo is called: the same, or .jpg is put behind."""
    return photo if sidecars.suffix(photo) in _FORMATS else photo + _OTHERWISE


def made(file: Path, crop: Crop, shown_as: int | None, quality: int) -> bytes:
    """The cropped copy of a photo, in its own format if that is JPEG, PNG, TIFF or WebP, else JPEG.

    `crop` is as displayed by the orientation `shown_as`, None for the camera's; `quality` is that
    of JPEG and WebP. Raises RejectedFile where the photo cannot be read.
    """
    kind = _FORMATS[sidecars.suffix(name(file.name))]
    if sidecars.suffix(file.name) in raws.SUFFIXES:
        with raws.opened(file, _MOST_MEGAPIXELS) as raw:
            side = max(raw.frame)
            shown = photos.upright(raw.picture(side), shown_as or raw.shown_as, side)
        picture = crop.apply(shown)
        return _saved(picture, kind, {"quality": quality} | _exif(_raw_tags(file), picture, "TIFF"))
    with photos.opened(file, _MOST_MEGAPIXELS) as image:
        kept = _kept(image, kind) | _way(image, kind, quality)
        tags, told = image.getexif(), {str(key): value for key, value in image.info.items()}
        shown = photos.displayed(image, shown_as or photos.shown_as(image))
        picture = crop.apply(_in_mode_of(shown, kind))
        exif = _exif(tags, picture, kind)
        return _saved(picture, kind, kept | exif | _packet(told, kind, exif))


def _raw_tags(file: Path) -> Image.Exif:
    """EXIF of a RAW file, most of which are TIFF files, with camera, lens and time; else none."""
    tags = Image.Exif()
    try:
        with file.open("rb") as stream:
            tags.load_from_fp(stream)
            for inner in (_EXIF, _GPS):  # read while the file is open
                tags.get_ifd(inner)
            tags.get_ifd(_EXIF).pop(_MAKERS_NOTES, None)  # which point into the file
            return tags
    except (OSError, SyntaxError, ValueError, KeyError, struct.error):
        return Image.Exif()


def _in_mode_of(image: Image.Image, kind: str) -> Image.Image:
    if image.mode in _MODES[kind] or (image.mode.startswith("I;16") and "I;16" in _MODES[kind]):
        return image
    has_alpha = image.has_transparency_data and "RGBA" in _MODES[kind]
    return image.convert("RGBA" if has_alpha else "RGB")


def _saved(image: Image.Image, kind: str, options: Mapping[str, Any]) -> bytes:
    image.info = {}  # of which Pillow would carry some along, unasked
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _kept(image: Image.Image, kind: str) -> dict[str, Any]:
    """The colour profile, and what else can be taken over as it is."""
    profile = image.info.get("icc_profile")
    kept = {"icc_profile": profile} if profile else {}
    if kind == "JPEG":
        segments = [segment for which, segment in _segments(image) if which == "APP13"]
        kept["extra"] = b"".join(
            b"\xff\xed" + (len(segment) + 2).to_bytes(2, "big") + segment for segment in segments
        )
        kept["comment"] = image.info.get("comment", b"")
    return kept


def _segments(image: Image.Image) -> list[tuple[str, bytes]]:
    return list(getattr(image, "applist", []))


def _way(image: Image.Image, kind: str, quality: int) -> dict[str, Any]:
    """How the pixels are to be compressed: as they were, as far as that is known."""
    if kind == "TIFF":
        way = image.info.get("compression", "raw")
        lossless = {"raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits"}
        return {"compression": way if way in lossless else "tiff_lzw"}
    if kind == "PNG":
        return {}
    sampling = JpegImagePlugin.get_sampling(image) if hasattr(image, "layer") else -1
    return {"quality": quality} | ({"subsampling": sampling} if sampling >= 0 else {})


def _exif(tags: Image.Exif, picture: Image.Image, kind: str) -> dict[str, Any]:
    """EXIF without the thumbnail, which Pillow does not write."""
    if kind == "TIFF":
        for tag in set(tags) - _TOLD:
            del tags[tag]
    for tag in {_XMP, _PHOTOSHOP} & set(tags):
        del tags[tag]
    if not tags:
        return {}
    if _ORIENTATION in tags:
        tags[_ORIENTATION] = orientation.UPRIGHT
    inner = tags.get_ifd(_EXIF)
    inner |= {
        t: size for t, size in zip((_WIDTH, _HEIGHT), picture.size, strict=True) if t in inner
    }
    if kind == "JPEG" and len(tags.tobytes()) > _SEGMENT:
        inner.pop(_MAKERS_NOTES, None)  # all else is small
    return {"exif": tags}


def _packet(told: Mapping[str, Any], kind: str, exif: Mapping[str, Any]) -> dict[str, Any]:
    """XMP, where there is some that can be read, in the words of Pillow's options."""
    xmp = told.get("xmp") or told.get("XML:com.adobe.xmp")
    if not xmp:
        return {}
    try:
        packet = _true_of_a_copy(xmp.encode() if isinstance(xmp, str) else bytes(xmp))
    except RejectedFile:
        return {}
    if kind == "PNG":
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", packet.decode("utf-8", "replace"))
        return {"pnginfo": text}
    if kind == "TIFF":
        tags = exif.get("exif") or Image.Exif()
        tags[_XMP] = packet
        return {"exif": tags}
    fits = kind != "JPEG" or len(packet) <= _XMP_SEGMENT
    return {"xmp": packet} if fits else {}


def _true_of_a_copy(xmp: bytes) -> bytes:
    """The packet without a crop that would be made again, and upright."""
    packet = Packet(xmp.rstrip(b"\0"))
    for tag in ("HasCrop", *lightroom.LIMIT_TAGS):
        packet.remove(Name(lightroom.NAMESPACE, "crs", tag))
    turned = Name(_TIFF_NAMESPACE, "tiff", "Orientation")
    if packet.get(turned) is not None:
        packet.set(turned, str(orientation.UPRIGHT))
    return packet.changed()
