"""The period before a period, and which buckets are over, as the clock on the wall of a time zone counts them.

A day of a change to or from daylight-saving time has 23 or 25 hours; every length here is one of the wall's clock.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

LENGTHS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=28),
}
"""The shortest that a bucket of a grain is on the wall's clock, the shortest first."""


def period_before(start: datetime, end: datetime, zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which the equally long period begins that ends at `start`; whole months before months."""
    first, last = (at.astimezone(zone).replace(tzinfo=None) for at in (start, end))
    months = (last.year - first.year) * 12 + last.month - first.month
    whole = months > 0 and _months_later(first, months) == last and first.day == 1
    before = _months_later(first, -months) if whole else first - (last - first)
    return before.replace(tzinfo=zone).astimezone(UTC)


def last_over(grain: str, now: datetime, zone: ZoneInfo) -> datetime:
    """The latest instant (UTC) at which a bucket may have begun that is over now."""
    if grain in ("minute", "hour"):
        return (now - LENGTHS[grain]).astimezone(UTC)
    local = now.astimezone(zone).replace(tzinfo=None)
    before = _months_later(local, -1) if grain == "month" else local - LENGTHS[grain]
    return before.replace(tzinfo=zone).astimezone(UTC)


def bucket_count(grain: str, start: datetime, end: datetime) -> int:
    """About how many buckets of the grain the period [start, end) has, rounded up."""
    return -((start - end) // LENGTHS[grain])


def _months_later(local: datetime, months: int) -> datetime:
    index = local.year * 12 + local.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return local.replace(year=year, month=month, day=min(local.day, monthrange(year, month)[1]))
