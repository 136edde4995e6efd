"""Cases in the engine: made anew as a whole, whatever the order, number and lateness of events; then against a plain
oracle on random histories."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import SystemClock
from kpis.process.cases import CaseJobs
from kpis.process.streams import parse_streams
from storage import ClickHouse, migrate_clickhouse
from tests.support.examples import examples

Insert = Callable[..., None]
EXAMPLES = itertools.count(1)
STREAMS = parse_streams('[s]\nowner = "erp"\nterminal = ["done"]\nvalue = ["a"]\ndetails = ["fact"]\n')


@pytest.fixture
def jobs(clickhouse: ClickHouse) -> CaseJobs:
    return CaseJobs(clickhouse, SystemClock(), lambda: STREAMS, settled=timedelta(0))


def cases(ch: ClickHouse, tenant: str) -> dict[str, dict[str, Any]]:
    rows = ch.query("SELECT * FROM cases FINAL WHERE TenantId = {t:String}", {"t": tenant}).dicts()
    return {row["CaseId"]: row for row in rows}


def told(row: dict[str, Any]) -> dict[str, Any]:
    """A case without what differs from run to run."""
    return {name: value for name, value in row.items() if name not in ("Version", "Model")}


def test_a_case_holds_its_steps_in_order_with_their_times(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """Working 2 s and 3 s (one of the second's four is covered), waiting 5 s, 4 s before an instant event unknown."""
    insert(
        [
            event("1", "a", 2, start=0, amount="10.50"),
            event("1", "b", 11, start=7),
            event("1", "c", 12, start=9),
            event("1", "fact", 13, amount="999"),
            event("1", "done", 16),
        ]
    )
    report = jobs.run_once(tenant)
    assert (report.streams, report.rebuilt, report.cases) == (1, 1, 1)
    found = cases(clickhouse, tenant)["1"]
    assert found["Steps"] == ["a", "b", "c", "done"], "a detail is no step"
    assert [second / 1e9 for second in found["Works"]] == [2, 4, 1, 0]
    assert [second / 1e9 for second in found["Waits"]] == [0, 5, 0, 0]
    assert [second / 1e9 for second in found["Unknowns"]] == [0, 0, 0, 4]
    assert found["Working"] + found["Waiting"] + found["Unknown"] == found["Duration"] == 16 * 10**9
    assert found["Touch"] == 9 * 10**9
    assert (found["Outcome"], found["LastStep"], found["Rework"]) == ("done", "done", 0)
    assert (str(found["Value"]), found["Currency"]) == ("10.5000", "EUR")


def test_late_and_repeated_events_change_only_their_case(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    insert([event("1", "a", 0), event("1", "c", 20), event("2", "a", 5)])
    jobs.run_once(tenant)
    before = cases(clickhouse, tenant)
    insert([event("1", "b", 10, seq=9, event_id="late")])
    assert jobs.run_once(tenant).cases == 1
    after = cases(clickhouse, tenant)
    assert after["1"]["Steps"] == ["a", "b", "c"]
    assert after["2"] == before["2"], "not even its version"
    insert([event("1", "b", 10, seq=9, event_id="late")])
    jobs.run_once(tenant)
    assert told(cases(clickhouse, tenant)["1"]) == told(after["1"])
    assert jobs.run_once(tenant).cases == 0


def test_a_note_that_is_seen_before_its_events_is_looked_at_again(clickhouse: ClickHouse) -> None:
    """The tables of one insert become visible one after the other; which one first is for the engine to decide."""
    ch = ClickHouse(clickhouse._dsn, "one_after_the_other", inserts=1)
    migrate_clickhouse(ch)
    jobs, when = CaseJobs(ch, SystemClock(), lambda: STREAMS), datetime(2026, 3, 1, tzinfo=UTC)
    known = ("TenantId", "Stream", "CaseId", "Timestamp", "Seq", "EventId", "Step", "EventName", "SegmentId")
    ch.insert_rows("process_events", known, [("t", "s", "1", when, 1, "e1", "a", "a", 1)])
    jobs.run_once("t")
    ch.command("DROP VIEW case_changes_mv")
    ch.command(
        "INSERT INTO case_changes (TenantId, Stream, CaseId, SegmentId, InsertedAt, Earliest)"
        " SELECT 't', 's', '1', 2, now64(3, 'UTC'), toDateTime64('2026-03-02 00:00:00', 9)"
    )
    jobs.run_once("t")
    ch.insert_rows("process_events", known, [("t", "s", "1", when + timedelta(days=1), 2, "e2", "b", "b", 2)])
    assert jobs.run_once("t").cases == 1
    assert cases(ch, "t")["1"]["Steps"] == ["a", "b"]
    ch.command("DROP DATABASE one_after_the_other")
    ch.close()


def test_a_process_that_begins_takes_nothing_in_once_more(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """A command after an import does not make all of its cases again, which the run before has made."""
    insert([event("1", "a", 0)])
    jobs.run_once(tenant)
    insert([event("2", "a", 0, event_id="more")])
    assert jobs.run_once(tenant).cases == 1

    def another() -> CaseJobs:
        return CaseJobs(clickhouse, SystemClock(), lambda: STREAMS, settled=timedelta(0))

    assert another().run_once(tenant).cases == 0
    insert([event("1", "b", 5, event_id="late")])
    assert another().run_once(tenant).cases == 1
    assert cases(clickhouse, tenant)["1"]["Steps"] == ["a", "b"]


def test_another_model_makes_all_cases_anew(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    insert([event("1", "a", 0), event("1", "b", 10)])
    jobs.run_once(tenant)
    assert cases(clickhouse, tenant)["1"]["Outcome"] == ""
    changed = parse_streams('[s]\nowner = "erp"\nterminal = ["b"]\n')
    report = CaseJobs(clickhouse, SystemClock(), lambda: changed).run_once(tenant)
    assert report.rebuilt == 1
    assert cases(clickhouse, tenant)["1"]["Outcome"] == "b"


def test_a_late_event_meets_all_earlier_ones_however_far_back_they_are(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any, jobs: CaseJobs
) -> None:
    """Forty cases a month apart, then one event more for each: some are made apart, none loses what it had."""
    insert([event(f"{n:02}", "a", n * 30 * DAY, start=n * 30 * DAY + 5) for n in range(40)])
    jobs.run_once(tenant)
    insert([event(f"{n:02}", "b", 2000 * DAY) for n in range(40)] + [event("39", "0", -3000 * DAY)])
    assert jobs.run_once(tenant).cases == 40
    found = cases(clickhouse, tenant)
    assert [found[f"{n:02}"]["Steps"] for n in range(40)] == [["a", "b"]] * 39 + [["0", "a", "b"]]


DAY = 86_400
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "3"]),
        st.sampled_from("abc"),
        st.integers(0, 30),
        st.none() | st.integers(-3, 5),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=12,
)


@given(EVENTS, st.randoms(use_true_random=False), st.sampled_from([1, 20 * DAY]))
@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_case_made_piece_by_piece_equals_the_oracle(
    clickhouse: ClickHouse,
    tenant: str,
    insert: Insert,
    event: Any,
    log: Any,
    chance: random.Random,
    unit: int,
) -> None:
    """Shuffled, cut in pieces, one piece sent twice, a run after each; within a minute, or over many months."""
    jobs = CaseJobs(clickhouse, SystemClock(), lambda: STREAMS, settled=timedelta(0), apart=1)
    stream = f"s-{next(EXAMPLES)}"
    events = [
        event(case, step, at * unit, start=None if took is None else (at - took) * unit, seq=seq, event_id=f"e{place}")
        for place, (case, step, at, took, seq) in enumerate(log)
    ]
    shuffled = chance.sample(events, len(events))
    cut = chance.randint(0, len(shuffled))
    for piece in (shuffled[:cut], shuffled[cut:], shuffled[: cut // 2 + 1]):
        if piece:
            insert(piece, stream=stream)
            jobs.run_once(tenant, stream)
    rows = clickhouse.query(
        "SELECT * FROM cases FINAL WHERE TenantId = {t:String} AND Stream = {s:String}", {"t": tenant, "s": stream}
    ).dicts()
    assert {row["CaseId"]: parts(row) for row in rows} == oracle(events)


def parts(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["Steps"], *([value / 1e9 for value in row[name]] for name in ("Waits", "Works", "Unknowns")))


def oracle(events: list[Any]) -> dict[str, tuple[Any, ...]]:
    """Interval by interval, as the definitions say it."""
    grouped: dict[str, list[Any]] = defaultdict(list)
    for one in events:
        grouped[one.case].append(one)
    found = {}
    for case, own in grouped.items():
        own.sort(key=lambda e: (e.at if e.start is None else e.start, e.at, e.seq, e.event_id))
        covered: float | None = None
        waits, works, unknowns = [], [], []
        for one in own:
            began = one.at if one.start is None else one.start
            reached = began if covered is None else covered
            gap, known = max(0.0, began - reached), one.start is not None
            waits.append(gap if known else 0.0)
            unknowns.append(0.0 if known else gap)
            works.append(max(0.0, one.at - max(began, reached)) if known else 0.0)
            covered = max(reached, began, one.at)
        found[case] = ([one.step for one in own], waits, works, unknowns)
    return found
