"""Touchpoints: how many steps of a case people, systems and agents do, and how many cases need nobody at all.

A step is one touchpoint of the type of actor that its event names. A step that names none, or another word than the
three, is unknown: it is never taken for a system. Definitions: docs/process-flow.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from kpis.process.filters import ALL, CaseFilter, ask
from storage import ClickHouse

UNKNOWN = "unknown"
ACTORS = ("human", "system", "agent", UNKNOWN)


@dataclass(frozen=True)
class PerCase:
    """A distribution of counts over cases, cases with none included. Percentiles are interpolated."""

    mean: float
    median: float
    p90: float


@dataclass(frozen=True)
class ActorTouches:
    """One type of actor: its touchpoints, the cases that have one, and how many a case has."""

    actor: str
    events: int
    cases: int
    per_case: PerCase


@dataclass(frozen=True)
class StepTouches:
    """A step by who does it; `count` = human + system + agent + unknown."""

    step: str
    count: int
    human: int
    system: int
    agent: int

    @property
    def unknown(self) -> int:
        """Occurrences that name no actor of the three types."""
        return self.count - self.human - self.system - self.agent

    def share(self, actor: str) -> float:
        """Part of the occurrences done by the type of actor, 0 to 1."""
        done: int = getattr(self, actor) if actor in ACTORS else 0
        return done / self.count


@dataclass(frozen=True)
class Touches:
    """`cases`: what the filter let through, zero when it matched nothing.

    `excluded_cases`: those of which no step has a known actor, with `excluded_events` steps; `actors`, `touchless` and
    `touchless_unsure` are about the others. `touchless`: no step is known to be a human's; `touchless_unsure` of them
    have a step of unknown actor, so they may not be touchless. `steps`: of all cases.
    """

    stream: str
    cases: int
    excluded_cases: int
    excluded_events: int
    touchless: int
    touchless_unsure: int
    actors: tuple[ActorTouches, ...]
    steps: tuple[StepTouches, ...]

    @property
    def counted_cases(self) -> int:
        """The basis of the rate: cases with at least one known actor."""
        return self.cases - self.excluded_cases

    @property
    def touchless_rate(self) -> float | None:
        """Touchless of the counted cases, 0 to 1; None when no case is counted."""
        return self.touchless / self.counted_cases if self.counted_cases else None


def touches(ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter = ALL) -> Touches:
    """Touchpoints of the cases that the filter lets through; `actors` is empty when no case is counted."""
    found = ask(ch, "touch_cases", tenant, stream, wanted).dicts()[0]
    steps = ask(ch, "touch_steps", tenant, stream, wanted).dicts()
    counted = found["cases"] > found["excluded_cases"]
    return Touches(
        stream,
        found["cases"],
        found["excluded_cases"],
        found["excluded_events"],
        found["touchless"],
        found["touchless_unsure"],
        tuple(
            ActorTouches(actor, events, cases, PerCase(*found[actor]))
            for actor, events, cases in zip(ACTORS, found["events"], found["cases_with"], strict=True)
        )
        if counted
        else (),
        tuple(StepTouches(one["step"], one["count"], one["human"], one["system"], one["agent"]) for one in steps),
    )
