"""No answer about cases without its definition: docs/process.md names each, with basis, source and formulas."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api.process import ANSWERS, Answer

DOCS = Path(__file__).parents[3] / "docs"
ROW = re.compile(
    r"^\| \[`(?P<name>[a-z-]+)`\]\((?P<page>[a-z.-]*)#(?P<anchor>[a-z-]+)\) \| (?P<said>.+) \|$", re.MULTILINE
)
ROWS = {row["name"]: row for row in ROW.finditer((DOCS / "process.md").read_text("utf-8"))}


def sections(page: Path) -> dict[str, str]:
    """What stands below each heading, by the anchor that the heading gets."""
    parts = re.split(r"^#+ (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    anchors = (re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in parts[1::2])
    return dict(zip(anchors, parts[2::2], strict=True))


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda one: one.name)
def test_every_answer_is_defined(answer: Answer) -> None:
    """To mend it: a row in the table of docs/process.md, and the formulas below the heading that it leads to."""
    row = ROWS.get(answer.name)
    assert row, f"docs/process.md has no row for {answer.name}"
    said = [cell.strip() for cell in row["said"].split(" | ")]
    assert len(said) == 3, "what it tells, its basis, its source"
    assert all(said)
    found = sections(DOCS / (row["page"] or "process.md"))
    assert row["anchor"] in found, f"no heading makes {row['page']}#{row['anchor']}"
    assert len(found[row["anchor"]].split()) > 20, f"nothing is defined below {row['page']}#{row['anchor']}"


def test_the_table_names_no_other_answers() -> None:
    assert set(ROWS) == {one.name for one in ANSWERS}
