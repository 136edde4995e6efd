"""A key's life: what it may, how it is replaced, who used it when; and the open service's own name."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.durations import parse_duration
from api.key_usage import KeyUsage
from api.keys import ApiKeys, Authenticator
from collector.tls import CERTIFICATE_HEADER
from control import AuditChain
from core import Conflict, Forbidden, InvalidInput, ManualClock, NotFound, Rates, Role, Unauthenticated
from storage import StateDb

DAY = timedelta(days=1)


@pytest.fixture
def keys(state: StateDb, clock: ManualClock) -> ApiKeys:
    return ApiKeys(state, clock)


@pytest.fixture
def usage(state: StateDb, clock: ManualClock) -> KeyUsage:
    return KeyUsage(state, clock)


@pytest.fixture
def gate(keys: ApiKeys, clock: ManualClock, usage: KeyUsage) -> Authenticator:
    return Authenticator(keys, clock, loopback_only=True, usage=usage)


def opens(gate: Authenticator, token: str) -> bool:
    try:
        gate.token(token)
    except Unauthenticated:
        return False
    return True


# --- rotation ---


def test_both_keys_work_until_the_overlap_ends(keys: ApiKeys, gate: Authenticator, clock: ManualClock) -> None:
    old, first = keys.create("till", [Role.INGEST], "north", signals=["traces"], rates=Rates(10, 20))
    new, second = keys.rotate(first.prefix, timedelta(hours=24))
    clock.advance(86_399)
    assert opens(gate, old)
    assert opens(gate, new)
    clock.advance(1)
    assert not opens(gate, old)
    assert opens(gate, new)
    assert second.replaces == first.prefix
    mine, his = gate.token(new), first.principal
    assert (mine.name, mine.tenant, mine.roles, mine.signals, mine.rates) == (
        his.name, his.tenant, his.roles, his.signals, his.rates)  # fmt: skip


def test_without_an_overlap_the_old_key_ends_at_once(keys: ApiKeys, gate: Authenticator, clock: ManualClock) -> None:
    old, key = keys.create("till", [Role.INGEST])
    assert opens(gate, old)
    keys.rotate(key.prefix, timedelta(0))
    clock.advance(5.001)
    assert not opens(gate, old)


def test_a_rotation_lengthens_no_life(keys: ApiKeys, gate: Authenticator, clock: ManualClock) -> None:
    """The old key ends when it would have; the new one lives as long as the old was made to."""
    old, key = keys.create("till", [Role.INGEST], lifetime=DAY)
    clock.advance(80_000)
    new, heir = keys.rotate(key.prefix, 10 * DAY)
    assert heir.expires_at == clock.now() + DAY
    clock.advance(6_400)
    assert not opens(gate, old)
    assert opens(gate, new)


def test_a_key_has_one_heir(keys: ApiKeys, clock: ManualClock) -> None:
    """Another only when that one has ended."""
    _, key = keys.create("till", [Role.INGEST])
    _, heir = keys.rotate(key.prefix, DAY)
    with pytest.raises(Conflict, match=heir.prefix):
        keys.rotate(key.prefix, DAY)
    keys.revoke(heir.prefix)
    keys.rotate(key.prefix, DAY)


@pytest.mark.parametrize("end", ["expired", "revoked", "unknown", "another tenant's"])
def test_only_a_key_in_force_is_rotated(keys: ApiKeys, clock: ManualClock, end: str) -> None:
    _, key = keys.create("till", [Role.INGEST], "north", lifetime=DAY)
    prefix, tenant = key.prefix, "north"
    match end:
        case "expired":
            clock.advance(86_400)
        case "revoked":
            keys.revoke(prefix)
        case "unknown":
            prefix = "00000000"
        case _:
            tenant = "south"
    with pytest.raises(NotFound):
        keys.rotate(prefix, DAY, tenant=tenant)
    assert len(keys.list()) == 1


def test_every_change_is_in_the_audit_chain(keys: ApiKeys, state: StateDb, clock: ManualClock) -> None:
    """Of the key's tenant, with who did it, and without the secret."""
    token, key = keys.create("till", [Role.INGEST], "north", by="ada")
    new, heir = keys.rotate(key.prefix, DAY, by="ben")
    keys.revoke(heir.prefix, by="cid")
    chain = AuditChain(state, clock)
    assert chain.verify().ok
    entries = chain.entries("north")
    assert [(one.actor, one.action, one.subject) for one in reversed(entries)] == [
        ("ada", "key.created", f"key {key.prefix}"),
        ("ben", "key.rotated", f"key {heir.prefix}"),
        ("cid", "key.revoked", f"key {heir.prefix}"),
    ]
    for secret in (token, new):
        assert secret.split("_", 2)[2] not in str(entries)


