import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from cropperhead.collection import migrate, tables
from cropperhead.collection.settings import open_collection
from cropperhead.errors import CollectionError


def test_migrations_make_the_tables_of_this_release(collection):
    with collection.database.reading() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, tables.METADATA) == []


def test_migrating_again_changes_nothing(collection):
    migrate.migrate(collection.database)
    migrate.require_current(collection.database)


def test_an_earlier_release_s_database_keeps_its_rows(tmp_path):
    opened = open_collection(str(tmp_path))
    with opened.database.writing() as connection:
        command.upgrade(migrate._config(connection), "0001")
        banned = {"author": "a" * 64, "banned": 1}
        connection.execute(sa.insert(tables.bans).values(banned))
    migrate.migrate(opened.database)
    with opened.database.reading() as connection:
        assert connection.execute(sa.select(tables.bans)).mappings().all() == [banned]
        assert connection.execute(sa.select(tables.votes)).all() == []
    opened.database.close()


def test_a_later_release_s_database_is_left_alone(collection):
    with collection.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(CollectionError, match="later release of CropperHead has written it"):
        migrate.migrate(collection.database)


def test_a_database_without_tables_is_named(tmp_path):
    opened = open_collection(str(tmp_path))
    opened.database.file.touch()
    with pytest.raises(CollectionError, match="it has no collection of this release"):
        migrate.require_current(opened.database)
