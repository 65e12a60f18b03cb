"""Cropped copies of photos at full resolution, with the photo's metadata, and the folder of them.

EXIF, XMP, the colour profile and a JPEG's IPTC are carried over. What is not true of the copy is
changed or dropped: it is upright, has another size, no thumbnail of the whole photo, and no crop
left to apply. EXIF of a RAW photo is copied if the file is a TIFF inside, as most are, without the
maker's notes.

`journal` notes each copy with its hash. A copy is recognised by it, and `undo` removes it.
"""

import hashlib
import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, JpegImagePlugin
from PIL.PngImagePlugin import PngInfo

from cropperhead.api import Crop
from cropperhead.editors import lightroom
from cropperhead.editors.xmp import Name, Packet
from cropperhead.errors import RejectedFile, WritingError
from cropperhead.geometry import orientation
from cropperhead.library import journal, sidecars
from cropperhead.library.journal import Journals, Record
from cropperhead.photos import photo_file
from cropperhead.photos.image import displayed_picture, upright_copy

_FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe"), "JPEG"),
    ".png": "PNG",
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    ".webp": "WEBP",
}
_OTHER_SUFFIX = ".jpg"
# Modes of Pillow in which each format keeps a picture. 16 bits of one channel are cut out as such.
_MODES = {
    "JPEG": {"L", "RGB", "CMYK"},
    "PNG": {"L", "LA", "RGB", "RGBA", "I;16"},
    "TIFF": {"L", "LA", "RGB", "RGBA", "CMYK", "I;16"},
    "WEBP": {"RGB", "RGBA"},
}
_LOSSLESS = {"raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits"}
# EXIF 2.32
_ORIENTATION, _EXIF, _GPS, _WIDTH, _HEIGHT = 0x0112, 0x8769, 0x8825, 0xA002, 0xA003
_XMP, _PHOTOSHOP, _MAKERS_NOTES = 0x02BC, 0x8649, 0x927C
# The tags of a TIFF's first directory (TIFF 6.0) that describe photographer and camera; the others
# describe the pixels and their place in the file.
_DESCRIPTIVE = frozenset(
    {0x010E, 0x010F, 0x0110, 0x0112, 0x0131, 0x0132, 0x013B, 0x8298, 0x8769, 0x8825}
)
_TIFF_NAMESPACE = "http://ns.adobe.com/tiff/1.0/"
_SEGMENT = 0xFFFF - 2  # bytes in one segment of a JPEG
_XMP_SEGMENT = _SEGMENT - len(b"http://ns.adobe.com/xap/1.0/\0")
_SOURCE, _TRACE, _MAKER = "Source", "Trace", "Maker"  # of a journal's note

Trace = tuple[int, int] | None  # a file's size and time


def is_copy(file: Path, journals: Journals) -> bool:
    """Whether CropperHead wrote this file as a copy, so that it is not cropped again.

    Raises WritingError where the journal cannot be read.
    """
    last = journals.last_change(file)
    return last is not None and _SOURCE in last.note


@dataclass(frozen=True)
class CopyFolder:
    """The folder for copies.

    `maker` names what the copies are made by: the model, what is asked of it, and their quality.
    """

    folder: Path
    maker: str
    journals: Journals

    def target(self, relative: str) -> Path:
        """Return the file for the copy of a photo, by its path in the folder that was named."""
        path = self.folder / relative
        return path.with_name(_copy_name(path.name))

    def is_current(self, target: Path, source: Path, trace: Trace) -> bool:
        """Whether the copy exists as it would be made now.

        Raises WritingError for another file in its place, which is not overwritten.
        """
        if not (target.exists() or target.is_symlink()):
            return False
        last = self.journals.last_change(target)
        if last is None or _SOURCE not in last.note or not _is_as_written(target, last):
            raise WritingError(f"{target}: already exists and was not written by CropperHead.")
        if last.note[_SOURCE] != str(source.resolve()):
            raise WritingError(f"{target}: already exists, as the copy of {last.note[_SOURCE]}.")
        return last.note == self._note(source, trace)

    def write(self, target: Path, source: Path, trace: Trace, content: bytes) -> None:
        """Write a copy, or replace an earlier one of the same photo. Raises WritingError."""
        try:
            self.is_current(target, source, trace)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)  # it can be made again from the photo: no backup
        except OSError as error:
            raise WritingError(f"{target}: cannot be written: {error.strerror}") from error
        journal.write_file(target, content, None, self._note(source, trace))

    def _note(self, source: Path, trace: Trace) -> Mapping[str, str]:
        return {_SOURCE: str(source.resolve()), _TRACE: str(trace), _MAKER: self.maker}


