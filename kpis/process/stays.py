"""What live and past bottlenecks share: the waits of cases after steps, what is usual, and small conversions.

A place is a step of a stream, `stream/step`; statements name places and usual limits side by side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from kpis.process.filters import LIMITS, PLACE
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STAYS = "/*stays*/"
HOUR_NS = 3_600_000_000_000
USUAL_OVER = timedelta(days=28)
"""How far back the usual looks; what has waited longer than this is given up and adds nothing."""
LEAST_FINISHED = 20
"""Waits that must be over before a usual is named."""
LEAST_HOURS = 24
"""Below so many hours of history nothing is called unusual."""
USUAL_SHARE = 0.95
"""A level is unusual when it is higher than in this share of the hours of its history."""


def ask_stays(
    ch: ClickHouse,
    statement: str,
    params: Mapping[str, Any],
    limits: Mapping[str, int] | None = None,
    condition: str = "true",
) -> list[dict[str, Any]]:
    """Runs a statement over the waits of cases for which the condition holds; `limits` in ns by place.

    Without limits a place that does not exist is named, because the engine cannot look up in an empty array.
    """
    known = dict(limits or {"": -1})
    text = load_sql(_ROOM, statement).replace(_STAYS, stays(condition))
    return ch.query(text, {**params, "places": list(known), "limits": list(known.values())}, LIMITS).dicts()


def stays(condition: str = "true") -> str:
    """The part of statements that lists the waits."""
    return load_sql(_ROOM, "bottleneck_stays").replace(PLACE, condition)


def upper(levels: Sequence[float]) -> float:
    """The level that is exceeded in no more than the unusual share of the hours."""
    ordered = sorted(levels, reverse=True)
    return ordered[int((1 - USUAL_SHARE) * len(ordered))]


def nanoseconds(moment: datetime) -> int:
    """An aware time in nanoseconds since the Unix epoch."""
    return lasting(moment - _EPOCH)


def lasting(length: timedelta) -> int:
    """A length in nanoseconds, exactly."""
    return (length.days * 86_400 + length.seconds) * 1_000_000_000 + length.microseconds * 1_000


def money(value: float) -> Decimal:
    """Rounded to cents; 0 for what is no number."""
    return Decimal(f"{value:.2f}") if math.isfinite(value) else Decimal(0)
