"""Handovers in the engine: a matrix written by hand, then against a plain count on random cases."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import astuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from kpis.process.filters import CaseFilter
from kpis.process.handovers import MISSING, Handovers, Holder, handovers
from storage import ClickHouse
from tests.support.examples import examples
from tests.unit.kpis_process.flow import HUGE, NOTHING, RICH, Did, in_cases, load, load_huge, spread

RUNS = itertools.count()


def matrix(found: Handovers) -> dict[str, tuple[int, int]]:
    return {f"{one.from_holder}>{one.to_holder}": (one.count, one.cases) for one in found.passages}


def test_the_matrix_has_those_that_stay_and_those_that_are_missing(clickhouse: ClickHouse, tenant: str) -> None:
    load(
        clickhouse,
        tenant,
        [
            Did("1", "a", 2, start=0, system="oms"),
            Did("1", "b", 7, start=5, system="wms"),
            Did("1", "c", 9, start=8, system="wms"),
            Did("1", "d", 20),
            Did("1", "e", 30, system="wms"),
            Did("2", "a", 0, system="oms"),
            Did("2", "b", 6, system="wms"),
        ],
    )
    found = handovers(clickhouse, tenant, "s")
    assert matrix(found) == {"oms>wms": (2, 2), ">wms": (1, 1), "wms>": (1, 1), "wms>wms": (1, 1)}
    assert (found.cases, found.handover_cases, found.transitions, found.handovers, found.unknown) == (2, 2, 5, 2, 2)
    assert found.share == pytest.approx(2 / 3), "of the three transitions whose holders are known"
    assert found.total == 4
    first = found.passages[0]
    assert (first.gap.mean_s, first.gap.sum_s, first.waits) == (4.5, 9.0, 1), "3 s and 6 s"
    assert first.waiting is not None
    assert first.waiting.sum_s == 3.0, "the second gap ends at an instant: nobody knows how much of it was waiting"
    assert [one.handover for one in found.passages] == [True, None, None, False]
    assert found.passages[1].from_holder == MISSING
    assert found.passages[1].waiting is None


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        pytest.param("system", {"oms>wms": (1, 1)}, id="system"),
        pytest.param("resource", {"ann>ann": (1, 1)}, id="resource"),
        pytest.param("actor", {"human>agent": (1, 1)}, id="actor"),
    ],
)
def test_by(clickhouse: ClickHouse, tenant: str, by: str, expected: object) -> None:
    load(
        clickhouse,
        tenant,
        [
            Did("1", "a", 0, resource="ann", system="oms", actor="human"),
            Did("1", "b", 1, resource="ann", system="wms", actor="agent"),
        ],
    )
    found = handovers(clickhouse, tenant, "s", by=by)
    assert (matrix(found), found.by) == (expected, Holder(by))


def test_one_event_no_resource_and_nothing_at_all(clickhouse: ClickHouse, tenant: str) -> None:
    load(clickhouse, tenant, [Did("1", "a", 0), Did("2", "a", 5), Did("2", "b", 5)])
    found = handovers(clickhouse, tenant, "s", CaseFilter(case_ids=["1"]))
    assert (found.cases, found.transitions, found.share, found.passages) == (1, 0, None, ())
    found = handovers(clickhouse, tenant, "s", by="resource")
    assert (found.transitions, found.unknown, found.share, matrix(found)) == (1, 1, None, {">": (1, 1)})
    assert found.passages[0].gap.sum_s == 0, "at the same moment"
    nothing = Handovers("s", Holder.SYSTEM, 0, 0, 0, 0, 0, 0, ())
    assert handovers(clickhouse, tenant, "s", NOTHING) == nothing
    assert handovers(clickhouse, f"{tenant}-other", "s") == nothing


def test_the_most_frequent_cells_are_listed_and_all_are_counted(clickhouse: ClickHouse, tenant: str) -> None:
    load(clickhouse, tenant, [Did("1", "a", place, resource=who) for place, who in enumerate("ababc")])
    found = handovers(clickhouse, tenant, "s", by="resource", limit=1)
    assert (found.total, found.handovers, matrix(found)) == (3, 4, {"a>b": (2, 1)})


def test_a_case_of_fifty_thousand_events(clickhouse: ClickHouse, tenant: str) -> None:
    load_huge(clickhouse, tenant)
    found = handovers(clickhouse, tenant, "s")
    assert matrix(found) == {"x>y": (HUGE // 2, 1), "y>x": (HUGE // 2 - 1, 1)}
    assert found.share == 1.0
    assert found.passages[0].gap.median_s == 0.5
    assert handovers(clickhouse, tenant, "s", RICH) == found


def test_what_is_refused(clickhouse: ClickHouse, tenant: str) -> None:
    with pytest.raises(InvalidInput, match="by must be one of system, resource, actor, got 'team'"):
        handovers(clickhouse, tenant, "s", by="team")
    with pytest.raises(InvalidInput, match="limit must be 1 to 100000, got 0"):
        handovers(clickhouse, tenant, "s", limit=0)


EVENTS = st.lists(
    st.builds(
        lambda case, start, took, who: Did(case, "a", start + (took or 0), None if took is None else start, who),
        st.sampled_from("12"),
        st.integers(0, 12),
        st.none() | st.integers(0, 4),
        st.sampled_from(["ann", "bob", ""]),
    ),
    min_size=1,
    max_size=14,
)


@given(EVENTS)
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_agrees_with_a_plain_count(clickhouse: ClickHouse, tenant: str, log: list[Did]) -> None:
    stream = f"h-{next(RUNS)}"
    load(clickhouse, tenant, log, stream)
    found = handovers(clickhouse, tenant, stream, by="resource")
    gaps: dict[tuple[str, str], list[float]] = defaultdict(list)
    waits: dict[tuple[str, str], list[float]] = defaultdict(list)
    for own in in_cases(log):
        covered = own[0].at
        for one, two in itertools.pairwise(own):
            pair = one.resource, two.resource
            gaps[pair].append(max(0.0, two.began - one.at))
            if two.start is not None:
                waits[pair].append(max(0.0, two.began - covered))
            covered = max(covered, two.at)
    assert {(one.from_holder, one.to_holder) for one in found.passages} == set(gaps)
    for one in found.passages:
        pair = one.from_holder, one.to_holder
        assert one.count == len(gaps[pair])
        assert astuple(one.gap) == pytest.approx(spread(gaps[pair]))
        assert one.waits == len(waits[pair])
        if one.waiting:
            assert astuple(one.waiting) == pytest.approx(spread(waits[pair]))
    known = {pair: len(all_) for pair, all_ in gaps.items() if "" not in pair}
    assert found.unknown == found.transitions - sum(known.values())
    assert found.handovers == sum(count for (one, two), count in known.items() if one != two)
