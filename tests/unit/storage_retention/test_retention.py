"""Retention on the real engine: what is in force, what goes, what stays, and who is told."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from core import Conflict, InvalidInput, ManualClock, StoreUnavailable
from storage import ClickHouse, StateDb
from storage.retention import EVERYBODY, RETAINED, Dataset, Retention
from storage.retention import service as service_module
from storage.retention.partitions import list_partitions
from storage.state.retention_tables import RETENTION_DROPS
from tests.support.examples import examples

DAY = timedelta(days=1)


def spans(ch: ClickHouse, tenant: str, *times: datetime, received: datetime | None = None, **more: object) -> None:
    """One span at each time, received at once unless said otherwise."""
    columns = ["TenantId", "Timestamp", "ReceivedAt", "TraceId", "SpanId", *more]
    rows = [
        (tenant, at, received or at, f"{index:032x}", "a" * 16, *more.values()) for index, at in enumerate(times, 1)
    ]
    ch.insert_rows("otel_traces", columns, rows)


def ages(ch: ClickHouse, table: str, column: str, tenant: str, now: datetime) -> list[float]:
    """How old the rows are, in days."""
    sql = "SELECT {c:Identifier} FROM {t:Identifier} WHERE TenantId = {tenant:String} ORDER BY 1 DESC"
    found = ch.query(sql, {"c": column, "t": table, "tenant": tenant}).rows
    return [round((now - at) / DAY, 3) for (at,) in found]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def retention(clickhouse: ClickHouse, state: StateDb, clock: ManualClock, registry: CollectorRegistry) -> Retention:
    return Retention(clickhouse, state, clock, registry)


def test_every_table_with_a_tenant_in_its_partitions_is_retained(clickhouse: ClickHouse) -> None:
    """Else it would grow for ever."""
    sql = "SELECT name FROM system.tables WHERE database = {d:String} AND partition_key LIKE '%TenantId%'"
    found = {name for (name,) in clickhouse.query(sql, {"d": clickhouse.database}).rows}
    assert found == {one.name for one in RETAINED}


def test_a_table_of_telemetry_is_partitioned_by_tenant(clickhouse: ClickHouse) -> None:
    """Left out: what the migrations and the case jobs note for themselves, and drop themselves."""
    sql = (
        "SELECT name FROM system.tables WHERE database = {d:String} AND engine LIKE '%MergeTree'"
        " AND name NOT IN ('schema_migrations', 'case_changes', 'case_marks', 'trace_arrivals', 'resolution_marks',"
        " 'flattened_streams', 'kpi_marks', 'kpi_batch', 'record_changes') AND partition_key NOT LIKE '(TenantId, %'"
    )
    assert clickhouse.query(sql, {"d": clickhouse.database}).rows == []


def test_days_outside_the_window_go_and_nothing_else_does(
    clickhouse: ClickHouse, retention: Retention, clock: ManualClock, tenant: str
) -> None:
    now = clock.now()
    spans(clickhouse, tenant, *(now - days * DAY for days in (0, 3, 7, 8.5, 9, 29)))
    spans(clickhouse, tenant + "-other", now - 29 * DAY)
    retention.policies.set(tenant, Dataset.TRACES, 7, "ada")
    retention.policies.set(tenant + "-other", Dataset.TRACES, None, "ada")
    dry = retention.run(tenant, dry_run=True)
    assert ages(clickhouse, "otel_traces", "Timestamp", tenant, now) == [0, 3, 7, 8.5, 9, 29]
    report = retention.run(tenant)
    assert [one.partition.name for one in report.dropped] == [one.partition.name for one in dry.dropped]
    assert ages(clickhouse, "otel_traces", "Timestamp", tenant, now) == [0, 3, 7]
    assert ages(clickhouse, "otel_traces", "Timestamp", tenant + "-other", now) == [29]
    assert report.rows == 3
    assert report.bytes > 0
    assert retention.run(tenant).dropped == ()


def test_a_look_up_goes_after_what_it_points_to(
    clickhouse: ClickHouse, retention: Retention, clock: ManualClock, tenant: str
) -> None:
    now = clock.now()
    retail = {"Stream": "order-to-cash", "CaseId": "SO-1"}
    spans(clickhouse, tenant, *(now - days * DAY for days in (0, 20, 70)), **retail)
    spans(clickhouse, tenant, now - 150 * DAY, received=now, **retail)  # imported: history
    retention.policies.set(tenant, Dataset.TRACES, 7, "ada")
    retention.policies.set(tenant, Dataset.LOGS, 7, "ada")
    retention.run(tenant)
    assert ages(clickhouse, "otel_traces", "Timestamp", tenant, now) == [0, 150]
    assert ages(clickhouse, "otel_traces_trace_id_ts", "Start", tenant, now) == [0, 20, 150]  # February is not over yet
    assert ages(clickhouse, "case_index", "First", tenant, now) == [0, 20, 150]
    retention.policies.set(tenant, Dataset.HISTORY, 30, "ada")
    retention.run(tenant)
    assert ages(clickhouse, "otel_traces_trace_id_ts", "Start", tenant, now) == [0, 20]
    assert ages(clickhouse, "case_index", "First", tenant, now) == [0, 20]


def test_what_is_in_force_is_read_back_from_the_tables(
    clickhouse: ClickHouse, retention: Retention, clock: ManualClock, tenant: str
) -> None:
    now = clock.now()
    spans(clickhouse, tenant, now, now - 3 * DAY, now - 40 * DAY)
    found = {one.policy.dataset: one for one in retention.in_force(tenant)}
    traces = found[Dataset.TRACES]
    assert (traces.policy.days, traces.policy.source) == (30, "built-in")
    assert (traces.rows, traces.oldest, traces.newest) == (3, now - 40 * DAY, now)
    assert traces.overdue == 1
    assert traces.next_drop == datetime(2026, 3, 30, tzinfo=now.tzinfo)  # thirty days after the end of 27 February
    assert {one.table: one.rows for one in traces.tables} == {"otel_traces": 3, "otel_traces_trace_id_ts": 3}
    assert traces.bytes == sum(one.bytes for one in traces.tables) > 0
    assert found[Dataset.LOGS].oldest is None
    assert found[Dataset.EVENTS].policy.days is None


def test_policies_are_found_from_the_nearest(retention: Retention, clock: ManualClock, tenant: str) -> None:
    def of() -> tuple[int | None, str]:
        policy = retention.policies.read().of(tenant, Dataset.LOGS)
        return policy.days, policy.source

    assert of() == (30, "built-in")
    retention.policies.set(EVERYBODY, Dataset.LOGS, 14, "ada")
    assert of() == (14, "*")
    retention.policies.set(tenant, Dataset.LOGS, None, "ada")
    assert of() == (None, tenant)
    assert retention.policies.unset(tenant, Dataset.LOGS).source == "*"
    with pytest.raises(InvalidInput, match="1 to 36,500 days, got 0"):
        retention.policies.set(tenant, Dataset.LOGS, 0, "ada")
    assert of() == (14, "*")


def test_a_wish_can_be_tried_before_it_is_made(
    clickhouse: ClickHouse, retention: Retention, clock: ManualClock, tenant: str
) -> None:
    spans(clickhouse, tenant, clock.now(), clock.now() - 5 * DAY)
    assert [one.partition.rows for one in retention.would_drop(tenant, Dataset.TRACES, 2)] == [1]
    assert retention.policies.read().of(tenant, Dataset.TRACES).source == "built-in"


def test_every_drop_is_recorded_and_counted(
    clickhouse: ClickHouse, retention: Retention, registry: CollectorRegistry, clock: ManualClock, tenant: str
) -> None:
    at = clock.now() - 60 * DAY
    spans(clickhouse, tenant, at, at)
    retention.run(tenant)
    recorded = {str(one["table_name"]): one for one in retention.drops(tenant)}
    assert set(recorded) == {"otel_traces"}  # January's look-ups are inside the window until 2 March, midnight
    one = recorded["otel_traces"]
    assert (one["partition"], one["days"], one["rows"], one["oldest"]) == ("2026-01-01", 30, 2, at)
    assert registry.get_sample_value("opsintel_retention_dropped_rows_total", {"dataset": "traces"}) == 2
    assert registry.get_sample_value("opsintel_retention_dropped_partitions_total", {"dataset": "traces"}) == 1


def test_a_drop_that_fails_is_told_and_tried_again(
    clickhouse: ClickHouse,
    retention: Retention,
    state: StateDb,
    clock: ManualClock,
    tenant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spans(clickhouse, tenant, clock.now() - 60 * DAY)

    def failing(*_: object) -> None:
        raise StoreUnavailable("the engine is away")

    with monkeypatch.context() as patch:
        patch.setattr(service_module, "drop_partition", failing)
        report = retention.run(tenant)
    assert [why for _, why in report.failed] == ["the engine is away"]
    with state.connect() as connection:
        assert connection.execute(select(RETENTION_DROPS)).all() == []
    assert len(retention.run(tenant).dropped) == 1


def test_a_clock_that_jumps_drops_nothing(
    clickhouse: ClickHouse, state: StateDb, clock: ManualClock, tenant: str
) -> None:
    """The monotonic clock does not jump with the wall clock, and gives it away."""

    class Jumping(ManualClock):
        def monotonic(self) -> float:
            return 0.0

    jumping = Jumping(clock.now())
    retention = Retention(clickhouse, state, jumping)
    spans(clickhouse, tenant, clock.now())
    jumping.advance(400 * 86_400)
    with pytest.raises(Conflict, match=r"jumped by \+34,560,000 s"):
        retention.run(tenant)
    assert ages(clickhouse, "otel_traces", "Timestamp", tenant, clock.now()) == [0]
    assert len(retention.run(tenant).dropped) > 0  # it is no jump any more: the machine's time is what it is


@hypothesis_settings(
    max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_nothing_younger_than_the_wish_is_dropped_and_everything_older_is(
    clickhouse: ClickHouse, state: StateDb, clock: ManualClock, data: st.DataObject
) -> None:
    """On the engine, with rows that arrived in time; an age is in hours, so that days end in between."""
    hours = data.draw(st.lists(st.integers(0, 24 * 60), min_size=1, max_size=25))
    days = data.draw(st.integers(1, 60))
    tenant = f"property-{data.draw(st.uuids())}"
    retention, now = Retention(clickhouse, state, clock), clock.now()
    spans(clickhouse, tenant, *(now - timedelta(hours=age) for age in hours))
    retention.policies.set(tenant, Dataset.TRACES, days, "ada")
    retention.run(tenant)
    left = ages(clickhouse, "otel_traces", "Timestamp", tenant, now)
    expected = [age / 24 for age in hours]
    assert sum(age <= days for age in left) == sum(age <= days for age in expected)
    assert [age for age in left if age > days + 1] == []
    retention.policies.unset(tenant, Dataset.TRACES)
    for one in list_partitions(clickhouse, tenant):
        clickhouse.command(
            "ALTER TABLE {t:Identifier} DROP PARTITION ID {i:String}", {"t": one.table.name, "i": one.id}
        )
