"""Every migration: numbered without gaps, repeatable, resumable, and equal to what it declares."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import inspect

from core import Conflict
from storage import ClickHouse, StateDb, migrate_clickhouse, migrate_state, migration_status, pending_sql
from storage.migrations.operations import AddColumn, CopyRows, CreateTable, Drop, Rename, Topology
from storage.migrations.runner import all_migrations, checksum
from storage.state.metadata import METADATA

RELEASED = Path(__file__).parent / "released_migrations.json"
"""Checksums of what has been released; to add a new migration's, run this module's tests and copy the message."""


def test_numbers_have_no_gap() -> None:
    assert [one.number for one in all_migrations()] == list(range(1, len(all_migrations()) + 1))


def test_released_migrations_are_unchanged() -> None:
    """A migration that somebody has run is never edited; a new one is added."""
    current = {f"{one.number:04d}_{one.name}": checksum(one) for one in all_migrations()}
    released = json.loads(RELEASED.read_text())
    assert current == released, f"now: {json.dumps(current)}"


def test_a_second_run_changes_nothing(clickhouse: ClickHouse) -> None:
    assert migrate_clickhouse(clickhouse) == []
    assert pending_sql(clickhouse) == []
    assert all(status.applied and not status.changed for status in migration_status(clickhouse))


@pytest.mark.parametrize("number", [one.number for one in all_migrations()])
def test_a_migration_that_was_killed_half_way_runs_again(clickhouse: ClickHouse, number: int) -> None:
    """Every operation may be repeated on a database that already has it."""
    for operation in all_migrations()[number - 1].operations:
        clickhouse.command(operation.sql(Topology()))


def declared() -> list[CreateTable]:
    """The tables as they are after all migrations."""
    tables: dict[str, CreateTable] = {}
    for operation in (op for one in all_migrations() for op in one.operations):
        match operation:
            case CreateTable():
                tables.setdefault(operation.target, operation)
            case AddColumn():
                table = tables[operation.target]
                columns = {**table.columns, operation.column: operation.kind}
                tables[operation.target] = replace(table, columns=columns)
            case Drop():
                tables.pop(operation.target, None)
            case Rename():
                tables[operation.name] = replace(tables.pop(operation.target), target=operation.name)
            case _:
                pass
    return list(tables.values())


@pytest.mark.parametrize("table", declared(), ids=lambda table: table.target)
def test_the_live_table_is_the_declared_one(clickhouse: ClickHouse, table: CreateTable) -> None:
    """Columns with types and codecs, engine, key, partition and deduplication window."""
    sql = (
        "SELECT name, type, default_kind, compression_codec FROM system.columns"
        " WHERE database = 'opsintel' AND table = {t:String}"
    )
    live = {
        name: (kind, default, codec) for name, kind, default, codec in clickhouse.query(sql, {"t": table.target}).rows
    }
    assert list(live) == list(table.columns)
    for name, declared in table.columns.items():
        kind, default, _ = live[name]
        wanted = re.split(r" (?:CODEC|ALIAS|DEFAULT)\b", declared)[0]
        if default != "ALIAS":
            assert (name, kind) == (name, wanted)
    engine = clickhouse.query(
        "SELECT engine_full FROM system.tables WHERE database = 'opsintel' AND name = {t:String}", {"t": table.target}
    ).scalar()
    assert engine.startswith(table.engine.split("(")[0])
    if "MergeTree" in table.engine:
        assert "non_replicated_deduplication_window = 10000" in engine
    if table.partition_by:
        said = clickhouse.query(
            "SELECT replaceOne(formatQuerySingleLine(concat('SELECT ', {p:String})), 'SELECT ', '')",
            {"p": table.partition_by},
        ).scalar()
        assert f"PARTITION BY {said} " in engine


def test_a_changed_migration_is_refused(clickhouse: ClickHouse) -> None:
    """A database made by another text of a migration is not touched."""
    row = (9_999, "from_the_future", "0")
    clickhouse.insert_rows("schema_migrations", ("number", "name", "checksum"), [row])
    assert migrate_clickhouse(clickhouse) == []  # unknown numbers are another release's matter
    first = all_migrations()[0]
    columns = ("number", "name", "checksum")
    clickhouse.insert_rows("schema_migrations", columns, [(1, first.name, "0" * 64)])
    try:
        with pytest.raises(Conflict, match="0001_traces"):
            migrate_clickhouse(clickhouse)
    finally:
        clickhouse.insert_rows("schema_migrations", columns, [(1, first.name, checksum(first))])
    assert migrate_clickhouse(clickhouse) == []


def test_on_a_cluster_the_same_migrations_say_so() -> None:
    for migration in all_migrations():
        for operation in migration.operations:
            if isinstance(operation, CopyRows):
                continue  # one node copies; the others replicate
            text = operation.sql(Topology("retail"))
            assert "ON CLUSTER `retail`" in text
            if "MergeTree" in operation.sql(Topology()):
                assert "Replicated" in text


def test_the_state_database_has_every_declared_table(state: StateDb) -> None:
    """The revisions make exactly the tables of the metadata, and running them again changes nothing."""
    migrate_state(state)
    live = inspect(state.engine)
    assert set(live.get_table_names()) - {"alembic_version"} == set(METADATA.tables)
    for name, table in METADATA.tables.items():
        assert {column["name"] for column in live.get_columns(name)} == set(table.columns.keys())
