"""Finds what was suggested for a photo: by marks in its sidecars or in it, or by the journal.

An editor may drop a mark; the journal keeps what was written.

Journals are not part of the trace by which photos are read again, and need not be. A line is
written just before the sidecar, and counts only once the sidecar has changed; `undo` removes lines
with the sidecars that it restores, and lines that do not count. So what a journal records of a
sidecar changes with the sidecar. If somebody deletes a journal, labels that were read with it stay:
a suggestion does not become a person's crop.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from cropperhead.editors import registry
from cropperhead.editors.base import PHOTOGRAPHER, Tags
from cropperhead.errors import RejectedFile, WritingError
from cropperhead.library import marks, provenance, settings, sidecars
from cropperhead.library.journal_records import Journals, Record, digest, digest_of_file
from cropperhead.library.marks import Mark
from cropperhead.library.scan import Entry
from cropperhead.photos import embedded_xmp

Marks = Mapping[tuple[str, str], Mark]  # by author and editor


def find_suggestions(folder: Path, entry: Entry, journals: Journals, tags: Tags) -> Marks:
    """Finds the suggestions that were written for a photo of the library in `folder`.

    `tags` are the photo's own. Raises RejectedFile if a journal cannot be read: a suggestion could
    pass for a person's crop.
    """
    by_version = {}
    try:
        for name in entry.sidecars:
            mark = _mark(folder / name, journals)
            if mark is not None:
                by_version[settings.find_author(entry.file, name), mark.editor] = mark
        mark = _mark_inside(folder / entry.file, journals, tags)
    except WritingError as error:
        raise RejectedFile("broken_journal", str(error)) from error
    if mark is not None:
        by_version[PHOTOGRAPHER, mark.editor] = mark
    return by_version


def _mark(sidecar: Path, journals: Journals) -> Mark | None:
    content = _content(sidecar)
    mark = marks.read_mark(sidecar.name, content)
    return mark or marks.parse_mark(_note(digest(content), journals.changes(sidecar)))


def _mark_inside(photo: Path, journals: Journals, tags: Tags) -> Mark | None:
    """The mark of the suggestion that was written into a photo itself."""
    suffix = sidecars.suffix(photo.name)
    if not any(registry.find_embedding(one.name, suffix) for one in registry.embedding()):
        return None
    mark = marks.parse_mark(_texts_inside(photo)) if provenance.is_marked(tags) else None
    changes = [] if mark else journals.changes(photo)
    return marks.parse_mark(_note(digest_of_file(photo), changes)) if changes else mark


def _texts_inside(photo: Path) -> Mapping[str, str]:
    try:
        packets = embedded_xmp.read_xmp(photo).packets
    except RejectedFile:
        return {}
    return registry.embedding()[0].read_mark(packets[-1]) if packets else {}


def _content(sidecar: Path) -> bytes:
    """The bytes of a sidecar; none for one that cannot be read or is too large."""
    try:
        return settings.read_sidecar(sidecar)
    except OSError:
        return b""


def _note(now: str | None, changes: Sequence[Record]) -> Mapping[str, str]:
    """The note of the last change that the file contains, by its SHA-256."""
    if not changes:
        return {}
    earlier = [change.before for change in changes]
    contained = changes[: earlier.index(now)] if now in earlier else changes
    return contained[-1].note if contained else {}
