"""API keys: made once, shown once, kept as prefix and hash.

A key is `ops_<prefix>_<secret>` with 256 random bits of secret, so a plain SHA-256 is enough to keep. What was read
is remembered for a few seconds: a revoked key works that much longer. A key may stand for a client certificate
instead; then it has no secret. Every change of a key is in the audit chain of its tenant.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from api.key_usage import KeyUsage
from api.local_names import refuse_other_hosts
from collector.limits import check_rates
from collector.tls import CERTIFICATE_HEADER
from control import AuditChain
from core import LOCAL_ADMIN, Clock, Conflict, InvalidInput, NotFound, Principal, Rates, Role, Unauthenticated
from core.principals import DEFAULT_TENANT
from storage import Signal, StateDb
from storage.state.key_tables import API_KEYS

TENANT = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")
CERTIFICATE = re.compile(r"^(CN|DNS|URI|EMAIL):\S[^\x00-\x1f]{0,290}$")
LONGEST_NAME = 100
REMEMBERED_S = 5.0
COOKIE = "opsintel_key"
COMMAND_LINE = "command line"


@dataclass(frozen=True)
class ApiKey:
    """What is known of a key. `replaces`: the prefix of the key whose rotation made it."""

    prefix: str
    name: str
    tenant: str
    roles: frozenset[Role]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    replaces: str = ""
    last_used_at: datetime | None = field(default=None, compare=False)
    signals: frozenset[str] | None = None
    rates: Rates = field(default_factory=Rates)
    certificate: str = ""

    def valid(self, now: datetime) -> bool:
        """Whether it opens anything at this moment."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def state(self, now: datetime) -> str:
        """In a word."""
        return "in force" if self.valid(now) else ("revoked" if self.revoked_at else "expired")

    @property
    def principal(self) -> Principal:
        """Who holds it."""
        return Principal(self.name, self.tenant, self.roles, self.prefix, self.rates, self.signals)


