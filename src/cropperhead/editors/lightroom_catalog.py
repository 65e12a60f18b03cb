"""Reads Lightroom catalogs (`.lrcat`), and never writes to them. The only user of SQLite.

Tables and columns as in the catalogs of Lightroom 3 to Lightroom Classic 15: `Adobe_images` (a
photo's master and each of its virtual copies) -> `AgLibraryFile` -> `AgLibraryFolder` ->
`AgLibraryRootFolder`, and `Adobe_imageDevelopSettings` for the edits.
"""

import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from cropperhead.editors import lightroom, lightroom_develop_settings
from cropperhead.editors.base import PHOTOGRAPHER
from cropperhead.editors.lightroom_develop_settings import BROKEN
from cropperhead.errors import RejectedFile
from cropperhead.system import filenames, regular_file

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "Adobe_images": ("rootFile", "masterImage", "copyName", "orientation"),
    "Adobe_imageDevelopSettings": ("image", "text"),
    "AgLibraryFile": ("folder", "baseName", "extension"),
    "AgLibraryFolder": ("rootFolder", "pathFromRoot"),
    "AgLibraryRootFolder": ("absolutePath",),
}
# Where catalogs have them: which of an image's settings are in use, and the stored frame in px
_IN_USE, _SIDES = "developSettingsIDCache", ("fileWidth", "fileHeight")
# Joined by primary keys alone, so that no catalog makes more rows than it has images.
_IMAGES = """
    SELECT images.id_local, images.rootFile, images.masterImage, images.copyName,
           images.orientation, roots.absolutePath, folders.pathFromRoot, files.baseName,
           files.extension, coalesce(current.id_local, edits.latest), {width}, {height}
    FROM Adobe_images AS images
    LEFT JOIN AgLibraryFile AS files ON files.id_local = images.rootFile
    LEFT JOIN AgLibraryFolder AS folders ON folders.id_local = files.folder
    LEFT JOIN AgLibraryRootFolder AS roots ON roots.id_local = folders.rootFolder
    LEFT JOIN (
        SELECT image, max(id_local) AS latest FROM Adobe_imageDevelopSettings GROUP BY image
    ) AS edits ON edits.image = images.id_local
    LEFT JOIN Adobe_imageDevelopSettings AS current
        ON current.id_local = {in_use} AND current.image = images.id_local
    ORDER BY images.rootFile, images.id_local
"""
_SETTINGS = "SELECT text FROM Adobe_imageDevelopSettings WHERE id_local = ?"

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_WRITE_VERSION = 18  # the byte of the header: 2 for a write-ahead log, 1 for a journal
_LOGS, _INDEX = ("-wal", "-journal"), "-shm"
_WAL_HEADER_BYTES = 32  # its salts change when the log starts again
_PATIENCE_S = 1.0  # for a lock that another program holds for one commit
_COPY_ATTEMPTS = 5
# A real catalog takes half a step of SQLite's machine for a byte; one whose pages lead to each
# other in circles would take all time and memory.
_MOST_STEPS_PER_BYTE = 10
_STEPS_AT_ONCE = 1000
_LONGEST_NAME = 32767  # Windows' longest path
_NAMES = (
    ("AgLibraryRootFolder", "absolutePath"),
    ("AgLibraryFolder", "pathFromRoot"),
    ("AgLibraryFile", "baseName"),
    ("AgLibraryFile", "extension"),
)
# SQLite's message may quote names of the catalog, and Python fails to decode a damaged one.
_FAILURES = (sqlite3.Error, UnicodeDecodeError)


@dataclass(frozen=True)
class CatalogImage:
    """One image of a catalog as it was edited in Lightroom.

    `path` is the photo's absolute path where the catalog last saw it, `from_root` the part of it
    below the folder that Lightroom lists as a root; both with forward slashes, and empty where the
    catalog names no file. `author` is unique among the images of one photo. `settings` are those
    of `editors/lightroom.py`; empty, except for `Orientation` and the frame's size, where Lightroom
    holds no edits.
    `problem` is the reason why the image cannot be used.
    """

    path: str
    from_root: str
    author: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    problem: RejectedFile | None = None


