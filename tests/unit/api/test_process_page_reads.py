"""What the process page asks, on real cases: filters that combine, and who stands after a step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from api.reads import ServiceReads, case_filter
from core import ManualClock
from dashboards.process_reads import CaseQuestion
from kpis.process.corrections import Corrections
from kpis.process.filters import CaseFilter
from storage import ClickHouse
from tests.unit.kpis_process.flow import STREAMS, Did, load, when


@pytest.fixture
def reads(clickhouse: ClickHouse, tenant: str) -> ServiceReads:
    """Orders 1 and 2 stand after b, 3 after c by way of b, 4 after b but is over, 5 came back to a."""
    load(
        clickhouse,
        tenant,
        [Did(case, step, at) for case, steps in (("1", "ab"), ("2", "aab"), ("3", "abc"), ("5", "aba"))
         for at, step in enumerate(steps)] + [Did("4", "a", 0), Did("4", "done", 1), Did("4", "b", 2)],
    )  # fmt: skip
    services: Any = SimpleNamespace(
        ch=clickhouse,
        clock=ManualClock(when(60)),
        models=SimpleNamespace(streams=lambda: STREAMS),
        corrections=Corrections(),
    )
    return ServiceReads(services)


def test_those_that_stand_after_a_step_and_no_others(reads: ServiceReads, tenant: str) -> None:
    waits = CaseQuestion(waits="b")
    found = reads.process_map(tenant, "s", waits)
    assert (found.cases, found.events) == (2, 5)
    assert reads.variants(tenant, "s", waits).cases == 2
    assert reads.facets(tenant, "s", waits).outcomes == {"": 2}
    assert {one.case_id for one in reads.risks(tenant, "s", waits)} == {"1", "2"}
    assert reads.process_map(tenant, "s", CaseQuestion(waits="b", outcomes=("closed",))).cases == 0
    assert reads.process_map(tenant, "s", CaseQuestion(waits="done")).cases == 0


def test_a_place_of_waiting_combines_with_a_variant(reads: ServiceReads, tenant: str) -> None:
    one = next(one for one in reads.variants(tenant, "s", CaseQuestion()).variants if one.steps == ("a", "a", "b"))
    assert reads.process_map(tenant, "s", CaseQuestion(variant=one.id, waits="b")).cases == 1
    assert reads.process_map(tenant, "s", CaseQuestion(variant=one.id, waits="c")).cases == 0


def test_how_many_of_the_open_cases_asked_for_stand_where(reads: ServiceReads, tenant: str) -> None:
    assert reads.standing(tenant, "s", CaseQuestion()) == {"a": 1, "b": 2, "c": 1}
    assert reads.standing(tenant, "s", CaseQuestion(misses=("c",), follows=(("a", "b"),))) == {"a": 1, "b": 2}
    assert reads.standing(tenant, "s", CaseQuestion(outcomes=("closed",))) == {}
    assert reads.standing(tenant, "unwatched", CaseQuestion()) == {}


def test_a_question_becomes_a_filter() -> None:
    asked = CaseQuestion(
        when(0),
        7,
        (("k", "v"), ("k", "w"), ("l", "x")),
        (("m", "y"),),
        ("a",),
        ("b",),
        (("a", "c"),),
        60,
        90,
        ("open",),
    )
    assert case_filter(asked) == CaseFilter(
        start=when(0), contains=("a",), misses=("b",), follows=(("a", "c"),), attributes={"k": ["v", "w"], "l": ["x"]},
        excluded={"m": ["y"]}, min_duration_s=60, max_duration_s=90, variants=(7,), outcomes=("open",),
    )  # fmt: skip
    assert case_filter(CaseQuestion()) == CaseFilter()
