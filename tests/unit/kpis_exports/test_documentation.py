"""The page about exports: its brand is one, and reports bear it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import openpyxl
import pypdfium2

from core import ManualClock
from kpis import load_catalogue
from kpis.exports.pdf import render_pdf
from kpis.exports.xlsx import write_xlsx
from kpis.overrides import TenantDefinitions
from kpis.periods import Calendar
from tests.unit.kpis_exports.reports import NOW, kpi, report
from tests.unit.kpis_exports_pdf.samples import LOGO

PAGE = (Path(__file__).parents[3] / "docs" / "exports.md").read_text("utf-8")


def test_the_brand_of_the_example_is_on_the_reports(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (path,) = re.findall(r"^# (\S+/tenant.toml)$", example, re.MULTILINE)
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(example, "utf-8")
    (file.parent / "acme.svg").write_bytes(LOGO)
    definitions = TenantDefinitions(load_catalogue(), Calendar(), ManualClock(NOW), file.parents[1])
    definitions.refresh()
    assert definitions.problems() == ()
    own = definitions.of("acme")
    assert own.currency == "EUR"
    assert own.brand is not None
    branded = report(kpi(), brand=own.brand)

    out = io.BytesIO()
    write_xlsx(branded, out)
    book = openpyxl.load_workbook(out)
    cells = [str(cell) for row in book["Overview"].iter_rows(values_only=True) for cell in row]
    assert "Acme Stores" in cells
    fills = {cell.fill.start_color.rgb for row in book["Definitions"].iter_rows() for cell in row}
    assert "FF7A1F4E" in fills

    document = pypdfium2.PdfDocument(render_pdf(branded))
    text = document[0].get_textpage().get_text_range()
    colours = document[0].render(scale=1).to_pil().convert("RGB").getcolors(1 << 20)
    document.close()
    assert "Acme Stores" in text
    assert (0x7A, 0x1F, 0x4E) in {colour for _, colour in colours}
    assert (0x0B, 0x6E, 0x6E) in {colour for _, colour in colours}, "the logo's own colour"
