"""A report as a workbook: an overview, a sheet for each KPI with its points and a chart, and the definitions.

Rows go to disk as they are written, so that memory does not grow with them. Numbers are numbers, times are dates of the
report's zone without their offset (a workbook knows none), hence the start in UTC beside them. Text is written as text,
which no program takes for a formula.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import xlsxwriter  # type: ignore[import-untyped]

from core import TooLarge
from kpis.exports.report import Headline, Point, Report, ReportKpi, ReportSeries, Row
from kpis.exports.text_cells import chart_text, plain_text, sheet_names
from kpis.exports.xlsx_styles import DAY_S, Styles

ROW_LIMIT = 1_048_576
CHARTED = 4
"""Lines of a chart, the target's apart."""
CHART_POINTS = 32_000
"""As many as Excel draws of one line."""
OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": False,
}
OVERVIEW, DEFINITIONS = "Overview", "Definitions"
_FIRST_DATE = datetime(1900, 3, 1)  # noqa: DTZ001 - on the wall; before it Excel has a day that never was
_DAY_ZERO, _DAY = datetime(1899, 12, 30), timedelta(days=1)  # noqa: DTZ001 - with that day, as Excel counts


@dataclass(frozen=True)
class _Column:
    title: str
    width: int


def write_xlsx(report: Report, file: BinaryIO) -> None:
    """Writes the whole report. Raises TooLarge for a KPI with more points than a sheet has rows."""
    workbook = xlsxwriter.Workbook(file, OPTIONS)
    try:
        workbook.set_properties(
            {
                "title": plain_text(report.title)[:255],
                "company": plain_text(report.brand.name)[:255],
                "created": report.generated_at.astimezone(UTC).replace(tzinfo=None),
                "comments": f"report {plain_text(report.id)[:80]}",
            }
        )
        styles = Styles(workbook, report.brand.colour)
        names = sheet_names((kpi.name for kpi in report.kpis), (OVERVIEW, DEFINITIONS))
        _overview(workbook, styles, report, names)
        for kpi, name in zip(report.kpis, names, strict=True):
            _KpiSheet(workbook, styles, report, kpi, name).write()
        for title, rows in (
            ("Bottlenecks", report.bottlenecks),
            ("Incidents", report.incidents),
            ("Control actions", report.actions),
        ):
            if rows:
                (legal,) = sheet_names([title], [OVERVIEW, DEFINITIONS, *names])
                _list(workbook, styles, report, legal, rows)
        if any(kpi.left_out for kpi in report.kpis):
            (legal,) = sheet_names(["Left out"], [OVERVIEW, DEFINITIONS, *names])
            _left_out(workbook, styles, report, legal)
        _definitions(workbook, styles, report)
    finally:
        workbook.close()


def _text(sheet: Any, row: int, column: int, text: str, style: Any = None) -> None:
    sheet.write_string(row, column, _harmless(text), style)


def _harmless(text: str) -> str:
    """What is shown as it is; the library would take what is wrapped in <r> for markup of its own."""
    plain = plain_text(text)
    return f" {plain}" if plain.startswith("<r>") else plain


def _number(sheet: Any, row: int, column: int, value: float | None, style: Any = None) -> None:
    """Nothing where there is no value, or none that a workbook can hold."""
    if value is None or not math.isfinite(value):
        sheet.write_blank(row, column, None, style)
    else:
        sheet.write_number(row, column, value, style)


def _time(sheet: Any, row: int, column: int, at: datetime | None, zone: ZoneInfo, style: Any) -> None:
    if at is None:
        return
    days = _serial(at.astimezone(UTC), zone)  # in UTC no two moments are equal
    if days is None:
        _text(sheet, row, column, at.astimezone(zone).isoformat())
    else:
        sheet.write_number(row, column, days, style)


@lru_cache(maxsize=1 << 14)  # the buckets of a KPI come again with each of its series
def _serial(at: datetime, zone: ZoneInfo) -> float | None:
    """The wall's clock in the zone as workbooks count, in days; None before they begin to."""
    local = at.astimezone(zone).replace(tzinfo=None)
    return None if local < _FIRST_DATE else (local - _DAY_ZERO) / _DAY


