"""Writes crops into the sidecars of editors, or into photos, next to what those already hold.

A photo is written only where that is asked for, and its editor reads no sidecar of it: `into_photo`
changes nothing but its XMP. Before a file is replaced, the readers of this project must find in the
new one the crop that was meant; `journal` keeps what was there before. How each editor writes, and
what it does with the sidecar, is in its module of `editors`.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from cropperhead.editors import base, registry
from cropperhead.editors.base import PHOTOGRAPHER, CropToWrite, MarkTexts, Settings, State
from cropperhead.errors import RejectedFile, WritingError
from cropperhead.geometry.crops import FULL_FRAME, Crop
from cropperhead.library import edited_photo, journal, marks, settings, sidecars
from cropperhead.library.edited_photo import EditedCrop, EditedPhoto
from cropperhead.library.marks import Mark
from cropperhead.library.scan import PHOTO, Entry
from cropperhead.library.settings import FileSettings
from cropperhead.photos import exiftool
from cropperhead.photos.dng import Box
from cropperhead.system.filenames import fold_name
from cropperhead.writeback import into_photo


@dataclass(frozen=True)
class WantedCrop:
    """A crop to be written, as displayed by `shown_as`; `model` made it, if it is a suggestion.

    `suggested` is what the model suggested in its place, where a person has corrected it. The mark
    is then of that, and the crop is read as a person's.
    """

    crop: Crop
    shown_as: int
    model: str | None = None
    suggested: Crop | None = None


@dataclass(frozen=True)
class WriteResult:
    """What became of a file, a sidecar or the photo, and the reason if nothing was written.

    `caution` says why the editor will not show what was written; empty if it will. `overruled`
    names sidecars whose crop no longer counts.
    """

    file: Path
    reason: str = ""
    caution: str = ""
    overruled: str = ""

    @property
    def is_written(self) -> bool:
        """Whether it was written, or would be without `dry_run`."""
        return not self.reason


def find_target(photo: EditedPhoto, editor: str) -> Path:
    """The sidecar in which an editor looks for a photo's crop, whether it exists or not.

    Raises WritingError where that would be another photo's too, or only another's: IMG.xmp next to
    IMG.NEF and IMG.JPG is the RAW file's.
    """
    photo_name, folder = photo.file.name, photo.file.parent
    wanted = registry.find_editor(editor).sidecars.name_for(photo_name)
    own = {PurePosixPath(name).name for name in photo.entry.sidecars}
    alike = [name for name in sorted(own) if fold_name(name) == fold_name(wanted)]
    name = wanted if wanted in own or not alike else alike[0]
    try:
        names = {one.name for one in folder.iterdir() if not one.name.startswith(".")}
    except OSError as error:
        raise WritingError(f"{folder}: cannot be listed: {error.strerror}") from error
    if photo_name not in names:
        raise WritingError(f"{photo.file}: it does not exist any more.")
    paired, _ = sidecars.pair({*names, name})
    owners = sorted(owner for owner, own in paired.items() if name in own)
    if owners != [photo_name]:
        raise WritingError(
            f"{folder / name}: it would be read for {', '.join(owners)}. Not written."
        )
    return folder / name


def write_crop(
    photo: EditedPhoto,
    wanted: WantedCrop,
    editor: str,
    reader: exiftool.TagReader,
    overwrite: bool = False,
    dry_run: bool = False,
    into_photos: bool = False,
) -> WriteResult:
    """Writes a crop for an editor, one of `names.WRITABLE_NAMES`, unless it has a person's crop.

    `overwrite` replaces that too. With `into_photos` it is written into the photo itself where the
    editor reads no sidecar of it. Raises WritingError, and changes nothing, if the editor would not
    show the crop as meant, or if the file, its folder or the disk cannot be written.
    """
    is_inside = into_photos and keeps_inside(photo.file.name, editor)
    file = photo.file if is_inside else find_target(photo, editor)
    reason = _reason_to_skip(photo, wanted, editor, overwrite, is_inside)
    if reason:
        return WriteResult(file, reason)
    write = _write_inside if is_inside else _write_sidecar
    try:
        _refuse_unreadable(photo, editor, file)
        return write(photo, wanted, editor, reader, dry_run)
    except RejectedFile as error:
        raise WritingError(f"{file}: {error}. Left as it was.") from error
    except OSError as error:
        raise WritingError(f"{file}: cannot be read: {error.strerror}") from error


def keeps_inside(photo: str, editor: str) -> bool:
    """Whether an editor keeps its settings inside the photo of this name, and reads no sidecar."""
    return registry.find_embedding(editor, sidecars.suffix(photo)) is not None


def _write_sidecar(
    photo: EditedPhoto, wanted: WantedCrop, editor: str, reader: exiftool.TagReader, dry_run: bool
) -> WriteResult:
    sidecar = find_target(photo, editor)
    before = settings.read_sidecar(sidecar) if sidecar.exists() else None
    note = _note(wanted, editor)
    after = registry.find_writable(editor).write(before, _new_crop(photo, wanted, editor), note)
    _require_as_meant(photo, wanted, editor, _read_back(photo, editor, (sidecar, after), reader))
    if after == before:
        return WriteResult(sidecar, "the sidecar already contains this crop")
    if dry_run:
        journal.require_permission(sidecar)
    else:
        _refuse_changed(photo, sidecar, before)
        journal.write_file(sidecar, after, before, note)
    return WriteResult(sidecar, caution=_caution(photo.file.name, editor))


def _write_inside(
    photo: EditedPhoto, wanted: WantedCrop, editor: str, reader: exiftool.TagReader, dry_run: bool
) -> WriteResult:
    module = registry.find_embedding(editor, sidecars.suffix(photo.file.name))
    assert module is not None
    before, packet = into_photo.read_packet(photo.file)
    note, now = _note(wanted, editor), datetime.now(UTC)
    after = module.write_inside(packet, _new_crop(photo, wanted, editor), note, now)
    into_photo.require_room(photo.file, after)
    # as if it were a sidecar, before anything large is written, and in a dry run
    like = photo.file.with_suffix(module.sidecars.suffix), after
    _require_as_meant(photo, wanted, editor, _read_back(photo, editor, like, reader))

    def check(copy: Path) -> None:
        _require_as_meant(photo, wanted, editor, _read_inside(photo, editor, copy, reader))

    if dry_run:
        journal.require_permission(photo.file)
    else:
        _refuse_changed(photo, photo.file, None)
        into_photo.write(photo.file, after, before, note, reader, check)
    return WriteResult(photo.file, overruled=_overruled(photo, editor))


def _overruled(photo: EditedPhoto, editor: str) -> str:
    """Says of which sidecars the crop no longer counts, once there is one in the photo."""
    names = [
        one.file
        for one in photo.file_settings
        if one.key == (PHOTOGRAPHER, editor) and one.file in photo.entry.sidecars
        if not one.error and one.editor.state(one.settings).holds_crop
    ]
    return f"the crop inside counts now, and not that in {', '.join(names)}" if names else ""


def _caution(photo: str, editor: str) -> str:
    suffix = sidecars.suffix(photo)
    if suffix not in registry.find_editor(editor).sidecars.unread_for:
        return ""
    return (
        f"{editor} reads no sidecar of a {suffix} file, whose settings it keeps inside; "
        "it will not show this crop, unless you write it there with --into-photos"
    )


def _reason_to_skip(
    photo: EditedPhoto, wanted: WantedCrop, editor: str, overwrite: bool, is_inside: bool
) -> str:
    if astuple(wanted.crop) == FULL_FRAME:
        return "it is the whole frame"
    present = _present_crop(photo, editor)
    if present is None:
        return "" if overwrite else _unreadable_elsewhere(photo, editor, is_inside)
    box = base.stored_box(wanted.crop, *photo.frame, wanted.shown_as)
    if marks.is_same(box, present.box) and present.shown_as == wanted.shown_as:
        is_elsewhere = is_inside and present.version.file in photo.entry.sidecars
        return "" if is_elsewhere else "it already has the same crop"
    by_nobody = present.is_untouched or present.is_automatic
    return "" if by_nobody or overwrite else f"a person has cropped it: {present}"


def _unreadable_elsewhere(photo: EditedPhoto, editor: str, is_inside: bool) -> str:
    """Names unreadable settings, in a catalog say, whose crop the written one might replace."""
    target = photo.file if is_inside else find_target(photo, editor)
    for one in photo.file_settings:
        is_own = one.author == PHOTOGRAPHER and one.editor.name == editor
        if is_own and one.error and photo.folder / one.file != target:
            return f"the settings of {editor} cannot be read: {one.file}: {one.error}"
    return ""


def _present_crop(photo: EditedPhoto, editor: str) -> EditedCrop | None:
    """The photographer's crop in an editor."""
    own = [crop for crop in photo.crops if crop.version.author == PHOTOGRAPHER]
    return next((crop for crop in own if crop.editor_name == editor), None)


