"""What each file, and each catalog, says of a photo's crop: whose version, in which editor.

Nothing is judged here; `versions` decides what counts.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from cropperhead.editors import darktable, lightroom, profile
from cropperhead.editors.base import PHOTOGRAPHER, State
from cropperhead.errors import RejectedFile
from cropperhead.library.scan import Entry
from cropperhead.library.sidecars import PROFILES, XMP
from cropperhead.photos import exiftool

_CRS, _DARKTABLE = "XMP-crs:", "XMP-darktable:"
_XMP_ORIENTATION = "XMP-tiff:Orientation"
EMBEDDED_TAGS = (
    *(_CRS + tag for tag in lightroom.TAGS),
    *(_DARKTABLE + tag for tag in darktable.TAGS),
    _XMP_ORIENTATION,
)
SIDECAR_TAGS = (*EMBEDDED_TAGS, "File:MIMEType", "XMP-photoshop:SidecarForExtension")
_XMP_TYPE = "application/rdf+xml"
# Mirrored quarter turns: public readers of catalogs disagree which letters are which of the two, so
# that a camera's own word on it counts more.
_UNSURE = (5, 7)
_SAME_FORMAT = {".jpeg": ".jpg", ".jpe": ".jpg", ".tiff": ".tif"}
# Sidecars with many masks have a few megabytes, profiles a few kilobytes.
_LARGEST_XMP_MB, _LARGEST_PROFILE_MB = 64, 4


@dataclass(frozen=True)
class Statement:
    """What one file says of one author's version: settings, or what is wrong with them."""

    author: str
    editor: str
    source: str
    file: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    error: RejectedFile | None = None


def of(
    folder: Path, entry: Entry, tags: Mapping[str, exiftool.Tags], camera: int
) -> Iterator[Statement]:
    """All that is said of a photo, what counts least first.

    A sidecar that speaks of a crop is newer than the photo's own packet, which no editor that
    writes sidecars touches; a catalog is what Lightroom itself goes by. But a finished export stays
    one, whatever lies beside it.
    """
    yield _embedded(entry, tags[entry.file])
    for name in entry.sidecars:
        if PurePosixPath(name).suffix.lower() == XMP:
            yield from _in_xmp(folder, entry, name, tags)
        else:
            yield _in_profile(folder, entry, name)
    packet = tags[entry.file].get(_XMP_ORIENTATION)
    for edit in map(json.loads, entry.edits):
        yield _in_catalog(edit, packet, camera)


def author(photo: str, sidecar: str) -> str:
    """The photographer, or the number that names a duplicate's sidecar: IMG_02.jpg.xmp."""
    stem, named = PurePosixPath(photo).stem, PurePosixPath(PurePosixPath(sidecar).stem)
    extra = named.stem[len(stem) :].lstrip("_")
    return f"duplicate {extra}" if extra else PHOTOGRAPHER


def own_sidecars(entry: Entry, tags: Mapping[str, exiftool.Tags]) -> list[str]:
    """The photographer's that are sound and meant for the photo; what counts most comes first."""
    own = [name for name in entry.sidecars if author(entry.file, name) == PHOTOGRAPHER]
    return [
        name
        for name in reversed(own)
        if name in tags
        and _is_meant_for(entry.file, tags[name])
        and not exiftool.is_broken_xmp(tags[name])
    ]


def is_for_exiftool(sidecar: Path) -> bool:
    """Whether it is XMP of a size that is worth reading."""
    return sidecar.suffix.lower() == XMP and is_read(sidecar)


def is_read(sidecar: Path) -> bool:
    """Whether a sidecar is of a size that is worth reading."""
    is_xmp = sidecar.suffix.lower() == XMP
    return not _is_larger(sidecar, _LARGEST_XMP_MB if is_xmp else _LARGEST_PROFILE_MB)


def catalogued(entry: Entry) -> exiftool.Tags:
    """What Lightroom's catalog says of the photographer's version, as ExifTool would."""
    own = [edit for edit in map(json.loads, entry.edits) if edit["author"] == PHOTOGRAPHER]
    return {_CRS + name: value for edit in own for name, value in edit["settings"].items()}


def _embedded(entry: Entry, tags: exiftool.Tags) -> Statement:
    """What the photo's own packet says. Raises RejectedFile for a finished export."""
    where = (PHOTOGRAPHER, "lightroom", "lightroom embedded", entry.file)
    broken = _broken(tags, "its XMP")
    if broken:
        return Statement(*where, error=broken)
    _refuse_export(tags)
    return Statement(*where, _lightroom_settings(tags, None))


