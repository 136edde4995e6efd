"""Why subjects are left out of KPIs in a period, by number: what a report says beside how many they are.

Counted from the views as they stand now; the stored values may be a run of the jobs older.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from kpis.definitions import KpiDefinition
from kpis.drill import UNKNOWN, drill
from kpis.measures import LEFT_OUT, by_view, facts_sql, measures, own_parameters, parameters, second_of
from kpis.periods import Calendar
from kpis.views import view
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse


@dataclass(frozen=True)
class LeftOutOf:
    """Subjects that a KPI leaves out for one reason. bases: the names of those that do, none where all of it do."""

    bases: tuple[str, ...]
    reason: str
    subjects: int


def left_out(
    ch: ClickHouse,
    tenant: str,
    definitions: Sequence[KpiDefinition],
    start: datetime,
    end: datetime,
    calendar: Calendar,
) -> dict[str, tuple[LeftOutOf, ...]]:
    """By KPI, of [start, end), the most first; each view is read once. Nothing is told of what is left out nowhere, or
    of a KPI that does not tell its cases. Raises StorageError."""
    found: dict[str, dict[tuple[str, ...], list[tuple[str, int]]]] = {}
    for name, chosen in by_view(one for one in measures(definitions) if not one.level).items():
        text = load_sql("kpis", "left_out").replace("/*facts*/", facts_sql(chosen))
        text = text.replace("/*table*/", view(name).table)
        asked = {
            **parameters(chosen), "tenant": tenant, "tz": calendar.timezone, "left_out": LEFT_OUT,
            "low": int(start.timestamp()), "high": int(end.timestamp()),
        }  # fmt: skip
        # Said once more, so that the facts of other times are not made; most of the cost is in making them.
        known = (own_parameters(one.definition, one.at) for one in chosen)
        times = dict.fromkeys(second_of(at) for at in known)
        near = " OR ".join(f"({one} >= {{low:Int64}} AND {one} < {{high:Int64}})" for one in times)
        for number, state, subjects in ch.query(text.replace("/*within*/", near), asked).rows:
            measure = chosen[int(number)]
            place = int(state) - LEFT_OUT
            reason = measure.excluded[place].reason if place < len(measure.excluded) else UNKNOWN
            ids = tuple(basis for basis, _ in measure.statistics)
            found.setdefault(measure.definition.id, {}).setdefault(ids, []).append((reason, int(subjects)))
    for definition in definitions:
        if not definition.view and definition.cases_sql:
            for basis in definition.basis_ids:
                page = drill(ch, tenant, definition, start, end, basis=basis, calendar=calendar, limit=1)
                reasons = [(one.reason, one.cases) for one in page.totals.reasons]
                if reasons:
                    found.setdefault(definition.id, {})[(basis,)] = reasons
    return {one.id: _merged(one, found[one.id]) for one in definitions if one.id in found}


def _merged(definition: KpiDefinition, told: dict[tuple[str, ...], list[tuple[str, int]]]) -> tuple[LeftOutOf, ...]:
    """Bases that leave out as many for the same reason are told once."""
    bases: dict[tuple[str, int], list[str]] = {}
    for ids, reasons in told.items():
        for reason in reasons:
            bases.setdefault(reason, []).extend(ids)
    every = len(definition.basis_ids)
    return tuple(
        LeftOutOf(() if len(ids) == every else _names(definition, ids), reason, subjects)
        for (reason, subjects), ids in sorted(bases.items(), key=lambda one: (-one[0][1], one[0][0]))
    )


def _names(definition: KpiDefinition, ids: Sequence[str]) -> tuple[str, ...]:
    names = {one.id: one.name for one in definition.bases}
    return tuple(names.get(one, one) for one in definition.basis_ids if one in ids)
