"""A file from its bytes to log records: what every record carries, what is refused, and what the report says."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.importers import Advance, ColumnMapping, ImportReport, import_file
from core import ManualClock
from core.errors import InvalidInput, NotFound, Unavailable, UnsupportedMedia

Load = Callable[..., ImportReport]
Mapping = dict[str, Any]
NEW_YEAR = 1_577_836_800 * 10**9


def test_record_carries_the_event(load: Load, kept: Any, simple: Mapping) -> None:
    simple["columns"] |= {"start": "begin", "resource": "who", "amount": "sum", "currency": "cur", "quantity": "n"}
    simple["attributes"] = {"order": "retail.order.id"}
    simple["constants"] = {"retail.actor.type": "human"}
    report = load(
        "case,step,time,begin,who,sum,cur,n,order,,time of day\n"
        "7,pay,2020-01-01T00:00:01Z,2020-01-01T00:00:00Z,Ann,12.50,EUR,3,O-7,x,\n",
        simple,
    )
    (record,) = kept.records
    assert record == {
        "name": "pay",
        "time": NEW_YEAR + 10**9,
        "body": "log.csv",
        "service.name": "import",
        "retail.stream": "s",
        "retail.case.id": "7",
        "retail.step": "pay",
        "retail.seq": "1",
        "retail.event.id": f"{report.source}:1",
        "retail.step.start": str(NEW_YEAR),
        "retail.resource": "Ann",
        "retail.amount": "12.50",
        "retail.currency": "EUR",
        "retail.quantity": "3",
        "retail.order.id": "O-7",
        "retail.actor.type": "human",
        "column_10": "x",
    }
    assert len(report.source) == 16


def test_report_adds_up(load: Load, simple: Mapping, tmp_path: Path) -> None:
    simple["keep"] = [{"column": "step", "equals": ["a", "b"]}]
    report = load(
        "case,step,time\n1,a,2020-01-01\n1,b,2020-01-02\n2,a,2020-01-03\n2,c,2020-01-04\n,a,2020-01-05\n3,a,soon\n",
        simple,
    )
    assert (report.rows, report.used, report.skipped, report.rejected, report.events) == (6, 3, 1, 2, 3)
    assert report.cases == 2
    assert report.first is not None
    assert report.last is not None
    assert (report.first.day, report.last.day) == (1, 3)
    assert [(r.line, r.row) for r in report.rejections] == [(6, 5), (7, 6)]
    assert report.quarantine_file == tmp_path / "quarantine" / "log.csv.rejected.jsonl"
    entries = [json.loads(line) for line in report.quarantine_file.read_text("utf-8").splitlines()]
    assert entries[0] == {
        "file": "log.csv",
        "line": 6,
        "row": 5,
        "reason": "'case' (the case) is empty",
        "cells": ["", "a", "2020-01-05"],
    }
    assert "'soon' is not an ISO 8601 time" in entries[1]["reason"]
    text = "\n".join(report.lines())
    assert "3 events of 2 cases from 6 rows" in text
    assert "line 7: 'time': 'soon'" in text


def test_only_the_first_twenty_are_shown_but_all_are_kept(load: Load) -> None:
    report = load("case,step,time\n" + "1,a,never\n" * 25)
    assert len(report.rejections) == 20
    assert report.quarantine_file is not None
    assert len(report.quarantine_file.read_text().splitlines()) == 25
    assert report.lines()[-1].endswith("and 5 more")


def test_a_clean_import_leaves_no_quarantine_file_of_an_earlier_one(load: Load, tmp_path: Path) -> None:
    load("case,step,time\n1,a,never\n")
    assert load("case,step,time\n1,a,2020-01-01\n").quarantine_file is None
    assert not list((tmp_path / "quarantine").iterdir())


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("' ',a,2020-01-01,,", "(the case) is empty"),
        ("1,,2020-01-01,,", "'step' (the activity) is empty"),
        ("1,a,,,", "'time' (the time) is empty"),
        ("1,a,2020-01-01,soon,", "'begin': 'soon'"),
        ("1,a,2020-01-01,,12 EUR", "'sum': '12 EUR' is not a number"),
        ("1,a,2020-01-01,,Infinity", "'sum': 'Infinity' is not a number"),
        ("1,a,2020-01-01", "has 3 cells, the header has 5"),
    ],
)
def test_broken_row_is_left_out_and_its_neighbours_go_in(
    load: Load, kept: Any, simple: Mapping, row: str, reason: str
) -> None:
    simple["columns"] |= {"start": "begin", "amount": "sum"}
    good = "1,a,2020-01-01,,5\n"
    report = load("case,step,time,begin,sum\n" + good + row.replace("'", '"') + "\n" + good, simple)
    assert [record["retail.seq"] for record in kept.records] == ["1", "3"]
    assert [(r.line, reason in r.reason) for r in report.rejections] == [(3, True)]


def test_unmapped_start_is_unknown_not_zero(load: Load, kept: Any, simple: Mapping) -> None:
    simple["columns"]["start"] = "begin"
    load("case,step,time,begin\n1,a,2020-01-01,\n1,b,2020-01-02,2020-01-02\n", simple)
    assert "retail.step.start" not in kept.records[0]
    assert kept.records[1]["retail.step.start"] == str(kept.records[1]["time"])


def test_same_content_same_ids_whatever_the_packing(load: Load, kept: Any) -> None:
    content = b"case,step,time\n1,a,2020-01-01\n1,a,2020-01-01\n"
    load(content)
    load(content, name="other.csv")
    load(gzip.compress(content), name="log.csv.gz")
    ids = kept.ids()
    assert ids[:2] == ids[2:4] == ids[4:]
    assert ids[0] != ids[1], "exact duplicates are two events"
    load(content + b"2,a,2020-01-01\n")
    assert not set(kept.ids()[6:]) & set(ids), "other content, other ids"


def test_source_names_the_data_instead_of_its_content(load: Load, kept: Any, simple: Mapping) -> None:
    simple["source"] = "orders-2020"
    load("case,step,time\n1,a,2020-01-01\n", simple)
    load("case,step,time\n1,b,2020-01-01\n", simple)
    assert kept.ids() == ["orders-2020:1", "orders-2020:1"]


def test_wide_rows_give_an_event_for_each_filled_time(load: Load, kept: Any) -> None:
    mapping = {
        "stream": "s",
        "columns": {"case": "id"},
        "wide": {"timestamps": ["bought", "sent"]},
        "activity_names": {"sent": "retail.order.shipped"},
    }
    report = load(
        "id,bought,sent,promised\n1,2020-01-01,2020-01-01,2020-01-09\n2,2020-01-02,,\n3,,,\n4,x,2020-01-01,\n", mapping
    )
    assert (report.rows, report.used, report.skipped, report.rejected, report.events) == (4, 2, 1, 1, 3)
    assert [(r["retail.case.id"], r["name"], r["retail.seq"]) for r in kept.records] == [
        ("1", "bought", "2"),
        ("1", "retail.order.shipped", "3"),
        ("2", "bought", "4"),
    ]
    assert [record.get("promised") for record in kept.records] == ["2020-01-09", "2020-01-09", None]
    assert [i.split(":", 1)[1] for i in kept.ids()] == ["1:0", "1:1", "2:0"]


@pytest.mark.parametrize(
    ("cell", "cases"),
    [
        pytest.param("['a', 'b']", ["a", "b"], id="Python list"),
        pytest.param("['a','b',]", ["a", "b"], id="Python list, trailing comma"),
        pytest.param('["a", "b"]', ["a", "b"], id="JSON list"),
        pytest.param("[1, 2.5]", ["1", "2.5"], id="numbers"),
        pytest.param("""["it's", 'x\\'y']""", ["it's", "x'y"], id="quotes in elements"),
        pytest.param("[]", [], id="empty list"),
        pytest.param(" ", [], id="blank"),
        pytest.param("", [], id="empty"),
        pytest.param("a", None, id="no list"),
        pytest.param("['a'", None, id="unclosed"),
        pytest.param("['a', ' ']", None, id="blank element"),
        pytest.param("[['a']]", None, id="nested"),
        pytest.param("[None]", None, id="nothing in it"),
        pytest.param('["\\ud800"]', None, id="half a character"),
        pytest.param("[__import__('os')]", None, id="no code is run"),
        pytest.param("[" * 5_000, None, id="deep nesting"),
        pytest.param("[" + "9" * 5_000 + "]", None, id="endless number"),
        pytest.param("[" + "1," * 10_001 + "]", None, id="too many"),
    ],
)
def test_explode(load: Load, kept: Any, cell: str, cases: list[str] | None) -> None:
    mapping = {
        "stream": "s",
        "columns": {"activity": "step", "timestamp": "time"},
        "explode": {"column": "orders"},
    }
    quoted = '"' + cell.replace('"', '""') + '"'
    report = load(f"step,time,orders\na,2020-01-01,{quoted}\n", mapping)
    assert [record["retail.case.id"] for record in kept.records] == (cases or [])
    assert (report.rejected, report.skipped) == (cases is None, cases == [])
    assert len(set(kept.ids())) == len(kept.ids())


