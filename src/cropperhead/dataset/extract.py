"""Extracts the crops of a photo library into shards, reading only files that are new or changed.

Every file ends as cropped, uncropped, suggested or rejected, and the ledger records which. An
interrupted run resumes where it stopped: at most one batch is read again.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from cropperhead.dataset import reading, rows, shards
from cropperhead.dataset.ledger import (
    Ledger,
    left_out_versions,
    mark_unread,
    write_extract_reports,
)
from cropperhead.dataset.outcome import CROPPED, GONE, REJECTED, UNREAD
from cropperhead.dataset.preview import NO_CROP, ExtractionSummary
from cropperhead.dataset.rows import Reading
from cropperhead.errors import LibraryError
from cropperhead.library import scan
from cropperhead.library.scan import Entry
from cropperhead.params import ExtractParams
from cropperhead.photos import exiftool
from cropperhead.system import code_hash

# Imported code that does not influence any label
_WITHOUT_INFLUENCE = frozenset(
    {"__init__.py", "errors.py", "params.py", "dataset/ledger.py", "library/scan.py"}
)


def update_shards(
    folder: Path, manifest: pa.Table, out: Path, ledger: Ledger, params: ExtractParams
) -> pd.DataFrame:
    """Update the shards in `out` and the ledger to the state of a library.

    `manifest` is the result of scanning the library. Returns the ledger's table. Raises SetupError
    if ExifTool is missing.
    """
    exiftool.require()
    shards.remove_damaged(out)
    stored = set(shards.iter_photos(out))
    table = _with_numbers(manifest.select(["file", "trace"]).to_pandas(), ledger.table)
    todo = _todo(table, stored)
    # earlier photos before newcomers and copies, which may be the same photo at another path
    comes_first = table["outcome"].notna() & (table["same_as"].fillna("") == "")
    places = np.concatenate(
        [np.flatnonzero(todo & comes_first), np.flatnonzero(todo & ~comes_first)]
    )
    numbers = table["number"].to_numpy()[places].tolist()
    tasks = zip(scan.entries(manifest, places), numbers, strict=True)
    ledger.table = _before_reading(table, todo, ledger.table)
    del table, todo
    past = _EarlierRuns(ledger.table)
    shards.drop_photos(out, stored - set(past.photo_of_digest.values()))
    ledger.save()
    bar: tqdm[Any]
    with tqdm(total=len(places), desc="extract", unit="photo") as bar:
        readings = _reject_duplicates(reading.read_files(folder, tasks, params, bar), past)
        for batch in reading.batches(readings, params.batch_files):
            new_rows = [row for each in batch for row in each.rows]
            if new_rows:
                shards.write_shard(new_rows, out, params.tags)
            ledger.append(each.outcome for each in batch)
    ledger.merge_journal()
    return ledger.table


def extract_into(
    out: Path, folder: Path, entries: Iterable[Entry], params: ExtractParams
) -> ExtractionSummary:
    """Extract a library into a folder of its own, independently of the pipeline."""
    out.mkdir(parents=True, exist_ok=True)
    ledger = Ledger.load(out / "ledger.parquet", fingerprint(params, code_hash.module_files(rows)))
    table = update_shards(folder, scan.manifest(entries), out / "extracted", ledger, params)
    labels = shards.count_sources(out / "extracted")
    write_extract_reports(table, labels, out / "extract.json", out / "rejected.csv")
    outcomes = table["kind"].where(table["kind"] != "", table["outcome"])
    left_out = (one.kind for one in left_out_versions(table))
    return ExtractionSummary(Counter(outcomes), Counter(labels), Counter(left_out))


def fingerprint(params: ExtractParams, code: Iterable[Path]) -> str:
    """Return a hash of the extracting code and its params: if it changes, labels could change.

    `code` are the files of that code. Files that cannot change a label do not count, nor do the
    library's path, the engine, its workers and the size of a batch. (The manifest contains what
    catalogs and the collection say.)
    """
    digest = hashlib.sha256()
    for source in sorted(set(code), key=code_hash.package_path):
        name = code_hash.package_path(source)
        if name in _WITHOUT_INFLUENCE or source.name == "__init__.py":
            continue
        digest.update(name.encode() + b"\0" + source.read_bytes() + b"\0")
    settings = replace(params, library=".", catalogs=(), collected="", batch_files=1, workers=1)
    settings = replace(settings, engine="local", address="", tags={})
    digest.update(repr(settings).encode())
    digest.update(repr(sorted(params.tags.items())).encode())
    return digest.hexdigest()


def require_crops(table: pd.DataFrame, folder: Path) -> None:
    """Raise LibraryError if no photo has a usable crop."""
    if _cropped_rows(table).empty:
        raise LibraryError(
            f"extract.library: {folder} has {len(table)} files. {NO_CROP} "
            "reports/rejected.csv lists what was rejected and why."
        )


def _with_numbers(files: pd.DataFrame, ledger: pd.DataFrame) -> pd.DataFrame:
    """Return the library's files with their rows of the ledger; `new_trace` is their trace now.

    Each has a number, which is its place in the order of arrival.
    """
    table = files.rename(columns={"trace": "new_trace"}).merge(ledger, on="file", how="left")
    new = table["number"].isna().to_numpy()
    first = int(ledger["number"].max()) + 1 if len(ledger) else 0
    numbers = table["number"].to_numpy(float, copy=True)
    numbers[new] = first + np.arange(new.sum())
    return table.assign(number=numbers.astype(np.int64))


def _todo(table: pd.DataFrame, stored: set[str]) -> pd.Series:
    """Return which files are new, changed or lost, or duplicates of such a file."""
    lost = (table["outcome"] == CROPPED) & ~table["file"].isin(stored)
    todo = (table["new_trace"] != table["trace"]) | lost
    copies = table["same_as"].fillna("") != ""
    return todo | (copies & ~table["same_as"].isin(table["file"][~todo]))


def _before_reading(table: pd.DataFrame, todo: pd.Series, ledger: pd.DataFrame) -> pd.DataFrame:
    """Return the ledger as it is before files are read: those to read again are unread.

    Cropped photos that are gone stay until the end of the run, which may find them at another path.
    """
    has_outcome = table["outcome"].notna()
    cropped = (ledger["sha256"] != "") & (ledger["same_as"] == "")
    gone = ledger[cropped & ~ledger["file"].isin(table["file"])]
    parts = [table[has_outcome & ~todo][ledger.columns], mark_unread(table[has_outcome & todo])]
    return pd.concat([*parts, gone.assign(outcome=GONE, trace="")], ignore_index=True)


def _cropped_rows(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["outcome"] == CROPPED]


class _EarlierRuns:
    """Facts from earlier runs that this one needs.

    `photo_of_digest` has the cropped photo of each SHA-256, and this run adds to it. `origins` has
    the origins of files that are read again; `places` the numbers and origins of photos that are
    gone or unread, by SHA-256.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        cropped, firsts = _cropped_rows(table), table[table["same_as"] == ""]
        read_again = firsts[firsts["outcome"] == UNREAD]
        gone = firsts[firsts["outcome"].isin([UNREAD, GONE]) & (firsts["sha256"] != "")]
        origins = gone["origin"].where(gone["origin"] != "", gone["file"])
        self.photo_of_digest = dict(zip(cropped["sha256"], cropped["file"], strict=True))
        self.origins = dict(zip(read_again["file"], read_again["origin"], strict=True))
        places = zip(gone["number"].tolist(), origins, strict=True)
        self.places = dict(zip(gone["sha256"], places, strict=True))


def _reject_duplicates(readings: Iterable[Reading], past: _EarlierRuns) -> Iterator[Reading]:
    """Keep the first of byte-identical cropped photos and reject the others."""
    for each in readings:
        outcome = each.outcome
        digest = outcome.sha256
        first = past.photo_of_digest.setdefault(digest, outcome.file) if digest else outcome.file
        if first == outcome.file:
            yield _with_origin(each, past)
            continue
        reason = f"byte-identical to {first}, which is kept"
        yield Reading(
            replace(outcome, outcome=REJECTED, kind="duplicate", reason=reason, same_as=first)
        )


def _with_origin(found: Reading, past: _EarlierRuns) -> Reading:
    """Return the reading with the number and origin that its photo had, even if it has moved.

    Splits depend on them, so that tidying up a library moves no photo from training to test.
    """
    outcome = found.outcome
    number, origin = outcome.number, past.origins.get(outcome.file, "")
    if outcome.sha256 in past.places:
        number, origin = past.places.pop(outcome.sha256)
    origin = "" if origin == outcome.file else origin
    place = {"number": number} | ({"origin": origin} if origin else {})
    rows = tuple(row | place for row in found.rows)
    return Reading(replace(outcome, number=number, origin=origin), rows)
