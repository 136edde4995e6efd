"""Event logs that other people made, and how they are imported: as published, through the log, and twice.

Whether every answer about them is right: test_answers_on_real_logs.py.

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
from collector.importers import ColumnMapping, ImportReport, build_mapping, detect, import_file, log_sink
from core import Settings, SystemClock
from kpis.process import CaseJobs, ProcessSummary, process_summary
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


XES_LOGS: dict[str, tuple[str, dict[str, Any]]] = {"helpdesk": ("helpdesk/helpdesk.xes.gz", {})}
"""Files as they were published; the answers were computed from the same events in another format."""


@pytest.fixture(scope="module")
def shared() -> Path:
    """The folder with the data and the checks."""
    root = Path(__file__).resolve().parents[2]
    places = [Path(GIVEN)] if GIVEN else [parent / "shared" for parent in root.parents]
    found = next((place for place in places if (place / "acceptance" / "check_process.py").is_file()), None)
    if found is None:
        pytest.skip(f"no shared/acceptance beside {root} or above it; set OPSINTEL_SHARED")
    return found


Import = Callable[..., ImportReport]


def importer(shared: Path, clickhouse: ClickHouse, tenant: str, folder: Path) -> Import:
    """Imports a log of LOGS under its own id as the stream, one insert a batch."""
    files = json.loads((shared / "data" / "answers.json").read_text())["process_logs"]
    segments = iter(range(1, 10_000))

    def run(log_id: str, file: str = "", **options: Any) -> ImportReport:
        def store(payload: bytes, items: int) -> None:
            clickhouse.insert_otlp(Signal.LOGS, payload, SegmentMeta(tenant, next(segments), 1_772_442_000 * 10**9))

        path = shared / "data" / (file or files[log_id]["file"])
        if file:
            mapping = build_mapping(stream=log_id, kind=detect(path), **options)
        else:
            mapping = ColumnMapping.model_validate({"stream": log_id, **LOGS[log_id], **options})
        return import_file(path, mapping, store, clock=SystemClock(), quarantine=folder)

    return run


@pytest.fixture
def import_log(shared: Path, clickhouse: ClickHouse, tenant: str, tmp_path: Path) -> Import:
    """Imports for this test's tenant."""
    return importer(shared, clickhouse, tenant, tmp_path)


def checked(shared: Path, tmp_path: Path, log_id: str, summary: ProcessSummary) -> None:
    """Passes when every number is the right one."""
    output = tmp_path / "summary.json"
    output.write_text(json.dumps(summary.to_json()))
    check = [sys.executable, shared / "acceptance" / "check_process.py", log_id, output, "--require-waiting"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" passed, 0 failed\n")


def summed(ch: ClickHouse, tenant: str, stream: str) -> ProcessSummary:
    """The summary, with the cases up to date."""
    CaseJobs(ch, SystemClock()).run_once(tenant, stream)
    return process_summary(ch, tenant, stream)


@pytest.mark.parametrize("log_id", XES_LOGS)
def test_summary_of_xes_is_right(
    shared: Path, import_log: Import, clickhouse: ClickHouse, tenant: str, tmp_path: Path, log_id: str
) -> None:
    file, options = XES_LOGS[log_id]
    report = import_log(log_id, file, **options)
    summary = summed(clickhouse, tenant, log_id)
    assert (report.rejected, report.events, report.cases) == (0, summary.events, summary.cases)
    checked(shared, tmp_path, log_id, summary)


def test_relations_of_a_flattened_log_are_whole(
    shared: Path, import_log: Import, clickhouse: ClickHouse, tenant: str
) -> None:
    """However many cases an event is in, it touches each of its objects once; every kind of case gives the same."""
    answer = {"events": 22_367, "relations": 38_685, "items": 8_159, "orders": 2_000, "packages": 1_325}
    kinds = ("items", "orders", "packages")
    sql = (
        "SELECT uniqExact(EventId), count(), uniqExactIf(ObjectId, ObjectType = 'items'),"
        " uniqExactIf(ObjectId, ObjectType = 'orders'), uniqExactIf(ObjectId, ObjectType = 'packages')"
        " FROM event_objects FINAL WHERE TenantId = {t:String} AND Stream = 'ocel_items'"
    )
    objects = {kind: f"ocel:type:{kind}" for kind in kinds}
    for _ in range(2):
        import_log("ocel_items", objects=objects)
        assert dict(zip(answer, clickhouse.query(sql, {"t": tenant}).rows[0], strict=True)) == answer


@pytest.mark.parametrize("file", ["ocel/ocel20_example.jsonocel", "ocel/ocel20_example.sqlite"])
def test_an_object_centric_log_is_whole(
    shared: Path, import_log: Import, clickhouse: ClickHouse, tenant: str, file: str
) -> None:
    """Events, objects, relations and changes as the format's own example has them, whichever object is the case."""
    for kind, cases in (("Invoice", 3), ("Purchase Order", 2)):
        report = import_log(kind, file, case_object=kind, timezone="Europe/Berlin")
        assert (report.rejected, report.objects, report.cases) == (0, 9, cases)
        found = []
        for sql in (
            "SELECT count(), uniqExact(EventId), uniqExact(ObjectId), uniqExact(ObjectType), uniqExact(Step)"
            " FROM event_objects FINAL WHERE TenantId = {t:String} AND Stream = {s:String}",
            "SELECT count() FROM object_relations FINAL WHERE TenantId = {t:String} AND Stream = {s:String}",
            "SELECT uniqExact(ObjectId), countIf(Name = ''), countIf(Name = 'is_blocked'), countIf(Value = '600')"
            " FROM object_attributes FINAL WHERE TenantId = {t:String} AND Stream = {s:String}",
        ):
            found += clickhouse.query(sql, {"t": tenant, "s": kind}).rows
        assert found[:2] == [(20, 13, 9, 4, 8), (7,)]
        assert found[2][0] == 9
        assert found[2][2:] == (5, 1)


@pytest.mark.parametrize("log_id", ["running_example", "purchasing_example", "ocel_orders", "olist_orders"])
def test_importing_again_changes_nothing(import_log: Import, clickhouse: ClickHouse, tenant: str, log_id: str) -> None:
    first = import_log(log_id)
    once = summed(clickhouse, tenant, log_id)
    again = import_log(log_id)
    assert (again.source, again.events) == (first.source, first.events)
    assert summed(clickhouse, tenant, log_id) == once


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
    summary = summed(clickhouse, tenant, "tickets")
    assert (summary.cases, summary.events) == (report.cases, report.events) == (4_580, 21_348)
