"""The quarantine's table: one entry for each frame, or piece of the log, that was kept aside.

An entry's id is the place in the log that it came from, `<segment>-<offset>`, so writing it again changes nothing.
Entries follow from the log alone: the same bytes make the same rows, whenever they are written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import BinaryIO

from collector.quarantine_words import describe
from collector.rules import reason_name
from collector.wal import SegmentContent
from storage import ClickHouse, load_sql

KEPT, REPLAYED, DISCARDED = "kept", "replayed", "discarded"
UNKNOWN = "unknown"
REFUSED = "refused_by_engine"


@dataclass(frozen=True)
class Entry:
    """A row. Times in nanoseconds since the Unix epoch; `payload` is serialized OTLP unless the log was damaged."""

    tenant: str
    received_at_ns: int
    segment: int
    offset: int
    signal: str
    reason: str
    detail: str
    service: str
    items: int
    size: int
    payload: bytes
    status: str
    updated_by: str
    updated_at_us: int

    @property
    def id(self) -> str:
        """Names the entry in the API."""
        return f"{self.segment}-{self.offset}"


COLUMNS = (
    "TenantId", "ReceivedAt", "SegmentId", "FrameOffset", "Signal", "Reason", "Detail", "ServiceName", "Items", "Bytes",
    "Payload", "Status", "UpdatedBy", "UpdatedAt",
)  # fmt: skip
assert len(COLUMNS) == len(fields(Entry))


def frame_entries(content: SegmentContent, indexes: Sequence[int]) -> list[Entry]:
    """Frames that admission set aside."""
    return [_of_frame(content, index, reason_name(content.frames[index].reason), "") for index in indexes]


def refused_entries(content: SegmentContent, refused: Mapping[int, str]) -> list[Entry]:
    """Frames that the engine refused, by index, with its words."""
    return [_of_frame(content, index, REFUSED, why) for index, why in sorted(refused.items())]


def damaged_entries(content: SegmentContent, file: BinaryIO) -> list[Entry]:
    """Pieces of the log that cannot be read; `file` is the segment."""
    found = []
    for region in content.bad:
        file.seek(region.offset)
        data, claim = file.read(region.length), region.claim
        signal = claim.signal.value if claim.signal else UNKNOWN
        detail = f"{region.length} bytes of the log cannot be read"
        place = (claim.tenant, content.created_ns, content.segment, region.offset)
        found.append(_entry(place, signal, f"log_{region.reason.value}", detail, "", claim.items, data))
    return found


def _of_frame(content: SegmentContent, index: int, reason: str, why: str) -> Entry:
    frame = content.frames[index]
    words = describe(frame.signal, frame.payload)
    detail = f"{why}; {words.text}" if why else words.text
    place = (frame.tenant, frame.received_at_ns, content.segment, content.offsets[index])
    return _entry(place, frame.signal.value, reason, detail, words.service, frame.items, frame.payload)


def _entry(
    place: tuple[str, int, int, int], signal: str, reason: str, detail: str, service: str, items: int, data: bytes
) -> Entry:
    at = place[1] // 1_000
    return Entry(*place, signal, reason, detail, service, items, len(data), data, KEPT, "", at)


class QuarantineTable:
    """The table itself. Raises core.StorageError and its kin."""

    def __init__(self, ch: ClickHouse) -> None:
        self._ch = ch

    def keep(self, entries: Sequence[Entry], token: str) -> None:
        """Stores entries; the same token with the same entries stores nothing the second time."""
        self._ch.insert_rows("quarantine", COLUMNS, [astuple(entry) for entry in entries], token)

    def bytes_since(self, start_ns: int) -> dict[str, int]:
        """What was received for quarantine since then, by tenant."""
        rows = self._ch.query(load_sql("collector", "quarantine_bytes"), {"start": start_ns}).rows
        return {str(tenant): int(size) for tenant, size in rows}
