"""Telling one life of an engine from the next."""

from __future__ import annotations

import pytest

from storage import ClickHouse, same_life


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("uuid 1700000000", "uuid 1700000000", True),
        ("uuid 1700000000", "uuid 1700000001", True),
        ("uuid 1700000000", "uuid 1700000030", False),
        ("uuid 1700000000", "another 1700000000", False),
        ("boot-1", "boot-1", True),
        ("boot-1", "boot-2", False),
        ("", "", True),
        ("", "boot-1", False),
        ("uuid 1700000000", "uuid soon", False),
    ],
)
def test_a_second_more_or_less_is_the_same_life(one: str, other: str, same: bool) -> None:
    """A server's start is computed from its time and its uptime, which tick at different moments."""
    assert same_life(one, other) is same
    assert same_life(other, one) is same


def test_the_engine_lives(clickhouse: ClickHouse) -> None:
    """Asked twice, it says the same."""
    assert same_life(clickhouse.incarnation(), clickhouse.incarnation())
