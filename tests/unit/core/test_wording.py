"""How numbers are written: each row is a value and what a person reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import wording


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (0.0004, "< 1 ms"),
        (0.35, "350 ms"),
        (0.9999, "1 s"),
        (12.44, "12.4 s"),
        (59.97, "1 min"),
        (250, "4 min 10 s"),
        (3599.6, "1 h"),
        (7500, "2 h 5 min"),
        (86399, "1 d"),
        (187_200, "2 d 4 h"),
        (90 * 86400, "90 d"),
        (1000 * 86400, "1,000 d"),
        (None, "–"),
        (-3, "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float | None, expected: str) -> None:
    assert expected == plain(wording.duration(seconds))


@given(st.floats(-1e10, 1e10))
def test_a_span_is_a_duration_with_a_sign_and_plain_blanks(seconds: float) -> None:
    said = wording.span(seconds)
    assert said.isprintable()
    assert wording.NBSP not in said
    assert said.removeprefix("−") == plain(wording.duration(abs(seconds)))
    assert said.startswith("−") == (seconds < 0 and any(sign in said for sign in "123456789"))


def test_a_span_that_is_not_known() -> None:
    assert [wording.span(one) for one in (None, float("nan"), float("inf"))] == ["–"] * 3
    assert [wording.span(one) for one in (-93_784.0, -0.0001, -0.0, 0.35)] == ["−1 d 2 h", "−< 1 ms", "0 s", "350 ms"]


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (0.123, "12.3 %"),
        (0.0004, "0.04 %"),
        (0.0, "0 %"),
        (1.0, "100.0 %"),
        (None, "–"),
        (-0.02, "−2.0 %"),
        (0.00001, "< 0.01 %"),
        (-0.00001, "−< 0.01 %"),
        (0.9996, "99.96 %"),
        (0.999999, "> 99.99 %"),
        (1.2, "120.0 %"),
    ],
)
def test_no_share_is_rounded_to_what_is_not_so(ratio: float | None, expected: str) -> None:
    assert expected == plain(wording.percent(ratio))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.125, "0.125"), (3.14159, "3.14"), (47.04, "47"), (12.34, "12.3"), (1234.4, "1,234"), (-3.1, "−3.1"),
        (-0.0001, "0"), (0, "0"), (None, "–"),
    ],
)  # fmt: skip
def test_a_number_keeps_three_figures(value: float | None, expected: str) -> None:
    assert wording.number(value) == expected


@pytest.mark.parametrize(("value", "expected"), [(1234, "1,234"), (-7, "−7"), (0.2, "0"), (None, "–")])
def test_a_count_is_whole(value: float | None, expected: str) -> None:
    assert wording.count(value) == expected


def test_a_currency_without_a_sign_keeps_its_code() -> None:
    found = [plain(wording.with_currency("5", one)) for one in ("EUR", "CHF", "")]
    assert found == ["€ 5", "CHF 5", "5"]


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_nothing_is_ever_shown_as_nan_or_inf(value: float) -> None:
    """Whatever a read model returns, a page shows a number or a dash."""
    for shown in (wording.duration(value), wording.percent(value), wording.number(value), wording.count(value)):
        assert "nan" not in shown
        assert "inf" not in shown


@given(st.floats(min_value=0, max_value=1e9))
def test_a_duration_reads_back_within_its_rounding(seconds: float) -> None:
    sizes = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400}
    parts = plain(wording.duration(seconds)).replace(",", "").replace("< 1", "0").split()
    read = sum(float(parts[index]) * sizes[parts[index + 1]] for index in range(0, len(parts), 2))
    rounding = {"ms": 0.001, "s": 0.1, "min": 1, "h": 60, "d": 3600}[parts[1]]
    assert abs(read - seconds) <= rounding
    assert len(parts) <= 4
    for index in range(0, len(parts), 2):  # never "60 s" or "24 h"
        limit = {"ms": 1000, "s": 60, "min": 60, "h": 24, "d": float("inf")}[parts[index + 1]]
        assert float(parts[index]) < limit
