"""Reads a photo's settings from each file and catalog: whose version, in which editor.

`versions` decides which of them count.
"""

import json
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from cropperhead.editors import darktable, lightroom, registry
from cropperhead.editors.base import (
    ALREADY_APPLIED,
    PHOTOGRAPHER,
    Editor,
    Settings,
    Tags,
    finished_export,
)
from cropperhead.errors import RejectedFile
from cropperhead.library import provenance, sidecars
from cropperhead.library.provenance import Provenance
from cropperhead.library.scan import Entry
from cropperhead.photos import exiftool, precheck
from cropperhead.system import regular_file
from cropperhead.system.filenames import fold_name

_XMP_ORIENTATION, _MEANT_FOR = "XMP-tiff:Orientation", "XMP-photoshop:SidecarForExtension"
_DERIVED_FROM = "XMP-xmpMM:DerivedFrom"
_XMP_TYPE = "application/rdf+xml"
_SAME_FORMAT = {".jpeg": ".jpg", ".jpe": ".jpg", ".tiff": ".tif"}


@dataclass(frozen=True)
class FileSettings:
    """The settings of one author in one editor as one file has them, or what is wrong with them."""

    author: str
    editor: Editor
    source: str
    file: str
    settings: Settings = field(default_factory=dict)
    error: RejectedFile | None = None
    provenance: Provenance = field(default_factory=Provenance)
    other_photo: str = ""  # the photo that they are for, if that is another

    @property
    def key(self) -> tuple[str, str]:
        """The author, and the editor's name."""
        return self.author, self.editor.name


def photo_tags() -> list[str]:
    """The tags of all editors that ExifTool is asked for in a photo."""
    own = (tag for editor in registry.EDITORS for tag in editor.tags)
    return [*dict.fromkeys(own), *provenance.TAGS]


def is_surely_uncropped(photo: Path) -> bool:
    """Whether a photo's own metadata are seen to hold no editor's crop or history.

    False means that ExifTool has to read it. Raises OSError if it cannot be opened.
    """
    packets = precheck.find_packets(photo, header_words())
    if packets is None or len(packets) > 1:
        return False
    return all(editor.has_no_crop(one) for one in packets for editor in registry.EDITORS)


def header_words() -> list[bytes]:
    """The words to search headers for: a photo with any editor's tags has one of them."""
    return [word for editor in registry.EDITORS for word in editor.header_words]


def sidecar_tags() -> list[str]:
    """The tags that ExifTool is asked for in an XMP sidecar."""
    return [*photo_tags(), *darktable.sidecar_tags, "File:MIMEType", _MEANT_FOR, _DERIVED_FROM]


def read_settings(folder: Path, entry: Entry, tags: Mapping[str, Tags]) -> Iterator[FileSettings]:
    """Reads all settings of a photo of the library in `folder`; what counts least comes first.

    `tags` are those of the photo and its XMP sidecars, by path in the library. Lightroom itself
    uses its catalog. Raises RejectedFile for a finished export, whatever is next to it.
    """
    embedded = list(_embedded(folder, entry, tags[entry.file]))
    beside = [one for name in entry.sidecars for one in _in_sidecar(folder, entry, name, tags)]
    yield from _by_weight(entry.file, embedded, beside)
    for edit in map(json.loads, entry.edits):
        yield _in_catalog(edit, tags[entry.file])


def _by_weight(
    photo: str, embedded: Sequence[FileSettings], beside: Sequence[FileSettings]
) -> list[FileSettings]:
    """What a photo and its sidecars say, what counts least first.

    What is at the place where its editor keeps settings counts, unless another file was changed
    later, and not by a program that copies. A photo's own packet without a date is not
    Lightroom's, which dates every one. A suggestion does not count over a person's crop, nor does
    a sidecar that cannot be read over a crop within the photo.
    """
    inside = {one.key for one in embedded if _is_at_home(photo, one) and _is_crop(one)}
    broken = [one for one in beside if one.error and one.key in inside]
    order = [*broken, *embedded, *(one for one in beside if one not in broken)]
    for home in [one for one in order if _is_at_home(photo, one) and not one.error]:
        places = [n for n, one in enumerate(order) if one.key == home.key and not one.error]
        others = [order[place] for place in places if order[place] is not home]
        later = [one for one in others if _counts_over(one, home, photo)]
        earlier = [one for one in others if not _counts_over(one, home, photo)]
        for place, one in zip(places, [*earlier, home, *later], strict=True):
            order[place] = one
    return order


def _is_at_home(photo: str, one: FileSettings) -> bool:
    if sidecars.suffix(photo) in one.editor.sidecars.unread_for:
        return one.file == photo
    named = one.editor.sidecars.name_for(PurePosixPath(photo).name)
    return fold_name(PurePosixPath(one.file).name) == fold_name(named)