def _refuse_export(tags: exiftool.Tags) -> None:
    """Neither Lightroom's exports nor darktable's, which carry the history of what was edited."""
    try:
        lightroom.state(_settings(tags, _CRS))
    except RejectedFile as error:
        if error.kind == lightroom.ALREADY_APPLIED:
            raise
    try:
        exported = darktable.state(_settings(tags, _DARKTABLE)) is State.CROPPED
    except RejectedFile:
        exported = False
    if exported:
        raise lightroom.finished_export()


def _in_xmp(
    folder: Path, entry: Entry, name: str, tags: Mapping[str, exiftool.Tags]
) -> Iterator[Statement]:
    whose = author(entry.file, name)
    # darktable names its sidecars by the whole name of the photo, Lightroom by its stem
    named = PurePosixPath(PurePosixPath(name).stem).suffix
    namesake = named.lower() == PurePosixPath(entry.file).suffix.lower()
    fault = _fault(folder, name, tags.get(name))
    if fault:
        editor = "darktable" if namesake else "lightroom"
        yield Statement(whose, editor, f"{editor} sidecar", name, error=fault)
    elif _is_meant_for(entry.file, tags[name]):
        packet = tags[entry.file].get(_XMP_ORIENTATION)
        crs = _lightroom_settings(tags[name], packet)
        yield Statement(whose, "lightroom", "lightroom sidecar", name, crs)
        history = _settings(tags[name], _DARKTABLE)
        yield Statement(whose, "darktable", "darktable sidecar", name, history)


def _fault(folder: Path, name: str, tags: exiftool.Tags | None) -> RejectedFile | None:
    """What is wrong with an XMP sidecar."""
    if _is_larger(folder / name, _LARGEST_XMP_MB):
        return RejectedFile("too_large", f"{name}: more than {_LARGEST_XMP_MB} MB of XMP")
    if tags is None:
        return RejectedFile("unreadable_sidecar", f"ExifTool cannot read {name}")
    if tags.get("File:MIMEType") != _XMP_TYPE:
        problem = exiftool.error(tags) or "its content is no XMP"
        return RejectedFile("unreadable_sidecar", f"{name}: {problem}")
    return _broken(tags, f"the XMP of {name}")


def _in_profile(folder: Path, entry: Entry, name: str) -> Statement:
    """What a profile of RawTherapee or ART says."""
    editor = PROFILES[PurePosixPath(name).suffix.lower()]
    where = (author(entry.file, name), editor, f"{editor} sidecar", name)
    try:
        if _is_larger(folder / name, _LARGEST_PROFILE_MB):
            raise RejectedFile("too_large", f"{name}: more than {_LARGEST_PROFILE_MB} MB")
        text = (folder / name).read_bytes().decode("utf-8", "replace")
        return Statement(*where, profile.parse(text))
    except OSError as error:
        problem = f"{name}: cannot be opened: {error.strerror}"
        return Statement(*where, error=RejectedFile("unreadable_sidecar", problem))
    except RejectedFile as error:
        return Statement(*where, error=error)


def _in_catalog(edit: Mapping[str, Any], packet: Any, camera: int) -> Statement:
    where = (edit["author"], "lightroom", "lightroom catalog", edit["catalog"])
    if edit["problem"]:
        return Statement(*where, error=RejectedFile(*edit["problem"]))
    settings = {"Orientation": packet} | edit["settings"]
    if camera in _UNSURE and settings["Orientation"] in _UNSURE:
        settings["Orientation"] = camera
    return Statement(*where, settings)


def _broken(tags: exiftool.Tags, where: str) -> RejectedFile | None:
    if not exiftool.is_broken_xmp(tags):
        return None
    return RejectedFile("broken_xmp", f"{where} is broken: {tags['ExifTool:Warning']}")


def _lightroom_settings(tags: exiftool.Tags, packet: Any) -> dict[str, Any]:
    """Camera Raw's settings, with the orientation that the XMP states, else the photo's packet."""
    said = tags.get(_XMP_ORIENTATION)
    return _settings(tags, _CRS) | {"Orientation": packet if said is None else said}


def _settings(tags: exiftool.Tags, group: str) -> dict[str, Any]:
    return {
        name.removeprefix(group): value for name, value in tags.items() if name.startswith(group)
    }


def _is_meant_for(photo: str, tags: exiftool.Tags) -> bool:
    """Whether a sidecar does not name another format, such as the RAW file that lay here once."""
    meant = tags.get("XMP-photoshop:SidecarForExtension")
    suffix = PurePosixPath(photo).suffix.lower()
    return meant is None or _format(f".{meant}".lower()) == _format(suffix)


def _format(suffix: str) -> str:
    return _SAME_FORMAT.get(suffix, suffix)


def _is_larger(file: Path, megabytes: int) -> bool:
    try:
        return file.stat().st_size > megabytes * 1_000_000
    except OSError:
        return False
