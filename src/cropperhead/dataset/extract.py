"""From a photo library to labelled shards: reads only what is new, and loses nothing on the way.

Every file ends as cropped, uncropped, suggested or rejected, and the ledger says which. A run that
is interrupted goes on where it stopped: at most one batch is read again.
"""

import functools
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing import util
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from cropperhead.dataset import rows as readings
from cropperhead.dataset import shards
from cropperhead.dataset.ledger import (
    CROPPED,
    GONE,
    REJECTED,
    SUGGESTED,
    UNCROPPED,
    UNREAD,
    Ledger,
    all_left_out,
    unread,
    write_report,
)
from cropperhead.dataset.rows import Reading
from cropperhead.errors import LibraryError, RejectedFile
from cropperhead.library import scan
from cropperhead.library.scan import Entry
from cropperhead.params import ExtractParams
from cropperhead.photos import exiftool
from cropperhead.system import code_hash, worker_pool

# Code that readings need and that decides nothing about a label
_WITHOUT_INFLUENCE = frozenset(
    {"__init__.py", "errors.py", "params.py", "dataset/ledger.py", "library/scan.py"}
)
# Photos that a worker reads at a time: ExifTool's cost of a question is spread over as many
_CHUNK = 50

Task = tuple[Entry, int]  # a file to read, and its number
Item = TypeVar("Item")


def extract(
    folder: Path, manifest: pa.Table, out: Path, ledger: Ledger, params: ExtractParams
) -> pd.DataFrame:
    """Brings the shards in `out` and the ledger up to date with a library; the ledger's table.

    `manifest` is what a scan of the library found. Raises SetupError where ExifTool is missing.
    """
    exiftool.require()
    shards.mend(out)
    stored = set(shards.names(out))
    table = _with_numbers(manifest.select(["file", "trace"]).to_pandas(), ledger.table)
    todo = _todo(table, stored)
    # known photos before newcomers and copies, which may be the same photo in another place
    alone = table["outcome"].notna() & (table["same_as"].fillna("") == "")
    places = np.concatenate([np.flatnonzero(todo & alone), np.flatnonzero(todo & ~alone)])
    numbers = table["number"].to_numpy()[places].tolist()
    tasks = zip(scan.entries(manifest, places), numbers, strict=True)
    ledger.table = _as_of_today(table, todo, ledger.table)
    del table, todo
    past = _Past(ledger.table)
    shards.drop(out, stored - set(past.kept.values()))
    ledger.save()
    bar: tqdm[Any]
    with tqdm(total=len(places), desc="extract", unit="photo") as bar:
        found = _settled(_read(folder, tasks, params, bar), past)
        for batch in _batched(found, params.batch_files):
            rows = [row for reading in batch for row in reading.rows]
            if rows:
                shards.write(rows, out, params.tags)
            ledger.record(reading.outcome for reading in batch)
    ledger.settle()
    return ledger.table


@dataclass(frozen=True)
class Summary:
    """What a library holds, in numbers."""

    outcomes: Counter[str]  # cropped, uncropped, suggested, or the kind of a rejection
    labels: Counter[str]  # by source
    left_out: Counter[str]  # versions of photos with others, by kind

    def __str__(self) -> str:
        """A few lines for a person."""
        good = (CROPPED, UNCROPPED, SUGGESTED)
        rejected = {k: n for k, n in self.outcomes.items() if k not in good}
        suggested = self.outcomes[SUGGESTED]
        lines = [
            f"{self.outcomes.total():>9,} files",
            f"{self.outcomes[CROPPED]:>9,} cropped, {self.labels.total():,} crops",
            *_listed(self.labels),
            f"{self.outcomes[UNCROPPED]:>9,} not cropped",
            *([f"{suggested:>9,} cropped as suggested, by no person"] if suggested else []),
            f"{sum(rejected.values()):>9,} rejected",
            *_listed(rejected),
        ]
        if self.left_out:
            lines += [f"{self.left_out.total():>9,} crops left out of photos with others"]
            lines += _listed(self.left_out)
        return "\n".join(lines)


