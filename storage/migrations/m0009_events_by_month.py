"""`process_events` by month, how far back what was touched goes, and what the jobs have taken in of late.

A run of the case jobs reads the earlier events of the cases that were touched. Their cases say when these began, so
only the partitions since then are read, and a month is what an open case needs of them, not a year (docs/adr/0010). For
a case that is not known yet the note of the change says it: `Earliest`, the first time of what came in.

`Taken` is what a job had taken in when it wrote its mark, of the minutes that it looks at again because an insert may
become visible late: a process that begins need not take all of it in once more.

The table is filled anew, in an order in which a run that was killed can be repeated: until the old table is dropped the
new one is complete, and where the old one is missing an empty one stands in.
"""

from __future__ import annotations

from storage.migrations.common import DEDUPLICATION, partition_by_month, partition_by_year
from storage.migrations.m0002_logs import EVENT_COLUMNS
from storage.migrations.operations import (
    AddColumn,
    CopyRows,
    CreateTable,
    CreateView,
    Drop,
    Migration,
    Operation,
    Rename,
)

_NEW = "process_events_by_month"
_INDEXES = (
    "idx_time Timestamp TYPE minmax GRANULARITY 1",
    "idx_received ReceivedAt TYPE minmax GRANULARITY 1",
    "idx_event EventName TYPE set(100) GRANULARITY 1",
)


def _events(name: str, partition: str) -> CreateTable:
    return CreateTable(
        name,
        EVENT_COLUMNS,
        "ReplacingMergeTree",
        order_by="(TenantId, Stream, CaseId, Timestamp, Seq, EventId)",
        partition_by=partition,
        indexes=_INDEXES,
        settings=DEDUPLICATION,
    )


def _noted(view: str, source: str, stream: str, case: str, segment: str) -> tuple[Operation, ...]:
    return (
        Drop(view),
        CreateView(
            view,
            "case_changes",
            f"SELECT TenantId, {stream} AS Stream, {case} AS CaseId, {segment} AS SegmentId,\n"
            f"  now64(3, 'UTC') AS InsertedAt, min(Timestamp) AS Earliest\nFROM {source}\n"
            "GROUP BY TenantId, Stream, CaseId, SegmentId",
        ),
    )


MIGRATION = Migration(
    9,
    "events_by_month",
    "business events by month, so that an update of cases reads no more of history than these cases have",
    (
        AddColumn("case_changes", "Earliest", "DateTime64(9) DEFAULT toDateTime64(0, 9) CODEC(ZSTD(1))"),
        AddColumn("case_marks", "Taken", "Array(Tuple(UInt64, DateTime64(3, 'UTC'), UInt64))"),
        AddColumn("resolution_marks", "Taken", "Array(Tuple(String, UInt64, DateTime64(3, 'UTC'), UInt64, UInt64))"),
        _events("process_events", partition_by_year("Timestamp")),
        _events(_NEW, partition_by_month("Timestamp")),
        CopyRows(_NEW, "process_events", tuple(EVENT_COLUMNS)),
        Drop("case_changes_mv"),
        Drop("process_events"),
        Rename(_NEW, "process_events"),
        *_noted("case_changes_mv", "process_events", "Stream", "CaseId", "SegmentId"),
        *_noted("case_changes_resolved_mv", "resolved_steps", "Stream", "CaseId", "Version"),
        *_noted("case_changes_objects_mv", "object_events", "concat(Stream, '/', ObjectType)", "ObjectId", "SegmentId"),
    ),
    blocking=True,
)
