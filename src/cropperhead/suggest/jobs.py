"""What is left to do with each photo, found out before any pixel is read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cropperhead.editors.base import ALREADY_APPLIED
from cropperhead.errors import RejectedFile, WritingError
from cropperhead.library import edited_photo, scan
from cropperhead.library.edited_photo import EditedPhoto
from cropperhead.library.journal_records import Journals
from cropperhead.library.scan import Entry
from cropperhead.photos.exiftool import TagReader
from cropperhead.suggest.copies import CopyFolder, is_copy
from cropperhead.suggest.options import SuggestLog, SuggestOptions
from cropperhead.suggest.predict import Job, file_trace
from cropperhead.writeback import write

_BATCH = 100  # as many files as ExifTool is asked for at a time
# Kinds of what is wrong with a photo or its journal. Other kinds are of crops that cannot be read,
# and count as a person's
_FAILURES = frozenset(
    {"not_a_photo", "unreadable", "empty", "too_large", "frame", "broken_journal"}
)
_CROPPED, _UNREADABLE_CROP = "a person has cropped it", "its crop cannot be read"
_PRESENT = "it already has this model's crop"
_REMOVED = "the suggested crop was removed"
_COPY_PRESENT, _IS_COPY = "this copy already exists", "it is a copy that CropperHead made"


@dataclass(frozen=True)
class JobFinder:
    """Finds the jobs for photos; the log notes why a photo has none.

    `source` is what the crops are made by (`SuggestOptions.crop_source`), `reader` a running
    ExifTool, None unless sidecars are to be written, and `copies` None unless copies are.
    """

    options: SuggestOptions
    source: str
    journals: Journals
    log: SuggestLog
    reader: TagReader | None
    copies: CopyFolder | None

    def find(self, folders: Sequence[tuple[Path, list[Entry]]]) -> Iterator[Job]:
        """Find the jobs for the photos of some folders, in order."""
        for folder, entries in folders:
            photos = [entry for entry in entries if self._is_photo(folder / entry.file, entry)]
            for start in range(0, len(photos), _BATCH):
                yield from self._batch_jobs(folder, photos[start : start + _BATCH])

    def _batch_jobs(self, folder: Path, entries: Sequence[Entry]) -> Iterator[Job]:
        for entry, sidecar_job in zip(entries, self._sidecar_jobs(folder, entries), strict=True):
            job = sidecar_job and self._with_copy(sidecar_job, entry)
            if job is None:
                self.log.advance()
            else:
                yield job

    def _is_photo(self, file: Path, entry: Entry) -> bool:
        if entry.kind in {scan.LOST, scan.UNREADABLE, scan.BROKEN_CATALOG}:
            self.log.fail(file, entry.trace)
        elif entry.kind == scan.PHOTO:
            if not is_copy(file, self.journals):
                return True
            self.log.skip(file, _IS_COPY)
        self.log.advance()
        return False

    def _sidecar_jobs(self, folder: Path, entries: Sequence[Entry]) -> Iterator[Job | None]:
        """A job for each photo, with `photo` where its sidecar is to be written.

        A photo with a sidecar that is byte for byte what was written from the same source, by the
        journal, is not read.
        """
        if self.reader is None:
            yield from (Job(folder / entry.file) for entry in entries)
            return
        present = [self._has_written_sidecar(folder, entry) for entry in entries]
        rest = [entry for entry, is_present in zip(entries, present, strict=True) if not is_present]
        photos = edited_photo.read(folder, rest, self.reader)
        for entry, is_present in zip(entries, present, strict=True):
            file = folder / entry.file
            if is_present:
                self.log.skip(file, _PRESENT)
                yield Job(file)
            else:
                yield self._sidecar_job(file, next(photos))

    def _has_written_sidecar(self, folder: Path, entry: Entry) -> bool:
        targets = [entry.file] if self._goes_inside(entry) else entry.sidecars
        try:
            return any(self._is_this_suggestion(folder / name) for name in targets)
        except WritingError:  # of the journal, reported when the photo is read
            return False

    def _goes_inside(self, entry: Entry) -> bool:
        """Whether the crop goes into the photo itself."""
        is_meant = self.options.into_photos
        return is_meant and write.keeps_inside(entry.file, str(self.options.write))

    def _is_this_suggestion(self, sidecar: Path) -> bool:
        last = self.journals.if_as_written(sidecar)
        wanted = (self.source, self.options.write)
        return last is not None and (last.note.get("Model"), last.note.get("Editor")) == wanted

    def _sidecar_job(self, file: Path, photo: EditedPhoto | RejectedFile) -> Job | None:
        if isinstance(photo, RejectedFile):
            return self._job_for_rejected(file, photo)
        try:
            shown_as = photo.target_orientation(str(self.options.write))
        except RejectedFile as error:
            self.log.fail(file, str(error))
            return None
        reason = self._reason_to_skip(photo)
        if reason:
            self.log.skip(file, reason)
            return Job(file, shown_as)
        return Job(file, shown_as, photo)

    def _job_for_rejected(self, file: Path, error: RejectedFile) -> Job | None:
        if error.kind in _FAILURES:
            self.log.fail(file, str(error))
            return None
        is_export = error.kind == ALREADY_APPLIED
        self.log.skip(file, str(error) if is_export else f"{_UNREADABLE_CROP}: {error}")
        return Job(file)

    def _reason_to_skip(self, photo: EditedPhoto) -> str:
        own = [one for one in photo.crops if one.editor_name == self.options.write]
        beside = photo.entry.sidecars if self._goes_inside(photo.entry) else ()
        there = [one.mark for one in own if one.is_untouched and one.version.file not in beside]
        if any(mark and mark.model == self.source for mark in there):
            return _PRESENT
        if self.options.overwrite:
            return ""
        if not own and any(editor == self.options.write for _, editor in photo.suggestions):
            return _REMOVED  # by a person who switched it off, too
        return _CROPPED if edited_photo.describe_person_crops(photo) else ""

    def _with_copy(self, job: Job, entry: Entry) -> Job | None:
        """The job with the copy's target, or None where nothing is left to do."""
        job = replace(job, copy_to=self._copy_target(job.file, entry))
        is_needed = job.photo or job.copy_to or self.options.needs_every_crop
        return job if is_needed else None

    def _copy_target(self, file: Path, entry: Entry) -> Path | None:
        """Where the copy goes, or None where it is there already or cannot be written."""
        if self.copies is None:
            return None
        target = self.copies.target(entry.file)
        try:
            if not self.copies.is_current(target, file, file_trace(file)):
                return target
            self.log.skip(file, _COPY_PRESENT)
        except WritingError as error:
            self.log.fail_writing(file, error)
        except OSError as error:
            self.log.fail(file, f"it cannot be read: {error.strerror}")
        return None
