"""The schema on PostgreSQL, and what only a database with transactions side by side can show."""

from __future__ import annotations

import threading
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from collector.resent import SeenRequests
from storage import StateDb, migrate_state
from storage.state.database import state_revisions
from storage.state.metadata import METADATA
from tests.unit.collector.support import frame


def test_the_schema_is_the_declared_one(state: StateDb) -> None:
    """Every revision ran, a second run changes nothing, and nothing differs from what the code declares."""
    migrate_state(state)
    assert len(set(state_revisions(state))) == 1
    with state.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_two_segments_with_the_same_request_at_once(state: StateDb) -> None:
    """PostgreSQL lets transactions look side by side; one of two equal requests is still the second."""
    seen, decided, start = SeenRequests(state, window_s=60), dict[int, Any](), threading.Barrier(4)
    requests = [frame(number) for number in range(40)]

    def claim(segment: int) -> None:
        order = requests if segment % 2 else requests[::-1]
        start.wait()
        decided[segment] = seen.claim(segment, 5, order)

    threads = [threading.Thread(target=claim, args=(segment,)) for segment in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(requests) - len(found) for found in decided.values()) == len(requests)
