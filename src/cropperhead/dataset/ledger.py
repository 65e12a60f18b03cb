"""The outcome of every file of a library, stored between runs and reported.

The ledger is a table next to the shards. During a run, outcomes are appended to a journal, one
batch at a time, so that neither time nor memory grows with the library, and an interruption loses
one batch at most.
"""

import csv
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cropperhead.dataset.outcome import (
    AUTOMATIC,
    CROPPED,
    GONE,
    REJECTED,
    SUGGESTED,
    UNCROPPED,
    UNREAD,
    FileOutcome,
)
from cropperhead.editors.base import LeftOut
from cropperhead.system import atomic

# What remains valid when a file must be read again
_LASTING = ["file", "number", "origin", "sha256", "same_as"]
_TEXTS = ("file", "trace", "outcome", "kind", "reason", "sha256", "same_as", "left_out", "origin")
_LINES_AT_ONCE = 5000
_SCHEMA = pa.schema([("number", pa.int64()), *((name, pa.string()) for name in _TEXTS)])


class Ledger:
    """The outcomes of all files, stored next to the shards between runs.

    `table` has the columns of FileOutcome and a row for each file, as of the last `load` or
    `merge_journal`.
    """

    def __init__(self, file: Path, fingerprint: str) -> None:
        self._file, self._fingerprint = file, fingerprint
        self._journal = file.with_suffix(".journal")
        self.table = _to_frame([])

    @classmethod
    def load(cls, file: Path, fingerprint: str) -> "Ledger":
        """Load the ledger of an earlier run, finished or not; it is empty if there is none.

        If other code or params made it, all its files count as unread, but keep their numbers and
        origins, on which the photos' splits depend.
        """
        ledger = cls(file, fingerprint)
        stored = _read_table(file)
        if stored is not None:
            is_same = (stored.schema.metadata or {}).get(b"fingerprint") == fingerprint.encode()
            # an earlier release's table may lack a column
            table = stored.to_pandas().reindex(columns=_SCHEMA.names, fill_value="")
            ledger.table = table if is_same else mark_unread(table)
        ledger._apply_journal()
        return ledger

    def append(self, outcomes: Iterable[FileOutcome]) -> None:
        """Append outcomes to the journal; they survive a loss of power."""
        with self._journal.open("a", encoding="utf-8") as stream:
            if not stream.tell():
                stream.write(json.dumps(self._fingerprint) + "\n")
            stream.writelines(json.dumps(outcome.to_row()) + "\n" for outcome in outcomes)
            stream.flush()
            os.fsync(stream.fileno())

    def merge_journal(self) -> None:
        """Merge the journal into the table; a file's last line replaces earlier ones.

        Files that are gone, and were not found at another path, are removed.
        """
        self._apply_journal()
        self.table = self.table[self.table["outcome"] != GONE]
        self.save()

    def save(self) -> None:
        """Write the table, sorted by file, and remove the journal, which it contains."""
        self.table = self.table.sort_values("file", ignore_index=True)
        schema = _SCHEMA.with_metadata({"fingerprint": self._fingerprint})
        table = pa.Table.from_pandas(self.table, schema, preserve_index=False)
        atomic.replace(self._file, partial(pq.write_table, table))
        self._journal.unlink(missing_ok=True)

    def _apply_journal(self) -> None:
        if not self._journal.exists():
            return
        with self._journal.open(encoding="utf-8", errors="replace") as stream:
            fingerprint = _parse_line(stream.readline())
            parts = list(_read_frames(stream))
        journal = pd.concat(parts, ignore_index=True) if parts else _to_frame([])
        if fingerprint != self._fingerprint:
            journal = mark_unread(journal)
        both = pd.concat([self.table, journal], ignore_index=True)
        self.table = both.drop_duplicates("file", keep="last", ignore_index=True)


def mark_unread(table: pd.DataFrame) -> pd.DataFrame:
    """Return the same files, to be read again, with only the columns that remain valid."""
    blank = {name: "" for name in _TEXTS if name not in _LASTING} | {"outcome": UNREAD}
    files: pd.DataFrame = table[_LASTING].assign(**blank)
    return files.reindex(columns=_SCHEMA.names)


def left_out_versions(table: pd.DataFrame) -> list[LeftOut]:
    """Return the versions that are not used, of all photos but the rejected ones.

    What several photos share, such as a damaged journal, comes once.
    """
    texts = filter(None, table["left_out"])
    return list(dict.fromkeys(LeftOut(*one) for text in texts for one in json.loads(text)))


def write_extract_reports(
    table: pd.DataFrame,
    labels: Mapping[str, int],
    counts_file: Path,
    rejected_file: Path,
    collected: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write the counts (JSON), and the rejected files and versions (CSV: file,reason).

    `table` is a ledger's, `labels` the number of labels by source, `collected` what
    `collected.summarise` counts.
    """
    rejected = table[table["outcome"] == REJECTED]
    left_out = left_out_versions(table)
    totals = table["outcome"].value_counts()
    counts = {
        "seen": len(table),
        "cropped": int(totals.get(CROPPED, 0)),
        "uncropped": int(totals.get(UNCROPPED, 0)),
        "suggested": int(totals.get(SUGGESTED, 0)),
        "automatic": int(totals.get(AUTOMATIC, 0)),
        "rejected": dict(sorted(Counter(rejected["kind"]).items())),
        "rejected_total": len(rejected),
        "labels": dict(labels),
        "versions_left_out": dict(sorted(Counter(one.kind for one in left_out).items())),
    }
    counts |= {"collected": dict(collected)} if collected else {}
    text = json.dumps(counts, indent=2) + "\n"
    atomic.replace(counts_file, lambda file: file.write_text(text, encoding="utf-8"))
    files = [LeftOut(*row) for row in rejected[["file", "kind", "reason"]].itertuples(index=False)]
    atomic.replace(rejected_file, partial(_write_reasons, sorted([*files, *left_out])))


def _write_reasons(lines: Iterable[LeftOut], file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["file", "reason"])
        writer.writerows([one.file, f"{one.kind}: {one.reason}"] for one in lines)


def _read_frames(lines: Iterable[str]) -> Iterator[pd.DataFrame]:
    """Convert the journal to tables, a part at a time: parsed lines take far more memory."""
    rows = (row for row in map(_parse_line, lines) if isinstance(row, dict))
    while part := list(islice(rows, _LINES_AT_ONCE)):
        yield _to_frame(part)


def _to_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table: pd.DataFrame = pa.Table.from_pylist(rows, schema=_SCHEMA).to_pandas()
    return table


def _read_table(file: Path) -> pa.Table | None:
    """Read a table; None if the file does not exist or is damaged."""
    try:
        return pq.read_table(file) if file.exists() else None
    except (pa.ArrowInvalid, OSError):
        return None


def _parse_line(text: str) -> Any:
    """Parse one line of the journal; None if it was cut off."""
    try:
        return json.loads(text)
    except ValueError:
        return None
