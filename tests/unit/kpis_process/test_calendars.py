"""Working time in the engine: examples worked by hand, then against minutes counted one by one on the wall clock."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import SystemClock
from core.errors import ConfigurationError, InvalidInput
from kpis.process.calendar_gaps import CalendarGap, calendar_gaps
from kpis.process.calendars import Calendar, read_calendars, working_time
from kpis.process.cases import CaseJobs
from kpis.process.located import read_yaml
from storage import ClickHouse

Insert = Callable[..., None]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OFFICE = """
calendars:
  office:
    timezone: Europe/Vienna
    hours: {mon-thu: "08:00-12:00, 13:00-17:00", fri: "08:00-13:00"}
    holidays: [2026-04-06]
    cut_off: "15:00"
  night:
    timezone: Europe/Vienna
    hours: {mon-sun: "22:00-06:00"}
  odd:
    timezone: Europe/Vienna
    hours: {mon-sun: "02:30-02:45, 04:00-05:00"}
"""


def calendars(text: str = OFFICE) -> dict[str, Calendar]:
    return dict(read_calendars(read_yaml("calendars.yaml", text)))


def ns(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def between(ch: ClickHouse, calendar: Calendar, pairs: list[tuple[datetime, datetime]]) -> list[float]:
    """Over arrays, as the answers use it."""
    laid = working_time(calendar, min(one for one, _ in pairs), max(two for _, two in pairs))
    params = {"s": [ns(one) for one, _ in pairs], "e": [ns(two) for _, two in pairs], **laid.params()}
    sql = f"SELECT arrayMap((s, e) -> {laid.seconds('s', 'e')}, {{s:Array(Int64)}}, {{e:Array(Int64)}})"
    found: list[float] = ch.query(sql, params).scalar()
    return found


@pytest.mark.parametrize(
    ("name", "start", "end", "hours"),
    [
        pytest.param("office", "2026-03-02T09:00", "2026-03-02T11:30", 2.5, id="within hours"),
        pytest.param("office", "2026-03-02T11:00", "2026-03-02T14:00", 2, id="not the lunch break"),
        pytest.param("office", "2026-03-06T12:00", "2026-03-09T09:00", 2, id="not the weekend, Friday ends at 13"),
        pytest.param("office", "2026-03-07T10:00", "2026-03-08T10:00", 0, id="nothing on a weekend"),
        pytest.param("office", "2026-04-03T12:00", "2026-04-07T09:00", 2, id="not Easter Monday"),
        pytest.param("office", "2026-03-02T15:00", "2026-03-02T16:00", 1, id="at the cut-off is in time"),
        pytest.param("office", "2026-03-02T15:01", "2026-03-02T16:00", 0, id="after it: from tomorrow on"),
        pytest.param("office", "2026-03-02T15:01", "2026-03-03T09:00", 1, id="after it: from eight tomorrow"),
        pytest.param("office", "2026-03-02T18:00", "2026-03-03T09:00", 1, id="after hours"),
        pytest.param("office", "2026-03-03T09:00", "2026-03-02T09:00", 0, id="not below 0"),
        pytest.param("night", "2026-03-02T00:00", "2026-03-03T00:00", 8, id="two halves of nights"),
        pytest.param("night", "2026-03-28T12:00", "2026-03-29T12:00", 7, id="clocks forward: an hour less"),
        pytest.param("night", "2026-10-24T12:00", "2026-10-25T12:00", 9, id="clocks back: an hour more"),
        pytest.param("odd", "2026-03-29T00:00", "2026-03-29T12:00", 1, id="opening and closing skipped: nothing"),
        pytest.param("odd", "2026-10-25T00:00", "2026-10-25T12:00", 2.25, id="both come twice: first to last"),
    ],
)
def test_worked_examples(clickhouse: ClickHouse, name: str, start: str, end: str, hours: float) -> None:
    zone = ZoneInfo("Europe/Vienna")
    one, two = (datetime.fromisoformat(word).replace(tzinfo=zone) for word in (start, end))
    assert between(clickhouse, calendars()[name], [(one, two)]) == [hours * 3600]


ZONES = ("UTC", "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
# Boundaries keep away from the hours that clocks skip or repeat; those are worked by hand above.
OPENINGS = st.sampled_from([0, 60 * 5, 60 * 8, 60 * 8 + 30])
LENGTHS = st.sampled_from([60, 4 * 60, 8 * 60 + 15, 10 * 60])
DAY_HOURS = st.one_of(
    st.just(()),
    st.builds(lambda opens, length: ((opens, opens + length),), OPENINGS, LENGTHS),
    st.just(((6 * 60, 9 * 60), (12 * 60, 14 * 60 + 1))),
    st.just(((22 * 60, 30 * 60),)),
)
AROUND = st.sampled_from(
    [datetime(2026, m, d, tzinfo=UTC) for m, d in ((1, 1), (3, 6), (3, 27), (4, 3), (10, 23), (10, 30))]
)


@given(
    zone=st.sampled_from(ZONES),
    week=st.lists(DAY_HOURS, min_size=7, max_size=7),
    cut_off=st.none() | st.sampled_from([0, 7 * 60, 13 * 60, 18 * 60]),
    holidays=st.sets(st.sampled_from([date(2026, 1, 1), date(2026, 3, 9), date(2026, 10, 25)])),
    around=AROUND,
    minutes=st.lists(st.tuples(st.integers(0, 6 * 1440), st.integers(-600, 4 * 1440)), min_size=1, max_size=6),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_agrees_with_counting_minutes(
    clickhouse: ClickHouse, zone: str, week: Any, cut_off: Any, holidays: Any, around: datetime, minutes: Any
) -> None:
    """Across both changes of the clocks, half-hour ones too, night shifts, holidays and cut-offs."""
    if any(closes > 1440 for day in week for _, closes in day):
        cut_off = None
    calendar = Calendar("c", zone, tuple(week), frozenset(holidays), cut_off)
    pairs = [
        (around + timedelta(minutes=start), around + timedelta(minutes=start + length)) for start, length in minutes
    ]
    assert between(clickhouse, calendar, pairs) == [60 * counted(calendar, one, two) for one, two in pairs]


def counted(calendar: Calendar, start: datetime, end: datetime) -> int:
    """Minute by minute: is it worked in, and has the work that arrived at `start` begun by then?"""
    zone = ZoneInfo(calendar.timezone)
    arrived = start.astimezone(zone)
    waits_until = arrived.date()
    limit = calendar.cut_off
    if limit is not None and calendar.day(arrived.date()) and after(arrived, limit):
        waits_until += timedelta(days=1)
    total, moment = 0, start
    while moment < end:
        local = moment.astimezone(zone).replace(tzinfo=None)
        begun = limit is None or local.date() >= waits_until
        total += begun and open_at(calendar, local)
        moment += timedelta(minutes=1)
    return total


def after(local: datetime, minutes: int) -> bool:
    return (local.hour, local.minute, local.second) > (minutes // 60, minutes % 60, 0)


def open_at(calendar: Calendar, local: datetime) -> bool:
    minute = local.hour * 60 + local.minute
    today, yesterday = calendar.day(local.date()), calendar.day(local.date() - timedelta(days=1))
    return any(opens <= minute < closes for opens, closes in today) or any(
        opens <= minute + 1440 < closes for opens, closes in yesterday
    )


def test_the_piece_table_and_the_engine_agree(clickhouse: ClickHouse) -> None:
    """Below the second, too: what is bound is whole seconds, what is looked up nanoseconds."""
    laid = working_time(calendars()["office"], datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC))
    start = datetime(2026, 3, 2, 10, 59, 59, 250_000, tzinfo=UTC)  # 11:59:59.25 in Vienna
    end = datetime(2026, 3, 2, 12, 0, 0, 500_000, tzinfo=UTC)
    assert laid.ends.at(end.timestamp()) - laid.arrivals.at(start.timestamp()) == 1.25
    assert between(clickhouse, calendars()["office"], [(start, end)]) == [1.25]


def test_half_a_century_in_the_engine(clickhouse: ClickHouse) -> None:
    """2,923 weeks of five days of ten hours, and two days before them: 1 January 1970 was a Thursday."""
    week = (((480, 1080),),) * 5 + ((),) * 2
    pair = datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC)
    laid = working_time(Calendar("c", "UTC", week), *pair)
    assert len(laid.ends.begins) > 14_600
    assert max(len(str(value)) for value in laid.params().values()) < 1 << 17, "what a server takes as a parameter"
    assert between(clickhouse, Calendar("c", "UTC", week), [pair]) == [(2923 * 5 + 2) * 36_000]


def test_a_century_is_too_long_for_a_calendar() -> None:
    with pytest.raises(InvalidInput, match=r"the cases last from 1900-01-01 to 2026-01-01.*choose a shorter period"):
        working_time(calendars()["night"], datetime(1900, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))


def gaps(found: tuple[CalendarGap, ...]) -> dict[str, tuple[float, float]]:
    return {f"{one.from_step}>{one.to_step}": (one.gap.sum_s, one.working_gap.sum_s) for one in found}


def test_a_weekend_is_no_bottleneck(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any) -> None:
    """2026-03-01 is a Sunday. Friday 16:00 UTC (17:00 in Vienna) is 5.67 days later."""
    hour = 3600.0
    friday, monday = 5 * 24 * hour, 8 * 24 * hour
    insert(
        [
            event("1", "a", friday + 10 * hour, start=friday + 9 * hour),  # ends at 11:00 in Vienna
            event("1", "b", monday + 9 * hour, start=monday + 8 * hour),  # starts at 9:00 there
            event("1", "c", monday + 10 * hour),
        ]
    )
    CaseJobs(clickhouse, SystemClock()).run_once(tenant)
    known = calendars()
    plain = calendar_gaps(clickhouse, tenant, "s", known)
    assert gaps(plain) == {"a>b": (70 * hour, 70 * hour), "b>c": (hour, hour)}
    office = calendar_gaps(clickhouse, tenant, "s", known, calendar="office")
    assert gaps(office) == {"a>b": (70 * hour, 3 * hour), "b>c": (hour, hour)}, "two on Friday, one on Monday"
    first = next(one for one in office if one.to_step == "b")
    assert first.waiting is not None
    assert first.working_waiting is not None
    assert (first.waiting.sum_s, first.working_waiting.sum_s, first.waits) == (70 * hour, 3 * hour, 1)
    last = next(one for one in office if one.to_step == "c")
    assert (last.waits, last.waiting, last.working_waiting) == (0, None, None), "before an instant event: not known"
    mixed = calendar_gaps(clickhouse, tenant, "s", known, by_step={"b": "night"})
    assert gaps(mixed) == {"a>b": (70 * hour, 24 * hour), "b>c": (hour, hour)}
    assert {one.to_step: one.calendar for one in mixed} == {"b": "night", "c": ""}


def test_gaps_of_nothing_and_of_unknown_calendars(clickhouse: ClickHouse, tenant: str) -> None:
    assert calendar_gaps(clickhouse, tenant, "s", calendars(), calendar="office") == ()
    with pytest.raises(ConfigurationError, match="there is no calendar 'x'; there are night, odd, office"):
        calendar_gaps(clickhouse, tenant, "s", calendars(), calendar="x")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("timezone: Mars/Olympus", "calendars.yaml:3: timezone must be an IANA name like Europe/Vienna"),
        ("hours: {mon: 8-17}", "calendars.yaml:4: a time must be like 08:30, got '8'"),
        ("hours: {mon: '08:00-25:00'}", "calendars.yaml:4: a time must be like 08:30, got '25:00'"),
        ("hours: {mon: '09:00-12:00, 11:00-13:00'}", "hours of a day must be in order and apart"),
        ("hours: {moon: '09:00-12:00'}", "or a range like mon-fri, got 'moon'"),
        ("hours: {fri-mon: '09:00-12:00'}", "or a range like mon-fri, got 'fri-mon'"),
        ("hours: {mon-fri: '09:00-12:00', fri: '09:00-11:00'}", "hours of fri are given twice"),
        ("hours: {}", "hours must be given for at least one day"),
        ("holidays: [christmas]", "a holiday must be a date like 2026-12-25, got 'christmas'"),
        ("hours: {mon: '22:00-06:00'}\n    cut_off: '15:00'", "a cut_off needs hours that end before midnight"),
        ("open: yes", "calendars.yaml:5: unknown key 'open'"),
    ],
)
def test_wrong_calendars_are_refused(lines: str, message: str) -> None:
    own = lines.partition(":")[0]
    usual = {"timezone": "timezone: UTC", "hours": "hours: {mon: 17:00-18:00}"}
    text = "calendars:\n  c:\n" + "".join(f"    {lines if own == key else line}\n" for key, line in usual.items())
    if own not in usual:
        text += f"    {lines}\n"
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        calendars(text)
