"""Where MLflow keeps its runs, and whether it can be used.

`MLFLOW_TRACKING_URI` names a server or a database. Without it, runs are kept in `mlflow.db` at the
project's root, and their files in `mlruns`. The project's folder may be moved with both.
"""

import logging
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

# MLflow reports its use to its makers unless this is set before it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# It would try for minutes to reach a server that is away (MLflow's defaults: 120 s, 7 times)
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")

import mlflow

from cropperhead.errors import TrackingError
from cropperhead.system.time_limit import TimeIsUp, time_limit

EXPERIMENT = "cropperhead"
# What MLflow's page shows of an experiment, unless a reader chose something else (as from 3.17 on)
_KIND = "mlflow.experimentKind"
ANSWER_S = 10  # how long a server may take for a small request
UPLOAD_S = 300  # and for a model
_CREATION_S = 300  # of a database, which is half made if it is interrupted
_ADDRESS = "MLFLOW_TRACKING_URI"
_FILE, _ARTIFACTS = Path("mlflow.db"), Path("mlruns")
_SQLITE, _SPECIAL = "sqlite:///", re.compile("[%?#]")
# `dvc exp run --temp` and `--queue` run in a copy below this folder
_EXPERIMENTS_FOLDER = "/.dvc/tmp/exps/"
_LOCK_S = 5  # other runs write for milliseconds
# These report each retry, and each error with its traceback
_LOGGERS = ("mlflow", "urllib3", "alembic")
# Where MLflow's tables hold absolute places of files (3.17)
_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
_MOST_CHARACTERS = 300  # of a reason: a server may answer with a page
_CREDENTIALS = re.compile(r"//[^/@\s]*@")


def root() -> Path:
    """The project's folder, also for an experiment in a copy below it."""
    return Path(str(Path.cwd()).split(_EXPERIMENTS_FOLDER, maxsplit=1)[0])


def exists() -> bool:
    """Whether there is a store that may hold runs."""
    return not _is_own() or (root() / _FILE).exists()


def choose() -> None:
    """Use the store, which is not opened. Raises TrackingError if it is a file that cannot be."""
    if _is_own():
        mlflow.set_tracking_uri(_own_address())
    file = _database_file()
    if file is not None:
        _check(file)


def open_experiment() -> None:
    """Open the store and the experiment, which are created if needed. Raises TrackingError."""
    choose()
    with calls(ANSWER_S if _database_file() is None else _CREATION_S):
        found = mlflow.get_experiment_by_name(EXPERIMENT)
        if found is not None and found.lifecycle_stage == "deleted":
            _set_aside(found.experiment_id)
            found = None
        if found is None and _is_own():
            location = (root() / _ARTIFACTS).as_uri()
            mlflow.create_experiment(EXPERIMENT, artifact_location=location)
        opened = mlflow.set_experiment(EXPERIMENT)
        if _KIND not in opened.tags:
            mlflow.set_experiment_tag(_KIND, "custom_model_development")


@contextmanager
def calls(seconds: int = ANSWER_S) -> Iterator[None]:
    """Let MLflow work in the block for so many seconds. Raises TrackingError for any error."""
    try:
        with _silent(), time_limit(seconds):
            yield
    except TimeIsUp:
        raise TrackingError(f"{_shown_address()}: no answer in {seconds} seconds") from None
    except TrackingError:
        raise
    except Exception as error:  # MLflow passes on those of databases and networks
        raise TrackingError(f"{_shown_address()}: {_reason(error)}") from None


def _own_address() -> str:
    return _SQLITE + _SPECIAL.sub(lambda found: quote(found[0]), str(root() / _FILE))


def _is_own() -> bool:
    """Whether the store is the project's own; MLflow sets the variable itself to what is chosen."""
    return os.environ.get(_ADDRESS, "") in {"", _own_address()}


def _database_file() -> Path | None:
    address = os.environ.get(_ADDRESS) or _own_address()
    if not address.startswith(_SQLITE):
        return None
    return Path(unquote(address.removeprefix(_SQLITE).partition("?")[0]))


def _shown_address() -> str:
    if _is_own():
        return str(_FILE)
    return _CREDENTIALS.sub("//", os.environ[_ADDRESS])


def _reason(error: BaseException) -> str:
    """What an error is about, in one line, without a password."""
    root_cause = error
    while inner := root_cause.__cause__ or _context(root_cause):
        root_cause = inner
    if isinstance(root_cause, OSError) and root_cause.strerror:
        return root_cause.strerror
    # of a name that MLflow does not know, the first error has only the name
    text = str(error if isinstance(root_cause, LookupError) else root_cause)
    line = (text.strip() or type(root_cause).__name__).splitlines()[0]
    return _CREDENTIALS.sub("//", line[:_MOST_CHARACTERS]).rstrip(".")


def _context(error: BaseException) -> BaseException | None:
    return None if error.__suppress_context__ else error.__context__


def _check(file: Path) -> None:
    """Raise TrackingError for a database that is locked, read-only or not one."""
    try:
        with closing(sqlite3.connect(file, timeout=_LOCK_S, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            if _is_own():
                _follow_folder(database)
            database.execute("COMMIT")
    except sqlite3.Error as error:
        raise TrackingError(f"{_shown_address()}: {error}") from None


def _follow_folder(database: sqlite3.Connection) -> None:
    """Correct the places of files where the project's folder has another name now."""
    if not _has_column(database, *_PLACES[0]):  # a new database
        return
    found = database.execute(
        "SELECT artifact_location FROM experiments WHERE name = ?", (EXPERIMENT,)
    ).fetchone()
    former = _former_root(found[0]) if found and found[0] else None
    if former is None or former == root():
        return
    moved = _PLACES if (root() / _ARTIFACTS).is_dir() else _PLACES[:1]
    for table, column in moved:
        if _has_column(database, table, column):
            _replace_root(database, table, column, former)


def _has_column(database: sqlite3.Connection, table: str, column: str) -> bool:
    """Whether a table has a column, in the version of MLflow that made it."""
    return column in {row[1] for row in database.execute(f"PRAGMA table_info({table})")}


def _former_root(location: str) -> Path | None:
    """The folder that the project was in, by where it kept its files there."""
    parts = urlsplit(location)
    if parts.scheme not in {"", "file"}:
        return None
    path = Path(unquote(parts.path) if parts.scheme else location)
    return next((one.parent for one in (path, *path.parents) if one.name == _ARTIFACTS.name), None)


def _replace_root(database: sqlite3.Connection, table: str, column: str, former: Path) -> None:
    """Put the files' present place into one column, where they are there as a path or a URI."""
    for before, after in (
        (str(former / _ARTIFACTS), str(root() / _ARTIFACTS)),
        ((former / _ARTIFACTS).as_uri(), (root() / _ARTIFACTS).as_uri()),
    ):
        database.execute(
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
            f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
            (after, len(before) + 1, before, len(before) + 1, before + "/"),
        )


def _set_aside(experiment_id: str) -> None:
    """Free the name of an experiment that somebody has deleted; it stays deleted."""
    client = mlflow.MlflowClient()
    client.restore_experiment(experiment_id)
    name = f"{EXPERIMENT}, deleted {time.strftime('%F %T')} ({experiment_id})"  # no name twice
    client.rename_experiment(experiment_id, name)
    client.delete_experiment(experiment_id)


@contextmanager
def _silent() -> Iterator[None]:
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
