"""Collects the votes of a study: those that came back as files, and those of a collection."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from cropperhead.dataset.split_labels import TRAIN
from cropperhead.errors import DataError
from cropperhead.params import Params
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


NO_VOTES = Collected(make_table([]), [], 0)


def read_table(folder: Path, place: str = "") -> Collected:
    """Read all votes on the study in a folder.

    `place` is the folder or URL of the collection that `cropperhead serve --study` wrote to; empty:
    none. Raises CollectionError if it cannot be read, ParamsError for a place that is none.
    """
    if not folders.exists(folder):
        return NO_VOTES
    study = folders.load(folder)
    rows, rejected = returned.read_rows(folder, study)
    if place:
        from cropperhead.study import voting  # noqa: PLC0415 - SQLAlchemy, which files do without

        rows += voting.read_rows(study, place)
    # files are read in the order of their names, before the collection: the first vote counts
    first = {tuple(row[name] for name in _COMPARISON): row for row in reversed(rows)}
    return Collected(make_table(list(first.values())), rejected, _count_repeated(rows))


def write_tables(params: Params, votes_file: Path, counts_file: Path) -> None:
    """Write the votes of a study (CSV) and how many there are (JSON), with the files left out.

    Votes on training photos are not to be reported: a study of them raises DataError.
    """
    folder = Path(params.study.folder)
    if folders.exists(folder) and folders.load(folder).split == TRAIN:
        raise DataError(
            f"study.folder: expected a study of test photos, got one of training photos, {folder}, "
            "which says nothing about the network. Set study.training_folder to it instead."
        )
    collected = read_table(folder, params.study.collected)
    write_votes(collected.table, votes_file)
    write_counts(count_votes(collected), counts_file)


def count_votes(collected: Collected) -> dict[str, Any]:
    """Count votes and people, with the files left out."""
    table = collected.table
    return {
        "votes": len(table.drop_duplicates(BALLOT)),
        "raters": int(table["rater"].nunique()),
        "repeated": collected.repeated,
        "rejected_files": collected.rejected_files,
    }


def write_counts(counts: Mapping[str, Any], file: Path) -> None:
    """Write counts as JSON."""
    file.write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")


def _count_repeated(rows: list[dict[str, object]]) -> int:
    times = pd.DataFrame(rows, columns=_COMPARISON).groupby(_COMPARISON).size()
    return int((times - 1).groupby(BALLOT).max().sum())  # a ranking is three comparisons
