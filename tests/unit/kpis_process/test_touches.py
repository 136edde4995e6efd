"""Touchpoints in the engine: who does the steps, how often, and which cases need nobody."""

from __future__ import annotations

import pytest

from kpis.process.touches import PerCase, Touches, touches
from storage import ClickHouse
from tests.unit.kpis_process.flow import HUGE, NOTHING, RICH, Did, load, load_huge, percentile

WORDS = {"h": "human", "s": "system", "a": "agent", "-": "", "?": "robot"}


def load_letters(ch: ClickHouse, tenant: str, cases: dict[str, str]) -> None:
    """A letter for each step's actor; the steps are s0, s1 and so on."""
    load(
        ch,
        tenant,
        [
            Did(case, f"s{place}", place, actor=WORDS[letter])
            for case, letters in cases.items()
            for place, letter in enumerate(letters)
        ],
    )


def test_touchpoints_and_cases_that_need_nobody(clickhouse: ClickHouse, tenant: str) -> None:
    load_letters(clickhouse, tenant, {"1": "hhs", "2": "sss", "3": "s-a", "4": "--", "5": "?", "6": "h"})
    found = touches(clickhouse, tenant, "s")
    assert (found.cases, found.excluded_cases, found.excluded_events) == (6, 2, 3), "4 and 5: nothing is known"
    assert (found.counted_cases, found.touchless, found.touchless_rate) == (4, 2, 0.5), "2 and 3 of 1, 2, 3, 6"
    assert found.touchless_unsure == 1, "the step nobody owns up to in 3 may be a human's"
    human, system, agent, unknown = found.actors
    assert [one.actor for one in found.actors] == ["human", "system", "agent", "unknown"]
    assert (human.events, human.cases, human.per_case.mean, human.per_case.median) == (3, 2, 0.75, 0.5)
    assert human.per_case.p90 == pytest.approx(percentile([2, 0, 0, 1], 0.9))
    assert (system.events, system.cases, system.per_case) == (5, 3, PerCase(1.25, 1.0, pytest.approx(2.4)))
    assert (agent.events, unknown.events) == (1, 1)


def test_steps_by_who_does_them(clickhouse: ClickHouse, tenant: str) -> None:
    load_letters(clickhouse, tenant, {"1": "hs", "2": "s", "3": "a", "4": "?"})
    first, second = touches(clickhouse, tenant, "s").steps
    assert (first.step, first.count, first.human, first.system, first.agent, first.unknown) == ("s0", 4, 1, 1, 1, 1)
    assert [first.share(actor) for actor in ("human", "system", "agent", "unknown", "robot")] == [0.25] * 4 + [0]
    assert (second.count, second.share("system")) == (1, 1.0)


def test_nothing_known_and_nothing_at_all(clickhouse: ClickHouse, tenant: str) -> None:
    load_letters(clickhouse, tenant, {"1": "-"})
    found = touches(clickhouse, tenant, "s")
    assert (found.cases, found.excluded_cases, found.touchless, found.touchless_rate, found.actors) == (
        1,
        1,
        0,
        None,
        (),
    )
    assert found.steps[0].share("unknown") == 1.0
    nothing = Touches("s", 0, 0, 0, 0, 0, (), ())
    assert touches(clickhouse, tenant, "s", NOTHING) == nothing
    assert nothing.touchless_rate is None
    assert touches(clickhouse, f"{tenant}-other", "s") == nothing


def test_a_case_of_fifty_thousand_events(clickhouse: ClickHouse, tenant: str) -> None:
    load_huge(clickhouse, tenant)
    found = touches(clickhouse, tenant, "s")
    assert [one.events for one in found.actors] == [10_000, 20_000, 10_000, 10_000]
    assert found.actors[1].per_case == PerCase(20_000, 20_000, 20_000)
    assert (found.touchless, sum(one.count for one in found.steps)) == (0, HUGE)
    assert touches(clickhouse, tenant, "s", RICH) == found
