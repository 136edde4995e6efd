"""What the ledger said of each segment, kept until it has been compared with the tables.

Written in the transaction that settles the segment. A segment that does not balance stays until it does; one that does
goes after a while. Nothing here decides what balances: that is collector/balance.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from storage.state.ledger_tables import LEDGER_OUTCOMES as TABLE


@dataclass(frozen=True, order=True)
class Line:
    """Items of one signal, tenant and hour in a segment: what the ledger calls stored."""

    signal: str
    tenant: str
    hour: int
    items: int


@dataclass(frozen=True)
class SettledSegment:
    """A segment whose outcome is known. `settled_at` in nanoseconds since the epoch."""

    segment: int
    settled_at: int
    lines: tuple[Line, ...]
    balanced: bool


@dataclass(frozen=True, order=True)
class Difference:
    """A segment whose rows of a signal and tenant are not as many as the ledger says."""

    segment: int
    signal: str
    tenant: str
    hour: int
    items: int
    rows: int

    @property
    def missing(self) -> int:
        """Items that are not in the tables; negative when there are more rows than items."""
        return self.items - self.rows


def note_outcome(connection: Connection, segment: int, settled_at: int, lines: Iterable[Line]) -> None:
    """Keeps what was stored of a segment; part of the caller's transaction. `settled_at`: nanoseconds."""
    stored = [[one.signal, one.tenant, one.hour, one.items] for one in sorted(lines) if one.items]
    connection.execute(
        insert(TABLE).values(
            segment=segment,
            settled_at=settled_at,
            stored=orjson.dumps(stored).decode(),
            balanced=True,
            difference="[]",
        )
    )


def add_stored(connection: Connection, segment: int, line: Line) -> None:
    """More of a segment is stored now than when it was settled; part of the caller's transaction.

    A segment that is not compared any more needs no note.
    """
    found = connection.execute(select(TABLE.c.stored).where(TABLE.c.segment == segment)).scalar_one_or_none()
    if found is None:
        return
    lines = {(signal, tenant, hour): items for signal, tenant, hour, items in orjson.loads(found)}
    key = (line.signal, line.tenant, line.hour)
    lines[key] = lines.get(key, 0) + line.items
    stored = [[*one, items] for one, items in sorted(lines.items())]
    connection.execute(update(TABLE).where(TABLE.c.segment == segment).values(stored=orjson.dumps(stored).decode()))


def to_check(connection: Connection, *, settled_before: int, recheck_before: int, limit: int) -> list[SettledSegment]:
    """Segments that were never compared, that did not balance, and those that are compared a last time."""
    wanted = or_(TABLE.c.checked_at.is_(None), TABLE.c.balanced.is_(False), TABLE.c.settled_at <= recheck_before)
    query = select(TABLE).where(and_(TABLE.c.settled_at <= settled_before, wanted)).order_by(TABLE.c.settled_at)
    return [
        SettledSegment(
            int(row.segment),
            int(row.settled_at),
            tuple(
                Line(signal, tenant, int(hour), int(items)) for signal, tenant, hour, items in orjson.loads(row.stored)
            ),
            bool(row.balanced),
        )
        for row in connection.execute(query.limit(limit))
    ]


def mark(connection: Connection, segment: int, checked_at: int, differences: Sequence[Difference]) -> None:
    """Writes down how a comparison came out."""
    shown = [[one.signal, one.tenant, one.hour, one.items, one.rows] for one in differences]
    connection.execute(
        update(TABLE)
        .where(TABLE.c.segment == segment)
        .values(checked_at=checked_at, balanced=not differences, difference=orjson.dumps(shown).decode())
    )


def forget(connection: Connection, *, settled_before: int, checked_at: int) -> None:
    """Takes out balanced segments that were old when this run compared them."""
    old = and_(TABLE.c.settled_at <= settled_before, TABLE.c.checked_at == checked_at, TABLE.c.balanced.is_(True))
    connection.execute(delete(TABLE).where(old))


def differences(connection: Connection) -> list[Difference]:
    """Everything that does not balance."""
    rows = connection.execute(select(TABLE.c.segment, TABLE.c.difference).where(TABLE.c.balanced.is_(False)))
    return sorted(
        Difference(int(row.segment), signal, tenant, int(hour), int(items), int(found))
        for row in rows
        for signal, tenant, hour, items, found in orjson.loads(row.difference)
    )


def unchecked(connection: Connection) -> int:
    """How many segments wait for their first comparison."""
    query = select(func.count()).select_from(TABLE).where(TABLE.c.checked_at.is_(None))
    return int(connection.execute(query).scalar_one())
