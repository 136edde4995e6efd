"""The audit chain: who did what, each entry linked to the one before it by a hash.

One chain per tenant, so that a tenant's auditor can check their own without seeing another's. An entry's hash is the
SHA-256 of the canonical JSON of all its fields and of the hash of its predecessor; a changed, removed, inserted or
reordered entry breaks the chain at a place that `verify` names. What it does not promise: the hashes carry no key, so
whoever can write to the database can cut the end off or rewrite everything from some entry on without a trace *in* the
chain. That shows only against an anchor, a `head()` noted elsewhere earlier and handed to `verify`.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from core.clock import Clock
from core.errors import InvalidInput
from storage import StateDb
from storage.state.control_tables import audit_entries

GENESIS = "0" * 64
"""What the first entry of a chain names as its predecessor's hash."""

_FORMAT = 1


@dataclass(frozen=True)
class AuditEntry:
    """One entry. `sequence` counts from 1 within the tenant; `details` is JSON without floats."""

    tenant: str
    sequence: int
    id: str
    at: datetime
    actor: str
    action: str
    subject: str
    details: Mapping[str, Any]
    previous_hash: str
    hash: str


@dataclass(frozen=True)
class AuditHead:
    """The last entry of a tenant's chain; noted somewhere else it is an anchor."""

    tenant: str
    sequence: int
    hash: str


class Problem(StrEnum):
    """What is wrong with an entry."""

    MISSING = "entries are missing before it"
    CONTENT = "its content does not match its hash"
    LINK = "it does not link to the entry before it"
    CUT = "the chain ends before the anchor"
    ANCHOR = "it is not the entry the anchor names"


@dataclass(frozen=True)
class BrokenEntry:
    """The first entry that does not hold: `expected` and `found` are sequence numbers or hashes, whichever differ."""

    tenant: str
    sequence: int
    entry_id: str
    problem: Problem
    expected: str
    found: str

    def __str__(self) -> str:
        name = f"entry {self.sequence} ({self.entry_id})" if self.entry_id else f"entry {self.sequence}"
        return f"tenant {self.tenant!r}, {name}: {self.problem}; expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class AuditReport:
    """What a walk over the chains found: entries read, the first broken one of each broken chain, the heads."""

    entries: int
    broken: tuple[BrokenEntry, ...]
    heads: tuple[AuditHead, ...]

    @property
    def ok(self) -> bool:
        """Whether every chain holds."""
        return not self.broken


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces, the same text for the same value everywhere.

    InvalidInput for a float (its text depends on who writes it) and for what JSON has no word for.
    """
    _refuse_ambiguous(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def entry_hash(
    *,
    tenant: str,
    sequence: int,
    entry_id: str,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    details: str,
    previous_hash: str,
) -> str:
    """The hash of an entry, in hexadecimal; `details` is canonical JSON text, hashed as text."""
    fields = {
        "action": action,
        "actor": actor,
        "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
        "details": details,
        "format": _FORMAT,
        "id": entry_id,
        "previous": previous_hash,
        "sequence": sequence,
        "subject": subject,
        "tenant": tenant,
    }
    return hashlib.sha256(canonical_json(fields).encode()).hexdigest()


class AuditChain:
    """Appends to and checks the chains in the state database."""

    def __init__(self, state: StateDb, clock: Clock, *, new_id: Callable[[], str] = lambda: uuid.uuid4().hex) -> None:
        self._state = state
        self._clock = clock
        self._new_id = new_id

    def append(
        self,
        connection: Connection,
        *,
        tenant: str,
        actor: str,
        action: str,
        subject: str,
        details: Mapping[str, Any],
        at: datetime | None = None,
    ) -> AuditEntry:
        """Writes an entry inside the caller's transaction, so that it stands or falls with what it records.

        Appends to one chain must not run at the same time; `StateDb.begin` sees to it (a second writer waits), and the
        primary key (tenant, sequence) refuses what slips through.
        """
        text = canonical_json(dict(details))
        head = self._head(connection, tenant)
        sequence, previous = (head.sequence + 1, head.hash) if head else (1, GENESIS)
        entry_id, moment = self._new_id(), (at or self._clock.now()).astimezone(UTC)
        digest = entry_hash(
            tenant=tenant,
            sequence=sequence,
            entry_id=entry_id,
            at=moment,
            actor=actor,
            action=action,
            subject=subject,
            details=text,
            previous_hash=previous,
        )
        connection.execute(
            sa.insert(audit_entries).values(
                tenant=tenant,
                sequence=sequence,
                id=entry_id,
                at=moment,
                actor=actor,
                action=action,
                subject=subject,
                details=text,
                previous_hash=previous,
                hash=digest,
            )
        )
        return AuditEntry(
            tenant, sequence, entry_id, moment, actor, action, subject, json.loads(text), previous, digest
        )

    def head(self, tenant: str) -> AuditHead | None:
        """The last entry of the tenant's chain; note it elsewhere to make it an anchor. None for an empty chain."""
        with self._state.connect() as connection:
            return self._head(connection, tenant)

    def entries(self, tenant: str, limit: int = 100) -> list[AuditEntry]:
        """The tenant's latest entries, the newest first."""
        query = (
            sa.select(audit_entries)
            .where(audit_entries.c.tenant == tenant)
            .order_by(audit_entries.c.sequence.desc())
            .limit(limit)
        )
        with self._state.connect() as connection:
            return [_entry(row) for row in connection.execute(query)]

    def verify(self, tenant: str | None = None, anchors: Iterable[AuditHead] = ()) -> AuditReport:
        """Walks one tenant's chain, or all of them, and names the first entry of each that does not hold.

        `anchors` are heads noted earlier: a chain that ends before one, or holds another entry in its place, is broken.
        """
        pinned = {(anchor.tenant, anchor.sequence): anchor.hash for anchor in anchors}
        query = sa.select(audit_entries).order_by(audit_entries.c.tenant, audit_entries.c.sequence)
        if tenant is not None:
            query = query.where(audit_entries.c.tenant == tenant)
            pinned = {key: value for key, value in pinned.items() if key[0] == tenant}
        count = 0
        broken: dict[str, BrokenEntry] = {}
        heads: dict[str, AuditHead] = {}
        with self._state.connect() as connection:
            for row in connection.execution_options(yield_per=1000).execute(query):
                count += 1
                if row.tenant not in broken:
                    problem = _check(row, heads.get(row.tenant), pinned)
                    if problem is not None:
                        broken[row.tenant] = problem
                heads[row.tenant] = AuditHead(row.tenant, row.sequence, row.hash)
        for (name, sequence), expected in sorted(pinned.items()):
            last = heads[name].sequence if name in heads else 0
            if last < sequence and name not in broken:
                broken[name] = BrokenEntry(name, sequence, "", Problem.CUT, expected, f"an end at entry {last}")
        return AuditReport(count, tuple(broken.values()), tuple(heads.values()))

    def _head(self, connection: Connection, tenant: str) -> AuditHead | None:
        row = connection.execute(
            sa.select(audit_entries.c.sequence, audit_entries.c.hash)
            .where(audit_entries.c.tenant == tenant)
            .order_by(audit_entries.c.sequence.desc())
            .limit(1)
        ).one_or_none()
        return AuditHead(tenant, row.sequence, row.hash) if row else None


