"""Looking and deciding: a replay stores once and the ledger balances, whatever dies in between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert

from collector.engine import ClickHouseEngine
from collector.ledger import LedgerEntry
from collector.quarantine_reads import Filter
from collector.quarantine_service import QuarantineService
from core import Conflict, InvalidInput, NotFound, Settings, StoreUnavailable, SystemClock
from storage import ClickHouse, SegmentMeta, Signal, StateDb
from storage.state.quarantine_tables import QUARANTINE_DECISIONS
from tests.unit.collector.support import trace_request
from tests.unit.collector.test_collector import Service, spans_of
from tests.unit.collector.test_quarantine import YEAR_NS, partly_old

ALL = Filter()


class Engine(ClickHouseEngine):
    """The real one, which can be told to be away before or after its work."""

    fail, life = "", ""

    def make_durable(self) -> float:
        return 3_600.0

    def incarnation(self) -> str:
        return super().incarnation() + self.life

    def insert(self, signal: Signal, payload: bytes, meta: SegmentMeta) -> None:
        if self.fail == "before":
            raise StoreUnavailable("away")
        super().insert(signal, payload, meta)
        if self.fail == "after":
            raise StoreUnavailable("the answer was lost")


class Desk:
    """A collector that has kept two entries aside, and the people's side of it."""

    def __init__(self, settings: Settings, ch: ClickHouse, state: StateDb, tenant: str) -> None:
        self.ch, self.tenant, self.audit = ch, tenant, list[tuple[Any, ...]]()
        self.engine = Engine(ch)
        self.running = Service(settings, ch, state, tenant, engine=self.engine)
        rules = self.running.collector.screening.rules
        self.service = QuarantineService(
            ch, self.engine, state, SystemClock(), rules, lambda connection, *entry: self.audit.append(entry)
        )
        self.running.call(partly_old().SerializeToString())
        assert self.running.collector.flush()
        self.ids = {one.reason: one.id for one in self.service.entries(tenant, ALL)}

    def ledger(self) -> LedgerEntry:
        return self.running.collector.ledger.totals(self.tenant)["traces"]

    def replay(self, reason: str = "too_old", **rules: bool) -> Any:
        return self.service.replay(self.tenant, "ann", self.ids[reason], **rules)


@pytest.fixture
def desk(settings: Settings, clickhouse: ClickHouse, state: StateDb, tenant: str) -> Iterator[Desk]:
    made = Desk(settings, clickhouse, state, tenant)
    yield made
    made.running.close()


