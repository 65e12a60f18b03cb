"""What the gate compares: this workspace's scores and votes, and earlier scores."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from cropperhead.errors import DataError, ParamsError
from cropperhead.evaluation.scores import LIMITS
from cropperhead.system.git import run_git
from cropperhead.system.project_files import SCORES

REVISIONS = ("main", "origin/main")  # the default baselines: the first that exists is used
NUMBERS = [*LIMITS, "iou", "invalid"]  # columns of the table of scores


@dataclass(frozen=True)
class Baseline:
    """The scores at an earlier commit, or of a registered model.

    `description` names it, or explains why `scores` is None.
    """

    scores: pd.DataFrame | None
    description: str


def read_scores(file: Path) -> pd.DataFrame | None:
    """Read the scores in a file; None where there is no file."""
    return _parse_scores(file.read_text(encoding="utf-8")) if file.exists() else None


def read_votes(file: Path) -> Mapping[str, Any] | None:
    """Read what the details (JSON) of an evaluation have of people's votes; None if nothing.

    Raises DataError for a file that is none.
    """
    if not file.exists():
        return None
    try:
        votes = json.loads(file.read_text(encoding="utf-8")).get("votes")
    except (ValueError, AttributeError) as error:
        raise DataError(f"{file}: not the details of an evaluation: {error}") from error
    return votes if votes and "preferred_to_cnn" in votes else None


def read_baseline(revision: str | None = None, folder: Path = Path()) -> Baseline:
    """Read the scores at a git revision, by default at the first of REVISIONS that exists.

    `folder` is the project's root, anywhere in the repository. Raises ParamsError for a named
    revision that git does not find, SetupError where git fails, as outside a repository.
    """
    names = [revision] if revision else list(REVISIONS)
    for name in names:
        # a missing name exits with status 1; 128 is a failure of git itself
        arguments = ("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        commit = run_git(*arguments, folder=folder, allowed=(1,)).strip()
        if commit:
            return _read_commit(name, commit, folder)
    description = f"git finds no {' or '.join(names)} here"
    if run_git("rev-parse", "--is-shallow-repository", folder=folder).strip() == "true":
        description += (
            ". This is a shallow clone: `git fetch --depth=1 origin BRANCH` gets a branch"
        )
    if revision:
        raise ParamsError(f"--against: {description}. Name a branch, a tag or a commit.")
    return Baseline(None, description)


def read_registered(name: str) -> Baseline:
    """Read the scores that were logged for a registered model, such as models:/NAME@ALIAS.

    There are none if the project has no champion yet. Raises TrackingError for any other model that
    is not there, for one without scores, and if MLflow cannot be used.
    """
    from cropperhead.training import tracking  # noqa: PLC0415 - takes seconds

    description, text = tracking.load_evaluation(name, SCORES.name)
    return Baseline(None if text is None else _parse_scores(text), description)


def is_model_evaluated(model: Path, scores: Path, lock: Path) -> bool:
    """Whether the scores are those of the model file, by the hashes in dvc.lock."""
    if not lock.exists() or not model.exists():
        return False
    stages = (yaml.safe_load(lock.read_text(encoding="utf-8")) or {}).get("stages", {})
    stage = stages.get("evaluate", {})
    hashes = {
        each["path"]: each.get("md5") for each in (*stage.get("deps", ()), *stage.get("outs", ()))
    }
    return all(hashes.get(file.as_posix()) == _md5(file) for file in (model, scores))


def _md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()  # DVC's choice


def _parse_scores(text: str) -> pd.DataFrame:
    """Parse a table of scores from CSV; a broken one has no columns, a wrong number becomes NaN."""
    try:  # as text first: a photo may be called 007, or NA
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    except (pd.errors.EmptyDataError, pd.errors.ParserError):
        return pd.DataFrame()
    numbers = [name for name in NUMBERS if name in table]
    table[numbers] = table[numbers].apply(pd.to_numeric, errors="coerce")
    return table


def _read_commit(name: str, commit: str, folder: Path) -> Baseline:
    description, path = f"{name} ({commit[:7]})", SCORES.as_posix()
    if not run_git("ls-tree", "--name-only", commit, "--", path, folder=folder):
        return Baseline(None, f"{description} has no {SCORES}")
    text = run_git("show", f"{commit}:./{path}", folder=folder)
    return Baseline(_parse_scores(text), description)