def _header(sheet: Any, styles: Styles, row: int, columns: Sequence[_Column]) -> None:
    for place, column in enumerate(columns):
        sheet.set_column(place, place, column.width)
        _text(sheet, row, place, column.title, styles.header)
    sheet.freeze_panes(row + 1, 0)


# --- the overview ---


def _overview(workbook: Any, styles: Styles, report: Report, names: Sequence[str]) -> None:
    sheet, zone = workbook.add_worksheet(OVERVIEW), ZoneInfo(report.timezone)
    sheet.set_tab_color(styles.colour)
    columns = [
        _Column("KPI", 34), _Column("Value", 14), _Column("Previous", 14), _Column("Change", 14),
        _Column("Change from (95 %)", 14), _Column("Change to (95 %)", 14), _Column("Baseline", 14),
        _Column("Target", 14), _Column("Target met", 12), _Column("Unit", 12), _Column("Better", 10),
        _Column("Cases", 10), _Column("Excluded", 10), _Column("Open", 10), _Column("Remark", 44),
    ]  # fmt: skip
    _text(sheet, 0, 0, report.title, styles.title)
    _text(sheet, 1, 0, report.brand.name, styles.strong)
    about = (("From", report.start), ("Until (not included)", report.end), ("Written", report.generated_at))
    for row, (label, at) in enumerate((*about, ("Data through", report.data_through)), 2):
        _text(sheet, row, 0, label)
        _time(sheet, row, 1, at, zone, styles.time)
    for row, (label, text) in enumerate((("Buckets", report.grain), ("Time zone", report.timezone)), 6):
        _text(sheet, row, 0, label)
        _text(sheet, row, 1, text)
    top = 9
    _header(sheet, styles, top, columns)
    for row, (kpi, name) in enumerate(zip(report.kpis, names, strict=True), top + 1):
        sheet.write_url(row, 0, f"internal:'{name}'!A1", styles.link, plain_text(kpi.name)[:255])
        _headline(sheet, styles, row, kpi, kpi.headline)
    last = top + len(report.kpis)
    if report.kpis:
        sheet.autofilter(top, 0, last, len(columns) - 1)
        for text, style in (("yes", styles.good), ("no", styles.bad)):
            rule = {"type": "cell", "criteria": "==", "value": f'"{text}"', "format": style}
            sheet.conditional_format(top + 1, 8, last, 8, rule)
    for row, note in enumerate(report.notes, last + 2):
        _text(sheet, row, 0, note)


def _headline(sheet: Any, styles: Styles, row: int, kpi: ReportKpi, headline: Headline | None) -> None:
    scale = _magnitude(kpi)
    shown = headline or Headline(None, 0)
    figures = (shown.value, shown.previous, shown.change, shown.change_low, shown.change_high, shown.baseline)
    for column, value in enumerate((*figures, kpi.target), 1):
        _measure(sheet, styles, row, column, kpi, value, scale)
    if headline is None:
        met, remark = "", "no total in this period"
    else:
        met = "" if headline.target_met is None else "yes" if headline.target_met else "no"
        remark = "few cases: says little" if headline.small_sample else ""
        for column, count in enumerate((headline.sample_size, headline.excluded, headline.open_cases), 11):
            _number(sheet, row, column, count, styles.count)
    words = {"up": "higher", "down": "lower"}.get(kpi.direction, kpi.direction)
    for column, text in ((8, met), (9, _unit(kpi)), (10, words), (14, remark)):
        _text(sheet, row, column, text)


def _unit(kpi: ReportKpi) -> str:
    return kpi.currency or "money" if kpi.unit == "money" else kpi.unit


def _magnitude(kpi: ReportKpi, first: Point | None = None) -> float:
    """A length that is usual for the KPI, in seconds: how its lengths are written hangs on it."""
    headline = kpi.headline.value if kpi.headline else None
    found = (kpi.target, headline, first.value if first else None)
    return abs(next((one for one in found if one is not None and math.isfinite(one)), 0.0))


def _measure(
    sheet: Any, styles: Styles, row: int, column: int, kpi: ReportKpi, value: float | None, scale: float
) -> None:
    """A value of the KPI in its unit; a length as a part of a day, as workbooks have them."""
    style = styles.measure(kpi.unit, kpi.currency, scale, value)
    _number(sheet, row, column, value / DAY_S if kpi.unit == "seconds" and value is not None else value, style)


