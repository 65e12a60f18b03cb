"""Reads the files of a library in worker processes or on a cluster; no file can end the run."""

import functools
import platform
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import islice
from multiprocessing import util
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cropperhead.dataset import collected, rows
from cropperhead.dataset.outcome import REJECTED
from cropperhead.dataset.rows import Reading
from cropperhead.errors import LibraryError, RejectedFile
from cropperhead.library import scan, staging
from cropperhead.library.scan import Entry
from cropperhead.library.store import Library, StoredLibrary
from cropperhead.params import ExtractParams
from cropperhead.photos import exiftool
from cropperhead.system import regular_file
from cropperhead.system.engine import RAY, Engine

if TYPE_CHECKING:
    from tqdm import tqdm

# Of what is listed by another name than that of a file in the library
_OF_NO_FILE = frozenset({"unreadable_name_or_folder", "broken_catalog", collected.MISSING})
# Photos that a worker reads at a time, so that they share the cost of a call to ExifTool
_CHUNK = 50
# What a small copy needs; loading it takes as long as copying thirty photos
_IMPORTS = ("imagehash", "scipy.fftpack", "cropperhead.photos.local_features")


Task = tuple[Entry, int]  # a file to read, and its number
Item = TypeVar("Item")


def read_files(
    library: Library,
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
    chunks = batches(iter(tasks), min(_CHUNK, params.batch_files))
    engine = Engine(params.engine, params.workers, params.address)
    failed = _failed_reading if isinstance(library, Path) else _failed_fetching
    with _scratch(library) as scratch:
        work = functools.partial(_read_chunk, library, params, pixels, scratch)
        imports = _IMPORTS if pixels else ()
        for readings in engine.map_chunks(work, chunks, failed, imports=imports):
            for reading in readings:
                # of an object store, `_read_round` has done it where it was read
                yield _checked(reading, library) if isinstance(library, Path) else reading
            bar.update(len(readings))


def _scratch(library: Library) -> AbstractContextManager[str]:
    """A folder for what is staged of an object store; a worker that is killed leaves it there."""
    if isinstance(library, Path):
        return nullcontext("")
    return tempfile.TemporaryDirectory(prefix="cropperhead-", ignore_cleanup_errors=True)


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


def _failed_fetching(task: Task, error: RejectedFile) -> Reading:
    """The reading of a file that the next run reads again: the store may only have been slow."""
    reason = f"{error}, or the store was too slow"
    return _to_read_again(_failed_reading(task, RejectedFile(error.kind, reason)))


def _read_chunk(
    library: Library, params: ExtractParams, pixels: bool, scratch: str, chunk: Sequence[Task]
) -> list[Reading]:
    """Read one chunk in a worker, whose ExifTool keeps running for the next one.

    The pure function that any engine calls: from a list of files to the rows of shards.
    """
    sent = [entry.kind == scan.COLLECTED for entry, _ in chunk]
    from_collection = collected.read_rows(*_unzip(chunk, sent, True), params)
    entries, numbers = _unzip(chunk, sent, False)
    from_library: Iterator[Reading] = iter(())
    if isinstance(library, StoredLibrary):
        tasks = list(zip(entries, numbers, strict=True))
        read_round = functools.partial(_read_round, library, params, pixels, scratch)
        from_library = _read_stored(tasks, read_round)
    elif entries:
        if params.engine == RAY:
            _require_folders(library, entries)
        from_library = rows.read_rows(library, entries, numbers, _tag_reader(), params, pixels)
    return [next(from_collection if is_sent else from_library) for is_sent in sent]


def _read_stored(
    tasks: Sequence[Task], read_round: Callable[[Sequence[Task]], dict[str, Reading]]
) -> Iterator[Reading]:
    """Read files of an object store, in order."""
    numbers = {entry.file: number for entry, number in tasks}
    readings: dict[str, Reading] = {}
    for entries in staging.rounds(entry for entry, _ in tasks):
        readings |= read_round([(entry, numbers[entry.file]) for entry in entries])
    return (readings[entry.file] for entry, _ in tasks)


def _read_round(
    library: StoredLibrary,
    params: ExtractParams,
    pixels: bool,
    scratch: str,
    tasks: Sequence[Task],
) -> dict[str, Reading]:
    """Read files that fit into one folder; the next run reads again what could not be fetched."""
    entries, long_side = [entry for entry, _ in tasks], params.long_side if pixels else None
    with (
        _folder_in(scratch) as folder,
        staging.stage(library, folder, entries, long_side, params.max_megapixels) as staged,
    ):
        problems = staged.problems
        lost = [task for task in tasks if task[0].file in problems]
        failed = [_failed_reading(task, problems[task[0].file]) for task in lost]
        sound = [task for task in tasks if task not in lost]
        reader, before_opening = _tag_reader(), staged.prepare
        entries, numbers = [entry for entry, _ in sound], [number for _, number in sound]
        found = rows.read_rows(
            staged.folder, entries, numbers, reader, params, pixels, before_opening
        )
        read = {one.outcome.file: one for one in [*found, *failed]}
    return {name: _to_read_again(one) if name in problems else one for name, one in read.items()}


def _folder_in(scratch: str) -> tempfile.TemporaryDirectory[str]:
    """A temporary folder, there if this machine of a cluster has the place."""
    place = scratch if Path(scratch).is_dir() else None
    return tempfile.TemporaryDirectory(prefix="cropperhead-", dir=place)


def _to_read_again(one: Reading) -> Reading:
    return replace(one, outcome=replace(one.outcome, trace=""))


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
