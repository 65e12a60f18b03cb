"""Brings a collection's database to the tables of this release, by Alembic."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from cropperhead.collection.intake import Collection
from cropperhead.collection.tables import Database
from cropperhead.errors import CollectionError

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x43726F70  # any number, the same for every process: two of them may start at a time


def prepare(collection: Collection) -> None:
    """Make a collection ready to take crops in: its tables, and its object store.

    Raises CollectionError if that is not possible, as where the disk of its photos is missing.
    """
    migrate(collection.database)
    collection.objects.prepare(is_new=not collection.counts().photos)


def migrate(database: Database) -> None:
    """Create the tables, or bring an earlier release's to this one's.

    Raises CollectionError if a later release has written the database.
    """
    if database.file is not None:
        database.file.parent.mkdir(parents=True, exist_ok=True)
    with database.writing() as connection:
        if not database.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        if not is_current(connection, database):
            command.upgrade(_config(connection), "head")


def require_current(database: Database) -> None:
    """Raise CollectionError unless the database has the tables of this release. Creates no file."""
    if database.file is not None and not database.file.exists():
        raise CollectionError(f"{database.file.parent}: it holds no collection.")
    with database.reading() as connection:
        if not is_current(connection, database):
            raise CollectionError(
                f"{database.shown_url}: it has no collection of this release. "
                "Start `cropperhead serve --collect` once, which makes or updates it."
            )


def is_current(connection: sa.Connection, database: Database) -> bool:
    """Return whether the tables are this release's. Raises CollectionError for a later one's."""
    script = ScriptDirectory.from_config(_config(connection))
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in {each.revision for each in script.walk_revisions()}:
        raise CollectionError(
            f"{database.shown_url}: a later release of CropperHead has written it "
            f"(revision {found}). Update CropperHead."
        )
    return found == script.get_current_head()


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
