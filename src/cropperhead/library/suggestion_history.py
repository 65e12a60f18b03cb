"""What was suggested for a photo: by the marks in its sidecars, or by the journal next to it.

An editor may drop a mark; the journal keeps what was written.

No journal is part of the trace by which photos are read again, nor needs to be. Its line is written
just before the sidecar, and counts only once the sidecar is no longer what it was before; `undo`
takes away lines with the sidecars that it brings back, or such as do not count. So what a journal
says of a sidecar changes with the sidecar. Where somebody deletes a journal, what was read by it
stays: a suggestion does not become a person's crop.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from cropperhead.errors import RejectedFile, WritingError
from cropperhead.library import marks, settings
from cropperhead.library.journal import Journals, Record
from cropperhead.library.marks import Mark
from cropperhead.library.scan import Entry

Marks = Mapping[tuple[str, str], Mark]  # by author and editor


def find_suggestions(folder: Path, entry: Entry, journals: Journals) -> Marks:
    """Finds the suggestions that were written for a photo of the library in `folder`.

    Raises RejectedFile if a journal cannot be read: a suggestion could pass for a person's crop.
    """
    found = {}
    for name in entry.sidecars:
        try:
            mark = _mark(folder / name, journals)
        except WritingError as error:
            raise RejectedFile("broken_journal", str(error)) from error
        if mark is not None:
            found[settings.author(entry.file, name), mark.editor] = mark
    return found


def _mark(sidecar: Path, journals: Journals) -> Mark | None:
    content = _content(sidecar)
    mark = marks.read_mark(sidecar.name, content)
    return mark or marks.parse_mark(_note(content, journals.changes(sidecar)))


def _content(sidecar: Path) -> bytes:
    """The bytes of a sidecar; none for one that cannot be read or is too large."""
    try:
        return sidecar.read_bytes() if settings.is_small_enough(sidecar) else b""
    except OSError:
        return b""


def _note(content: bytes, changes: Sequence[Record]) -> Mapping[str, str]:
    """The note of the last change that the sidecar contains."""
    if not changes:
        return {}
    now = hashlib.sha256(content).hexdigest()
    earlier = [change.before for change in changes]
    made = changes[: earlier.index(now)] if now in earlier else changes
    return made[-1].note if made else {}
