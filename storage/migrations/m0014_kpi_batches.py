"""Where the events of cases stand while their views are made: one table for each statement at a time, in memory.

An event stands here in the wording that was received last (`Latest`) and, where it was told more than once, in those
before. The attributes that views read are columns, and `Attributes` has them all for the few events of which any may be
asked for. The rows made of them stand apart (`kpi_made_<view>`) until it is known what they change. All of it is
emptied before the next, and nothing is lost when the engine ends: a run that died begins again.
"""

from __future__ import annotations

from storage.migrations.operations import CreateLike, CreateTable, Drop, Migration

NAME, TEXT = "LowCardinality(String)", "String"
EVENTS = {
    **dict.fromkeys(("Stream", "EventName", "Step", "ActorType", "Resource", "Currency"), NAME),
    **dict.fromkeys(("CaseId", "EventId"), TEXT),
    "Latest": "UInt8", "SegmentId": "UInt64", "Timestamp": "DateTime64(9)", "Moment": "Int128",
    "StartTime": "Nullable(DateTime64(9))",
    "Quantity": "Nullable(Float64)", "Amount": "Nullable(Decimal(18, 4))",
    **dict.fromkeys((
            "OrderId", "LineId", "ShipmentId", "CustomerId", "SupplierId", "LocationId", "PromotionId", "PeriodId",
            "Sku", "Channel", "CancelReason", "ReturnReason", "Disposition",
        ), TEXT),
    "PromiseAt": "Nullable(DateTime64(9, 'UTC'))",
    "Attributes": "Map(LowCardinality(String), String)",
}  # fmt: skip

VIEWS = (
    *("order_lines", "orders", "returns", "movements", "purchases", "promotions", "intervals", "work"),
    *("reconciliations", "stock_counts", "stock_outs", "stock_updates", "price_checks"),
)

MIGRATION = Migration(
    14,
    "kpi_batches",
    "events that views are made from stand in memory, their attributes in columns, two batches at a time",
    (
        CreateTable("kpi_batch_1", EVENTS, "Memory"),
        CreateTable("kpi_batch_2", EVENTS, "Memory"),
        *(CreateLike(f"kpi_made_{view}", f"kpi_{view}", "Memory") for view in VIEWS),
        Drop("kpi_batch"),
    ),
)
