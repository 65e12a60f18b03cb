"""A review of a folder's photos: suggested crops, what a person decides, and what is written.

Worker processes predict in the background and decode pictures when they are asked for. Decisions
are kept in `review_log`. Nothing is written into a sidecar before `write_accepted`, which goes the
same way as `suggest --write`: never over a person's crop, with a mark, and by the journal.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import numpy as np

from cropperhead import api
from cropperhead.errors import CropperheadError, LibraryError, RejectedFile, WritingError
from cropperhead.geometry import orientation
from cropperhead.geometry.crops import Crop
from cropperhead.library import edited_photo, journal, scan, selection
from cropperhead.library.edited_photo import EditedPhoto
from cropperhead.library.journal_records import Journals
from cropperhead.library.scan import Entry
from cropperhead.photos import exiftool
from cropperhead.photos.exiftool import TagReader
from cropperhead.suggest import predict
from cropperhead.suggest.copies import is_copy
from cropperhead.suggest.options import SuggestOptions
from cropperhead.suggest.predict import Job, Prediction
from cropperhead.system import folder_lock, worker_pool
from cropperhead.web import pictures
from cropperhead.web.pictures import PictureRequest
from cropperhead.web.review_log import ReviewLog
from cropperhead.writeback import write

WAITING, SUGGESTED, KEPT, FAILED = "waiting", "suggested", "kept", "failed"
ACCEPTED, REJECTED, UNDECIDED = "accepted", "rejected", ""
_BATCH, _CHUNK, _ALTERNATIVES = 50, 4, 2
LONGEST_SIDE = 2560  # px of a picture that is shown
_PATIENCE_S, _LEAVE_S = 2.0, 10.0


@dataclass
class ReviewedPhoto:
    """One photo, and how far its review has come.

    `state` is WAITING for a suggestion, SUGGESTED, KEPT as it is for `reason` (a person has cropped
    it, say) or FAILED. `crop` is what is to be written, where a person has changed the suggestion.
    `writes` counts what was written for it and is not undone. Limits are in the photo as displayed
    by `shown_as`, `frame` is that picture's size in px.
    """

    file: Path
    name: str
    state: str = WAITING
    reason: str = ""
    frame: tuple[int, int] = (0, 0)
    shown_as: int = orientation.UPRIGHT
    crops: tuple[api.Crop, ...] = ()
    own: Crop | None = None
    decision: str = UNDECIDED
    crop: Crop | None = None
    writes: int = 0
    problem: str = ""
    version: int = 0

    @property
    def wanted(self) -> Crop:
        """The crop to be written: a person's, or the suggestion."""
        return self.crop or _plain(self.crops[0])

    @property
    def is_to_be_written(self) -> bool:
        """Whether it is accepted, and not written so."""
        return self.state == SUGGESTED and self.decision == ACCEPTED and not self.writes

    def fields(self, index: int) -> dict[str, Any]:
        """What the page is told of it."""
        return {
            "index": index,
            "name": self.name,
            "state": self.state,
            "reason": self.reason,
            "width": self.frame[0],
            "height": self.frame[1],
            "crops": [_numbers(crop) | _sureness(crop) for crop in self.crops],
            "unlike": any(crop.unlike for crop in self.crops),
            "own": self.own and _numbers(self.own),
            "decision": self.decision,
            "crop": self.crop and _numbers(self.crop),
            "written": self.writes > 0,
            "problem": self.problem,
        }


@dataclass
class Progress:
    """How many accepted crops are written, of how many; `problem` ended it."""

    done: int = 0
    total: int = 0
    is_running: bool = False
    problem: str = ""


