"""Working calendars: when work is done, so that a weekend is not a bottleneck. Data, in YAML.

A calendar has hours for each day of the week in a time zone, holidays, and perhaps a cut-off: work that arrives later
on a working day starts with the next working day. Intervals run on the wall clock of the zone, so the night in which
clocks are set forward has an hour less. A boundary that clocks skip is the moment of the jump; one that comes twice is
the first for an opening and the second for a closing.

Working time between two instants is computed in the engine: the calendar becomes a table of pieces for the period of
the data, bound as short arrays, and an instant is looked up in it by binary search (`roundDown`).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice, pairwise
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from core.errors import InvalidInput
from kpis.process.located import Entry
from kpis.process.zones import zone_named

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_A_DAY = 1_440
MAX_PIECES = 16_000
"""Pieces of a table: about 60 years of five days a week. As text they must fit in what a server takes as one parameter,
128 KiB."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)

Hours = tuple[tuple[int, int], ...]
"""Intervals of a day in minutes after its midnight, in order; one that ends after 1,440 ends on the next day."""


@dataclass(frozen=True)
class Calendar:
    """`hours`: one entry for each day from Monday. `cut_off`: minutes after midnight, None without one."""

    name: str
    timezone: str
    hours: tuple[Hours, ...]
    holidays: frozenset[date] = frozenset()
    cut_off: int | None = None

    def day(self, day: date) -> Hours:
        """The intervals that begin on a date."""
        return () if day in self.holidays else self.hours[day.weekday()]


@dataclass(frozen=True)
class Pieces:
    """Working time as a function of an instant, piece by piece, in whole seconds.

    In a piece that begins at `begins` the function grows with the clock from `base` to `top` and stays there.
    """

    begins: tuple[int, ...]
    base: tuple[int, ...]
    top: tuple[int, ...]

    def at(self, seconds: float) -> float:
        """The function's value, for one instant after the epoch."""
        place = max(0, bisect_right(self.begins, seconds) - 1)
        return min(self.base[place] + max(0.0, seconds - self.begins[place]), self.top[place])


@dataclass(frozen=True)
class WorkingTime:
    """A calendar laid out over a period: SQL for working time within it.

    `prefix` keeps the parameters of several calendars in one statement apart. What lies outside the period counts as
    time off.
    """

    prefix: str
    arrivals: Pieces
    ends: Pieces

    def params(self) -> dict[str, Any]:
        """The parameters that `seconds` refers to. Differences, because they are short."""
        found = {}
        for name, pieces in (("a", self.arrivals), ("e", self.ends)):
            for part, values in (("p", pieces.begins), ("b", pieces.base)):
                found[f"{self.prefix}_{name}{part}"] = [values[0], *(two - one for one, two in pairwise(values))]
            found[f"{self.prefix}_{name}t"] = [top - base for base, top in zip(pieces.base, pieces.top, strict=True)]
        return found

    def seconds(self, start: str, end: str) -> str:
        """SQL for the working seconds (Float64) between two expressions in nanoseconds since the epoch.

        The start is an arrival: after the cut-off nothing counts until the next working day. Not below 0.
        """
        return f"greatest({self._value('e', end)} - {self._value('a', start)}, 0) / 1e9"

    def _value(self, name: str, instant: str) -> str:
        """`base` and `top` hang on the beginning of the piece, found in a constant table."""

        def column(part: str) -> str:
            return f"arrayMap(x -> x * 1000000000, {{{self.prefix}_{name}{part}:Array(Int64)}})"

        begins, base, room = f"arrayCumSum({column('p')})", f"arrayCumSum({column('b')})", column("t")
        piece = f"roundDown({instant} - 1, {begins})"
        reached = f"transform({piece}, {begins}, {base}, toInt64(0))"
        within = f"transform({piece}, {begins}, {room}, toInt64(0))"
        return f"({reached} + least(greatest({instant} - {piece}, 0), {within}))"


def working_time(calendar: Calendar, first: datetime, last: datetime, prefix: str = "cal") -> WorkingTime:
    """Lays a calendar out from `first` to `last` (aware). Raises InvalidInput when the period is too long for it."""
    if not re.fullmatch(r"[a-z][a-z0-9]*", prefix):
        raise InvalidInput(f"prefix must be letters and digits, got {prefix!r}")
    days = list(islice(_days(calendar, first, last), MAX_PIECES + 1))
    arrivals, ends = _pieces(days, cut_off=True), _pieces(days, cut_off=False)
    if len(arrivals.begins) > MAX_PIECES:
        raise InvalidInput(
            f"calendar {calendar.name}: the cases last from {first.date()} to {last.date()}, which is more than "
            f"{MAX_PIECES} working intervals; choose a shorter period"
        )
    return WorkingTime(prefix, arrivals, ends)


@dataclass(frozen=True)
class _Day:
    """A working day in seconds since the epoch: its intervals, and the cut-off."""

    intervals: tuple[tuple[int, int], ...]
    cut_off: int | None


