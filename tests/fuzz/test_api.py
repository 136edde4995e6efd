"""The API against its own description: every route with data that fits the schema and data that does not.

As an administrator, as a caller without a key, and as one who may only look: never a 500, and every refusal is a
problem document.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable

from core import Role
from storage import ClickHouse
from tests.fuzz.budget import LONG, rounds
from tests.unit.api.service import Api, serving

pytestmark = pytest.mark.blackbox

SCHEMA = json.loads((Path(__file__).parents[1] / "contract" / "api" / "openapi.json").read_text("utf-8"))
OPERATIONS = sorted((path, method) for path, methods in SCHEMA["paths"].items() for method in methods)
EXAMPLES = 40 if LONG else 2


@pytest.fixture(scope="module")
def api(clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(clickhouse, tmp_path_factory.mktemp("fuzzed")) as found:
        yield found


@pytest.fixture(scope="module")
def schema() -> Any:
    return schemathesis.openapi.from_dict(SCHEMA)


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[f"{method} {path}" for path, method in OPERATIONS])
def test_route(api: Api, schema: Any, path: str, method: str) -> None:
    operation = schema[path][method.upper()]
    strategies = [operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode]
    callers = [api.shop.keys[Role.ADMIN], api.shop.keys[Role.VIEWER], ""]
    with httpx.Client(base_url=api.url, timeout=60) as client:
        for random in rounds(0.0):
            for strategy in strategies:
                attack(strategy, client, callers, random.number)


def attack(strategy: Any, client: httpx.Client, callers: list[str], number: int) -> None:
    """So many requests of each caller."""

    @seed(number)
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=strategy)
    def one(case: Any) -> None:
        for key in callers:
            check(case, client, key, number)

    with contextlib.suppress(Unsatisfiable):  # a route without parameters cannot be asked wrongly
        one()


def check(case: Any, client: httpx.Client, key: str, number: int) -> None:
    """One request, and what must be true of its answer."""
    sent = case.as_transport_kwargs(base_url=str(client.base_url))
    headers = dict(sent.pop("headers", {}) or {}) | ({"Authorization": f"Bearer {key}"} if key else {})
    sent.pop("cookies", None)
    if "data" in sent:
        sent["content"] = sent.pop("data")
    try:
        request = client.build_request(headers=headers, **sent)
    except (httpx.InvalidURL, UnicodeError, TypeError, ValueError):
        return  # nothing that a client could send
    answer = client.send(request)
    assert answer.status_code < 500, (number, request.method, str(request.url), request.content, answer.text)
    if answer.status_code >= 400 and request.method != "HEAD":
        kind = answer.headers.get("content-type", "")
        assert kind.startswith(("application/problem+json", "application/json", "text/plain")), (str(request.url), kind)
    if not key and answer.status_code < 300:
        assert request.url.path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/login"), request.url.path
