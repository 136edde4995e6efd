"""One store client for the embedded engine and for a server, chosen by DSN.

The embedded engine has one owner process, one path and synchronous calls; a handle serves one call at a time, so a
small pool of handles stands behind this class, some of them kept for inserts. It promises no transactions: what must
be atomic is one insert.
"""

from __future__ import annotations

import hashlib
import queue
import re
import secrets
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect import common
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from core.errors import ConfigurationError, QueryRejected, Retryable, StorageError, StoreUnavailable
from core.settings import Settings
from storage.clickhouse.durable import SERVER_WRITES_WITHIN_S, boot_id, write_out
from storage.clickhouse.errors import at_start, translate, translated
from storage.clickhouse.normal import normalized
from storage.clickhouse.otlp_schema import MESSAGES, SCHEMAS, segment_fields
from storage.signals import SegmentMeta, Signal

FLOOR = (25, 8)
"""The oldest server that knows `format_schema_source`."""

QUERY_HANDLES = 4
_PLACEHOLDER = re.compile(r"\{\s*\w+\s*:")
_INSERT_SELECT = re.compile(r"(?:\s|--[^\n]*\n)*INSERT\s+INTO\s[^;]*?\bSELECT\b", re.IGNORECASE)
SESSION_SETTINGS: dict[str, Any] = {
    "async_insert": 0,
    "session_timezone": "UTC",
    "date_time_input_format": "best_effort",
    "max_partitions_per_insert_block": 1000,
    "enable_named_columns_in_function_tuple": 0,
}
INSERT_SETTINGS: dict[str, Any] = {
    "input_format_protobuf_oneof_presence": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "materialized_views_ignore_errors": 0,
    "parallel_view_processing": 0,
    "max_insert_threads": 1,
    "optimize_on_insert": 1,
    "short_circuit_function_evaluation": "enable",
    "materialize_skip_indexes_on_insert": 0,
}
"""Decoding relies on short circuits (`any_value`).

The last: an index is built at a part's first merge; until then a part is as small as a segment, and read whole.
"""


@dataclass(frozen=True)
class Timeouts:
    """Of one request to a server, in seconds. `connect_s` covers sending on a new connection, too."""

    connect_s: int = 30
    answer_s: int = 120


@dataclass(frozen=True)
class QueryResult:
    """Rows in the order of `columns`; times are aware, in UTC."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    elapsed_ms: float

    def dicts(self) -> list[dict[str, Any]]:
        """The rows as mappings from column name to value."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def scalar(self) -> Any:
        """The first value of the first row, or None when there is no row."""
        return self.rows[0][0] if self.rows else None