def _days(calendar: Calendar, first: datetime, last: datetime) -> Iterable[_Day]:
    zone = ZoneInfo(calendar.timezone)
    day, end = first.astimezone(zone).date() - 2 * _DAY, last.astimezone(zone).date() + 2 * _DAY
    before = -(1 << 62)
    while day <= end:
        intervals = []
        for opens, closes in calendar.day(day):
            # A night shift may run into the hours of the next day; nothing is counted twice.
            began, ended = max(before, _instant(day, opens, zone, 0)), _instant(day, closes, zone, 1)
            if ended > began:
                intervals.append((began, ended))
                before = ended
        if intervals:
            cut_off = None if calendar.cut_off is None else _instant(day, calendar.cut_off, zone, 1)
            yield _Day(tuple(intervals), cut_off)
        day += _DAY


def _pieces(days: Iterable[_Day], *, cut_off: bool) -> Pieces:
    found: list[tuple[int, int, int]] = []
    reached = 0
    for day in days:
        over = reached + sum(ended - began for began, ended in day.intervals)
        limit = day.cut_off if cut_off and day.cut_off is not None else None
        own = []
        for began, ended in day.intervals:
            if limit is None or began < limit:
                own.append((began, reached, reached + ended - began))
            reached += ended - began
        if limit is not None and limit < day.intervals[-1][1]:
            own.append((limit, over, over))
        found += own
    if not found:
        return Pieces((0,), (0,), (0,))
    return Pieces(*(tuple(column) for column in zip(*found, strict=True)))


def _instant(day: date, minutes: int, zone: tzinfo, fold: int) -> int:
    """A wall-clock time as seconds since the epoch."""
    local = datetime.combine(
        day + timedelta(minutes // MINUTES_A_DAY), time(minutes % MINUTES_A_DAY // 60, minutes % 60)
    )
    early, late = (local.replace(tzinfo=zone, fold=f).astimezone(UTC) for f in (0, 1))
    if early > late:  # skipped by the clocks: fold 0 takes the offset before the jump, fold 1 the one after it
        after = local.replace(tzinfo=zone, fold=1).utcoffset()
        while early - late > _SECOND:
            middle = late + (early - late) // 2 // _SECOND * _SECOND
            early, late = (middle, late) if middle.astimezone(zone).utcoffset() == after else (early, middle)
        late = early
    return ((late if fold else early) - _EPOCH) // _SECOND


# --- the file ---


def read_calendars(entry: Entry) -> Mapping[str, Calendar]:
    """The calendars of a file: `calendars:` maps names to time zone, hours, holidays and cut-off."""
    named = entry.entries((), ("calendars",))["calendars"].mapping()
    return MappingProxyType({name: _calendar(name, one) for name, one in named.items()})


def _calendar(name: str, entry: Entry) -> Calendar:
    keys = entry.entries(("holidays", "cut_off"), ("timezone", "hours"))
    cut_off = _minutes(keys["cut_off"], keys["cut_off"].text()) if "cut_off" in keys else None
    hours = _week(keys["hours"])
    if cut_off is not None and any(closes > MINUTES_A_DAY for day in hours for _, closes in day):
        keys["cut_off"].fail("a cut_off needs hours that end before midnight")
    holidays = frozenset(_date(item) for item in keys["holidays"].items()) if "holidays" in keys else frozenset()
    return Calendar(name, _zone(keys["timezone"]), hours, holidays, cut_off)


def _zone(entry: Entry) -> str:
    found = entry.text()
    try:
        zone_named(found)
    except InvalidInput:
        entry.fail(f"timezone must be an IANA name like Europe/Vienna, got {found!r}")
    return found


def _date(entry: Entry) -> date:
    found = entry.text()
    try:
        return date.fromisoformat(found)
    except ValueError:
        return entry.fail(f"a holiday must be a date like 2026-12-25, got {found!r}")


def _week(entry: Entry) -> tuple[Hours, ...]:
    """`mon-fri: 08:00-18:00` and the like; a day named alone overrides nothing, it may be named once."""
    week: dict[str, Hours] = {}
    for days, hours in entry.mapping().items():
        first, _, last = days.partition("-")
        last = last or first
        if first not in WEEKDAYS or last not in WEEKDAYS or WEEKDAYS.index(first) > WEEKDAYS.index(last):
            hours.fail(f"hours must be given for {', '.join(WEEKDAYS)} or a range like mon-fri, got {days!r}")
        intervals = _hours(hours)
        for day in WEEKDAYS[WEEKDAYS.index(first) : WEEKDAYS.index(last) + 1]:
            if day in week:
                hours.fail(f"hours of {day} are given twice")
            week[day] = intervals
    if not any(week.values()):
        entry.fail("hours must be given for at least one day")
    return tuple(week.get(day, ()) for day in WEEKDAYS)


def _hours(entry: Entry) -> Hours:
    """`08:00-12:00, 13:00-17:00`; an end that is not after its beginning is on the next day."""
    found: list[tuple[int, int]] = []
    for part in entry.text().split(","):
        opens, dash, closes = (word.strip() for word in part.partition("-"))
        if not dash or opens == "24:00":
            entry.fail(f"hours must be like 08:00-12:00, 13:00-17:00, got {entry.text()!r}")
        began, ended = _minutes(entry, opens), _minutes(entry, closes)
        ended += MINUTES_A_DAY if ended <= began else 0
        if found and began < found[-1][1]:
            entry.fail(f"hours of a day must be in order and apart, got {entry.text()!r}")
        found.append((began, ended))
    return tuple(found)


def _minutes(entry: Entry, word: str) -> int:
    if not _TIME.fullmatch(word):
        entry.fail(f"a time must be like 08:30, got {word!r}")
    return int(word[:2]) * 60 + int(word[3:])
