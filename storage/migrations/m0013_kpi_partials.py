"""What facts of canonical views add up to by hour, and where the events of a run stand while it lasts.

A day, a week and a month of a KPI are sums of hours, a percentile is one of all numbers of its hours. So a run that
changes some hours reads hours again, not subjects. `Measure` names one way in which one version of a definition counts
(with its parameters and the zone of its hours: with other ones it is another); `Numbers` are the numerators one by one,
ascending, where a percentile needs them. Sums are whole millionths. The row of hour 0 says that a measure is complete.

`kpi_batch` holds the events of the cases that a run makes anew, read once for all views; it is emptied by the next run.
"""

from __future__ import annotations

from storage.migrations.common import DEDUPLICATION, ZSTD, partition_by_year
from storage.migrations.m0002_logs import EVENT_COLUMNS
from storage.migrations.operations import CreateTable, Migration

SUM = f"Int128 {ZSTD}"
NUMBER = f"UInt64 {ZSTD}"

PARTIALS = {
    "TenantId": "LowCardinality(String)",
    "Measure": "UInt64",
    "Hour": "DateTime('UTC') CODEC(Delta, ZSTD(1))",
    "Version": NUMBER,
    "Numerator": SUM,
    "Denominator": SUM,
    "Counted": NUMBER,
    "LeftOut": NUMBER,
    "Open": NUMBER,
    "Numbers": f"Array(Int64) {ZSTD}",
}

MIGRATION = Migration(
    13,
    "kpi_partials",
    "what KPIs add up to by hour, so that a run with news reads hours and not all subjects",
    (
        CreateTable(
            "kpi_partials",
            PARTIALS,
            "ReplacingMergeTree(Version)",
            order_by="(TenantId, Measure, Hour)",
            partition_by=partition_by_year("Hour"),
            settings=DEDUPLICATION | {"index_granularity": 1024},
        ),
        CreateTable(
            "kpi_batch",
            {"Source": "LowCardinality(String)", **EVENT_COLUMNS},
            "MergeTree",
            order_by="(TenantId, Source, Stream, CaseId)",
            settings=DEDUPLICATION,
        ),
    ),
)
