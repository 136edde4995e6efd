"""Buckets of time: minutes, hours, days, weeks and months as a tenant counts them.

Days begin at local midnight, so that a day may have 23 or 25 hours. A fiscal calendar says on which weekday a week
begins and what a month is: a calendar month, or a period of weeks (4-4-5 and its kin, counted from the first week of
the fiscal year: the one whose first day lies nearest to the first of the starting month; the last period takes a 53rd
week, as NRF's calendar does). Every bucket is named by the instant at which it begins.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo

Grain = Literal["minute", "hour", "day", "week", "month"]
Months = Literal["calendar", "445", "454", "544"]

FIRST_YEAR, LAST_YEAR = 1971, 2100
"""Nothing outside of them is in a bucket."""


@dataclass(frozen=True)
class Calendar:
    """How a tenant counts time. week_begins: 1 is Monday; year_begins: the month in which a fiscal year starts."""

    timezone: str = "UTC"
    week_begins: int = 1
    months: Months = "calendar"
    year_begins: int = 1

    @property
    def name(self) -> str:
        """Tells it from every other."""
        return f"{self.timezone} week {self.week_begins} months {self.months} year {self.year_begins}"

    def start(self, grain: Grain, at: datetime) -> datetime:
        """The instant (UTC) at which the bucket begins that `at` lies in."""
        if grain == "minute":
            return at.astimezone(UTC).replace(second=0, microsecond=0)
        local = at.astimezone(ZoneInfo(self.timezone))
        if grain == "hour":
            past = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
            return at.astimezone(UTC) - past
        starts = self.starts(grain, local.year - 1, local.year + 1)
        return datetime.fromtimestamp(starts[bisect_right(starts, int(at.timestamp())) - 1], UTC)

    def end(self, grain: Grain, start: datetime) -> datetime:
        """The instant at which the next bucket begins."""
        if grain == "minute":
            return start + timedelta(minutes=1)
        if grain == "hour":
            return start + timedelta(hours=1)
        year = start.astimezone(ZoneInfo(self.timezone)).year
        starts = self.starts(grain, year - 1, year + 2)
        return datetime.fromtimestamp(starts[bisect_right(starts, int(start.timestamp()))], UTC)

    def starts(self, grain: Grain, first_year: int, last_year: int) -> Sequence[int]:
        """Beginnings of days, weeks or months of these years, as seconds since the epoch, ascending."""
        return _starts(self, grain, first_year, last_year)


@cache
def _starts(calendar: Calendar, grain: Grain, first_year: int, last_year: int) -> tuple[int, ...]:
    first, last = date(first_year, 1, 1), date(last_year, 12, 31)
    days: list[date]
    if grain == "day":
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    elif grain == "week":
        monday = first - timedelta(days=(first.isoweekday() - calendar.week_begins) % 7)
        days = [monday + timedelta(weeks=n) for n in range((last - monday).days // 7 + 1)]
    elif calendar.months == "calendar":
        days = [date(year, month, 1) for year in range(first_year, last_year + 1) for month in range(1, 13)]
    else:
        days = [day for year in range(first_year - 1, last_year + 1) for day in _periods(calendar, year)]
    return tuple(_midnight(day, calendar.timezone) for day in days)


def _periods(calendar: Calendar, year: int) -> list[date]:
    """The beginnings of the twelve periods of the fiscal year that starts in this year."""
    weeks = [int(digit) for digit in calendar.months] * 4
    at, days = _year_start(calendar, year), []
    for length in weeks:
        days.append(at)
        at += timedelta(weeks=length)
    return days


def _year_start(calendar: Calendar, year: int) -> date:
    first = date(year, calendar.year_begins, 1)
    after = (calendar.week_begins - first.isoweekday()) % 7
    return first + timedelta(days=after if after <= 3 else after - 7)


def _midnight(day: date, timezone: str) -> int:
    """The first instant of a local day; where a gap swallowed midnight, the end of the gap (PEP 495, fold 0)."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone)).timestamp())
