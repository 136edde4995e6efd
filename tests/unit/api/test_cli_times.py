"""Every command that takes a time refuses one without a zone, before it opens anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from core import InvalidInput

NAIVE = "2026-03-01T00:00:00"


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("backfill --from", "from"),
        ("backfill --to", "to"),
        ("export x.csv --start", "start"),
        ("export x.csv --end", "end"),
        ("compare fill_rate --start", "start"),
        ("compare fill_rate --before-end", "before_end"),
        ("change fill_rate --end", "end"),
        ("rollout fill_rate --at", "at"),
        ("baseline freeze fill_rate --reason new --end 2026-03-02T00:00:00Z --start", "start"),
    ],
)
@pytest.mark.parametrize(("time", "said"), [(NAIVE, "needs a time zone"), ("yesterday", "is no time")])
def test_a_time_without_a_zone_is_refused(command: str, option: str, time: str, said: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    found = CliRunner(env={"OPSINTEL_DATA_DIR": str(data)}).invoke(app, ["kpi", *command.split(), time])
    assert isinstance(found.exception, InvalidInput), found.output
    assert found.exception.message == f"{option} {said}, got {time!r}"
    assert found.exception.hint
    assert not data.exists()


@pytest.mark.parametrize("option", ["--from 1800-01-01T00:00:00Z", "--to 2200-01-01T00:00:00Z"])
def test_a_backfill_of_times_that_are_not_kept_is_refused(option: str, tmp_path: Path) -> None:
    found = CliRunner(env={"OPSINTEL_DATA_DIR": str(tmp_path)}).invoke(app, ["kpi", "backfill", *option.split()])
    assert isinstance(found.exception, InvalidInput), found.output
    assert "is out of range, got" in found.exception.message
