"""What is kept aside, and which attributes have very many values.

The quarantine's key is the place in the log that an entry came from, so writing it again changes nothing; a later
version of the same entry (replayed, discarded) replaces it.
"""

from __future__ import annotations

from storage.migrations.common import DEDUPLICATION, ZSTD, partition_by_month
from storage.migrations.operations import CreateTable, Migration

MIGRATION = Migration(
    5,
    "quarantine",
    "refused data with its reason, and attributes with very many values",
    (
        CreateTable(
            "quarantine",
            {
                "TenantId": "LowCardinality(String)",
                "ReceivedAt": "DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1))",
                "SegmentId": f"UInt64 {ZSTD}",
                "FrameOffset": f"UInt64 {ZSTD}",
                "Signal": "LowCardinality(String)",
                "Reason": "LowCardinality(String)",
                "Detail": f"String {ZSTD}",
                "ServiceName": f"LowCardinality(String) {ZSTD}",
                "Items": f"UInt64 {ZSTD}",
                "Bytes": f"UInt64 {ZSTD}",
                "Payload": "String CODEC(ZSTD(3))",
                "Status": "LowCardinality(String)",
                "UpdatedBy": f"String {ZSTD}",
                "UpdatedAt": f"DateTime64(6, 'UTC') {ZSTD}",
            },
            "ReplacingMergeTree(UpdatedAt)",
            order_by="(TenantId, ReceivedAt, SegmentId, FrameOffset)",
            partition_by=partition_by_month("ReceivedAt"),
            indexes=("idx_segment SegmentId TYPE minmax GRANULARITY 1",),
            settings=DEDUPLICATION,
        ),
        CreateTable(
            "attribute_cardinality",
            {
                "TenantId": "LowCardinality(String)",
                "Signal": "LowCardinality(String)",
                "Place": "LowCardinality(String)",
                "Name": f"String {ZSTD}",
                "Hour": "DateTime('UTC') CODEC(Delta, ZSTD(1))",
                "DistinctValues": f"UInt64 {ZSTD}",
                "Values": f"UInt64 {ZSTD}",
                "Bytes": f"UInt64 {ZSTD}",
                "ByteShare": f"Float64 {ZSTD}",
                "SampledRows": f"UInt64 {ZSTD}",
                "Rows": f"UInt64 {ZSTD}",
                "Services": f"Array(String) {ZSTD}",
                "Examples": f"Array(String) {ZSTD}",
                "ComputedAt": f"DateTime64(3, 'UTC') {ZSTD}",
            },
            "ReplacingMergeTree(ComputedAt)",
            order_by="(TenantId, Signal, Place, Name, Hour)",
            partition_by=partition_by_month("Hour"),
            settings=DEDUPLICATION,
        ),
    ),
)
