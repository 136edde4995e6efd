"""The examples of docs/import.md are mappings, and its table names every key there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collector.importers import ColumnMapping, build_mapping
from collector.importers.mapping import Columns

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "import.md").read_text("utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("place", range(len(EXAMPLES)))
def test_example_is_a_mapping(place: int, tmp_path: Path) -> None:
    file = tmp_path / "mapping.toml"
    file.write_text(EXAMPLES[place])
    kind = "xes" if "lifecycle" in EXAMPLES[place] else "ocel-json" if "case_object" in EXAMPLES[place] else "csv"
    assert build_mapping(file, kind=kind).stream


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("key", [*ColumnMapping.model_fields, *Columns.model_fields])
def test_every_key_is_documented(key: str) -> None:
    assert re.search(rf"`\[*{key}\]*`", PAGE), f"docs/import.md does not name {key}"
