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
    _to_disk(unfinished)
    unfinished.replace(file)
    _to_disk(file.parent)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