# --- a KPI ---


class _KpiSheet:
    """The sheet of one KPI."""

    def __init__(self, workbook: Any, styles: Styles, report: Report, kpi: ReportKpi, name: str) -> None:
        self._workbook, self._styles, self._report, self._kpi, self._name = workbook, styles, report, kpi, name
        self._zone = ZoneInfo(report.timezone)
        self._sheet = workbook.add_worksheet(name)
        self._lengths = kpi.unit == "seconds"
        zone = plain_text(report.timezone)
        columns = [
            _Column("Basis", 16), _Column("Dimension", 14), _Column("Of", 24), _Column(f"Start ({zone})", 18),
            _Column(f"End ({zone})", 18), _Column("Start in UTC", 18),
            _Column("Value" if self._lengths else f"Value ({_unit(kpi)})", 14), _Column("Target", 14),
        ]  # fmt: skip
        columns += [_Column("Value (seconds)", 16)] if self._lengths else []
        columns += [
            _Column("Numerator", 14), _Column("Denominator", 14), _Column("Cases", 10), _Column("Excluded", 10),
            _Column("Open", 10), _Column("Complete", 10),
        ]  # fmt: skip
        self._columns = columns
        self._value, self._target = 6, 7
        self._scale = 0.0

    def write(self) -> None:
        """Header, points, chart."""
        _header(self._sheet, self._styles, 0, self._columns)
        lines: list[tuple[ReportSeries, int, int]] = []
        row = 1
        for series in self._kpi.series:
            first = row
            row = self._points(series, row)
            if row > first and len(lines) < CHARTED and (not series.dimension or not lines):
                lines.append((series, first, min(row, first + CHART_POINTS) - 1))
        if row > 1:
            self._sheet.autofilter(0, 0, row - 1, len(self._columns) - 1)
            self._colours(row - 1)
            # Totals are drawn; parts only where there is no total.
            totals = [line for line in lines if not line[0].dimension] or lines
            self._chart(totals)
        else:
            _text(self._sheet, 1, 0, "nothing was computed in this period")

    def _points(self, series: ReportSeries, row: int) -> int:
        """Writes them from the row on; returns the row behind the last."""
        points = iter(series.points)
        first = next(points, None)
        if first is None:
            return row
        if row == 1:
            self._scale = _magnitude(self._kpi, first)
        sheet, styles, zone = self._sheet, self._styles, self._zone
        of = [_harmless(text) for text in (series.basis_name or series.basis, series.dimension, series.dimension_value)]
        behind = self._target + 2 if self._lengths else self._target + 1
        for point in chain((first,), points):
            if row >= ROW_LIMIT:
                raise TooLarge(
                    f"{self._kpi.id} has more than the {ROW_LIMIT - 1:,} values that a sheet takes",
                    hint="choose csv or parquet, a coarser grain or a shorter period",
                )
            for column, text in enumerate(of):
                if text:
                    sheet.write_string(row, column, text)
            _time(sheet, row, 3, point.start, zone, styles.time)
            _time(sheet, row, 4, point.end, zone, styles.time)
            _time(sheet, row, 5, point.start, _UTC, styles.time)
            _measure(sheet, styles, row, self._value, self._kpi, point.value, self._scale)
            if self._kpi.target is not None:
                _measure(sheet, styles, row, self._target, self._kpi, self._kpi.target, self._scale)
            if self._lengths:
                _number(sheet, row, self._target + 1, point.value, styles.plain)
            _number(sheet, row, behind, point.numerator)
            _number(sheet, row, behind + 1, point.denominator)
            sheet.write_number(row, behind + 2, point.sample_size, styles.count)
            sheet.write_number(row, behind + 3, point.excluded, styles.count)
            sheet.write_number(row, behind + 4, point.open_cases, styles.count)
            sheet.write_string(row, behind + 5, "yes" if point.complete else "not yet")
            row += 1
        return row

    def _colours(self, last: int) -> None:
        """Green and red against the target; a cell without a value has no colour."""
        if self._kpi.target is None:
            return
        good, bad = (">=", "<") if self._kpi.direction == "up" else ("<=", ">")
        for sign, style in ((good, self._styles.good), (bad, self._styles.bad)):
            rule = {"type": "formula", "criteria": f"=AND(ISNUMBER($G2),$G2{sign}$H2)", "format": style}
            self._sheet.conditional_format(1, self._value, last, self._value, rule)

    def _chart(self, lines: Sequence[tuple[ReportSeries, int, int]]) -> None:
        chart = self._workbook.add_chart({"type": "line"})
        for place, (series, first, last) in enumerate(lines):
            label = " ".join(one for one in (series.basis_name, series.dimension_value) if one) or self._kpi.name
            chart.add_series(self._line(label, first, last, self._value, self._styles.line(place)))
        if self._kpi.target is not None:
            _, first, last = lines[0]
            line = {"color": "#7f7f7f", "width": 1.25, "dash_type": "dash"}
            chart.add_series(self._line("Target", first, last, self._target, line))
        chart.set_title({"name": chart_text(self._kpi.name), "overlay": False})
        chart.set_x_axis({"date_axis": True, "num_format": "yyyy-mm-dd"})
        chart.set_y_axis({"major_gridlines": {"visible": True, "line": {"color": "#d9d9d9"}}})
        chart.set_legend({"position": "bottom"})
        chart.show_blanks_as("gap")
        chart.set_size({"width": 760, "height": 360})
        self._sheet.insert_chart(1, len(self._columns) + 1, chart)

    def _line(self, label: str, first: int, last: int, column: int, line: dict[str, Any]) -> dict[str, Any]:
        return {
            "name": chart_text(label),
            "categories": [self._name, first, 3, last, 3],
            "values": [self._name, first, column, last, column],
            "line": line,
        }


