"""The doctor sees what is wrong: each trouble is made for real, and found under its name."""

from __future__ import annotations

import io
import os
import shutil
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import text

from api.doctor import Finding, Report, Status, Subject, examine, examine_stopped, render
from api.keys import ApiKeys
from api.lock import data_directory
from collector.ledger import Ledger, LedgerKey, Outcome
from collector.settled import Difference, mark
from collector.wal import file_name
from core import InvalidInput, ManualClock, Role, Settings, load_settings
from storage import ClickHouse, StateDb, migrate_state, open_state
from tests.unit.api.service import NOW, Api
from tests.unit.api.test_routes import refused
from tests.unit.kpis_deliveries.world import World


def seen(report: Report) -> dict[str, Finding]:
    return {one.id: one for one in report.findings}


def segment(settings: Settings, number: int, content: bytes = b"x" * 100, *, age_s: float = 0) -> Path:
    """A file that looks like a segment, last written `age_s` before the tests' clock."""
    settings.wal_dir.mkdir(parents=True, exist_ok=True)
    path = settings.wal_dir / file_name(number)
    path.write_bytes(content)
    at = NOW.timestamp() - age_s
    os.utime(path, (at, at))
    return path


# --- a running service ---


def test_a_running_service_is_examined_for_administrators_alone(api: Api) -> None:
    found = Report.from_json(api.get("/api/v1/doctor", Role.ADMIN).json())
    checks = seen(found)
    assert checks["service.ready"].status is Status.OK
    assert checks["ledger.balance"].status is Status.OK
    assert checks["state.schema"].status is Status.OK
    assert checks["ingest.lag"].facts["pending"] == 0
    assert checks["jobs.runs"].status is Status.WARN  # they are switched off here
    assert checks["clock.engine"].status is Status.FAIL  # the tests' clock is not the machine's
    assert {"log.size", "disk.free", "engine.parts", "clock.services", "keys.expiry", "machine.files"} <= set(checks)
    for role in (Role.VIEWER, Role.OPERATOR, Role.INGEST, Role.AUDITOR):
        refused(api.get("/api/v1/doctor", role), 403)


def test_whatever_is_not_well_says_why_and_what_to_do(api: Api) -> None:
    report = Report.from_json(api.get("/api/v1/doctor", Role.ADMIN).json())
    assert [one.id for one in report.findings if one.status is not Status.OK and not (one.why and one.todo)] == []
    assert len({one.id for one in report.findings}) == len(report.findings)


# --- log, disk and machine ---


def test_an_empty_directory_is_well_and_stays_empty(tmp_path: Path, clock: ManualClock) -> None:
    report = examine_stopped(load_settings(data_dir=tmp_path, http_port=0, otlp_grpc_port=0, otlp_http_port=0), clock)
    assert [one.id for one in report.findings if one.area == "log" and one.status is not Status.OK] == []
    assert list(tmp_path.iterdir()) == [tmp_path / "lock"]


def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path, clock: ManualClock) -> None:
    report = examine_stopped(load_settings(data_dir=tmp_path / "none"), clock)
    assert seen(report)["disk.permissions"].status is Status.WARN
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("size", "status"), [(100, Status.OK), (600_000, Status.WARN), (1_000_000, Status.FAIL)], ids=str
)
def test_a_log_that_fills(settings: Settings, clock: ManualClock, size: int, status: Status) -> None:
    small = settings.model_copy(update={"wal_max_bytes": 1 << 20})
    segment(small, 1, b"\0" * size)
    assert seen(examine(Subject(small, clock)))["log.size"].status is status


def test_what_the_last_stop_left(settings: Settings, clock: ManualClock) -> None:
    segment(settings, 7, age_s=7_200)
    found = seen(examine(Subject(settings, clock)))["log.oldest"]
    assert (found.status, found.seen) == (Status.WARN, "1 segment left by the last stop, the oldest 2 h ago")


def test_a_torn_tail_and_what_was_put_aside(settings: Settings, clock: ManualClock) -> None:
    segment(settings, 7, b"no segment at all")
    folder = settings.wal_dir / "quarantine"
    folder.mkdir()
    (folder / "1.json").write_text('{"reason": "bad_checksum"}')
    (folder / "1.bin").write_bytes(b"12345")
    found = seen(examine(Subject(settings, clock)))
    assert (found["log.damage"].status, found["log.damage"].seen) == (Status.WARN, "0 damaged places, 1 torn tail")
    assert found["log.quarantine"].seen == "1 piece kept aside, 5 B: 1 bad_checksum"


def test_a_directory_that_everybody_may_change(settings: Settings, clock: ManualClock) -> None:
    settings.data_dir.mkdir()
    settings.data_dir.chmod(0o777)
    found = seen(examine(Subject(settings, clock)))["disk.permissions"]
    assert (found.status, "everybody may change it" in found.seen) == (Status.WARN, True)