def _aware(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class ApiKeys:
    """The store of keys. `by` in its methods is who does it, for the audit chain."""

    def __init__(self, state: StateDb, clock: Clock) -> None:
        self._state, self._clock = state, clock
        self._audit = AuditChain(state, clock)

    def create(
        self,
        name: str,
        roles: Iterable[Role],
        tenant: str = DEFAULT_TENANT,
        days: int | None = None,
        *,
        lifetime: timedelta | None = None,
        signals: Iterable[str] | None = None,
        rates: Rates | None = None,
        certificate: str = "",
        by: str = COMMAND_LINE,
    ) -> tuple[str, ApiKey]:
        """Makes a key and returns it with its record; it cannot be shown again. "" for one of a certificate.

        It ends after `days` or `lifetime`, if one is given. Raises InvalidInput, Conflict.
        """
        if not TENANT.fullmatch(tenant):
            raise InvalidInput(
                f"a tenant's name is 1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or digit, got {tenant!r}"
            )
        if not name.strip() or len(name) > LONGEST_NAME:
            raise InvalidInput(f"a key's name has 1 to {LONGEST_NAME} characters, got {name[:120]!r}")
        held = frozenset(roles)
        if not held:
            raise InvalidInput("a key needs at least one role", hint=f"one of {', '.join(Role)}")
        if days is not None and days < 1:
            raise InvalidInput(f"a key is valid for 1 day or more, got {days}")
        if days is not None:
            lifetime = timedelta(days=days)
        limits = rates or Rates()
        check_rates(limits)
        allowed = _signals(signals)
        if certificate and not CERTIFICATE.fullmatch(certificate):
            raise InvalidInput(
                f"{certificate[:100]!r} names no certificate", hint="write CN:, DNS:, URI: or EMAIL: and the name"
            )
        now = self._clock.now()
        until = now + lifetime if lifetime else None
        key = ApiKey(
            secrets.token_hex(4), name, tenant, held, now, until, None,
            signals=allowed, rates=limits, certificate=certificate,
        )  # fmt: skip
        with self._state.begin() as connection:
            if certificate:
                self._refuse_taken(connection, certificate, now)
            token = self._insert(connection, key)
            self._record(connection, by, "key.created", key)
        return token, key

    def rotate(
        self, prefix: str, overlap: timedelta, *, tenant: str | None = None, by: str = COMMAND_LINE
    ) -> tuple[str, ApiKey]:
        """Makes a key like this one; the old one ends after the overlap, or when it would have ended anyway.

        A lifetime is the same again. Raises NotFound; Conflict when it was rotated before or stands for a certificate.
        """
        if overlap < timedelta(0):
            raise InvalidInput("an overlap is not negative")
        now = self._clock.now()
        with self._state.begin() as connection:
            old = self._in_force(connection, prefix, tenant, now)
            if old.certificate:
                raise Conflict(f"the key {prefix} stands for a certificate", hint="renew the certificate")
            successors = connection.execute(select(API_KEYS).where(API_KEYS.c.replaces == prefix)).mappings().all()
            heir = next((one for one in map(_key, successors) if one.valid(now)), None)
            if heir:
                raise Conflict(f"the key {prefix} was replaced by {heir.prefix} already", hint="rotate that one")
            lifetime = old.expires_at - old.created_at if old.expires_at else None
            key = replace(
                old, prefix=secrets.token_hex(4), created_at=now, expires_at=now + lifetime if lifetime else None,
                replaces=prefix, last_used_at=None,
            )  # fmt: skip
            end = min(now + overlap, old.expires_at or datetime.max.replace(tzinfo=UTC))
            connection.execute(update(API_KEYS).where(API_KEYS.c.prefix == prefix).values(expires_at=end))
            token = self._insert(connection, key)
            self._record(connection, by, "key.rotated", key, replaces=prefix, old_until=end.isoformat())
        return token, key

    def list(self, tenant: str | None = None) -> list[ApiKey]:
        """Every key that was ever made, the newest first."""
        query = select(API_KEYS).order_by(API_KEYS.c.created_at.desc(), API_KEYS.c.prefix)
        with self._state.connect() as connection:
            rows = connection.execute(query if tenant is None else query.where(API_KEYS.c.tenant == tenant))
            return [_key(row) for row in rows.mappings().all()]

    def revoke(self, prefix: str, *, tenant: str | None = None, by: str = COMMAND_LINE) -> None:
        """Ends a key; raises NotFound."""
        now = self._clock.now()
        with self._state.begin() as connection:
            row = connection.execute(
                select(API_KEYS).where(API_KEYS.c.prefix == prefix, API_KEYS.c.revoked_at.is_(None))
            ).mappings().first()  # fmt: skip
            if row is None or tenant not in (None, row["tenant"]):
                raise NotFound(f"no key in force has the prefix {prefix!r}")
            connection.execute(update(API_KEYS).where(API_KEYS.c.prefix == prefix).values(revoked_at=now))
            self._record(connection, by, "key.revoked", _key(row))

    def any_made(self) -> bool:
        """Whether there ever was a key, in force or not."""
        with self._state.connect() as connection:
            return connection.execute(select(API_KEYS.c.prefix).limit(1)).first() is not None

    def hashes(self) -> dict[str, tuple[str, ApiKey]]:
        """Prefix to hash and record, of the keys in force."""
        now = self._clock.now()
        with self._state.connect() as connection:
            rows = connection.execute(select(API_KEYS)).mappings().all()
        return {row["prefix"]: (row["hash"], key) for row in rows if (key := _key(row)).valid(now)}

    # --- inside a transaction ---

    def _insert(self, connection: Connection, key: ApiKey) -> str:
        token = "" if key.certificate else f"ops_{key.prefix}_{secrets.token_urlsafe(32)}"
        connection.execute(
            insert(API_KEYS).values(
                prefix=key.prefix,
                hash=_digest(token) if token else "",
                name=key.name,
                tenant=key.tenant,
                roles=",".join(sorted(key.roles)),
                created_at=key.created_at,
                expires_at=key.expires_at,
                replaces=key.replaces or None,
                signals=None if key.signals is None else ",".join(sorted(key.signals)),
                bytes_per_s=key.rates.bytes_per_s,
                items_per_s=key.rates.items_per_s,
                certificate=key.certificate or None,
            )
        )
        return token

    def _in_force(self, connection: Connection, prefix: str, tenant: str | None, now: datetime) -> ApiKey:
        row = connection.execute(select(API_KEYS).where(API_KEYS.c.prefix == prefix)).mappings().first()
        key = _key(row) if row is not None else None
        if key is None or not key.valid(now) or tenant not in (None, key.tenant):
            raise NotFound(f"no key in force has the prefix {prefix!r}")
        return key

    def _refuse_taken(self, connection: Connection, certificate: str, now: datetime) -> None:
        rows = connection.execute(select(API_KEYS).where(API_KEYS.c.certificate == certificate)).mappings().all()
        for key in map(_key, rows):
            if key.valid(now):
                raise Conflict(f"the key {key.prefix} stands for {certificate} already", hint="revoke it first")

    def _record(self, connection: Connection, by: str, action: str, key: ApiKey, **more: str) -> None:
        details = {"name": key.name, "roles": sorted(key.roles), **more}
        self._audit.append(
            connection, tenant=key.tenant, actor=by, action=action, subject=f"key {key.prefix}", details=details
        )


def _signals(names: Iterable[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    found = frozenset(names)
    known = {signal.value for signal in Signal}
    if not found or found - known:
        raise InvalidInput(f"signals are {', '.join(sorted(known))}, got {', '.join(sorted(found)) or 'none'}")
    return found


def _key(row: Mapping[Any, Any]) -> ApiKey:
    return ApiKey(
        row["prefix"],
        row["name"],
        row["tenant"],
        frozenset(Role(role) for role in row["roles"].split(",")),
        _aware(row["created_at"]) or datetime.min.replace(tzinfo=UTC),
        _aware(row["expires_at"]),
        _aware(row["revoked_at"]),
        row["replaces"] or "",
        _aware(row["last_used_at"]),
        None if row["signals"] is None else frozenset(row["signals"].split(",")),
        Rates(row["bytes_per_s"], row["items_per_s"]),
        row["certificate"] or "",
    )


class Authenticator:
    """Tells who a request comes from.

    While no key was ever made and everything is bound to loopback, the service is open and everybody is LOCAL_ADMIN.
    It does not fall open again when its last key expires or is revoked.
    """

    def __init__(
        self, keys: ApiKeys, clock: Clock, *, loopback_only: bool, admin_token: str = "", usage: KeyUsage | None = None
    ) -> None:
        self._keys, self._clock = keys, clock
        self._loopback_only, self._usage = loopback_only, usage
        self._admin = _digest(admin_token) if admin_token else ""
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, ApiKey]] = {}
        self._certificates: dict[str, ApiKey] = {}
        self._ever = False
        self._read_at = float("-inf")

    def _current(self) -> dict[str, tuple[str, ApiKey]]:
        with self._lock:
            if self._clock.monotonic() - self._read_at > REMEMBERED_S:
                self._known, self._ever = self._keys.hashes(), self._keys.any_made()
                self._certificates = {key.certificate: key for _, key in self._known.values() if key.certificate}
                self._read_at = self._clock.monotonic()
            return self._known

    @property
    def credentials_exist(self) -> bool:
        """Whether anybody can authenticate at all."""
        return bool(self._admin or self._current())

    @property
    def open(self) -> bool:
        """Whether requests need no credentials."""
        return self._loopback_only and not self.credentials_exist and not self._ever

    def token(self, token: str) -> Principal:
        """Who holds this key; raises Unauthenticated."""
        digest = _digest(token)
        if self._admin and hmac.compare_digest(digest, self._admin):
            return Principal("administrator", DEFAULT_TENANT, frozenset({Role.ADMIN}))
        parts = token.split("_", 2)
        found = self._current().get(parts[1]) if len(parts) == 3 and parts[0] == "ops" else None
        if found is None or not hmac.compare_digest(digest, found[0]) or not found[1].valid(self._clock.now()):
            raise Unauthenticated("the key is unknown, expired or revoked", hint="ask an administrator for a new one")
        return self._used(found[1])

    def certificate(self, identities: Iterable[str]) -> Principal:
        """Who a verified client certificate stands for; raises Unauthenticated."""
        self._current()
        for identity in identities:
            key = self._certificates.get(identity)
            if key is not None and key.valid(self._clock.now()):
                return self._used(key)
        raise Unauthenticated(
            "the client certificate stands for no key in force",
            hint="`opsintel token create --certificate` makes one, or send 'Authorization: Bearer <key>'",
        )

    def headers(self, headers: Mapping[str, str]) -> Principal:
        """Who sent these headers (names in lower case); raises Unauthenticated, and Forbidden for another's page.

        A bearer token counts before a client certificate.
        """
        if self.open:
            if "host" in headers:  # gRPC has none, and no page can speak it
                refuse_other_hosts(headers["host"])
            return LOCAL_ADMIN
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return self.token(token.strip())
        if not scheme and headers.get(CERTIFICATE_HEADER):
            return self.certificate(headers[CERTIFICATE_HEADER].split("\n"))
        raise Unauthenticated(
            "credentials are missing", hint="send 'Authorization: Bearer <key>'; `opsintel token create` makes one"
        )

    def _used(self, key: ApiKey) -> Principal:
        if self._usage:
            self._usage.note(key.prefix)
        return key.principal
