"""A query parameter that a route does not know is refused on the whole API, but for what is pushed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from core import Role
from tests.unit.api.service import Api
from tests.unit.api.test_routes import refused

PUSHED = {("/api/v1/events", "post"), ("/api/v1/events", "options")}
"""Senders may add what they like: webhook services put keys and ids of their own behind an address."""


def test_every_route_refuses_what_it_does_not_know(api: Api) -> None:
    """Walked over the API's own description, so that no new router is left out."""
    seen = set()
    with api.client(api.shop.keys[Role.ADMIN]) as client:
        for path, methods in client.get("/openapi.json").json()["paths"].items():
            if not path.startswith("/api/v1/"):
                continue
            for method, operation in methods.items():
                names = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
                answer = client.request(method, path, params={"no_such": "x"})
                if (path, method) in PUSHED:
                    assert "no_such" not in answer.text
                    continue
                said = refused(answer, 400)
                assert "there is no parameter 'no_such'" in said, (method, path)
                hint = answer.json()["hint"]
                assert set(hint.removeprefix("use ").split(", ")) == (names or {"this address takes no parameters"})
                seen.add(path)
    assert len(seen) > 50


def asked(api: Api, path: str, name: str) -> httpx.Response:
    with api.client(api.shop.keys[Role.VIEWER]) as client:
        return client.get(f"/api/v1/{path}", params={name: "2026-01-01"})


@pytest.mark.parametrize(
    ("path", "slip", "nearest"),
    [
        ("kpis", "grian", "grain"),
        ("kpis/fill_rate/series", "gain", "grain"),
        ("kpis/fill_rate/series", "Start", "start"),
        ("kpis/fill_rate/rollout", "setle_days", "settle_days"),  # before the `at` that is missing
        ("kpis/export", "dimensions", "dimension"),
        ("kpis/runs", "outcom", "outcome"),
        ("kpis/reports/runs", "fialed", "failed"),
        ("processes/waiting", "limit", ""),
        ("quarantine", "singal", "signal"),
    ],
)
def test_the_nearest_is_named_first(api: Api, path: str, slip: str, nearest: str) -> None:
    answer = asked(api, path, slip)
    assert repr(slip) in refused(answer, 400)
    hint = answer.json()["hint"]
    assert hint.split(", ")[0] == (f"use {nearest}" if nearest else "this address takes no parameters")


@pytest.mark.parametrize("query", ["?grain=day&grian=day", "?=x", "?GRAIN=day", "?grain=day&&x"])
def test_however_it_is_written(api: Api, query: str) -> None:
    with api.client(api.shop.keys[Role.VIEWER]) as client:
        assert "there is no parameter" in refused(client.get(f"/api/v1/kpis{query}"), 400)


def test_it_is_not_told_at_length(api: Api) -> None:
    answer = asked(api, "kpis", "x" * 20_000)
    refused(answer, 400)
    assert len(answer.content) < 500


def test_who_may_not_see_is_told_no_more_than_the_description_says(api: Api) -> None:
    with api.client() as client:
        assert client.get("/api/v1/kpis", params={"grian": "day"}).status_code == 401


def test_what_is_known_is_taken(api: Api) -> None:
    found: dict[str, Any] = api.get("/api/v1/kpis", grain="week").json()
    assert found["definitions"]