def _listed(counts: Mapping[str, int]) -> list[str]:
    return [f"{'':>9} {number:>9,} {name}" for name, number in sorted(counts.items())]


def preview(folder: Path, entries: Sequence[Entry], params: ExtractParams) -> Summary:
    """Looks at the metadata of a whole library; decodes no picture and writes no file."""
    exiftool.require()
    found = Summary(Counter(), Counter(), Counter())
    tasks = ((entry, 0) for entry in entries)
    bar: tqdm[Any]
    with tqdm(total=len(entries), desc="look", unit="photo") as bar:
        for reading in _read(folder, tasks, params, bar, pixels=False):
            outcome = reading.outcome
            found.outcomes[outcome.kind or outcome.outcome] += 1
            found.left_out.update(one.kind for one in outcome.left_out)
            found.labels.update(row["source"] for row in reading.rows)
    return found


def extract_into(
    out: Path, folder: Path, entries: Iterable[Entry], params: ExtractParams
) -> Summary:
    """Extracts a library into a folder of its own, beside the pipeline."""
    out.mkdir(parents=True, exist_ok=True)
    made_by = fingerprint(params, code_hash.of(readings))
    book = Ledger.load(out / "ledger.parquet", made_by)
    table = extract(folder, scan.manifest(entries), out / "extracted", book, params)
    labels = shards.sources(out / "extracted")
    write_report(table, labels, out / "extract.json", out / "rejected.csv")
    outcomes = table["kind"].where(table["kind"] != "", table["outcome"])
    left_out = (one.kind for one in all_left_out(table))
    return Summary(Counter(outcomes), Counter(labels), Counter(left_out))


def fingerprint(params: ExtractParams, code: Iterable[Path]) -> str:
    """Changes when what is extracted could: with the code that extracts and its params.

    `code` are that code's files; those that can change no label do not count, nor does where
    the library lies, who works and how many files are read at a time. (What catalogs say is in the
    manifest.)
    """
    digest = hashlib.sha256()
    for source in sorted(set(code), key=code_hash.relative):
        name = code_hash.relative(source)
        if name in _WITHOUT_INFLUENCE or source.name == "__init__.py":
            continue
        digest.update(name.encode() + b"\0" + source.read_bytes() + b"\0")
    settings = replace(params, library=".", catalogs=(), batch_files=1, workers=1)
    digest.update(repr(replace(settings, tags={})).encode())
    digest.update(repr(sorted(params.tags.items())).encode())
    return digest.hexdigest()


def require_crops(table: pd.DataFrame, folder: Path) -> None:
    """Raises LibraryError where no photo has a usable crop."""
    if _cropped(table).empty:
        raise LibraryError(
            f"extract.library: {folder} holds {len(table)} files, but no photo with a usable "
            "crop. In Lightroom, select your cropped photos and save their metadata to file "
            "(Ctrl+S or Cmd+S), or name your catalog in extract.catalogs, then run again; "
            "reports/rejected.csv names what was left out."
        )


