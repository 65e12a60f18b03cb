"""One file of a library: its crops, its small copy and its facts, or the reason why not."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cropperhead.dataset.columns import NO_SUGGESTION, SUGGESTED_BY, SUGGESTED_COLUMNS
from cropperhead.dataset.outcome import (
    AUTOMATIC,
    CROPPED,
    REJECTED,
    SUGGESTED,
    UNCROPPED,
    FileOutcome,
)
from cropperhead.editors import base
from cropperhead.editors.base import LeftOut
from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import CROP_COLUMNS, Crop
from cropperhead.library import edited_photo, settings
from cropperhead.library.edited_photo import CopySize, EditedPhoto, ReadOptions
from cropperhead.library.marks import Mark
from cropperhead.library.scan import Entry
from cropperhead.params import ExtractParams
from cropperhead.photos import exiftool

_SOURCE_DOCUMENT = ("DocumentID", "OriginalDocumentID")  # in a DerivedFrom
_LARGEST = 2**63  # beyond what a column of whole numbers holds


@dataclass(frozen=True)
class Reading:
    """One file as it was read: its outcome, and its rows for a shard when it is cropped."""

    outcome: FileOutcome
    rows: tuple[dict[str, Any], ...] = ()


def read_rows(
    folder: Path,
    batch: Sequence[Entry],
    numbers: Sequence[int],
    reader: exiftool.TagReader,
    params: ExtractParams,
    pixels: bool = True,
    before_opening: Callable[[Entry], object] = lambda _: None,
) -> Iterator[Reading]:
    """Reads a batch of files of the library in `folder`, in order; none can end the run.

    `numbers` are the files', `reader` is a running ExifTool. Without `pixels` nothing is decoded:
    the rows then lack the columns of the picture. `before_opening` is as in
    `edited_photo.read_cropped`.
    """
    copy = CopySize(params.long_side, params.jpeg_quality) if pixels else None
    keeps_automatic = params.automatic == "keep"
    options = ReadOptions(params.max_megapixels, tuple(params.tags), copy, keeps_automatic)
    photos = edited_photo.read_cropped(folder, batch, reader, options, before_opening)
    for entry, number, photo in zip(batch, numbers, photos, strict=True):
        yield _reading(FileOutcome(entry.file, number, entry.trace, UNCROPPED), photo, params)


def failed_reading(entry: Entry, number: int, error: RejectedFile) -> Reading:
    """Return the reading of a file that could not be read, with the error's kind and message."""
    return _rejected(FileOutcome(entry.file, number, entry.trace, UNCROPPED), error)


def _reading(
    outcome: FileOutcome, photo: EditedPhoto | RejectedFile | None, params: ExtractParams
) -> Reading:
    """The outcome of one file that is uncropped so far, and its rows."""
    if photo is None:
        return Reading(outcome)
    if isinstance(photo, RejectedFile):
        return _rejected(outcome, photo)
    rows = tuple(row | {"number": outcome.number} for row in _rows(photo, params))
    left_out = (*photo.left_out, *photo.passed_over)
    if rows:
        left_out += tuple(_automatic_crops(photo))
        outcome = replace(outcome, outcome=CROPPED, sha256=photo.sha256)
    elif photo.crops:
        by_model = any(crop.is_untouched for crop in photo.crops)
        outcome = replace(outcome, outcome=SUGGESTED if by_model else AUTOMATIC)
    return Reading(replace(outcome, left_out=left_out), rows)


def _automatic_crops(photo: EditedPhoto) -> Iterator[LeftOut]:
    for crop in photo.crops:
        if crop.is_automatic and not crop.is_untouched:
            source = crop.version.source
            yield LeftOut(crop.version.file, AUTOMATIC, f"{source}: nobody made or changed it")


def _rejected(outcome: FileOutcome, error: RejectedFile) -> Reading:
    return Reading(replace(outcome, outcome=REJECTED, kind=error.kind, reason=str(error)))


def _rows(photo: EditedPhoto, params: ExtractParams) -> list[dict[str, Any]]:
    """A row for each version that holds a person's crop."""
    shared = _facts(photo) | _extra(photo, params) | _pixels(photo) if photo.person_crops else {}
    name = photo.entry.file
    return [
        {"photo": name, "origin": name}
        | {"author": crop.version.author, "source": crop.version.source}
        | _crop_columns(base.displayed_crop(crop.box, *photo.frame, photo.shown_as))
        | _suggested_columns(crop.mark, photo.frame, photo.shown_as)
        | shared
        for crop in photo.person_crops
    ]


