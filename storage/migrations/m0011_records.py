"""Events about records that are kept (a stock level, a price) and not about a case, and the views made of them.

Such an event is often told without a case, and then it is in no row of `process_events`. Here it stands under the
record that it is about: an item at a location for stock, an item in a channel for prices. `Stream` is the kind of
record, `CaseId` the record, so that the views are made of records as they are made of cases. `record_changes` is to it
what `case_changes` is to cases. An event that is told with a case is in both tables.

Orders get the number of their shipments that have left and not arrived.

Only what arrives from now on is taken in; logs that were received before stay as they are.
"""

from __future__ import annotations

from storage.migrations.common import DEDUPLICATION, ZSTD, partition_by_month, partition_by_year
from storage.migrations.m0002_logs import EVENT_COLUMNS, EVENTS
from storage.migrations.m0007_cases import CHANGES
from storage.migrations.m0010_canonical_views import KEY, MONEY, NAME, TIME
from storage.migrations.operations import AddColumn, CreateTable, CreateView, Migration

_LEVEL = f"Nullable(Float64) {ZSTD}"
_RECORD = """concat(LogAttributes['retail.sku'], ' @ ',
    LogAttributes[if(EventName LIKE 'retail.stock.%', 'retail.location.id', 'retail.channel')])"""
RECORD_EVENTS = (
    EVENTS.replace("Stream, CaseId,", f"splitByChar('.', EventName)[2] AS Stream,\n  {_RECORD} AS CaseId,")
    .replace("'business_key' AS CaseRule", "'record' AS CaseRule")
    .replace(
        "WHERE EventName != '' AND Stream != '' AND CaseId != ''",
        "WHERE EventName LIKE 'retail.stock.%' OR EventName LIKE 'retail.price.%'",
    )
)  # fmt: skip

STOCK_COUNTS = {"CountedAt": TIME, "Sku": NAME, "LocationId": NAME, "Counted": _LEVEL, "Book": _LEVEL}
STOCK_OUTS = {"StartedAt": TIME, "EndedAt": TIME, "Sku": NAME, "LocationId": NAME}
STOCK_UPDATES = {
    "ChangedAt": TIME, "ShownAt": TIME, "Sku": NAME, "LocationId": NAME, "System": NAME, "Level": _LEVEL,
}  # fmt: skip
PRICE_CHECKS = {
    "CheckedAt": TIME, "Sku": NAME, "Channel": NAME, "Found": MONEY, "Expected": MONEY, "Currency": NAME,
}  # fmt: skip
RECONCILIATIONS = {
    "StartedAt": TIME, "EndedAt": TIME, "PeriodId": NAME, "ActorType": NAME, "Resource": NAME, "Difference": MONEY,
    "Currency": NAME,
}  # fmt: skip

VIEWS = {
    "kpi_stock_counts": STOCK_COUNTS,
    "kpi_stock_outs": STOCK_OUTS,
    "kpi_stock_updates": STOCK_UPDATES,
    "kpi_price_checks": PRICE_CHECKS,
    "kpi_reconciliations": RECONCILIATIONS,
}

MIGRATION = Migration(
    11,
    "records",
    "events about stock and prices that have no case, and the views made of them",
    (
        AddColumn("kpi_orders", "InTransit", "UInt32 CODEC(ZSTD(1))"),
        CreateTable(
            "record_events",
            EVENT_COLUMNS,
            "ReplacingMergeTree",
            order_by="(TenantId, Stream, CaseId, Timestamp, Seq, EventId)",
            partition_by=partition_by_month("Timestamp"),
            settings=DEDUPLICATION,
        ),
        CreateTable(
            "record_changes",
            {**CHANGES, "Earliest": "DateTime64(9) CODEC(ZSTD(1))"},
            "MergeTree",
            order_by="(InsertedAt, TenantId, Stream, SegmentId)",
            partition_by="toYYYYMMDD(InsertedAt, 'UTC')",
            settings=DEDUPLICATION,
        ),
        *(
            CreateTable(
                name,
                {**KEY, **columns},
                "ReplacingMergeTree(Version, Gone)",
                order_by="(TenantId, Stream, CaseId, Subject)",
                partition_by=partition_by_year("Began"),
                settings=DEDUPLICATION | {"index_granularity": 1024},
            )
            for name, columns in VIEWS.items()
        ),
        CreateView("record_events_mv", "record_events", RECORD_EVENTS),
        CreateView(
            "record_changes_mv",
            "record_changes",
            "SELECT TenantId, Stream, CaseId, SegmentId, now64(3, 'UTC') AS InsertedAt, min(Timestamp) AS Earliest\n"
            "FROM record_events\nGROUP BY TenantId, Stream, CaseId, SegmentId",
        ),
    ),
)
