"""Dash on FastAPI: which paths exist, who may call them, and what a broken call gets."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

import dashboards
from core import ConfigurationError, Forbidden, ManualClock, Principal, Role, Unauthenticated
from dashboards.backend import PUBLIC_RULES
from dashboards.pages.overview import perform
from tests.browser.served import NOTICE, Server
from tests.browser.standin import NOW, StandIn


def application(standin: StandIn, **options: Any) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None)

    @app.exception_handler(Unauthenticated)
    async def unauthenticated(_request: Request, problem: Unauthenticated) -> JSONResponse:
        return JSONResponse({"title": problem.message}, 401)

    @app.exception_handler(Forbidden)
    async def forbidden(_request: Request, problem: Forbidden) -> JSONResponse:
        return JSONResponse({"title": problem.message}, 403)

    @app.get("/before")
    async def before() -> dict[str, bool]:
        return {"before": True}

    dashboards.mount(app, standin, standin, ManualClock(NOW), options.pop("notice", NOTICE), **options)

    @app.get("/after")
    async def after() -> dict[str, bool]:
        return {"after": True}

    return app


@pytest.fixture
def standin() -> StandIn:
    return StandIn()


@pytest.fixture
def client(standin: StandIn) -> Iterator[httpx.Client]:
    with Server(application(standin)) as server, httpx.Client(base_url=server.url) as found:
        yield found


def refresh_body(client: httpx.Client) -> dict[str, Any]:
    """What the browser sends for the page's one big callback."""
    (callback,) = [one for one in client.get("/_dash-dependencies").json() if "headline.children" in one["output"]]
    outputs = [
        dict(zip(("id", "property"), part.rsplit(".", 1), strict=True))
        for part in callback["output"].strip(".").split("...")
    ]
    return {
        "output": callback["output"],
        "outputs": outputs,
        "inputs": [{**one, "value": None} for one in callback["inputs"]],
        "state": [],
        "changedPropIds": [],
    }


@pytest.mark.parametrize(
    "path",
    ["/nope", "/api/v1/nope", "/_dash-nope", "/assets/nope.css", "/assets/%2e%2e/app.py", "/_dash-ws-callback",
     "/_dash-component-suites/dash/nope.js", "/_dash-component-suites/os/path.py", "/index.html"],
)  # fmt: skip
def test_an_unknown_path_is_not_found(client: httpx.Client, path: str) -> None:
    """Dash's own server would answer these with its page and 200, or with 500."""
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/before", "/after"])
def test_other_routes_keep_working_whenever_they_were_added(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize(("path", "title"), [("/", "opsintel · Overview"), ("/process", "opsintel · Process")])
def test_the_pages_are_served_and_forbid_foreign_hosts(client: httpx.Client, path: str, title: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert client.head(path).status_code == 200
    assert f"<title>{title}</title>" in answer.text
    assert "connect-src 'self'" in answer.headers["content-security-policy"]
    assert '<html lang="en">' in answer.text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//[^"]*', answer.text)


def test_every_script_of_the_page_is_served_from_here(client: httpx.Client) -> None:
    page = client.get("/").text
    paths = re.findall(r'(?:src|href)="(/[^"]+)"', page)
    assert len(paths) > 8
    for path in paths:
        if path != "/docs":
            assert client.get(path).status_code == 200, path


def test_the_notice_is_on_the_page(client: httpx.Client) -> None:
    assert NOTICE in client.get("/_dash-layout").text


def test_scripts_are_compressed_and_not_sent_twice(client: httpx.Client) -> None:
    (path,) = re.findall(r'src="(/_dash-component-suites/dash_ag_grid[^"]+)"', client.get("/").text)
    first = client.get(path)
    assert first.headers["content-encoding"] == "gzip"
    assert int(first.headers["content-length"]) < len(first.content)
    assert client.get(path, headers={"accept-encoding": "identity"}).content == first.content
    again = client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_one_round_trip_reads_everything_for_the_callers_tenant(client: httpx.Client, standin: StandIn) -> None:
    answer = client.post("/_dash-update-component", json=refresh_body(client))
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert "604 open cases" in answer.json()["response"]["headline"]["children"]
    assert standin.seen == ["default"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"not json", "application/json"),
        (b"[]", "application/json"),
        (b"{}", "application/json"),
        (b'{"output": "nope.children"}', "application/json"),
        (b'{"output": {"a": 1}}', "application/json"),
        (b'{"output": "..page-age.children...page-age.className..", "inputs": 3}', "application/json"),
        (b'{"output": "x"}', "text/plain"),
    ],
)
def test_a_broken_callback_call_is_the_callers_fault(client: httpx.Client, content: bytes, kind: str) -> None:
    answer = client.post("/_dash-update-component", content=content, headers={"content-type": kind})
    assert answer.status_code == 400
    assert "detail" in answer.json()


