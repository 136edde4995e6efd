"""The store client on a ClickHouse server: opening, time-outs, errors, and inserts that the library sends again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from core import (
    ConfigurationError,
    Conflict,
    LimitExceeded,
    QueryRejected,
    StorageError,
    StoreUnavailable,
    SystemClock,
    load_settings,
)
from storage import ClickHouse, SegmentMeta, Signal, migrate_clickhouse, open_clickhouse, open_migrated, same_life
from storage.clickhouse.durable import SERVER_WRITES_WITHIN_S
from tests.support.clickhouse_process import ClickHouseServer, clickhouse_server
from tests.support.faults import Action

PASSWORD = "geheim#1"
DSN_PASSWORD = "geheim%231"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with clickhouse_server(tmp_path_factory.mktemp("server"), user="ops", password=PASSWORD) as found:
        yield found


@pytest.fixture(scope="module")
def opened(server: ClickHouseServer) -> Iterator[ClickHouse]:
    ch = open_clickhouse(load_settings(clickhouse_dsn=server.dsn(password=DSN_PASSWORD), clickhouse_answer_timeout_s=2))
    migrate_clickhouse(ch)
    yield ch
    ch.close()


@pytest.fixture
def ch(opened: ClickHouse, server: ClickHouseServer) -> Iterator[ClickHouse]:
    yield opened
    server.clear()


def rows_of(ch: ClickHouse, segment: int) -> int:
    return int(ch.query("SELECT count() FROM otel_traces WHERE SegmentId = {s:UInt64}", {"s": segment}).scalar())


def payload(spans: int = 3) -> bytes:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(1, spans + 1):
        scope.spans.add(trace_id=number.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), name="pick")
    return request.SerializeToString()


# --- inserts ---


@pytest.mark.parametrize("action", [Action.CUT_HEAD, Action.CUT_BODY, Action.CUT_AFTER, Action.CUT_ANSWER])
def test_what_the_library_sends_again_is_stored_once(ch: ClickHouse, server: ClickHouseServer, action: Action) -> None:
    """It repeats an insert when a connection ends without an answer, without asking us."""
    segment = 100 + list(Action).index(action)
    server.fault(action, "INSERT INTO traces_in", times=1)
    try:
        ch.insert_otlp(Signal.TRACES, payload(), SegmentMeta("t", segment, 1))
    except StoreUnavailable:
        ch.insert_otlp(Signal.TRACES, payload(), SegmentMeta("t", segment, 1))
    assert rows_of(ch, segment) == 3


def test_rows_without_a_token_are_stored_once_for_each_call(ch: ClickHouse, server: ClickHouseServer) -> None:
    """Not twice when the library repeats itself, and not never when the same rows are wanted again."""
    ch.command(
        "CREATE TABLE once (a UInt8) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100"
    )
    struck = server.tell()["struck"]
    server.fault(Action.CUT_AFTER, "compressed:", times=1)
    ch.insert_rows("once", ["a"], [(7,)])
    assert server.tell()["struck"] == struck + 1
    assert ch.query("SELECT count() FROM once").scalar() == 1
    ch.insert_rows("once", ["a"], [(7,)])
    assert ch.query("SELECT count() FROM once").scalar() == 2


def test_large_and_parallel_inserts(ch: ClickHouse) -> None:
    whole = payload(2_000) * 20
    for segment in (201, 202):
        ch.insert_otlp(Signal.TRACES, whole, SegmentMeta("t", segment, 1))
        assert rows_of(ch, segment) == 40_000


# --- errors ---


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT nope", QueryRejected),
        ("SELEC 1", QueryRejected),
        ("SELECT * FROM nope", QueryRejected),
        ("SELECT throwIf(1)", StorageError),
        ("SELECT count() FROM numbers(1000000000000) SETTINGS max_execution_time = 0.2", LimitExceeded),
    ],
    ids=["column", "syntax", "table", "function", "time"],
)  # fmt: skip
def test_the_servers_errors_are_ours(ch: ClickHouse, sql: str, kind: type[Exception]) -> None:
    with pytest.raises(kind) as told:
        ch.query(sql)
    assert "127.0.0.1" not in str(told.value)
    assert "version 2" not in str(told.value)


def test_no_answer_is_waited_for_longer_than_the_setting_says(ch: ClickHouse, server: ClickHouseServer) -> None:
    server.fault(Action.DELAY, "SELECT 41 + 1", seconds=6)
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="did not answer in time"):
        ch.query("SELECT 41 + 1")
    assert 1.5 < time.monotonic() - started < 5.5


def test_a_broken_answer_is_no_short_answer(ch: ClickHouse, server: ClickHouseServer) -> None:
    server.fault(Action.CUT_ANSWER, "FROM numbers(100000)")
    with pytest.raises(StoreUnavailable):
        ch.query("SELECT number FROM numbers(100000)")


# --- opening ---


@pytest.mark.parametrize(("user", "password"), [("ops", "falsch7"), ("nobody", DSN_PASSWORD), ("ops", "")])
def test_wrong_credentials_are_told_without_them(server: ClickHouseServer, user: str, password: str) -> None:
    with pytest.raises(ConfigurationError, match="refuses the user or the password") as told:
        open_clickhouse(load_settings(clickhouse_dsn=server.dsn(user=user, password=password)))
    assert "falsch7" not in str(told.value)
    assert "OPSINTEL_CLICKHOUSE_DSN" in told.value.hint


def test_a_server_that_is_too_old_is_named(server: ClickHouseServer) -> None:
    server.tell(version="24.8.14.39")
    try:
        with pytest.raises(ConfigurationError, match=r"ClickHouse 24\.8\.14\.39 is too old, 25\.8 or newer"):
            open_clickhouse(load_settings(clickhouse_dsn=server.dsn(password=DSN_PASSWORD)))
    finally:
        server.clear()


def test_a_server_that_does_not_come_is_given_up() -> None:
    settings = load_settings(clickhouse_dsn="http://ops:geheim@127.0.0.1:9/")
    with pytest.raises(StoreUnavailable, match="does not accept connections") as told:
        open_migrated(settings, SystemClock(), wait_s=0.5)
    assert "geheim" not in str(told.value)


def migrated_over(server: ClickHouseServer, database: str, wait_s: float = 20) -> list[str]:
    settings = load_settings(clickhouse_dsn=server.dsn(password=DSN_PASSWORD), clickhouse_database=database)
    ch, applied = open_migrated(settings, SystemClock(), wait_s=wait_s)
    ch.close()
    return applied


@pytest.mark.parametrize("statement", ["CREATE TABLE schema_migrations_lock", "CREATE TABLE IF NOT EXISTS otel_logs "])
def test_a_migration_that_was_cut_off_goes_on(server: ClickHouseServer, statement: str) -> None:
    """The statement was executed, its answer lost; the lock that may be left is this process's own."""
    database = f"cut_{len(statement)}"
    server.fault(Action.CUT_AFTER, statement, times=1)
    assert migrated_over(server, database)
    assert migrated_over(server, database) == []
    assert server.ask(f"EXISTS TABLE {database}.schema_migrations_lock") == [["0"]]


