"""Cases: one row for each instance of a process, with all of its steps in order, and a record of what changed.

A case is rewritten as a whole whenever an event of it arrives; the row with the highest version is the case. So a late
event changes the cases that it belongs to and no others, and a reader never sees half of a case. The arrays of a row
run side by side, a place in them is a step. Times are nanoseconds since the Unix epoch, lengths nanoseconds.

The newest version of a case is in the partition of its last event; older versions in other partitions are hidden by
FINAL and go with theirs.

`case_changes` tells the job which cases were touched, in the order of insertion, which is another than that of receipt.
It is a note of three days, not data: after a longer absence all cases are made anew. `case_marks` has how far the job
has come with each stream, and by which model (`Model`: a hash of what the model says about steps, ends and values).
"""

from __future__ import annotations

from storage.migrations.common import DEDUPLICATION, ZSTD, partition_by_year
from storage.migrations.operations import CreateTable, CreateView, Migration

TIMES = "Array(Int64) CODEC(ZSTD(1))"
NAMES = f"Array(LowCardinality(String)) {ZSTD}"

CHANGES = {
    "TenantId": "LowCardinality(String)",
    "Stream": "LowCardinality(String)",
    "CaseId": f"String {ZSTD}",
    "SegmentId": "UInt64 CODEC(Delta(8), ZSTD(1))",
    "InsertedAt": "DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1))",
}

CASES = {
    "TenantId": "LowCardinality(String)",
    "Stream": "LowCardinality(String)",
    "CaseId": f"String {ZSTD}",
    "Version": f"UInt64 {ZSTD}",
    "Model": f"UInt64 {ZSTD}",
    "First": f"DateTime64(9) {ZSTD}",
    "Last": f"DateTime64(9) {ZSTD}",
    "Events": f"UInt32 {ZSTD}",
    "Variant": f"UInt64 {ZSTD}",
    "Rework": f"UInt8 {ZSTD}",
    "Steps": NAMES,
    "EventNames": NAMES,
    "Starts": TIMES,
    "Ends": TIMES,
    "Started": f"Array(UInt8) {ZSTD}",
    "Waits": TIMES,
    "Works": TIMES,
    "Unknowns": TIMES,
    "Resources": NAMES,
    "Systems": NAMES,
    "Actors": NAMES,
    "Rules": NAMES,
    "Duration": f"Int64 {ZSTD}",
    "Waiting": f"Int64 {ZSTD}",
    "Working": f"Int64 {ZSTD}",
    "Unknown": f"Int64 {ZSTD}",
    "Touch": f"Int64 {ZSTD}",
    "LastStep": f"LowCardinality(String) {ZSTD}",
    "LastEvent": f"LowCardinality(String) {ZSTD}",
    "Outcome": f"LowCardinality(String) {ZSTD}",
    "ClosedAt": f"Nullable(DateTime64(9)) {ZSTD}",
    "Value": f"Nullable(Decimal(18, 4)) {ZSTD}",
    "Currency": f"LowCardinality(String) {ZSTD}",
    "Attributes": f"Map(LowCardinality(String), String) {ZSTD}",
    "ReceivedAt": f"DateTime64(9) {ZSTD}",
}

MARKS = {
    "TenantId": "LowCardinality(String)",
    "Stream": "LowCardinality(String)",
    "Model": "UInt64",
    "Through": "DateTime64(3, 'UTC')",
    "Version": "UInt64",
}

MIGRATION = Migration(
    7,
    "cases",
    "cases with their steps in order, and which of them changed",
    (
        CreateTable(
            "case_changes",
            CHANGES,
            "MergeTree",
            order_by="(InsertedAt, TenantId, Stream, SegmentId)",
            partition_by="toYYYYMMDD(InsertedAt, 'UTC')",
            settings=DEDUPLICATION,
        ),
        CreateTable(
            "cases",
            CASES,
            "ReplacingMergeTree(Version)",
            order_by="(TenantId, Stream, CaseId)",
            partition_by=partition_by_year("Last"),
            indexes=(
                "idx_first First TYPE minmax GRANULARITY 1",
                "idx_last Last TYPE minmax GRANULARITY 1",
                "idx_outcome Outcome TYPE set(20) GRANULARITY 1",
            ),
            settings=DEDUPLICATION | {"index_granularity": 1024},
        ),
        CreateTable(
            "case_marks",
            MARKS,
            "ReplacingMergeTree(Version)",
            order_by="(TenantId, Stream)",
            settings=DEDUPLICATION,
        ),
        CreateView(
            "case_changes_mv",
            "case_changes",
            "SELECT DISTINCT TenantId, Stream, CaseId, SegmentId, now64(3, 'UTC') AS InsertedAt\nFROM process_events",
        ),
    ),
)
