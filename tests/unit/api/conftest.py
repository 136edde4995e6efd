"""One running application for each module that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storage import ClickHouse
from tests.unit.api.service import Api, serving


@pytest.fixture(scope="module")
def api(clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """With keys and two tenants."""
    with serving(clickhouse, tmp_path_factory.mktemp("api")) as found:
        yield found


@pytest.fixture(scope="module")
def open_api(clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Without any key: open to this machine."""
    with serving(clickhouse, tmp_path_factory.mktemp("open"), open_to_all=True) as found:
        yield found
