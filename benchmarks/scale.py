"""Processor time and memory of all that grows with a library, without its pictures.

python benchmarks/scale.py [--photos N [N ...]]

The library's listing and what is read of each photo are simulated: every photo is uncropped, and
its name, size and time are made from its number. The manifest, the ledger and its journal, and the
listing of shards are real, in a temporary folder; so is the assignment to splits, of as many
labels. Each step runs in a process of its own, whose peak memory is shown.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import splits

from cropperhead import params
from cropperhead.dataset import extract, shards, split
from cropperhead.dataset.ledger import Ledger
from cropperhead.dataset.outcome import UNCROPPED, FileOutcome
from cropperhead.dataset.rows import Reading
from cropperhead.library import scan
from cropperhead.library.scan import PHOTO, Entry

PHOTOS_IN_FOLDER, PHOTOS_IN_SHARD = 500, 500
SPLIT_CASE = "a fifth near-duplicates, hashes as skewed as real ones"
EMPTY_SHARD_ROW = {"photo": "a.jpg", "source": "lightroom embedded"}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    counts = (1_000_000, 3_000_000, 10_000_000)
    parser.add_argument("--photos", type=int, nargs="+", default=counts, metavar="N")
    parser.add_argument("--steps", nargs="+", default=list(STEPS), choices=STEPS)
    parser.add_argument("--folder", type=Path, help="where to write")
    options = parser.parse_args()
    print("| step | photos | processor seconds | µs a photo | peak memory |\n|---|---|---|---|---|")
    for count in options.photos:
        with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
            for name in options.steps:
                seconds, peak_mb = _in_its_own_process(name, count, Path(scratch))
                each = seconds / count * 1e6
                print(f"| {name} | {count:,} | {seconds:.1f} | {each:.1f} | {peak_mb:,.0f} MB |")
                sys.stdout.flush()


def _in_its_own_process(name: str, count: int, folder: Path) -> tuple[float, float]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measure, name, count, folder).result()


def _measure(name: str, count: int, folder: Path) -> tuple[float, float]:
    seconds = STEPS[name](count, folder)
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _write_manifest(count: int, folder: Path) -> float:
    start = time.process_time()
    scan.write_manifest(scan.Entries(_entries(count)), folder / "manifest.parquet")
    return time.process_time() - start


def _entries(count: int) -> Iterator[Entry]:
    for i in range(count):
        name = f"{i // PHOTOS_IN_FOLDER:06d}/IMG_{i:08d}.jpg"
        yield Entry(name, PHOTO, (), f"{3_000_000 + i % 999}:{1_700_000_000_000_000_000 + i}")


def _update(count: int, folder: Path) -> float:
    """Extract, with readings that cost nothing; again, if it was done before."""
    extract.reading.read_files = _simulated
    manifest = scan.read_manifest(folder / "manifest.parquet")
    assert manifest.num_rows == count
    start = time.process_time()
    ledger = Ledger.load(folder / "ledger.parquet", "benchmark")
    chosen = params.nearest_extract()
    extract.update_shards(folder, manifest, folder / "shards", ledger, chosen)
    return time.process_time() - start


def _simulated(_: Path, tasks: Any, __: Any, bar: Any) -> Iterator[Reading]:
    for entry, number in tasks:
        yield Reading(FileOutcome(entry.file, number, entry.trace, UNCROPPED))
    bar.update(0)


def _list_shards(count: int, folder: Path) -> float:
    listed = folder / "listed"
    listed.mkdir(exist_ok=True)
    shards.write_shard([EMPTY_SHARD_ROW], listed)
    content = (listed / "shard-00000.parquet").read_bytes()
    for i in range(1, count // PHOTOS_IN_SHARD):
        (listed / f"shard-{i:05d}.parquet").write_bytes(content)
    start = time.process_time()
    shards.remove_damaged(listed)
    assert len(set(shards.iter_photos(listed))) == 1
    return time.process_time() - start


def _split(count: int, _: Path) -> float:
    labels = splits.make_labels(splits.CASES[SPLIT_CASE], count)
    start = time.process_time()
    split.assign_splits(labels, splits.PARAMS)
    return time.process_time() - start


STEPS: dict[str, Callable[[int, Path], float]] = {
    "manifest": _write_manifest,
    "ledger, first run": _update,
    "ledger, nothing changed": _update,
    "listing of shards": _list_shards,
    "near-duplicates and splits": _split,
}


if __name__ == "__main__":
    main()
