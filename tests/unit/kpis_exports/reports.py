"""Reports and stored values to export."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kpis import load_catalogue
from kpis.brand import Brand
from kpis.exports.report import Headline, Point, Report, ReportKpi, ReportSeries
from storage import ClickHouse

START = datetime(2026, 3, 2, tzinfo=UTC)
NOW = datetime(2026, 4, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
COLUMNS = (
    "TenantId", "KpiId", "Version", "Basis", "Dimension", "DimensionValue", "Grain", "BucketStart", "Value",
    "Numerator", "Denominator", "SampleSize", "Excluded", "OpenCases", "DataThrough", "ComputedAt",
)  # fmt: skip


def day(number: int, value: float | None, **more: Any) -> Point:
    """The point of a day after the start."""
    start = START + number * DAY
    return replace(Point(start, start + DAY, value, (value or 0) * 10, 10, 10, 1, 2), **more)


def kpi(unit: str = "ratio", points: Iterable[Point] = (), **more: Any) -> ReportKpi:
    """One with one series."""
    found = ReportKpi(
        "fill_rate", 3, "Fill rate", "What is shipped?", unit, "up", "order-to-cash",
        (("Formula", "shipped / placed"), ("Definition", "fill_rate, version 3")),
        (ReportSeries("line", "lines", points),), Headline(0.9, 20, previous=0.8, change=0.1, target=0.95), 0.95,
    )  # fmt: skip
    return replace(found, **more)


def report(*kpis: ReportKpi, timezone: str = "UTC", **more: Any) -> Report:
    """One of a month."""
    found = Report(
        "r1", "Weekly report", "shop", Brand("Shop AG", "#336699"), START, START + 31 * DAY, "day", timezone, NOW,
        NOW - DAY, kpis,
    )  # fmt: skip
    return replace(found, **more)


def store(ch: ClickHouse, tenant: str, rows: Sequence[dict[str, Any]]) -> None:
    """Stores values as the jobs do; what is left out has a usual value, the version is the catalogue's."""
    catalogue = load_catalogue().definitions
    usual = {
        "TenantId": tenant, "KpiId": "fill_rate", "Basis": "line", "Dimension": "", "DimensionValue": "",
        "Grain": "day", "BucketStart": START, "Value": 0.5, "Numerator": 1.0, "Denominator": 2.0, "SampleSize": 2,
        "Excluded": 0, "OpenCases": 0, "DataThrough": NOW - DAY, "ComputedAt": NOW - DAY,
    }  # fmt: skip
    whole = [{"Version": catalogue[{**usual, **row}["KpiId"]].version} | usual | row for row in rows]
    ch.insert_rows("kpi_values", COLUMNS, [[row[name] for name in COLUMNS] for row in whole])
