"""The state database: alert state, commands, keys, the ledger and the audit chain.

SQLite in WAL mode with full synchronisation (a committed transaction survives a power cut), or PostgreSQL. A
transaction takes its write lock at the start, so two of them never dead-lock on an upgrade.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from core.errors import ConfigurationError, StorageError, StoreUnavailable
from core.settings import Settings

if TYPE_CHECKING:  # Alembic is loaded by those who migrate: receivers and most commands never do
    from alembic.config import Config


class StateDb:
    """Transactions on the state database; raises core.errors.StorageError and its kin, never a foreign error."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A read-write transaction, committed at the end of the block and rolled back by an exception."""
        with _translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection for reading."""
        with _translated(), self.engine.connect().execution_options(opsintel_reader=True) as connection:
            yield connection

    def close(self) -> None:
        """Closes every pooled connection."""
        self.engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        why = str(error.orig).splitlines()[0][:200]
        raise StoreUnavailable(f"the state database cannot be used now: {why}") from error
    except SQLAlchemyError as error:
        raise StorageError(f"the state database failed: {type(error).__name__}") from error


def open_state(settings: Settings) -> StateDb:
    """Opens the state database that the settings name; its tables are made by `migrate_state`."""
    try:
        url = make_url(settings.state_url)
    except sqlalchemy.exc.ArgumentError:
        raise ConfigurationError(
            "state_dsn is no SQLAlchemy URL", hint="for example sqlite:////data/state.db"
        ) from None
    if url.get_backend_name() != "sqlite":
        return StateDb(create_engine(url, pool_pre_ping=True))
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours, see below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reader = connection.get_execution_options().get("opsintel_reader", False)
        connection.exec_driver_sql("BEGIN" if reader else "BEGIN IMMEDIATE")

    return StateDb(engine)


def state_revisions(state: StateDb) -> tuple[str, str]:
    """The revision that the database is at ("" when it is empty), and this release's newest. Changes nothing."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    head = ScriptDirectory.from_config(_config()).get_current_head() or ""
    with state.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() or "", head


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(resources.files("storage").joinpath("state")))
    return config


def migrate_state(state: StateDb) -> None:
    """Brings the state database to the newest revision; repeating it changes nothing."""
    from alembic import command

    config = _config()
    with state.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
