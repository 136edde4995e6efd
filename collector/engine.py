"""What the writer asks of the store, and its one implementation on the ClickHouse client.

The protocol exists so that a test can make the n-th insert fail; everything else is tested on the real engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from collector.quarantine_table import Entry, QuarantineTable
from storage import ClickHouse, SegmentMeta, Signal, load_sql


class Engine(Protocol):
    """Raises core.StorageError and its kin."""

    def insert(self, signal: Signal, payload: bytes, meta: SegmentMeta) -> None:
        """Stores serialized requests; repeating it with the same meta changes nothing."""
        ...

    def stored_items(self, signal: Signal, tenant: str, segment: int) -> int:
        """How many rows of a segment the signal's tables hold."""
        ...

    def keep(self, entries: Sequence[Entry], token: str) -> None:
        """Puts entries into the quarantine; repeating it with the same token changes nothing."""
        ...

    def highest_segment(self) -> int:
        """The highest segment id in any table."""
        ...


class ClickHouseEngine:
    """The store itself."""

    def __init__(self, ch: ClickHouse) -> None:
        self._ch, self._quarantine = ch, QuarantineTable(ch)

    def insert(self, signal: Signal, payload: bytes, meta: SegmentMeta) -> None:
        self._ch.insert_otlp(signal, payload, meta)

    def stored_items(self, signal: Signal, tenant: str, segment: int) -> int:
        sql = load_sql("collector", f"segment_{signal.value}")
        return int(self._ch.query(sql, {"tenant": tenant, "segment": segment}).scalar() or 0)

    def keep(self, entries: Sequence[Entry], token: str) -> None:
        self._quarantine.keep(entries, token)

    def highest_segment(self) -> int:
        return int(self._ch.query(load_sql("collector", "highest_segment")).scalar() or 0)
