"""Files that are there whole or not at all, also after a loss of power."""

import os
from collections.abc import Callable
from pathlib import Path

UNFINISHED = ".unfinished"


def replace(file: Path, write: Callable[[Path], object]) -> None:
    """Has `write` make a file beside `file`, sees it to the disk, and puts it in its place."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(UNFINISHED)
    write(unfinished)
    to_disk(unfinished)
    unfinished.replace(file)
    to_disk(file.parent)


def to_disk(path: Path) -> None:
    """Returns once a file's contents, or a folder's names, would outlast a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
