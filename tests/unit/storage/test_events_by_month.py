"""Business events by month: the table that is filled anew keeps every event, wherever the migration is killed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from storage import ClickHouse
from storage.migrations.m0009_events_by_month import MIGRATION
from storage.migrations.operations import SINGLE_NODE, Drop
from storage.migrations.runner import all_migrations

BEGIN, APART = datetime(1999, 2, 28, 23, tzinfo=UTC), timedelta(hours=10_000)
EVENT = """INSERT INTO process_events (TenantId, Stream, CaseId, Timestamp, Seq, EventId, Step, Attributes, SegmentId)
SELECT 'acme', 'orders', toString(number % 7), toDateTime64('1999-02-28 23:00:00', 9) + toIntervalHour(number * 10000),
    number, toString(number), 'Step', map('k', toString(number)), 5 FROM numbers({first:UInt64}, {count:UInt64})"""
CONTENT = "SELECT count(), sum(cityHash64(*)) FROM process_events FINAL"


@pytest.fixture(scope="module")
def older(clickhouse: ClickHouse) -> Iterator[ClickHouse]:
    """A database of the release before, beside the other in the engine."""
    ch = ClickHouse(clickhouse._dsn, "older", inserts=1)
    for migration in all_migrations()[: MIGRATION.number - 1]:
        for operation in migration.operations:
            ch.command(operation.sql(SINGLE_NODE))
    yield ch
    ch.command("DROP DATABASE older")
    ch.close()


def test_an_older_note_says_nothing_of_times_and_a_new_one_when_its_events_began(older: ClickHouse) -> None:
    older.command(EVENT, {"first": 0, "count": 1})
    for operation in MIGRATION.operations:
        older.command(operation.sql(SINGLE_NODE))
    older.command(EVENT, {"first": 7, "count": 15})
    rows = older.query("SELECT CaseId, Earliest FROM case_changes ORDER BY Earliest, CaseId").rows
    assert rows == [
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        *((str(n % 7), BEGIN + n * APART) for n in range(7, 14)),
    ]


def test_no_event_is_lost_wherever_the_migration_is_killed(older: ClickHouse) -> None:
    by_year = next(one for one in MIGRATION.operations if one.target == "process_events").sql(SINGLE_NODE)
    times = [BEGIN + n * APART for n in range(12)]
    for done in range(len(MIGRATION.operations) + 1):
        for statement in (Drop("process_events").sql(SINGLE_NODE), by_year):
            older.command(statement)
        older.command(EVENT, {"first": 0, "count": 12})
        before = older.query(CONTENT).rows
        for operation in (*MIGRATION.operations[:done], *MIGRATION.operations):
            older.command(operation.sql(SINGLE_NODE))
        assert older.query(CONTENT).rows == before, f"killed after {done} statements"
        assert not older.query("EXISTS TABLE process_events_by_month").scalar()
        months = older.query(
            "SELECT DISTINCT partition FROM system.parts WHERE active AND table = 'process_events'"
            " AND database = currentDatabase() ORDER BY partition"
        ).rows
        assert [one for (one,) in months] == [
            f"('acme',{at:%Y%m})" if at.year >= 2000 else f"('acme',{at:%Y})" for at in times
        ]
