"""Where the events of cases stand while their views are made, and views of which a few rows are read quickly.

An event stands in a batch in the wording that was received last (`Latest`) and, where it was told more than once, in
those before. The attributes that views read are columns, and `Attributes` has them all for the few events of which any
may be asked for. The rows made of them stand apart (`kpi_made_<view>`) until it is known what they change. All of it is
in memory and emptied before the next; nothing is lost when the engine ends: a run that died begins again.

The views are made anew, for their rows can be filled again at any time: a run reads the rows of some cases here and
there, and paid mostly for decompressing what lies around them. Smaller granules, a block for each, and LZ4 instead of
ZSTD take a quarter of that, half of the time of a full reading, and a third more room.
"""

from __future__ import annotations

from storage.migrations.common import DEDUPLICATION, ZSTD, partition_by_year
from storage.migrations.m0010_canonical_views import KEY, NUMBER
from storage.migrations.m0010_canonical_views import VIEWS as FIRST_VIEWS
from storage.migrations.m0011_records import VIEWS as VIEWS_OF_RECORDS
from storage.migrations.m0012_movements import MOVEMENTS, OF_THE_ORDER
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

VIEWS = {**FIRST_VIEWS, **VIEWS_OF_RECORDS, "kpi_movements": MOVEMENTS}
VIEWS["kpi_orders"] = {**VIEWS["kpi_orders"], "InTransit": NUMBER}
VIEWS["kpi_order_lines"] = {**VIEWS["kpi_order_lines"], **OF_THE_ORDER}


def _view(name: str, columns: dict[str, str]) -> CreateTable:
    return CreateTable(
        name,
        {column: kind.replace(ZSTD, "CODEC(LZ4)") for column, kind in {**KEY, **columns}.items()},
        "ReplacingMergeTree(Version, Gone)",
        order_by="(TenantId, Stream, CaseId, Subject)",
        partition_by=partition_by_year("Began"),
        settings=DEDUPLICATION | {"index_granularity": 512, "min_compress_block_size": 4096},
    )


MIGRATION = Migration(
    14,
    "kpi_batches",
    "events that views are made from stand in memory; a few rows of a view are read without unpacking many",
    (
        *(Drop(name) for name in VIEWS),
        *(_view(name, columns) for name, columns in VIEWS.items()),
        *(CreateLike(name.replace("kpi_", "kpi_made_"), name, "Memory") for name in VIEWS),
        CreateTable("kpi_batch_1", EVENTS, "Memory"),
        CreateTable("kpi_batch_2", EVENTS, "Memory"),
        Drop("kpi_batch"),
    ),
)