def _crop_columns(crop: Crop) -> dict[str, float]:
    return dict(zip(CROP_COLUMNS, map(float, crop.limits()), strict=True))


def _suggested_columns(mark: Mark | None, frame: tuple[int, int], shown_as: int) -> dict[str, Any]:
    """A suggestion as the label's own crop is displayed."""
    if mark is None:
        return dict(NO_SUGGESTION)
    box = base.stored_box(mark.crop, *frame, mark.orientation)
    limits = map(float, base.displayed_crop(box, *frame, shown_as).limits())
    return dict(zip(SUGGESTED_COLUMNS, limits, strict=True)) | {SUGGESTED_BY: mark.model}


def _facts(photo: EditedPhoto) -> dict[str, Any]:
    width, height = orientation.displayed_size(*photo.frame, photo.shown_as)
    return {
        "width": width,
        "height": height,
        "orientation": photo.shown_as,
        "camera": _camera(photo.own_tags),
        "captured": _captured(photo.own_tags),
        "document_ids": " ".join(_document_ids(photo)),
    }


def _pixels(photo: EditedPhoto) -> dict[str, Any]:
    copy = photo.copy
    if copy is None:
        return {}
    return {
        "sha256": photo.sha256,
        "perceptual_hash": copy.perceptual_hash,
        "features": copy.features,
        "image_width": copy.width,
        "image_height": copy.height,
        "image": copy.jpeg,
    }


def _extra(photo: EditedPhoto, params: ExtractParams) -> dict[str, Any]:
    """The columns that params ask for: from the catalog, else the sidecars, else the photo."""
    sources = [settings.catalog_tags(photo.entry), *_own_tags(photo)]
    return {tag: _first_fitting(sources, tag, default) for tag, default in params.tags.items()}


def _own_tags(photo: EditedPhoto) -> list[exiftool.Tags]:
    """The tags of the photographer's sidecars and of the photo, what counts most first."""
    own = [photo.tags[name] for name in settings.own_sidecars(photo.entry, photo.tags)]
    return [*own, photo.own_tags]


def _document_ids(photo: EditedPhoto) -> list[str]:
    """The names of the document and of those that it was made from, each once, sorted.

    darktable writes a file's name as DerivedFrom, which names no document.
    """
    texts = []
    for tags in _own_tags(photo):
        source = tags.get("XMP-xmpMM:DerivedFrom")
        records = [source] if isinstance(source, dict) else []
        texts += [tags.get(tag) for tag in edited_photo.DOCUMENT_TAGS[:2]]
        texts += [record.get(name) for record in records for name in _SOURCE_DOCUMENT]
    return sorted({text for text in texts if isinstance(text, str) and len(text.split()) == 1})


def _first_fitting(sources: Sequence[exiftool.Tags], tag: str, default: str | float) -> str | float:
    """The first value that is of the default's type, else the default."""
    for tags in sources:
        value = exiftool.find_value(tags, tag)
        try:
            if isinstance(value, list) and isinstance(default, str):
                return "; ".join(map(str, value))
            if value is not None and not isinstance(value, dict | list):
                return _fitting(value, default)
        except (TypeError, ValueError, OverflowError):
            continue
    return default


def _fitting(value: Any, default: str | float) -> str | float:
    """Raises ValueError or OverflowError for what a column of the default's type cannot hold."""
    fitting = type(default)(value)
    if not isinstance(fitting, str) and not abs(fitting) < _LARGEST:  # nor for NaN
        raise OverflowError(f"{fitting} is not a number of 64 bits")
    return fitting


def _camera(tags: exiftool.Tags) -> str | None:
    named = (tags.get(tag) for tag in ("IFD0:Make", "IFD0:Model", "ExifIFD:SerialNumber"))
    return " ".join(str(part).strip() for part in named if part is not None) or None


def _captured(tags: exiftool.Tags) -> str | None:
    """The camera's time, with its fraction of a second if there is one; None where it is unset."""
    fraction = str(tags.get("ExifIFD:SubSecTimeOriginal", "")).strip()
    digits = fraction if fraction.isascii() and fraction.isdigit() else "0"
    text = f"{tags.get('ExifIFD:DateTimeOriginal')}.{digits[:6]}"
    try:
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S.%f").isoformat(timespec="microseconds")
    except ValueError:
        return None
