"""API keys: made once, shown once, kept as prefix and hash.

A key is `ops_<prefix>_<secret>` with 256 random bits of secret, so a plain SHA-256 is enough to keep. What was read
is remembered for a few seconds: a revoked key works that much longer.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, select, update

from core import LOCAL_ADMIN, Clock, InvalidInput, NotFound, Principal, Role, Unauthenticated
from core.principals import DEFAULT_TENANT
from storage import StateDb
from storage.state.key_tables import API_KEYS

TENANT = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")
REMEMBERED_S = 5.0
COOKIE = "opsintel_key"


@dataclass(frozen=True)
class ApiKey:
    """What is known of a key."""

    prefix: str
    name: str
    tenant: str
    roles: frozenset[Role]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def valid(self, now: datetime) -> bool:
        """Whether it opens anything at this moment."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def _aware(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class ApiKeys:
    """The store of keys."""

    def __init__(self, state: StateDb, clock: Clock) -> None:
        self._state, self._clock = state, clock

    def create(
        self, name: str, roles: Iterable[Role], tenant: str = DEFAULT_TENANT, days: int | None = None
    ) -> tuple[str, ApiKey]:
        """Makes a key and returns it with its record; it cannot be shown again. Raises InvalidInput."""
        if not TENANT.fullmatch(tenant):
            raise InvalidInput(
                f"a tenant's name is 1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or digit, got {tenant!r}"
            )
        held = frozenset(roles)
        if not held:
            raise InvalidInput("a key needs at least one role", hint=f"one of {', '.join(Role)}")
        if days is not None and days < 1:
            raise InvalidInput(f"a key is valid for 1 day or more, got {days}")
        now = self._clock.now()
        prefix = secrets.token_hex(4)
        token = f"ops_{prefix}_{secrets.token_urlsafe(32)}"
        key = ApiKey(prefix, name, tenant, held, now, now + timedelta(days=days) if days else None, None)
        with self._state.begin() as connection:
            connection.execute(
                insert(API_KEYS).values(
                    prefix=prefix,
                    hash=_digest(token),
                    name=name,
                    tenant=tenant,
                    roles=",".join(sorted(held)),
                    created_at=now,
                    expires_at=key.expires_at,
                )
            )
        return token, key

    def list(self) -> list[ApiKey]:
        """Every key that was ever made, the newest first."""
        with self._state.connect() as connection:
            rows = connection.execute(select(API_KEYS).order_by(API_KEYS.c.created_at.desc())).mappings().all()
        return [
            ApiKey(
                row["prefix"],
                row["name"],
                row["tenant"],
                frozenset(Role(role) for role in row["roles"].split(",")),
                _aware(row["created_at"]) or self._clock.now(),
                _aware(row["expires_at"]),
                _aware(row["revoked_at"]),
            )
            for row in rows
        ]

    def revoke(self, prefix: str) -> None:
        """Ends a key; raises NotFound."""
        with self._state.begin() as connection:
            done = connection.execute(
                update(API_KEYS)
                .where(API_KEYS.c.prefix == prefix, API_KEYS.c.revoked_at.is_(None))
                .values(revoked_at=self._clock.now())
            )
        if done.rowcount == 0:
            raise NotFound(f"no key in force has the prefix {prefix!r}")

    def any_made(self) -> bool:
        """Whether there ever was a key, in force or not."""
        with self._state.connect() as connection:
            return connection.execute(select(API_KEYS.c.prefix).limit(1)).first() is not None

    def hashes(self) -> dict[str, tuple[str, ApiKey]]:
        """Prefix to hash and record, of the keys in force."""
        now = self._clock.now()
        with self._state.connect() as connection:
            rows = connection.execute(select(API_KEYS.c.prefix, API_KEYS.c.hash)).all()
        stored = {row.prefix: row.hash for row in rows}
        return {key.prefix: (stored[key.prefix], key) for key in self.list() if key.valid(now)}


class Authenticator:
    """Tells who a request comes from.

    While no key was ever made and everything is bound to loopback, the service is open and everybody is LOCAL_ADMIN.
    It does not fall open again when its last key expires or is revoked.
    """

    def __init__(self, keys: ApiKeys, clock: Clock, *, loopback_only: bool, admin_token: str = "") -> None:
        self._keys, self._clock = keys, clock
        self._loopback_only = loopback_only
        self._admin = _digest(admin_token) if admin_token else ""
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, ApiKey]] = {}
        self._ever = False
        self._read_at = float("-inf")

    def _current(self) -> dict[str, tuple[str, ApiKey]]:
        with self._lock:
            if self._clock.monotonic() - self._read_at > REMEMBERED_S:
                self._known, self._ever = self._keys.hashes(), self._keys.any_made()
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
        return Principal(found[1].name, found[1].tenant, found[1].roles)

    def headers(self, headers: Mapping[str, str]) -> Principal:
        """Who sent these headers (names in lower case); raises Unauthenticated."""
        if self.open:
            return LOCAL_ADMIN
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return self.token(token.strip())
        raise Unauthenticated(
            "credentials are missing", hint="send 'Authorization: Bearer <key>'; `opsintel token create` makes one"
        )
