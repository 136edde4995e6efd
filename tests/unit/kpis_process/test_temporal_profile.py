"""The temporal profile in the engine: worked examples, then against a plain oracle and against pm4py, where it is."""

from __future__ import annotations

import itertools
import math
import random
import statistics
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core import SystemClock
from core.errors import InvalidInput
from kpis.process.cases import CaseJobs
from kpis.process.filters import CaseFilter
from kpis.process.temporal_profile import TemporalProfile, temporal_deviations, temporal_profile
from storage import ClickHouse

Insert = Callable[..., None]
Times = Mapping[tuple[str, str], tuple[float, float]]


def take_in(ch: ClickHouse, tenant: str) -> None:
    CaseJobs(ch, SystemClock()).run_once(tenant)


def times(profile: TemporalProfile) -> dict[tuple[str, str], tuple[float, float]]:
    return {(one.from_step, one.to_step): (one.mean_s, one.deviation_s) for one in profile.times}


def test_from_each_step_to_each_later_one(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any) -> None:
    """From the end of a step to the start of a later one; c overlaps b, so no time lies between them."""
    insert(
        [
            event("1", "a", 10, start=0), event("1", "b", 30, start=20), event("1", "c", 40, start=25),
            event("2", "a", 10, start=0), event("2", "b", 30, start=24),
        ]
    )  # fmt: skip
    take_in(clickhouse, tenant)
    profile = temporal_profile(clickhouse, tenant, "s")
    assert times(profile) == {("a", "b"): (12, pytest.approx(math.sqrt(8))), ("a", "c"): (15, 0)}
    assert (profile.steps, profile.all_steps, profile.cases, profile.used_cases) == (("a", "b", "c"), 3, 2, 2)
    assert {one.count for one in profile.times} == {1, 2}


def test_deviations_beyond_zeta(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any) -> None:
    """Nine gaps of 10 s and one of 110: mean 20, sample deviation 31.62; 110 is 2.85 of them away."""
    gaps = [10] * 9 + [110]
    insert(
        itertools.chain.from_iterable(
            (event(f"{n}", "a", 0), event(f"{n}", "b", gap), event(f"{n}", "c", gap + 5)) for n, gap in enumerate(gaps)
        )
    )
    take_in(clickhouse, tenant)
    profile = temporal_profile(clickhouse, tenant, "s")
    assert times(profile)["a", "b"] == (20, pytest.approx(math.sqrt(1000)))
    found = temporal_deviations(clickhouse, tenant, profile, zeta=2.8, at_least=10)
    assert (found.checked, found.cases) == (10, 1)
    assert {(one.usual.from_step, one.usual.to_step, one.count, one.slower) for one in found.deviations} == {
        ("a", "b", 1, 1),
        ("a", "c", 1, 1),
    }
    assert found.deviations[0].examples == ("9",)
    assert {(one.case_id, one.seconds) for one in found.worst} == {("9", 110), ("9", 115)}
    assert found.worst[0].distance == pytest.approx(90 / math.sqrt(1000))
    assert temporal_deviations(clickhouse, tenant, profile, zeta=2.9, at_least=10).cases == 0
    assert temporal_deviations(clickhouse, tenant, profile, zeta=2.8, at_least=11).cases == 0, "too few to tell"
    only = temporal_deviations(clickhouse, tenant, profile, CaseFilter(case_ids=["1"]), zeta=0.1, at_least=1)
    assert (only.checked, only.cases, only.deviations[0].slower) == (1, 1, 0), "quicker than the mean"


def test_a_time_that_never_differs_allows_no_other(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any
) -> None:
    """And 0.1 s three times over is no deviation from its own mean."""
    insert(itertools.chain.from_iterable((event(f"{n}", "a", 0), event(f"{n}", "b", 0.1)) for n in range(3)))
    take_in(clickhouse, tenant)
    profile = temporal_profile(clickhouse, tenant, "s")
    assert temporal_deviations(clickhouse, tenant, profile, at_least=1).cases == 0
    insert([event("x", "a", 0), event("x", "b", 0.2)])
    take_in(clickhouse, tenant)
    (worst,) = temporal_deviations(clickhouse, tenant, profile, at_least=1).worst
    assert (worst.case_id, worst.distance) == ("x", math.inf)


