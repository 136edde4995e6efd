"""A CloudEvent as an OTLP log record, the form in which the product knows business events.

Known types (those of the catalogue) may write attributes in short: `order_id` or `{"order": {"id": …}}` for
`retail.order.id`. In foreign types only full names mean something, because `step` or `resource` may mean anything
there. The whole data is the record's body; nothing is lost that has no attribute.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from collector.cloudevents.event import CloudEvent, DataForm, InvalidEvent
from collector.cloudevents.rules import EventRules
from collector.nested_values import json_text

STREAM, CASE, EVENT_ID = "retail.stream", "retail.case.id", "retail.event.id"
MAX_FIELDS = 128
"""Data fields without a meaning of ours that become attributes; the body has all."""
_DEPTH = 8
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?", re.ASCII)
_INT64 = 1 << 63


def to_record(
    event: CloudEvent, rules: EventRules, now_ns: int, *, suggest: bool = True
) -> tuple[LogRecord, list[str]]:
    """The record, and what should be said about it. Raises InvalidEvent with every reason of the catalogue's."""
    stream = rules.stream_of(event.type)
    attributes, others = _meanings(event, rules, known=stream is not None)
    if stream:
        attributes.setdefault(STREAM, stream)
    if event.subject and attributes.get(STREAM) not in (None, ""):
        attributes.setdefault(CASE, event.subject)
    attributes.setdefault(EVENT_ID, f"{event.source} {event.id}")  # no URI has a space: no two pairs are one text
    refused, remarks = rules.check(event.type, attributes, suggest=suggest)
    if refused:
        raise InvalidEvent("; ".join(refused))
    record = LogRecord(
        time_unix_nano=event.time_ns or now_ns,
        observed_time_unix_nano=0 if event.time_ns else now_ns,  # the same event sent again is the same bytes
        event_name=event.type,
        flags=0,
    )
    if event.form is not DataForm.NONE:
        record.body.string_value = event.body
    _context(event, others)
    for key, value in (attributes | others).items():
        attribute = record.attributes.add()
        attribute.key = key
        _write(attribute.value, value)
    if event.time_ns is None:
        remarks.append("it has no time and gets the time of its receipt; sent again, it would be another event")
    remarks.extend(_trace(event, record))
    return record, remarks


def _meanings(event: CloudEvent, rules: EventRules, *, known: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Attributes with a meaning of ours, and the other fields of the data; full names count before short ones."""
    full, short, others = dict[str, Any](), dict[str, Any](), dict[str, Any]()
    for name, value in event.extensions.items():
        meant = rules.attribute_of_extension(name)
        if meant is not None:
            short.setdefault(meant, rules.fit(meant, value))
    for path, value in _fields(event.document or {}, "", _DEPTH):
        meant = path if path.startswith("retail.") else rules.attribute_of(path) if known else None
        if meant is None:
            if len(others) < MAX_FIELDS and not isinstance(value, list):
                others[f"data.{path}"] = value
        elif path.startswith("retail."):
            full[meant] = rules.fit(meant, value)
            if len(full) > MAX_FIELDS:
                raise InvalidEvent(f"the data has more than {MAX_FIELDS} attributes that begin with retail.")
        else:
            short.setdefault(meant, rules.fit(meant, value))
    return short | full, others


def _fields(document: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Scalars and lists by dotted path; a null is absent, what lies deeper than `depth` is in the body only."""
    for key, value in document.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict):
            if depth:
                yield from _fields(value, f"{path}.", depth - 1)
        elif value is not None and key:
            yield path, value


def _context(event: CloudEvent, into: dict[str, Any]) -> None:
    """The event's own attributes, under OpenTelemetry's names where it has some."""
    into["cloudevents.event_id"] = event.id
    into["cloudevents.event_source"] = event.source
    if event.subject:
        into["cloudevents.event_subject"] = event.subject
    if event.content_type:
        into["cloudevents.data_content_type"] = event.content_type
    if event.data_schema:
        into["cloudevents.data_schema"] = event.data_schema
    if event.form is DataForm.BASE64:
        into["cloudevents.data_encoding"] = "base64"
    if event.time_ns is None:
        into["cloudevents.time_missing"] = True
    for name, value in event.extensions.items():
        into[f"cloudevents.extension.{name}"] = value


def _trace(event: CloudEvent, record: LogRecord) -> list[str]:
    """The distributed tracing extension; what is wrong with it never costs the event."""
    parent = event.extensions.get("traceparent")
    if parent is None:
        return []
    found = _TRACEPARENT.fullmatch(parent) if isinstance(parent, str) else None
    if not found or not int(found[1], 16) or not int(found[2], 16):
        return [f"its traceparent {str(parent)[:80]!r} is not understood"]
    record.trace_id, record.span_id = bytes.fromhex(found[1]), bytes.fromhex(found[2])
    record.flags = int(found[3], 16)
    return []


def _write(into: AnyValue, value: Any) -> None:
    match value:
        case bool():
            into.bool_value = value
        case int() if -_INT64 <= value < _INT64:
            into.int_value = value
        case float() if 1e-15 < abs(value) < 1e18:
            into.string_value = format(Decimal(repr(value)), "f")  # money is read from its digits: no exponent
        case float():
            into.double_value = value
        case str():
            into.string_value = value
        case _:
            into.string_value = json_text(value)
