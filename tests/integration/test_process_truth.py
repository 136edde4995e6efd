"""What is read from `cases`: which cases a filter chooses, and input that nobody wants."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from collector.importers import ColumnMapping, import_file
from core import SystemClock
from core.errors import NotFound
from kpis.process import cases as case_jobs
from kpis.process import filters
from kpis.process.cases import CaseJobs
from kpis.process.filters import CaseFilter
from kpis.process.process_map import process_map
from kpis.process.summary import process_summary, rework_by_step, totals_of_cases
from kpis.process.variants import variants
from storage import ClickHouse, SegmentMeta, Signal
from tests.unit.kpis_process.conftest import event, insert

__all__ = ["event", "insert"]


@pytest.fixture
def jobs(clickhouse: ClickHouse) -> CaseJobs:
    return CaseJobs(clickhouse, SystemClock(), settled=timedelta(0))


# --- which cases ---

Insert = Callable[..., None]


def test_the_filter_decides_which_cases_are_summed_up(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    insert([event("1", "a", 3, start=0), event("1", "b", 10), event("2", "a", 1, start=0), event("2", "a", 30)])
    jobs.run_once(tenant)
    whole = process_summary(clickhouse, tenant, "s")
    assert (whole.cases, whole.events, whole.rework_cases) == (2, 4, 1)
    assert rework_by_step(clickhouse, tenant, "s") == {"a": 1}
    one = process_summary(clickhouse, tenant, "s", CaseFilter(contains=["b"]))
    assert (one.cases, one.events, one.rework_cases, one.case_median_s) == (1, 2, 0, 10.0)
    assert [(v.activities, v.count) for v in one.variants] == [(("a", "b"), 1)]
    assert one.working_waiting is not None
    assert (one.working_waiting.working_s, one.working_waiting.unknown_s, one.working_waiting.cycle_s) == (3, 7, 10)


def test_nothing_found_says_why(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    with pytest.raises(NotFound, match="there are no process events yet"):
        process_summary(clickhouse, tenant, "s")
    insert([event("1", "a", 0)])
    with pytest.raises(NotFound, match="no cases of the stream 's' have been made yet"):
        process_summary(clickhouse, tenant, "s")
    jobs.run_once(tenant)
    with pytest.raises(NotFound, match="no events of the stream 'x'; the streams are s"):
        process_summary(clickhouse, tenant, "x")


def test_a_filter_that_matches_nothing_gives_an_empty_summary(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    insert([event("1", "a", 3, start=0), event("1", "b", 9, start=5)])
    jobs.run_once(tenant)
    nowhere = CaseFilter(contains=["z"])
    assert process_summary(clickhouse, tenant, "s", nowhere).to_json() == {
        "stream": "s", "cases": 0, "events": 0, "activities": 0, "rework_cases": 0, "first": None, "data_through": None,
        "case_duration_s": {"median": None, "mean": None, "p90": None}, "variants": [], "edges": [],
    }  # fmt: skip
    assert rework_by_step(clickhouse, tenant, "s", nowhere) == {}


# --- input that nobody wants ---


def case_of(ch: ClickHouse, tenant: str, case: str = "1") -> dict[str, Any]:
    sql = "SELECT * FROM cases FINAL WHERE TenantId = {t:String} AND CaseId = {c:String}"
    return ch.query(sql, {"t": tenant, "c": case}).dicts()[0]


def test_a_case_of_one_event(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs) -> None:
    """It takes no time, has no transition, is open, and nothing is known of its work."""
    insert([event("1", "a", 5)])
    jobs.run_once(tenant)
    found = process_map(clickhouse, tenant, "s")
    assert (found.cases, found.events, found.transitions) == (1, 1, ())
    assert [(one.step, one.starts, one.ends, one.timed, one.working) for one in found.steps] == [("a", 1, 1, 0, None)]
    summary = process_summary(clickhouse, tenant, "s")
    assert (summary.case_median_s, summary.case_p90_s, summary.edges, summary.working_waiting) == (0, 0, (), None)
    row = case_of(clickhouse, tenant)
    assert (row["Outcome"], row["ClosedAt"], row["Resources"]) == ("", None, [""])


def test_equal_times_are_ordered_by_sequence_then_by_id(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    insert(
        [
            event("1", "c", 5, seq=2, event_id="x"),
            event("1", "b", 5, seq=1, event_id="z"),
            event("1", "a", 5, seq=1, event_id="y"),
        ]
    )
    jobs.run_once(tenant)
    row = case_of(clickhouse, tenant)
    assert row["Steps"] == ["a", "b", "c"]
    assert (row["Duration"], row["Unknown"]) == (0, 0)
    assert all(one.gap.median_s == 0 for one in process_map(clickhouse, tenant, "s").transitions)


@pytest.mark.parametrize(
    ("events", "steps", "seconds"),
    [
        pytest.param([("a", 5, 10)], ["a"], (0, 0, 0, 0), id="alone: it takes no time"),
        pytest.param([("a", 5, 10), ("b", 20, None)], ["a", "b"], (10, 0, 0, 10), id="first: it begins there"),
        pytest.param([("a", 0, None), ("b", 5, 10)], ["a", "b"], (5, 10, 0, 0), id="last: its end was told"),
        pytest.param([("a", 4, 0), ("b", 1, 3), ("c", 9, 6)], ["a", "b", "c"], (9, 2, 7, 0), id="inside another step"),
    ],
)  # fmt: skip
def test_an_end_before_its_start(
    clickhouse: ClickHouse,
    tenant: str,
    insert: Insert,
    event: Any,
    jobs: CaseJobs,
    events: Any,
    steps: Any,
    seconds: Any,
) -> None:
    """Such a step ends where it begins for the time before it; the case lasts to the last end that was told.

    `seconds`: duration, waiting, working, unknown; they add up but where the case's last step is such a step.
    """
    insert([event("1", step, at, start=start) for step, at, start in events])
    jobs.run_once(tenant)
    row = case_of(clickhouse, tenant)
    assert row["Steps"] == steps
    assert tuple(row[name] / 1e9 for name in ("Duration", "Waiting", "Working", "Unknown")) == seconds
    assert row["Waiting"] + row["Working"] + row["Unknown"] >= row["Duration"]
    assert all(one.gap.median_s >= 0 for one in process_map(clickhouse, tenant, "s").transitions)


def test_time_zones_may_be_mixed(clickhouse: ClickHouse, tenant: str, tmp_path: Path, jobs: CaseJobs) -> None:
    """Offsets count; a time without one is UTC. In the order of the clock on the wall it would be b, a, c."""
    file = tmp_path / "mixed.csv"
    file.write_text(
        "case,step,at,who\n"
        "1,b,2026-03-01T10:00:00+02:00,ann\n"
        "1,a,2026-03-01T12:59:59+05:00,\n"
        "1,c,2026-03-01 08:00:01,bob\n"
    )
    columns = {"case": "case", "activity": "step", "timestamp": "at", "resource": "who"}
    mapping = ColumnMapping.model_validate({"stream": "zones", "columns": columns})

    def store(payload: bytes, items: int) -> None:
        clickhouse.insert_otlp(Signal.LOGS, payload, SegmentMeta(tenant, 77, 1_772_442_000 * 10**9))

    report = import_file(file, mapping, store, clock=SystemClock(), quarantine=tmp_path)
    assert (report.events, report.rejected) == (3, 0)
    jobs.run_once(tenant)
    row = case_of(clickhouse, tenant)
    assert row["Steps"] == ["a", "b", "c"]
    assert row["Duration"] == 2 * 10**9
    assert row["Resources"] == ["", "ann", "bob"], "who did it is not known of the first"


def test_a_renamed_step(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs) -> None:
    """The same event told again under another name takes the new one; a name that changes in time makes two steps."""
    insert([event("1", "pick", 5, seq=1, event_id="x"), event("2", "pick", 5, seq=1, event_id="y")])
    jobs.run_once(tenant)
    insert([event("1", "picking", 5, seq=1, event_id="x")])
    jobs.run_once(tenant)
    assert case_of(clickhouse, tenant, "1")["Steps"] == ["picking"]
    assert {one.step: one.count for one in process_map(clickhouse, tenant, "s").steps} == {"pick": 1, "picking": 1}


MILLION = 1_000_000
MADE = """
INSERT INTO process_events (TenantId, Stream, CaseId, Timestamp, Seq, EventId, Step, EventName, StartTime, Attributes,
    ReceivedAt, SegmentId)
