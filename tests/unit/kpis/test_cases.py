"""The scenario files: what arrives when, and what the KPIs then say. Each file is one story; its head says why."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core import ManualClock
from kpis import KpiJobs
from storage import ClickHouse
from tests.unit.kpis.events import headline_kpis
from tests.unit.kpis.scenario import play

CASES = sorted((Path(__file__).parent / "cases").glob("*.case"))
ONE_OF_EACH = ("correction", "integrations", "late_return")
"""Each of the KPIs has a story here; whatever else may come a new process meets in `test_recompute`."""


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_case(file: Path, clickhouse: ClickHouse, tenant: str) -> None:
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    assert play(file, clickhouse, tenant, clock, KpiJobs(clickhouse, clock, headline_kpis(), [tenant])) > 4


@pytest.mark.parametrize("file", [file for file in CASES if file.stem in ONE_OF_EACH], ids=lambda file: file.stem)
def test_case_with_a_new_process_for_every_run(file: Path, clickhouse: ClickHouse, tenant: str) -> None:
    """Nothing that matters is kept in memory."""
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))

    class Forgetful(KpiJobs):
        def run_once(self):  # type: ignore[no-untyped-def]
            return KpiJobs(clickhouse, clock, headline_kpis(), [tenant]).run_once()

    assert play(file, clickhouse, tenant, clock, Forgetful(clickhouse, clock, headline_kpis(), [tenant])) > 4
