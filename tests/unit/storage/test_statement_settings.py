"""Settings of a statement hold for all of it, and for no other."""

from __future__ import annotations

import pytest

from core import StorageError
from storage import ClickHouse

STATEMENTS = [
    "INSERT INTO settings_told SELECT number, {text:String} FROM numbers(10)",
    "-- with a word before\nINSERT INTO settings_told\nWITH some AS (SELECT number FROM numbers(10))\n"
    "SELECT number, {text:String} FROM some",
    "INSERT INTO settings_told\nSELECT number, {text:String} FROM numbers(5)\nUNION ALL\n"
    "SELECT 1, {text:String} FROM numbers(5)",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_an_insert_from_a_select(clickhouse: ClickHouse, statement: str) -> None:
    clickhouse.command("CREATE TABLE IF NOT EXISTS settings_told (n UInt64, text String) ENGINE = Memory")
    clickhouse.command("TRUNCATE TABLE settings_told")
    given = {"text": "a 'quoted' \\ word"}
    with pytest.raises(StorageError):
        clickhouse.command(statement, given, {"max_rows_to_read": 4, "read_overflow_mode": "throw"})
    clickhouse.command(statement, given, {"max_rows_to_read": 4, "read_overflow_mode": "break", "max_block_size": 2})
    assert clickhouse.query("SELECT count() FROM settings_told").rows[0][0] < 10
    clickhouse.command("TRUNCATE TABLE settings_told")
    clickhouse.command(statement, given)
    assert clickhouse.query("SELECT count(), max(text) FROM settings_told").rows == [(10, given["text"])]
    with pytest.raises(StorageError):
        clickhouse.command(statement, given, {"max_rows_to_read": "4'; DROP TABLE settings_told; --"})
    assert clickhouse.query("SELECT count() FROM settings_told").rows == [(10,)]
