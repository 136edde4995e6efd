"""Confidence intervals of the changes that a report shows, of KPIs at once and bounded in cost.

Case by case as long as the cases of a view are few enough to be read within a report; beyond that from the stored
hours, each taken as a case. An interval is given only where the sample's own numbers are those of the report: the views
may have moved on since the values were stored.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kpis.definitions import KpiDefinition
from kpis.value.compare import difference
from kpis.value.intervals import LEVEL, Interval, TooFew, interval, moved
from kpis.value.observations import Cell, Observed, observe_all, of_buckets
from kpis.value.questions import Part, Period
from kpis.value.samples import Sample

if TYPE_CHECKING:
    from storage import ClickHouse

CASES_READ = 200_000
"""How many subjects of a view are usually read case by case for one report."""
WHOLE = Part()


@dataclass(frozen=True)
class Told:
    """A change as a report shows it, of the definition's first basis. subjects: of both periods together."""

    definition: KpiDefinition
    before: Period
    after: Period
    value_before: float
    value_after: float
    subjects: int

    @property
    def cells(self) -> tuple[Cell, Cell]:
        """Both samples."""
        basis = self.definition.basis_ids[0]
        return Cell(self.definition, basis, self.before), Cell(self.definition, basis, self.after)


def change_intervals(
    ch: ClickHouse, tenant: str, told: list[Told], tz: str, cases_read: int = CASES_READ
) -> dict[str, tuple[float, float]]:
    """By KPI, in the unit of the change; without those of which nothing can be said.

    cases_read: so many subjects of a view are read case by case, the KPIs with the fewest first.
    """
    load: dict[str, int] = defaultdict(int)
    near: list[Told] = []
    far: list[Told] = []
    for one in sorted(told, key=lambda one: one.subjects):
        view = one.definition.view
        load[view] += one.subjects
        (near if view and load[view] <= cases_read else far).append(one)
    cells = [cell for one in near for cell in one.cells]
    seen: dict[Cell, Observed] = dict(zip(cells, observe_all(ch, tenant, cells, WHOLE, tz), strict=True))
    seen |= {cell: of_buckets(ch, tenant, cell, WHOLE) for one in far for cell in one.cells}
    found = {}
    for one in told:
        if (ends := _ends(one, seen)) is not None:
            found[one.definition.id] = ends
    return found


def _ends(one: Told, seen: Mapping[Cell, Observed]) -> tuple[float, float] | None:
    before, after = (seen[cell].sample for cell in one.cells)
    if before is None or after is None:
        return None
    told: Interval | TooFew
    if one.definition.statistic == "sum":
        # The report shows totals, the samples are of days.
        told = _of_totals(before, after)
        values = [before.estimate and before.estimate * before.n, after.estimate and after.estimate * after.n]
    else:
        told, values = difference(before, after), [before.estimate, after.estimate]
    if isinstance(told, TooFew) or not (_same(values[0], one.value_before) and _same(values[1], one.value_after)):
        return None
    return told.low, told.high


def _of_totals(before: Sample, after: Sample) -> Interval | TooFew:
    if before.n == after.n:
        return _scaled(difference(before, after), after.n)
    one, two = (_scaled(interval(sample), sample.n) for sample in (before, after))
    return next((each for each in (one, two) if isinstance(each, TooFew)), None) or moved(one, two, LEVEL, "")


def _scaled(found: Interval | TooFew, by: int) -> Interval | TooFew:
    if isinstance(found, TooFew):
        return found
    return replace(found, estimate=found.estimate * by, low=found.low * by, high=found.high * by)


def _same(value: float | None, shown: float) -> bool:
    return value is not None and math.isclose(value, shown, rel_tol=1e-6, abs_tol=1e-9)
