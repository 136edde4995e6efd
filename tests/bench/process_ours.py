"""This product's side of the process benchmark: the engine with one log, its questions and its increments.

As a program it reads one JSON command a line and answers with one line, see `process_worker`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from collector.importers import ColumnMapping, import_file
from core import SystemClock, load_settings
from kpis.process.cases import CaseJobs
from kpis.process.filters import ask
from kpis.process.process_map import process_map
from kpis.process.summary import rework_by_step, totals_of_cases
from kpis.process.variants import variants
from storage import ClickHouse, SegmentMeta, Signal, migrate_clickhouse, open_clickhouse
from tests.bench.process_log import make_log
from tests.bench.process_worker import Answers, digest, serve

TENANT, STREAM = "bench", "orders"
XES = {"case": "case:concept:name", "activity": "concept:name", "timestamp": "time:timestamp"}
EXPORT = """
SELECT CaseId AS `case:concept:name`, toString(Step) AS `concept:name`, Timestamp AS `time:timestamp`{start}
FROM process_events FINAL
WHERE TenantId = {{tenant:String}} AND Stream = {{stream:String}}
ORDER BY Timestamp, Seq
"""
COLUMNS = """TenantId, Stream, CaseId, Timestamp, Seq, EventId, Step, EventName, StartTime, Resource, System, ActorType,
Quantity, Amount, Currency, CaseRule, TraceId, SpanId, Attributes, ReceivedAt, SegmentId"""
MORE_EVENTS = f"""
INSERT INTO process_events ({COLUMNS})
SELECT
    TenantId, Stream, CaseId, Last + toIntervalSecond({{round:UInt64}}),
    1000000 + {{days:UInt32}} + {{round:UInt64}} AS Seq,
    concat(CaseId, '-', toString(Seq)), 'Note added', 'Note added', NULL, '', 'erp', 'human', NULL, NULL, '',
    'business_key', '', '', map('retail.stream', toString(Stream), 'retail.case.id', CaseId), now64(9),
    900000 + {{days:UInt32}} + {{round:UInt64}}
FROM cases FINAL
WHERE TenantId = {{tenant:String}} AND Stream = {{stream:String}} AND Last > (
    SELECT max(Last) - toIntervalDay({{days:UInt32}}) FROM cases
    WHERE TenantId = {{tenant:String}} AND Stream = {{stream:String}})
ORDER BY cityHash64(CaseId, {{round:UInt64}})
LIMIT {{count:UInt64}}
"""
KINDS = {"recent": 30, "old": 36_500}
"""Cases in which something happened in the last days of the log."""
NEW_CASES = f"""
INSERT INTO process_events ({COLUMNS})
SELECT
    TenantId, Stream, lower(hex(sipHash128(CaseId, {{round:UInt64}}))), Timestamp, Seq, EventId, Step, EventName,
    StartTime, Resource, System, ActorType, Quantity, Amount, Currency, CaseRule, TraceId, SpanId, Attributes,
    now64(9), 800000 + {{round:UInt64}}
FROM process_events
WHERE TenantId = {{tenant:String}} AND Stream = {{stream:String}} AND CaseId IN (
    SELECT CaseId FROM cases FINAL
    WHERE TenantId = {{tenant:String}} AND Stream = {{stream:String}}
    ORDER BY cityHash64(CaseId, {{round:UInt64}})
    LIMIT {{count:UInt64}})