def _counts_over(one: FileSettings, home: FileSettings, photo: str) -> bool:
    if one.provenance.is_suggestion and home.file == photo:
        return not _holds_crop(home.editor, home.settings, if_unsure=True)
    if one.provenance.is_copy:
        return False
    if home.provenance.changed is None:
        return home.file == photo
    return one.provenance.is_later_than(home.provenance)


def _is_crop(one: FileSettings) -> bool:
    """Whether a file is sound and holds a crop, as far as that can be told."""
    return not one.error and _holds_crop(one.editor, one.settings, if_unsure=False)


def _holds_crop(editor: Editor, settings: Settings, if_unsure: bool) -> bool:
    try:
        return editor.state(settings).holds_crop
    except RejectedFile:
        return if_unsure


def find_author(photo: str, sidecar: str) -> str:
    """The photographer, or the number in the name of a duplicate's sidecar: IMG_02.jpg.xmp."""
    stem = fold_name(PurePosixPath(photo).stem)
    named = PurePosixPath(fold_name(PurePosixPath(sidecar).stem))
    extra = named.stem[len(stem) :].lstrip("_")
    return f"duplicate {extra}" if extra else PHOTOGRAPHER


def own_sidecars(entry: Entry, tags: Mapping[str, Tags]) -> list[str]:
    """The photographer's sound XMP that is meant for the photo; what counts most comes first."""
    own = [name for name in entry.sidecars if find_author(entry.file, name) == PHOTOGRAPHER]
    return [
        name
        for name in reversed(own)
        if name in tags
        and _is_meant_for(entry.file, tags[name])
        and not exiftool.is_broken_xmp(tags[name])
    ]


def is_for_exiftool(sidecar: Path) -> bool:
    """Whether ExifTool can read a sidecar, and it is of a size that is worth reading."""
    return _is_xmp(sidecar.name) and is_small_enough(sidecar)


def read_sidecar(sidecar: Path) -> bytes:
    """The content of a sidecar. Raises OSError, also if it is no file or not of such a size."""
    return regular_file.read_bytes(sidecar, _max_megabytes(sidecar.name) * 1_000_000)


def is_small_enough(sidecar: Path) -> bool:
    """Whether a sidecar is of a size that is worth reading."""
    try:
        return sidecar.stat().st_size <= _max_megabytes(sidecar.name) * 1_000_000
    except OSError:
        return True  # reading it gives the reason


def catalog_tags(entry: Entry) -> Tags:
    """The photographer's settings in Lightroom's catalog, by ExifTool's names."""
    own = [edit for edit in map(json.loads, entry.edits) if edit["author"] == PHOTOGRAPHER]
    return dict(ChainMap(*(dict(lightroom.as_tags(edit["settings"])) for edit in reversed(own))))


def _embedded(folder: Path, entry: Entry, tags: Tags) -> Iterator[FileSettings]:
    """The settings in the photo's own metadata. Raises RejectedFile for a finished export."""
    broken = _broken_xmp(tags, "its XMP")
    for editor in registry.EDITORS:
        if not editor.tags:
            continue
        settings = {} if broken else editor.read_settings(folder / entry.file, tags)
        _refuse_export(editor, settings)
        if editor.embeds_crops:
            source = f"{editor.name} embedded"
            by = provenance.read_provenance(tags, editor.name)
            error = broken or _copied(editor, settings, tags)
            yield FileSettings(PHOTOGRAPHER, editor, source, entry.file, settings, error, by)


def _copied(editor: Editor, settings: Settings, tags: Tags) -> RejectedFile | None:
    """Why the settings inside a photo are not its own, if they hold a crop of another picture."""
    renderer = provenance.find_renderer(tags)
    if not renderer or not _holds_crop(editor, settings, if_unsure=True):
        return None
    problem = f"{renderer} has made the picture since, and copied the settings of {editor.name}"
    return RejectedFile("copied", problem)


def _refuse_export(editor: Editor, settings: Settings) -> None:
    """Raises RejectedFile if a photo's own metadata shows that its pixels are the crop."""
    try:
        is_cropped = editor.state(settings).holds_crop
    except RejectedFile as error:
        if error.kind == ALREADY_APPLIED:
            raise
        return
    if is_cropped and not editor.embeds_crops:
        raise finished_export()


