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
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tqdm import tqdm

from cropperhead.dataset import reading, rows, shards
from cropperhead.dataset.ledger import (
    Ledger,
    count_values,
    left_out_versions,
    mark_unread,
    with_texts,
    write_extract_reports,
)
from cropperhead.dataset.outcome import CROPPED, GONE, REJECTED, UNREAD
from cropperhead.dataset.preview import NO_CROP, ExtractionSummary
from cropperhead.dataset.rows import Reading
from cropperhead.dataset.shard_store import ShardStore
from cropperhead.errors import LibraryError
from cropperhead.library import scan, staging
from cropperhead.library.scan import Entry
from cropperhead.library.store import Library
from cropperhead.params import ExtractParams
from cropperhead.photos import exiftool
from cropperhead.system import code_hash

# Imported code that does not influence any label
_WITHOUT_INFLUENCE = frozenset(
    {
        *("__init__.py", "errors.py", "params.py", "dataset/ledger.py"),
        *("library/scan.py", "library/store.py", "system/object_store.py"),
    }
)


def update_shards(
    library: Library,
    manifest: pa.Table,
    out: Path,
    ledger: Ledger,
    params: ExtractParams,
    store: ShardStore | None = None,
) -> pa.Table:
    """Update the shards in `out` and the ledger to the state of a library.

    `manifest` is the result of scanning the library. Each finished shard goes to the `store`, too.
    Returns the ledger's table. Raises SetupError if ExifTool is missing, StoreError if the store
    cannot be used.
    """
    exiftool.require()
    shards.remove_damaged(out)
    stored = set(shards.iter_photos(out))
    earlier = _EarlierRows(manifest["file"], ledger.table)
    todo = _todo(manifest, earlier, stored)
    # earlier photos before newcomers and copies, which may be the same photo at another path
    comes_first = _equal(earlier["same_as"], "").to_numpy()
    places = np.flatnonzero(todo)
    places = places[np.argsort(~comes_first[places], kind="stable")]
    numbers = map(int, _numbers(earlier["number"], ledger.table["number"])[places])
    tasks = zip(scan.entries(manifest, places), numbers, strict=True)
    ledger.table = _before_reading(manifest["file"], earlier, todo)
    del earlier, comes_first, todo
    past = _EarlierRuns(ledger.table)
    shards.drop_photos(out, stored - set(past.photo_of_digest.values()))
    ledger.save()
    publish = store.publish if store else lambda: None
    publish()
    bar: tqdm[Any]
    with tqdm(total=len(places), desc="extract", unit="photo") as bar:
        readings = _reject_duplicates(reading.read_files(library, tasks, params, bar), past)
        for batch in reading.batches(readings, params.batch_files):
            new_rows = [row for each in batch for row in each.rows]
            if new_rows:
                shards.write_shard(new_rows, out, params.tags)
            ledger.append(each.outcome for each in batch)
            publish()
    ledger.merge_journal()
    publish()
    return ledger.table


def extract_into(
    out: Path, library: Library, entries: Iterable[Entry], params: ExtractParams, url: str = ""
) -> ExtractionSummary:
    """Extract a library into a folder of its own, and into a store if there is a URL.

    This is independent of the pipeline: `params.shards` does not count.
    """
    out.mkdir(parents=True, exist_ok=True)
    folder, file = out / "extracted", out / "ledger.parquet"
    store = restore(url, folder, file)
    ledger = Ledger.load(file, fingerprint(params, code_files()))
    table = update_shards(library, scan.manifest(entries), folder, ledger, params, store)
    labels = shards.count_sources(folder)
    write_extract_reports(table, labels, out / "extract.json", out / "rejected.csv")
    outcomes = pc.if_else(pc.equal(table["kind"], ""), table["outcome"], table["kind"])
    left_out = (one.kind for one in left_out_versions(table))
    return ExtractionSummary(count_values(outcomes), Counter(labels), Counter(left_out))


def restore(url: str, out: Path, ledger: Path) -> ShardStore | None:
    """Open the store of the shards in `out`, None without a URL.

    Where there is no ledger, shards and ledger are fetched from there: another machine's, to go on.
    """
    if not url:
        return None
    store = ShardStore(url, out, ledger)
    store.restore()
    return store


def code_files() -> list[Path]:
    """List the files of the code that reads a photo, in a folder or in an object store."""
    modules = rows, staging
    return sorted({file for module in modules for file in code_hash.module_files(module)})


def fingerprint(params: ExtractParams, code: Iterable[Path]) -> str:
    """Return a hash of the extracting code and its params: if it changes, labels could change.

    `code` are the files of that code. Files that cannot change a label do not count, nor do the
    library's path, the engine, its workers, the size of a batch and the shards' store. (The
    manifest contains what catalogs and the collection say.)
    """
    digest = hashlib.sha256()
    for source in sorted(set(code), key=code_hash.package_path):
        name = code_hash.package_path(source)
        if name in _WITHOUT_INFLUENCE or source.name == "__init__.py":
            continue
        digest.update(name.encode() + b"\0" + source.read_bytes() + b"\0")
    settings = replace(params, library=".", catalogs=(), collected="", batch_files=1, workers=1)
    settings = replace(settings, engine="local", address="", shards="", tags={})
    digest.update(repr(settings).encode())
    digest.update(repr(sorted(params.tags.items())).encode())
    return digest.hexdigest()


