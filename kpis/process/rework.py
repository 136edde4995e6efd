"""Rework: steps that occur again in their case, by whom, at what cost in time; and work that goes to and fro.

A *self-loop* is a step right after itself (a length-one loop in van der Aalst, Process Mining, 2016), a *repetition* a
step that occurs again after others; both are split into *repeat* and *redo* by resource, words of edeaR (bupaR). A step
is *reworked* in a case that has it more than once, as pm4py and Celonis count it. Definitions: docs/process-flow.md.

Not told apart: a step that is meant to occur several times (one for each parcel) from one done over. Which steps are
meant so is for a declared model to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import InvalidInput
from kpis.process.filters import ALL, CaseFilter, ask
from kpis.process.process_map import Spread
from storage import ClickHouse


@dataclass(frozen=True)
class Occurrences:
    """How often something happened (by event), and in how many cases (by case)."""

    events: int
    cases: int


@dataclass(frozen=True)
class Split:
    """Occurrences by who did the step: `repeat` the resource of the one before, `redo` another, `unknown` nobody knows.

    By event the three add up to `total`; by case they may be more, because a case can have several of them.
    """

    total: Occurrences
    repeat: Occurrences
    redo: Occurrences
    unknown: Occurrences


@dataclass(frozen=True)
class StepRework:
    """A step that occurs more than once in a case.

    `all`: every occurrence, and the cases that have the step; `cases`: those that have it more than once. `working_s`:
    seconds from start to end, added up over the `timed` occurrences after the first whose start is known; None without
    one. `elapsed`: from the start of the first occurrence to the latest end of one, over `cases`.
    """

    step: str
    all: Occurrences
    cases: int
    self_loops: Split
    repetitions: Split
    timed: int
    working_s: float | None
    elapsed: Spread

    @property
    def events(self) -> int:
        """Occurrences after the first in their case."""
        return self.self_loops.total.events + self.repetitions.total.events

    @property
    def share(self) -> float:
        """Cases that have the step more than once, of the cases that have it; 0 to 1."""
        return self.cases / self.all.cases


@dataclass(frozen=True)
class PingPong:
    """Returns between two holders: work went from one to the other and straight back, `events` times in `cases` cases.

    `to_one` of the returns ended with `one`, the rest with `other`; `one` is the lesser by name. `away`: from the end
    of the stay before to the start of the stay after.
    """

    one: str
    other: str
    events: int
    cases: int
    to_one: int
    away: Spread


@dataclass(frozen=True)
class PingPongs:
    """The pairs with the most returns, and how many pairs there are."""

    total: int
    pairs: tuple[PingPong, ...]


@dataclass(frozen=True)
class Rework:
    """`cases` and `events` are those the filter let through; all zero when it matched nothing.

    `rework_cases`: in which some step occurs more than once. Steps: the most repeated first.
    """

    stream: str
    cases: int
    events: int
    rework_cases: int
    steps: tuple[StepRework, ...]
    systems: PingPongs
    resources: PingPongs

    @property
    def share(self) -> float | None:
        """Cases with rework of all cases, 0 to 1; None without a case."""
        return self.rework_cases / self.cases if self.cases else None

    @property
    def rework_events(self) -> int:
        """Occurrences of a step after its first in a case."""
        return sum(one.events for one in self.steps)


def rework(ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter = ALL, *, pairs: int = 100) -> Rework:
    """Rework in the cases that the filter lets through; of each kind of ping-pong the `pairs` most frequent pairs.

    Raises InvalidInput for `pairs` outside 0 to 10,000.
    """
    if not 0 <= pairs <= 10_000:
        raise InvalidInput(f"pairs must be 0 to 10000, got {pairs}")
    totals = ask(ch, "rework_totals", tenant, stream, wanted).dicts()[0]
    every, steps = {}, []
    if totals["rework_cases"]:
        steps = ask(ch, "rework_steps", tenant, stream, wanted).dicts()
        found = ask(ch, "rework_occurrences", tenant, stream, wanted).dicts()
        every = {one["step"]: Occurrences(one["events"], one["cases"]) for one in found}
    return Rework(
        stream,
        totals["cases"],
        totals["events"],
        totals["rework_cases"],
        tuple(_step(one, every[one["step"]]) for one in steps),
        _ping_pongs(ask(ch, "rework_ping_pong", tenant, stream, wanted, {"by": "system", "limit": pairs}).dicts()),
        _ping_pongs(ask(ch, "rework_ping_pong", tenant, stream, wanted, {"by": "resource", "limit": pairs}).dicts()),
    )


def _step(row: Mapping[str, Any], every: Occurrences) -> StepRework:
    events, cases = row["by_event"], row["by_case"]
    return StepRework(
        row["step"], every, row["cases"], _split(events[:4], cases[:4]), _split(events[4:], cases[4:]), row["timed"],
        row["working_s"] if row["timed"] else None, Spread(*row["elapsed"]),
    )  # fmt: skip


def _split(events: Sequence[int], cases: Sequence[int]) -> Split:
    repeat, redo, unknown, total = (Occurrences(*both) for both in zip(events, cases, strict=True))
    return Split(total, repeat, redo, unknown)


def _ping_pongs(rows: Sequence[Mapping[str, Any]]) -> PingPongs:
    pairs = (
        PingPong(row["one"], row["other"], row["count"], row["cases"], row["to_one"], Spread(*row["away"]))
        for row in rows
    )
    return PingPongs(rows[0]["total"] if rows else 0, tuple(pairs))
