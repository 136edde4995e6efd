"""Canonical views: what KPIs are computed from, one row for each subject (an order, a line, a return, an interval …).

A subject's row is made anew as a whole whenever an event of its case arrives; the row with the highest version is the
subject, and one that is `Gone` is none any more. Nothing here is known from elsewhere: the tables can be filled again
from `process_events` at any time.

The newest version of a subject is in the partition of its beginning; older versions in other partitions are hidden by
FINAL. `kpi_marks` says how far the views of a tenant have come, and by which text of the statements they were made.
"""

from __future__ import annotations

from storage.migrations.common import DEDUPLICATION, ZSTD, partition_by_year
from storage.migrations.operations import CreateTable, Migration

TIME = f"Nullable(DateTime64(9, 'UTC')) {ZSTD}"
TEXT = f"String {ZSTD}"
NAME = f"LowCardinality(String) {ZSTD}"
NUMBER = f"UInt32 {ZSTD}"
FLAG = f"UInt8 {ZSTD}"
UNITS = f"Float64 {ZSTD}"
MONEY = f"Nullable(Decimal(18, 4)) {ZSTD}"

KEY = {
    "TenantId": "LowCardinality(String)",
    "Stream": NAME,
    "CaseId": TEXT,
    "Subject": TEXT,
    "Version": f"UInt64 {ZSTD}",
    "Gone": FLAG,
    "Began": f"DateTime64(9, 'UTC') {ZSTD}",
}

ORDERS = {
    **dict.fromkeys((
            "PlacedAt", "ValidatedAt", "FraudCheckedAt", "AllocatedAt", "BackorderedAt", "PickedAt", "PackedAt",
            "ShippedAt", "LastShippedAt", "DeliveredAt", "LastDeliveredAt", "InvoicedAt", "PaidAt", "CancelledAt",
            "FailedAt", "PromisedAt", "LastPromisedAt",
        ), TIME),
    "CancelReason": NAME, "Channel": NAME, "CustomerId": TEXT, "LocationId": NAME, "Currency": NAME,
    "Quantity": UNITS, "Amount": MONEY, "InvoicedAmount": MONEY, "PaidAmount": MONEY,
    "Lines": NUMBER, "LinesFilled": NUMBER, "LinesFilledAtOnce": NUMBER, "LinesOpen": NUMBER, "LinesLeftOut": NUMBER,
    "Exceptions": NUMBER, "ExceptionsByPeople": NUMBER, "ExceptionsOpen": NUMBER,
}  # fmt: skip

ORDER_LINES = {
    **dict.fromkeys(("PlacedAt", "FirstShippedAt", "LastShippedAt", "FilledAt", "BackorderedAt"), TIME),
    "LineId": TEXT, "Sku": NAME, "Channel": NAME, "PromotionId": NAME, "Currency": NAME,
    "Ordered": UNITS, "Amount": MONEY, "Shipped": UNITS, "ShippedFirst": UNITS, "Withdrawn": UNITS, "Denied": UNITS,
    "Wanted": UNITS, "LeftOut": NAME, "Open": FLAG, "Filled": FLAG,
}  # fmt: skip

RETURNS = {
    **dict.fromkeys((
            "RequestedAt", "AuthorisedAt", "ReceivedAt", "InspectedAt", "DispositionedAt", "ApprovedAt", "IssuedAt",
            "SettledAt", "ClosedAt",
        ), TIME),
    "Reason": NAME, "Disposition": NAME, "OrderId": TEXT, "Sku": NAME, "Currency": NAME,
    "Quantity": UNITS, "Amount": MONEY, "RefundAmount": MONEY,
}  # fmt: skip

PURCHASES = {
    **dict.fromkeys((
            "SentAt", "AcknowledgedAt", "ChangedAt", "PromisedAt", "LastPromisedAt", "ReceivedAt", "LastReceivedAt",
            "InvoicedAt", "MatchedAt", "MismatchedAt", "PaidAt",
        ), TIME),
    "SupplierId": NAME, "Sku": NAME, "Currency": NAME, "FirstMatch": NAME,
    "Ordered": UNITS, "Received": UNITS, "Amount": MONEY, "InvoicedAmount": MONEY, "PaidAmount": MONEY,
    "Changes": NUMBER, "InvoiceTouches": NUMBER, "InvoiceActors": NUMBER,
}  # fmt: skip

PROMOTIONS = {
    **dict.fromkeys(("SetUpAt", "PricedAt", "StartedAt", "EndedAt", "ClaimedAt", "LastClaimedAt", "SettledAt"), TIME),
    "SupplierId": NAME, "Currency": NAME, "Claims": NUMBER, "Settlements": NUMBER, "Claimed": MONEY, "Settled": MONEY,
}  # fmt: skip

INTERVALS = {
    "Kind": NAME, "Label": NAME, "StartedAt": TIME, "EndedAt": TIME, "Result": NAME, "EndActor": NAME, "Resource": NAME,
    "Quantity": UNITS, "Amount": MONEY, "Currency": NAME,
}  # fmt: skip

WORK = {
    "FirstAt": TIME, "LastAt": TIME, "Events": NUMBER,
    "HumanSteps": NUMBER, "SystemSteps": NUMBER, "AgentSteps": NUMBER, "UnknownSteps": NUMBER,
    "Kinds": NUMBER, "Repeats": NUMBER,
}  # fmt: skip

VIEWS = {
    "kpi_orders": ORDERS,
    "kpi_order_lines": ORDER_LINES,
    "kpi_returns": RETURNS,
    "kpi_purchases": PURCHASES,
    "kpi_promotions": PROMOTIONS,
    "kpi_intervals": INTERVALS,
    "kpi_work": WORK,
}

MARKS = {
    "TenantId": "LowCardinality(String)",
    "Model": "UInt64",
    "Through": "DateTime64(3, 'UTC')",
    "Taken": "Array(Tuple(UInt64, DateTime64(3, 'UTC'), UInt64))",
    "Version": "UInt64",
}

MIGRATION = Migration(
    10,
    "canonical_views",
    "what KPIs are computed from: orders, lines, returns, purchases, promotions, intervals and work, a row a subject",
    (
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
        CreateTable("kpi_marks", MARKS, "ReplacingMergeTree(Version)", order_by="TenantId", settings=DEDUPLICATION),
    ),
)