# --- what it may ---


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"signals": []}, "signals are"),
        ({"signals": ["spans"]}, "spans"),
        ({"rates": Rates(-1, None)}, "0 .no limit. or more"),
        ({"rates": Rates(None, float("nan"))}, "items"),
        ({"certificate": "till.example"}, "CN:"),
        ({"certificate": "DNS:"}, "CN:"),
        ({"certificate": "DNS:a\nDNS:b"}, "CN:"),
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
    ],
)
def test_what_makes_no_sense_makes_no_key(keys: ApiKeys, wrong: dict[str, object], said: str) -> None:
    given_: dict[str, object] = {"name": "till", "roles": [Role.INGEST]} | wrong
    with pytest.raises(InvalidInput, match=said):
        keys.create(**given_)  # type: ignore[arg-type]
    assert keys.list() == []


# --- certificates ---


def test_a_certificate_stands_for_a_key(keys: ApiKeys, gate: Authenticator, clock: ManualClock) -> None:
    """It has no secret; it is revoked, limited and expires like any other."""
    token, key = keys.create("till", [Role.INGEST], "north", certificate="DNS:till.example")
    assert token == ""
    shown = {CERTIFICATE_HEADER: "CN:till 7\nDNS:till.example"}
    assert gate.headers(shown).tenant == "north"
    for other in ({}, {CERTIFICATE_HEADER: ""}, {CERTIFICATE_HEADER: "CN:DNS:till.example"}):
        with pytest.raises(Unauthenticated):
            gate.headers(other)
    with pytest.raises(Unauthenticated):
        gate.token(f"ops_{key.prefix}_")
    with pytest.raises(Conflict):
        keys.create("again", [Role.INGEST], certificate="DNS:till.example")
    with pytest.raises(Conflict, match="renew the certificate"):
        keys.rotate(key.prefix, DAY)
    keys.revoke(key.prefix)
    clock.advance(5.001)
    with pytest.raises(Unauthenticated):
        gate.headers(shown)


def test_a_token_counts_before_a_certificate(keys: ApiKeys, gate: Authenticator) -> None:
    """Also a wrong one: nobody falls back to another identity in silence."""
    keys.create("till", [Role.INGEST], "north", certificate="DNS:till.example")
    token, _ = keys.create("ops", [Role.ADMIN], "south")
    shown = {CERTIFICATE_HEADER: "DNS:till.example"}
    assert gate.headers(shown | {"authorization": f"Bearer {token}"}).tenant == "south"
    with pytest.raises(Unauthenticated):
        gate.headers(shown | {"authorization": "Bearer nonsense"})


# --- use ---


def test_the_last_use_is_written_rarely_and_never_steps_back(
    keys: ApiKeys, gate: Authenticator, usage: KeyUsage, clock: ManualClock
) -> None:
    token, key = keys.create("till", [Role.INGEST])
    keys.create("idle", [Role.INGEST])
    for _ in range(3):
        clock.advance(10)
        gate.token(token)
    assert all(one.last_used_at is None for one in keys.list())
    usage.write()
    used = {one.name: one.last_used_at for one in keys.list()}
    assert used == {"till": clock.now(), "idle": None}
    late = KeyUsage(usage._state, ManualClock(clock.now() - DAY))
    late.note(key.prefix)
    late.write()
    assert {one.name: one.last_used_at for one in keys.list()} == used


# --- the open service ---


@pytest.mark.parametrize("host", ["127.0.0.1:4318", "localhost", "[::1]:4318", "127.9.9.9"])
def test_an_open_service_answers_to_this_machines_name(gate: Authenticator, host: str) -> None:
    assert gate.headers({"host": host}).has(Role.INGEST)


@pytest.mark.parametrize("host", ["", "evil.example:4318", "127.0.0.1.evil.example", "[", "10.0.0.1"])
def test_an_open_service_does_not_answer_to_another_name(gate: Authenticator, host: str) -> None:
    """A stranger's page may have had its own name point at this machine."""
    with pytest.raises(Forbidden):
        gate.headers({"host": host})


# --- durations ---


@pytest.mark.parametrize(
    ("text", "seconds"), [("90d", 7_776_000), ("12h", 43_200), ("1d12h", 129_600), (" 2W ", 1_209_600), ("45s", 45)]
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "0s", "12", "h", "1.5h", "-1d", "1y", "99999d", "1d 2h", "٣d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidInput, match="duration"):
        parse_duration(text)


@given(st.text(max_size=20))
def test_no_text_crashes_it(text: str) -> None:
    with contextlib.suppress(InvalidInput):
        assert parse_duration(text) >= timedelta(seconds=1)
