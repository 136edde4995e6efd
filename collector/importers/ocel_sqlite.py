"""OCEL 2.0 as an SQLite database (`.sqlite`), opened for reading only.

Order: the objects as the table `object` has them, each followed by the changes of its attributes; then the events as
the table `event` has them, whatever tables their types are in. The file comes from a stranger: only real tables are
read, no view, no virtual table, and the schema is not trusted. The line of a record is its row number.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from collector.importers.ocel import OcelBroken, OcelEvent, OcelObject, OcelRecord, Relations, as_text
from core.errors import InvalidInput

_NEEDED = {
    "event": ("ocel_id", "ocel_type"),
    "object": ("ocel_id", "ocel_type"),
    "event_object": ("ocel_event_id", "ocel_object_id", "ocel_qualifier"),
    "object_object": ("ocel_source_id", "ocel_target_id", "ocel_qualifier"),
    "event_map_type": ("ocel_type", "ocel_type_map"),
    "object_map_type": ("ocel_type", "ocel_type_map"),
}
_VALUE_LIMIT = 16 << 20
_OWN = frozenset({"ocel_id", "ocel_time", "ocel_changed_field", "rowid_"})
_CACHE_KIB = 32_768


class OcelSqlite:
    """See `OcelSource`. Raises InvalidInput for a database that is no OCEL 2.0 log, or a damaged one."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        beside = path.with_name(f"{path.name}-wal")
        if beside.exists() and beside.stat().st_size:
            raise InvalidInput(
                f"{path.name}: is in use, its newest content is in {beside.name}", hint="close the program that has it"
            )
        self._total = self._done = 0
        uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
        with self._translated():
            self._db = sqlite3.connect(uri, uri=True, isolation_level=None)
            self._db.text_factory = lambda stored: stored.decode("utf-8", "surrogateescape")
            self._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _VALUE_LIMIT)
            self._db.execute("PRAGMA trusted_schema = OFF")
            self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        try:
            with self._translated():
                self._check()
                self._prepare()
        except BaseException:
            self._db.close()
            raise

    def objects(self) -> Iterator[tuple[str, str]]:
        with self._translated():
            for one, kind in self._db.execute("SELECT ocel_id, ocel_type FROM main.object ORDER BY rowid"):
                yield as_text(one), as_text(kind)

    def records(self) -> Iterator[OcelRecord]:
        self._done = 0
        with self._translated():
            for record in self._objects():
                self._done += 1
                yield record
            for record in self._events():
                self._done += 1
                yield record

    def part_done(self) -> float:
        return min(1.0, self._done / self._total) if self._total else 1.0

    def close(self) -> None:
        self._db.close()

    # --- the two kinds of records ---

    def _objects(self) -> Iterator[OcelRecord]:
        related = "SELECT ocel_target_id, ocel_qualifier FROM {} WHERE ocel_source_id = ?"
        relations = self._relations(related.format(self._o2o))
        states = self._states(self._types("object"))
        known = {kind for kind, _ in self._types("object")}
        for row, one, kind in self._db.execute("SELECT rowid, ocel_id, ocel_type FROM main.object ORDER BY rowid"):
            one, kind = as_text(one), as_text(kind)
            if not one or kind not in known:
                yield OcelBroken(row, f"the object {one!r} has no id or no table of its type {kind!r}", [one, kind])
                continue
            yield OcelObject(row, kind, one, states(kind, one), relations(one))

    def _events(self) -> Iterator[OcelRecord]:
        related = "SELECT ocel_object_id, ocel_qualifier FROM {} WHERE ocel_event_id = ?"
        relations = self._relations(related.format(self._e2o))
        cursors = [self._events_of(kind, table) for kind, table in self._types("event")]
        merged = heapq.merge(self._events_without_table(), *cursors, key=lambda told: told[0])
        for row, record in merged:
            if isinstance(record, OcelEvent):
                yield record._replace(line=row, relations=relations(record.id))
            else:
                yield record

    def _events_of(self, kind: str, table: str) -> Iterator[tuple[int, OcelRecord]]:
        sql = (
            f"SELECT e.rowid AS rowid_, t.* FROM main.event AS e JOIN main.{_quoted(table)} AS t"
            " ON t.ocel_id = e.ocel_id WHERE e.ocel_type = ? ORDER BY e.rowid"
        )
        cursor = self._db.execute(sql, (kind,))
        names = [column[0] for column in cursor.description]
        for values in cursor:
            row = dict(zip(names, values, strict=True))
            attributes = [(name, as_text(value)) for name, value in row.items() if name not in _OWN]
            event = OcelEvent(0, kind, as_text(row["ocel_id"]), as_text(row["ocel_time"]), attributes, [])
            yield row["rowid_"], event

    def _events_without_table(self) -> Iterator[tuple[int, OcelRecord]]:
        """Events whose type has no table, or whose table has no row for them."""
        rowids = [f"SELECT ocel_id FROM main.{_quoted(table)}" for _, table in self._types("event")]
        there = " UNION ALL ".join(rowids) or "SELECT NULL"
        sql = f"SELECT rowid, ocel_id, ocel_type FROM main.event WHERE ocel_id NOT IN ({there}) OR ocel_id IS NULL"
        for row, one, kind in self._db.execute(f"{sql} ORDER BY rowid"):
            cells = [as_text(one), as_text(kind)]
            yield (
                row,
                OcelBroken(row, f"the event {cells[0]!r} has no row in the table of its type {cells[1]!r}", cells),
            )

    def _states(self, tables: list[tuple[str, str]]) -> Callable[[str, str], list[tuple[str, str, str]]]:
        by_type = dict(tables)
        found: dict[str, tuple[str, list[str]]] = {}

        def states(kind: str, one: str) -> list[tuple[str, str, str]]:
            if kind not in found:
                source = self._indexed(by_type[kind], "ocel_id")
                found[kind] = (f"SELECT * FROM {source} WHERE ocel_id = ? ORDER BY rowid", [])
            cursor = self._db.execute(found[kind][0], (one,))
            names = [column[0] for column in cursor.description]
            told = []
            for values in cursor:
                row = dict(zip(names, values, strict=True))
                changed, time = row.get("ocel_changed_field"), as_text(row.get("ocel_time"))
                for name, value in row.items():
                    if name in _OWN or (changed and name != changed) or (value is None and not changed):
                        continue
                    told.append((name, time, as_text(value)))
            return told

        return states

    def _relations(self, sql: str) -> Callable[[str], Relations]:
        def relations(one: str) -> Relations:
            found = self._db.execute(f"{sql} ORDER BY rowid", (one,))
            return [(as_text(other), as_text(qualifier)) for other, qualifier in found]

        return relations

    # --- the schema ---

    def _check(self) -> None:
        tables = self._tables()
        for table, columns in _NEEDED.items():
            if table not in tables:
                raise InvalidInput(
                    f"{self._name}: is an SQLite database, but no OCEL 2.0 log: it has no table {table!r}"
                )
            missing = [column for column in columns if column not in self._columns(table)]
            if missing:
                raise InvalidInput(f"{self._name}: the table {table!r} has no column {missing[0]!r}")
        for what in ("event", "object"):
            for kind, table in self._types(what):
                if table not in tables:
                    raise InvalidInput(f"{self._name}: there is no table {table!r} for the {what} type {kind!r}")
                for column in ("ocel_id", "ocel_time")[: 2 if what == "event" else 1]:
                    if column not in self._columns(table):
                        raise InvalidInput(f"{self._name}: the table {table!r} has no column {column!r}")

    def _prepare(self) -> None:
        self._e2o = self._indexed("event_object", "ocel_event_id")
        self._o2o = self._indexed("object_object", "ocel_source_id")
        counted = "SELECT (SELECT count(*) FROM main.event) + (SELECT count(*) FROM main.object)"
        self._total = self._db.execute(counted).fetchone()[0]

    def _indexed(self, table: str, column: str) -> str:
        """The table, or a temporary copy with an index, so that looking up by the column is never a scan."""
        quoted = _quoted(table)
        for _, index, *_ in self._db.execute(f"PRAGMA main.index_list({quoted})").fetchall():
            first = self._db.execute(f"PRAGMA main.index_info({_quoted(index)})").fetchone()
            if first and first[2] == column:
                return f"main.{quoted}"
        copy = _quoted(f"copy_{table}")
        columns = ", ".join(_quoted(name) for name in self._columns(table))  # AS SELECT would rename one called TRUE
        self._db.execute(f"CREATE TEMP TABLE {copy} ({columns})")
        self._db.execute(f"INSERT INTO temp.{copy} SELECT {columns} FROM main.{quoted} ORDER BY rowid")
        self._db.execute(f"CREATE INDEX temp.{_quoted(f'index_{table}')} ON {copy} ({_quoted(column)})")
        return f"temp.{copy}"

    def _tables(self) -> frozenset[str]:
        sql = (
            "SELECT name FROM main.sqlite_master WHERE type = 'table'"
            " AND upper(ltrim(sql)) NOT LIKE 'CREATE VIRTUAL%' AND upper(sql) NOT LIKE '%WITHOUT ROWID%'"
        )
        return frozenset(name for (name,) in self._db.execute(sql))

    def _columns(self, table: str) -> list[str]:
        return [row[1] for row in self._db.execute(f"PRAGMA main.table_info({_quoted(table)})")]

    def _types(self, what: str) -> list[tuple[str, str]]:
        """Every type and its table, by name."""
        rows = self._db.execute(
            f"SELECT ocel_type, ocel_type_map FROM main.{what}_map_type ORDER BY ocel_type"
        ).fetchall()
        return [(as_text(kind), f"{what}_{as_text(name)}") for kind, name in rows]

    @contextmanager
    def _translated(self) -> Iterator[Any]:
        try:
            yield
        except (sqlite3.Error, UnicodeError) as problem:  # the latter where damaged bytes are a message or a type
            raise InvalidInput(f"{self._name}: the SQLite database cannot be read: {problem}") from None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
