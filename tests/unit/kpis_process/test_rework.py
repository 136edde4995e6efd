"""Rework in the engine: examples counted by hand, then against a plain reading of the definitions on random cases."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from dataclasses import astuple
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from kpis.process.filters import CaseFilter
from kpis.process.rework import Occurrences, PingPongs, Rework, Split, StepRework, rework
from storage import ClickHouse
from tests.support.examples import examples
from tests.unit.kpis_process.flow import HUGE, NOTHING, RICH, Did, in_cases, load, load_huge, spread

RUNS = itertools.count()
NONE = Occurrences(0, 0)


def steps(found: Rework) -> dict[str, StepRework]:
    return {one.step: one for one in found.steps}


def pairs(found: PingPongs) -> dict[str, tuple[int, int, int]]:
    """By pair: returns, cases, returns to the first of the two."""
    return {f"{one.one} {one.other}": (one.events, one.cases, one.to_one) for one in found.pairs}


def test_self_loops_and_repetitions_by_who_did_the_step_before(clickhouse: ClickHouse, tenant: str) -> None:
    load(
        clickhouse,
        tenant,
        [
            Did("1", "a", 2, start=0, resource="ann"),
            Did("1", "a", 5, start=4, resource="ann"),
            Did("1", "b", 6, resource="bob"),
            Did("1", "a", 12, start=8, resource="bob"),
            Did("2", "a", 0, resource="ann"),
            Did("2", "b", 1),
            Did("2", "b", 3, resource="bob"),
            Did("3", "a", 0),
        ],
    )
    found = rework(clickhouse, tenant, "s")
    assert (found.cases, found.events, found.rework_cases, found.rework_events) == (3, 8, 2, 3)
    assert found.share == pytest.approx(2 / 3)
    a, b = found.steps
    assert (a.step, a.all, a.cases, a.share, a.events) == ("a", Occurrences(5, 3), 1, pytest.approx(1 / 3), 2)
    assert a.self_loops == Split(Occurrences(1, 1), Occurrences(1, 1), NONE, NONE), "ann after ann"
    assert a.repetitions == Split(Occurrences(1, 1), NONE, Occurrences(1, 1), NONE), "bob after ann"
    assert (a.timed, a.working_s) == (2, 5.0), "1 s and 4 s; the first occurrence is no rework"
    assert astuple(a.elapsed) == (12.0,) * 5, "from 0 to 12"
    assert b.self_loops == Split(Occurrences(1, 1), NONE, NONE, Occurrences(1, 1)), "nobody knows who was before"
    assert b.repetitions.total == NONE
    assert (b.timed, b.working_s, b.elapsed.sum_s) == (0, None, 2.0)


def test_ping_pong_between_systems_and_between_resources(clickhouse: ClickHouse, tenant: str) -> None:
    """A stay is one step or several; what is missing breaks it."""
    went = {"1": "oowwo", "2": "owow", "3": "o-o", "4": "-o-", "5": "owx", "6": "oo"}
    names = {"o": "oms", "w": "wms", "x": "tms", "-": ""}
    load(
        clickhouse,
        tenant,
        [
            Did(case, f"s{place}", 10 * place + 2, start=10 * place, system=names[letter])
            for case, letters in went.items()
            for place, letter in enumerate(letters)
        ],
    )
    found = rework(clickhouse, tenant, "s")
    assert pairs(found.systems) == {"oms wms": (3, 2, 2)}
    assert found.systems.total == 1
    (pair,) = found.systems.pairs
    assert pair.away.sum_s == 28 + 18 + 18, "away from the end of the second step (12) to the start of the fifth (40)"
    assert found.resources == PingPongs(0, ())
    assert found.rework_cases == 0, "no step occurs twice"


def test_the_most_frequent_pairs_are_listed_and_all_are_counted(clickhouse: ClickHouse, tenant: str) -> None:
    went = ["ann bob ann bob", "cat ann cat"]
    load(
        clickhouse,
        tenant,
        [
            Did(str(case), "x", place, resource=name)
            for case, names in enumerate(went)
            for place, name in enumerate(names.split())
        ],
    )
    found = rework(clickhouse, tenant, "s", pairs=1).resources
    assert (found.total, pairs(found)) == (2, {"ann bob": (2, 1, 1)})
    assert rework(clickhouse, tenant, "s", pairs=0).resources.pairs == ()


def test_equal_times_are_in_order_of_their_numbers(clickhouse: ClickHouse, tenant: str) -> None:
    load(clickhouse, tenant, [Did("1", step, 5, resource="ann") for step in "aba"])
    (a,) = rework(clickhouse, tenant, "s").steps
    assert (a.self_loops.total, a.repetitions.repeat) == (NONE, Occurrences(1, 1))
    assert a.elapsed.sum_s == 0


def test_a_step_within_another_of_its_kind(clickhouse: ClickHouse, tenant: str) -> None:
    """Both worked times count, and the elapsed one reaches to the end of the longer."""
    load(clickhouse, tenant, [Did("1", "a", 10, start=0), Did("1", "a", 4, start=2)])
    (a,) = rework(clickhouse, tenant, "s").steps
    assert (a.elapsed.sum_s, a.working_s) == (10.0, 2.0)


def test_one_event_without_resource_and_a_filter_that_matches_nothing(clickhouse: ClickHouse, tenant: str) -> None:
    load(clickhouse, tenant, [Did("1", "a", 5)])
    empty = PingPongs(0, ())
    assert rework(clickhouse, tenant, "s") == Rework("s", 1, 1, 0, (), empty, empty)
    found = rework(clickhouse, tenant, "s", NOTHING)
    assert (found, found.share) == (Rework("s", 0, 0, 0, (), empty, empty), None)
    assert rework(clickhouse, f"{tenant}-other", "s") == found, "nobody sees another's cases"


def test_a_filter_holds_for_every_part_of_the_answer(clickhouse: ClickHouse, tenant: str) -> None:
    load(
        clickhouse,
        tenant,
        [Did(case, "a", at, resource=who) for case in "12" for at, who in enumerate(("ann", "bob", "ann"))],
    )
    found = rework(clickhouse, tenant, "s", CaseFilter(case_ids=["2"]))
    assert (found.cases, found.events, found.rework_cases) == (1, 3, 1)
    assert found.steps[0].all == Occurrences(3, 1)
    assert found.steps[0].self_loops.redo == Occurrences(2, 1)
    assert pairs(found.resources) == {"ann bob": (1, 1, 1)}


def test_a_case_of_fifty_thousand_events(clickhouse: ClickHouse, tenant: str) -> None:
    """Looking for the occurrence before in quadratic time, or copying arrays once an element, would not come back."""
    load_huge(clickhouse, tenant)
    found = rework(clickhouse, tenant, "s")
    assert (found.cases, found.events, found.rework_events) == (1, HUGE, HUGE - 3)
    a, b, c = (steps(found)[step] for step in "abc")
    assert (a.self_loops.redo.events, a.repetitions.redo.events) == (10_000, 9_999), "by r1 and r2 in turn"
    assert (b.repetitions.unknown.events, b.repetitions.total.events) == (19_999, 19_999)
    assert (c.repetitions.repeat.events, c.self_loops.total.events) == (9_999, 0)
    assert pairs(found.systems) == {"x y": (HUGE - 2, 1, (HUGE - 2) // 2)}
    assert found.resources.total == 0
    assert rework(clickhouse, tenant, "s", RICH) == found


@pytest.mark.parametrize("wrong", [-1, 10_001])
def test_bounds_of_pairs(clickhouse: ClickHouse, tenant: str, wrong: int) -> None:
    with pytest.raises(InvalidInput, match=f"pairs must be 0 to 10000, got {wrong}"):
        rework(clickhouse, tenant, "s", pairs=wrong)


EVENTS = st.lists(
    st.builds(
        lambda case, step, start, took, who, where: Did(
            case, step, start + (took or 0), None if took is None else start, who, where
        ),
        st.sampled_from("12"),
        st.sampled_from("ab"),
        st.integers(0, 12),
        st.none() | st.integers(0, 3),
        st.sampled_from(["ann", "bob", "cat", ""]),
        st.sampled_from(["x", "y", ""]),
    ),
    min_size=1,
    max_size=14,
)


@given(EVENTS)
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_agrees_with_a_plain_reading_of_the_definitions(clickhouse: ClickHouse, tenant: str, log: list[Did]) -> None:
    stream = f"s-{next(RUNS)}"
    load(clickhouse, tenant, log, stream)
    found = rework(clickhouse, tenant, stream)
    assert {step: reading(one) for step, one in steps(found).items()} == oracle(log)
    for holder, answer in (("system", found.systems), ("resource", found.resources)):
        assert {f"{p.one} {p.other}": (p.events, p.cases, p.away.sum_s) for p in answer.pairs} == returns(log, holder)


def reading(one: StepRework) -> tuple[Any, ...]:
    return (
        counts(one.self_loops), counts(one.repetitions), one.cases, one.timed, one.working_s,
        pytest.approx(astuple(one.elapsed)),
    )  # fmt: skip


def counts(split: Split) -> dict[str, Occurrences]:
    return {kind: found for kind in ("repeat", "redo", "unknown") if (found := getattr(split, kind)) != NONE}


def oracle(log: list[Did]) -> dict[str, tuple[Any, ...]]:
    """Occurrence by occurrence."""
    events: dict[tuple[str, bool], Counter[str]] = defaultdict(Counter)
    cases: dict[tuple[str, bool, str], set[str]] = defaultdict(set)
    work: dict[str, list[float]] = defaultdict(list)
    elapsed: dict[str, list[float]] = defaultdict(list)
    for own in in_cases(log):
        for step in {one.step for one in own}:
            places = [place for place, one in enumerate(own) if one.step == step]
            for before, this in itertools.pairwise(places):
                who, last = own[this].resource, own[before].resource
                kind = "unknown" if "" in (who, last) else "repeat" if who == last else "redo"
                loop = this == before + 1
                events[step, loop][kind] += 1
                cases[step, loop, kind].add(own[this].case)
                if own[this].start is not None:
                    work[step].append(own[this].at - own[this].began)
            if len(places) > 1:
                done = [own[place] for place in places]
                elapsed[step].append(max(one.at for one in done) - min(one.began for one in done))
    return {
        step: (
            {kind: Occurrences(n, len(cases[step, True, kind])) for kind, n in events[step, True].items()},
            {kind: Occurrences(n, len(cases[step, False, kind])) for kind, n in events[step, False].items()},
            len(took), len(work[step]), sum(work[step]) if work[step] else None, spread(took),
        )
        for step, took in elapsed.items()
    }  # fmt: skip


def returns(log: list[Did], holder: str) -> dict[str, tuple[int, int, float]]:
    """Stay by stay."""
    found: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for own in in_cases(log):
        stays = [(name, list(run)) for name, run in itertools.groupby(own, lambda one: str(getattr(one, holder)))]
        for (home, left), (away, _), (back, came) in zip(stays, stays[1:], stays[2:], strict=False):
            if home == back and home and away:
                gone = max(0.0, came[0].began - left[-1].at)
                found[" ".join(sorted((home, away)))].append((own[0].case, gone))
    return {
        pair: (len(turns), len({case for case, _ in turns}), sum(gone for _, gone in turns))
        for pair, turns in found.items()
    }
