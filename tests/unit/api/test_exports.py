"""Exports over HTTP and on the command line: the files hold what the series say, wrong questions say what to do."""

from __future__ import annotations

import csv
import io

import openpyxl
import pypdfium2
import pytest
from pyarrow import parquet

from api.happenings import AS_OF
from tests.unit.api.service import Api
from tests.unit.api.test_routes import refused

PATH = "/api/v1/kpis/export"
DAY = {"start": "2026-03-02T00:00:00Z", "end": "2026-03-03T00:00:00Z"}
PERIOD = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-04T00:00:00Z", "dimension": "edge"}


def test_a_workbook(api: Api) -> None:
    answer = api.get(PATH, **PERIOD)
    assert answer.headers["content-disposition"].endswith('.xlsx"')
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    assert {"Overview", "Definitions", "Integration failure rate"} <= set(book.sheetnames)
    sheet = book["Integration failure rate"]
    rows = list(sheet.iter_rows(min_row=2, values_only=True))
    assert [row[2] for row in rows] == [f"orders->{api.shop.mark}"]
    assert 0.5 in rows[0]


def test_csv_and_parquet_say_the_same(api: Api) -> None:
    rows = list(csv.DictReader(io.StringIO(api.get(PATH, format="csv", **PERIOD).text)))
    assert [(row["kpi"], row["dimension_value"]) for row in rows] == [
        ("integration_failure_rate", f"orders->{api.shop.mark}")
    ]
    table = parquet.read_table(io.BytesIO(api.get(PATH, format="parquet", **PERIOD).content))
    assert table.num_rows == 1
    assert f"orders->{api.shop.mark}" in str(table.to_pylist())


def test_a_pdf(api: Api) -> None:
    answer = api.get(PATH, format="pdf", **PERIOD)
    assert answer.headers["content-type"] == "application/pdf"
    document = pypdfium2.PdfDocument(answer.content)
    text = "".join(page.get_textpage().get_text_range() for page in document)
    document.close()
    assert "Integration failure rate" in text


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    text = "".join(page.get_textpage().get_text_range() for page in document)
    document.close()
    return text.replace("\r\n", " ")


def test_a_pdf_names_the_incident_and_the_command_of_its_period_and_tenant(api: Api) -> None:
    text = text_of(api.get(PATH, format="pdf", **DAY).content)
    assert f"queue-{api.shop.mark} holds 25" in text
    assert f"pause edge-{api.shop.mark}" in text
    assert AS_OF in text
    assert api.other.mark not in text


def test_before_it_there_was_nothing(api: Api) -> None:
    before = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}
    text = text_of(api.get(PATH, format="pdf", **before).content)
    assert "There was no incident in this period." in text
    assert "No control action was taken in this period." in text


def test_a_workbook_has_them_as_sheets(api: Api) -> None:
    book = openpyxl.load_workbook(io.BytesIO(api.get(PATH, **DAY).content))
    assert f"queue-{api.shop.mark} holds 25" in [row[0].value for row in book["Incidents"].iter_rows()]
    assert f"pause edge-{api.shop.mark}" in [row[0].value for row in book["Control actions"].iter_rows()]


def test_a_tenant_exports_nothing_of_another(api: Api) -> None:
    text = api.get(PATH, format="csv", **PERIOD).text
    assert api.other.mark not in text


@pytest.mark.parametrize(
    ("question", "status", "said"),
    [
        ({"kpi": "fil_rate"}, 404, "no KPI 'fil_rate'"),
        ({"format": "doc"}, 400, "there is no format 'doc'"),
        ({"grain": "year"}, 400, "there is no grain 'year'"),
        ({"dimension": "colour"}, 400, "none of the KPIs has a dimension 'colour'"),
        ({"start": "2026-03-04T00:00:00Z", "end": "2026-03-01T00:00:00Z"}, 400, "a period ends after it starts"),
        ({"start": "2026-03-04T00:00:00"}, 400, "start needs a time zone"),
        ({"start": "1990-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z", "grain": "hour"}, 413, "an export has"),
    ],
)
def test_a_wrong_question_says_what_to_do(api: Api, question: dict[str, str], status: int, said: str) -> None:
    answer = api.get(PATH, **question)
    assert said in refused(answer, status)
    assert answer.json()["hint"]
