"""One file of a library: its crops, its small copy and its facts, or the reason why not."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import Image

from cropperhead.dataset.ledger import CROPPED, REJECTED, SUGGESTED, UNCROPPED, FileOutcome
from cropperhead.dataset.shards import NO_SUGGESTION, SUGGESTED_BY, SUGGESTED_COLUMNS
from cropperhead.editors import base
from cropperhead.errors import RejectedFile
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import CROP_COLUMNS, FULL_FRAME, Crop
from cropperhead.library import marks, scan, settings
from cropperhead.library.journal import Journals
from cropperhead.library.marks import Mark
from cropperhead.library.scan import Entry
from cropperhead.library.suggestion_history import Marks, find_suggestions
from cropperhead.library.versions import PhotoVersions, Version, find_versions
from cropperhead.params import ExtractParams
from cropperhead.photos import exiftool, precheck
from cropperhead.photos import image as photos
from cropperhead.photos import raw as raws

_CAMERA_TAGS = [
    "File:MIMEType",
    "XMP-tiff:Orientation",
    "IFD0:Orientation",
    "IFD0:Make",
    "IFD0:Model",
    "ExifIFD:SerialNumber",
    "ExifIFD:DateTimeOriginal",
    "ExifIFD:SubSecTimeOriginal",
]

_LARGEST = 2**63  # beyond what a column of whole numbers holds

Tags = Mapping[str, exiftool.Tags]  # by path in the library


@dataclass(frozen=True)
class Reading:
    """One file as it was read: its outcome, and its rows for a shard when it is cropped."""

    outcome: FileOutcome
    rows: tuple[dict[str, Any], ...] = ()


def read(
    folder: Path,
    batch: Sequence[Entry],
    numbers: Sequence[int],
    reader: exiftool.TagReader,
    params: ExtractParams,
    pixels: bool = True,
) -> Iterator[Reading]:
    """Reads a batch of files of the library in `folder`, in order; none can end the run.

    `numbers` are the files', `reader` a running ExifTool. Without `pixels` nothing is decoded: the
    rows then lack what is told by the picture alone.
    """
    asked = dict.fromkeys(entry for entry in batch if _may_be_cropped(folder, entry))
    told = _Told(_asked(folder, list(asked), reader, params), Journals())
    for entry, number in zip(batch, numbers, strict=True):
        known = told if entry in asked else None
        yield _reading(folder, entry, number, known, params, pixels)


@dataclass(frozen=True)
class _Told:
    """What is known of a batch's photos but for their pixels."""

    tags: Tags
    journals: Journals


def failed_reading(entry: Entry, number: int, error: RejectedFile) -> Reading:
    """Return the reading of a file that could not be read, with the error's kind and message."""
    outcome = FileOutcome(
        entry.file, number, entry.trace, REJECTED, kind=error.kind, reason=str(error)
    )
    return Reading(outcome)


def _asked(
    folder: Path, asked: Sequence[Entry], reader: exiftool.TagReader, params: ExtractParams
) -> Tags:
    """What ExifTool says of photos and of their XMP sidecars."""
    extra = list(params.tags)
    notes = any(exiftool.is_in_notes(tag) for tag in extra)
    wanted = [*settings.photo_tags(), *_CAMERA_TAGS, *extra]
    said = reader.read([folder / entry.file for entry in asked], wanted, with_notes=notes)
    sidecars = [folder / name for entry in asked for name in entry.sidecars]
    xmp = [file for file in sidecars if settings.is_for_exiftool(file)]
    said |= reader.read(xmp, [*settings.sidecar_tags(), *extra])
    return {file.relative_to(folder).as_posix(): one for file, one in said.items()}


def _may_be_cropped(folder: Path, entry: Entry) -> bool:
    """Whether it takes ExifTool to tell."""
    if entry.kind != scan.PHOTO:
        return False
    try:
        if precheck.is_bomb(folder / entry.file) or not _has_content(folder / entry.file):
            return False
        if entry.sidecars or entry.edits:
            return True
        return not precheck.is_silent(folder / entry.file, settings.header_words())
    except OSError:
        return False  # named when its turn comes


