"""Queue depth: how much stands in each queue now, how old the oldest item is, and whether that is usual for this hour.

Read from the gauges `retail.queue.depth` and `retail.queue.oldest_age`. It reports what the sources said last within
the window; it does not promise that a silent queue is empty: a queue that sent nothing in the window is not listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from core import InvalidInput
from metrics.read_models._values import as_utc, finite, sql_time
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

POINTS = 120
"""A series has about this many points; each is the last sample of its step."""

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class QueueDepth:
    """One queue. depth in items; ages in seconds; `usual_depth` is None while no earlier week is known.

    A topic that several consumer groups read is a queue for each of them; `consumer_group` is '' elsewhere.
    """

    system: str
    destination: str
    depth: float
    oldest_age_s: float | None
    at: datetime
    usual_depth: float | None
    series: tuple[tuple[datetime, float], ...]
    consumer_group: str = ""


def queue_depths(
    ch: ClickHouse, tenant: str, now: datetime, window: timedelta, *, timezone: str = "UTC"
) -> list[QueueDepth]:
    """Every queue that reported a depth in (now - window, now], by system, destination and group.

    `usual_depth` is the median of the samples in the same hour of the week, one and two weeks before now; hours are
    counted in `timezone`. Raises InvalidInput when the window is not positive or a time is naive.
    """
    if window <= timedelta():
        raise InvalidInput(f"the window of queue depths must be positive, got {window}")
    step = max(1, round(window.total_seconds() / POINTS))
    found = ch.query(
        load_sql("metrics", "queue_depth"),
        {"tenant": tenant, "start": sql_time(now - window), "end": sql_time(now), "step": step},
    )
    usual = _usual(ch, tenant, now, timezone) if found.rows else {}
    return [
        QueueDepth(
            system=row["System"],
            destination=row["Destination"],
            depth=float(row["Depth"]),
            oldest_age_s=float(row["Age"]) if row["HasAge"] else None,
            at=as_utc(row["DepthAt"]),
            usual_depth=usual.get((row["System"], row["Destination"], row["ConsumerGroup"])),
            series=tuple((as_utc(at), float(depth)) for at, depth in row["Series"]),
            consumer_group=row["ConsumerGroup"],
        )
        for row in found.dicts()
    ]


def same_hour_of_week(now: datetime, timezone: str, weeks: int) -> tuple[datetime, datetime]:
    """The hour of the week that holds `now`, `weeks` ago, on the clock of `timezone`: [start, end) in UTC."""
    local = now.astimezone(ZoneInfo(timezone)).replace(minute=0, second=0, microsecond=0)
    start = (local - timedelta(weeks=weeks)).astimezone(UTC)
    return start, start + HOUR


def _usual(ch: ClickHouse, tenant: str, now: datetime, timezone: str) -> dict[tuple[str, str, str], float | None]:
    bounds: dict[str, str] = {}
    for weeks in (1, 2):
        start, end = same_hour_of_week(now, timezone, weeks)
        bounds |= {f"week{weeks}_start": sql_time(start), f"week{weeks}_end": sql_time(end)}
    found = ch.query(load_sql("metrics", "queue_usual"), {"tenant": tenant, **bounds})
    return {(system, destination, group): finite(usual) for system, destination, group, usual in found.rows}