def require_crops(table: pa.Table, library: Library) -> None:
    """Raise LibraryError if no photo has a usable crop."""
    if not _cropped_rows(table).num_rows:
        raise LibraryError(
            f"extract.library: {library} has {table.num_rows} files. {NO_CROP} "
            "reports/rejected.csv lists what was rejected and why."
        )


class _EarlierRows:
    """The ledger's row of each file, a column at a time; one without is null.

    A table of them would be the ledger twice.
    """

    def __init__(self, files: pa.ChunkedArray, ledger: pa.Table) -> None:
        self.ledger = ledger
        self.is_all = files.equals(ledger["file"])  # in the ledger, in the same order
        everything = pa.array(np.arange(len(files))) if self.is_all else None
        self._places = everything or pc.index_in(files, value_set=ledger["file"].combine_chunks())

    def __getitem__(self, column: str) -> pa.ChunkedArray:
        return self.ledger[column] if self.is_all else self.ledger[column].take(self._places)

    def filter(self, wanted: NDArray[np.bool_]) -> pa.Table:
        """Return the rows of wanted files that have one."""
        if self.is_all and wanted.all():
            return self.ledger
        places = self._places.filter(pa.array(wanted))
        return self.ledger.take(places.drop_null())


def _numbers(earlier: pa.ChunkedArray, stored: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return the number of each file, which is its place in the order of arrival."""
    first = 0 if not len(stored) else pc.max(stored).as_py() + 1
    new = pc.is_null(earlier).to_numpy()
    numbers = pc.fill_null(earlier, 0).to_numpy().copy()
    numbers[new] = first + np.arange(new.sum())
    return np.asarray(numbers)


def _todo(manifest: pa.Table, earlier: _EarlierRows, stored: set[str]) -> NDArray[np.bool_]:
    """Return which files are new, changed or lost, or duplicates of such a file."""
    files, same_as = manifest["file"], earlier["same_as"]
    is_stored = pc.is_in(files, value_set=pa.array(sorted(stored), pa.string()))
    lost = pc.and_not(_equal(earlier["outcome"], CROPPED), is_stored)
    todo = pc.or_(pc.invert(_equal(earlier["trace"], manifest["trace"])), lost)
    is_copy = pc.and_(pc.is_valid(same_as), pc.invert(_equal(same_as, "")))
    firsts = pc.is_in(files, value_set=same_as.filter(is_copy).unique())
    sound = files.filter(pc.and_not(firsts, todo))
    is_alone = pc.invert(pc.is_in(same_as, value_set=sound.combine_chunks()))
    return np.asarray(pc.or_(todo, pc.and_(is_copy, is_alone)).to_numpy())


def _before_reading(
    files: pa.ChunkedArray, earlier: _EarlierRows, todo: NDArray[np.bool_]
) -> pa.Table:
    """Return the ledger as it is before files are read: those to read again are unread.

    Cropped photos that are gone stay until the end of the run, which may find them at another path.
    """
    ledger = earlier.ledger
    cropped = ledger.filter(
        pc.and_(pc.not_equal(ledger["sha256"], ""), pc.equal(ledger["same_as"], ""))
    )
    present = files.filter(pc.is_in(files, value_set=cropped["file"].combine_chunks()))
    is_gone = pc.invert(pc.is_in(cropped["file"], value_set=present.combine_chunks()))
    gone = with_texts(cropped.filter(is_gone), outcome=GONE, trace="")
    read_again = mark_unread(earlier.filter(todo))
    return pa.concat_tables([earlier.filter(~todo), read_again, gone])


def _equal(column: pa.ChunkedArray, other: pa.ChunkedArray | str) -> pa.ChunkedArray:
    """Return where a column has a value; not where it is null."""
    return pc.fill_null(pc.equal(column, other), False)


def _cropped_rows(table: pa.Table) -> pa.Table:
    return table.filter(pc.equal(table["outcome"], CROPPED))


class _EarlierRuns:
    """Facts from earlier runs that this one needs.

    `photo_of_digest` has the cropped photo of each SHA-256, and this run adds to it. `origins` has
    the origins of files that are read again; `places` the numbers and origins of photos that are
    gone or unread, by SHA-256.
    """

    def __init__(self, table: pa.Table) -> None:
        cropped = _cropped_rows(table)
        is_open = pc.is_in(table["outcome"], value_set=pa.array([UNREAD, GONE]))
        firsts = table.filter(pc.and_(is_open, pc.equal(table["same_as"], "")))
        read_again = firsts.filter(pc.equal(firsts["outcome"], UNREAD))
        gone = firsts.filter(pc.not_equal(firsts["sha256"], ""))
        origins = pc.if_else(pc.equal(gone["origin"], ""), gone["file"], gone["origin"])
        places = zip(gone["number"].to_pylist(), origins.to_pylist(), strict=True)
        self.photo_of_digest = _mapping(cropped, "sha256", "file")
        self.origins = _mapping(read_again, "file", "origin")
        self.places = dict(zip(gone["sha256"].to_pylist(), places, strict=True))


def _mapping(table: pa.Table, key: str, value: str) -> dict[str, str]:
    return dict(zip(table[key].to_pylist(), table[value].to_pylist(), strict=True))


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
