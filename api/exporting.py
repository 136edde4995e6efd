"""An export of KPIs from what a caller says: the same for the route and for the command line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import IO, BinaryIO, cast

from api.happenings import Happenings
from core import Clock
from kpis import TenantKpis
from kpis.exports.build import ExportQuestion, build_report, require_grain, usual_start
from kpis.exports.formats import ExportFormat, file_name
from kpis.value.baselines import Baselines
from storage import ClickHouse, StateDb

WITH_LISTS = ("xlsx", "pdf")
"""Formats that have room for more than values."""


def export_kpis(
    ch: ClickHouse,
    kpis_of: TenantKpis,
    clock: Clock,
    tenant: str,
    kind: ExportFormat,
    file: IO[bytes],
    happenings: Happenings,
    *,
    kpis: Sequence[str] = (),
    start: datetime | None = None,
    end: datetime | None = None,
    grain: str = "day",
    dimensions: Sequence[str] = (),
    dimension_values: Sequence[str] = (),
    state: StateDb | None = None,
) -> str:
    """Writes the file, with the baselines in `state`; returns a name for it.

    Without an end it is now, without a start the grain's usual period.
    Raises what `build_report` does.
    """
    now = clock.now()
    until = end or now
    since = start or usual_start(require_grain(grain), until)
    question = ExportQuestion(since, until, grain, tuple(kpis), tuple(dimensions), tuple(dimension_values))
    baselines = Baselines(state, clock).in_force(tenant) if state else {}
    report = build_report(
        ch,
        tenant,
        kpis_of.catalogue,
        question,
        now=now,
        calendar=kpis_of.calendar,
        baselines=baselines,
        currency=kpis_of.currency,
        brand=kpis_of.brand,
    )
    if kind.name in WITH_LISTS:
        report = happenings.told(report)
    kind.write(report, cast(BinaryIO, file))
    return file_name(report, kind)
