"""What people do with quarantined data: replay it into the tables, once, or give it up.

A decision is first noted in the state database, then the engine takes the rows, then one transaction completes the
decision, moves the items in the ledger from *quarantined* to *stored* in the hour of their acceptance, and writes the
audit entry. The insert's token names the entry and its bytes follow from the entry and the decision, so repeating any
step changes nothing; `finish` takes up what a crash left half done. A replay is of the whole entry or of nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from collector.admission import Encoding, admit
from collector.engine import Engine
from collector.ledger import hour_of
from collector.quarantine_reads import (
    EntryView,
    Filter,
    Summary,
    content,
    get_entry,
    list_entries,
    summarize,
)
from collector.quarantine_table import DISCARDED, KEPT, REPLAYED, Entry
from collector.rules import Rules
from collector.settled import Line, add_stored
from collector.wal import LANE_BITS, lane_of
from core import Clock, Conflict, InvalidInput, NotFound, OpsintelError, Retryable, Unavailable, get_logger
from storage import ClickHouse, SegmentMeta, Signal, StateDb
from storage.state.ledger_tables import LEDGER, LEDGER_SEGMENTS
from storage.state.quarantine_tables import QUARANTINE_DECISIONS as DECISIONS

_log = get_logger("collector.quarantine")
REPLAYING = "replaying"
"""Decided, and perhaps inserted; the state between two transactions."""
Record = Callable[[Connection, str, str, str, str, Mapping[str, Any]], object]
"""Writes an audit entry within a transaction: tenant, actor, action, subject, details."""


@dataclass(frozen=True)
class Decided:
    """What became of an entry; `changed` is False when it had been decided before."""

    id: str
    status: str
    items: int
    changed: bool


@dataclass(frozen=True)
class BulkResult:
    """Entries replayed with the sum of their items, and by id why others were not."""

    entries: int
    items: int
    refused: dict[str, str]


class QuarantineService:
    """Reads and decisions of one tenant at a time. Raises core.OpsintelError and its kin."""

    def __init__(
        self, ch: ClickHouse, engine: Engine, state: StateDb, clock: Clock, rules: Rules, record: Record
    ) -> None:
        self._ch, self._engine, self._state = ch, engine, state
        self._clock, self._rules, self._record = clock, rules, record
        self._lock = threading.Lock()  # one decision at a time: they are rare, and a person waits for each

    # --- looking ---

    def entries(self, tenant: str, wanted: Filter, limit: int = 100) -> list[EntryView]:
        """The newest first."""
        return list_entries(self._ch, tenant, wanted, limit)

    def summary(self, tenant: str, wanted: Filter) -> list[Summary]:
        """Counts by signal, reason, service and status."""
        return list(summarize(self._ch, tenant, wanted))

    def show(self, tenant: str, entry_id: str) -> tuple[Entry, Any]:
        """An entry and its content as OTLP/JSON (None when it is no OTLP). Raises NotFound."""
        entry = get_entry(self._ch, tenant, entry_id)
        return entry, content(entry)

    # --- deciding ---

    def replay(
        self, tenant: str, actor: str, entry_id: str, *, accept_window: bool = True, accept_limits: bool = True
    ) -> Decided:
        """Stores an entry's items. `accept_window` and `accept_limits` say which rules they must keep now.

        Raises NotFound; Conflict when it was discarded, is not stored yet or is no telemetry; InvalidInput when items
        still break a rule; Retryable when the engine is away (it is then completed later, by itself).
        """
        with self._lock:
            entry = get_entry(self._ch, tenant, entry_id)
            self._must_be_telemetry(entry)
            found = self._decision(entry)
            if found is not None and found.state == REPLAYED:
                self._mirror(entry, REPLAYED, found.decided_by, found.decided_at)
                return Decided(entry.id, REPLAYED, entry.items, changed=False)
            if found is None:
                self._checked(entry, accept_window, accept_limits, self._clock.time_ns())
                found = self._claim(entry, actor, REPLAYING, accept_window, accept_limits)
            return self._complete(entry, found)

    def replay_many(
        self, tenant: str, actor: str, wanted: Filter, limit: int, *, accept_window: bool, accept_limits: bool
    ) -> BulkResult:
        """Replays what the filter names and nobody has decided about, the oldest of the newest `limit` first."""
        done, items, refused = 0, 0, dict[str, str]()
        for view in reversed(self.entries(tenant, replace(wanted, status=KEPT), limit)):
            try:
                decided = self.replay(tenant, actor, view.id, accept_window=accept_window, accept_limits=accept_limits)
            except Retryable:
                raise
            except OpsintelError as error:
                refused[view.id] = str(error)
                continue
            done, items = done + decided.changed, items + (decided.items if decided.changed else 0)
        return BulkResult(done, items, refused)

    def discard(self, tenant: str, actor: str, entry_id: str) -> Decided:
        """Gives an entry up: its content goes, the ledger goes on calling it quarantined. Raises Conflict."""
        with self._lock:
            entry = get_entry(self._ch, tenant, entry_id)
            found = self._decision(entry)
            if found is not None and found.state != DISCARDED:
                raise Conflict(f"the entry {entry.id} is {found.state}")
            if found is None:
                found = self._claim(entry, actor, DISCARDED, True, True)
                changed = True
            else:
                changed = False
            self._mirror(entry, DISCARDED, found.decided_by, found.decided_at)
            return Decided(entry.id, DISCARDED, entry.items, changed)

    def finish(self) -> int:
        """Completes replays that a crash or an absent engine left half done; how many there were."""
        with self._state.connect() as connection:
            open_ones = connection.execute(select(DECISIONS).where(DECISIONS.c.state == REPLAYING)).all()
        for found in open_ones:
            with self._lock:
                try:
                    entry = get_entry(self._ch, found.tenant, f"{found.segment}-{found.frame_offset}")
                    now = self._decision(entry)
                    if now is not None and now.state == REPLAYING:
                        self._complete(entry, now)
                except (InvalidInput, NotFound) as error:  # an entry that is gone must not hold up the others
                    _log.error("a replay cannot be completed", segment=found.segment, error=str(error))
        return len(open_ones)

    # --- steps ---

    def _must_be_telemetry(self, entry: Entry) -> None:
        if entry.signal not in list(Signal) or entry.reason.startswith("log_"):
            raise Conflict(f"the entry {entry.id} is damaged data, not telemetry", hint="look at it, then discard it")
        with self._state.connect() as connection:
            settled = connection.execute(
                select(LEDGER_SEGMENTS.c.segment).where(LEDGER_SEGMENTS.c.segment == entry.segment)
            ).first()
            lane = lane_of(entry.segment) << LANE_BITS
            oldest = connection.execute(
                select(func.min(LEDGER_SEGMENTS.c.segment)).where(LEDGER_SEGMENTS.c.segment >= lane)
            ).scalar()
        if settled is None and (oldest is None or entry.segment >= oldest):
            raise Unavailable(f"the segment of entry {entry.id} is being stored", hint="try again in a moment")

    def _decision(self, entry: Entry) -> Any:
        with self._state.connect() as connection:
            return connection.execute(select(DECISIONS).where(_this(entry))).one_or_none()

    def _claim(self, entry: Entry, actor: str, state: str, window: bool, limits: bool) -> Any:
        """Notes a decision; the audit entry of a discarded one is written here, for it is final."""
        row = {
            "segment": entry.segment,
            "frame_offset": entry.offset,
            "tenant": entry.tenant,
            "state": state,
            "accept_window": window,
            "accept_limits": limits,
            "decided_by": actor,
            "decided_at": self._clock.time_ns(),
        }
        with self._state.begin() as connection:
            connection.execute(insert(DECISIONS).values(**row))
            if state == DISCARDED:
                self._record(connection, entry.tenant, actor, "quarantine.discard", entry.id, _details(entry))
        return self._decision(entry)

    def _checked(self, entry: Entry, window: bool, limits: bool, now_ns: int) -> bytes:
        """What will be inserted. Raises InvalidInput when an item still breaks a rule."""
        rules = self._rules if window else self._rules.without_window()
        rules = rules if limits else rules.without_limits()
        admitted = admit(Signal(entry.signal), Encoding.PROTOBUF, entry.payload, rules, now_ns)
        if admitted.rejected or admitted.quarantined or not admitted.items:
            raise InvalidInput(
                f"the entry {entry.id} still breaks a rule: {admitted.reason or 'it holds no items'}",
                hint="replay it with accept_window=false or accept_limits=false, or discard it",
            )
        return admitted.payload

    def _complete(self, entry: Entry, found: Any) -> Decided:
        if found.state == DISCARDED:
            raise Conflict(f"the entry {entry.id} is discarded")
        # Times of the same bytes must be the same whenever this is repeated, so the decision's time is the receipt's:
        # the KPI jobs look for what was received since they last ran.
        meta = SegmentMeta(entry.tenant, entry.segment, found.decided_at, f"replay-{entry.offset}")
        try:
            payload = self._checked(entry, found.accept_window, found.accept_limits, found.decided_at)
            self._engine.insert(Signal(entry.signal), payload, meta)
        except Retryable:
            raise
        except OpsintelError as error:
            with self._state.begin() as connection:
                connection.execute(delete(DECISIONS).where(_this(entry), DECISIONS.c.state == REPLAYING))
            raise InvalidInput(f"the entry {entry.id} cannot be stored: {error}", hint="it stays as it is") from error
        with self._state.begin() as connection:
            done = connection.execute(
                update(DECISIONS).where(_this(entry), DECISIONS.c.state == REPLAYING).values(state=REPLAYED)
            )
            if done.rowcount:
                _move(connection, entry)
                details = _details(entry) | {"window": found.accept_window, "limits": found.accept_limits}
                self._record(connection, entry.tenant, found.decided_by, "quarantine.replay", entry.id, details)
        self._mirror(entry, REPLAYED, found.decided_by, found.decided_at)
        return Decided(entry.id, REPLAYED, entry.items, changed=bool(done.rowcount))

    def _mirror(self, entry: Entry, status: str, actor: str, at_ns: int) -> None:
        """Shows the decision in the table; what was discarded loses its content there."""
        if entry.status == status:
            return
        payload = b"" if status == DISCARDED else entry.payload
        newer = max(at_ns // 1_000, entry.updated_at_us + 1)
        row = replace(entry, status=status, updated_by=actor, updated_at_us=newer, payload=payload)
        self._engine.keep([row], f"{entry.segment}-quarantine-{entry.offset}-{status}")


def _this(entry: Entry) -> Any:
    return and_(DECISIONS.c.segment == entry.segment, DECISIONS.c.frame_offset == entry.offset)


def _details(entry: Entry) -> dict[str, Any]:
    return {"signal": entry.signal, "reason": entry.reason, "service": entry.service, "items": entry.items}


def _move(connection: Connection, entry: Entry) -> None:
    """Items leave *quarantined* for *stored*, in the hour of their acceptance: what was received stays the same."""
    moved = connection.execute(
        update(LEDGER)
        .where(
            LEDGER.c.hour == hour_of(entry.received_at_ns),
            LEDGER.c.signal == entry.signal,
            LEDGER.c.tenant == entry.tenant,
            LEDGER.c.quarantined >= entry.items,
        )
        .values(stored=LEDGER.c.stored + entry.items, quarantined=LEDGER.c.quarantined - entry.items)
    )
    add_stored(connection, entry.segment, Line(entry.signal, entry.tenant, hour_of(entry.received_at_ns), entry.items))
    if not moved.rowcount:
        _log.error("the ledger does not know what was replayed", entry=entry.id, items=entry.items)
