"""The ledger: what became of every accepted item, by hour, signal and tenant.

    received = stored + quarantined + duplicates + pending

What is settled stands in the state database, written in one transaction per segment, once per segment id; what is
pending is what the log holds beyond that, and is counted again from the log at a start. So a kill at any moment leaves
the sum right. Only the process that owns the log knows what is pending. Rejected items were never accepted and are not
in here.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from collector.wal import Frame, SegmentContent
from core import Clock
from storage import Signal, StateDb
from storage.state.ledger_tables import LEDGER, LEDGER_SEGMENTS

HOUR_NS = 3_600 * 10**9
UNKNOWN = "unknown"
"""The signal of damaged frames that do not tell theirs."""
KEPT_SEGMENTS = 100_000
"""Ids of settled segments that are remembered; their files are long gone by then."""


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

    def __init__(self, state: StateDb, clock: Clock) -> None:
        self._state, self._clock = state, clock
        self._pending: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def accepted(self, frames: Iterable[Frame]) -> None:
        """These frames are on disk: their items are received and pending."""
        with self._lock:
            for frame in frames:
                self._pending[frame.signal, frame.tenant] += frame.items

    def found(self, content: SegmentContent) -> None:
        """A start found this segment in the log; unless it is settled already, its items are pending."""
        if self.is_settled(content.segment):
            return
        self.accepted(content.frames)
        with self._lock:
            for region in content.bad:
                self._pending[region.claim.signal or UNKNOWN, region.claim.tenant] += region.claim.items

    def is_settled(self, segment: int) -> bool:
        """Whether the segment's outcome has been committed."""
        with self._state.connect() as connection:
            return _settled(connection, segment)

    def settle(self, segment: int, outcomes: Mapping[LedgerKey, Outcome]) -> bool:
        """Commits a segment's outcome; False, and no change, when that was done before."""
        with self._lock:
            with self._state.begin() as connection:
                if _settled(connection, segment):
                    return False
                connection.execute(insert(LEDGER_SEGMENTS).values(segment=segment, settled_at=self._clock.time_ns()))
                for key, outcome in sorted(outcomes.items()):
                    _add(connection, key, outcome)
                if segment % 1_000 == 0:
                    connection.execute(
                        delete(LEDGER_SEGMENTS).where(LEDGER_SEGMENTS.c.segment < segment - KEPT_SEGMENTS)
                    )
            for key, outcome in outcomes.items():
                self._pending[key.signal, key.tenant] -= outcome.total
            self._pending = +self._pending
        return True

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
            for (signal, owner), items in self._pending.items():
                if tenant is None or owner == tenant:
                    pending[signal] += items
        found = {}
        for signal in [*(one.value for one in Signal), *sorted({*settled, *pending} - set(Signal))]:
            stored, quarantined, duplicates = settled.get(signal, (0, 0, 0))
            found[signal] = LedgerEntry(stored, quarantined, pending[signal], duplicates)
        return found

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
            return sum(self._pending.values())

    def highest_segment(self) -> int:
        """The highest id that was ever settled, 0 if none."""
        with self._state.connect() as connection:
            return int(connection.execute(select(func.max(LEDGER_SEGMENTS.c.segment))).scalar() or 0)


def outcomes_of(content: SegmentContent, refused: Mapping[int, str] | Sequence[int] = ()) -> dict[LedgerKey, Outcome]:
    """A segment's outcome when the frames with these indexes were refused, and all others went where they belong."""
    counts: dict[LedgerKey, list[int]] = {}
    for index, frame in enumerate(content.frames):
        key = LedgerKey(hour_of(frame.received_at_ns), frame.signal, frame.tenant)
        counts.setdefault(key, [0, 0])[1 if frame.reason or index in refused else 0] += frame.items
    for region in content.bad:
        key = LedgerKey(hour_of(content.created_ns), region.claim.signal or UNKNOWN, region.claim.tenant)
        counts.setdefault(key, [0, 0])[1] += region.claim.items
    return {key: Outcome(stored, quarantined) for key, (stored, quarantined) in counts.items()}


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
