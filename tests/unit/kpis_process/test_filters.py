"""Filters of cases, all of them together, against a predicate in plain Python on the events themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import SystemClock
from kpis.process.case_list import case_list
from kpis.process.cases import CaseJobs
from kpis.process.filters import CaseFilter, TimeBasis
from kpis.process.streams import parse_streams
from storage import ClickHouse

TENANT, STREAM = "tenant-of-filters", "s"
DAY_ONE = datetime(2026, 3, 1, tzinfo=UTC)
STREAMS = parse_streams('[s]\nowner = "erp"\nterminal = ["done", "lost"]\nvalue = ["b"]\n')
STEPS = ("a", "b", "c", "done", "lost")
COLUMNS = (
    "TenantId", "Stream", "CaseId", "Timestamp", "Seq", "EventId", "Step", "EventName", "StartTime", "Amount",
    "Currency", "Attributes", "ReceivedAt", "SegmentId",
)  # fmt: skip


@dataclass(frozen=True)
class Event:
    """Milliseconds after the first of March."""

    step: str
    at: int
    start: int | None
    seq: int
    amount: Decimal | None
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def began(self) -> int:
        return self.at if self.start is None else self.start


def moment(milliseconds: int) -> datetime:
    return DAY_ONE + timedelta(milliseconds=milliseconds)


def made(seed: int = 7, cases: int = 80) -> dict[str, list[Event]]:
    """Short cases with ties, starts that are unknown or behind the end, and attributes that differ within a case."""
    random = Random(seed)
    found = {}
    for number in range(cases):
        at, events = random.randrange(40) * 100, []
        for seq in range(random.choice([1, 1, 2, 3, 5])):
            start = random.choice([None, at, at - 200, at + 100])
            amount = random.choice([None, Decimal("0"), Decimal("9.99"), Decimal("-1")])
            attributes = {key: random.choice("xyz") for key in ("k", "l") if random.random() < 0.4}
            events.append(Event(random.choice(STEPS), at, start, seq, amount, attributes))
            at += random.choice([0, 67, 100, 1_000])
        found[f"case {number:02}"] = sorted(events, key=lambda e: (e.began, e.at, e.seq))
    return found


CASES = made()


@pytest.fixture(scope="module")
def filled(clickhouse: ClickHouse) -> ClickHouse:
    """The engine with the cases made."""
    rows = [
        (TENANT, STREAM, case, moment(e.at), e.seq, f"{case} {e.seq}", e.step, e.step,
         None if e.start is None else moment(e.start), e.amount, "EUR" if e.amount is not None else "",
         dict(e.attributes), DAY_ONE, 1)
        for case, events in CASES.items() for e in events
    ]  # fmt: skip
    clickhouse.insert_rows("process_events", COLUMNS, rows)
    CaseJobs(clickhouse, SystemClock(), lambda: STREAMS).rebuild(TENANT, STREAM)
    return clickhouse


def lets_through(wanted: CaseFilter, events: list[Event], variants: Mapping[tuple[str, ...], int]) -> bool:
    """What docs/process.md says of each condition."""
    steps = [e.step for e in events]
    first, last = moment(events[0].began), moment(max(e.at for e in events))
    duration = max(max(e.at for e in events) - events[0].began, 0) / 1_000
    latest = max(events, key=lambda e: (e.at, e.seq)).step
    attributes: dict[str, str] = {}
    for event in events:
        attributes = {**event.attributes, **attributes}
    named = [e.amount for e in events if e.step == "b" and e.amount is not None]
    amounts = named or [e.amount for e in events if e.amount is not None]
    outcome = next((step for step in steps if step in ("done", "lost")), "")
    low = {TimeBasis.ACTIVE: last, TimeBasis.STARTED: first, TimeBasis.ENDED: last, TimeBasis.INSIDE: first}
    high = {TimeBasis.ACTIVE: first, TimeBasis.STARTED: first, TimeBasis.ENDED: last, TimeBasis.INSIDE: last}
    conditions: list[bool] = [
        wanted.start is None or low[wanted.basis] >= wanted.start,
        wanted.end is None or high[wanted.basis] < wanted.end,
        set(wanted.contains) <= set(steps),
        not set(wanted.misses) & set(steps),
        not wanted.last_steps or latest in wanted.last_steps,
        set(wanted.follows) <= set(pairwise(steps)),
        all(attributes.get(name, "") in values for name, values in wanted.attributes.items()),
        all(attributes.get(name, "") not in values for name, values in wanted.excluded.items()),
        wanted.min_duration_s is None or duration >= wanted.min_duration_s,
        wanted.max_duration_s is None or duration <= wanted.max_duration_s,
        wanted.min_events is None or len(events) >= wanted.min_events,
        not wanted.variants or variants[tuple(steps)] in wanted.variants,
        not wanted.outcomes
        or outcome in wanted.outcomes
        or ("open" in wanted.outcomes and not outcome)
        or ("closed" in wanted.outcomes and outcome != ""),
        wanted.min_value is None or bool(amounts and float(max(amounts)) >= wanted.min_value),
    ]
    return all(conditions)


def some(values: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[list[Any]]:
    """Often none: a filter of everything lets nothing through."""
    return st.just([]) | st.just([]) | st.lists(values, min_size=1, max_size=most)


steps = st.sampled_from([*STEPS, "", "no such step"])
valued = st.dictionaries(st.sampled_from(["k", "l", "none"]), st.lists(st.sampled_from(["x", "y", ""]), min_size=1),
                         max_size=1)  # fmt: skip
lengths = st.none() | st.none() | st.sampled_from([0, 0.067, 0.1, 0.2, 0.267, 1, 1.067, 2.134, 1e12])
places = st.none() | st.none() | st.integers(-500, 6_000).map(lambda at: at * 10)


@st.composite
def filters(draw: st.DrawFn) -> CaseFilter:
    early, late = draw(places), draw(places)
    if early is not None and late is not None and early >= late:
        early, late = late, early + 1
    short, long = draw(lengths), draw(lengths)
    if short is not None and long is not None and short > long:
        short, long = long, short
    return CaseFilter(
        start=None if early is None else moment(early), end=None if late is None else moment(late),
        basis=draw(st.sampled_from(TimeBasis)), contains=draw(some(steps)), misses=draw(some(steps)),
        last_steps=draw(some(steps)),
        follows=draw(some(st.tuples(steps, steps), 1)), attributes=draw(st.just({}) | valued),
        excluded=draw(st.just({}) | valued), min_duration_s=short, max_duration_s=long,
        min_events=draw(st.none() | st.integers(1, 4)),
        outcomes=draw(some(st.sampled_from(["open", "closed", "done", "lost", "x"]))),
        min_value=draw(st.none() | st.none() | st.sampled_from([0, 9.99, 10])),
    )  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=filters(), picked=st.none() | st.integers(0, len(CASES) - 1))
def test_filters_combine_as_described(filled: ClickHouse, wanted: CaseFilter, picked: int | None) -> None:
    variants = known_variants(filled)
    if picked is not None:
        chosen = variants[tuple(e.step for e in list(CASES.values())[picked])]
        wanted = CaseFilter(**{**vars(wanted), "variants": [chosen]})
    found = case_list(filled, TENANT, STREAM, wanted, limit=1_000)
    expected = {case for case, events in CASES.items() if lets_through(wanted, events, variants)}
    assert {one.case_id for one in found.cases} == expected
    assert found.total == len(expected)


_VARIANTS: dict[tuple[str, ...], int] = {}


def known_variants(ch: ClickHouse) -> dict[tuple[str, ...], int]:
    """The id of each sequence of steps; distinct ones have distinct ids."""
    if not _VARIANTS:
        ids = {one.case_id: one.variant for one in case_list(ch, TENANT, STREAM, limit=1_000).cases}
        _VARIANTS.update({tuple(e.step for e in events): ids[case] for case, events in CASES.items()})
        assert len(set(_VARIANTS.values())) == len(_VARIANTS)
    return _VARIANTS


def test_a_bound_that_no_binary_fraction_hits_is_in(filled: ClickHouse) -> None:
    """0.067 s in nanoseconds is not 0.067 * 1e9."""
    exact = {case for case, events in CASES.items() if lets_through(
        CaseFilter(min_duration_s=0.067, max_duration_s=0.067), events, known_variants(filled))}  # fmt: skip
    found = case_list(filled, TENANT, STREAM, CaseFilter(min_duration_s=0.067, max_duration_s=0.067), limit=1_000)
    assert exact
    assert {one.case_id for one in found.cases} == exact


@pytest.mark.parametrize("year", [1, 1899, 1969, 2262, 2263, 2299, 2300, 9999])
def test_a_period_beyond_what_can_be_stored_is_a_period(filled: ClickHouse, year: int) -> None:
    """`until 9999` is how people write `for ever`."""
    at = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    before, after = (case_list(filled, TENANT, STREAM, one).total for one in (CaseFilter(end=at), CaseFilter(start=at)))
    assert (before, after) == ((len(CASES), 0) if year > 2026 else (0, len(CASES)))
