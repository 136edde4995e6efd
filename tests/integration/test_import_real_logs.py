"""Event logs that other people made, from the file to the summary, against answers computed by independent code.

The files and the check live beside the repository (`shared/`, or where OPSINTEL_SHARED points) and are not part of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from collector import Collector
from collector.importers import ColumnMapping, ImportReport, import_file, log_sink
from core import Settings, SystemClock
from kpis.process import process_summary
from storage import ClickHouse, SegmentMeta, Signal, StateDb

pytestmark = pytest.mark.acceptance

GIVEN = os.environ.get("OPSINTEL_SHARED", "")
"""Read when the tests are collected: the fixtures clear such variables."""

XES = {"case": "case:concept:name", "activity": "concept:name", "timestamp": "time:timestamp"}
OLIST = [f"order_{what}" for what in ("purchase_timestamp", "approved_at", "delivered_carrier_date")]


def exploded(kind: str) -> dict[str, Any]:
    return {
        "columns": {"activity": "ocel:activity", "timestamp": "ocel:timestamp", "amount": "price"},
        "explode": {"column": f"ocel:type:{kind}"},
    }


LOGS: dict[str, dict[str, Any]] = {
    "running_example": {"columns": {**XES, "resource": "org:resource", "amount": "Costs"}},
    "helpdesk": {"columns": XES},
    "receipt": {"columns": XES},
    "bpic2012": {"columns": XES},
    "bpic2012_complete": {"columns": XES, "keep": [{"column": "lifecycle:transition", "equals": "COMPLETE"}]},
    "purchasing_example": {"columns": {**XES, "start": "start_timestamp", "resource": "org:resource"}},
    "olist_orders": {
        "columns": {"case": "order_id"},
        "wide": {"timestamps": [*OLIST, "order_delivered_customer_date"]},
    },
    "ocel_orders": exploded("orders"),
    "ocel_items": exploded("items"),
    "ocel_packages": exploded("packages"),
}


@pytest.fixture(scope="module")
def shared() -> Path:
    """The folder with the data and the checks."""
    root = Path(__file__).resolve().parents[2]
    places = [Path(GIVEN)] if GIVEN else [parent / "shared" for parent in root.parents]
    found = next((place for place in places if (place / "acceptance" / "check_process.py").is_file()), None)
    if found is None:
        pytest.skip(f"no shared/acceptance beside {root} or above it; set OPSINTEL_SHARED")
    return found


Import = Callable[[str], ImportReport]


@pytest.fixture
def import_log(shared: Path, clickhouse: ClickHouse, tenant: str, tmp_path: Path) -> Import:
    """Imports a log of LOGS under its own id as the stream, one insert a batch."""
    files = json.loads((shared / "data" / "answers.json").read_text())["process_logs"]
    segments = iter(range(1, 10_000))

    def run(log_id: str) -> ImportReport:
        def store(payload: bytes, items: int) -> None:
            clickhouse.insert_otlp(Signal.LOGS, payload, SegmentMeta(tenant, next(segments), 1_772_442_000 * 10**9))

        mapping = ColumnMapping.model_validate({"stream": log_id, **LOGS[log_id]})
        file = shared / "data" / files[log_id]["file"]
        return import_file(file, mapping, store, clock=SystemClock(), quarantine=tmp_path)

    return run


@pytest.mark.parametrize("log_id", LOGS)
def test_summary_is_right(
    shared: Path, import_log: Import, clickhouse: ClickHouse, tenant: str, tmp_path: Path, log_id: str
) -> None:
    report = import_log(log_id)
    summary = process_summary(clickhouse, tenant, log_id)
    assert (report.rejected, report.events, report.cases) == (0, summary.events, summary.cases)

    output = tmp_path / "summary.json"
    output.write_text(json.dumps(summary.to_json()))
    check = [sys.executable, shared / "acceptance" / "check_process.py", log_id, output, "--require-waiting"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" passed, 0 failed\n")


@pytest.mark.parametrize("log_id", ["running_example", "purchasing_example", "ocel_orders", "olist_orders"])
def test_importing_again_changes_nothing(import_log: Import, clickhouse: ClickHouse, tenant: str, log_id: str) -> None:
    first = import_log(log_id)
    once = process_summary(clickhouse, tenant, log_id)
    again = import_log(log_id)
    assert (again.source, again.events) == (first.source, first.events)
    assert process_summary(clickhouse, tenant, log_id) == once


def test_through_the_write_ahead_log(
    shared: Path, clickhouse: ClickHouse, state: StateDb, settings: Settings, tenant: str, tmp_path: Path
) -> None:
    """File, log, writer, engine: the ledger balances and the summary is the same as without the log."""
    clock = SystemClock()
    collector = Collector(settings, clock, clickhouse, state, CollectorRegistry())
    collector.start(None)
    try:
        mapping = ColumnMapping.model_validate({"stream": "tickets", **LOGS["helpdesk"]})
        sink = log_sink(collector.append, tenant, clock=clock)
        file = shared / "data" / "helpdesk" / "helpdesk.parquet"
        report = import_file(file, mapping, sink, clock=clock, quarantine=tmp_path)
        assert collector.flush()
        entry = collector.ledger.totals(tenant)[Signal.LOGS]
    finally:
        assert collector.stop()
    assert (entry.received, entry.stored, entry.quarantined, entry.pending) == (report.events, report.events, 0, 0)
    summary = process_summary(clickhouse, tenant, "tickets")
    assert (summary.cases, summary.events) == (report.cases, report.events) == (4_580, 21_348)
