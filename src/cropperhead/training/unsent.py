"""What MLflow has not got yet: kept in the project's folder `mlflow_unsent` until it can be sent.

Each record is a folder with a `record.json` and the files to log with it.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cropperhead.errors import TrackingError
from cropperhead.system import atomic
from cropperhead.training import mlflow_store

_FOLDER, _RECORD = "mlflow_unsent", "record.json"


def now_ms() -> int:
    """The time in ms since 1970."""
    return time.time_ns() // 1_000_000


@dataclass
class TrainingRecord:
    """All that is logged of one training. Times are in ms since 1970, as MLflow's.

    `metrics` are an epoch's number, its time and its values, `dataset` is as MLflow describes it.
    `run` is the run's id, None if MLflow has none.
    """

    name: str
    tags: dict[str, str]
    params: dict[str, Any]
    started: int = field(default_factory=now_ms)
    ended: int = 0
    run: str | None = None
    dataset: dict[str, Any] | None = None
    metrics: list[tuple[int, int, dict[str, float]]] = field(default_factory=list)
    model_file: str = ""
    model_sha256: str = ""


@dataclass(frozen=True)
class EvaluationRecord:
    """All that is logged of one evaluation, except for the files."""

    model_sha256: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]


Record = TrainingRecord | EvaluationRecord


def keep(record: Record, files: Iterable[Path] = ()) -> None:
    """Keep a record for the next run; report it if that fails."""
    folder = mlflow_store.root() / _FOLDER / f"{time.time_ns()}"
    content = json.dumps({"kind": type(record).__name__, **asdict(record)}, indent=1, default=float)
    try:
        folder.mkdir(parents=True)
        for file in files:
            shutil.copy2(file, folder / file.name)
        atomic.replace(folder / _RECORD, lambda file: file.write_text(content, encoding="utf-8"))
    except OSError as error:
        report(f"{folder}: cannot be written, {error.strerror}. This run is not logged.")


def send_all(send: Callable[[Record, list[Path]], None]) -> None:
    """Send the records that were kept, the oldest first, and remove them.

    Where MLflow cannot be used after all, the rest is kept. That and a record that cannot be read
    are reported.
    """
    try:
        _send_all(send)
    except TrackingError as error:
        report(f"{error}. What is in {_FOLDER} is kept.")


def _send_all(send: Callable[[Record, list[Path]], None]) -> None:
    for file in sorted((mlflow_store.root() / _FOLDER).glob(f"*/{_RECORD}")):
        try:
            record = _read(file)
        except (OSError, ValueError, TypeError, KeyError) as error:
            report(f"{file}: cannot be read as a record, {error}. Delete its folder.")
            continue
        send(record, [one for one in sorted(file.parent.iterdir()) if one != file])
        shutil.rmtree(file.parent, ignore_errors=True)  # another run may have sent it, too
    with suppress(OSError):  # another run has kept something
        (mlflow_store.root() / _FOLDER).rmdir()


def report(sentence: str) -> None:
    """Print a sentence about MLflow on standard error."""
    print(f"MLflow: {sentence}", file=sys.stderr, flush=True)


def _read(file: Path) -> Record:
    content = json.loads(file.read_text(encoding="utf-8"))
    kinds = {kind.__name__: kind for kind in (TrainingRecord, EvaluationRecord)}
    record: Record = kinds[content.pop("kind")](**content)
    return record
