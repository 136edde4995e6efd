"""The table of a command: every state and event, with the guards on either side."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.states import TRANSITIONS, CommandEvent, CommandState, Facts, Timings, advance, transitions_markdown
from core import Conflict

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
S, E = CommandState, CommandEvent


def facts(age_s: float) -> Facts:
    """Requested and sent `age_s` seconds ago."""
    then = NOW - timedelta(seconds=age_s)
    return Facts(NOW, then, then, Timings())


FRESH, SETTLED, OLD, ANCIENT = facts(1), facts(60), facts(400), facts(90_000)

LEGAL = [
    (S.REQUESTED, E.DISPATCH, FRESH, S.SENDING, False),
    (S.REQUESTED, E.DISPATCH, OLD, S.FAILED, True),
    (S.REQUESTED, E.REFUSED, FRESH, S.FAILED, True),
    (S.SENDING, E.ACCEPTED, FRESH, S.SENT, False),
    (S.SENDING, E.REFUSED, FRESH, S.FAILED, True),
    (S.SENDING, E.LOST, FRESH, S.UNKNOWN, False),
    (S.SENDING, E.ORPHANED, FRESH, S.SENDING, False),
    (S.SENDING, E.ORPHANED, SETTLED, S.UNKNOWN, False),
    (S.SENT, E.SEEN_WANTED, FRESH, S.VERIFIED, True),
    (S.SENT, E.SEEN_OTHER, FRESH, S.SENT, False),
    (S.SENT, E.SEEN_OTHER, SETTLED, S.FAILED, True),
    (S.SENT, E.NOT_SEEN, FRESH, S.SENT, False),
    (S.SENT, E.NOT_SEEN, SETTLED, S.UNKNOWN, False),
    (S.SENT, E.SUPERSEDED, FRESH, S.UNKNOWN, True),
    (S.UNKNOWN, E.ACCEPTED, FRESH, S.SENT, False),
    (S.UNKNOWN, E.REFUSED, FRESH, S.FAILED, True),
    (S.UNKNOWN, E.LOST, FRESH, S.UNKNOWN, False),
    (S.UNKNOWN, E.SEEN_WANTED, FRESH, S.VERIFIED, True),
    (S.UNKNOWN, E.SEEN_OTHER, FRESH, S.UNKNOWN, False),
    (S.UNKNOWN, E.SEEN_OTHER, SETTLED, S.FAILED, True),
    (S.UNKNOWN, E.NOT_SEEN, SETTLED, S.UNKNOWN, False),
    (S.UNKNOWN, E.NOT_SEEN, ANCIENT, S.UNKNOWN, True),
    (S.UNKNOWN, E.SUPERSEDED, FRESH, S.UNKNOWN, True),
]
ILLEGAL = sorted(set(itertools.product(S, E)) - {(state, event) for state, event, *_ in LEGAL})


@pytest.mark.parametrize(("state", "event", "when", "target", "done"), LEGAL)
def test_legal(state: S, event: E, when: Facts, target: S, done: bool) -> None:
    row = advance(state, event, when)
    assert (row.target, row.done) == (target, done)


@pytest.mark.parametrize(("state", "event"), ILLEGAL)
def test_illegal(state: S, event: E) -> None:
    """Every other pair is refused, whatever the guards would say."""
    for when in (FRESH, SETTLED, OLD, ANCIENT):
        with pytest.raises(Conflict, match=f"{state.value!r} does not take {event.value!r}"):
            advance(state, event, when)


def test_every_row_is_exercised() -> None:
    assert {id(advance(state, event, when)) for state, event, when, *_ in LEGAL} == {id(row) for row in TRANSITIONS}


@given(st.sampled_from(TRANSITIONS), st.floats(-10, 200_000), st.booleans())
def test_exactly_one_guard_of_a_pair_holds(row: object, age_s: float, was_sent: bool) -> None:
    """No moment at which two rows, or none, apply: not even when the clock steps back."""
    pair = [item for item in TRANSITIONS if (item.source, item.event) == (row.source, row.event)]  # type: ignore[attr-defined]
    then = NOW - timedelta(seconds=age_s)
    when = Facts(NOW, then, then if was_sent else None, Timings())
    assert sum(item.guard(when) for item in pair) == 1


def test_nothing_leads_back_to_sending() -> None:
    """A command is sent at most once, ever."""
    assert {row.source for row in TRANSITIONS if row.target is S.SENDING} == {S.REQUESTED, S.SENDING}
    assert not [row for row in TRANSITIONS if row.target is S.REQUESTED]


def test_a_timeout_is_never_a_failure() -> None:
    assert {row.target for row in TRANSITIONS if row.event is E.LOST} == {S.UNKNOWN}


def test_the_documentation_shows_this_table() -> None:
    page = (Path(__file__).parents[3] / "docs" / "control.md").read_text("utf-8")
    assert transitions_markdown() in page