def _with_numbers(files: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """The library's files beside what is known of them; `found` is their trace of today.

    Each has a number, those already known first: the order in which photos came in.
    """
    table = files.rename(columns={"trace": "found"}).merge(known, on="file", how="left")
    new = table["number"].isna().to_numpy()
    first = int(known["number"].max()) + 1 if len(known) else 0
    numbers = table["number"].to_numpy(float, copy=True)
    numbers[new] = first + np.arange(new.sum())
    return table.assign(number=numbers.astype(np.int64))


def _todo(table: pd.DataFrame, stored: set[str]) -> pd.Series:
    """Which files are new, changed or lost, or duplicates of a copy that is."""
    lost = (table["outcome"] == CROPPED) & ~table["file"].isin(stored)
    todo = (table["found"] != table["trace"]) | lost
    copies = table["same_as"].fillna("") != ""
    return todo | (copies & ~table["same_as"].isin(table["file"][~todo]))


def _as_of_today(table: pd.DataFrame, todo: pd.Series, known: pd.DataFrame) -> pd.DataFrame:
    """The ledger before the reading: of what is to be read again, how it came in alone is known.

    Cropped photos that are gone stay until the run is done: they may be found in another place.
    """
    was = table["outcome"].notna()
    again = was & todo
    cropped = (known["sha256"] != "") & (known["same_as"] == "")
    gone = known[cropped & ~known["file"].isin(table["file"])]
    parts = [table[was & ~todo][known.columns], unread(table[again])]
    return pd.concat([*parts, gone.assign(outcome=GONE, trace="")], ignore_index=True)


def _cropped(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["outcome"] == CROPPED]


class _Past:
    """What earlier runs know that bears on what this one reads.

    `kept` has the photo of each SHA-256 and learns the new ones; `origins` has how known files came
    in, `moved` the number and the origin of photos that are gone, by SHA-256.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        cropped, alone = _cropped(table), table[table["same_as"] == ""]
        read_again = alone[alone["outcome"] == UNREAD]
        gone = alone[alone["outcome"].isin([UNREAD, GONE]) & (alone["sha256"] != "")]
        origins = gone["origin"].where(gone["origin"] != "", gone["file"])
        self.kept: dict[str, str] = dict(zip(cropped["sha256"], cropped["file"], strict=True))
        self.origins = dict(zip(read_again["file"], read_again["origin"], strict=True))
        places = zip(gone["number"].tolist(), origins, strict=True)
        self.moved = dict(zip(gone["sha256"], places, strict=True))


def _read(
    folder: Path,
    tasks: Iterable[Task],
    params: ExtractParams,
    bar: "tqdm[Any]",
    pixels: bool = True,
) -> Iterator[Reading]:
    """All readings in order, by as many processes as params say."""
    params = replace(params, tags=dict(params.tags))  # params.yaml's read-only view has no pickle
    work = functools.partial(_read_chunk, folder, params, pixels)
    chunks = _batched(iter(tasks), min(_CHUNK, params.batch_files))
    number = worker_pool.count(params.workers)
    for found in worker_pool.results(work, chunks, number, _failed):
        yield from found
        bar.update(len(found))


def _failed(task: Task, error: RejectedFile) -> Reading:
    entry, number = task
    return readings.failed_reading(entry, number, error)


def _read_chunk(
    folder: Path, params: ExtractParams, pixels: bool, chunk: Sequence[Task]
) -> list[Reading]:
    """What a worker does; its ExifTool starts with the first chunk and stays for the next."""
    entries, numbers = zip(*chunk, strict=True)
    return list(readings.read(folder, entries, numbers, _tag_reader(), params, pixels))


@functools.cache
def _tag_reader() -> exiftool.TagReader:
    reader = exiftool.start()
    util.Finalize(None, reader.close, exitpriority=1)  # a worker's end passes over atexit
    return reader


def _settled(found: Iterable[Reading], past: _Past) -> Iterator[Reading]:
    """Keeps the first of byte-identical cropped photos and rejects the others by name."""
    for reading in found:
        outcome = reading.outcome
        digest = outcome.sha256
        first = past.kept.setdefault(digest, outcome.file) if digest else outcome.file
        if first == outcome.file:
            yield _with_origin(reading, past)
            continue
        reason = f"byte-identical to {first}, which is kept"
        yield Reading(
            replace(outcome, outcome=REJECTED, kind="duplicate", reason=reason, same_as=first)
        )


def _with_origin(reading: Reading, past: _Past) -> Reading:
    """The reading, of a photo that has moved with the number and the name by which it came in.

    By these photos are dealt to training and test, so that tidying up a library moves none across.
    """
    outcome = reading.outcome
    number, origin = outcome.number, past.origins.get(outcome.file, "")
    if outcome.sha256 in past.moved:
        number, origin = past.moved.pop(outcome.sha256)
    origin = "" if origin == outcome.file else origin
    place = {"number": number} | ({"origin": origin} if origin else {})
    rows = tuple(row | place for row in reading.rows)
    return Reading(replace(outcome, number=number, origin=origin), rows)


def _batched(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while batch := list(islice(items, size)):
        yield batch