def _refuse_unreadable(photo: EditedPhoto, editor: str, target: Path) -> None:
    """Raises RejectedFile if what the file holds so far cannot be read."""
    for settings_of_file in photo.file_settings:
        if settings_of_file.error and photo.folder / settings_of_file.file == target:
            raise settings_of_file.error
    for one in photo.left_out:
        if photo.folder / one.file == target:
            raise RejectedFile(one.kind, one.reason)
    module, now = registry.find_editor(editor), photo.settings_in(editor)
    if module.state(now).holds_crop:
        exif_orientation = photo.exif_orientation(editor)
        base.decode_in_frame(module, now, photo.frame, exif_orientation, photo.sensor)


def _refuse_changed(photo: EditedPhoto, target: Path, before: bytes | None) -> None:
    """Raises WritingError if the photo or a sidecar of it has changed since it was read.

    `before` is what was read of a sidecar that is to be written.
    """
    now = edited_photo.find_traces(photo.folder, photo.entry)
    changed = [file for file, trace in photo.traces.items() if now[file] != trace]
    changed += [target] if before is not None and target not in now else []
    if changed:
        raise WritingError(f"{changed[0]}: has changed meanwhile. {target.name} was not written.")


def _note(wanted: WantedCrop, editor: str) -> MarkTexts:
    """The mark of a suggestion; empty for a person's crop without one."""
    if wanted.model is None:
        return {}
    suggested = wanted.suggested or wanted.crop
    return Mark(wanted.model, editor, suggested, wanted.shown_as).texts()


