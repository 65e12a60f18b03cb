"""Votes as a table, a row for each comparison of two crops, which is all that the estimates read.

A vote that ranks three crops is three comparisons. Columns: `rater`, `session`, `place` (of the
ballot in the session), `mode` (like: which do you like best; tell: which one did a person make),
`kind` (plain, catch, repeat), `photo`, `group` (copies and bursts are one), `left`, `right`
(croppers), `answer` (left, right, neither), `ms` (from the crops' appearance to the vote),
`left_overlap`, `right_overlap` (with the human crop), `repeats` (the place of the ballot that is
asked again, or -1) and `model` (the hash of the network whose crops were shown).
"""

from collections.abc import Sequence
from itertools import combinations, permutations
from pathlib import Path

import pandas as pd

LIKE, TELL = "like", "tell"
PLAIN, CATCH, REPEAT = "plain", "catch", "repeat"
LEFT, RIGHT, NEITHER = "left", "right", "neither"
SPOILED = "spoiled"  # the crop that cuts the subject, in catch trials only
BALLOT = ["rater", "session", "place"]  # columns that tell one vote from another
# What a vote on three crops says: the best crop's number, of which 1 is on the left, and the other
# crops' from better to worse, or nothing more where they are equally good
RANKINGS = frozenset({*"123", *map("".join, permutations("123"))})
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


def is_answer(crops: int, answer: object) -> bool:
    """Whether it is an answer to a ballot of so many crops, two or three."""
    known = {LEFT, RIGHT} if crops == 2 else RANKINGS
    return isinstance(answer, str) and (answer == NEITHER or answer in known)


def compare(shown: Sequence[str], answer: str) -> list[tuple[str, str, str]]:
    """Break a vote on crops, by their croppers from left to right, into comparisons of two.

    Each is the left cropper, the right one, and left, right or neither.
    """
    if len(shown) == 2:
        return [(shown[0], shown[1], answer)]
    best_first = "" if answer == NEITHER else answer
    rank = [best_first.find(str(i + 1)) % len(shown) for i in range(len(shown))]
    return [
        (shown[i], shown[j], _better(rank[i], rank[j]))
        for i, j in combinations(range(len(shown)), 2)
    ]


def make_table(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Make the table, in an order that does not depend on that of the rows."""
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    return table.sort_values([*BALLOT, "left", "right"], ignore_index=True)


def write_votes(votes: pd.DataFrame, file: Path) -> None:
    """Write the table as CSV; the same votes give the same bytes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    votes.to_csv(file, index=False, lineterminator="\n")


def read_votes(file: Path) -> pd.DataFrame:
    """Read a table that `write_votes` wrote. A photo may be called NA, or 007."""
    return pd.read_csv(file, dtype=COLUMNS, keep_default_na=False)


def _better(left: int, right: int) -> str:
    if left == right:
        return NEITHER
    return LEFT if left < right else RIGHT
