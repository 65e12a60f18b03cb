"""Collects the votes of a study: those that came back as files, and those of a collection."""

import json
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from cropperhead.study import folder as folders
from cropperhead.study import returned
from cropperhead.study.votes import BALLOT, make_table, write_votes

_COMPARISON = [*BALLOT, "left", "right"]  # columns that tell one row from another


class Collected(NamedTuple):
    """All votes on a study, the files that cannot be used, and how many votes came twice.

    A rater's second vote on a ballot, from another file or the collection, is left out.
    """

    table: pd.DataFrame
    rejected_files: list[str]
    repeated: int


def read_table(folder: Path, place: str = "") -> Collected:
    """Read all votes on the study in a folder.

    `place` is the folder or URL of the collection that `cropperhead serve --study` wrote to; empty:
    none. Raises CollectionError if it cannot be read, ParamsError for a place that is none.
    """
    if not folders.exists(folder):
        return Collected(make_table([]), [], 0)
    study = folders.load(folder)
    rows, rejected = returned.read_rows(folder, study)
    if place:
        from cropperhead.study import voting  # noqa: PLC0415 - SQLAlchemy, which files do without

        rows += voting.read_rows(study, place)
    # files are read in the order of their names, before the collection: the first vote counts
    first = {tuple(row[name] for name in _COMPARISON): row for row in reversed(rows)}
    return Collected(make_table(list(first.values())), rejected, _count_repeated(rows))


def write_table(folder: Path, place: str, votes_file: Path, counts_file: Path) -> None:
    """Write the votes of a study (CSV) and how many there are (JSON), with the files left out."""
    table, rejected, repeated = read_table(folder, place)
    write_votes(table, votes_file)
    counts = {
        "votes": len(table.drop_duplicates(BALLOT)),
        "raters": int(table["rater"].nunique()),
        "repeated": repeated,
        "rejected_files": rejected,
    }
    counts_file.write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")


def _count_repeated(rows: list[dict[str, object]]) -> int:
    times = pd.DataFrame(rows, columns=_COMPARISON).groupby(_COMPARISON).size()
    return int((times - 1).groupby(BALLOT).max().sum())  # a ranking is three comparisons
