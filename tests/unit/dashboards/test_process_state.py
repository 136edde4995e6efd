"""The address of the process page: what is chosen comes back as it was, and nothing in an address breaks the page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.url_state import (
    LONGEST,
    MOST,
    Count,
    List,
    Paths,
    Period,
    ProcessState,
    Statistic,
    Steps,
    Times,
    length,
    parse,
    seconds,
)

NAMES = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
SOME = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="=>"), min_size=1, max_size=20)
LENGTHS = st.none() | st.integers(1, 10**9)


def several(of: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=4, unique=True).map(tuple)


STATES = st.builds(
    lambda step, to, **rest: ProcessState(step=step, to=to if step else "", **rest),
    stream=NAMES,
    period=st.sampled_from(Period),
    paths=st.sampled_from(Paths),
    step=NAMES,
    to=NAMES,
    variant=st.none() | st.integers(0, 2**64 - 1),
    case=NAMES,
    waits=NAMES,
    attributes=several(st.tuples(SOME, NAMES)),
    without=several(st.tuples(SOME, NAMES)),
    contains=several(SOME),
    misses=several(SOME),
    follows=several(st.tuples(SOME, SOME)),
    min_duration=LENGTHS,
    max_duration=LENGTHS,
    outcomes=several(SOME),
    steps=st.sampled_from(Steps),
    count=st.sampled_from(Count),
    times=st.sampled_from(Times),
    statistic=st.sampled_from(Statistic),
    whole=st.none() | st.sampled_from(List),
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
        ("?attribute=a%3Db%3Dc&attribute=a%3Db%3Dc", ProcessState(attributes=(("a", "b=c"),))),
        ("?attribute=a&attribute=%3Db", ProcessState()),
        ("?follows=a&follows=a-%3E", ProcessState()),
        ("?" + "&".join(f"contains={n}" for n in range(50)), ProcessState(contains=tuple(map(str, range(MOST))))),
        ("?min_duration=90&max_duration=1w2d", ProcessState(min_duration=90, max_duration=777_600)),
        ("?min_duration=soon&max_duration=-1", ProcessState()),
        ("?times=none&statistic=p99&whole=all&steps=&count=x", ProcessState()),
    ],
    ids=["unknown period", "no paths", "negative", "too large", "no digits", "other digits", "path without a step",
         "twice", "escaped", "too long", "too many", "values with signs", "no pair", "no next step", "many of one kind",
         "lengths", "no lengths", "other words"],
)  # fmt: skip
def test_what_is_not_understood_counts_as_not_given(search: str, wanted: ProcessState) -> None:
    assert parse(search) == wanted


def test_another_stream_lets_go_of_what_was_chosen_in_the_old_one() -> None:
    state = ProcessState("a", Period.ALL, Paths.ALL, "x", "y", 3, "c", contains=("z",), times=Times.TOTAL)
    assert state.in_stream("b") == ProcessState("b", Period.ALL, Paths.ALL, times=Times.TOTAL)


def test_clearing_leaves_period_case_and_the_drawing() -> None:
    state = ProcessState("a", Period.ALL, Paths.ALL, "x", "y", 3, "c", "w", (("n", "v"),), outcomes=("open",))
    assert state.filtered
    assert state.cleared() == ProcessState("a", Period.ALL, Paths.ALL, case="c")
    assert not state.cleared().filtered


def test_one_value_more_and_less() -> None:
    state = ProcessState().with_one("contains", "a").with_one("contains", "b").with_one("contains", "a")
    assert state.contains == ("a", "b")
    assert state.less_one("contains", "a").contains == ("b",)


@given(st.integers(1, 10**9))
def test_a_length_comes_back(total: int) -> None:
    assert seconds(length(total)) == total


def test_a_period_begins_at_a_full_minute_so_that_pages_share_a_reading() -> None:
    now = datetime(2026, 3, 2, 9, 0, 41, 5, tzinfo=UTC)
    assert Period.DAY.start(now) == datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
    assert Period.MONTH.start(now) == Period.MONTH.start(now + timedelta(seconds=18))
    assert Period.ALL.start(now) is None
