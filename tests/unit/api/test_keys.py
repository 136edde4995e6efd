"""API keys and the authenticator: what is kept, what opens, and for how long."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from api.composition import Stores, build, make_authenticator
from api.keys import REMEMBERED_S, ApiKeys, Authenticator
from core import (
    LOCAL_ADMIN,
    ConfigurationError,
    InvalidInput,
    ManualClock,
    NotFound,
    Role,
    Settings,
    Unauthenticated,
    load_settings,
)
from storage import ClickHouse, StateDb

ADMIN_TOKEN = "an-administrator's-token-of-32-chars"


@pytest.fixture
def keys(state: StateDb, clock: ManualClock) -> ApiKeys:
    return ApiKeys(state, clock)


@pytest.fixture
def gate(keys: ApiKeys, clock: ManualClock) -> Authenticator:
    return Authenticator(keys, clock, loopback_only=True)


def refuses(gate: Authenticator, token: str) -> bool:
    try:
        gate.token(token)
    except Unauthenticated:
        return True
    return False


def test_a_key_tells_who_holds_it(keys: ApiKeys, gate: Authenticator) -> None:
    token, key = keys.create("till 7", [Role.INGEST, Role.VIEWER], "north")
    principal = gate.token(token)
    assert (principal.name, principal.tenant, principal.roles) == ("till 7", "north", {Role.INGEST, Role.VIEWER})
    assert keys.list() == [key]


def test_only_prefix_and_hash_are_kept(keys: ApiKeys, state: StateDb, settings: Settings) -> None:
    token, key = keys.create("till 7", [Role.INGEST])
    secret = token.split("_", 2)[2]
    assert token == f"ops_{key.prefix}_{secret}"
    assert len(secret) >= 43  # 256 bits
    with state.connect() as connection:
        rows = connection.execute(text("SELECT * FROM api_keys")).all()
    assert secret not in str(rows)
    state.close()
    for file in settings.data_dir.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file


def test_no_two_keys_are_alike(keys: ApiKeys) -> None:
    assert len({keys.create("x", [Role.VIEWER])[0] for _ in range(20)}) == 20


@pytest.mark.parametrize("tenant", ["", "North", "a b", "-a", "a" * 65, "a'b", "a\n", "ü", "../x"])
def test_a_tenants_name_is_plain(keys: ApiKeys, tenant: str) -> None:
    with pytest.raises(InvalidInput, match="tenant"):
        keys.create("x", [Role.VIEWER], tenant)


def test_a_key_needs_a_role_and_a_day(keys: ApiKeys) -> None:
    with pytest.raises(InvalidInput, match="role"):
        keys.create("x", [])
    with pytest.raises(InvalidInput, match="1 day"):
        keys.create("x", [Role.VIEWER], days=0)
    assert keys.list() == []


def test_a_key_expires_to_the_second(keys: ApiKeys, gate: Authenticator, clock: ManualClock) -> None:
    """Without regard to what is remembered."""
    token, _ = keys.create("x", [Role.VIEWER], days=1)
    clock.advance(86_399)
    assert gate.token(token).name == "x"
    clock.advance(1)
    assert refuses(gate, token)


def test_a_revoked_key_works_five_seconds_more_at_most(keys: ApiKeys, gate: Authenticator, clock: ManualClock) -> None:
    token, key = keys.create("x", [Role.VIEWER])
    other, _ = keys.create("y", [Role.VIEWER])
    assert gate.token(token).name == "x"
    keys.revoke(key.prefix)
    assert keys.list()[0].revoked_at or keys.list()[1].revoked_at
    assert gate.token(token).name == "x"
    assert REMEMBERED_S == 5
    clock.advance(5.001)
    assert refuses(gate, token)
    assert gate.token(other).name == "y"


def test_a_new_key_works_within_five_seconds(keys: ApiKeys, gate: Authenticator, clock: ManualClock) -> None:
    assert gate.open
    token, _ = keys.create("x", [Role.VIEWER])
    clock.advance(5.001)
    assert not gate.open
    assert gate.token(token).name == "x"


def test_a_key_is_revoked_once(keys: ApiKeys) -> None:
    _, key = keys.create("x", [Role.VIEWER])
    keys.revoke(key.prefix)
    for prefix in (key.prefix, "nope", "", "%"):
        with pytest.raises(NotFound):
            keys.revoke(prefix)


def test_the_secret_is_compared_not_the_prefix(keys: ApiKeys, gate: Authenticator) -> None:
    token, key = keys.create("x", [Role.VIEWER])
    wrong = [f"ops_{key.prefix}_", f"ops_{key.prefix}", key.prefix, token[:-1], token + "x", token.upper(), f" {token}",
             token.replace("ops_", "OPS_"), f"ops__{token}", f"_{token}", "", "ops", "ops__", "ops___"]  # fmt: skip
    assert [one for one in wrong if not refuses(gate, one)] == []


@given(token=st.text(max_size=80) | st.text(max_size=60).map(lambda rest: f"ops_{rest}"))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_made_up_token_opens_or_crashes(gate: Authenticator, token: str) -> None:
    assert refuses(gate, token)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic {token}", "{token}", "Bearer{token}", "Bearer x {token}"]
)
def test_a_header_that_is_no_bearer_token_is_refused(keys: ApiKeys, gate: Authenticator, header: str) -> None:
    token, _ = keys.create("x", [Role.VIEWER])
    with pytest.raises(Unauthenticated):
        gate.headers({"authorization": header.format(token=token)})


@pytest.mark.parametrize("header", ["Bearer {token}", "bearer {token}", "BEARER   {token} "])
def test_a_bearer_token_is_taken(keys: ApiKeys, gate: Authenticator, header: str) -> None:
    token, _ = keys.create("x", [Role.VIEWER])
    assert gate.headers({"authorization": header.format(token=token)}).name == "x"


def test_without_keys_everybody_on_this_machine_is_the_administrator(gate: Authenticator) -> None:
    assert gate.open
    assert gate.headers({}) == LOCAL_ADMIN
    assert gate.headers({"authorization": "Bearer nonsense"}) == LOCAL_ADMIN


@pytest.mark.parametrize("end", ["expires", "is revoked"])
def test_the_service_does_not_fall_open_when_its_last_key_ends(
    keys: ApiKeys, gate: Authenticator, clock: ManualClock, end: str
) -> None:
    _, key = keys.create("x", [Role.ADMIN], days=1)
    if end == "is revoked":
        keys.revoke(key.prefix)
    clock.advance(86_400)
    assert not gate.open
    with pytest.raises(Unauthenticated):
        gate.headers({})


def test_the_administrators_token_closes_and_opens(keys: ApiKeys, clock: ManualClock) -> None:
    gate = Authenticator(keys, clock, loopback_only=True, admin_token=ADMIN_TOKEN)
    assert not gate.open
    assert gate.token(ADMIN_TOKEN).has(Role.APPROVER)
    assert refuses(gate, ADMIN_TOKEN[:-1])
    assert refuses(gate, "")


# --- starting ---


def beyond(tmp_path: Path, **more: str) -> Settings:
    return load_settings(data_dir=tmp_path / "data", http_host="0.0.0.0", **more)


def test_beyond_this_machine_it_does_not_start_without_credentials(
    tmp_path: Path, state: StateDb, clock: ManualClock
) -> None:
    with pytest.raises(ConfigurationError, match=r"0\.0\.0\.0") as refusal:
        make_authenticator(beyond(tmp_path), state, clock)
    assert "opsintel token create" in refusal.value.hint


def test_the_receivers_address_counts_too(tmp_path: Path, state: StateDb, clock: ManualClock) -> None:
    with pytest.raises(ConfigurationError):
        make_authenticator(load_settings(data_dir=tmp_path / "data", otlp_host="0.0.0.0"), state, clock)


def test_a_key_that_has_ended_is_no_credential(tmp_path: Path, state: StateDb, clock: ManualClock) -> None:
    ApiKeys(state, clock).create("x", [Role.ADMIN], days=1)
    make_authenticator(beyond(tmp_path), state, clock)
    clock.advance(86_400)
    with pytest.raises(ConfigurationError):
        make_authenticator(beyond(tmp_path), state, clock)


def test_the_administrators_token_is_a_credential(tmp_path: Path, state: StateDb, clock: ManualClock) -> None:
    assert not make_authenticator(beyond(tmp_path, admin_token=ADMIN_TOKEN), state, clock).open


def test_the_composition_asks_before_anything_starts(
    tmp_path: Path, clickhouse: ClickHouse, state: StateDb, clock: ManualClock
) -> None:
    with pytest.raises(ConfigurationError, match="without any credentials"):
        build(Stores(beyond(tmp_path), clickhouse, state), clock)
