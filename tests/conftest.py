"""Fixtures on the real engines: one embedded ClickHouse for the whole run, a fresh state database for each test.

The embedded engine allows one path per process, so tests share its tables and keep apart by tenant.
"""

from __future__ import annotations

import gc

gc.disable()  # until everything is collected, see `pytest_collection_finish`

import functools
import itertools
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import pytest

from core import ManualClock, Settings, load_settings
from storage import ClickHouse, StateDb, migrate_clickhouse, migrate_state, open_state
from tests.support.engine import open_for_tests, quick_folder

hypothesis.settings.register_profile(
    "tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("tests")
"""By itself it fails an example that takes 200 ms, and what draws its data slowly: on a busy machine, any."""

_TENANTS = itertools.count(1)
_OPEN: list[ClickHouse] = []
"""The run's engine, once a test has asked for it."""

_FILLED = (
    "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    " AND name != 'schema_migrations' AND exists(SELECT 1 FROM system.parts WHERE active"
    " AND database = currentDatabase() AND table != 'schema_migrations')"
)
"""All of them or none: what an insert has left behind in one table would keep the same insert out of it later."""


LONG_FIRST = (
    "browser/test_process_page.py",
    "browser/test_overview.py",
    "integration/test_other_logs.py",
    "integration/test_planted_bottlenecks.py",
    "integration/test_serve.py",
    "unit/kpis_process/test_resolution.py",
    "integration/test_store_over_http.py",
    "integration/test_numbers.py",
    "unit/api/test_process_bad_questions.py",
    "unit/kpis/test_view_kpis.py",
    "integration/test_retail_tables.py",
    "integration/test_import_real_logs.py",
    "servers/test_rabbitmq.py",
    "unit/kpis_process/test_calibration.py",
    "integration/test_serve_pollers.py",
    "unit/kpis_process/test_risk.py",
    "integration/test_answers_on_real_logs.py",
    "unit/collector_importers/test_memory.py",
    "unit/kpis/test_cases.py",
    "unit/kpis_process/test_conformance.py",
    "unit/kpis_process/test_remaining.py",
    "unit/api/test_start.py",
    "contract/api/test_openapi.py",
    "unit/collector/test_writer.py",
    "browser",
    "integration",
    "servers",
    "fuzz",
    "unit/kpis_process",
    "unit/kpis",
    "unit/api",
)
"""The files that take longest, longest first, then the folders with the next longest; all others come after them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, or the last one runs alone while the other workers have nothing to do."""
    here = Path(__file__).parent
    if gone := [one for one in LONG_FIRST if not (here / one).exists()]:
        raise pytest.UsageError(f"tests/conftest.py: LONG_FIRST names what is not there: {', '.join(gone)}")

    @functools.cache
    def rank(file: Path) -> int:
        inside = file.relative_to(here)
        return next((n for n, one in enumerate(LONG_FIRST) if inside.is_relative_to(one)), len(LONG_FIRST))

    items.sort(key=lambda item: rank(item.path))


def pytest_collection_finish() -> None:
    """What was loaded is no garbage: to look through millions of such objects at every turn is much of a short test."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> None:
    """Settings of the developer's shell must not reach the tests."""
    for name in [name for name in os.environ if name.startswith("OPSINTEL_") and name != "OPSINTEL_CHROMIUM"]:
        del os.environ[name]


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """The embedded engine with every migration applied."""
    with quick_folder(tmp_path_factory.mktemp("engine")) as folder:
        ch = open_for_tests(folder)
        migrate_clickhouse(ch)
        _OPEN.append(ch)
        yield ch
        _OPEN.remove(ch)
        ch.close()


@pytest.fixture(scope="module", autouse=True)
def _small_engine() -> Iterator[None]:
    """What a module's tests have stored goes with the module.

    Each tenant has partitions of its own, and every statement pays for every part there is. A mutation takes longest:
    the embedded engine needs some 0.15 s for each part of the table, whosever it is.
    """
    yield
    _empty()


@pytest.fixture
def small_engine() -> None:
    """Nothing of the module's earlier tests is stored: for a test that mutates often, after many that store."""
    _empty()


def _empty() -> None:
    for ch in _OPEN:
        for (table,) in ch.query(_FILLED).rows:
            ch.command("TRUNCATE TABLE {table:Identifier}", {"table": table})


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test uses."""
    return f"tenant-{next(_TENANTS)}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings on an empty data directory, with ports that the system picks."""
    return load_settings(data_dir=tmp_path / "data", http_port=0, otlp_grpc_port=0, otlp_http_port=0)


@pytest.fixture(scope="session")
def migrated_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty state database at the newest revision, to be copied."""
    settings = load_settings(data_dir=tmp_path_factory.mktemp("state"))
    database = open_state(settings)
    migrate_state(database)
    database.close()
    return settings.data_dir / "state.db"


@pytest.fixture
def state(settings: Settings, migrated_state: Path) -> Iterator[StateDb]:
    """A fresh state database at the newest revision."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    shutil.copy(migrated_state, settings.data_dir)
    database = open_state(settings)
    yield database
    database.close()


@pytest.fixture
def clock() -> ManualClock:
    """Monday, 2 March 2026, nine in the morning, UTC."""
    return ManualClock(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
