"""A percent sign in a statement is one, whatever parameters come with it."""

from __future__ import annotations

from storage import ClickHouse


def test_only_the_engine_fills_in_parameters(clickhouse: ClickHouse) -> None:
    assert clickhouse.query("SELECT 7 % 4, 'a%b%s%%'", {"unused": 1}).rows == [(3, "a%b%s%%")]
    assert clickhouse.query("SELECT {x:UInt8} % 4, 'a%s'", {"x": 7}).rows == [(3, "a%s")]
