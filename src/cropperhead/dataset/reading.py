"""Reads the files of a library in worker processes or on a cluster; no file can end the run."""

import functools
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from multiprocessing import util
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from cropperhead.dataset import collected, rows
from cropperhead.dataset.outcome import REJECTED
from cropperhead.dataset.rows import Reading
from cropperhead.errors import LibraryError, RejectedFile
from cropperhead.library import scan
from cropperhead.library.scan import Entry
from cropperhead.params import ExtractParams
from cropperhead.photos import exiftool
from cropperhead.system import regular_file
from cropperhead.system.engine import RAY, Engine

# Of what is listed by another name than that of a file in the library
_OF_NO_FILE = frozenset({"unreadable_name_or_folder", "broken_catalog", collected.MISSING})
# Photos that a worker reads at a time, so that they share the cost of a call to ExifTool
_CHUNK = 50


Task = tuple[Entry, int]  # a file to read, and its number
Item = TypeVar("Item")


def read_files(
    folder: Path,
    tasks: Iterable[Task],
    params: ExtractParams,
    bar: "tqdm[Any]",
    pixels: bool = True,
) -> Iterator[Reading]:
    """Yield the reading of each file in order, by the engine that `params` names.

    Without `pixels` no picture is decoded. Raises LibraryError if the library vanishes meanwhile,
    or a machine of a cluster does not see it; SetupError as `Engine.map_chunks` does.
    """
    params = replace(params, tags=dict(params.tags))  # a mappingproxy cannot be pickled
    work = functools.partial(_read_chunk, folder, params, pixels)
    chunks = batches(iter(tasks), min(_CHUNK, params.batch_files))
    engine = Engine(params.engine, params.workers, params.address)
    for readings in engine.map_chunks(work, chunks, _failed_reading):
        for reading in readings:
            yield _checked(reading, folder)
        bar.update(len(readings))


def _checked(reading: Reading, folder: Path) -> Reading:
    """Let the next run read a rejected file again if it could not even be opened.

    Raises LibraryError if the whole library is gone, such as a disk that was unplugged.
    """
    outcome = reading.outcome
    is_file = outcome.outcome == REJECTED and outcome.kind not in _OF_NO_FILE
    problem = _opening_problem(folder / outcome.file) if is_file else None
    if problem is None:
        return reading
    if not _has_content(folder):
        raise LibraryError(
            f"{folder} is no longer there. Connect its disk, and run again: what "
            "has been read is kept."
        )
    reason = f"it cannot be opened: {problem}"
    return Reading(replace(outcome, trace="", kind="unreadable", reason=reason))


def _opening_problem(file: Path) -> str | None:
    """Why a file cannot be opened that may be opened by another run; None for any other file."""
    try:
        regular_file.open_regular(file).close()
    except (regular_file.NotRegularError, ValueError):  # it never can, as with a NUL in its name
        return None
    except OSError as error:
        return error.strerror or str(error)
    return None


def _has_content(folder: Path) -> bool:
    """Whether a folder holds anything; the place where a disk was mounted is empty without it."""
    try:
        return any(folder.iterdir())
    except OSError:
        return False


def _failed_reading(task: Task, error: RejectedFile) -> Reading:
    entry, number = task
    return rows.failed_reading(entry, number, error)


def _read_chunk(
    folder: Path, params: ExtractParams, pixels: bool, chunk: Sequence[Task]
) -> list[Reading]:
    """Read one chunk in a worker, whose ExifTool keeps running for the next one.

    The pure function that any engine calls: from a list of files to the rows of shards.
    """
    if params.engine == RAY:
        _require_folders(folder, [entry for entry, _ in chunk])
    sent = [entry.kind == scan.COLLECTED for entry, _ in chunk]
    from_collection = collected.read_rows(*_unzip(chunk, sent, True), params)
    library = _unzip(chunk, sent, False)
    from_library: Iterator[Reading] = iter(())
    if library[0]:
        from_library = rows.read_rows(folder, *library, _tag_reader(), params, pixels)
    return [next(from_collection if is_sent else from_library) for is_sent in sent]


def _require_folders(folder: Path, entries: Sequence[Entry]) -> None:
    """Raises LibraryError if this machine lacks a folder of photos: each would be rejected."""
    photos = [entry.file for entry in entries if entry.kind in {scan.PHOTO, scan.ORPHAN}]
    parents = sorted({(folder / file).parent for file in photos})
    missing = next((parent for parent in (folder, *parents) if not _has_content(parent)), None)
    if missing is not None:
        raise LibraryError(
            f"{missing} is not there on {platform.node()}, a machine of the cluster. All machines "
            "must see the photos under the same path."
        )


def _unzip(
    chunk: Sequence[Task], sent: Sequence[bool], wanted: bool
) -> tuple[list[Entry], list[int]]:
    """Return the entries and the numbers of the tasks that were sent, or of the others."""
    chosen = [task for task, is_sent in zip(chunk, sent, strict=True) if is_sent == wanted]
    return [entry for entry, _ in chosen], [number for _, number in chosen]


@functools.cache
def _tag_reader() -> exiftool.TagReader:
    reader = exiftool.start_reader()
    util.Finalize(None, reader.close, exitpriority=1)  # workers do not run atexit's functions
    return reader


def batches(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    """Group items into lists of `size`; the last one may be shorter."""
    while batch := list(islice(items, size)):
        yield batch
