"""KPI values: recomputed per bucket; the newest computation of a bucket stands."""

from __future__ import annotations

from storage.migrations.common import DEDUPLICATION, ZSTD, partition_by_year
from storage.migrations.operations import CreateTable, Migration

MIGRATION = Migration(
    4,
    "kpi_values",
    "results of the KPI jobs with their definition version, basis and sample size",
    (
        CreateTable(
            "kpi_values",
            {
                "TenantId": "LowCardinality(String)",
                "KpiId": "LowCardinality(String)",
                "Version": "UInt16",
                "Basis": "LowCardinality(String)",
                "Dimension": "LowCardinality(String)",
                "DimensionValue": f"String {ZSTD}",
                "Grain": "LowCardinality(String)",
                "BucketStart": "DateTime('UTC') CODEC(Delta, ZSTD(1))",
                "Value": f"Nullable(Float64) {ZSTD}",
                "Numerator": f"Float64 {ZSTD}",
                "Denominator": f"Float64 {ZSTD}",
                "SampleSize": f"UInt64 {ZSTD}",
                "Excluded": f"UInt64 {ZSTD}",
                "OpenCases": f"UInt64 {ZSTD}",
                "DataThrough": f"DateTime64(3, 'UTC') {ZSTD}",
                "ComputedAt": f"DateTime64(3, 'UTC') {ZSTD}",
            },
            "ReplacingMergeTree(ComputedAt)",
            order_by="(TenantId, KpiId, Version, Basis, Dimension, DimensionValue, Grain, BucketStart)",
            partition_by=partition_by_year("BucketStart"),
            settings=DEDUPLICATION,
        ),
    ),
)
