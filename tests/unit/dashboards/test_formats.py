"""How numbers are written: each row is a value and what a person reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards import formats
from dashboards.formats import Delta, Tone

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("12431.50", "EUR", "€ 12.4 k"),
        ("9999.99", "EUR", "€ 10,000"),
        ("950", "USD", "$ 950"),
        ("1234567", "EUR", "€ 1.2 M"),
        ("999960", "EUR", "€ 1.0 M"),
        ("123456", "CHF", "CHF 123 k"),
        ("0", "", "0"),
        ("-12431.50", "EUR", "−€ 12.4 k"),
    ],
)
def test_money_is_short(amount: str, currency: str, expected: str) -> None:
    assert expected == plain(formats.money(Decimal(amount), currency))


def test_money_in_full_is_to_the_cent() -> None:
    assert plain(formats.money_exact(Decimal("12431.5"), "EUR")) == "EUR 12,431.50"


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.964, "ratio", "96.4 %"),
        (96.4, "percent", "96.4 %"),
        (7500.0, "seconds", "2 h 5 min"),
        (52.0, "hours", "2 d 4 h"),
        (12_431.0, "EUR", "€ 12.4 k"),
        (1234.0, "count", "1,234"),
        (3.14159, "turns", "3.14 turns"),
        (None, "ratio", "–"),
    ],
)
def test_a_value_is_written_in_its_unit(value: float | None, unit: str, expected: str) -> None:
    assert expected == plain(formats.quantity(value, unit))


@pytest.mark.parametrize(
    ("value", "previous", "unit", "direction", "expected"),
    [
        pytest.param(0.95, 0.97, "ratio", "up", Delta("−2.0 pts", Tone.WORSE), id="shares change in points"),
        pytest.param(0.95, 0.0, "ratio", "up", Delta("+95.0 pts", Tone.BETTER), id="points need no reference"),
        pytest.param(0.011, 0.005, "ratio", "down", Delta("+0.6 pts", Tone.WORSE), id="less is better"),
        pytest.param(90.0, 120.0, "seconds", "down", Delta("−25 %", Tone.BETTER), id="others change in percent"),
        pytest.param(5.0, 0.0, "seconds", "down", Delta("new", Tone.WORSE), id="from zero there is no percentage"),
        pytest.param(0.0, 0.0, "seconds", "down", Delta("no change", Tone.NEUTRAL), id="zero stays zero"),
        pytest.param(0.9700001, 0.97, "ratio", "up", Delta("no change", Tone.NEUTRAL), id="noise is no change"),
        pytest.param(None, 0.97, "ratio", "up", None, id="nothing now"),
        pytest.param(0.97, None, "ratio", "up", None, id="nothing before"),
    ],
)
def test_changes(
    value: float | None, previous: float | None, unit: str, direction: str, expected: Delta | None
) -> None:
    got = formats.delta(value, previous, unit, direction)
    assert expected == (None if got is None else Delta(plain(got.text), got.tone))


@pytest.mark.parametrize(
    ("value", "usual", "expected"),
    [
        (64, 20, "3.2× usual"),
        (21, 20, "as usual"),
        (400, 20, "20× usual"),
        (5, 0, "usually none"),
        (0, 0, "as usual"),
        (5, None, "no usual yet"),
    ],
)
def test_the_usual_is_a_factor_and_never_infinite(value: float, usual: float | None, expected: str) -> None:
    assert expected == formats.times_usual(value, usual)[0]


@pytest.mark.parametrize(
    ("at", "zone", "expected"),
    [
        (NOW, "Europe/Berlin", "10:00 CET"),
        (NOW - timedelta(days=1), "Europe/Berlin", "1 Mar 10:00 CET"),
        (NOW - timedelta(days=90), "Europe/Berlin", "2 Dec 2025 10:00 CET"),
        (NOW, "America/Sao_Paulo", "06:00 UTC-03"),
        (datetime(2026, 3, 1, 23, 30, tzinfo=UTC), "Europe/Berlin", "00:30 CET"),
    ],
)
def test_times_name_their_zone(at: datetime, zone: str, expected: str) -> None:
    assert expected == plain(formats.clock_time(at, ZoneInfo(zone), NOW))


def test_ago_does_not_count_backwards() -> None:
    assert formats.ago(NOW + timedelta(minutes=5), NOW) == "just now"
    assert plain(formats.ago(NOW - timedelta(seconds=12.7), NOW)) == "12 s ago"


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_no_latency_is_ever_shown_as_nan_or_inf(value: float) -> None:
    """Whatever a read model returns, a page shows a number or a dash."""
    assert not {"nan", "inf"} & set(formats.milliseconds(value).split())