def read_images(file: Path, names: Collection[str]) -> Iterator[CatalogImage]:
    """Reads the images of a catalog, ordered by photo, each photo's master before its newer copies.

    `names` are those of settings, such as `lightroom.TAGS`. Nothing is written next to the catalog,
    and what is committed is read even while Lightroom has it open. A catalog that nobody has open
    is locked against writing until the last image is read: iterate without delay. Raises
    RejectedFile (`broken_catalog`, `unreadable`) if the catalog as a whole cannot be read.
    """
    try:
        with _opened(Path(os.path.realpath(file))) as database:
            _require_tables(database)
            _refuse_long_names(database)
            yield from _images(database, frozenset(names))
    except _FAILURES as error:
        raise RejectedFile(BROKEN, f"the catalog cannot be read: {error}") from error
    except OSError as error:
        raise RejectedFile(
            "unreadable", f"the catalog cannot be opened or copied: {error.strerror}"
        ) from error


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """The catalog in one reading transaction; a copy of it where another program may write."""
    with regular_file.open_regular(file) as stream:
        header = stream.read(_HEADER_BYTES)
    for one in _present(file, *_LOGS, _INDEX):  # SQLite would open them, whatever they are
        regular_file.require_regular(one)
    if not header.startswith(_MAGIC) or len(header) < _HEADER_BYTES:
        raise RejectedFile(BROKEN, "not a Lightroom catalog: not an SQLite database, or encrypted")
    logs = header[_WRITE_VERSION] == 2
    before = _trace(file)
    database = None if _is_in_use(file) else _unlocked(file, "immutable=1" if logs else "mode=ro")
    if database is None:
        with _copied(file) as copy, closing(_connected(copy, "mode=rw")) as database:
            yield database
        return
    with closing(database):
        yield database
    if logs and _trace(file) != before:  # an immutable file is read without a lock
        raise RejectedFile(BROKEN, "the catalog changed while it was read. Run again")


def _is_in_use(file: Path) -> bool:
    """Whether Lightroom has the catalog open, or left a log next to it that has to be applied."""
    is_locked = bool(_present(file, ".lock"))
    return is_locked or any(log.stat().st_size for log in _present(file, *_LOGS))


def _present(file: Path, *suffixes: str) -> list[Path]:
    """The files next to a catalog that have its name and one of these suffixes."""
    named = [Path(f"{file}{suffix}") for suffix in suffixes]
    return [one for one in named if filenames.exists(one)]


def _unlocked(file: Path, how: str) -> sqlite3.Connection | None:
    """A connection to the catalog itself, or None where another program holds it."""
    try:
        return _connected(file, how)
    except sqlite3.OperationalError:  # locked, a transaction cut short, a disk without locks
        return None


def _connected(file: Path, how: str) -> sqlite3.Connection:
    """A connection that has begun to read. Texts come as bytes: UTF-8 may be invalid.

    `how` are parameters of SQLite's file addresses, https://www.sqlite.org/uri.html.
    """
    address = f"{file.as_uri()}?{how}"
    database = sqlite3.connect(address, uri=True, timeout=_PATIENCE_S, isolation_level=None)
    try:
        database.text_factory = bytes
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, lightroom_develop_settings.MAX_TEXT_BYTES)
        database.set_progress_handler(_limit(file), _STEPS_AT_ONCE)
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA query_only = ON")
        database.execute("BEGIN")
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except _FAILURES:
        database.close()
        raise
    return database


def _limit(file: Path) -> Callable[[], bool]:
    """Stops SQLite when it has taken more steps than a catalog of this size can need."""
    files = [file, *_present(file, "-wal")]
    most = _MOST_STEPS_PER_BYTE * sum(one.stat().st_size for one in files)
    steps = count(_STEPS_AT_ONCE, _STEPS_AT_ONCE)
    return lambda: next(steps) > most


@contextmanager
def _copied(file: Path) -> Iterator[Path]:
    """A copy of the catalog with its logs, of one moment, in a folder that goes away again.

    A log may grow while it is copied: SQLite ignores its unfinished end. But the catalog itself
    must not change meanwhile, nor the log start again.
    """
    with tempfile.TemporaryDirectory(prefix="cropperhead-") as folder:
        copy = Path(folder, "catalog.lrcat")
        for _ in range(_COPY_ATTEMPTS):
            before = _trace(file)
            shutil.copyfile(file, copy)
            for suffix in _LOGS:
                _copy_log(Path(f"{file}{suffix}"), Path(f"{copy}{suffix}"))
            if _trace(file) == before:
                yield copy
                return
        raise RejectedFile(BROKEN, "the catalog kept changing while it was copied. Run again")


def _copy_log(log: Path, copy: Path) -> None:
    try:
        shutil.copyfile(log, copy)
    except FileNotFoundError:
        copy.unlink(missing_ok=True)


