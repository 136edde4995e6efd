"""Where things are kept: telemetry in ClickHouse, transactional state in a relational database.

Nothing above this room sees a foreign store's error or type.
"""

from storage.clickhouse.client import ClickHouse, QueryResult, open_clickhouse
from storage.clickhouse.durable import same_life
from storage.migrations.runner import MigrationStatus, migrate_clickhouse, migration_status, pending_sql
from storage.signals import SegmentMeta, Signal
from storage.sqlfiles import load_sql
from storage.start import open_migrated
from storage.state.database import StateDb, migrate_state, open_state

__all__ = [
    "ClickHouse",
    "MigrationStatus",
    "QueryResult",
    "SegmentMeta",
    "Signal",
    "StateDb",
    "load_sql",
    "migrate_clickhouse",
    "migrate_state",
    "migration_status",
    "open_clickhouse",
    "open_migrated",
    "open_state",
    "pending_sql",
    "same_life",
]
