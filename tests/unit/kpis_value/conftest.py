"""One shop for each module that asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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


@pytest.fixture(scope="session")
def stats() -> Any:
    """Scipy's, which the product does not have. It loads for more than a second, so not before a test asks."""
    return pytest.importorskip("scipy.stats")


@pytest.fixture(scope="module")
def filled(clickhouse: ClickHouse) -> Filled:
    """With all values computed."""
    return Filled(clickhouse, "value-shop", fill(clickhouse, "value-shop"))
