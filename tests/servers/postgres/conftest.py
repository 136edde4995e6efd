"""The state database on a real PostgreSQL: what is imported in these modules are the tests that run on SQLite, too.

Each gets a fresh copy of a database that was migrated once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import psycopg
import pytest

from core import load_settings
from storage import StateDb, migrate_state, open_state
from tests.servers.processes import Server

_NUMBERS = itertools.count(1)


def _opened(server: Server, name: str) -> StateDb:
    dsn = server.values["url"].replace("postgresql://", "postgresql+psycopg://").rsplit("/", 1)[0]
    return open_state(load_settings(state_dsn=f"{dsn}/{name}"))


@pytest.fixture(scope="session")
def migrated(postgres: Server) -> str:
    """The name of a database at the newest revision, to be copied."""
    with psycopg.connect(postgres.values["url"], autocommit=True) as connection:
        connection.execute("CREATE DATABASE opsintel_template")
    state = _opened(postgres, "opsintel_template")
    migrate_state(state)
    state.close()
    return "opsintel_template"


@pytest.fixture
def state(postgres: Server, migrated: str) -> Iterator[StateDb]:
    """A fresh state database at the newest revision."""
    name = f"opsintel_{next(_NUMBERS)}"
    with psycopg.connect(postgres.values["url"], autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {migrated}")
    database = _opened(postgres, name)
    yield database
    database.close()
