"""The journal of a folder as it is stored: a line for each change of a file there.

A library may come from anybody, with journals in it. So a journal is read only if it is a file in a
folder, neither a link; only up to limits; and only lines that have the form of our own. The others
are counted and passed over.
"""

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from io import BytesIO
from pathlib import Path
from typing import Any

from cropperhead.errors import WritingError
from cropperhead.system import filenames, folder_lock, regular_file
from cropperhead.words import format_count

FOLDER, LINES = ".cropperhead", "journal.jsonl"
MOST_BYTES = 64_000_000  # of a journal: more than 100,000 changes in one folder
# of a line: the longest path, 4,096 bytes, with each escaped to six, beside all else
LONGEST_LINE = 65_536
_MOST_DAMAGED, _NAMED_LINES = 1000, 3
_LARGEST_FILE = 2**32  # bytes, the most of a TIFF
_DIGEST = re.compile("[0-9a-f]{64}")  # a SHA-256
_COPY_OF = "Source"  # in the note on a cropped copy: the photo
_INSIDE = "Inside"  # in the note on a photo of which only the XMP was changed


@dataclass(frozen=True, slots=True)
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

    @property
    def copied_photo(self) -> str | None:
        """The photo of which the file is a cropped copy; None for others."""
        return self.note.get(_COPY_OF)

    @property
    def is_inside_photo(self) -> bool:
        """Whether the file is a photo, and only its XMP was changed."""
        return _INSIDE in self.note


@dataclass(frozen=True)
class Content:
    """What a journal holds: the changes, the earliest first, and what is wrong with the others."""

    records: Sequence[Record] = ()
    damage: str = ""


class Journals:
    """The changes in journals; each journal is read once, when it is first needed."""

    def __init__(self) -> None:
        self._changes: dict[Path, dict[str, list[Record]]] = {}
        self.damage: dict[Path, str] = {}  # what is wrong with those read so far, by file

    def changes(self, file: Path) -> Sequence[Record]:
        """The changes to a file, the earliest first. Raises WritingError."""
        place = file.parent
        if place not in self._changes:
            content = read_journal(place)
            self._changes[place] = by_file(content.records)
            if content.damage:
                self.damage[file_in(place)] = content.damage
        return self._changes[place].get(file.name, ())

    def last_change(self, file: Path) -> Record | None:
        """The last change to a file, None for none. Raises WritingError."""
        changes = self.changes(file)
        return changes[-1] if changes else None

    def if_as_written(self, file: Path) -> Record | None:
        """The last change to a file, if the file still is as that left it. Raises WritingError."""
        last = self.last_change(file)
        try:
            return last if last is not None and digest_of_file(file) == last.after else None
        except OSError:
            return None


def copy_note(photo: Path) -> dict[str, str]:
    """The note by which a change is known as that of a cropped copy of this photo."""
    return {_COPY_OF: str(photo.resolve())}


def inside_note() -> dict[str, str]:
    """The note by which a change is known as that of the XMP inside a photo."""
    return {_INSIDE: "XMP"}


def file_in(folder: Path) -> Path:
    """The journal of a folder, whether it exists or not."""
    return folder / FOLDER / LINES


def read_journal(folder: Path) -> Content:
    """What the journal of a folder holds, while no writer is changing it.

    Raises WritingError if it cannot be read.
    """
    place = folder / FOLDER
    with naming(file_in(folder), "read"):
        try:
            require_folder(place)
            with folder_lock.hold_folder(place, exclusive=False):
                return read_locked(place)
        except FileNotFoundError:
            return Content()


def read_locked(place: Path) -> Content:
    """What the journal in a folder `place` holds, which the caller has locked. Raises OSError."""
    try:
        content = regular_file.read_bytes(place / LINES, MOST_BYTES, follow_link=False)
    except FileNotFoundError:
        return Content()
    records, damaged = [], []
    for number, line in enumerate(BytesIO(content), 1):
        record = parse_line(line)
        if record is not None:
            records.append(record)
        elif not is_cut_off(line):
            damaged.append(number)
        if len(damaged) > _MOST_DAMAGED:
            problem = f"more than {_MOST_DAMAGED:,} lines are not those of a journal"
            raise regular_file.NotRegularError(errno.EINVAL, problem)
    return Content(records, _describe(damaged))


