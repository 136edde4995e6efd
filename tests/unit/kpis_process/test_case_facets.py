"""What cases can be filtered by: attributes with their values and counts, outcomes, and what is too much to list."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from core.errors import InvalidInput
from kpis.process.case_facets import MOST_VALUES, AttributeFacet, CaseFacets, case_facets
from kpis.process.filters import CaseFilter
from storage import ClickHouse
from tests.unit.kpis_process.flow import DAY_ONE, NOTHING, RICH, make_cases, when

COLUMNS = ("TenantId", "Stream", "CaseId", "Timestamp", "Seq", "EventId", "Step", "EventName", "Attributes",
           "ReceivedAt", "SegmentId")  # fmt: skip


def load(ch: ClickHouse, tenant: str, cases: Mapping[str, tuple[str, Mapping[str, str]]]) -> None:
    """Stores for each case an event `a` with attributes and a last one."""
    rows = []
    for place, (case, (last, attributes)) in enumerate(cases.items()):
        for seq, (step, given) in enumerate((("a", attributes), (last, {}))):
            rows.append((tenant, "s", case, when(place + seq), seq, f"{case}-{seq}", step, step, given, DAY_ONE, 1))
    ch.insert_rows("process_events", COLUMNS, rows)
    make_cases(ch, tenant)


@pytest.fixture
def three(clickhouse: ClickHouse, tenant: str) -> None:
    load(
        clickhouse,
        tenant,
        {
            "1": ("done", {"channel": "web", "priority": "high"}),
            "2": ("done", {"channel": "web", "priority": ""}),
            "3": ("b", {"channel": "store"}),
        },
    )


@pytest.mark.usefixtures("three")
def test_attributes_with_their_values_and_outcomes(clickhouse: ClickHouse, tenant: str) -> None:
    """An empty value is none; the commonest attribute and value come first."""
    assert case_facets(clickhouse, tenant, "s") == CaseFacets(
        3,
        (
            AttributeFacet("channel", 3, 2, (("web", 2), ("store", 1))),
            AttributeFacet("priority", 1, 1, (("high", 1),)),
        ),
        {"done": 2, "": 1},
    )


@pytest.mark.usefixtures("three")
def test_only_of_the_cases_that_the_filter_lets_through(clickhouse: ClickHouse, tenant: str) -> None:
    found = case_facets(clickhouse, tenant, "s", CaseFilter(attributes={"channel": ["store"]}))
    assert found == CaseFacets(1, (AttributeFacet("channel", 1, 1, (("store", 1),)),), {"": 1})
    assert case_facets(clickhouse, tenant, "s", NOTHING) == CaseFacets(0, (), {})
    assert case_facets(clickhouse, tenant, "s", RICH) == CaseFacets(0, (), {})
    assert case_facets(clickhouse, "nobody", "s") == CaseFacets(0, (), {})


def test_the_most_frequent_values_alone_and_none_of_too_many(clickhouse: ClickHouse, tenant: str) -> None:
    cases = {
        f"{number:04}": ("done", {"id": f"n{number}", "size": f"s{number % 5}" if number < 20 else "s0"})
        for number in range(MOST_VALUES + 20)
    }
    load(clickhouse, tenant, cases)
    by_id, by_size = case_facets(clickhouse, tenant, "s", top=2).attributes
    assert (by_id.name, by_id.cases, by_id.top) == ("id", MOST_VALUES + 20, ())
    assert by_id.values == pytest.approx(MOST_VALUES + 20, rel=0.02)
    assert by_size == AttributeFacet("size", MOST_VALUES + 20, 5, (("s0", MOST_VALUES + 4), ("s1", 4)))


def test_a_senseless_number_of_values_is_an_error(clickhouse: ClickHouse, tenant: str) -> None:
    with pytest.raises(InvalidInput, match="top must be 1 to 100, got 0"):
        case_facets(clickhouse, tenant, "s", top=0)
