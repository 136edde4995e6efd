"""How long things take: cases as a distribution, steps, and the traces that belong to the cases.

Cases are measured with what they have so far, open ones too; a filter on the outcome leaves them out. A trace is what
has arrived of it. Definitions: docs/process-flow.md.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from core.errors import InvalidInput
from kpis.process.filters import ALL, CaseFilter, ask
from kpis.process.process_map import Spread
from storage import ClickHouse


@dataclass(frozen=True)
class DurationBucket:
    """Cases that took `from_s` seconds up to, not including, `to_s`; the bucket [0, 0] holds those that took none."""

    from_s: float
    to_s: float
    cases: int


@dataclass(frozen=True)
class StepDuration:
    """A step from start to end, over the `timed` of its `count` occurrences whose start is known; None without one."""

    step: str
    count: int
    timed: int
    duration: Spread | None


@dataclass(frozen=True)
class TraceDurations:
    """Traces from the start of their first span to the end of their last.

    `named`: the distinct traces that spans and events of the cases name; `traces`: those of which spans are kept, the
    basis of `duration`, which is None without one.
    """

    named: int
    traces: int
    duration: Spread | None


@dataclass(frozen=True)
class Durations:
    """`cases`: what the filter let through, `open_cases` of them; zero when it matched nothing, and `duration` None.

    `histogram`: the buckets from the first to the last that holds a case, empty ones between them included.
    """

    stream: str
    cases: int
    open_cases: int
    duration: Spread | None
    histogram: tuple[DurationBucket, ...]
    steps: tuple[StepDuration, ...]
    traces: TraceDurations


def durations(
    ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter = ALL, *, buckets_per_decade: int = 5
) -> Durations:
    """Durations of the cases that the filter lets through, of their steps, the most frequent first, and their traces.

    Raises InvalidInput for `buckets_per_decade` outside 1 to 50.
    """
    if not 1 <= buckets_per_decade <= 50:
        raise InvalidInput(f"buckets_per_decade must be 1 to 50, got {buckets_per_decade}")
    totals = ask(ch, "duration_totals", tenant, stream, wanted).dicts()[0]
    steps = ask(ch, "map_steps", tenant, stream, wanted).dicts()
    return Durations(
        stream,
        totals["cases"],
        totals["open_cases"],
        Spread(*totals["durations"]) if totals["cases"] else None,
        _histogram(ch, tenant, stream, wanted, buckets_per_decade),
        tuple(
            StepDuration(
                one["step"], one["count"], one["timed"],
                Spread(*(one["working_mean_s"], *one["working"], one["working_sum_s"])) if one["timed"] else None,
            )
            for one in steps
        ),
        _traces(ch, tenant, stream, wanted),
    )  # fmt: skip


def _histogram(
    ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter, per_decade: int
) -> tuple[DurationBucket, ...]:
    borders = _borders(per_decade)
    given = {"borders": [0, *(border for border in borders if border < 1 << 63)]}
    filled = dict(ask(ch, "duration_histogram", tenant, stream, wanted, given).rows)
    instant = filled.pop(0, 0)
    return (
        *((DurationBucket(0.0, 0.0, instant),) if instant else ()),
        *(
            DurationBucket(low / 1e9, high / 1e9, filled.get(low, 0))
            for low, high in itertools.pairwise(borders)
            if filled and min(filled) <= low <= max(filled)
        ),
    )


def _borders(per_decade: int) -> list[int]:
    """From a nanosecond to 300 years, in whole nanoseconds, so that a duration is compared exactly."""
    return sorted({round(10 ** (9 + n / per_decade)) for n in range(-9 * per_decade, 10 * per_decade + 1)})


def _traces(ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter) -> TraceDurations:
    period = ask(ch, "duration_trace_period", tenant, stream, wanted).dicts()[0]
    if not period["known"]:
        return TraceDurations(period["named_traces"], 0, None)
    within = {"first": period["first"], "last": period["last"]}
    found = ask(ch, "duration_traces", tenant, stream, wanted, within).dicts()[0]
    return TraceDurations(
        period["named_traces"], found["traces"], Spread(*found["durations"]) if found["traces"] else None
    )
