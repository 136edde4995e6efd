"""Why something is not in a number is told by number: in the workbook, in the PDF, and for KPIs without any value."""

from __future__ import annotations

import io

import openpyxl
import pypdfium2
import pytest

from kpis import KpiJobs, TenantKpis, load_catalogue
from kpis.exports.build import ExportQuestion, build_report
from kpis.exports.pdf import render_pdf
from kpis.exports.reasons import reasons_of
from kpis.exports.report import LeftOut, Report
from kpis.exports.xlsx import write_xlsx
from kpis.periods import Calendar
from storage import ClickHouse
from tests.unit.kpis.events import moment
from tests.unit.kpis.test_movements import COMPUTED, credit, sale
from tests.unit.kpis.test_view_kpis import EUROS, O2C, Shop, order, told

CATALOGUE = load_catalogue().chosen(lambda one: one.id in COMPUTED)
START, END = moment("2026-03-01T00:00"), moment("2026-04-01T00:00")
OTHER = "order lines and credits without a known currency, or in another than the tenant's"
NEGATIVE = "order lines and credits with a negative amount or quantity"
UNITS = "lines placed without a positive quantity, or told of with a negative one"


@pytest.fixture(scope="module")
def report(clickhouse: ClickHouse) -> Report:
    """Of a shop that counts in euros: 2 lines are right, 2 in no euros, 1 has a negative amount, 1 negative units."""
    tenant = "left-out"
    shop = Shop(clickhouse, tenant)
    own = TenantKpis(CATALOGUE, Calendar(), "EUR")
    shop.jobs = KpiJobs(clickhouse, shop.clock, CATALOGUE, [tenant], kpis_of=lambda _: own)
    shop.take(
        *(order(f"O{number}", "2026-03-02T08:00", **EUROS) for number in range(7)),
        sale("O0", "2026-03-02T08:00", 2, "20"),
        sale("O1", "2026-03-02T08:00", 1, "10"),
        sale("O2", "2026-03-02T08:00", 1, "10", currency="USD"),
        sale("O3", "2026-03-03T08:00", 1, "10", currency="dollars"),
        sale("O4", "2026-03-03T08:00", 1, "-10"),
        sale("O5", "2026-03-03T08:00", -3, "10"),
        sale("O6", "2026-04-02T08:00", 1, "10", currency="USD"),  # not in the period
        credit("R1", "2026-03-03T08:00", 1, "5", currency="USD"),
        told(O2C, "O0", "order.line.shipped", "2026-03-03T08:00", 2, order_line_id="L1"),
    )
    question = ExportQuestion(START, END, kpis=("sales_value", "fill_rate", "on_time_delivery"))
    return build_report(clickhouse, tenant, CATALOGUE, question, now=shop.clock.now(), currency="EUR")


def test_reasons_are_counted_by_basis_in_the_whole_period(report: Report) -> None:
    money, rate, none = report.kpis
    assert money.left_out == (
        LeftOut("net of credits", OTHER, 3),
        LeftOut("net of credits, ordered", NEGATIVE, 2),
        LeftOut("ordered", OTHER, 2),
        LeftOut("credited", OTHER, 1),
    )
    assert LeftOut("lines, units", UNITS, 1) in rate.left_out
    assert none.left_out == ()
    assert money.headline is not None
    assert money.headline.excluded == 5
    assert sum(one.number for one in money.left_out if "net of credits" in one.basis) == 5
    assert report.notes == ()


def test_a_reader_of_the_workbook_sees_them(report: Report) -> None:
    out = io.BytesIO()
    write_xlsx(report, out)
    rows = list(openpyxl.load_workbook(out)["Left out"].iter_rows(values_only=True))
    assert rows[0] == ("KPI", "Basis", "Left out", "Why")
    assert rows[1] == ("Sales value", "net of credits", 3, OTHER)
    assert ("Fill rate (final)", "lines, units", 1, UNITS) in rows


def test_a_reader_of_the_pdf_sees_them(report: Report) -> None:
    document = pypdfium2.PdfDocument(render_pdf(report))
    text = " ".join(" ".join(page.get_textpage().get_text_range() for page in document).split())
    document.close()
    assert "5 left out" in text
    assert f"Left out in the whole period: 3 {OTHER} (net of credits); 2 {NEGATIVE} (net of credits, ordered)" in text


def test_of_too_many_only_how_many_is_told(report: Report, clickhouse: ClickHouse) -> None:
    definitions = [CATALOGUE.get("sales_value"), CATALOGUE.get("fill_rate")]
    totals = [
        {"KpiId": one.id, "Basis": one.basis_ids[0], "Current": 1, "Exclusions": 1, "Samples": size, "Opens": 0}
        for one, size in zip(definitions, (50, 5), strict=True)
    ]
    found, (note,) = reasons_of(clickhouse, "left-out", definitions, totals, START, END, Calendar(), most=50)
    assert list(found) == ["fill_rate"]
    assert note == "Of more than 50 cases it is not counted here why some are left out: Sales value."
