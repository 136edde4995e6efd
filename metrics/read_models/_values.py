"""How times go into statements, and how engine values come out of them.

Times are bound as text in UTC with microseconds: the client library rounds datetime arguments to whole seconds.
Nothing here promises nanoseconds; Python's datetime ends at microseconds.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from core import InvalidInput


def sql_time(at: datetime) -> str:
    """An aware datetime as the text of a `DateTime64(9, 'UTC')` parameter."""
    if at.tzinfo is None:
        raise InvalidInput(f"a time must carry its zone, got {at.isoformat()!r}", hint="use datetime.now(UTC)")
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def sql_second(at: datetime) -> str:
    """An aware datetime, cut to the second, as the text of a `DateTime('UTC')` parameter."""
    return sql_time(at)[:19]


def as_utc(at: datetime) -> datetime:
    """The engine's datetime, aware and in UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def check_window(start: datetime, end: datetime) -> None:
    """Raises InvalidInput unless both are aware and start comes before end."""
    if sql_time(start) >= sql_time(end):
        raise InvalidInput(f"a window must end after it starts, got {start.isoformat()} to {end.isoformat()}")


def ratio(part: float, whole: float) -> float:
    """part / whole, and 0 of nothing is 0."""
    return part / whole if whole else 0.0


def finite(value: float) -> float | None:
    """None instead of nan and infinities, which no JSON and no reader wants."""
    return float(value) if math.isfinite(value) else None
