"""The summary of a stream from its cases: the numbers of `process_summary`, for the cases that a filter lets through.

The same `ProcessSummary` by the same definitions (docs/process.md), read from the table `cases` and not from events. It
is as fresh as the last run of the case jobs. All variants and edges are returned, as there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.errors import NotFound
from kpis.process.filters import ALL, CaseFilter, ask
from kpis.process.seen import no_such_stream, process_streams
from kpis.process.summary import Bottleneck, Edge, ProcessSummary, Variant, WorkingWaiting
from storage import ClickHouse


@dataclass(frozen=True)
class CaseTotals:
    """Numbers of whole cases; all zero, and the times None, when the filter matched nothing.

    Durations in seconds. `cycle_s` is the sum of all durations: `working_s`, `unknown_s` and the rest, waiting.
    `started_events` have a known start.
    """

    cases: int
    events: int
    activities: int
    rework_cases: int
    median_s: float
    mean_s: float
    p90_s: float
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
        return CaseTotals(0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, None, None)
    return CaseTotals(**row)


def rework_by_step(ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter = ALL) -> Mapping[str, int]:
    """In how many cases each step occurs more than once; steps that never do are left out."""
    return dict(ask(ch, "summary_rework", tenant, stream, wanted).rows)


def summary_of_cases(ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter = ALL) -> ProcessSummary:
    """Summarises the cases that the filter lets through.

    Raises NotFound when there is none: that the filter matches nothing, or which streams there are.
    """
    totals = totals_of_cases(ch, tenant, stream, wanted)
    if totals.first is None or totals.last is None:
        raise _nothing(ch, tenant, stream)
    edges = ask(ch, "summary_edges", tenant, stream, wanted).dicts()
    variants = ask(ch, "summary_variants", tenant, stream, wanted).rows
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


def _working_waiting(totals: CaseTotals, edges: list[dict[str, Any]]) -> WorkingWaiting:
    bottlenecks = [Bottleneck(e["from_step"], e["to_step"], e["waits"], e["waiting_s"]) for e in edges if e["waits"]]
    bottlenecks.sort(key=lambda b: (-b.waiting_s, b.from_step, b.to_step))
    return WorkingWaiting(
        cycle_s=totals.cycle_s,
        working_s=totals.working_s,
        waiting_s=max(0.0, totals.cycle_s - totals.working_s - totals.unknown_s),
        unknown_s=totals.unknown_s,
        touch_s=totals.touch_s,
        events_without_start=totals.events - totals.started_events,
        bottlenecks=tuple(bottlenecks),
    )


def _nothing(ch: ClickHouse, tenant: str, stream: str) -> NotFound:
    cases = ask(ch, "map_totals", tenant, stream).dicts()[0]["cases"]
    if cases:
        return NotFound(f"the filter matches none of the {cases} cases of the stream {stream!r}")
    if stream in process_streams(ch, tenant):
        return NotFound(f"no cases of the stream {stream!r} have been made yet, or its events are all details")
    return no_such_stream(ch, tenant, stream)
