"""Cropped copies of photos at full resolution, with the photo's metadata, and the folder of them.

A copy has only the metadata that is known to be true of it: it shows nothing that was cropped off,
and places in it are in its own frame. EXIF of a RAW photo is copied if the file is a TIFF inside,
as most are.

`journal` notes each copy with its hash. A copy is recognised by it, and `undo` removes it.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, JpegImagePlugin

from cropperhead.api import Crop
from cropperhead.errors import RejectedFile, WritingError
from cropperhead.library import journal, sidecars
from cropperhead.library.journal_records import Journals, Record, copy_note, naming
from cropperhead.photos import copy_mark, photo_file
from cropperhead.photos.image import displayed_picture, upright_copy
from cropperhead.suggest import copied_metadata
from cropperhead.suggest.options import CopySettings
from cropperhead.suggest.reframing import Reframing

_FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe"), "JPEG"),
    ".png": "PNG",
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    ".webp": "WEBP",
}
# The photo, its crop and the turned photo in between are in memory together: 1.1 GB in RGB, or
# 1.6 GB where the photo is turned. The largest cameras have 151
_MOST_MEGAPIXELS = 160
_OTHER_SUFFIX = ".jpg"
# Modes of Pillow in which each format keeps a picture. 16 bits of one channel are cut out as such.
_MODES = {
    "JPEG": {"L", "RGB", "CMYK"},
    "PNG": {"L", "LA", "RGB", "RGBA", "I;16"},
    "TIFF": {"L", "LA", "RGB", "RGBA", "CMYK", "I;16"},
    "WEBP": {"RGB", "RGBA"},
}
_LOSSLESS = {"raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits"}
_TRACE, _MAKER = "Trace", "Maker"  # of a journal's note

Trace = tuple[int, int] | None  # a file's size and time


def is_copy(file: Path, journals: Journals) -> bool:
    """Whether CropperHead wrote this file as a copy, so that it is not cropped again."""
    try:
        last = journals.last_change(file)
    except WritingError:  # reported where something is to be written there
        return False
    return last is not None and last.copied_photo is not None


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
        earlier = self._earlier_copy(target, source)
        return earlier is not None and earlier.note == self._note(source, trace)

    def write(self, target: Path, source: Path, trace: Trace, content: bytes) -> None:
        """Write a copy, or replace an earlier one of the same photo. Raises WritingError."""
        earlier = self._earlier_copy(target, source)
        if earlier is not None and not copy_mark.is_marked(target):
            raise WritingError(f"{target}: already exists; {copy_mark.MISSING}.")
        replaced = None if earlier is None else earlier.after
        with naming(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        journal.write_file(target, content, None, self._note(source, trace), replaced)

    def _earlier_copy(self, target: Path, source: Path) -> Record | None:
        """The change that wrote an earlier copy of the same photo, None where there is no file.

        Raises WritingError for another file.
        """
        if not (target.exists() or target.is_symlink()):
            return None
        earlier = self.journals.if_as_written(target)
        if earlier is None or earlier.copied_photo is None:
            raise WritingError(f"{target}: already exists and was not written by CropperHead.")
        if earlier.copied_photo != str(source.resolve()):
            raise WritingError(f"{target}: already exists, as the copy of {earlier.copied_photo}.")
        return earlier

    def _note(self, source: Path, trace: Trace) -> Mapping[str, str]:
        return copy_note(source) | {_TRACE: str(trace), _MAKER: self.maker}


def _refuse_too_large(width: int, height: int) -> None:
    if width * height > _MOST_MEGAPIXELS * 1e6:
        raise RejectedFile(
            "too_large",
            f"{width} x {height} px, expected at most {_MOST_MEGAPIXELS} megapixels for a cropped "
            "copy. Write the crop for an editor (--write), and export it there",
        )


def cropped_copy(file: Path, crop: Crop, shown_as: int | None, settings: CopySettings) -> bytes:
    """Make the cropped copy of a photo, in its own format if JPEG, PNG, TIFF or WebP, else JPEG.

    `crop` is as displayed by the orientation `shown_as`, None for the camera's. Raises RejectedFile
    where the photo cannot be read or is too large to be cut out whole.
    """
    kind = _FORMATS[sidecars.suffix(_copy_name(file.name))]
    with photo_file.open_photo(file) as photo:
        frame, side, shown_as = photo.frame, max(photo.frame), shown_as or photo.shown_as
        _refuse_too_large(*frame)
        image, reframing = photo.picture(side), None
        compression = _compression(image, kind, settings.quality)
        if photo_file.is_raw(file):
            metadata = copied_metadata.read_raw_metadata(file)
            picture = crop.apply(upright_copy(image, shown_as, side))
        else:
            metadata = copied_metadata.read_metadata(image)
            picture = crop.apply(_in_mode_of(displayed_picture(image, shown_as), kind))
            reframing = Reframing(frame, shown_as, crop, picture.size)
        options = metadata.options(kind, picture.size, reframing, settings)
        return _encode(picture, kind, options | compression)


def _copy_name(photo: str) -> str:
    """The photo's own name, with .jpg appended if copies are not of its format."""
    return photo if sidecars.suffix(photo) in _FORMATS else photo + _OTHER_SUFFIX


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


def _compression(image: Image.Image, kind: str, quality: int) -> dict[str, Any]:
    """How to compress the pixels: as they were, as far as that is known."""
    if kind == "TIFF":
        compression = image.info.get("compression", "raw")
        return {"compression": compression if compression in _LOSSLESS else "tiff_lzw"}
    if kind == "PNG":
        return {}
    sampling = JpegImagePlugin.get_sampling(image) if hasattr(image, "layer") else -1
    return {"quality": quality} | ({"subsampling": sampling} if sampling >= 0 else {})