def test_another_nodes_lock_is_respected_until_it_must_be_dead(server: ClickHouseServer) -> None:
    server.ask("CREATE DATABASE two")
    lock = "two.schema_migrations_lock (holder String) ENGINE = Memory COMMENT"
    server.ask(f"CREATE TABLE {lock} 'other-node:12'")
    with pytest.raises(Conflict, match="another node \\(other-node:12\\) is migrating"):
        migrated_over(server, "two")


def test_the_process_does_not_write_into_the_current_directory(ch: ClickHouse, tmp_path: Path) -> None:
    """Schemas go as text to a server; only the embedded engine would keep copies of them."""
    ch.insert_otlp(Signal.TRACES, payload(), SegmentMeta("t", 301, 1))
    assert not (Path.cwd() / "__cache__").exists()


def test_a_server_is_asked_to_write_out(ch: ClickHouse, server: ClickHouseServer) -> None:
    """Then nothing has to be kept for long; where it does not let us, time has to do."""
    statement = "SYSTEM SYNC FILE CACHE"
    assert ch.make_durable() == 0
    server.fault(Action.STATUS, statement, times=1, status=500, code=497, text="Code: 497. DB::Exception: no grant")
    assert ch.make_durable() == SERVER_WRITES_WITHIN_S
    server.fault(Action.STATUS, statement, times=0, status=503)
    with pytest.raises(StoreUnavailable):
        ch.make_durable()


def test_one_life(ch: ClickHouse) -> None:
    """Asked at different moments, it tells the same life."""
    assert same_life(ch.incarnation(), ch.incarnation())
