"""What was written into a folder of photos, so that it can be undone byte for byte.

Beside the sidecars that were written lies the folder `.cropperhead`: `journal.jsonl` has a line for
each change, and each file that was there before lies there whole, named by its SHA-256. Both are on
the disk before the sidecar is replaced, in one step, by a file made ready in that folder. So after
an interruption at any moment a sidecar is the old one or the new one, and the journal tells which
by their hashes; nothing has to be noted afterwards.

`undo` goes by the same hashes, so that it can be interrupted and run again. A sidecar that is
neither what was written nor what was there before has been changed by somebody since, and is left.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    """One change of a file beside the folder, from one content to another, by their SHA-256.

    `before` is None where there was no file. `mtime_ns` and `mode` are the earlier file's, `note`
    is what the writer wanted to remember.
    """

    file: str
    before: str | None
    after: str
    mtime_ns: int = 0
    mode: int = 0
    note: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Undone:
    """What `undo` has done: files by path. What is `left` is named with the reason."""

    restored: tuple[Path, ...] = ()
    removed: tuple[Path, ...] = ()
    left: Mapping[Path, str] = field(default_factory=dict)

    def __str__(self) -> str:
        done = f"{len(self.restored)} sidecars restored, {len(self.removed)} removed"
        lines = [f"  {file}: {reason}" for file, reason in self.left.items()]
        return "\n".join([f"{done}, {len(self.left)} left as they are", *lines])


def write(file: Path, content: bytes, before: bytes | None, note: Mapping[str, str]) -> None:
    """Replaces a file by `content`, or makes it, so that `undo` brings `before` back.

    `before` is what was read of the file, None for none. Raises WritingError, with the file as it
    was: where it has changed since, or where the folder or the disk do not let it be written.
    """
    with _naming(file):
        if file.is_symlink():
            raise WritingError(f"{file}: it is a link, expected a file. Left as it was.")
        if before is not None and not os.access(file, os.W_OK):
            raise WritingError(f"{file}: it is read-only. Left as it was.")
        status = file.stat() if before is not None else None
        if _content(file) != before:
            raise WritingError(f"{file}: changed while it was to be written. Left as it was.")
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


def records(folder: Path) -> list[Record]:
    """The changes to files of a folder, the earliest first; a line that was cut off is passed over.

    Raises WritingError where the journal cannot be read.
    """
    file = folder / FOLDER / _LINES
    with _naming(file):
        lines = file.read_bytes().splitlines() if file.exists() else []
    found = [_record(line) for line in lines]
    return [one for one in found if one is not None]


class Journals:
    """The changes that journals tell of; each journal is read once, when it is asked for."""

    def __init__(self) -> None:
        self._changes: dict[Path, dict[str, list[Record]]] = {}

    def changes(self, file: Path) -> Sequence[Record]:
        """The changes to a file, the earliest first. Raises WritingError."""
        if file.parent not in self._changes:
            found: dict[str, list[Record]] = {}
            for record in records(file.parent):
                found.setdefault(record.file, []).append(record)
            self._changes[file.parent] = found
        return self._changes[file.parent].get(file.name, ())

    def last(self, file: Path) -> Record | None:
        """The last change to a file, None for none. Raises WritingError."""
        changes = self.changes(file)
        return changes[-1] if changes else None


def undo(folder: Path, force: bool = False) -> Undone:
    """Brings back every file in and below a folder as it was before anything was written there.

    A file that was changed since is left, with its backups, unless `force`. What is done once is
    not done again. A journal that cannot be read or rewritten is left, and the others are undone.
    """
    restored: list[Path] = []
    removed: list[Path] = []
    left: dict[Path, str] = {}
    for place in _with_journals(folder):
        try:
            done = _undo_in(place, force)
        except WritingError as error:  # of the journal: other folders have their own
            left[place / FOLDER] = str(error)
            continue
        restored += done.restored
        removed += done.removed
        left |= done.left
    return Undone(tuple(restored), tuple(removed), left)


def _undo_in(place: Path, force: bool) -> Undone:
    """Brings back the files of one folder. Raises WritingError for its journal."""
    restored: list[Path] = []
    removed: list[Path] = []
    left: dict[Path, str] = {}
    kept: list[Record] = []
    by_file: dict[str, list[Record]] = {}
    for record in records(place):
        by_file.setdefault(record.file, []).append(record)
    for name, changes in by_file.items():
        try:
            wanted, rest = _earlier(place / name, changes, force)
            if wanted is not None:
                _bring_back(place / name, wanted)
                (removed if wanted.before is None else restored).append(place / name)
        except WritingError as error:
            left[place / name], rest = str(error), changes
        else:
            if rest:
                left[place / name] = "changed since it was written; left as it is"
        kept += rest
    try:
        with _naming(place / FOLDER):
            _tidy(place / FOLDER, kept)
    except WritingError as error:  # what was brought back is told all the same
        left[place / FOLDER] = str(error)
    return Undone(tuple(restored), tuple(removed), left)


def _earlier(
    file: Path, changes: Sequence[Record], force: bool
) -> tuple[Record | None, list[Record]]:
    """The change whose `before` is to come back, None for none; and those that cannot be undone."""
    with _naming(file):
        now = _digest(_content(file))
    if force:
        return (changes[0] if now != changes[0].before else None), []
    wanted, known = None, False
    for place, change in reversed(list(enumerate(changes))):
        if now == change.after:
            now, wanted, known = change.before, change, True
        elif now == change.before:  # it was never made, or is undone already
            known = True
        elif known:  # somebody's own change came between
            return wanted, list(changes[: place + 1])
    return wanted, [] if known else list(changes)


def _bring_back(file: Path, change: Record) -> None:
    with _naming(file):
        if change.before is None:
            file.unlink(missing_ok=True)
            atomic.to_disk(file.parent)
            return
        backup = file.parent / FOLDER / (change.before + _BACKUP)
        content = backup.read_bytes()
        if _digest(content) != change.before:
            raise WritingError(f"{file}: its backup {backup} is damaged. Left as it is.")
        ready = file.parent / FOLDER / (change.before + _READY)
        atomic.replace(ready, _writer(content, change.mode, change.mtime_ns))
        _put(ready, file)


def _tidy(folder: Path, kept: Sequence[Record]) -> None:
    """Leaves what is needed to undo the `kept` changes, and no folder where there are none."""
    if kept:
        text = b"".join(map(_line, kept))
        atomic.replace(folder / _LINES, _writer(text))
    needed = {f"{one.before}{_BACKUP}" for one in kept} | ({_LINES} if kept else set())
    # the journal last: without it, backups would be left that nobody knows
    names = sorted((one.name for one in folder.iterdir()), key=lambda name: (name == _LINES, name))
    for name in names:
        if name.endswith(_OURS) and name not in needed:
            (folder / name).unlink()
    if not kept and not any(folder.iterdir()):
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
        found = json.loads(line)
        record = Record(**{one.name: found[one.name] for one in fields(Record)})
    except (ValueError, KeyError, TypeError):
        return None
    hashes = [text for text in (record.before, record.after) if text is not None]
    sound = Path(record.file).name == record.file and all(map(_is_digest, hashes))
    return record if sound else None


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
    """What writes a file with the mode and the time of another, where they are known."""

    def write(file: Path) -> None:
        file.write_bytes(content)
        if mode:
            file.chmod(mode & 0o7777)
        if mtime_ns:
            os.utime(file, ns=(mtime_ns, mtime_ns))

    return write


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Turns an error of the system into one that names the file."""
    try:
        yield
    except OSError as error:
        said = error.strerror or str(error)
        raise WritingError(f"{file}: cannot be written: {said}. Left as it was.") from error
