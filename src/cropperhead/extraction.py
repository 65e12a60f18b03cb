"""From a photo library to labelled shards: reads only what is new, and loses nothing on the way.

Every file ends as cropped, uncropped or rejected, and the ledger says which. A run that is
interrupted goes on where it stopped: at most one batch is read again.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cropperhead import exif, readings, shards
from cropperhead.errors import LibraryError
from cropperhead.ledger import CROPPED, REJECTED, Ledger, Outcome, unread
from cropperhead.library import Entry
from cropperhead.params import ExtractParams
from cropperhead.readings import Reading

# Code that readings need and that decides nothing about a label
_WITHOUT_INFLUENCE = frozenset({"__init__.py", "errors.py", "ledger.py", "library.py", "params.py"})


def extract(
    folder: Path, entries: Sequence[Entry], out: Path, ledger: Ledger, params: ExtractParams
) -> list[Outcome]:
    """Brings the shards in `out` and the ledger up to date with a library; the outcomes, sorted.

    `entries` are the library's, from a scan.
    """
    out.mkdir(parents=True, exist_ok=True)
    numbers = _numbers(entries, ledger)
    stored = set(shards.read_labels(out)["photo"])
    _distrust_lost_shards(stored, ledger)
    todo = _todo(entries, ledger)
    _forget(ledger, {entry.file for entry in entries}, {entry.file for entry in todo})
    shards.drop(out, stored - {done.file for done in _cropped(ledger)})
    ledger.save()
    with exif.tag_reader() as reader, tqdm(total=len(todo), desc="extract", unit="photo") as bar:
        for start in range(0, len(todo), params.batch_files):
            batch = todo[start : start + params.batch_files]
            read = readings.read(folder, batch, numbers, reader, params)
            found = _counted(_settle_duplicates(read, ledger), bar)
            rows = [row for reading in found for row in reading.rows]
            if rows:
                shards.write(rows, out)
            ledger.add(reading.outcome for reading in found)
            ledger.save()
    return [ledger.outcomes[name] for name in sorted(ledger.outcomes)]


def fingerprint(params: ExtractParams, sources: Iterable[Path]) -> str:
    """Changes when what is extracted could: with the code that extracts and its params.

    `sources` are that code's files; those that can change no label do not count, nor does where
    the library lies or how many files are read at a time.
    """
    digest = hashlib.sha256()
    for source in sorted(set(sources), key=lambda file: file.name):
        if source.name in _WITHOUT_INFLUENCE:
            continue
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    settings = replace(params, library=".", batch_files=1)
    digest.update(repr(settings).encode())
    return digest.hexdigest()


def require_crops(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Raises LibraryError where no photo has a usable crop."""
    if not any(outcome.outcome == CROPPED for outcome in outcomes):
        raise LibraryError(
            f"extract.library: {folder} holds {len(outcomes)} files, but no photo with a usable "
            "crop. In Lightroom, select your cropped photos and save their metadata to file "
            "(Ctrl+S or Cmd+S), then run again; reports/rejected.csv names what was left out."
        )


def _numbers(entries: Iterable[Entry], ledger: Ledger) -> dict[str, int]:
    """A number for each file, those already known first: the order in which photos came in."""
    known = {name: outcome.number for name, outcome in ledger.outcomes.items()}
    new = (entry.file for entry in entries if entry.file not in known)
    return known | {
        name: i for i, name in enumerate(new, start=max(known.values(), default=-1) + 1)
    }


def _cropped(ledger: Ledger) -> list[Outcome]:
    return [outcome for outcome in ledger.outcomes.values() if outcome.outcome == CROPPED]


def _distrust_lost_shards(stored: set[str], ledger: Ledger) -> None:
    """Photos whose rows are gone from the shards are to be read again."""
    ledger.add(unread(outcome) for outcome in _cropped(ledger) if outcome.file not in stored)


def _todo(entries: Iterable[Entry], ledger: Ledger) -> list[Entry]:
    """The new and the changed files, and duplicates whose kept copy is changed or gone."""
    traces = {entry.file: entry.trace for entry in entries}
    settled = {
        name for name, outcome in ledger.outcomes.items() if traces.get(name) == outcome.trace
    }
    return [
        entry
        for entry in entries
        if entry.file not in settled
        or (
            ledger.outcomes[entry.file].same_as
            and ledger.outcomes[entry.file].same_as not in settled
        )
    ]


def _forget(ledger: Ledger, present: set[str], todo: set[str]) -> None:
    """Drops what is known of files that are gone, and of those to be read again all but a number.

    The number they keep even if this run is interrupted.
    """
    ledger.outcomes = {
        name: unread(outcome) if name in todo else outcome
        for name, outcome in ledger.outcomes.items()
        if name in present
    }


def _counted(found: Iterable[Reading], bar: "tqdm[Any]") -> list[Reading]:
    counted = []
    for reading in found:
        counted.append(reading)
        bar.update()
    return counted


def _settle_duplicates(read: Iterable[Reading], ledger: Ledger) -> Iterator[Reading]:
    """Keeps the first of byte-identical cropped photos and rejects the others by name."""
    kept = {outcome.sha256: outcome.file for outcome in _cropped(ledger)}
    for reading in read:
        outcome = reading.outcome
        first = kept.setdefault(outcome.sha256, outcome.file) if outcome.sha256 else outcome.file
        if first == outcome.file:
            yield reading
            continue
        reason = f"byte-identical to {first}, which is kept"
        yield Reading(
            replace(outcome, outcome=REJECTED, kind="duplicate", reason=reason, same_as=first)
        )
