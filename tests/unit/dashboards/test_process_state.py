"""The address of the process page: what is chosen comes back as it was, and nothing in an address breaks the page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.url_state import LONGEST, Paths, Period, ProcessState, parse

NAMES = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
STATES = st.builds(
    lambda step, to, **rest: ProcessState(step=step, to=to if step else "", **rest),
    stream=NAMES,
    period=st.sampled_from(Period),
    paths=st.sampled_from(Paths),
    step=NAMES,
    to=NAMES,
    variant=st.none() | st.integers(0, 2**64 - 1),
    case=NAMES,
)


@given(STATES)
def test_an_address_says_what_was_chosen(state: ProcessState) -> None:
    assert parse(state.search) == state


@given(st.text(max_size=300))
def test_any_text_is_some_state(text: str) -> None:
    state = parse(text)
    assert parse(state.search) == state


def test_a_state_by_default_has_a_bare_address() -> None:
    assert ProcessState().href == "/process"
    assert parse(None) == parse("") == parse("?") == ProcessState()


@pytest.mark.parametrize(
    ("search", "wanted"),
    [
        ("?period=13d", ProcessState()),
        ("?paths=", ProcessState()),
        ("?variant=-1", ProcessState()),
        ("?variant=18446744073709551616", ProcessState()),
        ("?variant=1e3", ProcessState()),
        ("?variant=%D9%A3", ProcessState()),
        ("?to=b", ProcessState()),
        ("?step=a&step=b", ProcessState(step="b")),
        ("?case=a%26b%3Dc%20d", ProcessState(case="a&b=c d")),
        ("?stream=" + "x" * 2000, ProcessState(stream="x" * LONGEST)),
        ("?" + "a=1&" * 200, ProcessState()),
    ],
    ids=["unknown period", "no paths", "negative", "too large", "no digits", "other digits", "path without a step",
         "twice", "escaped", "too long", "too many"],
)  # fmt: skip
def test_what_is_not_understood_counts_as_not_given(search: str, wanted: ProcessState) -> None:
    assert parse(search) == wanted


def test_another_stream_lets_go_of_what_was_chosen_in_the_old_one() -> None:
    state = ProcessState("a", Period.ALL, Paths.ALL, "x", "y", 3, "c")
    assert state.in_stream("b") == ProcessState("b", Period.ALL, Paths.ALL)


def test_a_period_begins_at_a_full_minute_so_that_pages_share_a_reading() -> None:
    now = datetime(2026, 3, 2, 9, 0, 41, 5, tzinfo=UTC)
    assert Period.DAY.start(now) == datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
    assert Period.MONTH.start(now) == Period.MONTH.start(now + timedelta(seconds=18))
    assert Period.ALL.start(now) is None
