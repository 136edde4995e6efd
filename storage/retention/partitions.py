"""The partitions that exist, read from the tables' own metadata: no row is looked at.

The engine keeps the smallest and largest value of every column in a partition expression for each part. A partition's
bounds, though, come from its *key*: whatever arrives later cannot lie outside them, which the largest value of this
moment does not promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from storage.clickhouse.client import ClickHouse
from storage.retention.datasets import RETAINED, Dataset, RetainedTable
from storage.sqlfiles import load_sql

_DAY, _MONTH = 10_000_000, 100_000


@dataclass(frozen=True)
class Partition:
    """One tenant's rows of one span of time in one table.

    `bucket`: the number in its key, see storage/migrations/common.py. `oldest`, `newest`: the times that are in it.
    `bytes`: on disk. `parts`: how many the engine has made of it so far.
    """

    table: RetainedTable
    tenant: str
    id: str
    bucket: int
    rows: int
    bytes: int
    parts: int
    oldest: datetime
    newest: datetime

    @property
    def dataset(self) -> Dataset:
        """Whose policy counts: gathered by year, telemetry is history."""
        telemetry = self.table.dataset in (Dataset.TRACES, Dataset.LOGS, Dataset.METRICS) and not self.table.follows
        return Dataset.HISTORY if telemetry and self.bucket < _MONTH else self.table.dataset

    @property
    def end(self) -> datetime:
        """The first instant that can never be in it."""
        return bucket_bounds(self.bucket)[1]

    @property
    def name(self) -> str:
        """For people: a day, a month or a year."""
        text = str(self.bucket)
        return "-".join(filter(None, (text[:4], text[4:6], text[6:8])))


def bucket_bounds(bucket: int) -> tuple[datetime, datetime]:
    """Where the span of a partition's number begins and ends (exclusive); the clamped years are open to one side."""
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    if bucket >= _DAY:
        start = datetime(bucket // 10_000, bucket // 100 % 100, bucket % 100, tzinfo=UTC)
        return start, start + timedelta(days=1)
    if bucket >= _MONTH:
        year, month = divmod(bucket, 100)
        return datetime(year, month, 1, tzinfo=UTC), datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    start = first if bucket <= 1980 else datetime(bucket, 1, 1, tzinfo=UTC)
    return start, (last if bucket >= 2100 else datetime(bucket + 1, 1, 1, tzinfo=UTC))


def list_partitions(
    ch: ClickHouse, tenant: str | None = None, tables: Sequence[RetainedTable] = RETAINED
) -> list[Partition]:
    """Every partition of one tenant or of all, in the order of `tables`, the oldest first. Raises StorageError."""
    sizes = {
        (table, identity): (int(size), int(parts))
        for table, identity, size, parts in ch.query(
            load_sql("storage", "retention_sizes"), {"database": ch.database}
        ).rows
    }
    found = []
    for table in tables:
        rows = ch.query(
            load_sql("storage", "retention_partitions"),
            {"table": table.name, "time": table.time, "tenant": tenant or "", "all": int(tenant is None)},
        ).rows
        for identity, owner, bucket, count, oldest, newest in rows:
            size, parts = sizes.get((table.name, identity), (0, 0))
            found.append(
                Partition(table, owner, identity, int(bucket), int(count), size, parts, _aware(oldest), _aware(newest))
            )
    return found


def newest_moment(ch: ClickHouse, partition: Partition) -> datetime:
    """Until when the rows of a look-up table's partition speak. Reads one column of it."""
    table = partition.table
    if not table.until:
        return partition.newest
    sql = load_sql("storage", "retention_until")
    found = ch.query(sql, {"table": table.name, "until": table.until, "id": partition.id}).scalar()
    return _aware(found) if found is not None else partition.newest


def drop_partition(ch: ClickHouse, partition: Partition) -> None:
    """Drops it; one that is gone already is no error. Raises StorageError."""
    ch.command(load_sql("storage", "retention_drop"), {"table": partition.table.name, "id": partition.id})


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)
