"""Writes crops into the sidecars of editors, next to what those already hold.

Photos themselves are never written. Before a sidecar is replaced, the readers of this project must
find in it the crop that was meant; `journal` keeps what was there before. How each editor writes,
and what it does with the sidecar, is in its module of `editors`.
"""

import tempfile
from dataclasses import astuple, dataclass
from pathlib import Path, PurePosixPath

from cropperhead.editors import base, registry
from cropperhead.editors.base import PHOTOGRAPHER, CropToWrite, Settings, State
from cropperhead.errors import RejectedFile, WritingError
from cropperhead.geometry.crops import FULL_FRAME, Crop
from cropperhead.library import edited_photo, journal, marks, settings, sidecars
from cropperhead.library.edited_photo import EditedCrop, EditedPhoto
from cropperhead.library.marks import Mark
from cropperhead.library.scan import PHOTO, Entry
from cropperhead.photos import exiftool
from cropperhead.photos.dng import Box


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
    """What became of a sidecar, and the reason if nothing was written.

    `caution` says why the editor will not show what was written; empty if it will.
    """

    sidecar: Path
    reason: str = ""
    caution: str = ""

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
    other_case = [name for name in sorted(own) if name.lower() == wanted.lower()]
    name = wanted if wanted in own or not other_case else other_case[0]
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
) -> WriteResult:
    """Writes a crop for an editor, one of `names.WRITABLE_NAMES`, unless it has a person's crop.

    `overwrite` replaces that too. Raises WritingError, and changes nothing, if the editor would not
    show the crop as meant, or if the sidecar, its folder or the disk cannot be written.
    """
    sidecar = find_target(photo, editor)
    reason = _reason_to_skip(photo, wanted, editor, overwrite)
    if reason:
        return WriteResult(sidecar, reason)
    try:
        _refuse_unreadable(photo, editor, sidecar)
        before = settings.read_sidecar(sidecar) if sidecar.exists() else None
        mark = _mark(wanted, editor)
        after = _with_crop(photo, wanted, editor, before, mark)
        _require_as_meant(photo, wanted, editor, (sidecar, after), reader)
    except RejectedFile as error:
        raise WritingError(f"{sidecar}: {error}. Left as it was.") from error
    except OSError as error:
        raise WritingError(f"{sidecar}: cannot be read: {error.strerror}") from error
    if after == before:
        return WriteResult(sidecar, "the sidecar already contains this crop")
    if not dry_run:
        _refuse_changed(photo, sidecar, before)
        journal.write_file(sidecar, after, before, {} if mark is None else mark.texts())
    return WriteResult(sidecar, caution=_caution(photo.file.name, editor))


def _caution(photo: str, editor: str) -> str:
    suffix = sidecars.suffix(photo)
    if suffix not in registry.find_editor(editor).sidecars.unread_for:
        return ""
    return (
        f"{editor} reads no sidecar of a {suffix} file, whose settings it keeps inside; "
        "it will not show this crop"
    )


def _reason_to_skip(photo: EditedPhoto, wanted: WantedCrop, editor: str, overwrite: bool) -> str:
    if astuple(wanted.crop) == FULL_FRAME:
        return "it is the whole frame"
    present = _present_crop(photo, editor)
    if present is None:
        return "" if overwrite else _unreadable_elsewhere(photo, editor)
    box = base.stored_box(wanted.crop, *photo.frame, wanted.shown_as)
    if marks.is_same(box, present.box) and present.shown_as == wanted.shown_as:
        return "it already has the same crop"
    by_nobody = present.is_untouched or present.is_automatic
    return "" if by_nobody or overwrite else f"a person has cropped it: {present}"


def _unreadable_elsewhere(photo: EditedPhoto, editor: str) -> str:
    """Names unreadable settings, in a catalog say, whose crop the sidecar might replace."""
    for one in photo.file_settings:
        is_own = one.author == PHOTOGRAPHER and one.editor.name == editor
        if is_own and one.error and photo.folder / one.file != find_target(photo, editor):
            return f"the settings of {editor} cannot be read: {one.file}: {one.error}"
    return ""


def _present_crop(photo: EditedPhoto, editor: str) -> EditedCrop | None:
    """The photographer's crop in an editor."""
    own = [crop for crop in photo.crops if crop.version.author == PHOTOGRAPHER]
    return next((crop for crop in own if crop.editor_name == editor), None)


def _refuse_unreadable(photo: EditedPhoto, editor: str, sidecar: Path) -> None:
    """Raises RejectedFile if what the sidecar holds so far cannot be read."""
    for settings_of_file in photo.file_settings:
        if settings_of_file.error and photo.folder / settings_of_file.file == sidecar:
            raise settings_of_file.error
    for one in photo.left_out:
        if photo.folder / one.file == sidecar:
            raise RejectedFile(one.kind, one.reason)
    module, now = registry.find_editor(editor), photo.settings_in(editor)
    if module.state(now).holds_crop:
        exif_orientation = photo.exif_orientation(editor)
        base.decode_in_frame(module, now, photo.frame, exif_orientation, photo.sensor)


def _refuse_changed(photo: EditedPhoto, sidecar: Path, before: bytes | None) -> None:
    """Raises WritingError if the photo or a sidecar of it has changed since it was read."""
    now = edited_photo.find_traces(photo.folder, photo.entry)
    changed = [file for file, trace in photo.traces.items() if now[file] != trace]
    changed += [sidecar] if before is not None and sidecar not in now else []
    if changed:
        raise WritingError(f"{changed[0]}: has changed meanwhile. {sidecar.name} was not written.")


def _mark(wanted: WantedCrop, editor: str) -> Mark | None:
    if wanted.model is None:
        return None
    return Mark(wanted.model, editor, wanted.suggested or wanted.crop, wanted.shown_as)


def _with_crop(
    photo: EditedPhoto, wanted: WantedCrop, editor: str, before: bytes | None, mark: Mark | None
) -> bytes:
    """The sidecar with the crop. Raises RejectedFile."""
    frame, crop = _measured_by(photo, wanted, editor)
    new = CropToWrite(
        photo=photo.file.name,
        frame=frame,
        exif_orientation=photo.exif_orientation(editor),
        camera=photo.turn,
        shown_now=photo.shown_in(editor),
        crop=crop,
        shown_as=wanted.shown_as,
    )
    texts = {} if mark is None else mark.texts()
    return registry.find_writable(editor).write(before, new, texts)


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
    base.require_within(box, *size, f"it is not in what {editor} shows of the sensor")
    return size, base.displayed_crop(box, *size, wanted.shown_as)


def _require_as_meant(
    photo: EditedPhoto,
    wanted: WantedCrop,
    editor: str,
    new_sidecar: tuple[Path, bytes],
    reader: exiftool.TagReader,
) -> None:
    """Raises RejectedFile if the readers would not find the crop in the new sidecar."""
    now = _read_back(photo, editor, new_sidecar, reader)
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
    if not own or own[-1].error:
        raise (own and own[-1].error) or RejectedFile("unlike", "the crop is not found in it")
    return own[-1].settings
