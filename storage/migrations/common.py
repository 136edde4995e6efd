"""Columns, codecs and settings that several tables share."""

from __future__ import annotations

from storage.clickhouse.decode import moment

ZSTD = "CODEC(ZSTD(1))"

DEDUPLICATION: dict[str, int | str] = {"non_replicated_deduplication_window": 10_000}
"""Without it a repeated insert token stores its rows again; every view target needs it too."""

TELEMETRY: dict[str, int | str] = DEDUPLICATION | {
    "min_parts_to_merge_at_once": 10,
    "min_bytes_for_wide_part": 128 << 20,
}
"""For tables that take every segment.

Ten parts at once instead of two to five: a row is rewritten half as often, for at most nine parts more of each size to
read. What has less than 128 MiB before compression is kept in one file: forty files for each segment cost more.
"""

CASE_COLUMNS = {
    "TenantId": "LowCardinality(String)",
    "Stream": f"LowCardinality(String) {ZSTD}",
    "CaseId": f"String {ZSTD}",
    "Step": f"LowCardinality(String) {ZSTD}",
    "Actor": f"LowCardinality(String) {ZSTD}",
}


def CASE_VALUES(attributes: str) -> dict[str, str]:  # noqa: N802 - the values of the constant above
    """Tenant and case of an item; the resource speaks where the item's own attributes do not."""

    def found(key: str) -> str:
        return f"if({attributes}['{key}'] != '', {attributes}['{key}'], resource_attributes['{key}'])"

    return {
        "TenantId": "tenant",
        "Stream": found("retail.stream"),
        "CaseId": found("retail.case.id"),
        "Step": f"{attributes}['retail.step']",
        "Actor": f"{attributes}['retail.actor.type']",
    }


SEGMENT_COLUMNS = {
    "ReceivedAt": "DateTime64(9) CODEC(Delta(8), ZSTD(1))",
    "SegmentId": "UInt64 CODEC(Delta(8), ZSTD(1))",
}
SEGMENT_VALUES = {"ReceivedAt": moment("received_at"), "SegmentId": "segment"}


def partition(time: str) -> str:
    """By day for what arrives within a month of its time, by year for older or future data, with the years clamped.

    So a live insert opens one or two partitions, a back-fill of a month some thirty, and an import of a decade ten.
    """
    return (
        f"if({time} > ReceivedAt - toIntervalDay(31) AND {time} < ReceivedAt + toIntervalDay(2), toDate({time}), "
        f"toDate(toStartOfYear(toDate32(least(greatest({time}, toDateTime64('1980-01-01', 9, 'UTC')), "
        f"toDateTime64('2100-01-01', 9, 'UTC'))))))"
    )