def test_explode_at_a_separator(load: Load, kept: Any) -> None:
    mapping = {
        "stream": "s",
        "columns": {"activity": "step", "timestamp": "time"},
        "explode": {"column": "orders", "separator": ";"},
    }
    load("step,time,orders\na,2020-01-01,1; 2\n", mapping)
    assert [record["retail.case.id"] for record in kept.records] == ["1", "2"]


def test_system_column_becomes_the_service(load: Load, kept: Any, simple: Mapping) -> None:
    simple["columns"]["system"] = "sys"
    simple["system"] = "erp"
    load("case,step,time,sys\n1,a,2020-01-01,wms\n1,b,2020-01-02,\n1,c,2020-01-03,wms\n", simple)
    assert {record["name"]: record["service.name"] for record in kept.records} == {"a": "wms", "b": "erp", "c": "wms"}


def test_column_that_looks_like_ours_cannot_take_its_place(load: Load, kept: Any) -> None:
    load("case,step,time,retail.seq,note,note\n1,a,2020-01-01,99,x,y\n")
    (record,) = kept.records
    assert record["retail.seq"] == "1"
    assert (record["retail.seq (4)"], record["note"], record["note (6)"]) == ("99", "x", "y")


def test_other_columns_can_be_left_out(load: Load, kept: Any, simple: Mapping) -> None:
    simple["other_columns"] = "none"
    load("case,step,time,secret\n1,a,2020-01-01,x\n", simple)
    assert "secret" not in kept.records[0]


