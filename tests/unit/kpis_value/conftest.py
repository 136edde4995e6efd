"""One shop for each module that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from core import ManualClock
from storage import ClickHouse
from tests.unit.kpis_value.shop import fill


@dataclass(frozen=True)
class Filled:
    """The shop in the engine."""

    ch: ClickHouse
    tenant: str
    clock: ManualClock


@pytest.fixture(scope="module")
def filled(clickhouse: ClickHouse) -> Iterator[Filled]:
    """With all values computed."""
    yield Filled(clickhouse, "value-shop", fill(clickhouse, "value-shop"))
