"""Crops written into the sidecars of editors, beside what those already say.

Photos themselves are never written. Before a sidecar is replaced, the readers of this project must
find in it the crop that was meant; `journal` keeps what was there before. How each editor writes,
and what it does with the sidecar, is in its module of `editors`.
"""

import tempfile
from dataclasses import astuple, dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from cropperhead.editors import base, registry
from cropperhead.editors.base import PHOTOGRAPHER, CropToWrite, Settings, State
from cropperhead.errors import RejectedFile, WritingError
from cropperhead.geometry.crops import FULL_FRAME, Crop
from cropperhead.library import edited_photo, journal, marks, settings
from cropperhead.library.edited_photo import EditedCrop, EditedPhoto
from cropperhead.library.marks import Mark
from cropperhead.library.scan import PHOTO, Entry
from cropperhead.library.sidecars import pair
from cropperhead.photos import exiftool


@dataclass(frozen=True)
class Wanted:
    """A crop to be written, as displayed by `shown_as`; of a model, where it is a suggestion."""

    crop: Crop
    shown_as: int
    model: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a sidecar; the reason why, where nothing was written."""

    file: Path
    reason: str = ""

    @property
    def written(self) -> bool:
        """Whether it was written, or would be but for a dry run."""
        return not self.reason


def target(photo: EditedPhoto, editor: str) -> Path:
    """The sidecar in which an editor looks for a photo's crop, be it there or not.

    Raises WritingError where it would be that of another photo too, or of that alone: IMG.xmp
    beside IMG.NEF and IMG.JPG is the RAW file's.
    """
    photo_name, folder = photo.file.name, photo.file.parent
    wanted = registry.find_editor(editor).sidecars.name_for(photo_name)
    own = {PurePosixPath(name).name for name in photo.entry.sidecars}
    spelled = [name for name in sorted(own) if name.lower() == wanted.lower()]
    name = wanted if wanted in own or not spelled else spelled[0]
    try:
        names = {one.name for one in folder.iterdir() if not one.name.startswith(".")}
    except OSError as error:
        raise WritingError(f"{folder}: cannot be listed: {error.strerror}") from error
    if photo_name not in names:
        raise WritingError(f"{photo.file}: it is not there any more.")
    found, _ = pair({*names, name})
    owners = sorted(other for other, beside in found.items() if name in beside)
    if owners != [photo_name]:
        raise WritingError(
            f"{folder / name}: it would be read for {', '.join(owners)}. Not written."
        )
    return folder / name


def write(
    photo: EditedPhoto,
    wanted: Wanted,
    editor: str,
    reader: exiftool.TagReader,
    overwrite: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Writes a crop for an editor, one of `names.WRITABLE_NAMES`, unless a person's crop is there.

    `overwrite` replaces that too. Raises WritingError, with all as it was, where the crop cannot be
    written so that the editor would show it, or the sidecar, the folder or the disk do not let it.
    """
    file = target(photo, editor)
    reason = _reason_against(photo, wanted, editor, overwrite)
    if reason:
        return Outcome(file, reason)
    try:
        _refuse_unreadable(photo, editor, file)
        before = file.read_bytes() if file.exists() else None
        mark = _mark(wanted, editor)
        after = _merged(photo, wanted, editor, before, mark)
        _require_as_meant(photo, wanted, editor, (file, after), reader)
    except RejectedFile as error:
        raise WritingError(f"{file}: {error}. Left as it was.") from error
    except OSError as error:
        raise WritingError(f"{file}: cannot be read: {error.strerror}") from error
    if after == before:
        return Outcome(file, "it says so already")
    if not dry_run:
        _refuse_changed(photo, file, before)
        journal.write(file, after, before, {} if mark is None else mark.texts())
    return Outcome(file)


def _reason_against(photo: EditedPhoto, wanted: Wanted, editor: str, overwrite: bool) -> str:
    if astuple(wanted.crop) == FULL_FRAME:
        return "it is the whole frame"
    there = _there(photo, editor)
    if there is None:
        return "" if overwrite else _unread_elsewhere(photo, editor)
    if _is_same(photo, wanted, there) and there.shown_as == wanted.shown_as:
        return "the same crop is there already"
    return "" if there.is_untouched or overwrite else f"a person's crop is there: {there}"


def _unread_elsewhere(photo: EditedPhoto, editor: str) -> str:
    """Where a crop may stand unread that the sidecar would take the place of: in a catalog, say."""
    for said in photo.file_settings:
        ours = said.author == PHOTOGRAPHER and said.editor.name == editor
        if ours and said.error and photo.folder / said.file != target(photo, editor):
            return f"what {editor} holds cannot be read: {said.file}: {said.error}"
    return ""