def test_a_callback_call_with_a_missing_input_is_refused(client: httpx.Client) -> None:
    body = refresh_body(client)
    body["inputs"].pop()
    answer = client.post("/_dash-update-component", json=body)
    assert answer.status_code == 400
    assert "entries" in answer.json()["detail"]


@pytest.mark.parametrize("entry", [3, None, "x", {"id": "tick"}, {"property": "n"}, [3]])
def test_a_callback_call_with_a_malformed_input_is_refused(client: httpx.Client, entry: Any) -> None:
    body = refresh_body(client)
    body["inputs"][0] = entry
    assert client.post("/_dash-update-component", json=body).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}],
    ids=["other site", "opaque origin", "browser says so"],
)
def test_another_sites_page_cannot_act_in_the_users_name(client: httpx.Client, headers: dict[str, str]) -> None:
    body = refresh_body(client)
    assert client.post("/_dash-update-component", json=body, headers=headers).status_code == 403
    own = {"origin": str(client.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    assert client.post("/_dash-update-component", json=body, headers=own).status_code == 200


def by_header(request: Request) -> Principal:
    name = request.headers.get("x-user")
    if name is None:
        raise Unauthenticated("no credentials")
    return Principal(name, f"tenant-of-{name}", frozenset({Role.VIEWER}))


def test_every_dash_route_is_behind_the_same_guard(standin: StandIn) -> None:
    """FastAPI's own dependencies do not reach routes that Dash adds; ours must, to each of them."""
    app = application(standin, identify=by_header, notice=None)
    own = {"/before", "/after", "/openapi.json"}
    with Server(app) as server, httpx.Client(base_url=server.url) as client:
        paths = [route.path for route in app.routes if hasattr(route, "methods") and route.path not in own]
        assert "/_dash-update-component" in paths
        for path in paths:
            if path.startswith(PUBLIC_RULES):
                continue
            filled = re.sub(r"\{[^}]+\}", "x", path)
            method = "POST" if path == "/_dash-update-component" else "GET"
            assert client.request(method, filled, json={}).status_code == 401, path


def test_the_tenant_comes_from_the_credentials(standin: StandIn) -> None:
    app = application(standin, identify=by_header, notice=None)
    with Server(app) as server, httpx.Client(base_url=server.url, headers={"x-user": "kim"}) as client:
        assert client.post("/_dash-update-component", json=refresh_body(client)).status_code == 200
    assert standin.seen == ["tenant-of-kim"]


def test_callbacks_are_coroutines(standin: StandIn) -> None:
    """Dash runs a plain function on the event loop, where a slow read would stop the whole service."""
    app = application(standin)
    with Server(app) as server, httpx.Client(base_url=server.url) as client:
        names = [one["output"] for one in client.get("/_dash-dependencies").json()]
    from dash import get_app

    known = get_app().callback_map
    served = [known[name] for name in names if "callback" in known.get(name, {})]
    assert len(served) == 12
    assert all(inspect.iscoroutinefunction(one["callback"]) for one in served)


def test_open_dashboards_must_say_so(standin: StandIn) -> None:
    with pytest.raises(ConfigurationError, match="must say so on every page"):
        application(standin, notice=None)


def test_a_wrong_timezone_is_named(standin: StandIn) -> None:
    with pytest.raises(ConfigurationError, match="got 'Mars/Olympus'"):
        application(standin, timezone="Mars/Olympus")


def test_a_viewer_cannot_pause(standin: StandIn) -> None:
    viewer = Principal("kim", "default", frozenset({Role.VIEWER}))
    result = perform(standin, viewer, {"action": "pause", "target": "e", "key": "k"}, "because")
    assert not result.accepted
    assert "does not hold the role 'operator'" in result.message
    assert standin.calls == []


def test_public_names() -> None:
    assert all(hasattr(dashboards, name) for name in dashboards.__all__)
    assert sorted(dashboards.__all__, key=str.lower) == sorted(set(dashboards.__all__), key=str.lower)
