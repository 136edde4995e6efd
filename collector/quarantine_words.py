"""Quarantined telemetry in words: one line for a list, and the whole of it as OTLP/JSON.

It reads what admission wrote, and says so where bytes are no OTLP; it never fails.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message

from collector.otlp_types import PUBLISHED
from collector.unusable import scopes_of
from storage import Signal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_IDS = frozenset({"traceId", "spanId", "parentSpanId"})
_LONG = 200


@dataclass(frozen=True)
class Words:
    """`service`: the first that is named; `text`: what the first item is."""

    service: str
    text: str


def parse(signal: Signal, payload: bytes) -> Message | None:
    """The request, or None where the bytes are none."""
    try:
        return PUBLISHED[signal].FromString(payload)
    except DecodeError:
        return None


def describe(signal: Signal, payload: bytes) -> Words:
    """A line about the first item."""
    request = parse(signal, payload)
    if request is None:
        return Words("", "the bytes are no OTLP")
    service = ""
    for resource, _, items in scopes_of(request):
        named = (pair.value.string_value for pair in resource.resource.attributes if pair.key == "service.name")
        service = service or next(named, "")
        if items:
            return Words(service[:_LONG], _item(signal, items[0])[:_LONG])
    return Words(service[:_LONG], "nothing")


def as_json(signal: Signal, payload: bytes) -> Any:
    """OTLP/JSON, with ids in hexadecimal; None where the bytes are no OTLP."""
    request = parse(signal, payload)
    if request is None:
        return None
    return _with_hex_ids(MessageToDict(request, use_integers_for_enums=True))


def moment(nanoseconds: int) -> str:
    """A time for people: to the microsecond, and a number where a calendar has none."""
    try:
        return (_EPOCH + timedelta(microseconds=nanoseconds // 1_000)).isoformat()
    except OverflowError:
        return f"{nanoseconds} ns"


def _item(signal: Signal, item: Any) -> str:
    if signal is Signal.TRACES:
        start, end = moment(item.start_time_unix_nano), moment(item.end_time_unix_nano)
        return f"span {item.name[:80]!r}, {start} to {end}, {_attributes(item.attributes)}"
    if signal is Signal.LOGS:
        name = item.event_name or item.severity_text or "log record"
        time = item.time_unix_nano or item.observed_time_unix_nano
        return f"{name[:80]!r}, {moment(time)}, {_attributes(item.attributes)}"
    kind = item.WhichOneof("data")
    points = getattr(item, kind).data_points if kind else ()
    first = f", {moment(points[0].time_unix_nano)}, {_attributes(points[0].attributes)}" if points else ""
    return f"{kind} {item.name[:80]!r}{first}"


def _attributes(pairs: Any) -> str:
    if not pairs:
        return "no attributes"
    size, key = max((pair.ByteSize(), pair.key) for pair in pairs)
    return f"{len(pairs)} attributes, the longest {key[:60]!r} with {size} bytes"


def _with_hex_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hex_ids(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64decode(one).hex() if key in _IDS and isinstance(one, str) else _with_hex_ids(one)
        for key, one in value.items()
    }