@dataclass
class Review:
    """The review of the photos in a folder, for one of `names.WRITABLE_NAMES`.

    `model` is an exported model's file, `source` names it, and what is asked of it, in marks.
    `catalogs` are Lightroom's. Of the `options`, those count that say which crops are wanted.
    """

    folder: Path
    editor: str
    model: Path
    source: str
    catalogs: Collection[Path] = ()
    options: SuggestOptions = field(default_factory=SuggestOptions)
    photos: list[ReviewedPhoto] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self.log = ReviewLog(self.folder)
        self._lock, self._stop, self._version = Lock(), Event(), 0
        self._writing, self._stack = Lock(), ExitStack()
        self._entries = self._find_entries()
        self.photos = [ReviewedPhoto(self.folder / one.file, one.file) for one in self._entries]
        if not self.photos:
            raise LibraryError(f"{self.folder}: no photo was found.")
        self._by_name = {photo.name: photo for photo in self.photos}
        self._remembered: dict[str, Mapping[str, Any]] = {}
        for event in self.log.read():
            self._remember(event)

    def _find_entries(self) -> list[Entry]:
        """The folder's photos, without the copies that CropperHead made."""
        found, journals = selection.find_entries(self.folder, (), self.catalogs), Journals()
        photos = [one for one in found if one.kind == scan.PHOTO]
        return [one for one in photos if not is_copy(self.folder / one.file, journals)]

    def start(self) -> None:
        """Start predicting in the background."""
        self._pictures = self._stack.enter_context(pictures.open_pictures())
        self._predicting = Thread(target=self._predict_all, daemon=True)
        self._predicting.start()

    def close(self) -> None:
        """End what goes on in the background, between two photos."""
        self._stop.set()
        self._predicting.join(_LEAVE_S)
        with self._writing:
            self._stack.close()

    def changes(self, since: int) -> dict[str, Any]:
        """The photos that have changed since a version, and the present one."""
        with self._lock:
            changed = [
                photo.fields(index)
                for index, photo in enumerate(self.photos)
                if photo.version >= since
            ]
            return {
                "version": self._version + 1,
                "editor": self.editor,
                "folder": str(self.folder),
                "photos": changed,
                "writing": vars(self.progress),
                "problem": self.log.problem,
            }

    def picture(self, index: int, long_side: int) -> bytes:
        """A photo as a JPEG, upright. Raises RejectedFile."""
        photo = self.photos[index]
        side = min(long_side, LONGEST_SIDE)
        result = self._pictures.get(PictureRequest(photo.file, photo.shown_as, side))
        if isinstance(result, str):
            raise RejectedFile("unreadable", result)
        return result

    def decide(self, index: int, decision: str, crop: Crop | None) -> None:
        """Note a decision; one that was written is undone first. Raises WritingError."""
        photo = self.photos[index]
        if photo.state != SUGGESTED:
            raise WritingError(f"{photo.name}: {photo.reason or 'it has no suggestion yet'}.")
        if not self._writing.acquire(timeout=_PATIENCE_S):
            raise WritingError("Crops are being written. Wait until that is done.")
        try:
            self._undo_writes(photo)
            if crop is not None and _is_same(crop, photo.crops[0]):
                crop = None
            self._update(photo, decision=decision, crop=crop, problem="")
            limits = None if crop is None else list(astuple(crop))
            self.log.add("decision", photo.name, decision=decision, crop=limits)
        finally:
            self._writing.release()

    def write_accepted(self) -> None:
        """Write all accepted crops, in the background; a second call meanwhile does nothing."""
        if not self._writing.acquire(blocking=False):
            return
        wanted = [photo for photo in self.photos if photo.is_to_be_written]
        self.progress = Progress(total=len(wanted), is_running=True)
        Thread(target=self._write_all, args=[wanted], daemon=True).start()

    def _write_all(self, wanted: Sequence[ReviewedPhoto]) -> None:
        try:
            folders = {self.folder, *(photo.file.parent for photo in wanted)}
            with folder_lock.hold_trees(folders), exiftool.tag_reader() as reader:
                for photo in wanted:
                    if self._stop.is_set():
                        break
                    self._write(photo, reader)
                    self.progress.done += 1
        except (CropperheadError, OSError) as error:
            self.progress.problem = str(error)
        finally:
            self.progress.is_running = False
            self._writing.release()

    def _write(self, photo: ReviewedPhoto, reader: TagReader) -> None:
        """Write one crop; what goes wrong is the photo's problem."""
        try:
            edited = self._read_again(photo, reader)
            _refuse_person_crop(edited)
            suggested = _plain(photo.crops[0])
            corrected = None if photo.crop is None else suggested
            wanted = write.WantedCrop(photo.wanted, photo.shown_as, self.source, corrected)
            result = write.write_crop(edited, wanted, self.editor, reader)
        except (WritingError, RejectedFile) as error:
            self._update(photo, problem=str(error))
            return
        is_there = result.is_written or Journals().if_as_written(result.file) is not None
        if is_there:  # or it was, when an earlier server was killed before it could say so
            self.log.add("written", photo.name, writes=photo.writes + 1)
            self._update(photo, writes=photo.writes + 1, problem=result.caution)
        else:
            self._update(photo, problem=result.reason)

    def _read_again(self, photo: ReviewedPhoto, reader: TagReader) -> EditedPhoto:
        """The photo as it is now. Raises RejectedFile and WritingError."""
        folder, name = photo.file.parent, photo.file.name
        [entry, *_] = scan.find_photos(folder, [name], list(self.catalogs), ())
        [edited] = edited_photo.read(folder, [entry], reader)
        if isinstance(edited, RejectedFile):
            raise edited
        if edited.target_orientation(self.editor) != photo.shown_as:
            raise WritingError(f"{photo.name}: it has been turned meanwhile. Left as it was.")
        return edited

    def _undo_writes(self, photo: ReviewedPhoto) -> None:
        if not photo.writes:
            return
        with exiftool.tag_reader() as reader:
            target = write.find_target(self._read_again(photo, reader), self.editor)
        with folder_lock.hold_trees([photo.file.parent]):
            for left in reversed(range(photo.writes)):
                result = journal.undo_last(target)
                if target in result.kept:
                    raise WritingError(f"{target}: {result.kept[target]}.")
                self.log.add("written", photo.name, writes=left)
                self._update(photo, writes=left)

    def _update(self, photo: ReviewedPhoto, **values: Any) -> None:
        with self._lock:
            self._version += 1
            for name, value in values.items():
                setattr(photo, name, value)
            photo.version = self._version

    def _remember(self, event: Mapping[str, Any]) -> None:
        photo = self._by_name.get(event["photo"])
        if photo is None:
            return
        try:
            if event["kind"] == "crops":
                self._remembered[photo.name] = event
            elif event["kind"] == "written":
                photo.writes = max(0, int(event["writes"]))
            elif event["decision"] in {ACCEPTED, REJECTED, UNDECIDED}:
                limits = event["crop"]
                photo.crop = None if limits is None else Crop(*(float(one) for one in limits))
                photo.decision = event["decision"]
        except (KeyError, TypeError, ValueError):
            return

    def _predict_all(self) -> None:
        options = replace(self.options, alternatives=_ALTERNATIVES)
        work = partial(predict.predict_photos, self.model, options)
        pending: list[ReviewedPhoto] = []
        workers = worker_pool.worker_count(0)
        chunks = self._jobs(pending)
        try:
            for results in worker_pool.map_chunks(work, chunks, workers, predict.failed_prediction):
                for result in results:
                    self._suggested(pending.pop(0), result)
                if self._stop.is_set():
                    return
        except CropperheadError as error:
            self.progress.problem = str(error)

    def _jobs(self, pending: list[ReviewedPhoto]) -> Iterator[list[Job]]:
        """The photos that need a prediction, in chunks; `pending` keeps them until it is there."""
        with exiftool.tag_reader() as reader:
            for start in range(0, len(self.photos), _BATCH):
                batch = slice(start, start + _BATCH)
                found = [
                    photo
                    for photo, edited in zip(
                        self.photos[batch],
                        edited_photo.read(self.folder, self._entries[batch], reader),
                        strict=True,
                    )
                    if self._needs_prediction(photo, edited)
                ]
                for first in range(0, len(found), _CHUNK):
                    chunk = found[first : first + _CHUNK]
                    pending += chunk
                    yield [Job(photo.file, photo.shown_as) for photo in chunk]

    def _needs_prediction(self, photo: ReviewedPhoto, edited: EditedPhoto | RejectedFile) -> bool:
        """Whether a photo needs one; otherwise its state is set, as far as that is known."""
        try:
            if isinstance(edited, RejectedFile):
                raise edited
            shown_as = edited.target_orientation(self.editor)
            frame = orientation.displayed_size(*edited.frame, shown_as)
        except RejectedFile as error:
            self._update(photo, state=FAILED, reason=str(error))
            return False
        self._update(photo, shown_as=shown_as, frame=frame)
        others = _person_crop(edited, self._target_as_written(photo, edited))
        if others:
            own = edited.person_crops[0].crop if edited.person_crops else None
            self._update(photo, state=KEPT, reason=f"A person has cropped it: {others}", own=own)
            return False
        return not self._recall(photo)

    def _target_as_written(self, photo: ReviewedPhoto, edited: EditedPhoto) -> Path | None:
        """The sidecar, where it still is as this review wrote it."""
        if not photo.writes:
            return None
        try:
            target = write.find_target(edited, self.editor)
            return target if Journals().if_as_written(target) else None
        except WritingError:
            return None

    def _recall(self, photo: ReviewedPhoto) -> bool:
        """Take over the crops that this model has predicted earlier; False if there are none."""
        event = self._remembered.get(photo.name, {})
        try:
            if (event["model"], event["trace"]) != (self.source, _trace(photo.file)):
                return False
            crops = tuple(
                api.Crop(*map(_number, numbers), unlike=bool(unlike))
                for *numbers, unlike in event["crops"]
            )
        except (KeyError, TypeError, ValueError, OSError):
            return False
        if not crops or not all(np.isfinite(crop.limits()).all() for crop in crops):
            return False
        self._update(photo, state=SUGGESTED, crops=crops)
        return True

    def _suggested(self, photo: ReviewedPhoto, result: Prediction) -> None:
        if result.failure:
            self._update(photo, state=FAILED, reason=result.failure)
            return
        crops = [list(astuple(crop)) for crop in result.crops]
        trace = list(result.trace or ())
        self.log.add("crops", photo.name, model=self.source, trace=trace, crops=crops)
        self._update(photo, state=SUGGESTED, crops=result.crops)


