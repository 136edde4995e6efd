"""The ledger against the tables, on the real engine: what does not balance is found, named, told and taken back."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import CollectorRegistry

from alerts import open_alerts
from collector.balance import GRACE_S, RECHECK_S, LedgerBalance
from collector.ledger import Ledger, LedgerKey, Outcome, hour_of
from control import OutboundHttp
from core import DEFAULT_TENANT, ManualClock, load_settings
from storage import ClickHouse, SegmentMeta, Signal, StateDb
from storage.retention import Dataset, Retention
from storage.state.ledger_tables import LEDGER_OUTCOMES

SEGMENTS = iter(range(9_000_000, 10_000_000))


class World:
    """Segments that were stored and settled as the writer does it."""

    def __init__(self, ch: ClickHouse, state: StateDb, clock: ManualClock, tenant: str) -> None:
        self.ch, self.state, self.clock, self.tenant = ch, state, clock, tenant
        self.registry = CollectorRegistry()
        self.ledger = Ledger(state, clock)
        self.acknowledged = {"traces": 0}
        self.balance = LedgerBalance(self.ledger, ch, state, clock, self.registry, lambda: self.acknowledged)

    def store(self, spans: int = 3, *, says: int | None = None) -> int:
        """A segment with so many spans, of which the ledger says that `says` were stored."""
        segment, now = next(SEGMENTS), self.clock.time_ns()
        request = ExportTraceServiceRequest()
        scope = request.resource_spans.add().scope_spans.add()
        for index in range(spans):
            scope.spans.add(name="step", trace_id=index.to_bytes(16, "big"), start_time_unix_nano=now)
        self.ch.insert_otlp(Signal.TRACES, request.SerializeToString(), SegmentMeta(self.tenant, segment, now))
        items = spans if says is None else says
        self.ledger.settle(segment, {LedgerKey(hour_of(now), "traces", self.tenant): Outcome(stored=items)})
        self.acknowledged["traces"] += items
        return segment

    def lose(self, segment: int) -> None:
        """Deletes a segment's rows behind everybody's back."""
        sql = "ALTER TABLE otel_traces DELETE WHERE SegmentId = {s:UInt64}"
        self.ch.command(sql, {"s": segment}, {"mutations_sync": 2})

    def check_later(self, seconds: float = GRACE_S) -> list[tuple[int, str, int, int]]:
        """What does not balance of this tenant: segment, signal, items, rows."""
        self.clock.advance(seconds)
        report = self.balance.check()
        return [(d.segment, d.signal, d.items, d.rows) for d in report.differences if d.tenant == self.tenant]

    def kept(self) -> int:
        with self.state.connect() as connection:
            return len(connection.execute(LEDGER_OUTCOMES.select()).all())


@pytest.fixture
def world(clickhouse: ClickHouse, state: StateDb, clock: ManualClock, tenant: str) -> World:
    return World(clickhouse, state, clock, tenant)


def test_what_was_stored_balances_and_is_forgotten_after_a_second_look(world: World) -> None:
    world.store()
    world.store(5)
    assert world.check_later() == []
    assert world.balance.last is not None
    assert (world.balance.last.segments, world.kept()) == (2, 2)
    world.check_later(60)
    assert world.balance.last.segments == 0  # compared already
    world.check_later(RECHECK_S)
    assert (world.balance.last.segments, world.kept()) == (2, 0)


@pytest.mark.parametrize(
    ("spans", "says", "missing", "extra"), [(3, 4, 1, 0), (3, 2, 0, 1)], ids=["an item is missing", "a row too many"]
)
def test_one_item_is_enough(world: World, spans: int, says: int, missing: int, extra: int) -> None:
    segment = world.store(spans, says=says)
    assert world.check_later() == [(segment, "traces", says, spans)]
    found = world.balance.of(world.tenant, world.clock.now())
    assert found is not None
    one = next(one for one in found[1] if one.signal == "traces")
    assert (one.missing, one.extra, one.segments) == (missing, extra, (segment,))
    assert one.where == f"segment {segment} of the hour 2026-03-02 09:00 UTC"


def test_what_was_settled_just_now_is_left_out(world: World) -> None:
    world.store(3, says=4)
    assert world.check_later(GRACE_S - 1) == []
    assert len(world.check_later(1)) == 1


def test_rows_that_go_missing_later_are_found_by_the_second_look(world: World) -> None:
    segment = world.store()
    assert world.check_later() == []
    world.lose(segment)
    assert world.check_later(RECHECK_S) == [(segment, "traces", 3, 0)]
    assert world.check_later(10 * RECHECK_S) == [(segment, "traces", 3, 0)]  # it is not forgotten


def test_a_segment_without_rows_and_without_items_balances(world: World) -> None:
    world.ledger.settle(next(SEGMENTS), {LedgerKey(0, "traces", world.tenant): Outcome(quarantined=5)})
    assert world.check_later() == []


def test_what_retention_dropped_is_not_missed(world: World) -> None:
    """Late spans of a tenant that keeps a single day."""
    retention = Retention(world.ch, world.state, world.clock)
    retention.policies.set(world.tenant, Dataset.TRACES, 1, "ada")
    world.store()
    world.clock.advance(3 * 86_400)
    assert len(retention.run(world.tenant).dropped) == 1
    assert world.check_later() == []


def test_an_alert_names_the_segment_and_resolves_when_the_rows_are_back(
    world: World, clickhouse: ClickHouse, state: StateDb, clock: ManualClock
) -> None:
    http = OutboundHttp()
    alerts = open_alerts(
        load_settings(), state, clickhouse, clock, http, streams=dict, tenants=tuple,
        ledger=world.balance.of, ledger_tenants=world.balance.tenants,
    )  # fmt: skip
    segment = world.store(4)
    world.lose(segment)
    world.check_later()
    alerts.evaluate()
    (alert,) = alerts.active(world.tenant)
    assert (alert.rule, alert.state, alert.severity) == ("ledger-imbalance", "firing", "critical")
    assert alert.labels["signal"] == "traces"
    assert alert.annotations["summary"] == (
        "traces: 4 items do not balance: 4 are in no table, 0 rows are in no ledger, 0 were acknowledged and are"
        f" unknown (segment {segment} of the hour 2026-03-02 09:00 UTC)"
    )
    columns = ["TenantId", "Timestamp", "ReceivedAt", "SegmentId"]
    clickhouse.insert_rows("otel_traces", columns, [(world.tenant, clock.now(), clock.now(), segment)] * 4)
    tenants = world.balance.tenants()
    world.check_later()
    assert (tenants, world.balance.tenants()) == ([world.tenant], [])
    alerts.evaluate()
    assert alerts.active(world.tenant) == []
    assert [one.status for one in alerts.notifications(world.tenant)] == ["resolved", "firing"]
    http.close()


def test_acknowledged_items_that_the_ledger_never_heard_of_are_told_once_they_stand_still(world: World) -> None:
    world.store()
    world.acknowledged["traces"] += 2
    found = []
    for _ in range(3):
        world.check_later()
        assert world.balance.last is not None
        found.append((world.balance.last.unaccounted or {})["traces"])
    assert found == [0, 0, 2]
    compared = world.balance.of(DEFAULT_TENANT, world.clock.now())
    assert compared is not None
    assert [one.unaccounted for one in compared[1]] == [2, 0, 0]
    world.acknowledged["traces"] -= 2
    world.check_later()
    assert world.balance.last is not None
    assert world.balance.last.balanced


def test_an_old_comparison_says_nothing(world: World) -> None:
    world.check_later()
    assert world.balance.of(world.tenant, world.clock.now()) is not None
    assert world.balance.of(world.tenant, world.clock.now() + timedelta(hours=1)) is None


def test_the_numbers_are_on_the_registry(world: World) -> None:
    world.store(3, says=5)
    world.check_later()
    read = world.registry.get_sample_value
    assert read("opsintel_ledger_unbalanced_items", {"signal": "traces"}) == 2
    assert read("opsintel_ledger_unbalanced_segments") == 1
    at = read("opsintel_ledger_last_check_timestamp_seconds")
    assert at is not None
    assert datetime.fromtimestamp(at, world.clock.now().tzinfo) == world.clock.now()