LIMIT {{count:UInt64}}
"""


class Worker:
    """The embedded engine with one log in it."""

    def __init__(self) -> None:
        self._ch: ClickHouse | None = None
        self._jobs: CaseJobs | None = None
        self._named = {"tenant": TENANT, "stream": STREAM}

    def open(self, folder: str) -> None:
        """Opens the engine on a folder, with the settings of a service that nobody has configured.

        But an increment is taken in once, however new: what came before it is not to be timed.
        """
        self._ch = open_clickhouse(load_settings(data_dir=Path(folder)))
        migrate_clickhouse(self._ch)
        self._jobs = CaseJobs(self._ch, SystemClock(), dict, settled=timedelta(0))

    def generate(self, events: int) -> dict[str, float]:
        """Makes a log of about so many events."""
        began = time.perf_counter()
        made = make_log(self._engine, TENANT, STREAM, events)
        return {"events": made, "seconds": time.perf_counter() - began}

    def take_in(self, file: str) -> dict[str, float]:
        """Imports an event log as `opsintel import` does."""
        segments = iter(range(1, 100_000))

        def store(payload: bytes, items: int) -> None:
            self._engine.insert_otlp(Signal.LOGS, payload, SegmentMeta(TENANT, next(segments), time.time_ns()))

        mapping = ColumnMapping.model_validate({"stream": STREAM, "columns": XES})
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as aside:
            report = import_file(Path(file), mapping, store, clock=SystemClock(), quarantine=Path(aside))
        return {"events": report.events, "seconds": time.perf_counter() - began}

    def export(self, file: str, starts: bool) -> None:
        """Writes what pm4py reads; events in the order of their time."""
        start = ", coalesce(StartTime, Timestamp) AS start_timestamp" if starts else ""
        self._engine.command(
            f"INSERT INTO FUNCTION file('{file}', 'Parquet') {EXPORT.format(start=start)}",
            self._named,
            {"max_bytes_before_external_sort": 1 << 30, "engine_file_truncate_on_insert": 1},
        )

    def make_cases(self) -> dict[str, float]:
        """The case jobs' first run: all cases from all events."""
        began = time.perf_counter()
        report = self._cases.run_once(TENANT, STREAM)
        return {"cases": report.cases, "seconds": time.perf_counter() - began}

    def increment(self, kind: str, round: int, count: int) -> dict[str, float]:
        """The case jobs' run after `count` new events, on new cases or one each on such cases picked at random."""
        params = {**self._named, "round": round, "count": count}
        if kind == "new":
            self._engine.command(NEW_CASES, params)
        else:
            self._engine.command(MORE_EVENTS, {**params, "days": KINDS[kind]})
        began = time.perf_counter()
        report = self._cases.run_once(TENANT, STREAM)
        return {"cases": report.cases, "rebuilt": report.rebuilt, "seconds": time.perf_counter() - began}

    def size(self) -> dict[str, float]:
        """Mebibytes on disk, by table."""
        rows = self._engine.query(
            "SELECT table, sum(bytes_on_disk) / 1048576 FROM system.parts WHERE active"
            " AND database = currentDatabase() AND table IN ('process_events', 'cases') GROUP BY table"
        ).rows
        return {str(table): float(size) for table, size in rows}

    def answers(self) -> Answers:
        """Everything, to be compared."""
        found = process_map(self._engine, TENANT, STREAM)
        totals = totals_of_cases(self._engine, TENANT, STREAM)
        sequences = ask(self._engine, "summary_variants", TENANT, STREAM).rows
        return Answers(
            cases=found.cases,
            events=found.events,
            edges={
                f"{one.from_step} > {one.to_step}": (one.count, one.gap.mean_s, one.gap.median_s)
                for one in found.transitions
            },
            starts={one.step: one.starts for one in found.steps if one.starts},
            ends={one.step: one.ends for one in found.steps if one.ends},
            variants=len(sequences),
            sequences=digest(sequences),
            durations={"median": totals.median_s, "mean": totals.mean_s, "p90": totals.p90_s},
            rework=dict(rework_by_step(self._engine, TENANT, STREAM)),
        )

    def questions(self) -> dict[str, Callable[[], Any]]:
        """What is timed, by name."""
        return {
            "map": lambda: process_map(self._engine, TENANT, STREAM),
            "variants": lambda: variants(self._engine, TENANT, STREAM),
            "durations": lambda: totals_of_cases(self._engine, TENANT, STREAM),
            "rework": lambda: rework_by_step(self._engine, TENANT, STREAM),
        }

    @property
    def _engine(self) -> ClickHouse:
        assert self._ch, "open comes first"
        return self._ch

    @property
    def _cases(self) -> CaseJobs:
        assert self._jobs, "open comes first"
        return self._jobs


if __name__ == "__main__":
    serve(Worker(), sys.stdin)