SELECT {tenant:String}, 'big', 'one', toDateTime64('2026-01-01 00:00:00', 9, 'UTC') + number, number,
    toString(cityHash64(number)), concat('step-', toString(number % 7)) AS Name, Name,
    if(number % 2 = 0, addMilliseconds(toDateTime64('2026-01-01 00:00:00', 9, 'UTC'), number * 1000 - 500), NULL),
    map('retail.channel', toString(number)), now64(9), 1
FROM numbers({events:UInt64})
"""


def test_a_case_of_a_million_events_within_bounded_memory(
    clickhouse: ClickHouse, tenant: str, jobs: CaseJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other event began half a second before it ended, half a second after the one before."""
    for limits, gib in ((case_jobs.LIMITS, 2), (filters.LIMITS, 1)):
        monkeypatch.setitem(limits, "max_memory_usage", gib << 30)  # type: ignore[arg-type]
    clickhouse.command(MADE, {"tenant": tenant, "events": MILLION})
    assert jobs.run_once(tenant).cases == 1
    found = process_map(clickhouse, tenant, "big")
    assert (found.cases, found.events, len(found.steps), len(found.transitions)) == (1, MILLION, 7, 7)
    assert sum(one.count for one in found.transitions) == MILLION - 1
    assert {one.cases for one in found.transitions} == {1}
    totals = totals_of_cases(clickhouse, tenant, "big")
    assert (totals.rework_cases, totals.started_events) == (1, MILLION // 2)
    assert totals.cycle_s == MILLION - 0.5
    assert totals.working_s == MILLION // 4
    assert totals.unknown_s == MILLION // 2
    assert variants(clickhouse, tenant, "big").total == 1


def test_a_stream_is_not_made_anew_because_it_was_quiet(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """The mark follows while nothing comes: one that is left behind means that nobody looked."""
    insert([event("1", "a", 0)])
    assert jobs.run_once(tenant).rebuilt == 1
    named = {"t": tenant}
    clickhouse.command(
        "INSERT INTO case_marks (TenantId, Stream, Model, Through, Taken, Version)"
        " SELECT TenantId, Stream, Model, Through - INTERVAL 30 HOUR, Taken, Version + 1"
        " FROM case_marks FINAL WHERE TenantId = {t:String}",
        named,
    )
    report = jobs.run_once(tenant)
    assert (report.streams, report.rebuilt, report.cases) == (1, 0, 0)
    late = "SELECT dateDiff('hour', Through, now64(3)) FROM case_marks FINAL WHERE TenantId = {t:String}"
    assert clickhouse.query(late, named).scalar() == 0


def test_many_touched_cases_are_made_range_by_range(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at once; each touched one is made once, the others stay what they were."""
    monkeypatch.setattr(case_jobs, "CASES_AT_ONCE", 2)
    insert(event(case, "a", 0, event_id=f"a{case}") for case in "1234567")
    jobs.run_once(tenant)
    insert(event(case, "b", 5, event_id=f"b{case}") for case in "12357")
    assert jobs.run_once(tenant).cases == 5
    found = {case: case_of(clickhouse, tenant, case)["Steps"] for case in "1234567"}
    assert found == {case: ["a"] if case in "46" else ["a", "b"] for case in "1234567"}
