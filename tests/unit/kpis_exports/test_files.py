"""The files of a report, read back by other libraries."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pyarrow.parquet as pq
import pytest
import xlsxwriter  # type: ignore[import-untyped]

from core import InvalidInput
from kpis.exports.csv_file import write_csv
from kpis.exports.formats import FORMATS, format_named
from kpis.exports.parquet_file import write_parquet
from kpis.exports.report import Headline, Report, ReportSeries, Row
from kpis.exports.xlsx import _time, write_xlsx
from tests.unit.kpis_exports.reports import DAY, START, day, kpi, report

EVIL = [
    "=1+1",
    "+1",
    "-1",
    "@A1",
    "\t=1",
    "＝1",
    "<r><t>x</t></r>",
    "</t></is><f>1+1</f>",
    "a\x01b",
    "_x0041_",
    "x" * 40_000,
]


def workbook(found: Report) -> Any:
    file = io.BytesIO()
    write_xlsx(found, file)
    return openpyxl.load_workbook(file)


def rows_of_csv(found: Report) -> list[list[str]]:
    file = io.BytesIO()
    write_csv(found, file)
    return list(csv.reader(io.StringIO(file.getvalue().decode(), newline="")))


def test_a_sheet_for_each_kpi_between_overview_and_definitions() -> None:
    book = workbook(report(kpi(points=[day(0, 0.9)]), kpi("count", name="Fill rate", points=[day(0, 3)])))
    assert book.sheetnames == ["Overview", "Fill rate", "Fill rate 2", "Definitions"]
    overview = book["Overview"]
    assert [cell.value for cell in overview[10]][:8] == [
        "KPI", "Value", "Previous", "Change", "Change from (95 %)", "Change to (95 %)", "Baseline", "Target",
    ]  # fmt: skip
    assert [cell.value for cell in overview[11]][:4] == ["Fill rate", 0.9, 0.8, 0.1]
    assert overview["B11"].number_format == "0.0%"
    assert overview["A11"].hyperlink.location == "'Fill rate'!A1"
    definitions = [[cell.value for cell in row] for row in book["Definitions"].iter_rows(min_row=2)]
    assert definitions[:2] == [
        ["Fill rate", 3, "Question", "What is shipped?"],
        ["Fill rate", 3, "Formula", "shipped / placed"],
    ]


def test_numbers_are_numbers_and_times_are_dates_of_the_zone() -> None:
    """The second day has no value; Berlin is an hour ahead."""
    book = workbook(report(kpi(points=[day(0, 0.9), day(1, None, complete=False)]), timezone="Europe/Berlin"))
    sheet = book["Fill rate"]
    head, first, second = ([cell.value for cell in row] for row in sheet.iter_rows())
    assert head[3:8] == ["Start (Europe/Berlin)", "End (Europe/Berlin)", "Start in UTC", "Value (ratio)", "Target"]
    assert first[3:9] == [datetime(2026, 3, 2, 1), datetime(2026, 3, 3, 1), datetime(2026, 3, 2), 0.9, 0.95, 9]  # noqa: DTZ001 - workbooks know no zone
    assert (second[6], second[-1]) == (None, "not yet")
    assert sheet["D2"].is_date
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:N3")
    assert sheet["A1"].fill.fgColor.rgb == "FF336699"
    rules = [rule.formula[0] for rules in sheet.conditional_formatting for rule in rules.rules]
    assert rules == ["AND(ISNUMBER($G2),$G2>=$H2)", "AND(ISNUMBER($G2),$G2<$H2)"]


@pytest.mark.parametrize(
    ("seconds", "target", "pattern"),
    [(5.25, None, "[h]:mm:ss.000"), (7_200, 3_600, "[h]:mm:ss"), (250_000, 259_200, '0.00" d"'), (-5, 60, '0.00" d"')],
    ids=["thousandths", "hours", "days", "a clock cannot go below zero"],
)
def test_lengths_are_parts_of_a_day_with_the_seconds_beside_them(
    seconds: float, target: float | None, pattern: str
) -> None:
    book = workbook(report(kpi("seconds", [day(0, seconds)], headline=None, target=target)))
    sheet = book["Fill rate"]
    cell = sheet["G2"]
    value = cell.value / timedelta(days=1) if isinstance(cell.value, timedelta) else cell.value
    if isinstance(cell.value, datetime):  # how openpyxl reads a day and more
        value = (cell.value - datetime(1899, 12, 30)) / timedelta(days=1)  # noqa: DTZ001 - workbooks know no zone
    elif hasattr(cell.value, "hour"):
        value = (
            cell.value.hour * 3600 + cell.value.minute * 60 + cell.value.second + cell.value.microsecond / 1e6
        ) / 86_400
    assert value == pytest.approx(seconds / 86_400, abs=1e-8)
    assert (cell.number_format, sheet["I1"].value, sheet["I2"].value) == (pattern, "Value (seconds)", seconds)


def test_money_names_its_currency() -> None:
    sheet = workbook(report(kpi("money", [day(0, -12.5)], currency='E"UR', target=None)))["Fill rate"]
    assert (sheet["G2"].value, sheet["G2"].number_format) == (-12.5, '#,##0.00" EUR"')


@pytest.mark.parametrize("text", EVIL, ids=range(len(EVIL)))
def test_text_is_never_a_formula_in_a_workbook(text: str) -> None:
    """In every place where text of others can stand."""
    bad = kpi(
        points=(), name=text, question=text, definition=((text, text),),
        series=(ReportSeries("line", text, [day(0, 0.5)], text, text),), headline=None,
    )  # fmt: skip
    file = io.BytesIO()
    write_xlsx(report(bad, title=text, notes=(text,), bottlenecks=(Row(text, text, 1.0, "EUR", START, 2),)), file)
    sheets = [name for name in zipfile.ZipFile(file).namelist() if name.startswith("xl/worksheets/sheet")]
    for name in sheets:
        assert not re.search(rb"<f[ >]", re.sub(rb"<formula>.*?</formula>", b"", zipfile.ZipFile(file).read(name))), (
            name
        )
    book = openpyxl.load_workbook(file)
    for sheet in book:
        for row in sheet.iter_rows():
            assert all(cell.data_type != "f" for cell in row if cell.value == text), (sheet.title, text)
    if len(text) < 100 and "\x01" not in text:
        shown = str(book.worksheets[1]["C2"].value).strip()
        assert shown.replace("_x005F_", "_") == text.strip()


def test_a_chart_has_the_target_as_a_line_of_its_own() -> None:
    series = (
        ReportSeries("line", "lines", [day(0, 0.9), day(1, 0.8)]),
        ReportSeries("unit", "units", [day(0, 0.7)]),
        ReportSeries("line", "lines", [day(0, 0.7)], "sku", "A"),
    )
    file = io.BytesIO()
    write_xlsx(report(kpi(series=series), kpi(name="Empty")), file)
    parts = zipfile.ZipFile(file)
    charts = [name for name in parts.namelist() if name.startswith("xl/charts/")]
    assert len(charts) == 1, "none where there are no points"
    chart = parts.read(charts[0]).decode()
    assert re.findall(r"<c:f>([^<]*)</c:f>", chart) == [
        "'Fill rate'!$D$2:$D$3", "'Fill rate'!$G$2:$G$3", "'Fill rate'!$D$4", "'Fill rate'!$G$4",
        "'Fill rate'!$D$2:$D$3", "'Fill rate'!$H$2:$H$3",
    ]  # fmt: skip
    assert "Target" in chart


def test_an_empty_report_is_a_file_in_every_format() -> None:
    assert workbook(report()).sheetnames == ["Overview", "Definitions"]
    assert len(rows_of_csv(report())) == 1
    file = io.BytesIO()
    write_parquet(report(), file)
    assert pq.read_table(file).num_rows == 0


def test_the_remark_says_when_a_number_says_little() -> None:
    few = Headline(0.5, 2, target_met=False, small_sample=True)
    row = [cell.value for cell in workbook(report(kpi(headline=few)))["Overview"][11]]
    assert (row[8], row[14]) == ("no", "few cases: says little")


def test_csv_has_units_zones_and_plain_numbers() -> None:
    """Around the change to summer time in Berlin: the offset of the end is another than that of the start."""
    point = day(26, -0.25, start=datetime(2026, 3, 28, 23, tzinfo=UTC), end=datetime(2026, 3, 29, 22, tzinfo=UTC))
    found = report(kpi(points=[point, day(27, None)]), timezone="Europe/Berlin")
    head, first, second = rows_of_csv(found)
    shown = dict(zip(head, first, strict=True))
    assert shown["start [Europe/Berlin]"] == "2026-03-29T00:00:00+01:00"
    assert shown["end [Europe/Berlin]"] == "2026-03-30T00:00:00+02:00"
    assert shown["value [share of 1]"] == "-0.25", "a negative number is a number"
    assert (shown["sample_size [cases]"], shown["complete [0 or 1]"], shown["version"]) == ("10", "1", "3")
    assert dict(zip(head, second, strict=True))["value [share of 1]"] == ""
    assert rows_of_csv(report(kpi(), kpi("count")))[0][10] == "value [in column unit]"


@pytest.mark.parametrize("text", ["=1+1", "-1", "@A1", "\t=1", "＝1", 'say "x", y\r\nz', "-x\n=y"])
def test_text_in_csv_is_defused_and_quoted(text: str) -> None:
    file = io.BytesIO()
    series = (ReportSeries("line", "", [day(0, 1)], "sku", text),)
    write_csv(report(kpi(name=text, series=series)), file)
    assert file.getvalue().startswith(b"kpi,")
    assert file.getvalue().endswith(b"\r\n")
    found = rows_of_csv(report(kpi(name=text, series=series)))[1]
    assert found[1] == found[6]
    assert found[1].removeprefix("'") == text.replace("\r\n", found[1][found[1].find("\r") :][:2] or "\n")
    assert found[1].startswith("'") == (not text.startswith("say"))


def test_parquet_is_typed_and_carries_its_definitions() -> None:
    file = io.BytesIO()
    write_parquet(report(kpi(points=[day(0, 0.9), day(1, None)]), timezone="Europe/Berlin"), file)
    table = pq.read_table(file)
    assert str(table.schema.field("start").type) == "timestamp[us, tz=Europe/Berlin]"
    assert table.column("start").to_pylist() == [START, START + DAY]
    assert table.column("value").to_pylist() == [0.9, None]
    about = json.loads(table.schema.metadata[b"opsintel"])
    assert (about["timezone"], about["definitions"][0]["version"]) == ("Europe/Berlin", 3)
    assert ["Formula", "shipped / placed"] in about["definitions"][0]["lines"]


@pytest.mark.parametrize("write", [write_csv, write_parquet, write_xlsx])
def test_points_are_read_once_and_in_order(write: Any) -> None:
    read: list[int] = []

    def points() -> Any:
        for number in range(50):
            read.append(number)
            yield day(number % 20, 0.5)

    write(report(kpi(points=points())), io.BytesIO())
    assert read == list(range(50))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_no_value(value: float) -> None:
    found = report(kpi(points=[day(0, value)]))
    assert workbook(found)["Fill rate"]["G2"].value is None
    assert rows_of_csv(found)[1][10] == ""


def test_an_unknown_format_names_the_known_ones() -> None:
    assert format_named("XLSX") is FORMATS["xlsx"]
    with pytest.raises(InvalidInput, match=r"no format 'xls'.*did you mean xlsx.*parquet"):
        format_named("xls")


def test_times_are_on_the_wall_of_the_zone_and_the_hour_that_is_there_twice_is_two_moments() -> None:
    berlin, utc = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
    twice = [datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=fold) for fold in (0, 1)]
    asked = [*twice, datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(1900, 3, 1, tzinfo=UTC), START]
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        style = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        for row, at in enumerate(asked):
            _time(sheet, row, 0, at, utc, style)
            _time(sheet, row, 1, at, berlin, style)
    found = [[cell.value for cell in row] for row in openpyxl.load_workbook(file).active.rows]
    assert found == [[at.astimezone(zone).replace(tzinfo=None) for zone in (utc, berlin)] for at in asked]
    assert [row[0].hour for row in found[:2]] == [0, 1]