def test_a_port_that_another_program_has(settings: Settings, clock: ManualClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = settings.model_copy(update={"http_port": taken.getsockname()[1]})
        found = seen(examine(Subject(busy, clock)))["machine.ports"]
    assert (found.status, found.seen) == (Status.WARN, f"taken: API 127.0.0.1:{busy.http_port}")


def test_a_directory_in_use_is_seen_from_outside(settings: Settings, clock: ManualClock, state: StateDb) -> None:
    """Without the engine, and without calling what is being written torn."""
    segment(settings, 7, b"being written")
    with data_directory(settings.data_dir.absolute()):
        report = examine_stopped(settings, clock)
    found = seen(report)
    assert f"--url http://127.0.0.1:{settings.http_port}" in found["service.running"].todo
    assert found["state.integrity"].status is Status.OK
    assert {"log.damage", "engine.version", "machine.ports"} & set(found) == set()


# --- state ---


def test_a_key_that_ends_soon(settings: Settings, clock: ManualClock, state: StateDb) -> None:
    keys = ApiKeys(state, clock)
    _, ending = keys.create("collector of store 7", [Role.INGEST], days=3)
    keys.create("for long", [Role.ADMIN], days=300)
    found = seen(examine(Subject(settings, clock, state=state)))["keys.expiry"]
    assert found.seen == f"collector of store 7 ({ending.prefix}) ends in 3 d"
    clock.advance(4 * 86_400)
    assert seen(examine(Subject(settings, clock, state=state)))["keys.expiry"].status is Status.OK


def test_a_report_that_failed_is_seen_on_a_stopped_service(
    settings: Settings, clock: ManualClock, state: StateDb, tmp_path: Path
) -> None:
    """Of subscriptions that are there: what was taken out troubles nobody."""
    world = World(state, tmp_path, 'kind = "webhook", url = "https://example.com/s3cret", secret_env = "REPORT_NONE"')
    world.tick()
    world.problem = InvalidInput("no such grain")
    world.tick(86_400)
    folder = tmp_path / "all" / "acme"
    folder.mkdir(parents=True)
    shutil.copy(world.folder / "a.toml", folder)
    stopped = Subject(settings.model_copy(update={"reports_dir": tmp_path / "all"}), clock, state=state)
    found = seen(examine(stopped))["jobs.reports"]
    assert (found.status, found.facts) == (Status.FAIL, {"reports": 1, "in_trouble": 1})
    assert found.seen == (
        "acme/weekly: its file failed after 1 attempt: it cannot be rendered: no such grain (last delivered: never)"
    )
    (folder / "a.toml").write_text("[[")
    found = seen(examine(stopped))["jobs.reports"]
    assert found.status is Status.WARN
    assert found.seen.startswith("acme: a newer set of subscriptions is not in force: a.toml: cannot be read as TOML")
    (folder / "a.toml").unlink()
    assert "jobs.reports" not in seen(examine(stopped))


def test_another_revision(settings: Settings, clock: ManualClock, state: StateDb) -> None:
    with state.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    found = seen(examine(Subject(settings, clock, state=state)))["state.schema"]
    assert found.status is Status.WARN
    assert found.seen.startswith("at revision 0001, this release has ")


def test_a_damaged_database(settings: Settings, clock: ManualClock) -> None:
    state = open_state(settings)
    migrate_state(state)
    ApiKeys(state, clock).create("somebody", [Role.ADMIN])
    with state.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    state.close()
    path = settings.data_dir / "state.db"
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 6] = b"\xff" * 4096 * 3
    path.write_bytes(data)
    report = examine_stopped(settings, clock)
    assert seen(report)["state.integrity"].status is not Status.OK
    assert report.exit_code > 0


def test_a_check_that_cannot_look_does_not_hide_the_others(
    settings: Settings, clock: ManualClock, state: StateDb
) -> None:
    with state.begin() as connection:
        connection.execute(text("DROP TABLE ledger_outcomes"))
    found = seen(examine(Subject(settings, clock, state=state)))
    assert found["ingest.ledger"].status is Status.WARN
    assert found["ingest.ledger"].seen.startswith("could not be looked at: ")
    assert found["keys.expiry"].area == "keys"


def test_a_ledger_that_does_not_balance_is_named(settings: Settings, clock: ManualClock, state: StateDb) -> None:
    Ledger(state, clock).settle(77, {LedgerKey(0, "traces", "acme"): Outcome(stored=5, quarantined=2)})
    with state.begin() as connection:
        mark(connection, 77, 1, [Difference(77, "traces", "acme", 0, 5, 3)])
    found = seen(examine(Subject(settings, clock, state=state)))
    assert found["ledger.balance"].status is Status.FAIL
    assert "segment 77: 5 traces of acme in the ledger, 3 in the tables" in found["ledger.balance"].seen
    assert found["ledger.quarantined"].seen == "2 items were put aside since the ledger began"


# --- engine and clocks ---


