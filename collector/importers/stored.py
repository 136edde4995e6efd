"""Asks the store for a record, so that a batch which was in doubt when an import was killed is not stored twice.

Meant for an import on the data directory itself, after the log was emptied into the tables; a record that is still in
the log is not found.
"""

from __future__ import annotations

from collector.importers.marks import Stored
from storage import ClickHouse, load_sql


def stored_in(ch: ClickHouse, tenant: str) -> Stored:
    """Whether the tenant has a log record with this event id at this time, in nanoseconds since 1970."""

    def stored(event_id: str, time_ns: int) -> bool:
        params = {"tenant": tenant, "time": time_ns, "event": event_id}
        return bool(ch.query(load_sql("collector", "import_record_stored"), params).scalar())

    return stored
