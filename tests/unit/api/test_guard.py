"""Who gets in, by which door, and what one tenant learns of another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.routing import BaseRoute, Mount

from api.keys import COOKIE
from api.routes.pages import LOGIN_BYTES
from core import Role
from tests.unit.api.service import Api, events, spans

PUBLIC = {"/healthz", "/readyz", "/login"}
PUBLIC_FILES = ("/static/", "/_dash-component-suites/", "/assets")
TRACE = "0123456789abcdef0123456789abcdef"


def doors(api: Api) -> list[tuple[str, str]]:
    """Method and path of every route, with something in place of each parameter."""
    from api.app import create_app  # a second application on the same services: the same routes

    found = list(_doors(create_app(api.services).routes))
    assert len(found) > 30
    return sorted(set(found))


def _doors(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    for route in routes:
        if isinstance(route, Mount):
            yield ("GET", f"{route.path}/nothing")
            continue
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        if inner:
            yield from _doors(inner)
            continue
        path = re.sub(r"\{trace_id\}", TRACE, getattr(route, "path", "/"))
        path = re.sub(r"\{[^}]+\}", "something", path)
        for method in getattr(route, "methods", None) or {"GET"}:
            yield (method, path)


def is_public(path: str) -> bool:
    return path in PUBLIC or path.startswith(PUBLIC_FILES)


def test_every_door_but_the_public_ones_is_closed(api: Api) -> None:
    found = doors(api)
    for wanted in (
        "/",
        "/_dash-layout",
        "/_dash-update-component",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/api/v1/query",
    ):
        assert wanted in {path for _, path in found}
    with api.client() as client:
        for method, path in found:
            answer = client.request(method, path)
            if (method, path) == ("POST", "/login"):
                assert answer.headers["content-type"].startswith("text/html")
            elif is_public(path):
                assert answer.status_code not in (401, 403, 500), (method, path)
            elif path.startswith("/v1/"):
                assert answer.status_code in (401, 404), (method, path)
            else:
                assert answer.status_code == 401, (method, path)
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert method == "HEAD" or answer.json()["status"] == 401


@pytest.mark.parametrize(
    "path",
    ["/static/../api/v1/ledger", "/static/%2e%2e/api/v1/ledger", "/v1/../api/v1/ledger", "/assets/..%2fapi/v1/ledger",
     "//api/v1/ledger", "/API/v1/ledger", "/api/v1/ledger/", "/healthz/../api/v1/ledger", "/login/x", "/v1",
     "/V1/traces", "/healthz%2f..%2fapi%2fv1%2fledger", "/static/swagger/../../../api/keys.py",
     "/static/swagger/%2e%2e/__init__.py", "/api/v1/ledger;/healthz", "/api/v1/ledger?/healthz",
     "/_dash-component-suites/../api/v1/ledger"],
)  # fmt: skip
def test_no_spelling_of_a_path_gets_past_the_guard(api: Api, path: str) -> None:
    with httpx.Client(verify=False) as client:
        request = client.build_request("GET", api.url)
        request.url = httpx.URL(api.url).copy_with(raw_path=path.encode())
        answer = client.send(request)
    assert answer.status_code in (401, 404), path
    assert "signals" not in answer.text


def test_a_browser_is_led_to_the_sign_in_page(api: Api) -> None:
    with api.client(headers={"Accept": "text/html,*/*"}) as client:
        for path in ("/", "/docs", "/unknown"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/login"), path
        assert client.post("/_dash-update-component", json={}).status_code == 401
        assert 'name="key"' in client.get("/login").text


@pytest.mark.parametrize("key", ["nonsense", "ops_00000000_x", "ops_", "Bearer x", "é".encode().decode("latin-1")])
def test_a_wrong_key_is_refused_without_repeating_it(api: Api, key: str) -> None:
    with api.client(headers={"Authorization": f"Bearer {key}".encode("latin-1")}) as client:  # type: ignore[dict-item]
        answer = client.get("/api/v1/ledger")
    assert answer.status_code == 401
    assert "nonsense" not in answer.text


# --- roles ---

READS = ["ledger", f"traces/{TRACE}", "queues", "integrations", "kpis", "kpis/fill_rate/series", "processes",
         "processes/x/summary", "processes/waiting", "processes/x/map", "processes/x/cases/y", "processes/bottlenecks",
         "processes/risk", "alerts", "control/targets", "control/commands"]  # fmt: skip


def test_a_key_for_pushing_reads_nothing(api: Api) -> None:
    for path in [f"/api/v1/{read}" for read in READS] + ["/api/v1/audit", "/metrics", "/", "/_dash-layout",
                                                         "/_dash-dependencies"]:  # fmt: skip
        answer = api.get(path, Role.INGEST)
        assert answer.status_code == 403, path
        assert answer.headers["content-type"] == "application/problem+json"
    assert api.post("/_dash-update-component", {}, Role.INGEST).status_code == 403


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_administrators_query(api: Api, role: Role) -> None:
    answer = api.post("/api/v1/query", {"sql": "SELECT 1"}, role)
    assert answer.status_code == 403
    assert "admin" in answer.json()["detail"]


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.ADMIN, Role.INGEST)])
def test_who_may_see_may_not_push(api: Api, role: Role) -> None:
    answer = api.post("/v1/traces", spans(api.shop), role)
    assert answer.status_code == 403
    assert answer.json()["code"] == 7  # OTLP's own shape


def test_only_operators_act(api: Api) -> None:
    body = {"target": f"edge-{api.shop.mark}", "action": "pause", "reason": "x"}
    for role in (Role.VIEWER, Role.INGEST, Role.APPROVER, Role.AUDITOR):
        answer = api.post("/api/v1/control/commands", body, role, {"Idempotency-Key": f"no {role}"})
        assert answer.status_code == 403, role
    entries = api.get("/api/v1/audit", Role.AUDITOR).json()["entries"]
    assert entries[0]["action"] == "control.denied"


# --- the other tenant ---


def bodies(api: Api) -> dict[str, Any]:
    """What is sent where a body is needed, aimed at the other tenant's things."""
    marked = {"t": api.other.tenant}
    sql = "SELECT * FROM case_index WHERE TenantId = {t:String} OR 1"
    return {
        "/api/v1/query": {"sql": sql, "params": marked},
        "/api/v1/control/commands": {"target": f"edge-{api.other.mark}", "action": "pause", "reason": "x"},
    }


