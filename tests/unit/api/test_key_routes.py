"""`/api/v1/keys` and `/api/v1/limits`: administrators, and of their own tenant alone."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from core import Role
from tests.unit.api.service import Api


def ask(api: Api, method: str, path: str, body: Any = None, key: str = "") -> httpx.Response:
    with api.client(key or api.shop.keys[Role.ADMIN]) as client:
        return client.request(method, f"/api/v1{path}", json=body)


def make(api: Api, **wanted: Any) -> dict[str, Any]:
    answer = ask(api, "POST", "/keys", {"name": "till", "roles": ["ingest"]} | wanted)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def listed(api: Api) -> dict[str, dict[str, Any]]:
    return {one["prefix"]: one for one in ask(api, "GET", "/keys").json()["keys"]}


def test_a_key_is_made_used_rotated_and_revoked(api: Api) -> None:
    made = make(api, expires_in="90d", signals=["traces"], items_per_s=100)
    prefix, token = made["key"]["prefix"], made["token"]
    api.clock.advance(5.001)
    with api.client(token) as client:
        assert client.post("/v1/traces", json={}).status_code == 200
        assert client.post("/v1/logs", json={}).status_code == 403
    rotated = ask(api, "POST", f"/keys/{prefix}/rotate", {"overlap": "1h"}).json()
    assert rotated["token"] != token
    heir = rotated["key"]["prefix"]
    shown = listed(api)
    assert (shown[prefix]["replaced_by"], shown[heir]["replaces"]) == (heir, prefix)
    assert shown[heir]["signals"] == ["traces"]
    assert ask(api, "POST", f"/keys/{prefix}/rotate", {}).status_code == 409
    assert ask(api, "DELETE", f"/keys/{heir}").status_code == 204
    assert listed(api)[heir]["state"] == "revoked"
    api.clock.advance(5.001)
    with api.client(rotated["token"]) as client:
        assert client.post("/v1/traces", json={}).status_code == 401
    assert token not in str(listed(api))


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_others_may_not(api: Api, role: Role) -> None:
    key = api.shop.keys[role]
    for method, path, body in (
        ("GET", "/keys", None),
        ("POST", "/keys", {"name": "x", "roles": ["admin"]}),
        ("POST", "/keys/00000000/rotate", {}),
        ("DELETE", "/keys/00000000", None),
        ("GET", "/limits", None),
    ):
        assert ask(api, method, path, body, key).status_code == 403, path


def test_another_tenants_keys_are_not_there(api: Api) -> None:
    """Neither to see, nor to rotate, nor to revoke; and no key is made for another tenant."""
    theirs = api.other.keys[Role.ADMIN].split("_")[1]
    assert theirs not in listed(api)
    assert ask(api, "POST", f"/keys/{theirs}/rotate", {}).status_code == 404
    assert ask(api, "DELETE", f"/keys/{theirs}").status_code == 404
    made = make(api, tenant=api.other.tenant)
    assert made["key"]["tenant"] == api.shop.tenant


@pytest.mark.parametrize(
    "wrong",
    [{"roles": []}, {"roles": ["king"]}, {"name": ""}, {"expires_in": "soon"}, {"signals": ["x"]}, {"bytes_per_s": -1}],
)
def test_what_makes_no_sense_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    answer = ask(api, "POST", "/keys", {"name": "till", "roles": ["ingest"]} | wrong)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_tenants_limits_are_told(api: Api) -> None:
    found = ask(api, "GET", "/limits").json()
    assert (found["bytes_per_s"], found["items_per_s"], found["weight"], found["blocked"]) == (0, 0, 1, "")
    assert found["memory_bytes"] > 0
