"""One shape for every error, whatever raised it; and nothing in it that the caller must not see."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Query
from pydantic import BaseModel

from api import problems
from core import (
    Conflict,
    Forbidden,
    LimitExceeded,
    NotFound,
    OpsintelError,
    RateLimited,
    Retryable,
    Role,
    StorageError,
    StoreUnavailable,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
    errors,
)
from tests.browser.served import Server
from tests.unit.api.service import Api

INSIDE = "Cannot open file /srv/opsintel/store/x: SELECT * FROM otel_traces: password=hush"


def every_error() -> list[type[OpsintelError]]:
    found, waiting = [], [OpsintelError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return [kind for kind in found if kind.__module__ == errors.__name__]


class Body(BaseModel):
    number: int


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """An application whose routes fail in every way there is."""
    app = FastAPI()
    problems.install(app)
    kinds = {kind.__name__: kind for kind in every_error()}

    @app.get("/raise/{name}")
    def _raise(name: str) -> None:
        raise kinds[name]("what happened", hint="the way out")

    @app.get("/inside/{name}")
    def _inside(name: str) -> None:
        raise kinds[name](INSIDE, hint=INSIDE)

    @app.get("/later")
    def _later(seconds: float) -> None:
        raise Unavailable("full", retry_after_s=seconds)

    @app.get("/crash")
    async def _crash() -> None:
        raise ZeroDivisionError(INSIDE)

    @app.get("/http/{status}")
    def _http(status: int) -> None:
        raise HTTPException(status, headers={"X-Kept": "yes"})

    @app.post("/body")
    def _body(body: Body, count: Annotated[int, Query(ge=1)]) -> int:
        return body.number + count

    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    once = httpx.Limits(max_keepalive_connections=0)  # an idle one may be closed just when it is used again
    with Server(app) as server, httpx.Client(base_url=server.url, limits=once) as found:
        yield found


def problem_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The document, when it has the one shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) - {"hint"} == {"type", "title", "status", "detail"}
    assert (body["type"], body["title"], body["status"]) == ("about:blank", HTTPStatus(status).phrase, status)
    assert body["detail"]
    assert body.get("hint", "x")
    return body


def test_every_error_of_ours_has_a_status_of_its_own_choice() -> None:
    assert set(every_error()) == set(problems.STATUS)
    assert {kind.__name__ for kind in every_error()} >= {"Conflict", "RateLimited", "ConfigurationError"}


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_has_the_one_shape(client: httpx.Client, kind: type[OpsintelError]) -> None:
    answer = client.get(f"/raise/{kind.__name__}")
    body = problem_of(answer, problems.STATUS[kind])
    hidden = body["status"] == 500 or kind is StoreUnavailable
    assert (body["detail"], body["hint"]) == ("what happened", "the way out") or hidden
    assert ("retry-after" in answer.headers) == issubclass(kind, Retryable)
    assert ("www-authenticate" in answer.headers) == (kind is Unauthenticated)


@pytest.mark.parametrize(
    ("kind", "status"),
    [(errors.InvalidInput, 400), (TooLarge, 413), (UnsupportedMedia, 415), (Unauthenticated, 401), (Forbidden, 403),
     (NotFound, 404), (Conflict, 409), (RateLimited, 429), (Unavailable, 503), (StoreUnavailable, 503),
     (StorageError, 500), (LimitExceeded, 422), (errors.QueryRejected, 400), (OpsintelError, 500)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)  # fmt: skip
def test_the_status_of_an_error(kind: type[OpsintelError], status: int) -> None:
    assert problems.status_of(kind("x")) == status


def test_a_subclass_made_elsewhere_has_its_parents_status() -> None:
    class _Full(StoreUnavailable):
        pass

    assert problems.status_of(_Full("x")) == 503


@pytest.mark.parametrize("path", ["/inside/StorageError", "/inside/StoreUnavailable", "/inside/OpsintelError",
                                  "/inside/ConfigurationError", "/crash"])  # fmt: skip
def test_what_is_inside_stays_inside(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    problem_of(answer, 503 if "Unavailable" in path else 500)
    for word in ("/srv", "SELECT", "hush", "ZeroDivision", "Traceback", ".py"):
        assert word not in answer.text


@pytest.mark.parametrize(("seconds", "header"), [("0", "1"), ("0.2", "1"), ("1.4", "2"), ("30", "30")])
def test_when_to_come_again_is_in_whole_seconds_and_never_too_early(
    client: httpx.Client, seconds: str, header: str
) -> None:
    assert client.get("/later", params={"seconds": seconds}).headers["retry-after"] == header


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 415, 418, 422, 429, 500, 501, 502, 503])
def test_the_frameworks_own_errors_have_the_same_shape(client: httpx.Client, status: int) -> None:
    answer = client.get(f"/http/{status}")
    problem_of(answer, status)
    assert answer.headers["x-kept"] == "yes"


def test_an_unknown_path_and_a_wrong_method(client: httpx.Client) -> None:
    assert "/nothing/here" in problem_of(client.get("/nothing/here"), 404)["detail"]
    answer = client.delete("/body")
    problem_of(answer, 405)
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("content", "query", "named"),
    [(b"{}", "1", "body.number"), (b'{"number": "x"}', "1", "body.number"), (b'{"number": 1}', "0", "query.count"),
     (b'{"number": 1}', "", "query.count"), (b"{", "1", "body"), (b"", "1", "body"), (b"[]", "1", "body"),
     (b"\xff", "1", ""), (b"[" * 100_000, "1", ""), (b'{"number": 1e999}', "1", "body.number"), (b'{"number": NaN}',
     "1", "body.number")],
)  # fmt: skip
def test_a_wrong_request_is_told_where_it_is_wrong(
    client: httpx.Client, content: bytes, query: str, named: str
) -> None:
    answer = client.post(
        "/body", params={"count": query}, content=content, headers={"content-type": "application/json"}
    )
    body = problem_of(answer, 400)
    assert named in body["detail"]
    assert len(answer.content) < 2_000


# --- the same on the real application ---


@pytest.mark.parametrize("path", ["/nope", "/api", "/api/", "/api/v1", "/api/v1/nope", "/api/v1/ledger/",
                                  "/api/v2/alerts", "/docs/", "/_dash-nope", "/index.html", "/static/nope.js",
                                  "/favicon.ico/x",
                                  "/static/swagger/nope.js", "/static/swagger/"])  # fmt: skip
def test_an_unknown_path_is_a_problem_document(api: Api, path: str) -> None:
    for role in (Role.ADMIN, Role.VIEWER):
        problem_of(api.get(path, role), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/api/v1/query", "POST"), ("DELETE", "/api/v1/ledger", "GET"), ("PUT", "/api/v1/control/commands", ""),
     ("POST", "/healthz", "GET"), ("POST", "/openapi.json", ""), ("PATCH", "/login", "")],
)  # fmt: skip
def test_a_wrong_method_is_a_problem_document(api: Api, method: str, path: str, allowed: str) -> None:
    with api.client(api.shop.keys[Role.ADMIN]) as client:
        answer = client.request(method, path)
    problem_of(answer, 405)
    assert allowed in answer.headers["allow"]


@pytest.mark.parametrize("path", ["/v1/nope", "/v1/traces/x", "/v1/"])
def test_an_unknown_path_of_otlp_is_answered_in_its_own_shape(api: Api, path: str) -> None:
    answer = api.post(path, {}, Role.INGEST)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["code"] == 5


@pytest.mark.parametrize(
    ("body", "status"),
    [({"sql": "SELECT 1; DROP TABLE x"}, 400), ({"sql": "SELECT nope FROM otel_traces"}, 400), ({"sql": ""}, 400),
     ({}, 400), ({"sql": 5}, 400), ({"sql": "SELECT 1", "params": []}, 400), ({"sql": "x" * 100_001}, 400), ([], 400),
     ({"sql": "SELECT number FROM numbers(10001)"}, 422)],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_a_statement_that_is_refused(api: Api, body: Any, status: int) -> None:
    answer = api.post("/api/v1/query", body)
    problem_of(answer, status)
    for word in ("additional_table_filters", "Stack trace", "DB::Exception", api.shop.tenant, "/data"):
        assert word not in answer.text


def test_an_answer_of_the_query_api(api: Api) -> None:
    sql = "SELECT {a:String} AS a, toDecimal64(1.5, 2) AS d, nan AS n, now64(3) > 0 AS t, toDate('2026-03-02') AS day"
    found = api.post("/api/v1/query", {"sql": sql, "params": {"a": "x'"}}).json()
    assert set(found) == {"columns", "rows", "elapsed_ms"}
    assert found["columns"] == ["a", "d", "n", "t", "day"]
    assert found["rows"] == [["x'", "1.50", None, 1, "2026-03-02"]]
    assert found["elapsed_ms"] > 0
