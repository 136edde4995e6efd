"""The description of the API: golden, complete, and shown without another host.

After a wanted change: `OPSINTEL_UPDATE_GOLDEN=1 pytest tests/contract/api`, and read the difference.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core import Role
from storage import ClickHouse
from tests.unit.api.service import Api, serving

GOLDEN = Path(__file__).parent / "openapi.json"
UPDATE = os.environ.get("OPSINTEL_UPDATE_GOLDEN", "")
"""Read when the tests are collected: the fixtures clear such variables."""
PUBLISHED = {
    "/healthz", "/readyz", "/metrics", "/api/v1/ledger", "/api/v1/query", "/api/v1/traces/{trace_id}", "/api/v1/kpis",
    "/api/v1/kpis/{kpi_id}/series", "/api/v1/processes/{stream}/summary", "/api/v1/queues", "/api/v1/integrations",
    "/api/v1/alerts", "/api/v1/control/commands", "/api/v1/control/targets", "/api/v1/audit", "/api/v1/events",
}  # fmt: skip


@pytest.fixture(scope="module")
def api(clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(clickhouse, tmp_path_factory.mktemp("contract")) as found:
        yield found


@pytest.fixture(scope="module")
def document(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/openapi.json").json()
    return found


def test_the_description_is_the_golden_one(document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if UPDATE:
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8"), "the API has changed: see the head of this file"


def test_every_published_route_is_described(document: dict[str, Any]) -> None:
    assert set(document["paths"]) >= PUBLISHED
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            assert operation["description"], path


def test_the_pages_own_routes_are_no_part_of_it(document: dict[str, Any]) -> None:
    assert [path for path in document["paths"] if path.startswith(("/_", "/login", "/static", "/docs"))] == []


def test_the_page_of_the_description_calls_no_other_host(api: Api) -> None:
    page = api.get("/docs", Role.INGEST)
    assert page.status_code == 200
    assert re.findall(r"""["'(](?:https?:)?//[^"')]*""", page.text) == []
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(files) >= 3
    with api.client() as client:
        for file in files:
            answer = client.get(file)
            assert answer.status_code == 200, file
            assert "@import" not in answer.text or not file.endswith(".css")
