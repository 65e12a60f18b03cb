"""What became of every file of a library: kept between runs, and reported.

The ledger is a table beside the shards. While a run goes on, what it has read stands in a journal
that grows by a batch at a time, so that neither time nor memory grows with the library, and an
interruption loses one batch at most.
"""

import csv
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cropperhead.editors.base import LeftOut
from cropperhead.system import atomic

CROPPED, UNCROPPED, REJECTED = "cropped", "uncropped", "rejected"
SUGGESTED = "suggested"  # cropped by nobody but a model, as it suggested
UNREAD = "unread"  # changed, and not read again yet
GONE = "gone"  # from its place, and until a run is done perhaps to be found at another

_KEPT = ["file", "number", "origin", "sha256", "same_as"]  # of a file that is to be read again
_TEXTS = ("file", "trace", "outcome", "kind", "reason", "sha256", "same_as", "left_out", "origin")
_LINES_AT_ONCE = 5000
_SCHEMA = pa.schema([("number", pa.int64()), *((name, pa.string()) for name in _TEXTS)])


@dataclass(frozen=True)
class Outcome:
    """What became of one file: a line of the ledger."""

    file: str
    number: int
    trace: str
    outcome: str
    kind: str = ""  # of a rejection: short and countable
    reason: str = ""  # of a rejection: the full sentence
    sha256: str = ""  # of a cropped or a duplicate photo
    same_as: str = ""  # of a duplicate: the copy that was kept
    left_out: tuple[LeftOut, ...] = ()
    origin: str = ""  # the name under which it came in, where it has moved since

    def row(self) -> dict[str, Any]:
        """The columns of the ledger's table."""
        return asdict(self) | {"left_out": json.dumps(self.left_out) if self.left_out else ""}


class Ledger:
    """The outcomes of all files, kept beside the shards between runs.

    `table` has the columns of Outcome and a row for each file, as of the last `load` or `settle`.
    """

    def __init__(self, file: Path, fingerprint: str) -> None:
        self._file, self._fingerprint = file, fingerprint
        self._journal = file.with_suffix(".journal")
        self.table = _frame([])

    @classmethod
    def load(cls, file: Path, fingerprint: str) -> "Ledger":
        """The ledger of an earlier run, finished or not; empty if there is none.

        Where it was made by other code or params, all its files count as unread; but they keep
        their numbers and origins, by which photos are dealt to splits.
        """
        ledger = cls(file, fingerprint)
        table = _stored(file)
        if table is not None:
            same = (table.schema.metadata or {}).get(b"fingerprint") == fingerprint.encode()
            # an earlier release's may lack a column
            known = table.to_pandas().reindex(columns=_SCHEMA.names, fill_value="")
            ledger.table = known if same else unread(known)
        ledger._replay()
        return ledger

    def record(self, outcomes: Iterable[Outcome]) -> None:
        """Writes down what was read, for good: it holds after a loss of power."""
        with self._journal.open("a", encoding="utf-8") as stream:
            if not stream.tell():
                stream.write(json.dumps(self._fingerprint) + "\n")
            stream.writelines(json.dumps(outcome.row()) + "\n" for outcome in outcomes)
            stream.flush()
            os.fsync(stream.fileno())

    def settle(self) -> None:
        """Enters the journal in the table, each line in place of an earlier one of its file.

        What is gone, and was found nowhere else, is forgotten.
        """
        self._replay()
        self.table = self.table[self.table["outcome"] != GONE]
        self.save()

    def save(self) -> None:
        """Writes the table, sorted by file; the journal, which it now holds, is dropped."""
        self.table = self.table.sort_values("file", ignore_index=True)
        schema = _SCHEMA.with_metadata({"fingerprint": self._fingerprint})
        table = pa.Table.from_pandas(self.table, schema, preserve_index=False)
        atomic.replace(self._file, partial(pq.write_table, table))
        self._journal.unlink(missing_ok=True)

    def _replay(self) -> None:
        if not self._journal.exists():
            return
        with self._journal.open(encoding="utf-8", errors="replace") as stream:
            fingerprint = _line(stream.readline())
            parts = list(_frames(stream))
        read = pd.concat(parts, ignore_index=True) if parts else _frame([])
        if fingerprint != self._fingerprint:
            read = unread(read)
        both = pd.concat([self.table, read], ignore_index=True)
        self.table = both.drop_duplicates("file", keep="last", ignore_index=True)


def unread(table: pd.DataFrame) -> pd.DataFrame:
    """The same files, to be read again: of what is known, how they came in alone holds."""
    blank = {name: "" for name in _TEXTS if name not in _KEPT} | {"outcome": UNREAD}
    files: pd.DataFrame = table[_KEPT].assign(**blank)
    return files.reindex(columns=_SCHEMA.names)


def all_left_out(table: pd.DataFrame) -> list[LeftOut]:
    """The versions that could not be used of photos that have others."""
    return [LeftOut(*one) for text in table["left_out"] if text for one in json.loads(text)]


def write_report(
    table: pd.DataFrame, labels: Mapping[str, int], counts_file: Path, rejected_file: Path
) -> None:
    """Writes the counts (JSON) and what was left out with its reasons (CSV: file,reason).

    `table` is a ledger's, `labels` the number of labels by source.
    """
    rejected = table[table["outcome"] == REJECTED]
    left_out = all_left_out(table)
    totals = table["outcome"].value_counts()
    counts = {
        "seen": len(table),
        "cropped": int(totals.get(CROPPED, 0)),
        "uncropped": int(totals.get(UNCROPPED, 0)),
        "suggested": int(totals.get(SUGGESTED, 0)),
        "rejected": dict(sorted(Counter(rejected["kind"]).items())),
        "rejected_total": len(rejected),
        "labels": dict(labels),
        "versions_left_out": dict(sorted(Counter(one.kind for one in left_out).items())),
    }
    text = json.dumps(counts, indent=2) + "\n"
    atomic.replace(counts_file, lambda file: file.write_text(text, encoding="utf-8"))
    named = [LeftOut(*row) for row in rejected[["file", "kind", "reason"]].itertuples(index=False)]
    atomic.replace(rejected_file, partial(_write_reasons, sorted([*named, *left_out])))


def _write_reasons(lines: Iterable[LeftOut], file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["file", "reason"])
        writer.writerows([one.file, f"{one.kind}: {one.reason}"] for one in lines)


def _frames(lines: Iterable[str]) -> Iterator[pd.DataFrame]:
    """The journal's lines as tables, so that few of them are in memory as anything larger."""
    rows = (row for row in map(_line, lines) if isinstance(row, dict))
    while some := list(islice(rows, _LINES_AT_ONCE)):
        yield _frame(some)


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table: pd.DataFrame = pa.Table.from_pylist(rows, schema=_SCHEMA).to_pandas()
    return table


def _stored(file: Path) -> pa.Table | None:
    """The table of a file; None where there is none, or one that was damaged."""
    try:
        return pq.read_table(file) if file.exists() else None
    except (pa.ArrowInvalid, OSError):
        return None


def _line(text: str) -> Any:
    """One line of the journal; None for the last one where it was cut off."""
    try:
        return json.loads(text)
    except ValueError:
        return None