def _check(row: Row[Any], before: AuditHead | None, pinned: Mapping[tuple[str, int], str]) -> BrokenEntry | None:
    def broken(problem: Problem, expected: str, found: str) -> BrokenEntry:
        return BrokenEntry(row.tenant, row.sequence, row.id, problem, expected, found)

    next_sequence = before.sequence + 1 if before else 1
    if row.sequence != next_sequence:
        return broken(Problem.MISSING, f"entry {next_sequence}", f"entry {row.sequence}")
    digest = entry_hash(
        tenant=row.tenant,
        sequence=row.sequence,
        entry_id=row.id,
        at=row.at,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        details=row.details,
        previous_hash=row.previous_hash,
    )
    if digest != row.hash:
        return broken(Problem.CONTENT, row.hash, digest)
    previous = before.hash if before else GENESIS
    if row.previous_hash != previous:
        return broken(Problem.LINK, previous, row.previous_hash)
    anchor = pinned.get((row.tenant, row.sequence))
    if anchor is not None and anchor != row.hash:
        return broken(Problem.ANCHOR, anchor, row.hash)
    return None


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        row.tenant,
        row.sequence,
        row.id,
        row.at,
        row.actor,
        row.action,
        row.subject,
        json.loads(row.details),
        row.previous_hash,
        row.hash,
    )


def _refuse_ambiguous(value: Any) -> None:
    if isinstance(value, str | bool | int | None):
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise InvalidInput(f"a key of an audit entry must be text, got {key!r}")
            _refuse_ambiguous(inner)
        return
    if isinstance(value, list | tuple):
        for inner in value:
            _refuse_ambiguous(inner)
        return
    raise InvalidInput(f"an audit entry holds text, whole numbers, booleans, lists and maps, got {value!r}")
