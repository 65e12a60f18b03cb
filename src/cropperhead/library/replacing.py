"""Replaces a file next to a journal in one step, if nobody has changed it meanwhile.

A file with several names (hard links) is replaced under one of them: what a backup has linked keeps
its content.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from cropperhead.errors import WritingError
from cropperhead.library.journal_records import (
    FOLDER,
    LINES,
    LONGEST_LINE,
    MOST_BYTES,
    Record,
    digest_of_file,
    format_line,
    is_cut_off,
    parse_line,
    require_folder,
)
from cropperhead.system import atomic, folder_lock, regular_file
from cropperhead.system.exchange import exchange

_PERMISSIONS = 0o777
_PIECE = 1 << 20  # bytes that are copied at a time
_APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def locked(folder: Path, create: bool = False) -> Iterator[Path]:
    """Locks the journal of a folder, and gives the folder it is in. Raises OSError for a link."""
    place = folder / FOLDER
    with suppress(FileNotFoundError):
        require_folder(place)
    with folder_lock.hold_folder(place, exclusive=True, create=create):
        yield place


def require_unchanged(file: Path, expected: str | None, named: Path | None = None) -> None:
    """Raises WritingError if a file's SHA-256 is another than expected, None for no file.

    The error names the file, or another path that it had before.
    """
    if digest_of_file(file) != expected:
        raise WritingError(f"{named or file}: it has changed meanwhile. Left as it was.")


def prepare(
    ready: Path, fill: Callable[[Path], object], like: Path, change: Record | None = None
) -> Path:
    """Lets `fill` write a file whole, and gives it mode, owner and attributes of another, if any.

    With a change, mode and time are what they were before it. Raises OSError, and what `fill` does.
    """

    def write_to(file: Path) -> None:
        fill(file)
        if like.exists():
            _copy_attributes(like, file)
        if change is not None:
            file.chmod(change.mode & _PERMISSIONS)
            os.utime(file, ns=(change.mtime_ns, change.mtime_ns))

    atomic.replace(ready, write_to)
    return ready


def copy(source: Path, target: Path) -> None:
    """Copies the content of a file, piece by piece. Raises OSError, also for what is not a file."""
    with (
        regular_file.open_regular(source, follow_link=False) as content,
        target.open("wb") as stream,
    ):
        shutil.copyfileobj(content, stream, _PIECE)


def put(ready: Path, file: Path, expected: str | None) -> None:
    """Puts a file that is whole on the disk in its place, in one step.

    Raises WritingError if what is there is not expected: somebody has saved it meanwhile.
    """
    try:
        require_unchanged(file, expected)
        if expected is None:
            _put_new(ready, file)
        elif exchange(ready, file):
            _require_replaced(ready, file, expected)
        else:
            ready.replace(file)
    finally:
        ready.unlink(missing_ok=True)
    atomic.to_disk(file.parent)


def remove(file: Path, aside: Path, expected: str) -> None:
    """Removes a file, by way of a place in the folder of the journal.

    Raises WritingError if what is there is not expected: somebody has saved it meanwhile.
    """
    require_unchanged(file, expected)
    aside.unlink(missing_ok=True)  # of a killed run: as a link to the file, it would stop the next
    file.replace(aside)
    try:
        require_unchanged(aside, expected, file)
    except BaseException:
        with suppress(WritingError):  # it has been saved once more
            _put_new(aside, file)
        raise
    finally:
        aside.unlink(missing_ok=True)
        atomic.to_disk(file.parent)


@contextmanager
def line_added(place: Path, record: Record) -> Iterator[None]:
    """Adds a line to a journal; takes it back if the block fails before the change is made."""
    line = format_line(record)
    with _open_lines(place / LINES) as stream:
        if stream.seek(0, os.SEEK_END) + len(line) > MOST_BYTES:
            problem = f"{FOLDER}/{LINES} would be larger than {MOST_BYTES:,} bytes"
            raise OSError(errno.EFBIG, problem)
        size = _end_of_lines(stream)
        try:
            while line:  # of which a disk that is nearly full takes a part
                line = line[stream.write(line) :]
            os.fsync(stream.fileno())
            if not size:
                atomic.to_disk(place)
                atomic.to_disk(place.parent)
            yield
        except BaseException:
            if digest_of_file(place.parent / record.file) != record.after:
                stream.truncate(size)
                if not size:
                    (place / LINES).unlink()
            raise


def _copy_attributes(source: Path, target: Path) -> None:
    """Copies everything but the time."""
    status = source.stat()
    for owner in (-1, status.st_uid):  # the group first: only root may give files away
        with suppress(PermissionError):
            os.chown(target, owner, status.st_gid)
    shutil.copystat(source, target)
    os.utime(target)


def _put_new(ready: Path, file: Path) -> None:
    """Puts a file where none is; one that somebody makes at this moment is not replaced."""
    try:
        file.hardlink_to(ready)
    except FileExistsError as error:
        raise WritingError(f"{file}: it has changed meanwhile. Left as it was.") from error
    except OSError:  # a file system without links
        ready.replace(file)


def _require_replaced(old: Path, file: Path, expected: str) -> None:
    """Exchanges two files back, and raises WritingError, if the old one is not expected."""
    try:
        require_unchanged(old, expected, file)
    except BaseException:
        exchange(old, file)
        raise


def _open_lines(file: Path) -> BinaryIO:
    """Opens a journal to read and extend it. Raises OSError for what is not a file of its own."""
    with suppress(FileNotFoundError), regular_file.open_regular(file, follow_link=False) as present:
        if os.fstat(present.fileno()).st_nlink > 1:  # a backup may have linked it
            content = present.read(MOST_BYTES)
            atomic.replace(file, lambda copy: copy.write_bytes(content))
    return os.fdopen(os.open(file, _APPEND, 0o666), "ab+", buffering=0)


def _end_of_lines(stream: BinaryIO) -> int:
    """Where the next line begins, once the file ends in a whole line."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - LONGEST_LINE))
    last = stream.read(LONGEST_LINE).rpartition(b"\n")[2]
    if last and parse_line(last) is None and is_cut_off(last):
        size -= len(last)
        stream.truncate(size)
    elif last:
        size += stream.write(b"\n")
    return size
