"""What is left to do with each photo, looked up before any pixel is read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cropperhead.errors import WritingError
from cropperhead.library import scan
from cropperhead.library.journal import Journals
from cropperhead.library.scan import Entry
from cropperhead.suggest import predict
from cropperhead.suggest.copy_folder import CopyFolder, is_copy
from cropperhead.suggest.order import Log, Order
from cropperhead.suggest.predict import Asked

if TYPE_CHECKING:
    from cropperhead.library.edited_photo import Photo
    from cropperhead.suggest.sidecars import Look, SidecarCrops

_LOOKED_AT_ONCE = 100  # as many as ExifTool is asked for at a time
_COPY_OF_OURS = "it is a copy that CropperHead made"


@dataclass(frozen=True)
class Task:
    """One photo, and what is to become of its crop."""

    asked: Asked
    photo: "Photo | None"  # into whose sidecar it is to be written
    target: Path | None  # of its copy

    @property
    def file(self) -> Path:
        """The photo."""
        return self.asked.file


@dataclass(frozen=True)
class Tasks:
    """Finds the tasks of an order; where none is left, the log is told why."""

    order: Order
    sidecars: "SidecarCrops | None"
    copies: CopyFolder | None
    journals: Journals
    log: Log

    def of(self, found: Sequence[tuple[Path, list[Entry]]]) -> Iterator[Task]:
        """The tasks for the photos of some folders, in order."""
        for folder, entries in found:
            known = [entry for entry in entries if self._is_photo(folder / entry.file, entry)]
            for start in range(0, len(known), _LOOKED_AT_ONCE):
                for task in self._tasks(folder, known[start : start + _LOOKED_AT_ONCE]):
                    if task is None:
                        self.log.advance()
                    else:
                        yield task

    def _is_photo(self, file: Path, entry: Entry) -> bool:
        if entry.kind in {scan.LOST, scan.UNREADABLE, scan.BROKEN_CATALOG}:
            self.log.fail(file, entry.trace)
        elif entry.kind == scan.PHOTO:
            if not self._is_copy(file):
                return True
            self.log.skip(file, _COPY_OF_OURS)
        self.log.advance()
        return False

    def _is_copy(self, file: Path) -> bool:
        try:
            return is_copy(file, self.journals)
        except WritingError:  # told where something is to be written there
            return False

    def _tasks(self, folder: Path, entries: Sequence[Entry]) -> Iterator[Task | None]:
        if self.sidecars is None:
            for entry in entries:
                yield self._task(folder / entry.file, entry, None)
            return
        looks = self.sidecars.look(folder, entries)
        for entry, look in zip(entries, looks, strict=True):
            file = folder / entry.file
            if look.failure:
                self.log.fail(file, look.failure)
                yield None
                continue
            if look.reason:
                self.log.skip(file, look.reason)
            yield self._task(file, entry, look)

    def _task(self, file: Path, entry: Entry, look: "Look | None") -> Task | None:
        target = self._target(file, entry)
        photo = None if look is None or look.reason else look.photo
        if photo is None and target is None and not self.order.asks_for_every_photo:
            return None
        shown_as = None if look is None else look.shown_as
        return Task(Asked(file, shown_as, self._is_to_copy(target)), photo, target)

    def _is_to_copy(self, target: Path | None) -> bool:
        return target is not None and not self.order.dry_run

    def _target(self, file: Path, entry: Entry) -> Path | None:
        """Where the copy is to go, None where it is there or cannot be."""
        if self.copies is None:
            return None
        target = self.copies.place(entry.file)
        try:
            if not self.copies.is_done(target, file, predict.trace(file)):
                return target
            self.log.skip(file, "this copy is there already")
        except WritingError as error:
            self.log.fail_writing(file, error)
        except OSError as error:
            self.log.fail(file, f"it cannot be read: {error.strerror}")
        return None