def test_batches_are_bounded_in_records_and_in_size(load: Load, kept: Any) -> None:
    load("case,step,time\n" + "1,a,2020-01-01\n" * 25, batch_records=10)
    assert kept.batches == [10, 10, 5]
    kept.batches.clear()
    load("case,step,time,note\n" + ("1,a,2020-01-01," + "x" * 100_000 + "\n") * 50)
    assert sum(kept.batches) == 50
    assert max(kept.sizes) < 4_000_000


def test_progress_ends_at_all_of_it(load: Load) -> None:
    seen: list[Advance] = []
    load("case,step,time\n" + "1,a,2020-01-01\n" * 25, batch_records=10, progress=seen.append)
    assert [(now.rows, now.events) for now in seen] == [(11, 10), (21, 20), (25, 25)]
    assert seen[-1].done == seen[-1].size == 15 * 26


def test_header_only_is_an_empty_import(load: Load, kept: Any) -> None:
    report = load("case,step,time\n")
    assert (report.rows, report.events, report.first, kept.batches) == (0, 0, None, [])


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param("case;step;time\n1,5;a;2020-01-01\n", "log.csv", id="semicolons"),
        pytest.param("\ufeffcase|step|time\n1,5|a|2020-01-01\n", "log.csv", id="bars behind a mark"),
        pytest.param('\n"case"\tstep\ttime\n1,5\ta\t2020-01-01\n', "log.csv", id="tabs in .csv"),
        pytest.param('case,step,time\n"1,5",a,2020-01-01\n', "log.tsv", id="commas in .tsv"),
        pytest.param('case,step,time,a;b\n"1,5",a,2020-01-01,\n', "log.csv", id="another sign in a name"),
    ],
)
def test_the_header_tells_the_delimiter(load: Load, kept: Any, content: str, name: str) -> None:
    assert load(content, name=name).rejected == 0
    assert [(r["retail.case.id"], r["name"]) for r in kept.records] == [("1,5", "a")]


@pytest.mark.parametrize(
    ("text", "good"),
    [("12.5", True), ("1e3", True), ("NaN", True), ("1_000", False), ("\u0663", False), ("inf", False)],
)
def test_a_number_is_one_to_the_engine_too(load: Load, text: str, good: bool) -> None:
    """Python reads more as a number than the engine does, which would then have no amount."""
    mapping = {"stream": "s", "columns": {"case": "case", "activity": "step", "timestamp": "time", "amount": "n"}}
    assert load(f"case,step,time,n\n1,a,2020-01-01,{text}\n", mapping).rejected == (0 if good else 1)


