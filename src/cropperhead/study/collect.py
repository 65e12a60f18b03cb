"""Collects the votes of a study: those that came back as files, and those of a collection."""

import json
from pathlib import Path

import pandas as pd

from cropperhead.study import folder as folders
from cropperhead.study import returned
from cropperhead.study.votes import BALLOT, make_table, write_votes


def read_table(folder: Path, place: str = "") -> tuple[pd.DataFrame, list[str]]:
    """Read all votes on the study in a folder, and list the files that cannot be used.

    `place` is the folder or URL of the collection that `cropperhead serve --study` wrote to; empty:
    none. Raises CollectionError if it cannot be read, ParamsError for a place that is none.
    """
    if not folders.exists(folder):
        return make_table([]), []
    study = folders.load(folder)
    rows, rejected = returned.read_rows(folder, study)
    if place:
        from cropperhead.study import voting  # noqa: PLC0415 - SQLAlchemy, which files do without

        rows += voting.read_rows(study, place)
    return make_table(rows), rejected


def write_table(folder: Path, place: str, votes_file: Path, counts_file: Path) -> None:
    """Write the votes of a study (CSV) and how many there are (JSON), with the files left out."""
    table, rejected = read_table(folder, place)
    write_votes(table, votes_file)
    counts = {
        "votes": len(table.drop_duplicates(BALLOT)),
        "raters": int(table["rater"].nunique()),
        "rejected_files": rejected,
    }
    counts_file.write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
