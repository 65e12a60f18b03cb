"""One file of a library: its crops, its small copy and its facts, or the reason why not."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from cropperhead import exif, library, orientation, photos
from cropperhead.crops import CROP_COLUMNS, Crop
from cropperhead.editors import lightroom
from cropperhead.errors import RejectedFile
from cropperhead.ledger import CROPPED, REJECTED, UNCROPPED, Outcome
from cropperhead.library import Entry
from cropperhead.params import ExtractParams

PHOTOGRAPHER = "photographer"  # the author of a photo's own crop; duplicates are further authors

_CRS = "XMP-crs:"
_SETTINGS_TAGS = [_CRS + tag for tag in lightroom.TAGS]
_SIDECAR_TAGS = [
    *_SETTINGS_TAGS,
    "File:MIMEType",
    "XMP-tiff:Orientation",
    "XMP-photoshop:SidecarForExtension",
]
_XMP_TYPE = "application/rdf+xml"
_PHOTO_TAGS = [
    *_SETTINGS_TAGS,
    "File:MIMEType",
    "XMP-tiff:Orientation",
    "IFD0:Orientation",
    "IFD0:Make",
    "IFD0:Model",
    "ExifIFD:SerialNumber",
    "ExifIFD:DateTimeOriginal",
    "ExifIFD:SubSecTimeOriginal",
]
_SAME_FORMAT = {".jpeg": ".jpg", ".jpe": ".jpg", ".tiff": ".tif"}


@dataclass(frozen=True)
class Reading:
    """One file as it was read: its outcome, and its rows for a shard when it is cropped."""

    outcome: Outcome
    rows: tuple[dict[str, Any], ...] = ()


def read(
    folder: Path,
    batch: Sequence[Entry],
    numbers: Mapping[str, int],
    reader: exif.TagReader,
    params: ExtractParams,
) -> Iterator[Reading]:
    """Reads a batch of files of the library in `folder`, in order; none can end the run.

    `numbers` gives each file's number, `reader` a running ExifTool.
    """
    found = [entry for entry in batch if entry.kind == library.PHOTO]
    said = reader.read([folder / entry.file for entry in found], _PHOTO_TAGS)
    sidecars = [folder / name for entry in found for name in entry.sidecars]
    said |= reader.read(sidecars, _SIDECAR_TAGS)
    tags = {file.relative_to(folder).as_posix(): one for file, one in said.items()}
    for entry in batch:
        yield _reading(folder, entry, numbers[entry.file], tags, params)


def _reading(
    folder: Path, entry: Entry, number: int, tags: Mapping[str, exif.Tags], params: ExtractParams
) -> Reading:
    """Reads one file. Whatever is wrong with it becomes its outcome."""
    outcome = Outcome(entry.file, number, entry.trace, UNCROPPED)
    try:
        _refuse_no_photo(folder, entry)
        versions = _versions(entry, tags)
        if not versions:
            return Reading(outcome)
        rows = _rows(folder, entry, number, versions, tags.get(entry.file, {}), params)
    except RejectedFile as error:
        return Reading(replace(outcome, outcome=REJECTED, kind=error.kind, reason=str(error)))
    return Reading(replace(outcome, outcome=CROPPED, sha256=rows[0]["sha256"]), tuple(rows))


def _refuse_no_photo(folder: Path, entry: Entry) -> None:
    if entry.kind == library.ORPHAN:
        raise RejectedFile("orphan_sidecar", "no photo of this name lies beside it")
    if entry.kind == library.UNREADABLE:
        raise RejectedFile("unreadable_name_or_folder", f"cannot be listed: {entry.trace}")
    try:
        with (folder / entry.file).open("rb") as stream:
            start = stream.read(1)
    except OSError as error:
        raise RejectedFile("unreadable", f"cannot be opened: {error.strerror}") from error
    if not start:
        raise RejectedFile("empty", "the file is empty")


@dataclass(frozen=True)
class _Version:
    """One author's settings for a photo, and the orientation they were made in, if they say."""

    author: str
    source: str
    settings: Mapping[str, Any]
    orientation: Any


def _versions(entry: Entry, tags: Mapping[str, exif.Tags]) -> list[_Version]:
    """The cropped versions of a photo: its own, and those of duplicates.

    A sidecar that speaks of a crop is newer than the photo's own packet, which no editor that
    writes sidecars touches; but a finished export stays one, whatever lies beside it.
    """
    if entry.file not in tags:
        raise RejectedFile("unreadable", "ExifTool cannot read it")
    if not str(tags[entry.file].get("File:MIMEType", "")).startswith("image/"):
        raise RejectedFile("not_a_photo", "its content is no picture's")
    found: dict[str, _Version] = {}
    unsound = _add_embedded(entry, tags, found)
    for name in entry.sidecars:
        if name not in tags:
            raise RejectedFile("unreadable_sidecar", f"ExifTool cannot read {name}")
        if tags[name].get("File:MIMEType") != _XMP_TYPE:
            problem = exif.error(tags[name]) or "its content is no XMP"
            raise RejectedFile("unreadable_sidecar", f"{name}: {problem}")
        if _is_meant_for(entry.file, tags[name]):
            version = _version(_author(entry.file, name), "lightroom sidecar", tags[name])
            said = _add(version, tags[name], found, f"the XMP of {name}")
            if said is not lightroom.State.SILENT and version.author == PHOTOGRAPHER:
                unsound = None
    if unsound:
        raise unsound
    return [found[author] for author in sorted(found)]


