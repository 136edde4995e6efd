"""The process map: which step directly follows which, how often, and how long that takes.

Formulas: docs/process.md. The graph is the directly-follows graph of process mining (van der Aalst, Process Mining,
2016, section 6.1), with the time between two steps split into waiting, working and unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kpis.process.filters import ALL, CaseFilter, ask
from storage import ClickHouse


@dataclass(frozen=True)
class Spread:
    """A distribution of lengths, in seconds. Percentiles are interpolated between neighbours."""

    mean_s: float
    median_s: float
    p90_s: float
    p95_s: float
    sum_s: float


@dataclass(frozen=True)
class Transition:
    """`to_step` directly after `from_step`.

    `count`: by event; `cases`: by case. `gap`: from the end of the first to the start of the second, not below 0.
    `waiting`: the part of it in which nothing of the case was at work, over the `waits` gaps that end at a known start;
    None where no start is known.
    """

    from_step: str
    to_step: str
    count: int
    cases: int
    gap: Spread
    waits: int
    waiting: Spread | None


@dataclass(frozen=True)
class StepNode:
    """A step. `working`: from start to end, over the `timed` occurrences whose start is known; None without one.

    `starts` and `ends`: how many cases begin and end with it.
    """

    step: str
    count: int
    cases: int
    starts: int
    ends: int
    timed: int
    working: Spread | None


@dataclass(frozen=True)
class ProcessMap:
    """`cases` and `events` are those the filter let through; all zero when it matched nothing."""

    stream: str
    cases: int
    events: int
    data_through: datetime | None
    steps: tuple[StepNode, ...]
    transitions: tuple[Transition, ...]


def process_map(ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter = ALL) -> ProcessMap:
    """The map of the cases that the filter lets through, the most frequent first."""
    totals = ask(ch, "map_totals", tenant, stream, wanted).dicts()[0]
    steps = ask(ch, "map_steps", tenant, stream, wanted).dicts()
    transitions = ask(ch, "map_transitions", tenant, stream, wanted).dicts()
    return ProcessMap(
        stream,
        totals["cases"],
        totals["events"],
        totals["data_through"] if totals["cases"] else None,
        tuple(
            StepNode(
                one["step"], one["count"], one["cases"], one["starts"], one["ends"], one["timed"],
                _spread(one["working"], one["working_mean_s"], one["working_sum_s"]) if one["timed"] else None,
            )
            for one in steps
        ),
        tuple(
            Transition(
                one["from_step"], one["to_step"], one["count"], one["cases"],
                _spread(one["gap"], one["gap_mean_s"], one["gap_sum_s"]), one["waits"],
                _spread(one["waiting"], one["waiting_mean_s"], one["waiting_sum_s"]) if one["waits"] else None,
            )
            for one in transitions
        ),
    )  # fmt: skip


def _spread(quantiles: list[float], mean_s: float, sum_s: float) -> Spread:
    median, p90, p95 = quantiles
    return Spread(mean_s, median, p90, p95, sum_s)
