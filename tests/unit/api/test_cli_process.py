"""`opsintel process …` as people type it: tables, JSON, filters, and what it says to a wrong one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.process import ANSWERS
from core import InvalidInput, Role
from tests.unit.api.service import Api


def opsintel(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["process", *arguments], env={"COLUMNS": "200"})


def through(api: Api) -> tuple[str, ...]:
    return "--url", api.url, "--token", api.shop.keys[Role.VIEWER]


def test_the_map_as_a_table_and_as_json(api: Api) -> None:
    mark = api.shop.mark
    told = opsintel("map", f"stream-{mark}", *through(api))
    assert told.exit_code == 0, told.output
    assert f"placed {mark}" in told.output
    assert "1 min" in told.output
    found = json.loads(opsintel("map", f"stream-{mark}", "--json", *through(api)).output)
    assert found == api.get(f"/api/v1/processes/stream-{mark}/map").json()


def test_the_summary_for_people(api: Api) -> None:
    """Counts, the number of variants and the durations in a line each, then the edges."""
    mark = api.shop.mark
    told = opsintel("summary", f"stream-{mark}", *through(api)).output
    assert "cases 1" in told
    assert "variants 1" in told
    assert "case duration  median 1 min  mean 1 min  p90 1 min" in told
    assert f"placed {mark}" in told
    none = opsintel("summary", f"stream-{mark}", "--misses", f"paid {mark}", *through(api)).output
    assert "case duration  median –" in none
    assert "nothing matches" in none


def test_options_are_the_parameters_of_the_api(api: Api) -> None:
    mark = api.shop.mark
    some = ("--contains", f"placed {mark}", "--contains", f"paid {mark}", "--min-duration", "1m", "--outcome", "open")
    assert json.loads(opsintel("map", f"stream-{mark}", "--json", *some, *through(api)).output)["cases"] == 1
    none = opsintel("variants", f"stream-{mark}", "--misses", f"paid {mark}", *through(api))
    assert "nothing matches" in none.output
    wrong = opsintel("map", f"stream-{mark}", "--start", "soon", *through(api))
    assert isinstance(wrong.exception, InvalidInput)
    assert wrong.exception.message == "start: 'soon' is no time"


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda one: one.name)
def test_every_answer_has_a_command_with_every_parameter(answer: Any) -> None:
    told = opsintel(answer.name, "--help").output
    for one in answer.parameters:
        assert f"--{one.name.replace('_', '-')}" in told
