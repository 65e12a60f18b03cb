"""Records what is written into a folder of photos, so that it can be undone byte for byte.

The folder `.cropperhead` is next to the sidecars that were written: `journal.jsonl` has a line for
each change, and each file that existed before is kept there whole, named by its SHA-256. Both are
on the disk before the sidecar is replaced, in one step, by a file prepared in that folder. So after
an interruption at any moment a sidecar is the old one or the new one, and their hashes in the
journal show which; nothing has to be recorded afterwards.

`undo` goes by the same hashes, so that it can be interrupted and run again. A sidecar that is
neither what was written nor what was there before has been changed by somebody since, and is kept.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from cropperhead.errors import WritingError
from cropperhead.system import atomic

FOLDER = ".cropperhead"
_LINES, _BACKUP, _READY = "journal.jsonl", ".before", ".ready"
_OURS = (_LINES, _BACKUP, _READY, atomic.UNFINISHED)  # how the names in the folder end
_HEX_DIGITS = 64  # of a SHA-256


@dataclass(frozen=True)
class Record:
    """One change of a file next to the folder, from one content to another, by their SHA-256.

    `before` is None where there was no file. `mtime_ns` and `mode` are the earlier file's, `note`
    is what the writer adds.
    """

    file: str
    before: str | None
    after: str
    mtime_ns: int = 0
    mode: int = 0
    note: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class UndoResult:
    """What `undo` did: files by path, and those that it kept with the reason."""

    restored: tuple[Path, ...] = ()
    removed: tuple[Path, ...] = ()
    kept: Mapping[Path, str] = field(default_factory=dict)

    def __str__(self) -> str:
        done = f"{len(self.restored)} sidecars restored, {len(self.removed)} removed"
        lines = [f"  {file}: {reason}" for file, reason in self.kept.items()]
        return "\n".join([f"{done}, {len(self.kept)} kept as they are", *lines])


def write_file(file: Path, content: bytes, before: bytes | None, note: Mapping[str, str]) -> None:
    """Replaces or creates a file, so that `undo` restores it as it was `before`.

    `before` is what was read of the file, None if there was none. Raises WritingError, and leaves
    the file as it was, if it has changed since or if its folder or the disk cannot be written.
    """
    with _naming(file):
        if file.is_symlink():
            raise WritingError(f"{file}: it is a link, expected a file. Left as it was.")
        if before is not None and not os.access(file, os.W_OK):
            raise WritingError(f"{file}: it is read-only. Left as it was.")
        status = file.stat() if before is not None else None
        if _content(file) != before:
            raise WritingError(f"{file}: it has changed meanwhile. Left as it was.")
        folder = file.parent / FOLDER
        folder.mkdir(exist_ok=True)
        if before is not None:
            atomic.replace(folder / (_digest(before) + _BACKUP), _writer(before))
        old = {} if status is None else {"mtime_ns": status.st_mtime_ns, "mode": status.st_mode}
        record = Record(file.name, _digest(before), _digest(content), **old, note=dict(note))
        ready = folder / (record.after + _READY)
        atomic.replace(ready, _writer(content, mode=record.mode))
        _add_line(folder, record)
        _put(ready, file)


def read_records(folder: Path) -> list[Record]:
    """The changes to files of a folder, the earliest first, without a line that was cut off.

    Raises WritingError if the journal cannot be read.
    """
    file = folder / FOLDER / _LINES
    with _naming(file):
        lines = file.read_bytes().splitlines() if file.exists() else []
    return [record for line in lines if (record := _record(line)) is not None]


class Journals:
    """The changes in journals; each journal is read once, when it is first needed."""

    def __init__(self) -> None:
        self._changes: dict[Path, dict[str, list[Record]]] = {}

    def changes(self, file: Path) -> Sequence[Record]:
        """The changes to a file, the earliest first. Raises WritingError."""
        if file.parent not in self._changes:
            self._changes[file.parent] = _by_file(read_records(file.parent))
        return self._changes[file.parent].get(file.name, ())

    def last_change(self, file: Path) -> Record | None:
        """The last change to a file, None for none. Raises WritingError."""
        changes = self.changes(file)
        return changes[-1] if changes else None


def _by_file(records: Iterable[Record]) -> dict[str, list[Record]]:
    by_file: dict[str, list[Record]] = {}
    for record in records:
        by_file.setdefault(record.file, []).append(record)
    return by_file


def undo(folder: Path, force: bool = False) -> UndoResult:
    """Restores every file in and below a folder as it was before anything was written there.

    A file that was changed since is kept, with its backups, unless `force`. Running it again
    changes nothing. A journal that cannot be read or rewritten is kept, and the others are undone.
    """
    restored: list[Path] = []
    removed: list[Path] = []
    kept: dict[Path, str] = {}
    for place in _with_journals(folder):
        try:
            done = _undo_in(place, force)
        except WritingError as error:  # of the journal: other folders have their own
            kept[place / FOLDER] = str(error)
            continue
        restored += done.restored
        removed += done.removed
        kept |= done.kept
    return UndoResult(tuple(restored), tuple(removed), kept)


def _undo_in(place: Path, force: bool) -> UndoResult:
    """Restores the files of one folder. Raises WritingError for its journal."""
    restored: list[Path] = []
    removed: list[Path] = []
    kept: dict[Path, str] = {}
    remaining: list[Record] = []
    for name, changes in _by_file(read_records(place)).items():
        try:
            wanted, rest = _earlier(place / name, changes, force)
            if wanted is not None:
                _restore(place / name, wanted)
                (removed if wanted.before is None else restored).append(place / name)
        except WritingError as error:
            kept[place / name], rest = str(error), changes
        else:
            if rest:
                kept[place / name] = "changed since it was written; kept as it is"
        remaining += rest
    try:
        with _naming(place / FOLDER):
            _tidy(place / FOLDER, remaining)
    except WritingError as error:  # what was restored is reported all the same
        kept[place / FOLDER] = str(error)
    return UndoResult(tuple(restored), tuple(removed), kept)


def _earlier(
    file: Path, changes: Sequence[Record], force: bool
) -> tuple[Record | None, list[Record]]:
    """The change whose `before` to restore, None for none; and those that cannot be undone."""
    with _naming(file):
        now = _digest(_content(file))
    if force:
        return (changes[0] if now != changes[0].before else None), []
    wanted, is_in_history = None, False
    for place, change in reversed(list(enumerate(changes))):
        if now == change.after:
            now, wanted, is_in_history = change.before, change, True
        elif now == change.before:  # it was never written, or is undone already
            is_in_history = True
        elif is_in_history:  # somebody's own change came between
            return wanted, list(changes[: place + 1])
    return wanted, [] if is_in_history else list(changes)


def _restore(file: Path, change: Record) -> None:
    with _naming(file):
        if change.before is None:
            file.unlink(missing_ok=True)
            atomic.to_disk(file.parent)
            return
        backup = file.parent / FOLDER / (change.before + _BACKUP)
        content = backup.read_bytes()
        if _digest(content) != change.before:
            raise WritingError(f"{file}: its backup {backup} is damaged. Kept as it is.")
        ready = file.parent / FOLDER / (change.before + _READY)
        atomic.replace(ready, _writer(content, change.mode, change.mtime_ns))
        _put(ready, file)


def _tidy(folder: Path, remaining: Sequence[Record]) -> None:
    """Deletes what is not needed to undo the `remaining` changes, and the folder if none are."""
    if remaining:
        text = b"".join(map(_line, remaining))
        atomic.replace(folder / _LINES, _writer(text))
    needed = {f"{one.before}{_BACKUP}" for one in remaining}
    needed |= {_LINES} if remaining else set()
    # the journal last: without it, backups would stay whose files are not known
    names = sorted((one.name for one in folder.iterdir()), key=lambda name: (name == _LINES, name))
    for name in names:
        if name.endswith(_OURS) and name not in needed:
            (folder / name).unlink()
    if not remaining and not any(folder.iterdir()):
        folder.rmdir()


def _with_journals(folder: Path) -> Iterator[Path]:
    """The folders in which something was written, links followed once."""
    seen = set()
    for place, inside, _ in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            inside.clear()
            continue
        seen.add(real)
        if FOLDER in inside:
            inside.remove(FOLDER)
            yield Path(place)
        inside.sort()


def _put(ready: Path, file: Path) -> None:
    """Puts a file that is whole on the disk in its place, in one step."""
    ready.replace(file)
    atomic.to_disk(file.parent)


def _add_line(folder: Path, record: Record) -> None:
    file = folder / _LINES
    with file.open("ab+") as stream:
        size = stream.seek(0, os.SEEK_END)
        if size:
            stream.seek(size - 1)
            if stream.read(1) != b"\n":  # a line that was cut off
                stream.write(b"\n")
        stream.write(_line(record))
        stream.flush()
        os.fsync(stream.fileno())
    if not size:
        atomic.to_disk(folder)
        atomic.to_disk(folder.parent)


def _line(record: Record) -> bytes:
    return json.dumps(asdict(record), sort_keys=True).encode() + b"\n"


def _record(line: bytes) -> Record | None:
    try:
        values = json.loads(line)
        record = Record(**{one.name: values[one.name] for one in fields(Record)})
    except (ValueError, KeyError, TypeError):
        return None
    hashes = [text for text in (record.before, record.after) if text is not None]
    is_sound = Path(record.file).name == record.file and all(map(_is_digest, hashes))
    return record if is_sound else None


def _is_digest(text: Any) -> bool:
    return isinstance(text, str) and len(text) == _HEX_DIGITS and text.isalnum()


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _digest(content: bytes | None) -> Any:
    return None if content is None else hashlib.sha256(content).hexdigest()


def _writer(content: bytes, mode: int = 0, mtime_ns: int = 0) -> Callable[[Path], None]:
    """A function that writes a file, with the mode and the time of another if they are given."""

    def write_to(file: Path) -> None:
        file.write_bytes(content)
        if mode:
            file.chmod(mode & 0o7777)
        if mtime_ns:
            os.utime(file, ns=(mtime_ns, mtime_ns))

    return write_to


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Turns a system error into one that names the file."""
    try:
        yield
    except OSError as error:
        problem = error.strerror or str(error)
        raise WritingError(f"{file}: cannot be written: {problem}. Left as it was.") from error
