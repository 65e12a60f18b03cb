"""The tables of a collection's database, SQLite or PostgreSQL.

Photos themselves are in the object store. A photo has a row only while its object is stored, and
`intake.py` keeps it so. `migrations/` brings the database of an earlier release to these tables.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, CheckConstraint, Column, Float, ForeignKey, Integer, String
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from cropperhead.errors import CollectionError, SetupError

NEW, ACCEPTED, REJECTED = "new", "accepted", "rejected"
STATUSES = (NEW, ACCEPTED, REJECTED)

SIDES = ("top", "left", "bottom", "right", "angle")
CROP, SUGGESTED, STARTED = (
    tuple(f"{name}_{side}" for side in SIDES) for name in ("crop", "suggested", "started")
)
_SHA256 = String(64)  # in hexadecimal digits
_BUSY_S = 10  # that a writer of SQLite waits for another one
_CONNECT_S = 5
# Names of constraints, which migrations need
METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

photos = sa.Table(
    "photos",
    METADATA,
    Column("sha256", _SHA256, primary_key=True),
    Column("bytes", Integer, nullable=False),
    Column("width", Integer, nullable=False),  # px
    Column("height", Integer, nullable=False),
    Column("received", BigInteger, nullable=False),  # s since 1970
)
consents = sa.Table(
    "consents",
    METADATA,
    Column("sha256", _SHA256, primary_key=True),  # of the text
    Column("text", sa.Text, nullable=False),
    Column("received", BigInteger, nullable=False),  # the first crop with it
)
crops = sa.Table(
    "crops",
    METADATA,
    Column("id", String(32), primary_key=True),  # made by the page
    Column("photo", _SHA256, ForeignKey("photos.sha256"), nullable=False, index=True),
    Column("author", _SHA256, nullable=False, index=True),  # hash of the sender's key
    Column("receipt", _SHA256, nullable=False),  # hash of what withdraws the crop
    Column("consent", _SHA256, ForeignKey("consents.sha256"), nullable=False),
    Column("status", String(8), nullable=False, index=True),
    Column("received", BigInteger, nullable=False),  # s since 1970
    Column("moderated", BigInteger),
    *(Column(name, Float(53), nullable=False) for name in CROP),
    Column("shown", String(16), nullable=False),  # first: suggestion or whole
    Column("started_from", String(16), nullable=False),
    *(Column(name, Float(53), nullable=False) for name in STARTED),
    *(Column(name, Float(53)) for name in SUGGESTED),
    Column("suggested_by", String(64)),
    Column("confidence", Float(53)),
    CheckConstraint("crop_top < crop_bottom AND crop_left < crop_right", name="rectangle"),
    CheckConstraint("status IN ('new', 'accepted', 'rejected')", name="status"),
)
# People who vote in a study (`cropperhead serve --study`), and their votes
raters = sa.Table(
    "raters",
    METADATA,
    Column("id", String(32), primary_key=True),  # made by the page
    Column("receipt", _SHA256, nullable=False),  # hash of what withdraws the votes
    Column("study", String(16), nullable=False, index=True),
    Column("session", Integer, nullable=False),
    Column("received", BigInteger, nullable=False),  # s since 1970
)
votes = sa.Table(
    "votes",
    METADATA,
    Column("rater", String(32), ForeignKey("raters.id"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),  # of the ballot in the session
    Column("answer", String(8), nullable=False),
    Column("ms", Integer, nullable=False),  # from the crops' appearance to the vote
    Column("received", BigInteger, nullable=False),
)
# Ids that were withdrawn, so that a repeat that comes late brings neither crop nor votes back
withdrawals = sa.Table(
    "withdrawals",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("receipt", _SHA256, nullable=False),  # or `banned`, of a rater
    Column("withdrawn", BigInteger, nullable=False),
)
bans = sa.Table(
    "bans",
    METADATA,
    Column("author", _SHA256, primary_key=True),
    Column("banned", BigInteger, nullable=False),
)


class Database:
    """A collection's database; its errors become CollectionError where it cannot be reached."""

    def __init__(self, url: str) -> None:
        """Connect on first use. Raises CollectionError for a URL that is not one."""
        self.url = parse_url(url)
        self.shown_url = self.url.render_as_string(hide_password=True)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        try:
            self.engine = _sqlite(self.url) if self.is_sqlite else _postgresql(self.url)
        except ModuleNotFoundError as error:
            raise SetupError(
                f"{self.shown_url}: it needs {error.name}, which is not installed. "
                "Install it: pip install 'cropperhead[web]'"
            ) from error

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database; None for one in memory or of another kind."""
        return Path(self.url.database) if self.is_sqlite and self.url.database else None

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Run a block in a transaction that reads one state of the database."""
        with self._reachable(), self.engine.connect() as connection:
            yield connection.execution_options(cropperhead_reads=True)

    @contextmanager
    def writing(self, name: str | None = None) -> Iterator[sa.Connection]:
        """Run a block in a transaction that writes; it is committed at the end.

        No other transaction with the same `name`, hexadecimal digits such as a photo's SHA-256,
        runs meanwhile, in any process. SQLite has one writer at a time anyway.
        """
        with self._reachable(), self.engine.begin() as connection:
            if name is not None and not self.is_sqlite:
                lock = sa.func.pg_advisory_xact_lock(int(name[:15], 16))
                connection.execute(sa.select(lock))
            yield connection

    def insert_new(self, connection: sa.Connection, table: sa.Table, values: Any) -> bool:
        """Insert a row unless there is one with its key; return whether it is new."""
        return connection.execute(_insert_new(table, self.is_sqlite), values).rowcount == 1

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            problem = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
            raise CollectionError(f"{self.shown_url}: {problem[0][:300]}") from error
        except sa.exc.TimeoutError as error:  # of the pool
            raise CollectionError(f"{self.shown_url}: all its connections are busy") from error


@cache
def _insert_new(table: sa.Table, is_sqlite: bool) -> sa.Insert:
    """The statement of `insert_new`, made once: making it takes as long as running it."""
    insert = sqlite.insert(table) if is_sqlite else postgresql.insert(table)
    # rows are counted only on request
    return insert.on_conflict_do_nothing().execution_options(preserve_rowcount=True)


def parse_url(url: str) -> sa.URL:
    """Parse the URL of a database. Raises CollectionError for one that cannot be used."""
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError) as error:
        raise CollectionError(
            "the database's URL cannot be read; expected sqlite:///FILE or "
            "postgresql://USER@HOST/NAME"
        ) from error
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise CollectionError(f"{parsed.drivername}: expected a database of SQLite or PostgreSQL")
    return parsed


def _sqlite(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_S}, pool_timeout=_BUSY_S)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        del record
        connection.isolation_level = None  # else sqlite3 begins transactions by itself
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        reads = connection.get_execution_options().get("cropperhead_reads", False)
        # A transaction that reads first and writes later would fail where another one has written
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: sa.URL) -> sa.Engine:
    try:
        return sa.create_engine(
            url,
            pool_pre_ping=True,
            pool_timeout=_BUSY_S,
            connect_args={"connect_timeout": _CONNECT_S},
        )
    except NoSuchModuleError as error:
        raise CollectionError(f"{url.drivername}: no such driver") from error