def _refuse_person_crop(edited: EditedPhoto) -> None:
    others = edited_photo.describe_person_crops(edited)
    if others:
        raise WritingError(f"{edited.file.name}: a person has cropped it: {others}")


def _person_crop(edited: EditedPhoto, as_written: Path | None) -> str:
    """Names people's crops, other than the one that this review wrote."""
    own = [one for one in edited.person_crops if edited.folder / one.version.file != as_written]
    unreadable = [f"{one.file}: {one.reason}" for one in edited.left_out]
    return "; ".join([*map(str, own), *unreadable])


def _plain(crop: Crop) -> Crop:
    return Crop(crop.top, crop.left, crop.bottom, crop.right, crop.angle)


def _is_same(one: Crop, other: Crop) -> bool:
    pairs = zip(astuple(_plain(one)), astuple(_plain(other)), strict=True)
    return all(abs(first - second) < 1e-9 for first, second in pairs)


def _numbers(crop: Crop) -> dict[str, float]:
    names = ("top", "left", "bottom", "right", "angle")
    return dict(zip(names, astuple(_plain(crop)), strict=True))


def _sureness(crop: api.Crop) -> dict[str, float | None]:
    return {"confidence": crop.confidence, "straightening": crop.straightening}


def _number(value: Any) -> Any:
    """A number, or None where a model gives none. Raises TypeError and ValueError."""
    return None if value is None else float(value)


def _trace(file: Path) -> list[int]:
    return list(predict.file_trace(file))
