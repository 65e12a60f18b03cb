"""Records what is written into a folder of photos, so that it can be undone byte for byte.

The folder `.cropperhead` is next to the sidecars that were written: `journal.jsonl` has a line for
each change, and each file that existed before is kept there whole, named by its SHA-256. Both are
on the disk before the sidecar is replaced, in one step, by a file prepared in that folder. So after
an interruption at any moment a sidecar is the old one or the new one, and their hashes in the
journal show which; nothing has to be recorded afterwards.

A photo of which only the XMP is changed is kept whole and replaced in the same way.

`undo` goes by the same hashes, so that it can be interrupted and run again. A sidecar that is
neither what was written nor what was there before has been changed by somebody since, and is kept.
A backup whose line is lost is kept, too, unless a file has its content.
So is a file such as CropperHead never writes, whatever a journal says of it: a photo is replaced
only by one that differs in nothing but its XMP.

Whoever reads or changes a journal locks its folder `.cropperhead` meanwhile. Commands that write
lock the folders that they are given besides, until they end (`folder_lock.hold_trees`).
"""

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cropperhead.editors import registry
from cropperhead.errors import RejectedFile, WritingError
from cropperhead.library import journal_records, replacing, sidecars
from cropperhead.library.journal_records import (
    FOLDER,
    LINES,
    Record,
    digest,
    digest_of_file,
    naming,
)
from cropperhead.photos import copy_mark, embedded_xmp
from cropperhead.system import atomic, filenames, folder_lock, regular_file
from cropperhead.words import format_count

_BACKUP, _READY = ".before", ".ready"
_OURS = (LINES, _BACKUP, _READY, atomic.UNFINISHED)  # how the names in the folder end
_LARGEST_SIDECAR = 64_000_000  # bytes: larger ones are not read, and so not written
LARGEST_PHOTO = 1_000_000_000  # bytes of one of which the XMP is changed
_CHANGED = "changed since it was written; kept as it is"
_UNNAMED = "the line of the journal that names its file is lost; kept as it is"


@dataclass(frozen=True)
class UndoResult:
    """What `undo` did: files by path, and those that it kept with the reason."""

    restored: tuple[Path, ...] = ()
    removed: tuple[Path, ...] = ()
    kept: Mapping[Path, str] = field(default_factory=dict)

    def __add__(self, other: "UndoResult") -> "UndoResult":
        return UndoResult(
            self.restored + other.restored,
            self.removed + other.removed,
            {**self.kept, **other.kept},
        )

    def __str__(self) -> str:
        done = [f"{format_count(len(self.restored), 'file')} restored"] * bool(self.restored)
        made = [_is_sidecar(file) for file in self.removed]
        counts = [(sum(made), "sidecar", "sidecars"), (len(made) - sum(made), "copy", "copies")]
        done += [f"{format_count(*one)} made by CropperHead removed" for one in counts if one[0]]
        done += [f"{len(self.kept):,} kept as found"] * bool(self.kept)
        lines = [filenames.escape_path(f"  {file}: {why}") for file, why in self.kept.items()]
        return "\n".join([", ".join(done) or "nothing to undo", *lines])


def write_file(
    file: Path,
    content: bytes,
    before: bytes | None,
    note: Mapping[str, str],
    replaced: str | None = None,
) -> None:
    """Replaces or creates a file, so that `undo` restores it as it was `before`.

    `before` is what was read of the file, None if there was none. `replaced` is the SHA-256 of what
    may be lost instead, because it can be made again. Raises WritingError, and leaves the file as
    it was, if it has changed since or if its folder or the disk cannot be written.
    """
    expected = digest(before) if replaced is None else replaced
    with naming(file):
        _require_writable(file, expected)
        with replacing.locked(file.parent, create=True) as place:
            record = _record(file, str(digest(content)), digest(before), note)
            ready, backup = place / f"{record.after}{_READY}", _backup(file, record)
            with _tidied_on_failure(place, ready, backup):
                if before is not None:
                    replacing.prepare(backup, _writer(before), file)
                replacing.prepare(ready, _writer(content), file)
                with replacing.line_added(place, record):
                    replacing.put(ready, file, expected)