def _trace(file: Path) -> tuple[int, int, bytes]:
    """What changes when anything is written into the catalog, or its log starts again."""
    status = file.stat()
    try:
        with regular_file.open_regular(Path(f"{file}-wal")) as log:
            start = log.read(_WAL_HEADER_BYTES)
    except FileNotFoundError:
        start = b""
    return status.st_size, status.st_mtime_ns, start


def _require_tables(database: sqlite3.Connection) -> None:
    """Raises RejectedFile for what is not a catalog, and for views, which could take forever."""
    for table, columns in _COLUMNS.items():
        real = database.execute(
            "SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
        ).fetchone()
        shape = database.execute("SELECT name, type, pk FROM pragma_table_info(?)", (table,))
        found = {name.decode(errors="replace"): (kind.upper(), key) for name, kind, key in shape}
        missing = [column for column in columns if column not in found]
        if not real or not real[0] or missing or found.get("id_local") != (b"INTEGER", 1):
            lack = f"table {table} lacks {', '.join(missing or ['its key'])}" if found else table
            raise RejectedFile(BROKEN, f"not a Lightroom catalog of a known kind: no {lack}")


def _refuse_long_names(database: sqlite3.Connection) -> None:
    """A folder's name is stored once and read for each image in it: a long one takes all memory."""
    for table, column in _NAMES:
        [longest] = database.execute(f"SELECT max(length({column})) FROM {table}").fetchone()
        if (longest or 0) > _LONGEST_NAME:
            raise RejectedFile(BROKEN, f"{table} has a name of {longest} characters")


def _images(database: sqlite3.Connection, names: frozenset[str]) -> Iterator[CatalogImage]:
    photo, authors = None, dict[str, int]()
    rows = database.execute(_query(database))
    for image, file, master, name, letters, *place, edits, width, height in rows:
        if file != photo:
            photo, authors = file, {}
        author = _author(master, name, authors)
        path, from_root, problem = _placed(*place)
        settings: Mapping[str, Any] = {}
        try:
            if problem:
                raise problem
            stored = _stored(database, edits)
            settings = lightroom_develop_settings.parse_develop_settings(
                stored, names, _text(letters)
            ) | lightroom.stated_size(width, height)
        except RejectedFile as error:
            problem = RejectedFile(error.kind, f"image {image} of the catalog: {error}")
        yield CatalogImage(path, from_root, author, settings, problem)


def _query(database: sqlite3.Connection) -> str:
    """What asks for the images: with the settings in use, otherwise the latest ones."""
    shape = database.execute("SELECT name FROM pragma_table_info('Adobe_images')")
    known = {name.decode(errors="replace") for (name,) in shape}
    in_use, width, height = (
        f"images.{one}" if one in known else "NULL" for one in (_IN_USE, *_SIDES)
    )
    return _IMAGES.format(in_use=in_use, width=width, height=height)


def _author(master: Any, name: Any, numbers: dict[str, int]) -> str:
    """The photographer, or `copy NAME`; numbered where an older image of the photo has the name.

    `numbers` has the photo's authors so far, each with the last number that its name was given.
    """
    author = " ".join(["copy", *_text(name).split()]) if master else PHOTOGRAPHER
    if author in numbers:
        free = (n for n in count(numbers[author] + 1) if f"{author} ({n})" not in numbers)
        numbers[author] = next(free)
        author = f"{author} ({numbers[author]})"
    numbers[author] = 1
    return author


def _stored(database: sqlite3.Connection, edits: int | None) -> bytes:
    """The text of one image's edits, as it is in the catalog; empty where there are none."""
    try:
        row = database.execute(_SETTINGS, (edits,)).fetchone()
    except _FAILURES as error:
        raise RejectedFile(BROKEN, f"its settings cannot be read: {error}") from error
    return row[0] if row and isinstance(row[0], bytes) else b""


def _placed(
    root: Any, folder: Any, base: Any, extension: Any
) -> tuple[str, str, RejectedFile | None]:
    """A photo's absolute path and its path from the root folder; what is wrong with them, if so."""
    if not (_text(root) and _text(base)):
        return "", "", RejectedFile(BROKEN, "the catalog names no file for it")
    name = f"{_text(base)}.{_text(extension)}" if extension else _text(base)
    from_root = _joined(_text(folder), name)
    path = _joined(_text(root), from_root)
    if "\0" in path or "\ufffd" in path:
        return "", "", RejectedFile(BROKEN, f"the path of its file is broken: {path!r}")
    return path, from_root, None


def _joined(folder: str, name: str) -> str:
    if re.match(r"[A-Za-z]:|\\\\", folder):  # of Windows, where no name can hold a backslash
        folder = folder.replace("\\", "/")
    return f"{folder.rstrip('/')}/{name}" if folder else name


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
