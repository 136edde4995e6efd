"""The process of a stream in numbers: cases, variants, directly-follows edges, durations, rework, working and waiting.

The engine computes everything from `process_events`; only results come here. The statements run one after the other,
so on a stream that is being written to at this moment they may differ by the events that arrived in between. All
variants and edges are returned, which is right for a process and much for a stream of noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kpis.process.seen import no_such_stream
from kpis.process.streams import value_streams
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"


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
class Bottleneck:
    """An edge by the time cases wait on it; `count` is the number of gaps whose waiting is known."""

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
    when there is none.
    """

    cycle_s: float
    working_s: float
    waiting_s: float
    unknown_s: float
    touch_s: float
    events_without_start: int
    bottlenecks: tuple[Bottleneck, ...]

    @property
    def flow_efficiency(self) -> float | None:
        """Share of working time, 0 to 1."""
        known = self.cycle_s - self.unknown_s
        return self.working_s / known if known > 0 else None


@dataclass(frozen=True)
class ProcessSummary:
    """What `process_summary` found; durations in seconds, times in UTC. `working_waiting` needs start times."""

    stream: str
    cases: int
    events: int
    activities: int
    rework_cases: int
    case_median_s: float
    case_mean_s: float
    case_p90_s: float
    first: datetime
    last: datetime
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
            "first": self.first.isoformat(),
            "data_through": self.last.isoformat(),
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
                    for b in ww.bottlenecks
                ],
            }
        return out


def process_summary(ch: ClickHouse, tenant: str, stream: str) -> ProcessSummary:
    """Summarises the stream. Raises NotFound, naming the streams there are, when it has no events."""
    known = value_streams().get(stream)
    params = {"tenant": tenant, "stream": stream, "details": list(known.details) if known else []}
    totals = ch.query(load_sql(_ROOM, "process_totals"), params).dicts()[0]
    if not totals["cases"]:
        raise no_such_stream(ch, tenant, stream)
    edges = ch.query(load_sql(_ROOM, "process_edges"), params).dicts()
    variants = ch.query(load_sql(_ROOM, "process_variants"), params).rows
    return ProcessSummary(
        stream=stream,
        cases=totals["cases"],
        events=totals["events"],
        activities=totals["activities"],
        rework_cases=totals["rework_cases"],
        case_median_s=totals["median_s"],
        case_mean_s=totals["mean_s"],
        case_p90_s=totals["p90_s"],
        first=totals["first_event"],
        last=totals["last_event"],
        variants=tuple(Variant(tuple(activities), count) for activities, count in variants),
        edges=tuple(Edge(e["from_step"], e["to_step"], e["count"], e["mean_s"], e["median_s"]) for e in edges),
        working_waiting=_working_waiting(ch, params, totals, edges) if totals["started_events"] else None,
    )


def _working_waiting(
    ch: ClickHouse, params: dict[str, Any], totals: dict[str, Any], edges: list[dict[str, Any]]
) -> WorkingWaiting:
    times = ch.query(load_sql(_ROOM, "process_working"), params).dicts()[0]
    bottlenecks = [Bottleneck(e["from_step"], e["to_step"], e["waits"], e["waiting_s"]) for e in edges if e["waits"]]
    bottlenecks.sort(key=lambda b: (-b.waiting_s, b.from_step, b.to_step))
    return WorkingWaiting(
        cycle_s=totals["cycle_s"],
        working_s=times["working_s"],
        waiting_s=max(0.0, totals["cycle_s"] - times["working_s"] - times["unknown_s"]),
        unknown_s=times["unknown_s"],
        touch_s=times["touch_s"],
        events_without_start=totals["events"] - totals["started_events"],
        bottlenecks=tuple(bottlenecks),
    )
