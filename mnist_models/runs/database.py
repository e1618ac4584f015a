"""The database of the store: opened when first needed, its tables brought up to date, used one
transaction at a time.

SQLite in the folder `saved/` unless DATABASE_URL names another database (any that SQLAlchemy
knows).
"""

import functools
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, delete, event, insert, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from mnist_models.models.predictions import CONFIDENCE_THRESHOLD
from mnist_models.runs import class_tables  # noqa: F401, so that its tables are known
from mnist_models.runs.tables import Base, Run, StoreError

# So long a second writer waits, and so often it looks again where SQLite does not wait by itself.
BUSY_S, RETRY_S = 10, 0.01
DEFAULT_FILE = Path(__file__).parents[2] / "saved" / "runs.sqlite3"


class _SchemaRow(Base):
    """The version of the tables; of the first one, databases knew nothing."""

    __tablename__ = "schema_version"

    version: Mapped[int] = mapped_column(primary_key=True)


# What brings tables of one version to the next, beyond tables that are new: those are made where
# they are missing.
MIGRATIONS = {
    1: (
        "ALTER TABLE runs ADD COLUMN race VARCHAR",
        "ALTER TABLE runs ADD COLUMN deleted_at TIMESTAMP",
        "CREATE INDEX ix_runs_race ON runs (race)",
    ),
    2: (
        "ALTER TABLE runs ADD COLUMN temperature FLOAT",
        "ALTER TABLE runs ADD COLUMN sure_from FLOAT",
        f"UPDATE runs SET temperature = 1, sure_from = {CONFIDENCE_THRESHOLD} "
        "WHERE test_accuracy IS NOT NULL",
    ),
    3: ("ALTER TABLE runs ADD COLUMN visitor VARCHAR",),
    4: ("ALTER TABLE runs ADD COLUMN learned_from JSON",),
}
SCHEMA_VERSION = 1 + len(MIGRATIONS)


def bring_up_to_date(connection: Connection) -> None:
    """Makes the tables that are missing, and migrates those of an older version.

    Raises:
        StoreError: When they are of a newer.
    """
    there = inspect(connection).get_table_names()
    kept = (
        connection.scalar(select(_SchemaRow.version)) if _SchemaRow.__tablename__ in there else None
    )
    version = SCHEMA_VERSION if Run.__tablename__ not in there else kept or 1
    if version > SCHEMA_VERSION:
        raise StoreError(
            "The store of runs was written by a newer version of this project (its tables are of "
            f"version {version}, this is "
            f"{SCHEMA_VERSION}). Use that version, or set DATABASE_URL to another database."
        )
    for older in range(version, SCHEMA_VERSION):
        for statement in MIGRATIONS[older]:
            connection.exec_driver_sql(statement)
    Base.metadata.create_all(connection)
    if kept != SCHEMA_VERSION:  # one that is up to date is only read
        connection.execute(delete(_SchemaRow))
        connection.execute(insert(_SchemaRow).values(version=SCHEMA_VERSION))


class Database:
    """Where everything is kept. Safe to use from several threads; several processes may share one
    database."""

    def __init__(self, url: str | None = None) -> None:
        """Remembers where it is.

        Args:
            url: DATABASE_URL or the SQLite file in `saved/` when None.
        """
        self.url = url or os.environ.get("DATABASE_URL") or f"sqlite:///{DEFAULT_FILE}"

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    @functools.cached_property
    def _sessions(self) -> sessionmaker[Session]:
        url = make_url(self.url)
        if self.is_sqlite and url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            url, pool_pre_ping=True
        )  # a database server may have closed what was idle
        if self.is_sqlite:
            event.listen(engine, "connect", _prepare_sqlite)
        with engine.begin() as connection:
            if (
                self.is_sqlite
            ):  # else two processes that come first would both find no tables and both create them
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            bring_up_to_date(connection)
        return sessionmaker(engine, expire_on_commit=False)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction, written at its end.

        Raises:
            StoreError: When the database does not do its part.
        """
        try:
            with self._sessions.begin() as session:
                yield session
        except (
            SQLAlchemyError,
            OSError,
            ImportError,
        ) as error:  # ImportError: its driver is not installed
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise StoreError(
                f"The store of runs at {_without_password(self.url)} cannot be used ({reason}). "
                "Make it readable and "
                "writable, free some space, or set DATABASE_URL to another database."
            ) from error


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "DATABASE_URL"


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Readers do not wait for the writer, and a second writer waits instead of failing."""
    connection.execute(f"PRAGMA busy_timeout={1000 * BUSY_S}")
    connection.execute("PRAGMA foreign_keys=ON")
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        # Of two processes that turn it on in a new file at the same moment, SQLite tells one at
        # once that the file is locked: for this it does not wait.
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(RETRY_S)
