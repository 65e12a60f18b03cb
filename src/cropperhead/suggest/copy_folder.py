"""A folder of cropped copies: which are there already, and that nothing else is written over.

`journal` notes each copy with its hash, so that a copy is told from a file of somebody's, and goes
away by `undo`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cropperhead.errors import WritingError
from cropperhead.library import journal
from cropperhead.library.journal import Journals, Record
from cropperhead.suggest import copies

_SOURCE, _TRACE, _MAKER = "Source", "Trace", "Maker"
Trace = tuple[int, int] | None  # a file's size and time


def is_copy(file: Path, journals: Journals) -> bool:
    """Whether a file is one of our copies, no photo to be cropped again. Raises WritingError."""
    last = journals.last(file)
    return last is not None and _SOURCE in last.note


@dataclass(frozen=True)
class CopyFolder:
    """The folder, and by what the copies are made: a model and how its crops are taken."""

    folder: Path
    maker: str
    journals: Journals

    def place(self, relative: str) -> Path:
        """Where the copy of a photo goes, by its path in the folder that was asked for."""
        path = self.folder / relative
        return path.with_name(copies.name(path.name))

    def is_done(self, target: Path, source: Path, trace: Trace) -> bool:
        """Whether the copy is there as it would be made now.

        Raises WritingError where something else is there, which is not to be written over.
        """
        if not (target.exists() or target.is_symlink()):
            return False
        last = self.journals.last(target)
        if last is None or _SOURCE not in last.note or not _is_as_written(target, last):
            raise WritingError(f"{target}: a file that CropperHead did not write is there.")
        if last.note[_SOURCE] != str(source.resolve()):
            raise WritingError(f"{target}: the copy of {last.note[_SOURCE]} is there.")
        return last.note == self._note(source, trace)

    def put(self, target: Path, source: Path, trace: Trace, content: bytes) -> None:
        """Writes a copy, also in place of an earlier one of the same photo. Raises WritingError."""
        try:
            self.is_done(target, source, trace)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)  # made anew from the photo at any time: no backup
        except OSError as error:
            raise WritingError(f"{target}: cannot be written: {error.strerror}") from error
        journal.write(target, content, None, self._note(source, trace))

    def _note(self, source: Path, trace: Trace) -> Mapping[str, str]:
        return {_SOURCE: str(source.resolve()), _TRACE: str(trace), _MAKER: self.maker}


def _is_as_written(file: Path, record: Record) -> bool:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == record.after
    except OSError:
        return False