class ClickHouse:
    """Thread-safe access to one database. Raises core.errors.StorageError and its kin, never a foreign error."""

    def __init__(
        self,
        dsn: str,
        database: str,
        *,
        threads: int = 2,
        inserts: int = 2,
        timeouts: Timeouts | None = None,
        session: Mapping[str, Any] | None = None,
    ) -> None:
        """`threads`: of one query; `inserts`: how many may be under way at once; `timeouts`: towards a server;
        `session`: settings of all statements beside SESSION_SETTINGS.

        Raises StoreUnavailable, or ConfigurationError for a server that is too old or refuses the credentials.
        """
        self.database, self.embedded = database, dsn.startswith("chdb:")
        self._dsn, self.threads, self._timeouts = dsn, threads, timeouts or Timeouts()
        self._session = SESSION_SETTINGS | dict(session or {})
        self._schemas = self._schema_settings()
        self._closed = threading.Event()
        self._handles: list[Client] = []
        self._queries: queue.LifoQueue[Client] = queue.LifoQueue()
        self._inserts: queue.LifoQueue[Client] = queue.LifoQueue()
        common.set_setting("autogenerate_session_id", False)
        try:
            with translated():
                first = self._open("default")
        except QueryRejected as error:  # the client's word for an engine that cannot start on this path
            hint = "is another process using this directory, or another directory open in this process?"
            raise StoreUnavailable(f"the engine cannot be opened: {error.message}", hint=hint) from error
        except StorageError as error:
            raise at_start(error) from error
        with translated():
            version = tuple(int(part) for part in str(first.server_version).split(".")[:2])
            if version < FLOOR:
                raise ConfigurationError(
                    f"ClickHouse {first.server_version} is too old, 25.8 or newer is needed",
                    hint="upgrade the server or use the embedded engine",
                )
            self.version = str(first.server_version)
            first.command(f"CREATE DATABASE IF NOT EXISTS `{database}`")
            first.close()
            for _ in range(inserts):
                self._inserts.put(self._open(database))
            for _ in range(QUERY_HANDLES):
                self._queries.put(self._open(database))

    def _schema_settings(self) -> dict[Signal, dict[str, str]]:
        """How an insert names its schema: as text to a server, as a file to the embedded engine.

        Given as text, the embedded engine would keep a copy in a folder of the *current* directory.
        """
        if not self.embedded:
            return {
                signal: {
                    "format_schema_source": "string",
                    "format_schema_message_name": MESSAGES[signal],
                    "format_schema": text,
                }
                for signal, text in SCHEMAS.items()
            }
        folder = Path(self._dsn.removeprefix("chdb://")).with_name("schemas")
        folder.mkdir(parents=True, exist_ok=True)
        found = {}
        for signal, text in SCHEMAS.items():
            file = folder / f"{signal}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.proto"
            if not file.exists():
                file.with_suffix(".new").write_text(text)
                file.with_suffix(".new").rename(file)
            found[signal] = {"format_schema": f"{file}:{MESSAGES[signal]}"}
        return found

    def _open(self, database: str) -> Client:
        settings = self._session | {"max_threads": self.threads}
        remote: dict[str, Any] = {}
        if not self.embedded:
            remote = {"connect_timeout": self._timeouts.connect_s, "send_receive_timeout": self._timeouts.answer_s}
        client = clickhouse_connect.get_client(
            dsn=self._dsn, database=database, settings=settings, tz_mode="aware", **remote
        )
        self._handles.append(client)
        return client

    @contextmanager
    def _handle(self, pool: queue.LifoQueue[Client]) -> Iterator[Client]:
        if self._closed.is_set():
            raise StoreUnavailable("the engine has been closed")
        handle = pool.get()
        try:
            with translated():
                yield handle
        finally:
            pool.put(handle)

    def query(
        self, sql: str, params: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> QueryResult:
        """Runs a statement that answers with rows; `params` are bound by the engine as `{name:Type}`."""
        started = time.perf_counter()
        with self._handle(self._queries) as client:
            result = client.query(sql, parameters=_bound(sql, params), settings=dict(settings or {}))
            rows = [tuple(row) for row in result.result_rows]
        return QueryResult(tuple(result.column_names), rows, (time.perf_counter() - started) * 1000)

    def command(
        self, sql: str, params: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> None:
        """Runs a statement that answers with nothing: DDL, INSERT … SELECT."""
        given = dict(settings or {})
        if given and _INSERT_SELECT.match(sql):
            sql, given = f"{sql}\nSETTINGS {_listed(given)}", {}
        with self._handle(self._queries) as client:
            client.command(sql, parameters=_bound(sql, params), settings=given)

    def insert_rows(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], token: str | None = None
    ) -> None:
        """Inserts rows; the same token with the same rows stores nothing the second time.

        Without one it gets its own: the client sends an insert again when a connection ends without an answer, and
        equal rows of another call are not to be taken for the same.
        """
        if not rows:
            return
        settings = {"insert_deduplication_token": token or secrets.token_hex(16)}
        with self._handle(self._inserts) as client:
            client.insert(table, rows, column_names=list(columns), settings=settings)

    def insert_otlp(self, signal: Signal, payload: bytes, meta: SegmentMeta) -> None:
        """Stores concatenated `Export*ServiceRequest` messages; repeating it with the same meta stores nothing.

        Returns when the engine has taken the rows into every table and view target.
        """
        settings = INSERT_SETTINGS | {
            "insert_deduplication_token": meta.token(signal),
        }
        settings |= self._schemas[signal]
        table, fields = f"{signal}_in", segment_fields(meta)
        with self._handle(self._inserts) as client:
            try:
                block = self._block(payload, fields)
                client.raw_insert(table, insert_block=block, fmt="ProtobufSingle", settings=settings)
            except DatabaseError as error:
                plain = None if isinstance(translate(error), Retryable) else normalized(signal, payload)
                if plain is None or plain == payload:
                    raise
                # The same token: what one view may have stored before another stopped is not stored again.
                client.raw_insert(table, insert_block=plain + fields, fmt="ProtobufSingle", settings=settings)

    def _block(self, payload: bytes, fields: bytes) -> Generator[bytes, None, None] | bytes:
        """Both, one behind the other. The embedded engine gets them through a file, so they need not be joined."""
        return (part for part in (payload, fields)) if self.embedded else payload + fields

    def make_durable(self) -> float:
        """Makes sure that what was taken as many seconds ago as it returns is safe from a power cut.

        Raises OSError, StoreUnavailable.
        """
        if not self.embedded:
            try:
                self.command("SYSTEM SYNC FILE CACHE")
            except StoreUnavailable:
                raise
            except StorageError:  # it takes a privilege
                return SERVER_WRITES_WITHIN_S
            return 0.0
        write_out(Path(self._dsn.removeprefix("chdb://")))
        return 0.0

    def incarnation(self) -> str:
        """Tells when the machine (embedded engine) or the server was started anew, see `same_life`; "" if it cannot."""
        if self.embedded:
            return boot_id()
        return str(
            self.query(
                "SELECT concat(toString(serverUUID()), ' ', toString(toUnixTimestamp(now()) - uptime()))"
            ).scalar()
        )

    def close(self) -> None:
        """Closes every handle; waits for calls that are under way."""
        self._closed.set()
        with translated():
            for handle in self._handles:
                handle.close()


def open_clickhouse(settings: Settings, session: Mapping[str, Any] | None = None) -> ClickHouse:
    """Opens the store that the settings name; raises StoreUnavailable when it cannot be reached.

    session: settings of all statements beside its own.
    """
    if settings.embedded:
        (settings.data_dir.absolute() / "clickhouse").parent.mkdir(parents=True, exist_ok=True)
    return ClickHouse(
        settings.clickhouse_url,
        settings.clickhouse_database,
        threads=settings.clickhouse_threads,
        inserts=settings.writers + 1,  # one for rows that are no telemetry
        timeouts=Timeouts(settings.clickhouse_connect_timeout_s, settings.clickhouse_answer_timeout_s),
        session=session,
    )


def _listed(settings: Mapping[str, Any]) -> str:
    """Settings as text; the embedded engine's client would set and put back each by statements of their own, which
    takes longer than to insert a few rows."""
    quoted = {name: str(value).replace("\\", "\\\\").replace("'", "\\'") for name, value in settings.items()}
    return ", ".join(
        f"{name} = {value}" if isinstance(settings[name], int | float) else f"{name} = '{value}'"
        for name, value in quoted.items()
    )


def _bound(sql: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the engine is to bind; nothing for a statement without a placeholder.

    Of such a one the client would fill in `%` itself, and a percent sign of the statement is no place for anything.
    """
    return dict(params or {}) if _PLACEHOLDER.search(sql) else {}
