"""The quick rows of the fault matrix; `make fault-matrix` makes all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.clients import ITEMS
from tests.faults.matrix import run
from tests.faults.observed import Observed
from tests.faults.report import COLUMNS, Result, page
from tests.faults.rows import ROWS, Row

pytestmark = pytest.mark.blackbox

QUICK = [row for row in ROWS if row.quick]


@pytest.mark.parametrize("row", QUICK, ids=[row.name for row in QUICK])
def test_a_row_holds(row: Row, tmp_path: Path) -> None:
    result = run(row, tmp_path / "row")
    if result.skipped:
        pytest.skip(result.skipped)
    assert result.problems == []


def test_no_two_rows_have_one_name() -> None:
    """Their folders would be one."""
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(
    ("seen", "problem"),
    [
        (Observed(acknowledged=50, missing=10), "10 acknowledged items lost"),
        (Observed(acknowledged=50, missing=10, quarantined=9), "1 acknowledged items lost"),
        (Observed(acknowledged=50, doubled=1), "1 items doubled"),
        (Observed(acknowledged=50, torn=3), "3 items missing of requests that are stored in part"),
        (Observed(acknowledged=50, refused_stored=ITEMS), "10 refused items stored"),
        (Observed(acknowledged=50, pending=1), "1 pending at the end"),
        (Observed(), "nothing was acknowledged, so nothing was shown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_breaks_the_promise_fails_the_row(seen: Observed, problem: str) -> None:
    assert seen.problems() == [problem]


def test_the_page_has_every_row_and_tells_what_failed() -> None:
    good, bad = ROWS[0], ROWS[1]
    results = [
        Result(good, Observed(acknowledged=70, stored=70, distinct=70, starts=1), [], "", 9.0),
        Result(bad, None, ["3 acknowledged items lost"], "", 9.0),
    ]
    text = page(results)
    assert f"| {good.fault} | {good.stage} | embedded | 70 |" in text
    assert f"- **{bad.fault}, {bad.stage}**: 3 acknowledged items lost" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {line.count(" | ") for line in rows} == {len(COLUMNS) - 1}
