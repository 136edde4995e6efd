"""A mapping is complete and consistent, or refused with the key, the value and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collector.importers import build_mapping
from core.errors import InvalidInput, NotFound

COLUMNS: dict[str, str | None] = {"case": "c", "activity": "a", "timestamp": "t"}


def from_text(tmp_path: Path, text: str, **options: Any) -> Any:
    file = tmp_path / "m.toml"
    file.write_text(text)
    return build_mapping(file, **options)


def test_options_alone_make_a_mapping() -> None:
    mapping = build_mapping(stream="s", columns={**COLUMNS, "start": None})
    assert (mapping.stream, mapping.columns.case, mapping.columns.start) == ("s", "c", "")
    assert mapping.timezone == "UTC"


def test_options_win_over_the_file(tmp_path: Path) -> None:
    text = (
        'stream = "file"\n[columns]\ncase = "c"\nactivity = "a"\ntimestamp = "t"\n'
        '[[keep]]\ncolumn = "x"\nequals = ["1", "2"]\n'
    )
    mapping = from_text(tmp_path, text, stream="option", columns={"case": "other"}, keep=["y=a=b"])
    assert (mapping.stream, mapping.columns.case, mapping.columns.activity) == ("option", "other", "a")
    assert [(k.column, k.equals) for k in mapping.keep] == [("x", ("1", "2")), ("y", ("a=b",))]


BASE = 'stream = "s"\n'
FULL = BASE + '[columns]\ncase = "c"\nactivity = "a"\ntimestamp = "t"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("stream = ", "not a TOML file", id="not TOML"),
        pytest.param(FULL.replace("stream", "strem"), "unknown key 'strem', did you mean 'stream'", id="typo on top"),
        pytest.param(FULL + 'tiemstamp = "x"', "did you mean 'timestamp'", id="typo in columns"),
        pytest.param(FULL.removeprefix(BASE), "stream is missing", id="no stream"),
        pytest.param(BASE, "columns.case is missing", id="no case"),
        pytest.param(BASE + '[columns]\ncase = "c"\n', "columns.activity is missing", id="no activity"),
        pytest.param('timezone = "Mars/Base"\n' + FULL, "'Mars/Base' is not an IANA time zone", id="zone"),
        pytest.param('timezone = "../../etc/passwd"\n' + FULL, "is not an IANA time zone", id="zone that is a path"),
        pytest.param('encoding = "utf-9"\n' + FULL, "'utf-9' is not a text encoding", id="encoding"),
        pytest.param('encoding = "base64"\n' + FULL, "'base64' is not a text encoding", id="codec without text"),
        pytest.param('delimiter = "||"\n' + FULL, "must be one character", id="delimiter"),
        pytest.param('timestamp_format = "YYYY"\n' + FULL, "strptime format, got 'YYYY'", id="format"),
        pytest.param(
            FULL + '[wide]\ntimestamps = ["x"]', "with wide the columns activity, timestamp", id="wide and tall"
        ),
        pytest.param(
            BASE + '[columns]\ncase="c"\n[wide]\ntimestamps = ["x", "x"]', "names a column twice", id="wide twice"
        ),
        pytest.param(BASE + '[columns]\ncase="c"\n[wide]\ntimestamps = []', "wide.timestamps", id="wide nothing"),
        pytest.param(FULL + '[explode]\ncolumn = "x"', "columns.case must be left out", id="two cases"),
        pytest.param(FULL + '[attributes]\nx = "retail.case.id"', "written by the importer itself", id="reserved"),
        pytest.param(FULL + '[attributes]\nx = "k"\ny = "k"', "'k' is given twice", id="attribute twice"),
        pytest.param(FULL + '[constants]\n"" = "k"', "needs a name", id="attribute without name"),
        pytest.param(FULL + '[[keep]]\ncolumn = "x"\nequals = []', "keep.0.equals", id="keep nothing"),
    ],
)
def test_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=r"m\.toml") as refused:
        from_text(tmp_path, text)
    assert message in str(refused.value)


def test_filters_of_one_column_are_alternatives() -> None:
    """A row cannot be both, so nobody can mean that."""
    mapping = build_mapping(stream="s", columns=COLUMNS, keep=["x=START", "y=1", "x=COMPLETE"])
    assert [(k.column, k.equals) for k in mapping.keep] == [("x", ("START", "COMPLETE")), ("y", ("1",))]


def test_filter_needs_a_column() -> None:
    with pytest.raises(InvalidInput, match="COLUMN=VALUE, got 'COMPLETE'"):
        build_mapping(stream="s", columns=COLUMNS, keep=["COMPLETE"])


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no mapping file '.*m\.toml'"):
        build_mapping(tmp_path / "m.toml")
