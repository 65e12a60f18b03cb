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

import pyarrow as pa
import pyarrow.compute as pc
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
_ROWS_WRITTEN_AT_ONCE = 1 << 16  # a row group: only so many rows are in memory once more
_SCHEMA = pa.schema([("number", pa.int64()), *((name, pa.string()) for name in _TEXTS)])


class Ledger:
    """The outcomes of all files, stored next to the shards between runs.

    `table` has the columns of FileOutcome and a row for each file, as of the last `load` or
    `merge_journal`.
    """

    def __init__(self, file: Path, fingerprint: str) -> None:
        self._file, self._fingerprint = file, fingerprint
        self._journal = file.with_suffix(".journal")
        self.table = _to_table([])

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
            table = _completed(stored)
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
        is_there = pc.not_equal(self.table["outcome"], GONE)
        if not pc.all(is_there, min_count=0).as_py():  # or the table would be there twice
            self.table = self.table.filter(is_there)
        self.save()

    def save(self) -> None:
        """Write the table, sorted by file, and remove the journal, which it contains."""
        if not _is_ascending(self.table["file"]):
            self.table = self.table.sort_by("file")
        table = self.table.replace_schema_metadata({"fingerprint": self._fingerprint})
        atomic.replace(self._file, partial(_write, table))
        self._journal.unlink(missing_ok=True)

    def _apply_journal(self) -> None:
        if not self._journal.exists():
            return
        with self._journal.open(encoding="utf-8", errors="replace") as stream:
            fingerprint = _parse_line(stream.readline())
            parts = list(_read_tables(stream))
        journal = pa.concat_tables([_to_table([]), *parts])
        if fingerprint != self._fingerprint:
            journal = mark_unread(journal)
        self.table = _last_of_each_file(pa.concat_tables([self.table, journal]))


def mark_unread(table: pa.Table) -> pa.Table:
    """Return the same files, to be read again, with only the columns that remain valid."""
    return with_texts(_completed(table.select(_LASTING)), outcome=UNREAD)


def with_texts(table: pa.Table, **texts: str) -> pa.Table:
    """Return a table with these columns' texts in every row."""
    for name, text in texts.items():
        column = pa.repeat(pa.scalar(text, pa.string()), table.num_rows)
        table = table.set_column(_SCHEMA.get_field_index(name), _SCHEMA.field(name), column)
    return table


def left_out_versions(table: pa.Table) -> list[LeftOut]:
    """Return the versions that are not used, of all photos but the rejected ones.

    What several photos share, such as a damaged journal, comes once.
    """
    texts = table["left_out"].unique().to_pylist()
    several = (json.loads(text) for text in texts if text)
    return list(dict.fromkeys(LeftOut(*one) for each in several for one in each))


def write_extract_reports(
    table: pa.Table,
    labels: Mapping[str, int],
    counts_file: Path,
    rejected_file: Path,
    collected: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write the counts (JSON), and the rejected files and versions (CSV: file,reason).

    `table` is a ledger's, `labels` the number of labels by source, `collected` what
    `collected.summarise` counts.
    """
    rejected = table.filter(pc.equal(table["outcome"], REJECTED))
    left_out = left_out_versions(table)
    totals = count_values(table["outcome"])
    counts = {
        "seen": table.num_rows,
        "cropped": totals[CROPPED],
        "uncropped": totals[UNCROPPED],
        "suggested": totals[SUGGESTED],
        "automatic": totals[AUTOMATIC],
        "rejected": dict(sorted(count_values(rejected["kind"]).items())),
        "rejected_total": rejected.num_rows,
        "labels": dict(labels),
        "versions_left_out": dict(sorted(Counter(one.kind for one in left_out).items())),
    }
    counts |= {"collected": dict(collected)} if collected else {}
    text = json.dumps(counts, indent=2) + "\n"
    atomic.replace(counts_file, lambda file: file.write_text(text, encoding="utf-8"))
    columns = rejected.select(["file", "kind", "reason"]).to_pydict().values()
    files = [LeftOut(*row) for row in zip(*columns, strict=True)]
    atomic.replace(rejected_file, partial(_write_reasons, sorted([*files, *left_out])))


def count_values(column: pa.ChunkedArray) -> Counter[str]:
    """Count the texts of a column."""
    pairs = column.value_counts().to_pylist()
    return Counter({each["values"]: each["counts"] for each in pairs})


def _write_reasons(lines: Iterable[LeftOut], file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["file", "reason"])
        writer.writerows([one.file, f"{one.kind}: {one.reason}"] for one in lines)


def _read_tables(lines: Iterable[str]) -> Iterator[pa.Table]:
    """Convert the journal to tables, a part at a time: parsed lines take far more memory."""
    rows = (row for row in map(_parse_line, lines) if isinstance(row, dict))
    while part := list(islice(rows, _LINES_AT_ONCE)):
        yield _to_table(part)


def _to_table(rows: list[dict[str, Any]]) -> pa.Table:
    return _completed(pa.Table.from_pylist(rows, schema=_SCHEMA))


def _completed(table: pa.Table) -> pa.Table:
    """Return all columns: an earlier release's table may lack some, its journal a value."""
    empty = pa.repeat(pa.scalar("", pa.string()), table.num_rows)
    columns = {name: table[name] if name in table.column_names else empty for name in _SCHEMA.names}
    lacking = [name for name in _TEXTS if columns[name].null_count]
    texts = {name: pc.fill_null(columns[name], "") for name in lacking}
    return pa.table(columns | texts, schema=_SCHEMA)


def _last_of_each_file(table: pa.Table) -> pa.Table:
    if _is_ascending(table["file"]):  # as a first run leaves it
        return table
    order = pc.sort_indices(
        table.select(["file"]), sort_keys=[("file", "ascending")]
    )  # equal ones stay in order
    sorted_files = table["file"].take(order)
    is_last = pc.not_equal(sorted_files.slice(0, table.num_rows - 1), sorted_files.slice(1))
    last = pa.chunked_array([*is_last.chunks, pa.array([True])])
    return table.take(order.filter(last))


def _write(table: pa.Table, file: Path) -> None:
    """Write a table; the same rows give the same bytes, however they came together."""
    with pq.ParquetWriter(file, table.schema) as writer:
        for start in range(0, max(1, table.num_rows), _ROWS_WRITTEN_AT_ONCE):
            writer.write_table(table.slice(start, _ROWS_WRITTEN_AT_ONCE).combine_chunks())


def _is_ascending(files: pa.ChunkedArray) -> bool:
    """Whether each file comes after the one before, and so none is there twice."""
    before, after = files.slice(0, max(0, len(files) - 1)), files.slice(1)
    return bool(pc.all(pc.less(before, after), min_count=0).as_py())


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
