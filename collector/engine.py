"""What the writer asks of the store, and its one implementation on the ClickHouse client.

The protocol exists so that a test can make the n-th insert fail; everything else is tested on the real engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from collector.quarantine_table import Entry, QuarantineTable
from collector.wal import LANE_BITS
from storage import ClickHouse, SegmentMeta, Signal, load_sql


class Engine(Protocol):
    """Raises core.StorageError and its kin."""

    def insert(self, signal: Signal, payload: bytes, meta: SegmentMeta) -> None:
        """Stores serialized requests; repeating it with the same meta changes nothing."""
        ...

    def stored_items(self, signal: Signal, meta: SegmentMeta) -> int:
        """How many rows of a segment the signal's tables hold, those replayed from quarantine left out."""
        ...

    def keep(self, entries: Sequence[Entry], token: str) -> None:
        """Puts entries into the quarantine; repeating it with the same token changes nothing."""
        ...

    def forget(self, signal: Signal, meta: SegmentMeta) -> None:
        """Removes the same rows; they are gone when it returns."""
        ...

    def make_durable(self) -> float:
        """Makes sure that rows are safely on disk that were taken as many seconds before the call as it returns."""
        ...

    def incarnation(self) -> str:
        """Another life (`storage.same_life`) may have lost what was not on disk; "" when that cannot be told."""
        ...

    def highest_segments(self) -> dict[int, int]:
        """The highest segment id in any table, by lane of the log."""
        ...


TABLES = {
    Signal.TRACES: ("otel_traces",),
    Signal.LOGS: ("otel_logs",),
    Signal.METRICS: (
        "otel_metrics_gauge",
        "otel_metrics_sum",
        "otel_metrics_histogram",
        "otel_metrics_exponential_histogram",
        "otel_metrics_summary",
    ),
}
"""Where a segment's items are one row each. Other tables that a view fills collapse repeated rows by themselves."""


class ClickHouseEngine:
    """The store itself."""

    def __init__(self, ch: ClickHouse) -> None:
        self._ch, self._quarantine = ch, QuarantineTable(ch)

    def insert(self, signal: Signal, payload: bytes, meta: SegmentMeta) -> None:
        self._ch.insert_otlp(signal, payload, meta)

    def stored_items(self, signal: Signal, meta: SegmentMeta) -> int:
        sql = load_sql("collector", f"segment_{signal.value}")
        return int(self._ch.query(sql, _rows_of(meta)).scalar() or 0)

    def keep(self, entries: Sequence[Entry], token: str) -> None:
        self._quarantine.keep(entries, token)

    def forget(self, signal: Signal, meta: SegmentMeta) -> None:
        for table in TABLES[signal]:
            self._ch.command(
                load_sql("collector", "forget_segment"),
                {"table": table, **_rows_of(meta)},
                {"mutations_sync": 2},
            )

    def make_durable(self) -> float:
        return self._ch.make_durable()

    def incarnation(self) -> str:
        return self._ch.incarnation()

    def highest_segments(self) -> dict[int, int]:
        rows = self._ch.query(load_sql("collector", "highest_segments"), {"bits": LANE_BITS}).rows
        return {int(lane): int(segment) for lane, segment in rows}


def _rows_of(meta: SegmentMeta) -> dict[str, object]:
    """A replay has the segment of its entry, but another time of receipt."""
    return {"tenant": meta.tenant, "segment": meta.segment, "received": meta.received_at_ns}