def require_folder(place: Path) -> None:
    """Raises OSError unless this is a folder itself: what a link leads to is not ours."""
    status = place.lstat()
    if not stat.S_ISDIR(status.st_mode):
        kind = "link" if stat.S_ISLNK(status.st_mode) else "file"
        problem = f"{place.name} is a {kind}, expected a folder"
        raise NotADirectoryError(errno.ENOTDIR, problem)


def by_file(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The changes to each file, by its name, the earliest first."""
    changes: dict[str, list[Record]] = {}
    for record in records:
        changes.setdefault(record.file, []).append(record)
    return changes


def format_line(record: Record) -> bytes:
    """The line for a change. Raises OSError for one too long to be read again."""
    line = json.dumps(asdict(record), sort_keys=True).encode() + b"\n"
    if len(line) > LONGEST_LINE:
        raise OSError(errno.ENAMETOOLONG, "the paths are too long for the journal")
    return line


def parse_line(line: bytes) -> Record | None:
    """The change that a line describes; None if it is not a line of ours."""
    if len(line) > LONGEST_LINE:
        return None
    try:
        values = json.loads(line)
        record = Record(**{one.name: values[one.name] for one in fields(Record)})
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return record if _is_sound(record) else None


def is_cut_off(line: bytes) -> bool:
    """Whether this is the beginning of a line: of a change that was never made."""
    return line.startswith(b"{") and len(line) <= LONGEST_LINE and not line.endswith(b"\n")


def digest(content: bytes | None) -> str | None:
    """The SHA-256 of a file's content, None for no file."""
    return None if content is None else hashlib.sha256(content).hexdigest()


def digest_of_file(file: Path) -> str | None:
    """The SHA-256 of a file, None for no file. Raises OSError, also for what is not a file."""
    try:
        with regular_file.open_regular(file, follow_link=False) as stream:
            if os.fstat(stream.fileno()).st_size > _LARGEST_FILE:
                raise regular_file.NotRegularError(errno.EFBIG, "it is larger than any copy")
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return None


@contextmanager
def naming(file: Path, done: str = "written") -> Iterator[None]:
    """Turns a system error into a WritingError that names the file."""
    try:
        yield
    except regular_file.NotRegularError as error:
        place = "" if error.filename in {None, str(file)} else f"{error.filename}: "
        raise WritingError(f"{file}: {place}{error.strerror}. Left as it was.") from error
    except OSError as error:
        problem = error.strerror or str(error)
        raise WritingError(f"{file}: cannot be {done}: {problem}. Left as it was.") from error


def _is_sound(record: Record) -> bool:
    """Whether all values are of their types, and such as the writer's."""
    hashes = [record.after] if record.before is None else [record.before, record.after]
    return (
        _is_file_name(record.file)
        and all(isinstance(one, str) and _DIGEST.fullmatch(one) for one in hashes)
        and _is_number(record.mtime_ns, 64)
        and _is_number(record.mode, 32)
        and isinstance(record.note, dict)
        and all(isinstance(text, str) for text in record.note.values())
    )


def _is_file_name(name: Any) -> bool:
    """Whether this names a file in the folder itself; none of those is hidden."""
    if not isinstance(name, str) or not filenames.is_safe_path(name):
        return False
    return bool(name) and Path(name).name == name and not name.startswith(".")


def _is_number(value: Any, bits: int) -> bool:
    return type(value) is int and abs(value) < 1 << bits - 1


def _describe(damaged: Sequence[int]) -> str:
    """Counts the damaged lines, and names the first of them; nothing for none."""
    if not damaged:
        return ""
    first = ", ".join(map(str, damaged[:_NAMED_LINES])) + ", ..." * (len(damaged) > _NAMED_LINES)
    return f"skipped {format_count(len(damaged), 'damaged line')}: {first}"
