"""Event templates: a mapping is complete or refused by key and value; a row gives exactly what was asked for."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.importers import ColumnMapping, ImportReport, build_mapping
from collector.importers.templates import fields_of, pieces
from core.errors import InvalidInput

Load = Callable[..., ImportReport]
EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "docs" / "import-mappings").glob("*.toml"))
DAY = 86_400 * 10**9
NEW_YEAR = 1_577_836_800 * 10**9
HEAD = 'stream = "s"\n'
EVENT = HEAD + '[[event]]\nname = "a"\ntimestamp = "t"\ncase = "{c}"\n'


def mapped(text: str) -> dict[str, Any]:
    return tomllib.loads(text)


def event(**more: Any) -> dict[str, Any]:
    return {"name": "a", "timestamp": "t", "case": "{c}", **more}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_shipped_mapping_is_valid(path: Path) -> None:
    assert build_mapping(path).event


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(EVENT + 'qauntity = "q"', "event.0.qauntity', did you mean 'quantity'", id="typo in an event"),
        pytest.param(EVENT + 'when = { colum = "x" }', "did you mean 'column'", id="typo in a condition"),
        pytest.param(EVENT + 'when = { column = "x" }', "or one of all, any, not; got nothing", id="no"),
        pytest.param(EVENT + 'when = { column = "x", equals = "1", is_empty = true }', "got equals, is_empty", id="2"),
        pytest.param(EVENT + 'when = { equals = "1" }', "equals needs a column", id="comparison of nothing"),
        pytest.param(EVENT + 'when = { column = "x", less_than = "1" }', "event.0.when.less_than", id="text"),
        pytest.param(EVENT + 'when = { column = "x", in = [] }', "event.0.when.in", id="in nothing"),
        pytest.param(EVENT + 'quantity = { product = ["q"] }', "two columns or more, got ['q']", id="product of one"),
        pytest.param(EVENT + 'quantity = { sign = "abs" }', "one of column, product, count, constant", id="no number"),
        pytest.param(EVENT + 'quantity = { column = "q", sign = "up" }', "got 'up'", id="sign"),
        pytest.param(EVENT + "rank = 100", "got 100", id="rank"),
        pytest.param(EVENT.replace("{c}", "{c"), "'{' in '{c' names no column", id="open brace"),
        pytest.param(EVENT + EVENT.removeprefix(HEAD), "event.1 (a): there is another event 'a'", id="same id twice"),
        pytest.param(EVENT + 'id = "a:b"', "'a:b' must not be blank or have a colon", id="colon in an id"),
        pytest.param(EVENT + 'attributes = { "retail.seq" = "1" }', "'retail.seq' is given twice", id="reserved"),
        pytest.param(
            EVENT + 'currency = "EUR"\nattributes = { "retail.currency" = "EUR" }', "'retail.currency'", id="twice"
        ),
        pytest.param(EVENT + 'attributes = { x = { text = "a", time = "t" } }', "a text or { time", id="two values"),
        pytest.param(EVENT + '[columns]\ncase = "c"', "the keys columns must be left out", id="columns too"),
        pytest.param(EVENT + '[unpivot]\nname = "n"\nvalue = "v"', "either columns, or all_except", id="unpivot what"),
        pytest.param(HEAD + '[columns]\ncase="c"\nactivity="a"\ntimestamp="t"\n[unpivot]\nall_except=["x"]\nname="n"\n'
                     'value="v"', "unpivot needs [[event]]", id="unpivot alone"),
        pytest.param(EVENT + '[lookup.x]\nkey="{y}"\nvalue="{t}"\n[lookup.y]\nkey="{c}"\nvalue="{t}"',
                     "lookup.x looks at 'y', which is filled after it", id="lookup of a later one"),
        pytest.param(EVENT + '[lookup.x]\nkey="{c}"\nvalue="{t}"\n[[split]]\ncolumn="l"\nfield="x"', "['x'] are given",
                     id="field twice"),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "m.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=r"m\.toml") as refused:
        build_mapping(file)
    assert message in str(refused.value)


@pytest.mark.parametrize("kind", ["xes", "ocel-json"])
def test_for_tables_only(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "m.toml"
    file.write_text(EVENT)
    with pytest.raises(InvalidInput, match="is for tables"):
        build_mapping(file, kind=kind)


def test_column_that_is_not_there(load: Load) -> None:
    with pytest.raises(InvalidInput, match="there is no column 'amnt'") as refused:
        load("c,t,amount\n", {"stream": "s", "event": [event(amount="amnt")]})
    assert refused.value.hint == "did you mean 'amount'?"
    with pytest.raises(InvalidInput, match="'t' of the mapping is a column too"):
        load("c,t\n", {"stream": "s", "event": [event()], "split": [{"column": "c", "field": "t"}]})


def test_one_row_gives_events_of_several_streams(load: Load, kept: Any) -> None:
    mapping = {
        "stream": "sales",
        "constants": {"from": "till"},
        "event": [
            event(name="sold", when={"column": "q", "greater_than": 0}, quantity="q", currency="EUR",
                  amount={"product": ["q", "price"]},
                  attributes={"id": "{c}/{#row}", "brace": "{{x}}", "none": "{gone}"}),
            event(name="back", stream="returns", when={"not": {"column": "q", "at_least": 0}},
                  quantity={"column": "q", "sign": "negate"}, start="began"),
            event(name="noted", id="n", case="", timestamp=["gone", "t"], rank=2,
                  attributes={"promise": {"time": "began"}}),
        ],
    }  # fmt: skip
    report = load("c,t,q,price,gone,began\n7,2020-01-02,3,0.10,,2020-01-01\n8,2020-01-02,-2,1,,\n", mapping)
    assert report.by_name == {"returns: back": 1, "sales: noted": 2, "sales: sold": 1}
    assert (report.cases, report.notes) == (2, ("2 events belong to no case, as the mapping has it",))
    sold, noted, back, _ = kept.records
    source = report.source
    assert sold == {
        "name": "sold", "time": NEW_YEAR + DAY, "body": "log.csv", "service.name": "import", "retail.stream": "sales",
        "retail.case.id": "7", "retail.step": "sold", "retail.seq": str(10**6), "retail.event.id": f"{source}:1:sold",
        "retail.quantity": "3", "retail.amount": "0.30", "retail.currency": "EUR", "id": "7/1", "brace": "{x}",
        "from": "till",
    }  # fmt: skip
    assert noted["promise"] == "2020-01-01T00:00:00+00:00"
    assert (noted["retail.seq"], noted["retail.event.id"]) == (str(2 * 10**17 + 10**6 + 1), f"{source}:1:n")
    assert "retail.case.id" not in noted
    assert (back["retail.stream"], back["retail.quantity"], back["retail.case.id"]) == ("returns", "2", "8")
    assert "retail.step.start" not in back


@pytest.mark.parametrize(
    ("when", "rows"),
    [
        ({"column": "x", "equals": "1"}, "1"),
        ({"column": "x", "in": ["1", "C2"]}, "12"),
        ({"column": "x", "starts_with": "C"}, "2"),
        ({"column": "x", "is_empty": True}, "3"),
        ({"column": "x", "is_empty": False}, "12"),
        ({"column": "n", "greater_than": 9}, "2"),
        ({"column": "n", "at_least": 9}, "12"),
        ({"column": "n", "less_than": 10}, "1"),
        ({"column": "n", "at_most": 10.0}, "12"),
        ({"all": [{"column": "x", "is_empty": False}, {"column": "n", "at_most": 9}]}, "1"),
        ({"any": [{"column": "x", "is_empty": True}, {"column": "n", "at_most": 9}]}, "13"),
        ({"not": {"column": "x", "equals": "1"}}, "23"),
    ],
)
def test_condition(load: Load, kept: Any, when: dict[str, Any], rows: str) -> None:
    """Numbers are compared as numbers; an empty one is neither more nor less."""
    load(
        "c,t,x,n\n1,2020-01-01,1,9\n2,2020-01-01,C2,10\n3,2020-01-01,,\n", {"stream": "s", "event": [event(when=when)]}
    )
    assert "".join(record["retail.case.id"] for record in kept.records) == rows


def test_bad_numbers_are_counted_by_reason(load: Load, kept: Any) -> None:
    """The whole row stays out, also the events that would have been good."""
    mapping = {"stream": "s", "event": [event(name="good"), event(quantity="q")]}
    rows = (
        "1,2020-01-01,-1\n2,2020-01-01,-2\n3,2020-01-01,1_0\n4,2020-01-01,\n5,2020-01-01,5\n,2020-01-01,1\n6,never,1\n"
    )
    report = load("c,t,q\n" + rows + "7,2020-01-01,1e99\n", mapping)
    assert report.reasons == {
        "negative quantity": 2, "'q' is not a number": 2, "the case is empty": 1, "'t' is not a time": 1,
    }  # fmt: skip
    assert report.rejected == sum(report.reasons.values())
    assert report.remarks == {"a: without quantity, its column is empty": 1}
    assert [record["retail.case.id"] for record in kept.records] == ["4", "4", "5", "5"]
    assert "2 × negative quantity" in "\n".join(report.lines())


@pytest.mark.parametrize(("sign", "plus", "minus"), [("abs", "2", "2"), ("any", "2", "-2"), ("negate", None, "2")])
def test_sign(load: Load, kept: Any, sign: str, plus: str | None, minus: str | None) -> None:
    number = {"column": "q", "sign": sign}
    load("c,t,q\n1,2020-01-01,2\n2,2020-01-01,-2\n", {"stream": "s", "event": [event(quantity=number)]})
    found = {record["retail.case.id"]: record["retail.quantity"] for record in kept.records}
    assert (found.get("1"), found.get("2")) == (plus, minus)


WIDE = {
    "stream": "s",
    "timezone": "Asia/Dhaka",
    "unpivot": {"all_except": ["t"], "name": "sku", "value": "units", "skip": ["empty", "zero"]},
    "event": [event(case="{t}/{sku}", quantity="units"), event(name="day", case="{t}")],
}


def test_columns_become_rows(load: Load, kept: Any) -> None:
    """An event that looks at no product is made once a row; dates are midnight in the mapping's zone."""
    report = load("t,A,B,C\n2020-01-02,1.5,0.0,\n2020-01-03,,2,3\n2020-01-04,0,,\n", WIDE)
    ids = [(r["retail.case.id"], r.get("retail.quantity")) for r in kept.records]
    assert ids == [("2020-01-02/A", "1.5"), ("2020-01-02", None), ("2020-01-03/B", "2"), ("2020-01-03", None),
                   ("2020-01-03/C", "3")]  # fmt: skip
    assert kept.records[0]["time"] == NEW_YEAR + DAY - 6 * 3600 * 10**9
    assert kept.records[2]["retail.event.id"] == f"{report.source}:2:a:2"
    assert report.skipped == 1