def _in_sidecar(
    folder: Path, entry: Entry, name: str, tags: Mapping[str, Tags]
) -> Iterator[FileSettings]:
    """The settings in a sidecar, for each editor that may have written it."""
    whose, editors = find_author(entry.file, name), registry.with_sidecars(sidecars.suffix(name))
    try:
        with _rejecting(name):
            _refuse_unreadable(folder, name, tags.get(name))
    except RejectedFile as error:
        editor = _named_by(editors, entry.file, name)
        yield FileSettings(whose, editor, f"{editor.name} sidecar", name, error=error)
        return
    own = tags.get(name, {})
    other = _other_photo(entry, name, tags)
    if other:
        editor = _named_by(editors, entry.file, name)
        source = f"{editor.name} sidecar"
        yield FileSettings(whose, editor, source, name, other_photo=other)
        return
    orientation = {_XMP_ORIENTATION: lightroom.inner_orientation(tags[entry.file])}
    for editor in editors:
        source = f"{editor.name} sidecar"
        try:
            with _rejecting(name):
                settings = editor.read_settings(folder / name, orientation | dict(own))
            by = provenance.read_provenance(own, editor.name)
            yield FileSettings(whose, editor, source, name, settings, provenance=by)
        except RejectedFile as error:
            yield FileSettings(whose, editor, source, name, error=error)


@contextmanager
def _rejecting(sidecar: str) -> Iterator[None]:
    """Turns a system error into the rejection of a sidecar."""
    try:
        yield
    except OSError as error:
        problem = f"{sidecar}: cannot be opened: {error.strerror}"
        raise RejectedFile("unreadable_sidecar", problem) from error


def _named_by(editors: list[Editor], photo: str, sidecar: str) -> Editor:
    """The editor that names its sidecars in this way: IMG.xmp or IMG.NEF.xmp."""
    named = sidecars.suffix(PurePosixPath(sidecar).stem)
    drops_suffix = named != sidecars.suffix(photo)
    fitting = [one for one in editors if one.sidecars.drops_photo_suffix == drops_suffix]
    return (fitting or editors)[0]


def _refuse_unreadable(folder: Path, name: str, tags: Tags | None) -> None:
    """Raises RejectedFile for a sidecar that is too large, or has an XMP's name and is not one.

    Raises OSError for what is no file.
    """
    regular_file.require_regular(folder / name)
    if not is_small_enough(folder / name):
        raise RejectedFile("too_large", f"{name}: more than {_max_megabytes(name)} MB")
    if not _is_xmp(name):
        return
    if tags is None:
        raise RejectedFile("unreadable_sidecar", f"ExifTool cannot read {name}")
    problem = exiftool.error_message(tags)
    if problem or tags.get("File:MIMEType") != _XMP_TYPE:
        raise RejectedFile("unreadable_sidecar", f"{name}: {problem or 'its content is not XMP'}")
    if exiftool.passes_over(folder / name):
        raise RejectedFile(
            "unreadable_sidecar",
            f"{name}: UTF-16 or UTF-32 without a declaration. Save it as UTF-8",
        )
    broken = _broken_xmp(tags, f"the XMP of {name}")
    if broken:
        raise broken


def _in_catalog(edit: Mapping[str, Any], photo: Tags) -> FileSettings:
    source, file = "lightroom catalog", edit["catalog"]
    if edit["problem"]:
        error = RejectedFile(*edit["problem"])
        return FileSettings(edit["author"], lightroom, source, file, error=error)
    settings = lightroom.read_catalog_settings(edit["settings"], photo)
    return FileSettings(edit["author"], lightroom, source, file, settings)


def _broken_xmp(tags: Tags, where: str) -> RejectedFile | None:
    if not exiftool.is_broken_xmp(tags):
        return None
    return RejectedFile("broken_xmp", f"{where} is broken: {tags['ExifTool:Warning']}")


def _other_photo(entry: Entry, name: str, tags: Mapping[str, Tags]) -> str:
    """The photo that a sidecar names as its own, if that is another; an empty text otherwise.

    darktable names the photo in every sidecar. A duplicate's must name this one, or what this one's
    own sidecar names, as after both were renamed: IMG_01.jpg may have been a photo of its own.
    """
    own = tags.get(name, {})
    if not _is_meant_for(entry.file, own):
        return f"a photo of the format {own[_MEANT_FOR]}"
    original = own.get(_DERIVED_FROM)
    if find_author(entry.file, name) == PHOTOGRAPHER or not isinstance(original, str):
        return ""
    accepted = {fold_name(PurePosixPath(entry.file).name)}
    for other in own_sidecars(entry, tags):
        accepted.add(fold_name(str(tags[other].get(_DERIVED_FROM))))
    return "" if fold_name(original) in accepted else original


def _is_meant_for(photo: str, tags: Tags) -> bool:
    """Whether a sidecar names no other format, such as a RAW file that was here once."""
    meant = tags.get(_MEANT_FOR)
    return meant is None or _format(f".{meant}".lower()) == _format(sidecars.suffix(photo))


def _format(suffix: str) -> str:
    return _SAME_FORMAT.get(suffix, suffix)


def _is_xmp(sidecar: str) -> bool:
    return any(editor.tags for editor in registry.with_sidecars(sidecars.suffix(sidecar)))


def _max_megabytes(sidecar: str) -> int:
    editors = registry.with_sidecars(sidecars.suffix(sidecar))
    return max(editor.sidecars.max_megabytes for editor in editors)
