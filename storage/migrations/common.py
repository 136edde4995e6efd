"""Columns, codecs and settings that several tables share."""

from __future__ import annotations

from storage.clickhouse.decode import moment

ZSTD = "CODEC(ZSTD(1))"

DEDUPLICATION: dict[str, int | str] = {"non_replicated_deduplication_window": 10_000}
"""Without it a repeated insert token stores its rows again; every view target needs it too."""

TELEMETRY: dict[str, int | str] = DEDUPLICATION | {
    "min_parts_to_merge_at_once": 10,
    "min_bytes_for_wide_part": 128 << 20,
    "min_age_to_force_merge_seconds": 2 * 86_400,
    "min_age_to_force_merge_on_partition_only": 1,
}
"""For tables that take every segment.

Ten parts at once instead of two to five: a row is rewritten half as often, for at most nine parts more of each size to
read. What has less than 128 MiB before compression is kept in one file: forty files for each segment cost more.
A partition that nothing has come into for two days becomes one part: else each would keep some nine for ever.
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


# --- partitions: the tenant first, so that one tenant's data can be dropped alone (docs/adr/0005) ---
# The second part is a number whose digits tell its width: 20260302 is a day, 202603 a month, 2026 a year, in UTC.


def partition(time: str) -> str:
    """By tenant and day for what arrives within a month of its time, by year for older or future data.

    So a live insert opens one or two partitions, a back-fill of a month some thirty, and an import of a decade ten.
    The years are clamped.
    """
    clamped = f"least(greatest({time}, toDateTime64('1980-01-01', 9, 'UTC')), toDateTime64('2100-01-01', 9, 'UTC'))"
    return (
        f"(TenantId, if({time} > ReceivedAt - toIntervalDay(31) AND {time} < ReceivedAt + toIntervalDay(2), "
        f"toYYYYMMDD({time}, 'UTC'), toUInt32(toYear({clamped}, 'UTC'))))"
    )


def partition_by_month(time: str) -> str:
    """By tenant and month; by year before 2000 and after 2049, so that no insert can open a thousand partitions."""
    year = f"toYear({time}, 'UTC')"
    return f"(TenantId, if({year} BETWEEN 2000 AND 2049, toYYYYMM({time}, 'UTC'), toUInt32({year})))"


def partition_by_year(time: str) -> str:
    """By tenant and year."""
    return f"(TenantId, toUInt32(toYear({time}, 'UTC')))"
