"""Reads the tables of labels and splits from the workspace or from a Git revision.

The only importer of DVC: the tables are its outputs, and Git has only their hashes. Their paths
come from the revision's own dvc.yaml.
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
class DataVersion:
    """The tables of one version of the data, and its name.

    `labels` has a row for each photo, author and source, `splits` one for each photo.
    """

    name: str
    labels: pd.DataFrame
    splits: pd.DataFrame


def read_workspace(root: Path) -> DataVersion:
    """Read the tables in the project's folder. Raises DataError if they are missing."""

    def content(name: str) -> bytes:
        try:
            return (root / name).read_bytes()
        except FileNotFoundError:
            raise DataError(
                f"{root / name}: not found. Run from the project's root folder, after `dvc repro`; "
                "`dvc checkout` restores tables of an earlier run."
            ) from None

    return _read_tables(_WORKSPACE, content)


def read_revision(root: Path, revision: str) -> DataVersion:
    """Read the tables of a revision: a commit, branch or tag of the project in `root`.

    They come from DVC's cache or else from its remote. Raises DataError if the revision does not
    exist, if it has no tables, and if neither the cache nor the remote still has them.
    """
    from dvc.api import DVCFileSystem  # noqa: PLC0415 - takes a second
    from dvc.exceptions import DvcException  # noqa: PLC0415
    from dvc.scm import RevError  # noqa: PLC0415
    from scmrepo.exceptions import SCMError  # noqa: PLC0415 - DVC passes it on for an empty repo

    try:
        files = DVCFileSystem(root, rev=revision)
        commit = files.repo.get_rev()
        name = revision if commit.startswith(revision) else f"{revision} ({commit[:7]})"
        return _read_tables(name, lambda path: _read_file(files, path, revision))
    except RevError as error:
        raise DataError(
            f"{revision}: {error}. Expected a commit, branch or tag of this project; "
            "`git log --oneline dvc.lock` lists the commits that changed data."
        ) from error
    except (DvcException, SCMError) as error:
        raise DataError(f"{revision}: {error}. Run from the root folder of a project.") from error


def _read_tables(name: str, content: Callable[[str], bytes]) -> DataVersion:
    stages = (yaml.safe_load(content(_PIPELINE)) or {}).get("stages", {})
    paths = (_table_path(stages, stage, name) for stage in ("validate", "split"))
    labels, splits = (pd.read_parquet(io.BytesIO(content(path))) for path in paths)
    return DataVersion(name, labels, splits)


def _table_path(stages: dict[str, Any], stage: str, name: str) -> str:
    """Return the path of the table that a stage of dvc.yaml writes."""
    outs = stages.get(stage, {}).get("outs", [])
    for out in outs:
        if isinstance(out, str) and out.endswith(".parquet"):
            return out
    raise DataError(
        f"{name}: {_PIPELINE} has no stage {stage} that writes a table (.parquet). "
        "Choose a revision that has one."
    )


def _read_file(files: "DVCFileSystem", path: str, revision: str) -> bytes:
    try:
        return bytes(files.read_bytes(path))
    except OSError as error:
        if not files.exists(path) or (path != _PIPELINE and "md5" not in files.info(path)):
            raise DataError(
                f"{revision}: it has no {path}; `dvc repro` had not run, or its results were not "
                "committed. `git log --oneline dvc.lock` lists the commits that have data."
            ) from error
        raise DataError(
            f"{revision}: its {path} is no longer in DVC's cache, nor in a remote that can be "
            f"reached. `dvc fetch --all-commits {path}` gets it if a remote has it; otherwise "
            f"check out {revision} and run `dvc repro` to make it again."
        ) from error