def _reading(
    folder: Path,
    entry: Entry,
    number: int,
    told: _Told | None,
    params: ExtractParams,
    pixels: bool,
) -> Reading:
    """Reads one file. Whatever is wrong with it becomes its outcome.

    `told` is None for one that needed no question.
    """
    outcome = FileOutcome(entry.file, number, entry.trace, UNCROPPED)
    try:
        if told is None:
            _refuse_no_photo(folder, entry)
            return Reading(outcome)
        tags = told.tags
        found = find_versions(folder, entry, tags, lambda: _container(folder / entry.file, params))
        if not found.cropped:
            return Reading(outcome)
        suggested = find_suggestions(folder, entry, told.journals)
        rows, crops = _rows(folder, entry, (found, suggested), tags, params, pixels)
    except RejectedFile as error:
        return Reading(replace(outcome, outcome=REJECTED, kind=error.kind, reason=str(error)))
    if rows:
        digest = rows[0].get("sha256", "")
        outcome = replace(outcome, outcome=CROPPED, sha256=digest, left_out=crops.left_out)
    elif crops.is_suggested:
        outcome = replace(outcome, outcome=SUGGESTED, left_out=crops.left_out)
    return Reading(outcome, tuple(row | {"number": number} for row in rows))


def _has_content(file: Path) -> bool:
    with file.open("rb") as stream:
        return bool(stream.read(1))


def _refuse_no_photo(folder: Path, entry: Entry) -> None:
    if entry.kind == scan.ORPHAN:
        raise RejectedFile("orphan_sidecar", "no photo of this name lies beside it")
    if entry.kind == scan.UNREADABLE:
        raise RejectedFile("unreadable_name_or_folder", f"cannot be listed: {entry.trace}")
    if entry.kind == scan.LOST:
        raise RejectedFile("no_photo", entry.trace)
    if entry.kind == scan.BROKEN_CATALOG:
        raise RejectedFile("broken_catalog", entry.trace)
    try:
        empty = not _has_content(folder / entry.file)
    except OSError as error:
        raise RejectedFile("unreadable", f"cannot be opened: {error.strerror}") from error
    if empty:
        raise RejectedFile("empty", "the file is empty")
    if precheck.is_bomb(folder / entry.file):
        most = f"{precheck.LARGEST_TEXTS_MB} MB"
        raise RejectedFile("too_large", f"its texts unpack to more than {most}")


def _rows(
    folder: Path,
    entry: Entry,
    said: tuple[PhotoVersions, Marks],
    tags: Tags,
    params: ExtractParams,
    pixels: bool,
) -> tuple[list[dict[str, Any]], "_Crops"]:
    """A row for each version that holds a person's crop, and what was found in all of them."""
    own = tags.get(entry.file, {})
    found, suggested = said
    with _opened(folder / entry.file, params) as photo:
        shown_as = found.shown_as
        crops = _crops(found, suggested, photo.frame)
        if not crops.made:
            return [], crops
        shared = _facts(photo.frame, shown_as, own) | _extra(entry, tags, params)
        if pixels:
            shared |= _pixels(folder / entry.file, photo, shown_as, params)
    rows = [
        {"photo": entry.file, "origin": entry.file}
        | {"author": version.author, "source": version.source}
        | _crop_columns(crop)
        | _suggested_columns(mark, photo.frame, shown_as)
        | shared
        for version, crop, mark in crops.made
    ]
    return rows, crops


@dataclass(frozen=True)
class _Crops:
    """The crops of a photo's versions: those that people made, with what was suggested to them."""

    made: tuple[tuple[Version, Crop, Mark | None], ...]
    is_suggested: bool  # in some version the crop is a suggestion, as it was made
    left_out: tuple[base.LeftOut, ...]


def _crops(found: PhotoVersions, suggested: Marks, frame: tuple[int, int]) -> _Crops:
    """The crops of all versions, but of those that keep the whole frame.

    A suggestion is one in whichever editor it stands: darktable takes it from Lightroom's sidecar,
    Lightroom from there into its catalog. Raises RejectedFile where nothing can be used.
    """
    made, is_suggested, left_out, errors = [], False, list(found.left_out), []
    for version in found.cropped:
        try:
            box = version.decode(*frame)
        except RejectedFile as error:
            errors.append(error)
            left_out.append(base.LeftOut(version.file, error.kind, str(error)))
            continue
        crop = base.displayed_crop(box, *frame, found.shown_as)
        if astuple(crop) == FULL_FRAME:
            continue
        if any(marks.is_untouched(mark, box, *frame) for mark in suggested.values()):
            is_suggested = True
            continue
        made.append((version, crop, suggested.get((version.author, version.editor.name))))
    if errors and not made and not is_suggested:
        raise errors[0]
    return _Crops(tuple(made), is_suggested, tuple(left_out))


