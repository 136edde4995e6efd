"""Fixtures on the real engines: one embedded ClickHouse for the whole run, a fresh state database for each test.

The embedded engine allows one path per process, so tests share its tables and keep apart by tenant.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core import ManualClock, Settings, load_settings
from storage import ClickHouse, StateDb, migrate_clickhouse, migrate_state, open_clickhouse, open_state

_TENANTS = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> None:
    """Settings of the developer's shell must not reach the tests."""
    for name in [name for name in os.environ if name.startswith("OPSINTEL_") and name != "OPSINTEL_CHROMIUM"]:
        del os.environ[name]


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """The embedded engine with every migration applied."""
    ch = open_clickhouse(load_settings(data_dir=tmp_path_factory.mktemp("engine")))
    migrate_clickhouse(ch)
    yield ch
    ch.close()


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test uses."""
    return f"tenant-{next(_TENANTS)}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings on an empty data directory, with ports that the system picks."""
    return load_settings(data_dir=tmp_path / "data", http_port=0, otlp_grpc_port=0, otlp_http_port=0)


@pytest.fixture
def state(settings: Settings) -> Iterator[StateDb]:
    """A fresh state database at the newest revision."""
    database = open_state(settings)
    migrate_state(database)
    yield database
    database.close()


@pytest.fixture
def clock() -> ManualClock:
    """Monday, 2 March 2026, nine in the morning, UTC."""
    return ManualClock(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
