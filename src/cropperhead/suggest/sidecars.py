"""Suggested crops written into the sidecars of one editor, where no person has cropped."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cropperhead import api
from cropperhead.editors.base import ALREADY_APPLIED
from cropperhead.errors import RejectedFile, WritingError
from cropperhead.geometry.crops import Crop
from cropperhead.library import edited_photo
from cropperhead.library.edited_photo import Photo
from cropperhead.library.journal import Journals
from cropperhead.library.scan import Entry
from cropperhead.photos import exiftool
from cropperhead.writeback import write as writing

# What is wrong with a photo or its journal; other kinds are of crops that cannot be read, which are
# somebody's all the same
_FAILURES = frozenset({"not_a_photo", "unreadable", "too_large", "frame", "broken_journal"})
PERSONS, UNREAD = "a person has cropped it", "its crop cannot be read"
DONE = "this model's crop is there already"
TAKEN_OUT = "the suggested crop was taken out"
_MAX_MEGAPIXELS = 400  # as in `api`


@dataclass(frozen=True)
class Look:
    """How one photo stands: in which orientation to show it, and a reason why it is to be left.

    `shown_as` is None for the camera's. `failure` tells why nothing can be done with it.
    """

    photo: Photo | None = None
    shown_as: int | None = None
    reason: str = ""
    failure: str = ""


@dataclass(frozen=True)
class SidecarCrops:
    """How crops are written: for which editor, as whose (a mark's model), and over whose."""

    editor: str  # one of `editors.names.WRITABLE_NAMES`
    maker: str
    overwrite: bool
    dry_run: bool
    reader: exiftool.TagReader
    journals: Journals

    def look(self, folder: Path, entries: Sequence[Entry]) -> Iterator[Look]:
        """How each photo stands, in order.

        Where a sidecar is byte for byte what was written by the same maker, as the journal tells,
        nothing else is read.
        """
        done = [self._is_done(folder, entry) for entry in entries]
        rest = [entry for entry, is_done in zip(entries, done, strict=True) if not is_done]
        looked = edited_photo.look(folder, rest, self.reader, _MAX_MEGAPIXELS)
        for is_done in done:
            yield Look(reason=DONE) if is_done else self._look(next(looked))

    def write(self, photo: Photo, crop: api.Crop, shown_as: int | None) -> str:
        """Writes a crop as displayed by `shown_as`; gives the reason where that was not needed.

        Raises WritingError.
        """
        plain = Crop(crop.top, crop.left, crop.bottom, crop.right, crop.angle)
        wanted = writing.Wanted(plain, shown_as or photo.camera, self.maker)
        done = writing.write(photo, wanted, self.editor, self.reader, self.overwrite, self.dry_run)
        return done.reason

    def _is_done(self, folder: Path, entry: Entry) -> bool:
        try:
            return any(self._is_as_written(folder / name) for name in entry.sidecars)
        except WritingError:  # of the journal, told when the photo is looked at
            return False

    def _is_as_written(self, file: Path) -> bool:
        last = self.journals.last(file)
        if last is None or last.note.get("Model") != self.maker:
            return False
        try:
            as_written = hashlib.sha256(file.read_bytes()).hexdigest() == last.after
        except OSError:
            return False
        return as_written and last.note.get("Editor") == self.editor

    def _look(self, photo: Photo | RejectedFile) -> Look:
        if isinstance(photo, RejectedFile):
            return _refused(photo)
        try:
            return Look(photo, photo.upright(self.editor), self._reason_against(photo))
        except RejectedFile as error:
            return Look(failure=str(error))

    def _reason_against(self, photo: Photo) -> str:
        for one in photo.held:
            is_ours = one.mark is not None and one.mark.model == self.maker
            if one.editor == self.editor and one.is_untouched and is_ours:
                return DONE
        if self._was_taken_out(photo) and not self.overwrite:
            return TAKEN_OUT
        return PERSONS if edited_photo.cropped_by_a_person(photo) and not self.overwrite else ""

    def _was_taken_out(self, photo: Photo) -> bool:
        """Whether a person has removed or switched off what was once suggested in this editor."""
        is_held = any(one.editor == self.editor for one in photo.held)
        return not is_held and any(editor == self.editor for _, editor in photo.suggested)


def _refused(photo: RejectedFile) -> Look:
    if photo.kind in _FAILURES:
        return Look(failure=str(photo))
    return Look(reason=str(photo) if photo.kind == ALREADY_APPLIED else f"{UNREAD}: {photo}")
