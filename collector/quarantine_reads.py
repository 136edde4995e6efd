"""Looking into the quarantine: a list with counts, and one entry with its content as OTLP/JSON."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from collector.quarantine_table import Entry
from collector.quarantine_words import as_json
from core import InvalidInput, NotFound
from storage import ClickHouse, Signal, load_sql

_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})", re.ASCII)
_LAST_NS = 2**63 - 1


@dataclass(frozen=True)
class Filter:
    """Which entries; an empty text means any. Times of receipt in nanoseconds, the end exclusive."""

    signal: str = ""
    reason: str = ""
    service: str = ""
    status: str = ""
    start_ns: int = 0
    end_ns: int = _LAST_NS

    def params(self, tenant: str) -> dict[str, Any]:
        """As the statements take it."""
        texts = {"signal": self.signal, "reason": self.reason, "service": self.service, "status": self.status}
        return {"tenant": tenant, **texts, "start": max(0, self.start_ns), "end": min(self.end_ns, _LAST_NS)}


@dataclass(frozen=True)
class EntryView:
    """An entry without its content."""

    id: str
    received_at: datetime
    signal: str
    reason: str
    detail: str
    service: str
    items: int
    bytes: int
    status: str
    updated_by: str
    updated_at: datetime


@dataclass(frozen=True)
class Summary:
    """What entries of one signal, reason, service and status amount to."""

    signal: str
    reason: str
    service: str
    status: str
    entries: int
    items: int
    bytes: int
    first: datetime
    last: datetime


def parse_id(entry_id: str) -> tuple[int, int]:
    """Segment and offset. Raises InvalidInput."""
    match = _ID.fullmatch(entry_id)
    if not match or max(int(match[1]), int(match[2])) >= 2**63:
        raise InvalidInput(f"an entry's id is <segment>-<offset>, got {entry_id[:80]!r}")
    return int(match[1]), int(match[2])


def list_entries(ch: ClickHouse, tenant: str, wanted: Filter, limit: int) -> list[EntryView]:
    """The newest first."""
    rows = ch.query(load_sql("collector", "quarantine_entries"), wanted.params(tenant) | {"limit": limit}).rows
    return [EntryView(f"{row[0]}-{row[1]}", *row[2:]) for row in rows]


def summarize(ch: ClickHouse, tenant: str, wanted: Filter) -> Sequence[Summary]:
    """Counts by signal, reason, service and status, the most items first."""
    rows = ch.query(load_sql("collector", "quarantine_summary"), wanted.params(tenant)).rows
    return [Summary(*row) for row in rows]


def get_entry(ch: ClickHouse, tenant: str, entry_id: str) -> Entry:
    """One entry, whole. Raises NotFound, InvalidInput."""
    segment, offset = parse_id(entry_id)
    params = {"tenant": tenant, "segment": segment, "offset": offset}
    rows = ch.query(load_sql("collector", "quarantine_entry"), params).rows
    if not rows:
        raise NotFound(f"nothing in quarantine has the id {entry_id!r}")
    row = list(rows[0])
    row[10] = base64.b64decode(row[10])
    return Entry(*row)


def content(entry: Entry) -> Any:
    """What was sent, as OTLP/JSON; None when it is no OTLP, or is gone."""
    if entry.signal not in list(Signal) or not entry.payload:
        return None
    return as_json(Signal(entry.signal), entry.payload)
