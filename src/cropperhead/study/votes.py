"""Votes as a table, one row each, which is all that the estimates read.

Columns: `rater`, `session`, `place` (of the ballot in the session), `mode` (like: which do you like
best; tell: which one did a person make), `kind` (plain, catch, repeat), `photo`, `group` (copies
and bursts are one), `left`, `right` (croppers), `answer` (left, right, neither), `ms` (from the
crops' appearance to the vote), `left_overlap`, `right_overlap` (with the human crop), `repeats`
(the place of the ballot that is asked again, or -1) and `model` (the hash of the network whose
crops were shown).
"""

from pathlib import Path

import pandas as pd

LIKE, TELL = "like", "tell"
PLAIN, CATCH, REPEAT = "plain", "catch", "repeat"
LEFT, RIGHT, NEITHER = "left", "right", "neither"
SPOILED = "spoiled"  # the crop that cuts the subject, in catch trials only
COLUMNS = {
    "rater": str,
    "session": int,
    "place": int,
    "mode": str,
    "kind": str,
    "photo": str,
    "group": str,
    "left": str,
    "right": str,
    "answer": str,
    "ms": int,
    "left_overlap": float,
    "right_overlap": float,
    "repeats": int,
    "model": str,
}


def make_table(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Make the table, in an order that does not depend on that of the rows."""
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    return table.sort_values(["rater", "session", "place"], ignore_index=True)


def write_votes(votes: pd.DataFrame, file: Path) -> None:
    """Write the table as CSV; the same votes give the same bytes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    votes.to_csv(file, index=False, lineterminator="\n")


def read_votes(file: Path) -> pd.DataFrame:
    """Read a table that `write_votes` wrote. A photo may be called NA, or 007."""
    return pd.read_csv(file, dtype=COLUMNS, keep_default_na=False)
