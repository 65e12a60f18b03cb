"""The tables of labels and splits as they lie here, and as they were at a revision of git.

The only door to DVC from Python: the tables are its outputs, of which git holds the hashes alone.
Their paths are those that the revision's own dvc.yaml gives.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from cropperhead.errors import DataError

if TYPE_CHECKING:
    from dvc.api import DVCFileSystem

_PIPELINE = "dvc.yaml"
_WORKSPACE = "workspace"


@dataclass(frozen=True)
class Tables:
    """One version of the data, and what it is called.

    `labels` has a row for each photo, author and source, `splits` one for each photo.
    """

    name: str
    labels: pd.DataFrame
    splits: pd.DataFrame


def workspace(root: Path) -> Tables:
    """The tables as they lie in the project's folder. Raises DataError where they do not."""

    def content(name: str) -> bytes:
        try:
            return (root / name).read_bytes()
        except FileNotFoundError:
            raise DataError(
                f"{root / name}: not found. Run from the project's root folder, after `dvc repro`; "
                "`dvc checkout` brings back tables that were made before."
            ) from None

    return _tables(_WORKSPACE, content)


def at(root: Path, revision: str) -> Tables:
    """The tables as they were at a revision: a commit, branch or tag of the project in `root`.

    They come from DVC's cache, else from its remote. Raises DataError where there is no such
    revision, where it had no tables yet, and where neither place has them any more.
    """
    from dvc.api import DVCFileSystem  # noqa: PLC0415 - takes a second
    from dvc.exceptions import DvcException  # noqa: PLC0415

    try:
        files = DVCFileSystem(root, rev=revision)
        commit = files.repo.get_rev()
        name = revision if commit.startswith(revision) else f"{revision} ({commit[:7]})"
        return _tables(name, lambda path: _content(files, path, revision))
    except DvcException as error:
        raise DataError(
            f"{revision}: {error}. Expected a commit, branch or tag of this project; "
            "`git log --oneline dvc.lock` lists the commits that changed data."
        ) from error


def _tables(name: str, content: Callable[[str], bytes]) -> Tables:
    stages = (yaml.safe_load(content(_PIPELINE)) or {}).get("stages", {})
    labels, splits = (_table_of(stages, stage, name) for stage in ("validate", "split"))
    read = (pd.read_parquet(io.BytesIO(content(path))) for path in (labels, splits))
    return Tables(name, *read)


def _table_of(stages: dict[str, Any], stage: str, name: str) -> str:
    """The path of the table that a stage of dvc.yaml leaves."""
    outs = stages.get(stage, {}).get("outs", [])
    for out in outs:
        if isinstance(out, str) and out.endswith(".parquet"):
            return out
    raise DataError(
        f"{name}: {_PIPELINE} has no stage {stage} that leaves a table (.parquet). "
        "Name a revision from the time when it had."
    )


def _content(files: "DVCFileSystem", path: str, revision: str) -> bytes:
    try:
        return bytes(files.read_bytes(path))
    except OSError as error:
        if not files.exists(path) or (path != _PIPELINE and "md5" not in files.info(path)):
            raise DataError(
                f"{revision}: it has no {path}; `dvc repro` had not run or not been committed. "
                "`git log --oneline dvc.lock` lists the commits that have data."
            ) from error
        raise DataError(
            f"{revision}: its {path} is in DVC's cache no more, nor in a remote that can be "
            f"reached. `dvc fetch --all-commits {path}` gets it where a remote has it; otherwise "
            f"make it again: check {revision} out, and run `dvc repro`."
        ) from error
