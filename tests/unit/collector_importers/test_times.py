"""Text to nanoseconds: every notation, every refusal, and agreement with datetime on random instants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.importers.times import time_reader, to_datetime

NEW_YEAR = 1_577_836_800 * 10**9  # 2020-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("text", "offset_ns"),
    [
        pytest.param("2020-01-01T00:00:00Z", 0, id="zulu"),
        pytest.param("2020-01-01 01:00:00+01:00", 0, id="space and offset"),
        pytest.param("2019-12-31T19:00:00-05:00", 0, id="negative offset"),
        pytest.param("2020-01-01T01:00:00+0100", 0, id="offset without colon"),
        pytest.param("2020-01-01T01:00:00+01", 0, id="offset of hours"),
        pytest.param("2020-01-01 01:00:00 +01:00", 0, id="space before offset"),
        pytest.param("2020-01-01 01:00:00.123456789 +0100", 123_456_789, id="space before offset, fraction"),
        pytest.param("2020-01-01 00:00:00 UTC", 0, id="the word UTC"),
        pytest.param("2020-01-01 00:00:00.25 UTC", 250_000_000, id="the word UTC, fraction"),
        pytest.param("2020/01/01 00:00:00", 0, id="year first, slashes"),
        pytest.param("2020-01-01", 0, id="date alone"),
        pytest.param("20200101", 0, id="basic date is not Unix time"),
        pytest.param("  2020-01-01 00:00 ", 0, id="blanks around, no seconds"),
        pytest.param("2020-01-01 00:00:00.5", 500_000_000, id="one digit"),
        pytest.param("2020-01-01 00:00:00.276000+00:00", 276_000_000, id="microseconds"),
        pytest.param("2020-01-01T00:00:00.123456789Z", 123_456_789, id="nanoseconds"),
        pytest.param("2020-01-01T00:00:00.1234567+00:00", 123_456_700, id="100 nanoseconds"),
        pytest.param("20200101T000000.1234567Z", 123_456_700, id="basic form with 100 nanoseconds"),
        pytest.param("2020-01-01T00:00:00.5z", 500_000_000, id="small zulu"),
        pytest.param("2019-12-31T24:00:00", 0, id="midnight as the end of its day"),
        pytest.param("2019-12-31 24:00", 0, id="midnight without seconds"),
        pytest.param("2019/12/31 24:00:00.000 +00:00", 0, id="midnight with all that may be there"),
        pytest.param("20191231T240000Z", 0, id="midnight in the basic form"),
        pytest.param("1577836800", 0, id="Unix seconds"),
        pytest.param("1577836800.25", 250_000_000, id="Unix seconds with fraction"),
        pytest.param("1577836800123", 123_000_000, id="Unix milliseconds"),
        pytest.param("1577836800123456", 123_456_000, id="Unix microseconds"),
        pytest.param("1577836800123456789", 123_456_789, id="Unix nanoseconds"),
    ],
)
def test_iso_reads(text: str, offset_ns: int) -> None:
    assert time_reader("iso", UTC)(text) == NEW_YEAR + offset_ns


@pytest.mark.parametrize(
    ("fmt", "text"),
    [
        ("epoch_s", "1577836800"),
        ("epoch_ms", "1577836800000"),
        ("epoch_us", "1577836800000000"),
        ("epoch_ns", "1577836800000000000"),
        ("epoch_s", "1.5778368e9"),
        ("%d.%m.%Y %H:%M", "01.01.2020 00:00"),
        ("%d/%b/%Y:%H:%M:%S %z", "31/Dec/2019:22:00:00 -0200"),
    ],
)
def test_given_format_reads(fmt: str, text: str) -> None:
    assert time_reader(fmt, UTC)(text) == NEW_YEAR


@pytest.mark.parametrize(
    ("fmt", "text", "reason"),
    [
        ("iso", "01/02/2020 10:00", "is not an ISO 8601 time"),
        ("iso", "yesterday", "is not an ISO 8601 time"),
        ("iso", "2020-02-30", "is not an ISO 8601 time"),
        ("iso", "2020-01-01T24:00:01", "is not an ISO 8601 time"),
        ("iso", "2020-01-01T24:30:00", "is not an ISO 8601 time"),
        ("iso", "9999-12-31T24:00:00", "is not an ISO 8601 time"),
        ("iso", "1969-12-31T23:59:59Z", "is outside"),
        ("iso", "1970-01-01T00:00:00Z", "is outside"),
        ("iso", "2262-05-01", "is outside"),
        ("iso", "0001-01-01T00:00:00+14:00", "is outside"),
        ("epoch_s", "soon", "is not a number"),
        ("epoch_s", "NaN", "is not a number"),
        ("epoch_s", "1e999999", "is not a number"),
        ("epoch_s", "-5", "is outside"),
        ("%d.%m.%Y", "2020-01-01", "does not match the format"),
    ],
)
def test_refuses_with_reason(fmt: str, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        time_reader(fmt, UTC)(text)


def test_zone_holds_only_for_times_without_offset() -> None:
    read = time_reader("iso", ZoneInfo("America/Sao_Paulo"))
    assert read("2019-12-31 21:00:00") == NEW_YEAR
    assert read("2020-01-01 00:00:00Z") == NEW_YEAR


def test_repeated_local_hour_is_the_first() -> None:
    read = time_reader("iso", ZoneInfo("Europe/Berlin"))
    assert read("2020-10-25 02:30:00") == read("2020-10-25 00:30:00Z")


@given(
    st.integers(86_400 * 10**6, 9_223_200_000 * 10**6).map(lambda us: to_datetime(us * 1_000)),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    st.sampled_from([" ", "T"]),
)
def test_any_instant_survives(moment: datetime, zone: timezone, sep: str) -> None:
    aware = moment.astimezone(zone)
    ns = time_reader("iso", UTC)(aware.isoformat(sep))
    assert to_datetime(ns) == aware


@given(st.text(max_size=40), st.sampled_from(["iso", "epoch_s", "epoch_ns", "%Y-%m-%d", "%d %B %Y %z"]))
def test_any_text_is_a_time_or_a_value_error(text: str, fmt: str) -> None:
    try:
        ns = time_reader(fmt, UTC)(text)
    except ValueError:
        return
    assert 0 < ns < 1 << 63
