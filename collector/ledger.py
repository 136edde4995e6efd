"""The ledger: what became of every accepted item, by hour, signal and tenant.

    received = stored + quarantined + duplicates + pending

What is settled stands in the state database, written in one transaction per segment, once per segment id; what is
pending is what the log holds beyond that, counted from its files whenever somebody asks. So a kill at any moment leaves
the sum right, and it does not matter which process accepted. Rejected items were never accepted and are not in here.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from collector.settled import Line, note_outcome
from collector.wal import LANE_BITS, UNKNOWN, Items, SegmentContent, lane_of
from core import Clock
from storage import Signal, StateDb
from storage.state.ledger_tables import LEDGER, LEDGER_SEGMENTS

HOUR_NS = 3_600 * 10**9
KEPT_SEGMENTS = 100_000
"""Ids of settled segments that are remembered for each lane; their files are long gone by then."""
ASKED_AT_ONCE = 500
REMEMBERED = 10_000
Pending = Callable[[], Mapping[int, Items]]
"""The items of every segment whose file does not say that it is settled."""


@dataclass(frozen=True)
class LedgerEntry:
    """Counts of items. `received` is the sum of the others, at any moment."""

    stored: int = 0
    quarantined: int = 0
    pending: int = 0
    duplicates: int = 0

    @property
    def received(self) -> int:
        """Items that were acknowledged."""
        return self.stored + self.quarantined + self.pending + self.duplicates


@dataclass(frozen=True, order=True)
class LedgerKey:
    """`hour`: the start of the hour of acceptance, in seconds since the epoch."""

    hour: int
    signal: str
    tenant: str


@dataclass(frozen=True)
class Outcome:
    """What became of a key's items in one segment."""

    stored: int = 0
    quarantined: int = 0
    duplicates: int = 0

    @property
    def total(self) -> int:
        """The items that are no longer pending."""
        return self.stored + self.quarantined + self.duplicates


def hour_of(received_at_ns: int) -> int:
    """The start of the hour, in seconds since the epoch."""
    return received_at_ns // HOUR_NS * 3_600


