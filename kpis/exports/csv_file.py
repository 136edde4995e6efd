"""A report as CSV: UTF-8 without a mark, RFC 4180, a row a point, times in ISO 8601 with their offset.

Text that a spreadsheet would take for a formula has an apostrophe in front (see `text_cells`); numbers are as Python
writes them, so that reading gives the same number back. An empty field is no value.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from typing import BinaryIO
from zoneinfo import ZoneInfo

from kpis.exports.report import Report, ReportKpi
from kpis.exports.text_cells import csv_text

UNIT_WORDS = {"ratio": "share of 1", "seconds": "s", "count": "count", "money": "money", "per_case": "per case"}
"""How a unit is written behind a column's name."""


def header(report: Report) -> list[str]:
    """The names of the columns, with the unit where all KPIs have the same, else with where it stands."""
    units = {_unit(kpi) for kpi in report.kpis}
    unit = units.pop() if len(units) == 1 else "in column unit"
    zone = report.timezone
    return [
        "kpi", "name", "version", "unit", "basis", "dimension", "dimension_value", "grain", f"start [{zone}]",
        f"end [{zone}]", f"value [{unit}]", f"target [{unit}]", "numerator", "denominator", "sample_size [cases]",
        "excluded [cases]", "open_cases [cases]", "complete [0 or 1]", f"data_through [{zone}]",
    ]  # fmt: skip


def write_csv(report: Report, file: BinaryIO) -> None:
    """Writes the whole report, row by row."""
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=False)
    try:
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow([csv_text(name) for name in header(report)])
        for kpi in report.kpis:
            writer.writerows(_rows(report, kpi))
    finally:
        text.detach()  # flushes; the file is the caller's


def _rows(report: Report, kpi: ReportKpi) -> Iterator[list[str | int | float]]:
    zone = ZoneInfo(report.timezone)
    through = "" if report.data_through is None else report.data_through.astimezone(zone).isoformat()
    lead: list[str | int | float] = [csv_text(kpi.id), csv_text(kpi.name), kpi.version, csv_text(_unit(kpi))]
    target = _number(kpi.target)
    for series in kpi.series:
        of = [csv_text(one) for one in (series.basis, series.dimension, series.dimension_value, report.grain)]
        for point in series.points:
            times = [at.astimezone(zone).isoformat() for at in (point.start, point.end)]
            figures = [_number(point.value), target, _number(point.numerator), _number(point.denominator)]
            counts = [point.sample_size, point.excluded, point.open_cases, int(point.complete)]
            yield [*lead, *of, *times, *figures, *counts, through]


def _unit(kpi: ReportKpi) -> str:
    return kpi.currency or "money" if kpi.unit == "money" else UNIT_WORDS.get(kpi.unit, kpi.unit)


def _number(value: float | None) -> float | str:
    return "" if value is None or not math.isfinite(value) else value
