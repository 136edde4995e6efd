"""The list of cases: what a row holds, in which order, a page at a time."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.errors import InvalidInput
from kpis.process.case_list import CaseList, CaseRow, case_list
from kpis.process.filters import CaseFilter
from storage import ClickHouse
from tests.unit.kpis_process.flow import HUGE, NOTHING, RICH, Did, load, load_huge, when


def ids(found: CaseList) -> str:
    return "".join(one.case_id for one in found.cases)


def test_a_row(clickhouse: ClickHouse, tenant: str) -> None:
    """Working 2 s, waiting 3 s, then 4 s of which nobody knows."""
    load(
        clickhouse,
        tenant,
        [Did("1", "a", 1, start=0), Did("1", "b", 5, start=4, amount="10.50"), Did("1", "done", 9)],
    )
    found = case_list(clickhouse, tenant, "s")
    variant = clickhouse.query("SELECT cityHash64(['a', 'b', 'done'])").scalar()
    row = CaseRow("1", when(0), when(9), 9.0, 3.0, 2.0, 4.0, 3, variant, "done", "done", Decimal("10.5"), "EUR")
    assert found == CaseList(1, (row,))
    assert case_list(clickhouse, tenant, "s", CaseFilter(variants=[variant])) == found, "the id selects its like"


@pytest.fixture
def five(clickhouse: ClickHouse, tenant: str) -> None:
    """By value b a, c and d alike, e without; by duration c, a and e alike, b and d alike with none."""
    load(
        clickhouse,
        tenant,
        [
            Did("a", "x", 0, amount="9"), Did("a", "y", 10, start=6),
            Did("b", "x", 50, amount="100", currency="GBP"),
            Did("c", "x", 0, amount="5"), Did("c", "y", 40, start=40),
            Did("d", "x", 40, amount="5"),
            Did("e", "x", 0), Did("e", "y", 10),
        ],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        pytest.param("value", "bacde", id="value: without one last, equal ones by id"),
        pytest.param("duration", "caebd", id="duration"),
        pytest.param("waiting", "cabde", id="waiting: 40, 6, nothing known"),
        pytest.param("last", "bcdae", id="last: 50, 40, 40, 10, 10"),
    ],
)
@pytest.mark.usefixtures("five")
def test_order_and_pages(clickhouse: ClickHouse, tenant: str, order: str, expected: str) -> None:
    assert ids(case_list(clickhouse, tenant, "s", order=order)) == expected
    pages = [case_list(clickhouse, tenant, "s", order=order, limit=2, offset=offset) for offset in (0, 2, 4)]
    assert "".join(map(ids, pages)) == expected
    assert {page.total for page in pages} == {5}


@pytest.mark.usefixtures("five")
def test_filters_pages_beyond_the_end_and_nothing_at_all(clickhouse: ClickHouse, tenant: str) -> None:
    assert ids(case_list(clickhouse, tenant, "s", CaseFilter(contains=["y"]), order="last")) == "cae"
    assert case_list(clickhouse, tenant, "s", offset=5) == CaseList(5, ())
    assert case_list(clickhouse, tenant, "s", NOTHING) == CaseList(0, ())
    assert case_list(clickhouse, f"{tenant}-other", "s") == CaseList(0, ())


@pytest.mark.usefixtures("five")
def test_one_event(clickhouse: ClickHouse, tenant: str) -> None:
    (row,) = case_list(clickhouse, tenant, "s", CaseFilter(case_ids=["d"])).cases
    assert (row.first, row.last, row.duration_s, row.working_s, row.events, row.outcome) == (
        when(40),
        when(40),
        0,
        0,
        1,
        "",
    )
    (row,) = case_list(clickhouse, tenant, "s", CaseFilter(case_ids=["e"])).cases
    assert (row.value, row.currency, row.unknown_s) == (None, "", 10.0)


def test_a_case_of_fifty_thousand_events(clickhouse: ClickHouse, tenant: str) -> None:
    load_huge(clickhouse, tenant)
    (row,) = case_list(clickhouse, tenant, "s").cases
    assert (row.events, row.duration_s, row.last_step) == (HUGE, HUGE - 1, "b")
    assert (row.working_s, row.waiting_s, row.unknown_s) == (12_500, 12_500, HUGE // 2 - 1)
    assert case_list(clickhouse, tenant, "s", RICH).cases == (row,)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"order": "size"}, "order must be one of value, duration, waiting, last, got 'size'"),
        ({"limit": 0}, "limit must be 1 to 1000, got 0"),
        ({"limit": 1001}, "limit must be 1 to 1000, got 1001"),
        ({"offset": -1}, "offset must be 0 to 10000000, got -1"),
    ],
)
def test_what_is_refused(clickhouse: ClickHouse, tenant: str, asked: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        case_list(clickhouse, tenant, "s", **asked)  # type: ignore[arg-type]