def test_rank_orders_files_that_meet_in_a_case(load: Load, kept: Any) -> None:
    load("c,t\n1,2020-01-01\n", {"stream": "s", "event": [event(name="shipped", rank=1)]}, name="b.csv")
    load("c,t\n0,2020-01-01\n1,2020-01-01\n", {"stream": "s", "event": [event(name="placed")]}, name="a.csv")
    steps = [r for r in kept.records if r["retail.case.id"] == "1"]
    assert [r["name"] for r in sorted(steps, key=lambda r: (r["time"], int(r["retail.seq"])))] == ["placed", "shipped"]


def test_lists_and_what_earlier_rows_said(load: Load, kept: Any) -> None:
    """An event is made once for each element that it looks at, also through a lookup; the last word counts."""
    mapping = {
        "stream": "s",
        "split": [{"column": "items", "field": "item"}],
        "lookup": {"order": {"key": "{item}", "value": "{c}", "when": {"column": "step", "equals": "place"}}},
        "event": [
            event(name="placed", when={"column": "step", "equals": "place"}, quantity={"count": "items"}),
            event(name="line", case="{order}", attributes={"item": "{item}"}),
        ],
    }
    both = "\"['x','y']\""
    rows = f"1,place,2020-01-01,{both}\n2,place,2020-01-02,['y']\n,pick,2020-01-03,{both}\n,pick,2020-01-04,['z']\n"
    report = load("c,step,t,items\n" + rows, mapping)
    found = [(r["name"], r["retail.case.id"], r.get("item", r.get("retail.quantity"))) for r in kept.records]
    assert found == [
        ("placed", "1", "2"), ("line", "1", "x"), ("line", "1", "y"), ("placed", "2", "1"), ("line", "2", "y"),
        ("line", "1", "x"), ("line", "2", "y"),
    ]  # fmt: skip
    assert report.reasons == {"the case is empty": 1}
    assert len(set(kept.ids())) == len(kept.records)


