"""The executive report as PDF: what it says, literally, and the same every time."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pypdfium2
import pytest

from core.errors import InvalidInput
from kpis.brand import Brand
from kpis.exports import pdf_formats as formats
from kpis.exports.pdf import render_pdf
from kpis.exports.pdf_data import report_data
from kpis.exports.report import Headline, Report

_spec = importlib.util.spec_from_file_location("pdf_samples", Path(__file__).with_name("samples.py"))
assert _spec is not None
assert _spec.loader is not None
samples = importlib.util.module_from_spec(_spec)
sys.modules["pdf_samples"] = samples
_spec.loader.exec_module(samples)


def pages(report: Report) -> list[str]:
    document = pypdfium2.PdfDocument(render_pdf(report))
    texts = [page.get_textpage().get_text_bounded() for page in document]
    document.close()
    return [" ".join(text.replace("\u200b", "").split()) for text in texts]


def test_the_first_page_holds_the_numbers_as_people_read_them() -> None:
    text = " ".join(pages(samples.rich()))
    for part in ("North Retail", "97.3 %", "2 d 4 h", "€ 12,340", "+1.2 pp better", "95 %: +0.8 pp to +1.6 pp",
                 "1 Sep 2026 to 30 Sep 2026", "Too few cases to say", "No value"):  # fmt: skip
        assert part in text, part


def test_the_same_report_gives_the_same_bytes() -> None:
    assert render_pdf(samples.rich()) == render_pdf(samples.rich())


def test_an_empty_report_says_so_in_sentences() -> None:
    found = pages(samples.empty())
    assert len(found) <= 3
    for part in ("No KPI was chosen", "No bottleneck was found", "There was no incident", "No control action",
                 "No data yet", "Page 1 of"):  # fmt: skip
        assert part in " ".join(found), part


@pytest.mark.parametrize("name", ["#panic()", "*bold*", "$x$", "\\\\", "<label>", "@ref", '"], "x', "שלום"])
def test_a_name_is_printed_as_it_is(name: str) -> None:
    kpi = samples.kpi(name=name, headline=Headline(0.5, 100), line=())
    text = " ".join(pages(replace(samples.empty(), kpis=(kpi,), title=name, notes=(name,))))
    assert text.count(name) >= 4


def test_characters_without_a_glyph_keep_their_numbers() -> None:
    text = " ".join(pages(replace(samples.empty(), title="仓库 🚚 \u202edanger \x00\ud800")))
    for part in ("[U+4ED3 U+5E93]", "[U+1F69A]", "[U+202E]danger", "[U+D800]", "stand as their Unicode numbers"):
        assert part in text, part


def test_a_year_of_sixty_kpis_and_long_names_have_a_sane_number_of_pages() -> None:
    assert 10 <= len(pages(samples.year("week"))) <= 40
    assert len(pages(samples.long_names())) <= 20


@pytest.mark.parametrize(
    ("brand", "message"),
    [
        (Brand("x", "red"), "#rrggbb"),
        (Brand("x", logo=b"not a picture"), "logo cannot be read"),
        (Brand("x", logo=b"GIF", logo_type="bmp"), "logo is of type"),
    ],
    ids=["colour", "broken_logo", "type"],
)
def test_a_brand_that_cannot_be_used_is_told(brand: Brand, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        render_pdf(replace(samples.empty(), brand=brand))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.9731, "ratio", "97.3 %"), (0.0004, "ratio", "0.04 %"), (0.99999, "ratio", "> 99.99 %"),
        (187200, "seconds", "2 d 4 h"), (12340.4, "money", "€ 12,340"), (-0.0, "count", "0"),
        (-0.0001, "per_case", "0"), (1.25, "per_case", "1.25"), (1234567, "count", "1,234,567"), (None, "ratio", "–"),
    ],
)  # fmt: skip
def test_formats(value: float | None, unit: str, text: str) -> None:
    assert formats.quantity(value, unit, "EUR").replace("\u00a0", " ") == text


def test_charts_begin_where_the_first_value_lies_and_that_is_said() -> None:
    """90 days of which the last 30 have data: charts as wide as the paper, all over the same days."""
    late = samples.kpi(name="Returns", line=samples.points(0.5, 0.01, start=samples.START + timedelta(days=10)))
    nothing = samples.kpi(name="Claims", headline=Headline(None, 0), line=samples.points(0, 0, gaps=tuple(range(30))))
    counted = samples.kpi(headline=Headline(0.97, 100))
    start = samples.START - timedelta(days=60)
    report = replace(samples.empty(), timezone="Europe/Berlin", start=start, kpis=(counted, late, nothing))
    found = report_data(report)
    fill, returns, claims = found["streams"][0]["cards"]
    assert fill["spark"]["solid"][0][0][0] == pytest.approx(0.5 / 30, abs=1e-3)
    assert returns["spark"]["solid"][0][0][0] == pytest.approx(10.5 / 30, abs=1e-3), "its empty part is seen"
    assert claims["spark"] is None
    assert [one["geometry"]["x"][0][1] for one in found["charts"]] == ["1 Sep", "1 Sep"]
    assert found["since"] == f"1{formats.NBSP}Sep{formats.NBSP}2026"
    text = " ".join(pages(report))
    assert text.count("first value of 1 Sep 2026") == 1
    assert "Charts begin on 1 Sep 2026, before which there is no value." in text


def test_charts_of_a_period_that_has_values_from_its_beginning_say_nothing() -> None:
    found = report_data(samples.rich())
    assert found["since"] == ""
    assert "Charts begin on" not in " ".join(pages(samples.rich()))


@pytest.mark.parametrize(
    ("grain", "said"),
    [
        ("day", "2 Sep 2026 to 1 Oct 2026"),
        ("month", "2 Sep 2026 to 1 Oct 2026"),
        ("hour", "1 Sep 2026 15:57 CEST to 1 Oct 2026 15:57 CEST"),
    ],
)
def test_a_period_counted_by_days_is_named_by_them(grain: str, said: str) -> None:
    """Until now, 30 days back: the day on which it begins in the afternoon is not in it, today is."""
    hours = timedelta(hours=15, minutes=57)
    report = replace(samples.rich(), start=samples.START + hours, end=samples.END + hours, grain=grain)
    assert report_data(report)["period"].replace(formats.NBSP, " ") == said


def test_a_period_within_a_day_keeps_its_times() -> None:
    report = replace(samples.rich(), start=samples.START + timedelta(hours=1), end=samples.START + timedelta(hours=2))
    assert "01:00" in report_data(report)["period"]


def test_definitions_say_everything_once_and_for_people() -> None:
    lines = (("Question", "How is it?"), ("Definition", "fill, version 1"), ("Owner", "2026-13-99Tx"),
             ("Data through", "2026-09-30T06:00:00+00:00"))  # fmt: skip
    kpi = replace(samples.kpi(), question="How is it?", definition=lines)
    (found,) = report_data(replace(samples.rich(), kpis=(kpi,)))["definitions"]
    through = "30 Sep 2026 08:00 CEST".replace(" ", formats.NBSP)
    assert found["question"] == "How is it?"
    assert [(label, text.replace(" ", formats.NBSP)) for label, text in found["lines"]] == [
        ("Owner", "2026-13-99Tx"), ("Data through", through),
    ]  # fmt: skip


def test_what_cannot_be_compared_is_not_listed_when_nothing_can() -> None:
    kpis = tuple(samples.kpi(name, headline=Headline(0.9, 500)) for name in ("One", "Two"))
    moved = report_data(replace(samples.rich(), kpis=kpis))["movements"]
    assert (moved["rows"], moved["none"]["names"]) == ([], [])
