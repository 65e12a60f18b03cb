"""What became of every file of a library: kept between runs, and reported."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

CROPPED, UNCROPPED, REJECTED = "cropped", "uncropped", "rejected"
UNREAD = "unread"  # changed, and not read again yet

_LEDGER_SCHEMA = pa.schema(
    [
        ("file", pa.string()),
        ("number", pa.int64()),
        ("trace", pa.string()),
        ("outcome", pa.string()),
        ("kind", pa.string()),
        ("reason", pa.string()),
        ("sha256", pa.string()),
        ("same_as", pa.string()),
    ]
)


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


def unread(outcome: Outcome) -> Outcome:
    """A file that is to be read again: of what is known, its number alone holds."""
    return Outcome(outcome.file, outcome.number, "", UNREAD)


@dataclass
class Ledger:
    """The outcomes of all files, kept beside the shards between runs."""

    file: Path
    fingerprint: str
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path, fingerprint: str) -> "Ledger":
        """The ledger of an earlier run; empty if there is none.

        Where it was made by other code or params, all its files count as unread; but they keep
        their numbers, by which photos are dealt to splits.
        """
        ledger = cls(file, fingerprint)
        if file.exists():
            table = pq.read_table(file)
            outcomes = [Outcome(**row) for row in table.to_pylist()]
            same = (table.schema.metadata or {}).get(b"fingerprint") == fingerprint.encode()
            ledger.add(outcomes if same else map(unread, outcomes))
        return ledger

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Enters outcomes, each in place of an earlier one of the same file."""
        self.outcomes.update((outcome.file, outcome) for outcome in outcomes)

    def save(self) -> None:
        """Writes the ledger, sorted by file."""
        rows = [vars(self.outcomes[name]) for name in sorted(self.outcomes)]
        schema = _LEDGER_SCHEMA.with_metadata({"fingerprint": self.fingerprint})
        unfinished = self.file.with_suffix(".unfinished")
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), unfinished)
        unfinished.replace(self.file)


def write_report(outcomes: Sequence[Outcome], counts_file: Path, rejected_file: Path) -> None:
    """Writes the counts (JSON) and the rejected files with their reasons (CSV: file,reason)."""
    rejected = [outcome for outcome in outcomes if outcome.outcome == REJECTED]
    totals = Counter(outcome.outcome for outcome in outcomes)
    counts = {
        "seen": len(outcomes),
        "cropped": totals[CROPPED],
        "uncropped": totals[UNCROPPED],
        "rejected": dict(sorted(Counter(outcome.kind for outcome in rejected).items())),
        "rejected_total": len(rejected),
    }
    counts_file.parent.mkdir(parents=True, exist_ok=True)
    counts_file.write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
    with rejected_file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["file", "reason"])
        writer.writerows(
            [outcome.file, f"{outcome.kind}: {outcome.reason}"] for outcome in rejected
        )
