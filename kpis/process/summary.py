"""The process of a stream in numbers: cases, variants, directly-follows edges, durations, rework, working and waiting.

Read from the table `cases`, so it is about the steps of cases whatever they were found from, and as fresh as the last
run of the case jobs. The statements run one after the other: on a stream that is being written to at this moment they
may differ by what arrived in between. All variants and edges are returned, which is right for a process and much for a
stream of noise. Definitions: docs/process.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kpis.process.filters import ALL, CaseFilter, ask
from kpis.process.seen import require_cases
from storage import ClickHouse


@dataclass(frozen=True)
class Variant:
    """A sequence of steps and the number of cases that follow it."""

    activities: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class Edge:
    """One step directly after another; seconds from the end of the first to the start of the second."""

    from_step: str
    to_step: str
    count: int
    mean_s: float
    median_s: float


@dataclass(frozen=True)
class WaitingEdge:
    """An edge by the time cases wait on it; `count` is the number of gaps that end at a known start."""

    from_step: str
    to_step: str
    count: int
    waiting_s: float

    @property
    def mean_s(self) -> float:
        """Waiting per gap, in seconds."""
        return self.waiting_s / self.count


@dataclass(frozen=True)
class WorkingWaiting:
    """All cases' time together, in seconds: `cycle_s = working_s + waiting_s + unknown_s`.

    Working is the union of a case's intervals, `touch_s` their plain sum. Unknown is the gap before an event whose
    start is not known: it may have been work. `flow_efficiency` is working over the time whose use is known, None
    when there is none. `edges`: the largest waiting first.
    """

    cycle_s: float
    working_s: float
    waiting_s: float
    unknown_s: float
    touch_s: float
    events_without_start: int
    edges: tuple[WaitingEdge, ...]

    @property
    def flow_efficiency(self) -> float | None:
        """Share of working time, 0 to 1."""
        known = self.cycle_s - self.unknown_s
        return self.working_s / known if known > 0 else None


@dataclass(frozen=True)
class ProcessSummary:
    """What `process_summary` found; durations in seconds, times in UTC. `working_waiting` needs start times.

    When the filter matched nothing, counts are 0, lists empty, and times and durations None.
    """

    stream: str
    cases: int
    events: int
    activities: int
    rework_cases: int
    case_median_s: float | None
    case_mean_s: float | None
    case_p90_s: float | None
    first: datetime | None
    last: datetime | None
    variants: tuple[Variant, ...]
    edges: tuple[Edge, ...]
    working_waiting: WorkingWaiting | None

    def to_json(self) -> dict[str, Any]:
        """The published shape, see docs/process.md."""
        out: dict[str, Any] = {
            "stream": self.stream,
            "cases": self.cases,
            "events": self.events,
            "activities": self.activities,
            "rework_cases": self.rework_cases,
            "first": self.first.isoformat() if self.first else None,
            "data_through": self.last.isoformat() if self.last else None,
            "case_duration_s": {
                "median": self.case_median_s,
                "mean": self.case_mean_s,
                "p90": self.case_p90_s,
            },
            "variants": [{"activities": list(v.activities), "count": v.count} for v in self.variants],
            "edges": [
                {
                    "from": e.from_step,
                    "to": e.to_step,
                    "count": e.count,
                    "mean_s": e.mean_s,
                    "median_s": e.median_s,
                }
                for e in self.edges
            ],
        }
        if ww := self.working_waiting:
            out["working_waiting"] = {
                "cycle_s": ww.cycle_s,
                "working_s": ww.working_s,
                "waiting_s": ww.waiting_s,
                "unknown_s": ww.unknown_s,
                "touch_s": ww.touch_s,
                "events_without_start": ww.events_without_start,
                "flow_efficiency": ww.flow_efficiency,
                "bottlenecks": [
                    {
                        "from": b.from_step,
                        "to": b.to_step,
                        "count": b.count,
                        "waiting_s": b.waiting_s,
                        "mean_s": b.mean_s,
                    }
                    for b in ww.edges
                ],
            }
        return out


@dataclass(frozen=True)
class CaseTotals:
    """Numbers of whole cases; all zero, and the times and durations of a case None, when the filter matched nothing.

    Durations in seconds. `cycle_s` is the sum of all durations: `working_s`, `unknown_s` and the rest, waiting.
    `started_events` have a known start.
    """

    cases: int
    events: int
    activities: int
    rework_cases: int
    median_s: float | None
    mean_s: float | None
    p90_s: float | None
    cycle_s: float
    working_s: float
    unknown_s: float
    touch_s: float
    started_events: int
    first: datetime | None
    last: datetime | None


def totals_of_cases(ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter = ALL) -> CaseTotals:
    """How many cases the filter lets through, how long they take, and how many have rework."""
    row = ask(ch, "summary_totals", tenant, stream, wanted).dicts()[0]
    if not row["cases"]:
        row |= dict.fromkeys(("median_s", "mean_s", "p90_s", "first", "last"))
    return CaseTotals(**row)


def rework_by_step(ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter = ALL) -> Mapping[str, int]:
    """In how many cases each step occurs more than once; steps that never do are left out."""
    return dict(ask(ch, "summary_rework", tenant, stream, wanted).rows)


def process_summary(ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter = ALL) -> ProcessSummary:
    """Summarises the cases that the filter lets through. Raises NotFound when the stream has no case at all."""
    totals = totals_of_cases(ch, tenant, stream, wanted)
    edges: list[dict[str, Any]] = []
    variants: Sequence[Sequence[Any]] = ()
    if totals.cases:
        edges = ask(ch, "summary_edges", tenant, stream, wanted).dicts()
        variants = ask(ch, "summary_variants", tenant, stream, wanted).rows
    else:
        require_cases(ch, tenant, stream)
    return ProcessSummary(
        stream=stream,
        cases=totals.cases,
        events=totals.events,
        activities=totals.activities,
        rework_cases=totals.rework_cases,
        case_median_s=totals.median_s,
        case_mean_s=totals.mean_s,
        case_p90_s=totals.p90_s,
        first=totals.first,
        last=totals.last,
        variants=tuple(Variant(tuple(activities), count) for activities, count in variants),
        edges=tuple(Edge(e["from_step"], e["to_step"], e["count"], e["mean_s"], e["median_s"]) for e in edges),
        working_waiting=_working_waiting(totals, edges) if totals.started_events else None,
    )


def _working_waiting(totals: CaseTotals, edges: Sequence[Mapping[str, Any]]) -> WorkingWaiting:
    waited = [WaitingEdge(e["from_step"], e["to_step"], e["waits"], e["waiting_s"]) for e in edges if e["waits"]]
    return WorkingWaiting(
        cycle_s=totals.cycle_s,
        working_s=totals.working_s,
        waiting_s=max(0.0, totals.cycle_s - totals.working_s - totals.unknown_s),
        unknown_s=totals.unknown_s,
        touch_s=totals.touch_s,
        events_without_start=totals.events - totals.started_events,
        edges=tuple(sorted(waited, key=lambda one: (-one.waiting_s, one.from_step, one.to_step))),
    )