def require_permission(file: Path) -> None:
    """Raises WritingError, as writing would, if the file or its folder may not be written."""
    with naming(file):
        if file.exists():
            _refuse_read_only(file)
        if not os.access(file.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def write_photo(
    file: Path, make: Callable[[Path], object], before: str, note: Mapping[str, str]
) -> None:
    """Replaces a photo by what `make` writes to the path it is given, so that `undo` restores it.

    Only the photo's XMP may differ; `make` raises WritingError otherwise. `before` is the SHA-256
    of the photo that was read. Raises WritingError, and leaves the photo as it was, as `write_file`
    does.
    """
    with naming(file):
        _require_writable(file, before)
        with replacing.locked(file.parent, create=True) as place:
            ready, backup = place / f"{before}{_READY}", place / f"{before}{_BACKUP}"
            with _tidied_on_failure(place, ready, backup):
                replacing.prepare(ready, make, file)
                note = {**note, **journal_records.inside_note()}
                record = _record(file, str(digest_of_file(ready)), before, note)
                replacing.prepare(backup, partial(replacing.copy, file), file)
                replacing.require_unchanged(backup, before, file)
                with replacing.line_added(place, record):
                    replacing.put(ready, file, before)


def read_records(folder: Path) -> Sequence[Record]:
    """The changes to files of a folder, the earliest first, without damaged lines.

    Raises WritingError if the journal cannot be read.
    """
    return journal_records.read_journal(folder).records


def undo(folder: Path) -> UndoResult:
    """Restores every file in and below a folder as it was before anything was written there.

    A file that was changed since is kept, with its backups. Running it again changes nothing. A
    journal that cannot be read or rewritten is kept, and the others are undone; so are journals
    outside of the folder, to which a link in it leads. Raises BusyError where another run is
    working in one of the folders.
    """
    result = UndoResult()
    with folder_lock.hold_trees([folder]):
        for place, reason in _with_journals(folder):
            if reason:
                result += UndoResult(kept={place: reason})
                continue
            try:
                result += _undo_in(place)
            except WritingError as error:  # of the journal: other folders have their own
                result += UndoResult(kept={place / FOLDER: str(error)})
    return result


def undo_last(file: Path) -> UndoResult:
    """Restores one file as it was before the last change here, unless somebody changed it since.

    Raises WritingError, and leaves everything as it was, if that is not possible.
    """
    place = file.parent
    with naming(place / FOLDER), replacing.locked(place) as folder:
        content = journal_records.read_locked(folder)
        changes = journal_records.by_file(content.records).get(file.name, [])[-1:]
        wanted, rest = _undo_file(file, changes)
        if rest:
            return UndoResult(kept={file: _CHANGED})
        remaining = [one for one in content.records if one not in changes]
        kept = {} if content.damage else _tidy_or_reason(folder, content.records, remaining)
    if wanted is None:
        return UndoResult(kept=kept)
    restored, removed = ((), (file,)) if wanted.before is None else ((file,), ())
    return UndoResult(restored, removed, kept)


def _undo_in(place: Path) -> UndoResult:
    """Restores the files of one folder. Raises WritingError for its journal."""
    restored: list[Path] = []
    removed: list[Path] = []
    kept: dict[Path, str] = {}
    remaining: list[Record] = []
    with naming(place / FOLDER), replacing.locked(place) as folder:
        content = journal_records.read_locked(folder)
        for name, changes in journal_records.by_file(content.records).items():
            file = place / name
            try:
                wanted, rest = _undo_file(file, changes)
            except WritingError as error:
                kept[file], rest = str(error).removeprefix(f"{file}: "), changes
            else:
                if wanted is not None:
                    (removed if wanted.before is None else restored).append(file)
                if rest:
                    kept[file] = _CHANGED
            remaining += rest
        if content.damage:  # they may be of a file whose backup is here
            kept[folder / LINES] = f"{content.damage}; kept, with all backups"
        else:
            kept |= _tidy_or_reason(folder, content.records, remaining)
            kept |= dict.fromkeys(_unnamed_backups(folder, content.records), _UNNAMED)
    return UndoResult(tuple(restored), tuple(removed), kept)


def _undo_file(file: Path, changes: Sequence[Record]) -> tuple[Record | None, Sequence[Record]]:
    """Restores one file: the change before which it is again, and those that are not undone."""
    with naming(file):
        now = digest_of_file(file)
        wanted, rest = _earlier(now, changes)
        if wanted is not None:
            _refuse_foreign(file, wanted)
            _restore(file, wanted, now)
    return wanted, rest


def _earlier(now: str | None, changes: Sequence[Record]) -> tuple[Record | None, Sequence[Record]]:
    """The change whose `before` to restore, None for none; and those that cannot be undone."""
    wanted, is_in_history = None, False
    for place, change in reversed(list(enumerate(changes))):
        if now == change.after:
            now, wanted, is_in_history = change.before, change, True
        elif now == change.before:  # it was never written, or is undone already
            is_in_history = True
        elif is_in_history:  # somebody's own change came between
            return wanted, changes[: place + 1]
    return wanted, () if is_in_history else changes


def _refuse_foreign(file: Path, change: Record) -> None:
    """Raises WritingError for a file of a kind that CropperHead does not write.

    It writes sidecars of editors, and copies, which say themselves that they are. In photos it
    changes the XMP, and nothing else.
    """
    if _is_sidecar(file):
        return
    suffix = sidecars.suffix(file.name)
    inside = [one for one in registry.embedding() if suffix in one.sidecars.unread_for]
    if change.is_inside_photo and inside:
        _require_same_photo(file, change)
        return
    if change.copied_photo is None or change.before is not None:
        raise WritingError(f"{file}: CropperHead does not write such files. Kept as it is.")
    if not copy_mark.is_marked(file):
        raise WritingError(f"{file}: {copy_mark.MISSING}.")


def _is_sidecar(file: Path) -> bool:
    return sidecars.suffix(file.name) in {one.sidecars.suffix for one in registry.writable()}


def _require_same_photo(file: Path, change: Record) -> None:
    """Raises WritingError unless a photo and its backup differ in their XMP alone."""
    try:
        is_same = change.before is not None and (
            embedded_xmp.digest_without_xmp(file)
            == embedded_xmp.digest_without_xmp(_backup(file, change))
        )
    except RejectedFile as error:
        raise WritingError(f"{file}: it or its backup: {error}. Kept as it is.") from error
    except OSError as error:
        raise _unreadable_backup(file, change, error) from error
    if not is_same:
        raise WritingError(f"{file}: its backup differs in more than XMP. Kept as it is.")


def _backup(file: Path, change: Record) -> Path:
    return file.parent / FOLDER / f"{change.before}{_BACKUP}"


def _unreadable_backup(file: Path, change: Record, error: OSError) -> WritingError:
    problem = f"its backup {_backup(file, change)} cannot be read: {error.strerror}"
    return WritingError(f"{file}: {problem}. Kept as it is.")


def _restore(file: Path, change: Record, now: str | None) -> None:
    """Makes a file what it was before a change, if it still is what it is `now`."""
    if change.before is None:
        replacing.remove(file, file.parent / FOLDER / f"{now}{_READY}", str(now))
        return
    backup, ready = _backup(file, change), file.parent / FOLDER / f"{change.before}{_READY}"
    try:
        _require_readable(backup, LARGEST_PHOTO if change.is_inside_photo else _LARGEST_SIDECAR)
    except OSError as error:
        raise _unreadable_backup(file, change, error) from error
    replacing.prepare(ready, partial(replacing.copy, backup), file, change)
    if digest_of_file(ready) != change.before:
        ready.unlink()
        raise WritingError(f"{file}: its backup {backup} is damaged. Kept as it is.")
    replacing.put(ready, file, now)


def _require_readable(file: Path, most_bytes: int) -> None:
    """Raises OSError for what is not a file, or a larger one."""
    with regular_file.open_regular(file, follow_link=False) as stream:
        if os.fstat(stream.fileno()).st_size > most_bytes:
            problem = f"it has more than {most_bytes:,} bytes"
            raise regular_file.NotRegularError(errno.EFBIG, problem, str(file))


def _tidy_or_reason(
    folder: Path, records: Sequence[Record], remaining: Sequence[Record]
) -> Mapping[Path, str]:
    """Tidies a journal; or why it cannot be, so that what was restored is reported all the same."""
    try:
        with naming(folder):
            _tidy(folder, records, remaining)
    except WritingError as error:
        return {folder: str(error)}
    return {}


def _tidy(folder: Path, records: Sequence[Record], remaining: Sequence[Record]) -> None:
    """Deletes what is not needed to undo the `remaining` changes, and the folder if it is empty."""
    needed = {LINES, *(f"{one.before}{_BACKUP}" for one in remaining)}
    needed |= {one.name for one in _unnamed_backups(folder, records)}
    for file in sorted(folder.iterdir()):
        if file.name.endswith(_OURS) and file.name not in needed:
            file.unlink()
    # the journal last: without it, backups would stay whose files are not known
    if remaining:
        text = b"".join(map(journal_records.format_line, remaining))
        atomic.replace(folder / LINES, lambda file: file.write_bytes(text))
    else:
        (folder / LINES).unlink(missing_ok=True)
        _remove_if_empty(folder)


def _unnamed_backups(folder: Path, records: Sequence[Record]) -> Sequence[Path]:
    """The backups that no line names, and whose content no file has any more.

    An interrupted run leaves some whose files are unchanged. The others' lines have been lost.
    """
    named = {digest for one in records for digest in (one.before, one.after)}
    digests = {one: one.name.removesuffix(_BACKUP) for one in folder.glob(f"*{_BACKUP}")}
    unnamed = {one: name for one, name in digests.items() if name not in named}
    files = _files_by_size(folder.parent) if unnamed else {}
    return [
        backup
        for backup, name in sorted(unnamed.items())
        if _has_digest(backup, name)
        and not any(_has_digest(one, name) for one in files.get(backup.stat().st_size, ()))
    ]


def _files_by_size(folder: Path) -> Mapping[int, Sequence[Path]]:
    files: dict[int, list[Path]] = {}
    for one in folder.iterdir():
        files.setdefault(one.lstat().st_size, []).append(one)
    return files


def _has_digest(file: Path, wanted: str) -> bool:
    try:
        return digest_of_file(file) == wanted
    except OSError:  # of what is not a file
        return False


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()


def _with_journals(folder: Path) -> Iterator[tuple[Path, str]]:
    """The folders in which something was written, and why nothing may be undone there, if so.

    Each is named by the path at which it really is. Links are followed once, but what is outside of
    the folder is only named.
    """
    unlisted: list[OSError] = []
    root, seen = Path(os.path.realpath(folder)), set()
    for place, inside, _ in os.walk(folder, onerror=unlisted.append, followlinks=True):
        real = Path(os.path.realpath(place))
        if real in seen:
            inside.clear()
            continue
        seen.add(real)
        if FOLDER in inside:
            inside.remove(FOLDER)
            is_below = real.is_relative_to(root)
            outside = f"it is outside of {folder}; to undo what was written there, name {real}"
            yield (folder / real.relative_to(root), "") if is_below else (Path(place), outside)
        inside.sort()
    for error in unlisted:
        yield Path(error.filename), f"cannot be listed: {error.strerror}"


@contextmanager
def _tidied_on_failure(place: Path, ready: Path, backup: Path) -> Iterator[None]:
    """Removes what was prepared if the block fails, but a backup that was there before."""
    is_new = not backup.exists()
    try:
        yield
    except BaseException:
        with suppress(OSError):
            ready.unlink(missing_ok=True)
            named = {one.before for one in journal_records.read_locked(place).records}
            if is_new and backup.name.removesuffix(_BACKUP) not in named:
                backup.unlink(missing_ok=True)
            _remove_if_empty(place)
        raise


def _require_writable(file: Path, expected: str | None) -> None:
    """Raises WritingError if a file is not what is expected, or read-only."""
    replacing.require_unchanged(file, expected)
    if expected is not None:
        _refuse_read_only(file)


def _refuse_read_only(file: Path) -> None:
    if not os.access(file, os.W_OK):
        raise WritingError(f"{file}: it is read-only. Left as it was.")


def _writer(content: bytes) -> Callable[[Path], object]:
    return lambda file: file.write_bytes(content)


def _record(file: Path, after: str, before: str | None, note: Mapping[str, str]) -> Record:
    old = {}
    if before is not None:
        status = file.stat()
        old = {"mtime_ns": status.st_mtime_ns, "mode": status.st_mode}
    return Record(file.name, before, after, **old, note=dict(note))