def test_no_door_shows_anything_of_another_tenant(api: Api) -> None:
    """An administrator of one tenant tries every route, by the other's ids."""
    own, theirs = api.shop, api.other
    headers = {"Idempotency-Key": "walk"}
    with api.client(own.keys[Role.ADMIN], headers) as client, api.client(theirs.keys[Role.ADMIN], headers) as them:
        shown = 0
        for method, path in doors(api):
            if path == "/logout" or path.startswith(PUBLIC_FILES):
                continue
            for something in ("integration_failure_rate", f"stream-{theirs.mark}"):
                aimed = path.replace(TRACE, theirs.trace_id).replace("something", something)
                body = bodies(api).get(path, {})
                answer = client.request(method, aimed, json=body if method == "POST" else None)
                said, stream = answer.text.replace(aimed, ""), f"stream-{theirs.mark}"
                for echo in (f"'{stream}'", f"'{stream}/{stream}'", f"'edge-{theirs.mark}'"):
                    said = said.replace(echo, "")  # a refusal says what was asked for
                assert theirs.mark not in said, (method, aimed)
                assert theirs.trace_id not in answer.text.replace(aimed, "") or answer.status_code == 404, (
                    method,
                    aimed,
                )
                assert theirs.tenant not in answer.text.replace(theirs.mark, ""), (method, aimed)
                if method == "GET":
                    shown += theirs.mark in them.get(aimed).text
    assert shown >= 9, "the walk must be able to fail: their own key shows their data on these routes"


def refresh(client: httpx.Client) -> httpx.Response:
    """What the browser sends for the page's one big callback."""
    (callback,) = [one for one in client.get("/_dash-dependencies").json() if "headline.children" in one["output"]]
    parts = callback["output"].strip(".").split("...")
    body = {
        "output": callback["output"],
        "outputs": [dict(zip(("id", "property"), part.rsplit(".", 1), strict=True)) for part in parts],
        "inputs": [{**one, "value": None} for one in callback["inputs"]],
        "state": [],
        "changedPropIds": [],
    }
    return client.post("/_dash-update-component", json=body)


def test_the_dashboard_shows_the_callers_tenant_alone(api: Api) -> None:
    for one, another in ((api.shop, api.other), (api.other, api.shop)):
        with api.client(one.keys[Role.VIEWER]) as client:
            answer = refresh(client)
        assert answer.status_code == 200
        assert one.mark in answer.text
        assert another.mark not in answer.text


def test_the_tenant_comes_from_the_key_not_from_what_is_sent(api: Api) -> None:
    stolen = spans(api.other)
    for attribute in ("TenantId", "tenant", "tenant.id"):
        stolen["resourceSpans"][0]["resource"]["attributes"].append(
            {"key": attribute, "value": {"stringValue": api.other.tenant}}
        )
    path, claim = (
        f"/api/v1/traces/{api.other.trace_id}",
        {"X-Tenant": api.other.tenant, "X-Scope-OrgID": api.other.tenant},
    )
    with api.client(api.other.keys[Role.VIEWER]) as client:
        before = client.get(path).json()
    with api.client(api.shop.keys[Role.INGEST], claim) as client:
        assert client.post("/v1/traces", json=stolen).status_code == 200
    assert api.services.collector.flush()
    with api.client(api.other.keys[Role.VIEWER], {"X-Tenant": api.shop.tenant}) as client:
        assert client.get(path).json() == before


# --- the browser ---


def test_signing_in_works_from_end_to_end(api: Api) -> None:
    key = api.shop.keys[Role.VIEWER]
    with api.client() as browser:
        answer = browser.post("/login", data={"key": f" {key} "})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{COOKIE}=")
        for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=28800"):
            assert part in cookie
        assert browser.get("/").status_code == 200
        assert browser.get("/api/v1/ledger").status_code == 200
        assert api.shop.mark in refresh(browser).text
        assert browser.post("/logout").status_code == 303
        assert browser.get("/api/v1/ledger").status_code == 401