def _new_crop(photo: EditedPhoto, wanted: WantedCrop, editor: str) -> CropToWrite:
    """The crop as the editor is given it. Raises RejectedFile."""
    frame, crop = _measured_by(photo, wanted, editor)
    return CropToWrite(
        photo=photo.file.name,
        frame=frame,
        exif_orientation=photo.exif_orientation(editor),
        camera=photo.turn,
        shown_now=photo.shown_in(editor),
        crop=crop,
        shown_as=wanted.shown_as,
    )


def _measured_by(
    photo: EditedPhoto, wanted: WantedCrop, editor: str
) -> tuple[tuple[int, int], Crop]:
    """The size of the part in which an editor measures, and the crop in it. Raises RejectedFile."""
    module = registry.find_editor(editor)
    area = base.find_area(module, photo.settings_in(editor), photo.frame, photo.sensor)
    size = round(area.width), round(area.height)
    if area == Box(0, 0, *photo.frame):
        return size, wanted.crop
    box = base.stored_box(wanted.crop, *photo.frame, wanted.shown_as).moved(-area.left, -area.top)
    base.require_within(box, *size, f"it is outside the part of the sensor that {editor} shows")
    return size, base.displayed_crop(box, *size, wanted.shown_as)


def _require_as_meant(photo: EditedPhoto, wanted: WantedCrop, editor: str, now: Settings) -> None:
    """Raises RejectedFile if the editor's new settings do not mean the crop."""
    module = registry.find_editor(editor)
    exif_orientation = base.exif_orientation(module, now, photo.file.name, photo.turn)
    is_shown = module.shown_as(now, exif_orientation) == wanted.shown_as
    if module.state(now) is not State.CROPPED or not is_shown:
        raise RejectedFile("unlike", "with its other settings, the crop would not be shown")
    box = base.decode_in_frame(module, now, photo.frame, exif_orientation, photo.sensor)
    distance = marks.distance_px(box, base.stored_box(wanted.crop, *photo.frame, wanted.shown_as))
    if distance > marks.ROUNDING_PX:
        raise RejectedFile(
            "unlike", f"with its other settings, the crop would be {distance:.0f} px off"
        )


def _read_back(
    photo: EditedPhoto, editor: str, new_sidecar: tuple[Path, bytes], reader: exiftool.TagReader
) -> Settings:
    """The settings of an editor in a sidecar that is not written yet."""
    name, (sidecar, content) = photo.file.name, new_sidecar
    with tempfile.TemporaryDirectory(prefix="cropperhead-") as folder:
        copy = Path(folder, sidecar.name)
        copy.write_bytes(content)
        tags = {name: photo.own_tags}
        if settings.is_for_exiftool(copy):
            answers = reader.read([copy], settings.sidecar_tags())
            tags |= {copy.name: answers[copy]} if copy in answers else {}
        entry = Entry(name, PHOTO, (copy.name,), "")
        new_settings = list(settings.read_settings(Path(folder), entry, tags))
    own = [one for one in new_settings if (one.editor.name, one.file) == (editor, copy.name)]
    return _last(own).settings


def _read_inside(
    photo: EditedPhoto, editor: str, copy: Path, reader: exiftool.TagReader
) -> Settings:
    """The settings of an editor that count once the copy is the photo."""
    name = photo.entry.file
    answers = reader.read([copy], edited_photo.photo_tags())
    if copy not in answers:
        raise RejectedFile("unreadable", "ExifTool cannot read what it has written")
    entry = replace(photo.entry, edits=())  # a catalog is another place
    tags = {**photo.tags, name: answers[copy]}
    new_settings = settings.read_settings(photo.folder, entry, tags)
    counting = [one for one in new_settings if one.key == (PHOTOGRAPHER, editor)]
    own = _last([one for one in counting if one.error or _is_stated(one)])
    if own.file != name:
        raise RejectedFile("unlike", f"the later settings in {own.file} would count")
    return own.settings


def _is_stated(one: FileSettings) -> bool:
    return one.editor.state(one.settings) is not State.SILENT


def _last(new_settings: Sequence[FileSettings]) -> FileSettings:
    if not new_settings or new_settings[-1].error:
        error = new_settings[-1].error if new_settings else None
        raise error or RejectedFile("unlike", "the crop is not found in it")
    return new_settings[-1]
