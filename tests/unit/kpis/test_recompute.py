"""A KPI recomputed equals a KPI computed once: late, shuffled and repeated input gives the same numbers.

The numbers themselves are checked against a plain second reading of the definitions, in Python.
"""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from core import ManualClock
from kpis import KpiJobs
from storage import ClickHouse
from tests.support.examples import examples
from tests.unit.kpis.events import ORDERS, RETURNS, Call, Event, headline_kpis, load_calls, load_events, moment

START = moment("2026-03-02T00:00")
NOW = moment("2026-03-10T00:00")
NUMBERS = itertools.count(1)
SLOW = settings(
    max_examples=examples(12),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

minutes = st.integers(0, 3 * 24 * 60).map(lambda n: START + timedelta(minutes=n))
reasons = st.sampled_from(["customer", "no-stock"])


@st.composite
def order_lines(draw: st.DrawFn) -> list[Event]:
    """The events of some order lines, each with a number of its own."""
    events: list[Event] = []
    for order in range(draw(st.integers(1, 4))):
        for line in range(draw(st.integers(1, 3))):
            case, attributes = f"O{order}", {"retail.order.line.id": f"L{line}", "retail.currency": "EUR"}
            ordered = draw(st.integers(1, 4))

            def add(name: str, quantity: int, case: str = case, **extra: Any) -> None:
                number = len(events)
                events.append(
                    Event(ORDERS, case, f"retail.order.line.{name}", draw(minutes), f"e{number}", quantity, **extra)
                )

            add("placed", ordered, amount=str(ordered * 8), attributes=attributes)
            for _ in range(draw(st.integers(0, 2))):
                add("shipped", draw(st.integers(1, 3)), attributes=attributes)
            if draw(st.booleans()):
                why = attributes | {"retail.cancel.reason": draw(reasons)}
                add("cancelled", draw(st.integers(1, 4)), attributes=why)
    return events


@st.composite
def returns(draw: st.DrawFn) -> list[Event]:
    """The events of some returns."""
    names = ("retail.return.received", "retail.refund.issued", "retail.return.closed")
    return [
        Event(RETURNS, f"R{case}", name, draw(minutes), f"{case}{name}")
        for case in range(draw(st.integers(1, 5)))
        for name in names
        if draw(st.integers(0, 3))
    ]


calls = st.lists(
    st.builds(Call, st.sampled_from(["a->b", "b->c"]), minutes, st.just(0), st.booleans()), min_size=1, max_size=12
).map(lambda found: [Call(call.edge, call.at, number + 1, call.failed) for number, call in enumerate(found)])


@settings(SLOW, max_examples=examples(8))
@given(data=st.data(), zone=st.sampled_from(["UTC", "Asia/Kolkata"]))
def test_late_shuffled_and_repeated_input_gives_the_same_numbers(
    clickhouse: ClickHouse, data: st.DataObject, zone: str
) -> None:
    """In whole-hour and half-hour zones, with jobs that stay and jobs that are new for a run."""
    events = data.draw(order_lines()) + data.draw(returns())
    spans = data.draw(calls)
    once, often = (f"recompute-{next(NUMBERS)}" for _ in range(2))
    clock = ManualClock(NOW)
    load_events(clickhouse, once, events, NOW)
    load_calls(clickhouse, once, spans, NOW)
    jobs(clickhouse, clock, once, zone).run_once()

    stays = jobs(clickhouse, clock, often, zone)
    shuffled = data.draw(st.permutations([*events, *spans]))
    repeated = data.draw(st.lists(st.sampled_from(shuffled), max_size=6))
    for part in parts([*shuffled, *repeated], data.draw(st.lists(st.integers(0, len(shuffled)), max_size=3))):
        clock.advance(90)
        load_events(clickhouse, often, [one for one in part if isinstance(one, Event)], clock.now())
        load_calls(clickhouse, often, [one for one in part if isinstance(one, Call)], clock.now())
        runner = stays if data.draw(st.booleans()) else jobs(clickhouse, clock, often, zone)
        assert not runner.run_once().failures
    assert figures(clickhouse, often) == figures(clickhouse, once)


@SLOW
@given(events=order_lines())
def test_fill_rate_is_what_its_definition_says(clickhouse: ClickHouse, events: list[Event]) -> None:
    tenant = f"recompute-{next(NUMBERS)}"
    load_events(clickhouse, tenant, events, NOW)
    jobs(clickhouse, ManualClock(NOW), tenant).run_once()
    lines: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        lines[event.case, event.attributes["retail.order.line.id"]].append(event)
    wanted: dict[tuple[str, datetime], list[float]] = defaultdict(lambda: [0.0] * 5)
    orders: dict[str, list[tuple[str, datetime]]] = defaultdict(list)
    for (order, _), told in lines.items():
        (placed,) = (event for event in told if event.name.endswith("placed"))
        ordered = placed.quantity or 0
        shipped = min(ordered, units(told, "shipped"))
        withdrawn = min(ordered - shipped, units(told, "cancelled", "customer"))
        denied = min(ordered - shipped - withdrawn, units(told, "cancelled", "no-stock"))
        demand = ordered - withdrawn
        state = "out" if not demand else "open" if shipped + withdrawn + denied < ordered else "done"
        if state == "done":
            state = "filled" if shipped == demand else "unfilled"
        orders[order].append((state, placed.at))
        bucket = placed.at.replace(minute=0)
        if state in ("filled", "unfilled"):
            add(wanted["line", bucket], float(state == "filled"), 1, 1, 0, 0)
            add(wanted["unit", bucket], shipped, demand, 1, 0, 0)
            add(wanted["value", bucket], 8 * shipped, 8 * demand, 1, 0, 0)
        else:
            for basis in ("line", "unit", "value"):
                add(wanted[basis, bucket], 0, 0, 0, float(state == "out"), float(state == "open"))
    for told_states in orders.values():
        states = {state for state, _ in told_states} - {"out"}
        bucket = min(at for _, at in told_states).replace(minute=0)
        if not states:
            add(wanted["order", bucket], 0, 0, 0, 1, 0)
        elif "open" in states:
            add(wanted["order", bucket], 0, 0, 0, 0, 1)
        else:
            add(wanted["order", bucket], float(states == {"filled"}), 1, 1, 0, 0)
    got = {
        (basis, start): list(numbers)
        for (kpi, basis, _, grain, start), (_, *numbers) in figures(clickhouse, tenant).items()
        if kpi == "fill_rate" and grain == "hour"
    }
    assert got == dict(wanted)


@SLOW
@given(events=returns())
def test_refund_turnaround_is_what_its_definition_says(clickhouse: ClickHouse, events: list[Event]) -> None:
    tenant = f"recompute-{next(NUMBERS)}"
    load_events(clickhouse, tenant, events, NOW)
    jobs(clickhouse, ManualClock(NOW), tenant).run_once()
    at = {(event.case, event.name): event.at for event in events}
    waits: dict[datetime, list[float]] = defaultdict(list)
    for (case, name), issued in at.items():
        received = at.get((case, "retail.return.received"))
        if name == "retail.refund.issued" and received:
            waits[issued.replace(minute=0)].append(max((issued - received).total_seconds(), 0))
    got = {
        start: values[0]
        for (kpi, basis, _, grain, start), values in figures(clickhouse, tenant).items()
        if kpi == "refund_turnaround" and basis == "median" and grain == "hour" and values[0] is not None
    }
    assert got == {start: statistics.median(found) for start, found in waits.items()}


def jobs(ch: ClickHouse, clock: ManualClock, tenant: str, zone: str = "UTC") -> KpiJobs:
    """Jobs that remember nothing of earlier ones."""
    return KpiJobs(ch, clock, headline_kpis(), [tenant], timezone=zone)


def parts(items: Sequence[Any], cuts: Sequence[int]) -> list[Sequence[Any]]:
    """The items, cut at the positions."""
    edges = [0, *sorted(cuts), len(items)]
    return [items[a:b] for a, b in itertools.pairwise(edges)]


def units(events: Sequence[Event], name: str, reason: str = "") -> float:
    """The quantities of one kind of event, added up."""
    return sum(
        event.quantity or 0
        for event in events
        if event.name.endswith(name) and event.attributes.get("retail.cancel.reason", "") == reason
    )


def add(sums: list[float], *more: float) -> None:
    """Adds position by position."""
    for place, value in enumerate(more):
        sums[place] += value


def figures(ch: ClickHouse, tenant: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Everything stored for the tenant that says something: (value, numerator, denominator, n, excluded, open)."""
    found = ch.query(
        "SELECT KpiId, Basis, DimensionValue, Grain, BucketStart, Value, Numerator, Denominator, SampleSize, Excluded, "
        "OpenCases FROM kpi_values FINAL WHERE TenantId = {tenant:String} AND Grain != 'run' "
        "AND (SampleSize > 0 OR Excluded > 0 OR OpenCases > 0)",
        {"tenant": tenant},
    )
    return {row[:5]: row[5:] for row in found.rows}
