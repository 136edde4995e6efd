"""Movements: what one event said was ordered, shipped, cancelled or credited; and lines that speak for their order.

Some key figures set what happened in a period against what happened in the same period (credits against sales,
shipments against orders), whether or not one follows from the other. Their rows are movements, and not the orders or
returns that bring them together. Filled like the other canonical views (migration 10), and from `process_events` alone.

The columns of order lines let one line speak for its order, so that orders can be counted from their lines.
"""

from __future__ import annotations

from storage.migrations.common import DEDUPLICATION, ZSTD, partition_by_year
from storage.migrations.m0010_canonical_views import FLAG, KEY, MONEY, NAME, TEXT, TIME
from storage.migrations.operations import AddColumn, CreateTable, Migration

MOVEMENTS = {
    "Kind": NAME, "At": TIME, "OrderId": TEXT, "LineId": TEXT, "Sku": NAME, "Channel": NAME, "Reason": NAME,
    "Currency": NAME, "Quantity": f"Nullable(Float64) {ZSTD}", "Amount": MONEY, "First": FLAG,
}  # fmt: skip
OF_THE_ORDER = {"SpeaksForOrder": FLAG, "OrderLeftOut": FLAG, "OrderOpen": FLAG, "OrderFilled": FLAG}

MIGRATION = Migration(
    12,
    "movements",
    "what was ordered, shipped, cancelled and credited, an event each; lines that speak for their order",
    (
        CreateTable(
            "kpi_movements",
            {**KEY, **MOVEMENTS},
            "ReplacingMergeTree(Version, Gone)",
            order_by="(TenantId, Stream, CaseId, Subject)",
            partition_by=partition_by_year("Began"),
            settings=DEDUPLICATION | {"index_granularity": 1024},
        ),
        *(AddColumn("kpi_order_lines", name, kind) for name, kind in OF_THE_ORDER.items()),
    ),
)
