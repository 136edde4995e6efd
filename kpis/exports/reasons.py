"""Why subjects are not in a report's numbers, counted for the KPIs that leave some out and are not too large for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kpis.definitions import KpiDefinition
from kpis.exports.report import LeftOut
from kpis.left_out import left_out
from kpis.periods import Calendar

if TYPE_CHECKING:
    from storage import ClickHouse

MOST = 200_000
"""Of so many subjects of a view it is counted why some are left out; of more, only how many."""


def reasons_of(
    ch: ClickHouse,
    tenant: str,
    definitions: Sequence[KpiDefinition],
    totals: Iterable[Mapping[str, Any]],
    start: datetime,
    end: datetime,
    calendar: Calendar,
    most: int = MOST,
) -> tuple[dict[str, tuple[LeftOut, ...]], tuple[str, ...]]:
    """By KPI, of [start, end), and a note that names those of which it is too much to count for a report.

    totals: rows of `export_headlines`.
    """
    excluded: dict[str, int] = defaultdict(int)
    seen: dict[tuple[str, str], int] = defaultdict(int)
    for row in totals:
        if row["Current"]:
            excluded[row["KpiId"]] += row["Exclusions"]
            seen[row["KpiId"], row["Basis"]] += row["Samples"] + row["Exclusions"] + row["Opens"]
    with_some = [one for one in definitions if excluded[one.id]]
    # A view is read once for all of its KPIs, so what it costs is what the largest of them has.
    load: dict[str, int] = defaultdict(int)
    for one in with_some:
        view = one.view or one.id
        load[view] = max(load[view], *(seen[one.id, basis] for basis in one.basis_ids))
    near = [one for one in with_some if load[one.view or one.id] <= most]
    found = left_out(ch, tenant, near, start, end, calendar) if near else {}
    lines = {
        kpi: tuple(LeftOut(", ".join(one.bases), one.reason, one.subjects) for one in some)
        for kpi, some in found.items()
    }
    far = [one.name for one in with_some if one not in near]
    note = f"Of more than {most:,} cases it is not counted here why some are left out: {', '.join(far)}."
    return lines, (note,) if far else ()