@pytest.fixture
def odd_table(clickhouse: ClickHouse) -> Iterator[str]:
    """A table of the database that nobody declared: without a deduplication window."""
    clickhouse.command("CREATE TABLE doctor_odd (v UInt64) ENGINE = MergeTree PARTITION BY v % 2 ORDER BY v")
    clickhouse.command("INSERT INTO doctor_odd SELECT number FROM numbers(10)")
    yield "doctor_odd"
    clickhouse.command("DROP TABLE doctor_odd SYNC")


def test_the_engine_of_the_tests_is_well(
    settings: Settings, clock: ManualClock, state: StateDb, clickhouse: ClickHouse
) -> None:
    found = seen(examine(Subject(settings, clock, clickhouse, state)))
    names = ("version", "schema", "parts", "partitions", "merges", "detached", "mutations", "deduplication")
    assert {name: found[f"engine.{name}"].status for name in names} == dict.fromkeys(names, Status.OK)


def test_a_detached_part_and_a_table_that_does_not_deduplicate(
    settings: Settings, clock: ManualClock, clickhouse: ClickHouse, odd_table: str
) -> None:
    clickhouse.command("ALTER TABLE doctor_odd DETACH PARTITION 0")
    found = seen(examine(Subject(settings, clock, clickhouse)))
    assert found["engine.detached"].seen == f"1 part of {odd_table} (by hand)"
    assert found["engine.detached"].status is Status.WARN
    assert found["engine.deduplication"].seen == f"off for {odd_table}"
    assert found["engine.deduplication"].status is Status.FAIL


def test_a_mutation_that_fails_for_ever(
    settings: Settings, clock: ManualClock, clickhouse: ClickHouse, odd_table: str
) -> None:
    clickhouse.command(
        "ALTER TABLE doctor_odd DELETE WHERE throwIf(v = 4, 'four is not to be')", None, {"mutations_sync": 0}
    )
    deadline = time.monotonic() + 30
    while (found := seen(examine(Subject(settings, clock, clickhouse)))["engine.mutations"]).status is not Status.FAIL:
        assert time.monotonic() < deadline, found
    assert found.seen.startswith(f"1 unfinished, 1 failing: {odd_table}, mutation_")
    assert "four is not to be" in found.seen


def test_a_service_whose_clock_is_ahead_and_a_time_to_come(
    settings: Settings, clickhouse: ClickHouse, tenant: str
) -> None:
    """At a time of its own, so that nothing else arrived lately."""
    clock = ManualClock(datetime(2031, 5, 5, 12, 0, tzinfo=UTC))
    now = clock.now()
    columns = ["TenantId", "ServiceName", "Timestamp", "ReceivedAt"]
    offsets = {"orders": 0.0, "warehouse": 240.0, "till": -600.0, "back-fill": -40 * 86_400.0, "rare": 900.0}
    for name, offset in offsets.items():
        row = (tenant, name, now + timedelta(seconds=offset), now)
        clickhouse.insert_rows("otel_traces", columns, [row] * (5 if name == "rare" else 30))
    found = seen(examine(Subject(settings, clock, clickhouse)))
    assert found["clock.services"].seen == "till is 10 min behind; the clock of warehouse is 4 min ahead" or (
        found["clock.services"].seen == "the clock of warehouse is 4 min ahead; till is 10 min behind"
    )
    assert found["clock.services"].facts["services"] == 3
    assert found["clock.future"].status is Status.OK
    earlier = ManualClock(now - timedelta(minutes=10))
    assert seen(examine(Subject(settings, earlier, clickhouse)))["clock.future"].seen == (
        "data was received 10 min in the future"
    )
    sql = "SELECT DISTINCT _partition_id FROM otel_traces WHERE TenantId = {t:String}"
    for (identity,) in clickhouse.query(sql, {"t": tenant}).rows:
        clickhouse.command("ALTER TABLE otel_traces DROP PARTITION ID {i:String}", {"i": identity})


# --- the report ---


def report(*statuses: Status) -> Report:
    return Report(
        NOW, "1.2.3", "a test", tuple(Finding(f"log.{one}", one, f"saw {one}", "because", "do it") for one in statuses)
    )


@pytest.mark.parametrize(
    ("statuses", "code", "verdict"),
    [
        ((Status.OK, Status.OK), 0, "2 ok"),
        ((Status.OK, Status.WARN), 1, "1 warning, 1 ok"),
        ((Status.WARN, Status.FAIL), 2, "1 failure, 1 warning, 0 ok"),
    ],
)
def test_exit_status_and_print(statuses: tuple[Status, ...], code: int, verdict: str) -> None:
    made = report(*statuses)
    assert made.exit_code == code
    assert Report.from_json(made.to_json()) == made
    file = io.StringIO()
    render(made, Console(file=file, width=100))
    printed = file.getvalue()
    assert printed.rstrip().endswith(verdict)
    assert printed.count("because") == sum(one is not Status.OK for one in statuses)
    if Status.FAIL in statuses:
        assert printed.index("✗ log.fail") < printed.index("! log.warn"), "the worst first"
