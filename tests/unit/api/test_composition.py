"""What the service refuses to start with."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.composition import Stores, open_definitions
from core import ConfigurationError, ManualClock, load_settings
from kpis import load_catalogue
from storage import ClickHouse, StateDb


def test_a_currency_that_is_none(clickhouse: ClickHouse, state: StateDb, clock: ManualClock, tmp_path: Path) -> None:
    """With it every amount would be left out of every sum."""

    def opened(currency: str) -> str:
        stores = Stores(load_settings(data_dir=tmp_path, currency=currency), clickhouse, state)
        return open_definitions(stores, clock, load_catalogue()).usual.currency

    assert (opened(""), opened("CHF")) == ("", "CHF")
    with pytest.raises(ConfigurationError, match="currency 'ZZZ' is in use nowhere"):
        opened("ZZZ")