def test_the_list_tells_what_and_from_whom(desk: Desk) -> None:
    """Filters, counts, and one entry as it was sent."""
    assert set(desk.ids) == {"too_old", "end_before_start"}
    (one,) = desk.service.entries(desk.tenant, Filter(reason="too_old", signal="traces", status="kept"))
    assert (one.service, one.items) == ("web-shop", 1)
    assert "span 0" in one.detail
    assert [(one.reason, one.entries, one.items) for one in desk.service.summary(desk.tenant, ALL)] == [
        ("end_before_start", 1, 1), ("too_old", 1, 1),
    ]  # fmt: skip
    _, content = desk.service.show(desk.tenant, desk.ids["too_old"])
    (span,) = content["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert (span["name"], len(span["traceId"])) == ("span 0", 32)
    assert desk.service.entries(desk.tenant, Filter(signal="logs")) == []
    assert desk.service.entries(desk.tenant, Filter(end_ns=1)) == []


def test_another_tenants_entry_is_not_there(desk: Desk) -> None:
    """Neither to look at nor to decide about."""
    for ask in (desk.service.show, lambda tenant, one: desk.service.discard(tenant, "eve", one)):
        with pytest.raises(NotFound):
            ask("somebody else", desk.ids["too_old"])
    with pytest.raises(InvalidInput):
        desk.service.show(desk.tenant, "1-2-3")


def test_replayed_once(desk: Desk) -> None:
    """Only when told that the window does not count; twice is once; what was received stays the same."""
    with pytest.raises(InvalidInput, match="accept_past_days"):
        desk.replay()
    assert desk.ledger() == LedgerEntry(stored=1, quarantined=2)
    assert desk.replay(accept_window=False).changed
    assert not desk.replay(accept_window=False).changed
    assert spans_of(desk.ch, desk.tenant) == ["span 0", "span 3"]
    assert desk.ledger() == LedgerEntry(stored=2, quarantined=1)
    assert [entry[:4] for entry in desk.audit] == [(desk.tenant, "ann", "quarantine.replay", desk.ids["too_old"])]
    (one,) = desk.service.entries(desk.tenant, Filter(status="replayed"))
    assert (one.id, one.updated_by) == (desk.ids["too_old"], "ann")


@pytest.mark.parametrize("fail", ["before", "after"])
def test_a_replay_that_was_cut_off_is_completed(desk: Desk, fail: str) -> None:
    """The outcome of the insert is unknown; whoever completes it stores the rows once."""
    desk.engine.fail = fail
    with pytest.raises(StoreUnavailable):
        desk.replay(accept_window=False)
    with pytest.raises(Conflict, match="replaying"):
        desk.service.discard(desk.tenant, "bob", desk.ids["too_old"])
    assert desk.ledger() == LedgerEntry(stored=1, quarantined=2)
    desk.engine.fail = ""
    assert desk.service.finish() == 1
    assert desk.service.finish() == 0
    assert spans_of(desk.ch, desk.tenant) == ["span 0", "span 3"]
    assert desk.ledger() == LedgerEntry(stored=2, quarantined=1)
    assert len(desk.audit) == 1


def test_an_entry_that_is_gone_does_not_hold_up_the_others(desk: Desk, state: StateDb) -> None:
    """Retention may take an entry between the decision and its completion."""
    desk.engine.fail = "before"
    with pytest.raises(StoreUnavailable):
        desk.replay(accept_window=False)
    desk.engine.fail = ""
    gone = {"segment": 0, "frame_offset": 0, "tenant": desk.tenant, "state": "replaying", "decided_by": "ann"}
    with state.begin() as connection:
        values = gone | {"accept_window": False, "accept_limits": False, "decided_at": 1}
        connection.execute(insert(QUARANTINE_DECISIONS).values(values))
    desk.service.finish()
    assert spans_of(desk.ch, desk.tenant) == ["span 0", "span 3"]


def test_many_at_once(desk: Desk) -> None:
    """What still breaks a rule is named, the others are stored."""
    first = desk.service.replay_many(desk.tenant, "ann", ALL, 100, accept_window=True, accept_limits=True)
    assert (first.entries, set(first.refused)) == (0, set(desk.ids.values()))
    second = desk.service.replay_many(desk.tenant, "ann", ALL, 100, accept_window=False, accept_limits=True)
    assert (second.entries, second.items, second.refused) == (2, 2, {})
    assert desk.ledger() == LedgerEntry(stored=3)


def test_discarded(desk: Desk) -> None:
    """Its content goes, its count stays, and it cannot come back."""
    one = desk.ids["too_old"]
    assert desk.service.discard(desk.tenant, "ann", one).changed
    assert not desk.service.discard(desk.tenant, "bob", one).changed
    entry, content = desk.service.show(desk.tenant, one)
    assert (entry.status, entry.updated_by, entry.payload, content) == ("discarded", "ann", b"", None)
    with pytest.raises(Conflict):
        desk.replay(accept_window=False)
    assert desk.ledger() == LedgerEntry(stored=1, quarantined=2)


def test_limits_are_told_apart_from_the_window(desk: Desk) -> None:
    """An over-long value comes in only when somebody says so."""
    request = trace_request(1)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="payload").value.string_value = "x" * 70_000
    span.start_time_unix_nano -= 5 * YEAR_NS
    span.name = "both"
    desk.running.call(request.SerializeToString())
    assert desk.running.collector.flush()
    desk.ids["both"] = desk.service.entries(desk.tenant, ALL)[0].id
    for rules in ({"accept_window": False}, {"accept_limits": False}):
        with pytest.raises(InvalidInput, match="still breaks a rule"):
            desk.replay("both", **rules)
    assert desk.replay("both", accept_window=False, accept_limits=False).items == 1
    assert "both" in spans_of(desk.ch, desk.tenant)


def test_putting_back_a_segment_leaves_its_replays_alone(desk: Desk) -> None:
    """What was replayed from quarantine has the segment's id, too, and is neither counted for it nor removed."""
    desk.replay("too_old", accept_window=False)
    assert spans_of(desk.ch, desk.tenant) == ["span 0", "span 3"]
    gone = "ALTER TABLE otel_traces DELETE WHERE TenantId = {tenant:String} AND SpanName = 'span 3'"
    desk.ch.command(gone, {"tenant": desk.tenant}, {"mutations_sync": 2})
    assert spans_of(desk.ch, desk.tenant) == ["span 0"]
    for life in ("second", "third"):
        desk.engine.life = life
        desk.running.collector.keeper.tidy()
        assert spans_of(desk.ch, desk.tenant) == ["span 0", "span 3"]