_UTC = ZoneInfo("UTC")


# --- lists and definitions ---


def _list(workbook: Any, styles: Styles, report: Report, name: str, rows: Iterable[Row]) -> None:
    sheet, zone = workbook.add_worksheet(name), ZoneInfo(report.timezone)
    columns = [
        _Column("What", 40), _Column("Detail", 60), _Column("Money", 16), _Column("Currency", 10),
        _Column(f"At ({report.timezone})", 18), _Column("Cases", 10),
    ]  # fmt: skip
    _header(sheet, styles, 0, columns)
    for number, row in enumerate(rows, 1):
        _text(sheet, number, 0, row.title)
        _text(sheet, number, 1, row.detail, styles.wrapped)
        _number(sheet, number, 2, row.money, styles.measure("money", "", 0.0, row.money))
        _text(sheet, number, 3, row.currency)
        _time(sheet, number, 4, row.at, zone, styles.time)
        _number(sheet, number, 5, row.cases, styles.count)


def _left_out(workbook: Any, styles: Styles, report: Report, name: str) -> None:
    """Why something is not in the numbers, of the whole period."""
    sheet = workbook.add_worksheet(name)
    _header(sheet, styles, 0, [_Column("KPI", 34), _Column("Basis", 24), _Column("Left out", 12), _Column("Why", 90)])
    lines = [(kpi.name, one) for kpi in report.kpis for one in kpi.left_out]
    for row, (kpi, one) in enumerate(lines, 1):
        _text(sheet, row, 0, kpi)
        _text(sheet, row, 1, one.basis or "all")
        _number(sheet, row, 2, one.number, styles.count)
        _text(sheet, row, 3, one.reason, styles.wrapped)
    sheet.autofilter(0, 0, len(lines), 3)


def _definitions(workbook: Any, styles: Styles, report: Report) -> None:
    sheet = workbook.add_worksheet(DEFINITIONS)
    _header(sheet, styles, 0, [_Column("KPI", 34), _Column("Version", 10), _Column("What", 24), _Column("Text", 110)])
    row = 1
    for kpi in report.kpis:
        asked = () if "Question" in dict(kpi.definition) else (("Question", kpi.question),)
        for label, text in (*asked, *kpi.definition):
            _text(sheet, row, 0, kpi.name)
            _number(sheet, row, 1, kpi.version)
            _text(sheet, row, 2, label, styles.strong)
            _text(sheet, row, 3, text, styles.wrapped)
            row += 1
    if row > 1:
        sheet.autofilter(0, 0, row - 1, 3)
