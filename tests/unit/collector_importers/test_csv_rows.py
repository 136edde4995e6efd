"""Where records start, and what happens to what is no record."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.importers.csv_rows import LINE_LIMIT, CsvTable
from collector.importers.rows import Broken, Row, printable
from core.errors import InvalidInput


def table(content: bytes, encoding: str = "utf-8-sig", delimiter: str = ",") -> CsvTable:
    raw = io.BytesIO(content)
    text = io.TextIOWrapper(raw, encoding=encoding, errors="surrogateescape", newline="")
    return CsvTable(text, raw, len(content), delimiter, "f.csv", encoding)


def read(content: bytes, **kwargs: str) -> list[tuple[str, int, list[str] | str]]:
    """Kind, line, and cells or reason of every record."""
    records = list(table(content, **kwargs))
    assert [r.number for r in records] == list(range(1, len(records) + 1))
    return [("row", r.line, r.cells) if isinstance(r, Row) else ("broken", r.line, r.reason) for r in records]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"a,b\n1,2\n3,4\n", [("row", 2, ["1", "2"]), ("row", 3, ["3", "4"])], id="plain"),
        pytest.param(b"a,b\n1,2", [("row", 2, ["1", "2"])], id="no line end at the end"),
        pytest.param(b"a,b\r\n1,2\r\n3,4\r\n", [("row", 2, ["1", "2"]), ("row", 3, ["3", "4"])], id="CRLF"),
        pytest.param(b"a,b\r1,2\r3,4", [("row", 2, ["1", "2"]), ("row", 3, ["3", "4"])], id="CR alone"),
        pytest.param(b"\xef\xbb\xbfa,b\n1,2\n", [("row", 2, ["1", "2"])], id="byte order mark"),
        pytest.param(b"a,b\n", [], id="header only"),
        pytest.param(
            b"\n\na,b\n\n1,2\n  \n\n3,4\n", [("row", 5, ["1", "2"]), ("row", 8, ["3", "4"])], id="blank lines"
        ),
        pytest.param(
            b'a,b\n"1\n1","2"\n3,4\n', [("row", 2, ["1\n1", "2"]), ("row", 4, ["3", "4"])], id="quoted line end"
        ),
        pytest.param(b"a,b\n1,2,,\n3,4,\n", [("row", 2, ["1", "2"]), ("row", 3, ["3", "4"])], id="commas at the end"),
        pytest.param(b'a,b\n"x,""y""",2\n', [("row", 2, ['x,"y"', "2"])], id="quoted comma and quote"),
        pytest.param(
            b"a,b\n1\n1,2,3\n3,4\n",
            [
                ("broken", 2, "has 1 cells, the header has 2"),
                ("broken", 3, "has 3 cells, the header has 2"),
                ("row", 4, ["3", "4"]),
            ],
            id="wrong number of cells",
        ),
        pytest.param(
            b"a,b\n1,\xff\n3,4\n",
            [("broken", 2, "is not utf-8-sig text"), ("row", 3, ["3", "4"])],
            id="bytes that are no UTF-8",
        ),
        pytest.param(b"a,b\n1,\x00\n", [("row", 2, ["1", "\x00"])], id="NUL is a character"),
        pytest.param(
            b'a,b\n1,"2\n3,4\n5,6\n',
            [("broken", 2, "is not CSV: unexpected end of data"), ("row", 3, ["3", "4"]), ("row", 4, ["5", "6"])],
            id="unclosed quote does not swallow the rest",
        ),
        pytest.param(
            b'a,b\n1,"2\n3,4\n5",6\n7,8\n',
            [
                ("broken", 2, "has 3 cells, the header has 2"),
                ("row", 3, ["3", "4"]),
                ("row", 4, ['5"', "6"]),
                ("row", 5, ["7", "8"]),
            ],
            id="two stray quotes lose one line",
        ),
        pytest.param(
            b'a,b\n"1"x,2\n3,4\n',
            [("broken", 2, "is not CSV: ',' expected after '\"'"), ("row", 3, ["3", "4"])],
            id="text after a quote",
        ),
    ],
)
def test_records(content: bytes, expected: list[tuple[str, int, list[str] | str]]) -> None:
    assert read(content) == expected


def test_overlong_line_is_refused_and_the_next_one_read() -> None:
    content = b"a,b\n1," + b"x" * (2 * LINE_LIMIT) + b"\n3,4\n"
    assert read(content) == [
        ("broken", 2, f"the line is longer than {LINE_LIMIT} characters"),
        ("row", 3, ["3", "4"]),
    ]


def test_overlong_cell_is_refused_and_the_next_line_read() -> None:
    records = read(b"a,b\n1," + b"x" * 200_000 + b"\n3,4\n")
    assert [(kind, line) for kind, line, _ in records] == [("broken", 2), ("row", 3)]
    assert "field limit" in str(records[0][2])


def test_other_encoding_and_delimiter() -> None:
    content = "a;b\nStraße;2\n".encode("cp1252")
    assert read(content, encoding="cp1252", delimiter=";") == [("row", 2, ["Straße", "2"])]


def test_another_encoding_is_suggested() -> None:
    csv = table("a,b\né,1\nb,2\nü,3\n".encode("latin-1"))
    assert len(list(csv)) == 3
    assert csv.notes() == ["2 rows are not utf-8-sig text; --encoding names another, such as cp1252"]


def test_broken_bytes_can_be_shown() -> None:
    (record,) = table(b"a,b\n1,\xff\n")
    assert isinstance(record, Broken)
    assert printable(record.cells[1]) == "\\xff"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "the file is empty", id="empty"),
        pytest.param(b"\n\r\n", "the file is empty", id="blank lines only"),
        pytest.param(b"a,\xff\n1,2\n", "the header is not utf-8-sig text", id="header bytes"),
        pytest.param(b'"a\n1,2\n', "the header cannot be read", id="header quote"),
    ],
)
def test_header_is_needed(content: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        table(content)


def test_truncated_utf16_is_one_clear_error() -> None:
    content = "a,b\n1,2\n".encode("utf-16") + b"\x00"
    with pytest.raises(InvalidInput, match="is not utf-16 text"):
        list(table(content, encoding="utf-16"))


@given(st.binary(max_size=400))
def test_any_bytes_give_records_in_line_order(content: bytes) -> None:
    """Never an exception, never a loop: every record starts on a later line than the one before."""
    try:
        records = list(table(b"a,b\n" + content))
    except InvalidInput:
        return
    lines = [record.line for record in records]
    assert lines == sorted(set(lines))
    assert all(len(record.cells) == 2 for record in records if isinstance(record, Row))


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)


@given(st.lists(st.tuples(CELL, CELL.map(lambda text: text + "x")), max_size=20))
def test_what_was_written_is_read(rows: list[tuple[str, str]]) -> None:
    """Quoting as RFC 4180 has it, with any characters and line ends inside, comes back cell for cell."""
    quoted = "".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\r\n" for row in rows)
    records = list(table(("a,b\r\n" + quoted).encode()))
    assert [tuple(record.cells) for record in records] == rows