def cropped_copy(file: Path, crop: Crop, shown_as: int | None, quality: int) -> bytes:
    """Make the cropped copy of a photo, in its own format if JPEG, PNG, TIFF or WebP, else JPEG.

    `crop` is as displayed by the orientation `shown_as`, None for the camera's. `quality`, 1 to
    100, is for JPEG and WebP. Raises RejectedFile where the photo cannot be read.
    """
    kind = _FORMATS[sidecars.suffix(_copy_name(file.name))]
    with photo_file.open_photo(file) as photo:
        side, shown_as = max(photo.frame), shown_as or photo.shown_as
        image = photo.picture(side)
        if photo_file.is_raw(file):
            picture = crop.apply(upright_copy(image, shown_as, side))
            exif = _exif(_raw_tags(file), picture, "TIFF")
            return _encode(picture, "JPEG", {"quality": quality} | exif)
        options = _profile_and_iptc(image, kind) | _compression(image, kind, quality)
        tags, info = image.getexif(), {str(key): value for key, value in image.info.items()}
        picture = crop.apply(_in_mode_of(displayed_picture(image, shown_as), kind))
        exif = _exif(tags, picture, kind)
        return _encode(picture, kind, options | exif | _xmp(info, kind, exif))


def _copy_name(photo: str) -> str:
    """The photo's own name, with .jpg appended if copies are not of its format."""
    return photo if sidecars.suffix(photo) in _FORMATS else photo + _OTHER_SUFFIX


def _is_as_written(file: Path, record: Record) -> bool:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == record.after
    except OSError:
        return False


def _raw_tags(file: Path) -> Image.Exif:
    """EXIF of a RAW file, with camera, lens and time, if it is a TIFF file as most are."""
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


def _encode(image: Image.Image, kind: str, options: Mapping[str, Any]) -> bytes:
    image.info = {}  # Pillow would write some of it, unasked
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _profile_and_iptc(image: Image.Image, kind: str) -> dict[str, Any]:
    """The colour profile, and a JPEG's IPTC and comment, as Pillow's options."""
    profile = image.info.get("icc_profile")
    options = {"icc_profile": profile} if profile else {}
    if kind == "JPEG":
        segments = [content for name, content in _segments(image) if name == "APP13"]
        options["extra"] = b"".join(
            b"\xff\xed" + (len(content) + 2).to_bytes(2, "big") + content for content in segments
        )
        options["comment"] = image.info.get("comment", b"")
    return options


def _segments(image: Image.Image) -> list[tuple[str, bytes]]:
    return list(getattr(image, "applist", []))


def _compression(image: Image.Image, kind: str, quality: int) -> dict[str, Any]:
    """How to compress the pixels: as they were, as far as that is known."""
    if kind == "TIFF":
        compression = image.info.get("compression", "raw")
        return {"compression": compression if compression in _LOSSLESS else "tiff_lzw"}
    if kind == "PNG":
        return {}
    sampling = JpegImagePlugin.get_sampling(image) if hasattr(image, "layer") else -1
    return {"quality": quality} | ({"subsampling": sampling} if sampling >= 0 else {})


def _exif(tags: Image.Exif, picture: Image.Image, kind: str) -> dict[str, Any]:
    """EXIF without the thumbnail, which Pillow does not write."""
    if kind == "TIFF":
        for tag in set(tags) - _DESCRIPTIVE:
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


def _xmp(info: Mapping[str, Any], kind: str, exif: Mapping[str, Any]) -> dict[str, Any]:
    """XMP as Pillow's options, if there is some that can be read."""
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp")
    if not xmp:
        return {}
    try:
        packet = _without_crop(xmp.encode() if isinstance(xmp, str) else bytes(xmp))
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


def _without_crop(xmp: bytes) -> bytes:
    """The packet without the crop, which would be applied again, and upright."""
    packet = Packet(xmp.rstrip(b"\0"))
    for tag in ("HasCrop", *lightroom.LIMIT_TAGS):
        packet.remove(Name(lightroom.NAMESPACE, "crs", tag))
    displayed_by = Name(_TIFF_NAMESPACE, "tiff", "Orientation")
    if packet.get(displayed_by) is not None:
        packet.set(displayed_by, str(orientation.UPRIGHT))
    return packet.to_bytes()