@dataclass(frozen=True)
class _Photo:
    """An open photo: its stored frame in px, and its pixels as they are stored when asked."""

    frame: tuple[int, int]
    picture: Any  # () -> Image.Image


@contextmanager
def _opened(file: Path, params: ExtractParams) -> Iterator[_Photo]:
    """Opens a photo of any format. Raises RejectedFile, also within the block."""
    if file.suffix.lower() in raws.SUFFIXES:
        with raws.opened(file, params.max_megapixels) as raw:
            yield _Photo(raw.frame, lambda: raw.picture(params.long_side))
    else:
        with photos.opened(file, params.max_megapixels) as image:
            yield _Photo(photos.stored_size(image), lambda: image)


def _container(file: Path, params: ExtractParams) -> int | None:
    with photos.opened(file, params.max_megapixels) as image:
        return photos.container_orientation(image)


def _crop_columns(crop: Crop) -> dict[str, float]:
    return dict(zip(CROP_COLUMNS, map(float, crop.limits()), strict=True))


def _suggested_columns(mark: Mark | None, frame: tuple[int, int], shown_as: int) -> dict[str, Any]:
    """A suggestion as the label's own crop is displayed."""
    if mark is None:
        return dict(NO_SUGGESTION)
    box = base.stored_box(mark.crop, *frame, mark.orientation)
    limits = map(float, base.displayed_crop(box, *frame, shown_as).limits())
    return dict(zip(SUGGESTED_COLUMNS, limits, strict=True)) | {SUGGESTED_BY: mark.model}


def _facts(frame: tuple[int, int], shown_as: int, tags: exiftool.Tags) -> dict[str, Any]:
    width, height = orientation.displayed_size(*frame, shown_as)
    return {
        "width": width,
        "height": height,
        "orientation": shown_as,
        "camera": _camera(tags),
        "captured": _captured(tags),
    }


def _pixels(file: Path, photo: _Photo, shown_as: int, params: ExtractParams) -> dict[str, Any]:
    image: Image.Image = photo.picture()
    small = photos.small_copy(image, shown_as, params.long_side, params.jpeg_quality)
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "sha256": digest,
        "perceptual_hash": small.perceptual_hash,
        "image_width": small.width,
        "image_height": small.height,
        "image": small.jpeg,
    }


def _extra(entry: Entry, tags: Tags, params: ExtractParams) -> dict[str, Any]:
    """The columns that params ask for: as the photographer's sidecar says, else the photo."""
    own = settings.own_sidecars(entry, tags)
    said = [settings.catalog_tags(entry), *(tags.get(name, {}) for name in (*own, entry.file))]
    return {tag: _first_fitting(said, tag, default) for tag, default in params.tags.items()}


def _first_fitting(said: Sequence[exiftool.Tags], tag: str, default: str | float) -> str | float:
    """The first value that is of the default's type, else the default."""
    for tags in said:
        value = exiftool.value(tags, tag)
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
        raise OverflowError(f"{fitting} is no number of 64 bits")
    return fitting


def _camera(tags: exiftool.Tags) -> str | None:
    named = (tags.get(tag) for tag in ("IFD0:Make", "IFD0:Model", "ExifIFD:SerialNumber"))
    return " ".join(str(part).strip() for part in named if part is not None) or None


def _captured(tags: exiftool.Tags) -> str | None:
    """The camera's time, to the fraction of a second where it says so; None where it is unset."""
    fraction = str(tags.get("ExifIFD:SubSecTimeOriginal", "")).strip()
    digits = fraction if fraction.isascii() and fraction.isdigit() else "0"
    said = f"{tags.get('ExifIFD:DateTimeOriginal')}.{digits[:6]}"
    try:
        return datetime.strptime(said, "%Y:%m:%d %H:%M:%S.%f").isoformat(timespec="microseconds")
    except ValueError:
        return None
