"""Files that exist whole or not at all, even after a power loss."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

UNFINISHED = ".unfinished"
_OF_WRITING = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS})


def replace(file: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file next to `file`, flush it to the disk, and put it in its place.

    Whatever ends it early, a full disk or Ctrl-C, `file` is as it was, and nothing is next to it.
    An error of a disk that takes no more names `file`; others, such as of reading, are unchanged.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(UNFINISHED)
    unfinished.unlink(missing_ok=True)  # of a killed run; or a link, through which `write` would go
    try:
        write(unfinished)
        to_disk(unfinished)
        unfinished.replace(file)
    except BaseException as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in {None, str(unfinished)}:
            _name_if_full(file, error)
        raise
    to_disk(file.parent)


def _name_if_full(file: Path, error: OSError) -> None:
    """Raises the error of a disk that takes no more with the name of the file."""
    if error.errno in _OF_WRITING:
        raise OSError(error.errno, os.strerror(error.errno), str(file)) from error


def to_disk(path: Path) -> None:
    """Flush a file's contents, or a folder's names, so that they outlast a power loss."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
