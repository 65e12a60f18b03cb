"""Files that exist whole or not at all, even after a power loss."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

UNFINISHED = ".unfinished"


def replace(file: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file next to `file`, flush it to the disk, and put it in its place.

    Whatever ends it early, a full disk or Ctrl-C, `file` is as it was, and nothing is next to it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(UNFINISHED)
    unfinished.unlink(missing_ok=True)  # of a killed run; or a link, through which `write` would go
    try:
        write(unfinished)
        to_disk(unfinished)
        unfinished.replace(file)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    to_disk(file.parent)


def to_disk(path: Path) -> None:
    """Flush a file's contents, or a folder's names, so that they outlast a power loss."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
