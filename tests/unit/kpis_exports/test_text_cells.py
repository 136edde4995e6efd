"""Text that must not become a formula, nor make a workbook unreadable."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpis.exports.report import ReportSeries
from kpis.exports.text_cells import CELL_LIMIT, csv_text, plain_text, sheet_names
from kpis.exports.xlsx import write_xlsx
from tests.unit.kpis_exports.reports import day, kpi, report

FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0", "＝1+1", "＋1", "－1", "＠SUM(A1)",
    " =1", "\u200b=1", "\ufeff=1", "\u3000＝1", '=HYPERLINK("http://example.test","x")', "\x00=1", "−1",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_defused(text: str) -> None:
    assert csv_text(text).startswith("'")


@pytest.mark.parametrize("text", ["", "orders->wms", "a=b", "O-1", "ünïcode", "1", "'quoted"])
def test_other_text_stays(text: str) -> None:
    assert csv_text(text) == text


@given(st.text())
@settings(max_examples=100)
def test_nothing_begins_as_a_formula(text: str) -> None:
    found = csv_text(text)
    assert not found.lstrip().startswith(tuple("=+-@＝＋－＠"))
    found.encode()  # no lone surrogate


def test_control_characters_are_shown_as_replaced() -> None:
    assert plain_text("a\x00b\x1fc\ufffe\ud800d") == "a\ufffdb\ufffdc\ufffd\ufffdd"
    assert plain_text("two\r\nlines\tand a tab") == "two\nlines\tand a tab"


@pytest.mark.parametrize("text", ["x" * 40_000, "\U0001f600" * 20_000, "x\U0001f600" * 11_000])
def test_a_cell_is_no_longer_than_excel_takes(text: str) -> None:
    found = plain_text(text)
    assert len(found.encode("utf-16-le")) // 2 <= CELL_LIMIT
    assert found.endswith("…")


def test_names_of_sheets_are_legal_and_unique() -> None:
    long = "Customer case resolution time in the first quarter"
    found = sheet_names(
        [long, long.upper(), "a/b:c*d?e[f]g\\h", "'", "", "overview", "History", "x\x00y", "\U0001f600" * 30],
        ["Overview"],
    )
    assert len({name.casefold() for name in found}) == len(found)
    assert found[0] == "Customer case resolution time i"
    assert found[1] == "CUSTOMER CASE RESOLUTION TIME 2"
    assert found[2:8] == ["a b c d e f g h", "KPI", "KPI 2", "overview 2", "History 2", "x y"]
    for name in found:
        assert 0 < len(name.encode("utf-16-le")) // 2 <= 31
        assert not set(name) & set("[]:*?/\\'")


@pytest.mark.parametrize("text", [*FORMULAS, "=Definitions!$A$1", "Definitions!A1", "'[x.xlsx]a'!B2", "a!b", "Why! A1"])
def test_the_name_of_a_chart_or_a_line_refers_to_no_cell(text: str) -> None:
    """A name of a part comes from outside, and the writer takes what looks like a reference for one."""
    part = ReportSeries("", "", [day(0, 0.5)], "edge", text)
    file = io.BytesIO()
    write_xlsx(report(kpi(name=text, series=(part,))), file)
    chart = zipfile.ZipFile(file).read("xl/charts/chart1.xml").decode()
    referred = {re.sub(r"!\$[A-Z]+\$\d+$", "", one) for one in re.findall(r"<c:f>(.*?)</c:f>", chart)}
    assert len(referred) == 1, "its own sheet alone"
    assert len(re.findall(r"<c:tx><c:(?:v|rich)>", chart)) == 3, "title, line and target are texts"
