"""The life of a command, as a table.

A command is *requested* (recorded, nothing sent), *sending* (the call is about to leave or under way), *sent* (the
engine accepted it), *verified* (the engine shows the wanted effect), *failed* (it certainly had no effect, or the
engine took it and shows another effect) or *unknown* (it may or may not have had an effect). A time-out is unknown,
never failed. Only `advance` changes a state, and only along a row of `TRANSITIONS`; anything else raises Conflict and
changes nothing. There is no row that leads back to *sending*: a command is sent at most once, ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.errors import Conflict


class CommandState(StrEnum):
    """Where a command stands."""

    REQUESTED = "requested"
    SENDING = "sending"
    SENT = "sent"
    VERIFIED = "verified"
    FAILED = "failed"
    UNKNOWN = "unknown"


class CommandEvent(StrEnum):
    """What can happen to a command."""

    DISPATCH = "dispatch"  # somebody takes it up to send it
    ACCEPTED = "accepted"  # the engine answered 2xx
    REFUSED = "refused"  # the engine said no, or the call never left
    LOST = "lost"  # the call left and no usable answer came
    ORPHANED = "orphaned"  # it is still being sent; is anybody?
    SEEN_WANTED = "seen_wanted"  # the engine shows the wanted effect
    SEEN_OTHER = "seen_other"  # the engine shows another one
    NOT_SEEN = "not_seen"  # the engine could not be asked, or gave no usable answer
    SUPERSEDED = "superseded"  # a newer command for the same target exists


@dataclass(frozen=True)
class Timings:
    """How long things may take, in seconds."""

    expire_s: float = 300.0  # a request not taken up for so long is not sent any more: its reason may be gone
    orphan_s: float = 30.0  # a call under way for so long has lost its process
    settle_s: float = 30.0  # how long an engine may take to show the effect
    abandon_s: float = 86_400.0  # how long an unknown outcome is looked into
    look_first_s: float = 1.0  # first pause between two looks; doubles
    look_most_s: float = 60.0  # longest pause between two looks


@dataclass(frozen=True)
class Facts:
    """What the guards look at. `sent_at` is when the call was taken up; None before that."""

    now: datetime
    requested_at: datetime
    sent_at: datetime | None
    timings: Timings


Guard = Callable[[Facts], bool]


def always(_: Facts) -> bool:
    """No condition."""
    return True


def in_time(facts: Facts) -> bool:
    """Taken up before it expired."""
    return facts.now - facts.requested_at <= timedelta(seconds=facts.timings.expire_s)


def too_late(facts: Facts) -> bool:
    """Taken up after it expired."""
    return not in_time(facts)


def settling(facts: Facts) -> bool:
    """The engine may still be about to show the effect."""
    return facts.sent_at is None or facts.now - facts.sent_at < timedelta(seconds=facts.timings.settle_s)


def settled(facts: Facts) -> bool:
    """The engine has had its time."""
    return not settling(facts)


def under_way(facts: Facts) -> bool:
    """Its sender may still be waiting for the answer."""
    return facts.sent_at is None or facts.now - facts.sent_at < timedelta(seconds=facts.timings.orphan_s)


def orphaned(facts: Facts) -> bool:
    """No call takes that long: its sender is gone."""
    return not under_way(facts)


def worth_looking(facts: Facts) -> bool:
    """Recent enough to look again."""
    return facts.sent_at is None or facts.now - facts.sent_at < timedelta(seconds=facts.timings.abandon_s)


def abandoned(facts: Facts) -> bool:
    """Looked into for long enough; a person has to."""
    return not worth_looking(facts)


@dataclass(frozen=True)
class Transition:
    """One row: from `source`, when `event` happens and `guard` holds, to `target`. `done`: no call is due any more."""

    source: CommandState
    event: CommandEvent
    guard: Guard
    target: CommandState
    done: bool
    why: str


_S = CommandState
_E = CommandEvent

TRANSITIONS: tuple[Transition, ...] = (
    Transition(_S.REQUESTED, _E.DISPATCH, in_time, _S.SENDING, False, "recorded before the call leaves"),
    Transition(_S.REQUESTED, _E.DISPATCH, too_late, _S.FAILED, True, "expired before it was sent"),
    Transition(_S.REQUESTED, _E.REFUSED, always, _S.FAILED, True, "its target is no longer configured"),
    Transition(_S.SENDING, _E.ACCEPTED, always, _S.SENT, False, "the engine accepted it"),
    Transition(_S.SENDING, _E.REFUSED, always, _S.FAILED, True, "the engine refused it or was not reached"),
    Transition(_S.SENDING, _E.LOST, always, _S.UNKNOWN, False, "no usable answer: it may have had an effect"),
    Transition(_S.SENDING, _E.ORPHANED, under_way, _S.SENDING, False, "the answer may still come"),
    Transition(_S.SENDING, _E.ORPHANED, orphaned, _S.UNKNOWN, False, "whoever was sending it is gone"),
    Transition(_S.SENT, _E.SEEN_WANTED, always, _S.VERIFIED, True, "the engine shows the wanted effect"),
    Transition(_S.SENT, _E.SEEN_OTHER, settling, _S.SENT, False, "the engine may need a moment"),
    Transition(_S.SENT, _E.SEEN_OTHER, settled, _S.FAILED, True, "accepted, and without the wanted effect"),
    Transition(_S.SENT, _E.NOT_SEEN, settling, _S.SENT, False, "look again"),
    Transition(_S.SENT, _E.NOT_SEEN, settled, _S.UNKNOWN, False, "accepted, and the effect cannot be seen"),
    Transition(_S.SENT, _E.SUPERSEDED, always, _S.UNKNOWN, True, "a newer command hides its effect"),
    Transition(_S.UNKNOWN, _E.ACCEPTED, always, _S.SENT, False, "the answer came late"),
    Transition(_S.UNKNOWN, _E.REFUSED, always, _S.FAILED, True, "the refusal came late"),
    Transition(_S.UNKNOWN, _E.LOST, always, _S.UNKNOWN, False, "no answer, known already"),
    Transition(_S.UNKNOWN, _E.SEEN_WANTED, always, _S.VERIFIED, True, "the engine shows the wanted effect"),
    Transition(_S.UNKNOWN, _E.SEEN_OTHER, settling, _S.UNKNOWN, False, "the call may still be under way"),
    Transition(_S.UNKNOWN, _E.SEEN_OTHER, settled, _S.FAILED, True, "it had no effect"),
    Transition(_S.UNKNOWN, _E.NOT_SEEN, worth_looking, _S.UNKNOWN, False, "look again"),
    Transition(_S.UNKNOWN, _E.NOT_SEEN, abandoned, _S.UNKNOWN, True, "looked into for long enough: ask a person"),
    Transition(_S.UNKNOWN, _E.SUPERSEDED, always, _S.UNKNOWN, True, "a newer command hides its effect"),
)

LOOKS = frozenset({CommandEvent.SEEN_WANTED, CommandEvent.SEEN_OTHER, CommandEvent.NOT_SEEN})
"""What a look at the engine can give; a look says nothing about a command that a newer one may have overtaken."""

UNDER_WAY = frozenset({CommandState.REQUESTED, CommandState.SENDING, CommandState.SENT})
"""While a command is in one of these, its target takes no other. Each of them ends by itself."""


def advance(state: CommandState, event: CommandEvent, facts: Facts) -> Transition:
    """The row that applies; Conflict when there is none."""
    for row in TRANSITIONS:
        if row.source is state and row.event is event and row.guard(facts):
            return row
    raise Conflict(f"a command that is {state.value!r} does not take {event.value!r}")


def transitions_markdown() -> str:
    """The table as the documentation shows it."""
    lines = ["| from | event | guard | to | why |", "|---|---|---|---|---|"]
    for row in TRANSITIONS:
        guard = "" if row.guard is always else row.guard.__name__.replace("_", " ")
        end = " (no more calls)" if row.done else ""
        lines.append(f"| {row.source} | {row.event} | {guard} | {row.target}{end} | {row.why} |")
    return "\n".join(lines)
