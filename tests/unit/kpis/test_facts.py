"""A run reads all facts of a view in arrays, a list or a split one measure's: they say the same of whatever row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from kpis import load_catalogue
from kpis.facts import facts_parameters, facts_select
from kpis.measures import COUNTED, by_view, facts_sql, measures, parameters
from kpis.views import PAIRS, VIEWS, View
from storage import ClickHouse

MEASURES = by_view(measures(one for one in load_catalogue() if one.view))
ZONE = "America/St_Johns"
WORDS = ["", "customer", "human", "EUR", "matched", "ordered", "shipped", "credited"]
WORDS += sorted({pair[0] for pair in PAIRS})
ODD = "cityHash64(number, {n})"
"""A number by row and column."""
VALUES = {
    "DateTime64": f"toDateTime64(multiIf({ODD} % 20 = 0, -2000000000, {ODD} % 20 = 1, 8000000000, "
    f"toInt64(1100000000 + {ODD} % 900000000)), 9, 'UTC')",
    "Float64": f"[nan, inf, -inf, 0., 1., 2.5, -3., 1e300][1 + {ODD} % 8]",
    "Decimal": f"toDecimal64(({ODD} % 2001 - 1000) / 7, 4)",
    "UInt": f"{ODD} % 4",
    "String": f"arrayElement({WORDS}, 1 + {ODD} % {len(WORDS)})",
}
"""Odd values, few of a kind, so that conditions meet; times of 1906 and 2223 among those of thirty years."""


def odd_value(kind: str, number: int) -> str:
    """An expression for a column of the type."""
    inner = kind.removeprefix("LowCardinality(").removeprefix("Nullable(")
    value = f"CAST({next(text for name, text in VALUES.items() if inner.startswith(name))} AS {kind})"
    if "Nullable" in kind:
        value = f"if({ODD} % 7 = 0, NULL, {value})"
    return value.replace("{n}", str(number))


@pytest.mark.parametrize("view", [one for one in VIEWS if one.name in MEASURES], ids=lambda one: one.name)
def test_all_at_once_and_one_by_one_are_alike(clickhouse: ClickHouse, view: View) -> None:
    chosen, table = MEASURES[view.name], f"odd_{view.name}"
    clickhouse.command(f"CREATE TABLE {table} AS {view.table} ENGINE = Memory")
    columns = clickhouse.query("SELECT name, type FROM system.columns WHERE table = {t:String}", {"t": table}).rows
    values = [odd_value(kind, number) for number, (_, kind) in enumerate(columns)]
    clickhouse.command(f"INSERT INTO {table} SELECT {', '.join(values)} FROM numbers(2000)")
    asked = facts_parameters(chosen, ZONE, 0)
    at_once = clickhouse.query(facts_select(chosen, table, "1"), asked).rows
    one_by_one = clickhouse.query(
        f"SELECT F.1, F.2, F.3, F.4, F.5 FROM {table} ARRAY JOIN {facts_sql(chosen)} AS F",
        {**parameters(chosen), "tz": ZONE},
    ).rows
    assert facts(at_once) == facts(one_by_one)
    assert {number for number, *_ in at_once} == set(range(len(chosen)))


def facts(rows: Sequence[Sequence[Any]]) -> Counter[tuple[Any, ...]]:
    """The figures of what is not counted mean nothing."""
    return Counter(tuple(row) if row[2] == COUNTED else (*row[:3], 0, 0) for row in rows)
