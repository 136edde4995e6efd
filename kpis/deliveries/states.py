"""The life of a run and of a delivery, as a table.

Both are *pending* until something was tried, wait for *retry* after a failure that may pass, and are *failed* (a dead
letter, with its reason) when it will not pass or was tried often enough. A run ends well as *rendered*, a delivery as
*sent*; a due time that was missed and not made up is a *skipped* run, until somebody asks for it. Only `advance`
changes a state; an input that has no row raises Conflict and changes nothing. A crash is no input: what was not
recorded is done again, same id.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from core.errors import Conflict


class State(StrEnum):
    """Where a run or a delivery stands."""

    PENDING = "pending"
    RETRY = "retry"
    RENDERED = "rendered"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"


class Input(StrEnum):
    """What can happen to it."""

    RENDERED = "rendered"  # the file is there
    DELIVERED = "delivered"  # the receiver took it
    TRY_LATER = "try_later"  # it did not work now
    EXHAUSTED = "exhausted"  # it did not work now, for the last time
    REJECTED = "rejected"  # it will never work as it is
    ASKED_AGAIN = "asked_again"  # a person wants another attempt


_S, _I = State, Input

TRANSITIONS: Mapping[tuple[State, Input], State] = {
    (_S.PENDING, _I.RENDERED): _S.RENDERED,
    (_S.PENDING, _I.DELIVERED): _S.SENT,
    (_S.PENDING, _I.TRY_LATER): _S.RETRY,
    (_S.PENDING, _I.EXHAUSTED): _S.FAILED,
    (_S.PENDING, _I.REJECTED): _S.FAILED,
    (_S.RETRY, _I.RENDERED): _S.RENDERED,
    (_S.RETRY, _I.DELIVERED): _S.SENT,
    (_S.RETRY, _I.TRY_LATER): _S.RETRY,
    (_S.RETRY, _I.EXHAUSTED): _S.FAILED,
    (_S.RETRY, _I.REJECTED): _S.FAILED,
    (_S.RETRY, _I.ASKED_AGAIN): _S.PENDING,
    (_S.FAILED, _I.ASKED_AGAIN): _S.PENDING,
    (_S.SKIPPED, _I.ASKED_AGAIN): _S.PENDING,
}


def advance(state: State, given: Input) -> State:
    """The state after the input; Conflict when the table has no row for it."""
    try:
        return TRANSITIONS[state, given]
    except KeyError:
        raise Conflict(f"what is {state.value!r} does not take {given.value!r}") from None
