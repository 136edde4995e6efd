"""Parquet values become the same text that the CSV reader would have met."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collector.importers import ColumnMapping, ImportReport, import_file
from collector.importers.parquet_rows import BATCH_ROWS, ParquetTable
from collector.importers.rows import Row
from core import InvalidInput, ManualClock

MOMENT = datetime(2020, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


def cells(tmp_path: Path, array: Any) -> list[str]:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": array}), path)
    table = ParquetTable(path)
    rows = [row for row in table if isinstance(row, Row)]
    table.close()
    assert [row.number for row in rows] == list(range(1, len(array) + 1))
    return [row.cells[0] for row in rows]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        pytest.param(pa.array(["a", None, ""]), ["a", "", ""], id="text and null"),
        pytest.param(pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"], id="dictionary"),
        pytest.param(pa.array([1, None, 3]), ["1", "", "3"], id="whole numbers"),
        pytest.param(
            pa.array([1.0, 1577836800000.0, 1.5778368001235e12, 1e300, 0.1, float("nan"), None]),
            ["1", "1577836800000", "1577836800123.5", "1e+300", "0.1", "", ""],
            id="floats, of Unix time too",
        ),
        pytest.param(pa.array([UUID(int=7).bytes, None], pa.uuid()), [str(UUID(int=7)), ""], id="UUID"),
        pytest.param(pa.nulls(2), ["", ""], id="nothing"),
        pytest.param(pa.array([Decimal("12.50")]), ["12.50"], id="decimal"),
        pytest.param(pa.array([True, False]), ["true", "false"], id="truth"),
        pytest.param(pa.array([b"a"], pa.binary()), ["a"], id="bytes"),
        pytest.param(pa.array([date(2020, 1, 1)]), ["2020-01-01"], id="date"),
        pytest.param(pa.array([["1", "2"], None]), ['["1", "2"]', ""], id="list"),
        pytest.param(
            pa.array([MOMENT], pa.timestamp("us", "UTC")), ["2020-01-01 12:00:00.123456Z"], id="time with a zone"
        ),
        pytest.param(
            pa.array([MOMENT], pa.timestamp("ms", "Europe/Berlin")),
            ["2020-01-01 12:00:00.123Z"],
            id="time in another zone",
        ),
        pytest.param(
            pa.array([MOMENT.replace(tzinfo=None)], pa.timestamp("ms")), ["2020-01-01 12:00:00.123"], id="naive time"
        ),
    ],
)
def test_values_as_text(tmp_path: Path, array: Any, expected: list[str]) -> None:
    assert cells(tmp_path, array) == expected


def test_rows_are_numbered_across_batches(tmp_path: Path) -> None:
    texts = [str(number) for number in range(BATCH_ROWS + 10)]
    assert cells(tmp_path, pa.array(texts)) == texts


@pytest.fixture
def load_table(tmp_path: Path, clock: ManualClock, kept: Any) -> Callable[..., ImportReport]:
    def run(table: Any, **mapping: Any) -> ImportReport:
        pq.write_table(table, tmp_path / "log.parquet")
        columns = {"case": "case", "activity": "step", "timestamp": "time"}
        checked = ColumnMapping.model_validate({"stream": "s", "columns": columns} | mapping)
        return import_file(tmp_path / "log.parquet", checked, kept, clock=clock, quarantine=tmp_path / "q")

    return run


@pytest.mark.parametrize(("unit", "extra"), [("s", 0), ("ms", 123_000_000), ("us", 123_456_000), ("ns", 123_456_789)])
def test_times_are_exact_in_every_unit(
    load_table: Callable[..., ImportReport], kept: Any, unit: str, extra: int
) -> None:
    base = 1_577_880_000
    scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    value = base * scale + extra * scale // 10**9
    berlin = pa.array([value], pa.timestamp(unit, "Europe/Berlin"))
    load_table(pa.table({"case": ["1"], "step": ["a"], "time": berlin}))
    assert [record["time"] for record in kept.records] == [base * 10**9 + extra]


def test_naive_times_are_in_the_mappings_zone_and_formats_are_for_text(
    load_table: Callable[..., ImportReport], kept: Any
) -> None:
    naive = pa.array([datetime(2020, 1, 1, 12)], pa.timestamp("us"))  # noqa: DTZ001 a naive time is the point
    load_table(
        pa.table({"case": [1], "step": ["a"], "time": naive}), timezone="Europe/Berlin", timestamp_format="%d.%m.%Y"
    )
    expected = datetime(2020, 1, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    assert kept.records[0]["time"] == int(expected) * 10**9
    assert kept.records[0]["retail.case.id"] == "1"


def test_text_that_is_no_utf8_is_refused_by_row(load_table: Callable[..., ImportReport], kept: Any) -> None:
    broken = pa.Array.from_buffers(pa.string(), 3, pa.array([b"a", b"\xff", b"b"], pa.binary()).buffers())
    report = load_table(pa.table({"case": ["1", "1", "1"], "step": broken, "time": ["2020-01-01"] * 3}))
    assert [record["name"] for record in kept.records] == ["a", "b"]
    assert [(r.row, r.reason) for r in report.rejections] == [(2, "is not utf-8 text")]


def test_a_column_name_that_is_no_utf8_is_one_clear_error(load: Callable[..., ImportReport]) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"case": ["1"], "step": ["a"], "time": ["2020-01-01"]}), out)
    with pytest.raises(InvalidInput, match="is not a readable Parquet file"):
        load(out.getvalue().replace(b"time", b"ti\xede"), name="log.parquet")


def test_null_case_and_time_are_refused(load_table: Callable[..., ImportReport]) -> None:
    time = pa.array([MOMENT, None], pa.timestamp("us", "UTC"))
    report = load_table(pa.table({"case": [None, "1"], "step": ["a", "b"], "time": time}))
    assert [r.reason for r in report.rejections] == ["'case' (the case) is empty", "'time' (the time) is empty"]