def test_what_is_left_out_is_said(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any) -> None:
    insert(
        [event("1", step, place) for place, step in enumerate("abcab")]
        + [event("2", step, place) for place, step in enumerate("ab")]
    )
    take_in(clickhouse, tenant)
    profile = temporal_profile(clickhouse, tenant, "s", steps=2, longest=4)
    assert (profile.cases, profile.used_cases, profile.steps, profile.all_steps) == (2, 1, ("a", "b"), 2)
    assert times(profile) == {("a", "b"): (1, 0)}
    profile = temporal_profile(clickhouse, tenant, "s", steps=2)
    assert (profile.steps, profile.all_steps, set(times(profile))) == (
        ("a", "b"),
        3,
        {("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")},
    )
    for wrong in ({"steps": 0}, {"steps": 71}, {"longest": 1}, {"longest": 401}):
        with pytest.raises(InvalidInput, match=r"must be from \d+ to \d+, got"):
            temporal_profile(clickhouse, tenant, "s", **wrong)


def test_nothing(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any) -> None:
    profile = temporal_profile(clickhouse, tenant, "s")
    assert (profile.cases, profile.times) == (0, ())
    assert temporal_deviations(clickhouse, tenant, profile).cases == 0
    insert([event("1", "a", 0)])
    take_in(clickhouse, tenant)
    profile = temporal_profile(clickhouse, tenant, "s")
    assert (profile.steps, profile.times) == (("a",), ())
    assert temporal_deviations(clickhouse, tenant, profile).deviations == ()


def random_log(event: Any) -> list[Any]:
    chance = random.Random(7)
    log = []
    for case in range(60):
        at = chance.randint(0, 100)
        for place in range(chance.randint(1, 9)):
            took = chance.choice([None, 0, 3, 10])
            at += chance.randint(0, 20)
            start = None if took is None else at - took
            log.append(event(str(case), chance.choice("abcd"), at, start=start, seq=place + 1))
    return log


def ordered(log: list[Any]) -> dict[str, list[tuple[str, float, float]]]:
    """By case: step, start, end."""
    found = defaultdict(list)
    for one in sorted(log, key=lambda e: (e.at if e.start is None else e.start, e.at, e.seq)):
        found[one.case].append((one.step, one.at if one.start is None else one.start, one.at))
    return found


def test_agrees_with_a_plain_reading_of_the_definition(
    clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any
) -> None:
    log = random_log(event)
    insert(log)
    take_in(clickhouse, tenant)
    between = defaultdict(list)
    for case, steps in ordered(log).items():
        for (one, _, ended), (two, began, _) in itertools.combinations(steps, 2):
            if began >= ended:
                between[one, two].append((began - ended, case))
    expected = {
        pair: (statistics.mean(t for t, _ in own), statistics.stdev(t for t, _ in own) if len(own) > 1 else 0)
        for pair, own in between.items()
    }
    profile = temporal_profile(clickhouse, tenant, "s")
    assert times(profile) == {pair: pytest.approx(value) for pair, value in expected.items()}
    found = temporal_deviations(clickhouse, tenant, profile, zeta=1.5, at_least=5)
    outside = {
        pair: [case for t, case in own if abs(t - expected[pair][0]) > 1.5 * expected[pair][1] + 1e-6]
        for pair, own in between.items()
        if len(own) >= 5
    }
    assert {(one.usual.from_step, one.usual.to_step): (one.count, one.cases) for one in found.deviations} == {
        pair: (len(own), len(set(own))) for pair, own in outside.items() if own
    }
    assert found.cases == len({case for own in outside.values() for case in own})
    assert [one.distance for one in found.worst] == sorted((one.distance for one in found.worst), reverse=True)


def test_agrees_with_pm4py(clickhouse: ClickHouse, tenant: str, insert: Insert, event: Any) -> None:
    """Where pm4py is installed; the product never imports it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pd = pytest.importorskip("pandas")
        pm4py = pytest.importorskip("pm4py")
        log = random_log(event)
        day = datetime(2026, 3, 1, tzinfo=UTC)
        frame = pd.DataFrame(
            {
                "case:concept:name": case,
                "concept:name": step,
                "start_timestamp": day + timedelta(seconds=began),
                "time:timestamp": day + timedelta(seconds=ended),
            }
            for case, steps in ordered(log).items()
            for step, began, ended in steps
        )
        theirs: Times = pm4py.algo.discovery.temporal_profile.algorithm.apply(
            pm4py.convert_to_event_log(frame, case_id_key="case:concept:name"),
            parameters={"pm4py:param:start_timestamp_key": "start_timestamp"},
        )
    insert(log)
    take_in(clickhouse, tenant)
    ours = times(temporal_profile(clickhouse, tenant, "s"))
    assert ours == {pair: pytest.approx(value) for pair, value in theirs.items()}
