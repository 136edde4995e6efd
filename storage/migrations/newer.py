"""Table settings that newer engines know and the oldest supported one may not.

A migration's text is the same on every engine, so what only some engines understand is set beside it, on each start,
where the engine has it. Nothing here changes what a table holds; an engine without the setting is slower, not wrong.
"""

from __future__ import annotations

from collections.abc import Iterable

from storage.clickhouse.client import ClickHouse
from storage.migrations.common import TELEMETRY
from storage.migrations.operations import CreateTable, Migration, Topology

SETTINGS: dict[str, int] = {"merge_use_batch_sorting_queue": 1}
"""Merging takes runs of rows from a part instead of single rows: parts of neighbouring minutes overlap little."""


def newer_settings_sql(ch: ClickHouse, migrations: Iterable[Migration], topology: Topology) -> list[str]:
    """The statements that are still to be run for tables that take every segment; none on an engine without them."""
    names = list(SETTINGS)
    known = {
        str(name)
        for (name,) in ch.query(
            "SELECT name FROM system.merge_tree_settings WHERE name IN {names:Array(String)}", {"names": names}
        ).rows
    }
    live = {
        str(name): str(text)
        for name, text in ch.query(
            "SELECT name, engine_full FROM system.tables WHERE database = {database:String}", {"database": ch.database}
        ).rows
    }
    return [
        f"ALTER TABLE {table.target}{topology.on_cluster} MODIFY SETTING {name} = {value}"
        for migration in migrations
        for table in migration.operations
        if isinstance(table, CreateTable) and TELEMETRY.items() <= table.settings.items()
        for name, value in SETTINGS.items()
        if name in known and f"{name} = {value}" not in live.get(table.target, "")
    ]