def test_duplicate_rows_stay_and_the_same_file_repeats_its_ids(load: Load, kept: Any) -> None:
    for _ in range(2):
        load("c,t\n1,2020-01-01\n1,2020-01-01\n", {"stream": "s", "event": [event()]})
    assert len(kept.ids()) == 4
    assert len(set(kept.ids())) == 2


def test_delimiter_is_found_by_the_columns_of_the_events(load: Load, kept: Any) -> None:
    load("c;t;q\n1;2020-01-01;2\n", {"stream": "s", "event": [event(quantity="q", attributes={"n": "{#row}"})]})
    assert kept.records[0]["n"] == "1"


@given(st.lists(st.tuples(st.text("ab {}", min_size=1), st.booleans()), min_size=1, max_size=4))
def test_text_says_what_it_was_written_from(parts: list[tuple[str, bool]]) -> None:
    """Names and literals, written with doubled braces, come back as they were."""
    parts = [(text.replace("{", "").replace("}", "") or "n", True) if name else (text, False) for text, name in parts]
    written = "".join("{" + text + "}" if name else text.replace("{", "{{").replace("}", "}}") for text, name in parts)
    assert "".join(text for text, _ in pieces(written)) == "".join(text for text, _ in parts)
    assert fields_of(written) == {text for text, name in parts if name}


def test_mapping_without_events_is_what_it_was() -> None:
    columns = {"case": "c", "activity": "a", "timestamp": "t"}
    assert ColumnMapping.model_validate({"stream": "s", "columns": columns}).named_columns == {"c", "a", "t"}
    assert mapped(EVENT)["event"][0]["name"] == "a"