def test_a_wrong_key_does_not_sign_in(api: Api) -> None:
    with api.client() as browser:
        for body in ({"key": "<script>alert(1)</script>"}, {}, {"key": ""}, {"other": "x"}):
            answer = browser.post("/login", data=body)
            assert answer.status_code == 401
            assert 'role="alert"' in answer.text
            assert "<script>" not in answer.text
            assert "set-cookie" not in answer.headers


def test_the_sign_in_page_does_not_read_without_end(api: Api) -> None:
    with api.client() as browser:
        assert browser.post("/login", content=b"key=" + b"x" * LOGIN_BYTES).status_code == 413


def test_a_cookie_of_another_application_does_not_sign_out(api: Api) -> None:
    """Cookies of localhost are shared by all its ports, and some are not as the standard library likes them."""
    key = api.shop.keys[Role.VIEWER]
    own = f"{COOKIE}={key}"
    for cookies in (f'a={{"b": 1}}; {own}', f"a b=c; {own}", f"{own}; x[y]=z", f";;={COOKIE}; {own}"):
        with api.client(headers={"Cookie": cookies}) as browser:
            assert browser.get("/api/v1/ledger").status_code == 200, cookies


def test_a_wrong_cookie_is_refused_and_a_header_wins(api: Api) -> None:
    key = api.shop.keys[Role.VIEWER]
    with api.client(headers={"Cookie": f"{COOKIE}=ops_00000000_x"}) as browser:
        assert browser.get("/api/v1/ledger").status_code == 401
    with api.client("nonsense", {"Cookie": f"{COOKIE}={key}"}) as browser:
        assert browser.get("/api/v1/ledger").status_code == 401


FOREIGN = [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "https://127.0.0.1"},
           {"Origin": "http://["}, {"Origin": "{url}.evil.example"}, {"Origin": "{url}@evil.example"},
           {"Sec-Fetch-Site": "cross-site"}]  # fmt: skip


@pytest.mark.parametrize("headers", FOREIGN, ids=[str(one) for one in FOREIGN])
@pytest.mark.parametrize("path", ["/api/v1/query", "/_dash-update-component", "/login", "/logout", "/nope"])
def test_another_sites_page_changes_nothing(api: Api, headers: dict[str, str], path: str) -> None:
    headers = {name: value.format(url=api.url) for name, value in headers.items()}
    with api.client(api.shop.keys[Role.ADMIN], headers) as browser:
        answer = browser.post(path, json={"sql": "SELECT 1"})
        assert answer.status_code == 403, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


def test_the_own_page_may_act(api: Api) -> None:
    with api.client(api.shop.keys[Role.ADMIN], {"Origin": api.url, "Sec-Fetch-Site": "same-origin"}) as browser:
        assert browser.post("/api/v1/query", json={"sql": "SELECT 1"}).json()["rows"] == [[1]]


# --- open to this machine ---


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:8080", "LOCALHOST", "[::1]:8080", "127.0.0.2:1"])
def test_an_open_service_answers_to_this_machines_names(open_api: Api, host: str) -> None:
    with open_api.client(headers={"Host": host}) as client:
        for path in ("/api/v1/ledger", "/", "/metrics", "/openapi.json"):
            assert client.get(path).status_code == 200, path


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:8080", "127.0.0.1@evil.example",
     "10.0.0.1", "0.0.0.0", "[", "", "testserver", "evil.example#localhost", "2130706433", "[::ffff:10.0.0.1]"],
)  # fmt: skip
def test_an_open_service_answers_to_no_other_name(open_api: Api, host: str) -> None:
    """A page whose name was bound to 127.0.0.1 would be of the same origin as the service."""
    with open_api.client(headers={"Host": host}) as client:
        for path in ("/api/v1/ledger", "/", "/_dash-layout", "/metrics", "/openapi.json", "/docs"):
            assert client.get(path).status_code in (400, 403), path
        body = {"sql": "SELECT 1"}
        assert client.post("/api/v1/query", json=body, headers={"Origin": f"http://{host}"}).status_code in (400, 403)


def test_an_open_service_refuses_other_sites(open_api: Api) -> None:
    with open_api.client(headers={"Origin": "http://evil.example"}) as client:
        assert client.post("/api/v1/query", json={"sql": "SELECT 1"}).status_code == 403
        assert client.post("/_dash-update-component", json={}).status_code == 403


def test_an_open_service_says_so_on_the_page(open_api: Api, api: Api) -> None:
    with open_api.client() as client:
        assert "Open to everybody on this machine" in client.get("/_dash-layout").text
    assert "Open to everybody" not in api.get("/_dash-layout").text


def test_an_open_service_takes_telemetry_and_queries(open_api: Api) -> None:
    with open_api.client() as client:
        assert client.post("/v1/logs", json=events(open_api.shop)).status_code == 200
        assert client.post("/api/v1/query", json={"sql": "SELECT 1 AS one"}).json()["columns"] == ["one"]