class Ledger:
    """Counts under one lock, so that every reading balances. Raises core.StorageError when the database fails."""

    def __init__(self, state: StateDb, clock: Clock, pending: Pending = dict) -> None:
        self._state, self._clock, self._in_log = state, clock, pending
        self._settled: dict[int, bool] = {}  # of segments that the log has, or had lately
        self._lock = threading.Lock()

    def is_settled(self, segment: int) -> bool:
        """Whether the segment's outcome has been committed."""
        with self._state.connect() as connection:
            return _settled(connection, segment)

    def settle(self, segment: int, outcomes: Mapping[LedgerKey, Outcome]) -> bool:
        """Commits a segment's outcome; False, and no change, when that was done before."""
        with self._lock:
            with self._state.begin() as connection:
                if _settled(connection, segment):
                    self._remember(segment)
                    return False
                connection.execute(insert(LEDGER_SEGMENTS).values(segment=segment, settled_at=self._clock.time_ns()))
                for key, outcome in sorted(outcomes.items()):
                    _add(connection, key, outcome)
                lines = (Line(key.signal, key.tenant, key.hour, one.stored) for key, one in outcomes.items())
                note_outcome(connection, segment, self._clock.time_ns(), lines)
                if segment % 1_000 == 0:
                    known, lane = LEDGER_SEGMENTS.c.segment, lane_of(segment) << LANE_BITS
                    connection.execute(
                        delete(LEDGER_SEGMENTS).where(and_(known >= lane, known < segment - KEPT_SEGMENTS))
                    )
            self._remember(segment)
        return True

    def _remember(self, segment: int) -> None:
        """So that it is not asked for again; what is forgotten is."""
        if len(self._settled) >= REMEMBERED:
            self._settled = {}
        self._settled[segment] = True

    def totals(self, tenant: str | None = None) -> dict[str, LedgerEntry]:
        """Counts by signal, of one tenant or of all."""
        wanted = () if tenant is None else (LEDGER.c.tenant == tenant,)
        names = ("stored", "quarantined", "duplicates")
        statement = (
            select(LEDGER.c.signal, *(func.sum(LEDGER.c[name]) for name in names))
            .where(*wanted)
            .group_by(LEDGER.c.signal)
        )
        with self._lock:
            with self._state.connect() as connection:
                settled = {row[0]: [int(cell) for cell in row[1:]] for row in connection.execute(statement)}
            pending: Counter[str] = Counter()
            for (signal, owner), items in self._pending().items():
                if tenant is None or owner == tenant:
                    pending[signal] += items
        found = {}
        for signal in [*(one.value for one in Signal), *sorted({*settled, *pending} - set(Signal))]:
            stored, quarantined, duplicates = settled.get(signal, (0, 0, 0))
            found[signal] = LedgerEntry(stored, quarantined, pending[signal], duplicates)
        return found

    def by_outcome(self) -> dict[tuple[str, ...], float]:
        """Counts by signal and outcome, of all tenants: for the service's own metrics."""
        outcomes = ("received", "stored", "quarantined", "duplicates", "pending")
        return {(name, one): float(getattr(entry, one)) for name, entry in self.totals().items() for one in outcomes}

    def by_hour(self, tenant: str, since: int) -> dict[LedgerKey, Outcome]:
        """What was settled, by hour and signal, from the hour `since` (seconds since the epoch) on."""
        statement = select(LEDGER).where(and_(LEDGER.c.tenant == tenant, LEDGER.c.hour >= since))
        with self._state.connect() as connection:
            return {
                LedgerKey(row.hour, row.signal, row.tenant): Outcome(row.stored, row.quarantined, row.duplicates)
                for row in connection.execute(statement)
            }

    def pending(self) -> int:
        """Items of all signals and tenants that are acknowledged and not settled."""
        with self._lock:
            return self._pending().total()

    def _pending(self) -> Items:
        """What the log holds, without the segments that were settled before their files said so."""
        in_log = self._in_log()
        new = [segment for segment in in_log if segment not in self._settled]
        with self._state.connect() as connection:
            for start in range(0, len(new), ASKED_AT_ONCE):
                asked = new[start : start + ASKED_AT_ONCE]
                found = connection.scalars(
                    select(LEDGER_SEGMENTS.c.segment).where(LEDGER_SEGMENTS.c.segment.in_(asked))
                )
                self._settled |= dict.fromkeys(asked, False) | dict.fromkeys(found, True)
        self._settled = {segment: settled for segment, settled in self._settled.items() if segment in in_log}
        pending: Items = Counter()
        for segment, items in in_log.items():
            if not self._settled[segment]:
                pending += items
        return pending

    def highest_segments(self) -> dict[int, int]:
        """The highest id that was ever settled, by lane."""
        lane = (LEDGER_SEGMENTS.c.segment // (1 << LANE_BITS)).label("lane")  # PostgreSQL cannot shift by a bigint
        with self._state.connect() as connection:
            rows = connection.execute(select(lane, func.max(LEDGER_SEGMENTS.c.segment)).group_by(lane))
            return {int(row[0]): int(row[1]) for row in rows}


def outcomes_of(
    content: SegmentContent, refused: Collection[int] = (), duplicates: Collection[int] = ()
) -> dict[LedgerKey, Outcome]:
    """A segment's outcome: frames with these indexes were refused or known before, all others are where they belong."""
    counts: dict[LedgerKey, list[int]] = {}
    for index, frame in enumerate(content.frames):
        key = LedgerKey(hour_of(frame.received_at_ns), frame.signal, frame.tenant)
        what = 2 if index in duplicates else 1 if frame.reason or index in refused else 0
        counts.setdefault(key, [0, 0, 0])[what] += frame.items
    for region in content.bad:
        key = LedgerKey(hour_of(content.created_ns), region.claim.signal or UNKNOWN, region.claim.tenant)
        counts.setdefault(key, [0, 0, 0])[1] += region.claim.items
    return {key: Outcome(*found) for key, found in counts.items()}


def _settled(connection: Connection, segment: int) -> bool:
    found = select(LEDGER_SEGMENTS.c.segment).where(LEDGER_SEGMENTS.c.segment == segment)
    return connection.execute(found).first() is not None


def _add(connection: Connection, key: LedgerKey, outcome: Outcome) -> None:
    row = {"hour": key.hour, "signal": key.signal, "tenant": key.tenant}
    counts = {"stored": outcome.stored, "quarantined": outcome.quarantined, "duplicates": outcome.duplicates}
    this = and_(*(LEDGER.c[name] == value for name, value in row.items()))
    added = connection.execute(
        update(LEDGER).where(this).values({name: LEDGER.c[name] + value for name, value in counts.items()})
    )
    if not added.rowcount:
        connection.execute(insert(LEDGER).values(**row, **counts))