def _there(photo: EditedPhoto, editor: str) -> EditedCrop | None:
    """The photographer's crop in an editor."""
    own = [one for one in photo.crops if one.version.author == PHOTOGRAPHER]
    return next((one for one in own if one.editor_name == editor), None)


def _is_same(photo: EditedPhoto, wanted: Wanted, there: EditedCrop) -> bool:
    box = base.stored_box(wanted.crop, *photo.frame, wanted.shown_as)
    return bool(np.abs(box.corners() - there.box.corners()).max() <= marks.ROUNDING_PX)


def _refuse_unreadable(photo: EditedPhoto, editor: str, file: Path) -> None:
    """Raises where what the editor's sidecar says so far is not understood."""
    for said in photo.file_settings:
        if said.error and photo.folder / said.file == file:
            raise said.error
    for one in photo.left_out:
        if photo.folder / one.file == file:
            raise RejectedFile(one.kind, one.reason)
    module, now = registry.find_editor(editor), photo.settings_in(editor)
    if module.state(now) is State.CROPPED:
        module.decode(now, *photo.frame, photo.exif_orientation(editor))


def _refuse_changed(photo: EditedPhoto, file: Path, before: bytes | None) -> None:
    """Raises where the photo or a sidecar of it is not any more what was looked at."""
    now = edited_photo.find_traces(photo.folder, photo.entry)
    changed = [one for one, trace in photo.traces.items() if now[one] != trace]
    changed += [file] if before is not None and file not in now else []
    if changed:
        raise WritingError(f"{changed[0]}: changed meanwhile. {file.name} was not written.")


def _mark(wanted: Wanted, editor: str) -> Mark | None:
    if wanted.model is None:
        return None
    return Mark(wanted.model, editor, wanted.crop, wanted.shown_as)


def _merged(
    photo: EditedPhoto, wanted: Wanted, editor: str, before: bytes | None, mark: Mark | None
) -> bytes:
    """The sidecar with the crop. Raises RejectedFile."""
    new = CropToWrite(
        photo=photo.file.name,
        frame=photo.frame,
        exif_orientation=photo.exif_orientation(editor),
        shown_now=photo.shown_in(editor),
        crop=wanted.crop,
        shown_as=wanted.shown_as,
    )
    texts = {} if mark is None else mark.texts()
    return registry.find_writable(editor).write(before, new, texts)


def _require_as_meant(
    photo: EditedPhoto,
    wanted: Wanted,
    editor: str,
    written: tuple[Path, bytes],
    reader: exiftool.TagReader,
) -> None:
    """Raises RejectedFile where the readers would not find the crop in the new sidecar."""
    now, module = _read_back(photo, editor, written, reader), registry.find_editor(editor)
    shown_as = module.shown_as(now, photo.exif_orientation(editor))
    if module.state(now) is not State.CROPPED or shown_as != wanted.shown_as:
        raise RejectedFile("unlike", "with its other settings, the crop would not be shown")
    box = module.decode(now, *photo.frame, photo.exif_orientation(editor))
    meant = base.stored_box(wanted.crop, *photo.frame, wanted.shown_as)
    error = float(np.abs(box.corners() - meant.corners()).max())
    if error > marks.ROUNDING_PX:
        raise RejectedFile(
            "unlike", f"with its other settings, the crop would be {error:.0f} px off"
        )


def _read_back(
    photo: EditedPhoto, editor: str, written: tuple[Path, bytes], reader: exiftool.TagReader
) -> Settings:
    """The settings of an editor in a sidecar that is not there yet."""
    name, (file, content) = photo.file.name, written
    with tempfile.TemporaryDirectory(prefix="cropperhead-") as place:
        copy = Path(place, file.name)
        copy.write_bytes(content)
        tags = {name: photo.own_tags}
        if settings.is_for_exiftool(copy):
            found = reader.read([copy], settings.sidecar_tags())
            tags |= {copy.name: found[copy]} if copy in found else {}
        entry = Entry(name, PHOTO, (copy.name,), "")
        found_now = list(settings.read_settings(Path(place), entry, tags, photo.camera))
    own = [one for one in found_now if (one.editor.name, one.file) == (editor, copy.name)]
    if not own or own[-1].error:
        raise (own and own[-1].error) or RejectedFile("unlike", "the crop is not found in it")
    return own[-1].settings