@pytest.mark.parametrize(
    ("content", "name", "error", "message"),
    [
        pytest.param(b"", "log.csv", InvalidInput, "the file is empty", id="empty"),
        pytest.param(b"Case,step,time\n", "log.csv", InvalidInput, "did you mean 'Case'", id="misspelt column"),
        pytest.param(
            b"x,step,time\n",
            "log.csv",
            InvalidInput,
            "no column 'case'; the columns are 'x', 'step', 'time'",
            id="no case",
        ),
        pytest.param(b"case;step;at\n", "log.csv", InvalidInput, "separated by ';': set delimiter", id="delimiter"),
        pytest.param(b"case,step,time,case\n", "log.csv", InvalidInput, "'case' is there 2 times", id="column twice"),
        pytest.param(b"PK\x03\x04....", "log.xlsx", UnsupportedMedia, "an Excel workbook", id="Excel"),
        pytest.param(b"\xef\xbb\xbf<?xml version='1.0'?><x/>", "l.xml", UnsupportedMedia, "neither XES nor", id="XML"),
        pytest.param(
            gzip.compress(b"<log><trace>"), "l.xes.gz", InvalidInput, "line 1: is not well-formed", id="cut XES"
        ),
        pytest.param(b'{"ocel:global-log": {}}', "log.jsonocel", UnsupportedMedia, "is OCEL 1.0", id="OCEL 1.0"),
        pytest.param(
            gzip.compress(b"SQLite format 3\0"), "l.gz", UnsupportedMedia, "SQLite inside gzip", id="SQLite in gzip"
        ),
        pytest.param(gzip.compress(b"PAR1"), "log.gz", UnsupportedMedia, "Parquet inside gzip", id="Parquet in gzip"),
        pytest.param(
            gzip.compress(b"case,step,time\n")[:-4], "l.gz", InvalidInput, "nothing was imported", id="cut gzip"
        ),
        pytest.param(b"\x1f\x8b\x08garbage....", "l.gz", InvalidInput, "is damaged", id="gzip in name only"),
        pytest.param(b"PAR1 but no more", "l.parquet", InvalidInput, "not a readable Parquet file", id="cut Parquet"),
        pytest.param("case,step".encode("utf-16"), "log.csv", InvalidInput, "is UTF-16 text", id="UTF-16"),
    ],
)
def test_unusable_file_is_one_clear_error(
    load: Load, kept: Any, content: bytes, name: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as refused:
        load(content, name=name)
    assert message in str(refused.value)
    assert name in str(refused.value)
    assert not kept.records


def test_missing_file_and_folder(tmp_path: Path, clock: ManualClock, simple: Mapping, kept: Any) -> None:
    mapping = ColumnMapping.model_validate(simple)
    with pytest.raises(NotFound, match="there is no file"):
        import_file(tmp_path / "nothing.csv", mapping, kept, clock=clock, quarantine=tmp_path)
    with pytest.raises(InvalidInput, match="is a folder"):
        import_file(tmp_path, mapping, kept, clock=clock, quarantine=tmp_path)


def test_refusals_of_the_sink_are_counted(tmp_path: Path, clock: ManualClock, simple: Mapping) -> None:
    (tmp_path / "log.csv").write_text("case,step,time\n" + "1,a,2020-01-01\n" * 5)
    mapping = ColumnMapping.model_validate(simple)
    report = import_file(
        tmp_path / "log.csv", mapping, lambda _, n: n - 1, clock=clock, quarantine=tmp_path, batch_records=2
    )
    assert (report.events, report.refused) == (5, 2)
    assert any("2 events were refused by the receiver" in line for line in report.lines())


def test_error_of_the_sink_ends_the_import_and_keeps_the_quarantine(
    tmp_path: Path, clock: ManualClock, simple: Mapping
) -> None:
    (tmp_path / "log.csv").write_text("case,step,time\n1,a,never\n1,a,2020-01-01\n")

    def full(payload: bytes, items: int) -> None:
        raise Unavailable("the log is full")

    with pytest.raises(Unavailable):
        import_file(
            tmp_path / "log.csv", ColumnMapping.model_validate(simple), full, clock=clock, quarantine=tmp_path / "q"
        )
    assert (tmp_path / "q" / "log.csv.rejected.jsonl").read_text().count("\n") == 1


CELLS = st.one_of(
    st.sampled_from(
        ["", " ", "1", "a", "2020-01-01", "2020-01-01T00:00:00.123456789+14:00", "['1','2']", "1e400", '"', "\n"]
    ),
    st.text(max_size=8),
)
LINES = st.lists(st.one_of(CELLS, st.sampled_from([",", "\n", "1,a,2020-01-01\n"])), max_size=60).map("".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(text=LINES, form=st.sampled_from(["plain", "wide", "explode"]))
def test_any_text_is_accounted_for(load: Load, kept: Any, text: str, form: str) -> None:
    """Every row is used, skipped or rejected; never an exception, and no two events share an id."""
    mapping: Mapping = {"stream": "s", "columns": {"case": "case", "activity": "step", "timestamp": "time"}}
    if form == "wide":
        mapping = {"stream": "s", "columns": {"case": "case"}, "wide": {"timestamps": ["step", "time"]}}
    elif form == "explode":
        mapping = {"stream": "s", "columns": {"activity": "step", "timestamp": "time"}, "explode": {"column": "case"}}
    kept.records.clear()
    report = load(("case,step,time\n" + text).encode("utf-8", "surrogatepass"), mapping)
    assert report.rows == report.used + report.skipped + report.rejected
    assert min(report.used, report.skipped, report.rejected) >= 0
    assert report.events == len(kept.records) >= report.used
    assert len(set(kept.ids())) == len(kept.ids())
    assert report.cases == len({record["retail.case.id"] for record in kept.records})
