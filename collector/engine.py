"""What the writer asks of the store, and its one implementation on the ClickHouse client.

The protocol exists so that a test can make the n-th insert fail; everything else is tested on the real engine.
"""

from __future__ import annotations

from typing import Protocol

from storage import ClickHouse, SegmentMeta, Signal, load_sql


class Engine(Protocol):
    """Raises core.StorageError and its kin."""

    def insert(self, signal: Signal, payload: bytes, meta: SegmentMeta) -> None:
        """Stores serialized requests; repeating it with the same meta changes nothing."""
        ...

    def stored_items(self, signal: Signal, tenant: str, segment: int) -> int:
        """How many rows of a segment the signal's tables hold."""
        ...

    def highest_segment(self) -> int:
        """The highest segment id in any table."""
        ...


class ClickHouseEngine:
    """The store itself."""

    def __init__(self, ch: ClickHouse) -> None:
        self._ch = ch

    def insert(self, signal: Signal, payload: bytes, meta: SegmentMeta) -> None:
        self._ch.insert_otlp(signal, payload, meta)

    def stored_items(self, signal: Signal, tenant: str, segment: int) -> int:
        sql = load_sql("collector", f"segment_{signal.value}")
        return int(self._ch.query(sql, {"tenant": tenant, "segment": segment}).scalar() or 0)

    def highest_segment(self) -> int:
        return int(self._ch.query(load_sql("collector", "highest_segment")).scalar() or 0)
