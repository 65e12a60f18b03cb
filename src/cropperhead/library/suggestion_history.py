"""Finds what was suggested for a photo: by marks in its sidecars, or by the journal next to it.

An editor may drop a mark; the journal keeps what was written.

Journals are not part of the trace by which photos are read again, and need not be. A line is
written just before the sidecar, and counts only once the sidecar has changed; `undo` removes lines
with the sidecars that it restores, and lines that do not count. So what a journal records of a
sidecar changes with the sidecar. If somebody deletes a journal, labels that were read with it stay:
a suggestion does not become a person's crop.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from cropperhead.errors import RejectedFile, WritingError
from cropperhead.library import marks, settings
from cropperhead.library.journal_records import Journals, Record
from cropperhead.library.marks import Mark
from cropperhead.library.scan import Entry

Marks = Mapping[tuple[str, str], Mark]  # by author and editor


def find_suggestions(folder: Path, entry: Entry, journals: Journals) -> Marks:
    """Finds the suggestions that were written for a photo of the library in `folder`.

    Raises RejectedFile if a journal cannot be read: a suggestion could pass for a person's crop.
    """
    by_version = {}
    for name in entry.sidecars:
        try:
            mark = _mark(folder / name, journals)
        except WritingError as error:
            raise RejectedFile("broken_journal", str(error)) from error
        if mark is not None:
            by_version[settings.find_author(entry.file, name), mark.editor] = mark
    return by_version


def _mark(sidecar: Path, journals: Journals) -> Mark | None:
    content = _content(sidecar)
    mark = marks.read_mark(sidecar.name, content)
    return mark or marks.parse_mark(_note(content, journals.changes(sidecar)))


def _content(sidecar: Path) -> bytes:
    """The bytes of a sidecar; none for one that cannot be read or is too large."""
    try:
        return settings.read_sidecar(sidecar)
    except OSError:
        return b""


def _note(content: bytes, changes: Sequence[Record]) -> Mapping[str, str]:
    """The note of the last change that the sidecar contains."""
    if not changes:
        return {}
    now = hashlib.sha256(content).hexdigest()
    earlier = [change.before for change in changes]
    contained = changes[: earlier.index(now)] if now in earlier else changes
    return contained[-1].note if contained else {}
