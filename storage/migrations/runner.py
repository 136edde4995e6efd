"""Brings a database to the newest schema: up, status, dry run, one at a time.

What was applied stands in `schema_migrations`. Operations may be repeated, so a run that was killed is run again. On a
server a lock table keeps two nodes from migrating at once; the embedded engine has one owner process anyway.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
import secrets
from dataclasses import dataclass

import storage.migrations
from core.errors import Conflict
from storage.clickhouse.client import ClickHouse
from storage.migrations.operations import SINGLE_NODE, Migration, Topology

_LEDGER = (
    "CREATE TABLE IF NOT EXISTS schema_migrations (number UInt32, name String, checksum String, "
    "applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')) ENGINE = ReplacingMergeTree ORDER BY number"
)
_LOCK = "schema_migrations_lock"


@dataclass(frozen=True)
class MigrationStatus:
    """One migration and whether it stands; `changed` says that its text differs from what was applied."""

    number: int
    name: str
    why: str
    blocking: bool
    applied: bool
    changed: bool


def all_migrations() -> tuple[Migration, ...]:
    """Every migration of this release, by number."""
    names = [module.name for module in pkgutil.iter_modules(storage.migrations.__path__) if module.name[:2] == "m0"]
    found = [importlib.import_module(f"storage.migrations.{name}").MIGRATION for name in sorted(names)]
    return tuple(sorted(found, key=lambda migration: int(migration.number)))


def checksum(migration: Migration) -> str:
    """Names a migration's text on a single node."""
    text = "\n;\n".join(operation.sql(SINGLE_NODE) for operation in migration.operations)
    return hashlib.sha256(text.encode()).hexdigest()


def migration_status(ch: ClickHouse) -> list[MigrationStatus]:
    """Every migration and whether the database has it; changes nothing."""
    known = ch.query("EXISTS TABLE schema_migrations").scalar()
    rows = ch.query("SELECT number, checksum FROM schema_migrations FINAL").rows if known else []
    applied = {int(number): str(text) for number, text in rows}
    return [
        MigrationStatus(
            one.number,
            one.name,
            one.why,
            one.blocking,
            one.number in applied,
            one.number in applied and applied[one.number] != checksum(one),
        )
        for one in all_migrations()
    ]


def pending_sql(ch: ClickHouse, topology: Topology = SINGLE_NODE) -> list[str]:
    """What `migrate_clickhouse` would run, in order."""
    wanted = {status.number for status in migration_status(ch) if not status.applied}
    return [op.sql(topology) for one in all_migrations() if one.number in wanted for op in one.operations]


def migrate_clickhouse(ch: ClickHouse, topology: Topology = SINGLE_NODE) -> list[str]:
    """Applies what is pending and returns its names; a second run applies nothing.

    Raises Conflict when another node is migrating, or when an applied migration's text has changed since.
    """
    changed = [f"{status.number:04d}_{status.name}" for status in migration_status(ch) if status.changed]
    if changed:
        raise Conflict(
            f"the database was migrated by another text of {', '.join(changed)}",
            hint="run the release that made it, or start on a new database",
        )
    if all(status.applied for status in migration_status(ch)):
        return []
    holder = secrets.token_hex(8)
    _lock(ch, holder)
    try:
        ch.command(_LEDGER)
        done = {status.number for status in migration_status(ch) if status.applied}
        names = []
        for migration in all_migrations():
            if migration.number in done:
                continue
            for operation in migration.operations:
                ch.command(operation.sql(topology))
            row = (migration.number, migration.name, checksum(migration))
            ch.insert_rows("schema_migrations", ("number", "name", "checksum"), [row])
            names.append(f"{migration.number:04d}_{migration.name}")
        return names
    finally:
        _unlock(ch)


def _lock(ch: ClickHouse, holder: str) -> None:
    if ch.embedded:
        return
    if ch.query(f"EXISTS TABLE {_LOCK}").scalar():
        raise Conflict(
            "another node is migrating this database",
            hint=f"wait for it; if it died, drop the table {_LOCK} and try again",
        )
    ch.command(f"CREATE TABLE {_LOCK} (holder String) ENGINE = Memory COMMENT '{holder}'")


def _unlock(ch: ClickHouse) -> None:
    if not ch.embedded:
        ch.command(f"DROP TABLE IF EXISTS {_LOCK}")