def _add_embedded(
    entry: Entry, tags: Mapping[str, exif.Tags], found: dict[str, _Version]
) -> RejectedFile | None:
    """Adds the photo's own packet; returns what is wrong with it, for a sidecar may be sound."""
    version = _version(PHOTOGRAPHER, "lightroom embedded", tags[entry.file])
    try:
        _add(version, tags[entry.file], found, "its XMP")
    except RejectedFile as error:
        if error.kind == lightroom.ALREADY_APPLIED:
            raise
        return error
    return None


def _add(
    version: _Version, tags: exif.Tags, found: dict[str, _Version], where: str
) -> lightroom.State:
    """Enters a version in place of an earlier one of its author, as far as it speaks of a crop."""
    if exif.is_broken_xmp(tags):
        raise RejectedFile("broken_xmp", f"{where} is broken: {tags['ExifTool:Warning']}")
    said = lightroom.state(version.settings)
    if said is lightroom.State.CROPPED:
        found[version.author] = version
    elif said is lightroom.State.UNCROPPED:
        found.pop(version.author, None)
    return said


def _version(author: str, source: str, tags: exif.Tags) -> _Version:
    settings = {
        name.removeprefix(_CRS): value for name, value in tags.items() if name.startswith(_CRS)
    }
    return _Version(author, source, settings, tags.get("XMP-tiff:Orientation"))


def _author(photo: str, sidecar: str) -> str:
    """The photographer, or the number that names a duplicate's sidecar: IMG_02.jpg.xmp."""
    stem, named = PurePosixPath(photo).stem, PurePosixPath(PurePosixPath(sidecar).stem)
    extra = named.stem[len(stem) :].lstrip("_")
    return f"duplicate {extra}" if extra else PHOTOGRAPHER


def _is_meant_for(photo: str, tags: exif.Tags) -> bool:
    """Whether a sidecar does not name another format, such as the RAW file that lay here once."""
    meant = tags.get("XMP-photoshop:SidecarForExtension")
    suffix = PurePosixPath(photo).suffix.lower()
    return meant is None or _format(f".{meant}".lower()) == _format(suffix)


def _format(suffix: str) -> str:
    return _SAME_FORMAT.get(suffix, suffix)


def _rows(
    folder: Path,
    entry: Entry,
    number: int,
    versions: Sequence[_Version],
    tags: exif.Tags,
    params: ExtractParams,
) -> list[dict[str, Any]]:
    with photos.opened(folder / entry.file, params.max_megapixels) as image:
        shown_as = _orientation(versions, tags)
        stored = photos.stored_size(image)
        crops = [lightroom.decode(version.settings, *stored, shown_as) for version in versions]
        shared = _shared_columns(folder / entry.file, image, stored, shown_as, tags, params)
    return [
        {"photo": entry.file, "author": version.author, "source": version.source, "number": number}
        | _crop_columns(crop)
        | shared
        for version, crop in zip(versions, crops, strict=True)
    ]


def _orientation(versions: Sequence[_Version], tags: exif.Tags) -> int:
    """How the photo is displayed: by its settings, which hold the user's own turns, else EXIF."""
    own_first = sorted(versions, key=lambda version: version.author != PHOTOGRAPHER)
    said = [version.orientation for version in own_first]
    for value in [*said, tags.get("XMP-tiff:Orientation"), tags.get("IFD0:Orientation")]:
        if value in orientation.ORIENTATIONS:
            return int(value)
    return orientation.UPRIGHT


def _crop_columns(crop: Crop) -> dict[str, float]:
    return dict(zip(CROP_COLUMNS, map(float, crop.limits()), strict=True))


def _shared_columns(
    file: Path,
    image: Image.Image,
    stored: tuple[int, int],
    shown_as: int,
    tags: exif.Tags,
    params: ExtractParams,
) -> dict[str, Any]:
    small = photos.small_copy(image, shown_as, params.long_side, params.jpeg_quality)
    width, height = orientation.displayed_size(*stored, shown_as)
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "width": width,
        "height": height,
        "orientation": shown_as,
        "camera": _camera(tags),
        "captured": _captured(tags),
        "sha256": digest,
        "perceptual_hash": small.perceptual_hash,
        "image_width": small.width,
        "image_height": small.height,
        "image": small.jpeg,
    }


def _camera(tags: exif.Tags) -> str | None:
    named = (tags.get(tag) for tag in ("IFD0:Make", "IFD0:Model", "ExifIFD:SerialNumber"))
    return " ".join(str(part).strip() for part in named if part is not None) or None


def _captured(tags: exif.Tags) -> str | None:
    """The camera's time, to the fraction of a second where it says so; None where it is unset."""
    fraction = str(tags.get("ExifIFD:SubSecTimeOriginal", "")).strip()
    digits = fraction if fraction.isascii() and fraction.isdigit() else "0"
    said = f"{tags.get('ExifIFD:DateTimeOriginal')}.{digits[:6]}"
    try:
        return datetime.strptime(said, "%Y:%m:%d %H:%M:%S.%f").isoformat(timespec="microseconds")
    except ValueError:
        return None
