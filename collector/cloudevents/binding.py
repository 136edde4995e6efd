"""CloudEvents' HTTP binding: the three content modes, and attributes out of headers.

What cannot be read at all raises an error of the request; what is wrong with one event is that event's own reason, so
that its neighbours in a batch go in.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from urllib.parse import unquote_to_bytes

import orjson

from collector.cloudevents.event import CloudEvent, InvalidEvent, decode, from_json, make
from core import InvalidInput, TooLarge, UnsupportedMedia

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
MAX_EVENTS = 10_000
"""Events of one batch: each that is refused is named in the answer."""
_PREFIX = "ce-"


class Mode(StrEnum):
    """How events travel in a request."""

    STRUCTURED = "structured"
    BATCH = "batch"
    BINARY = "binary"


def mode_of(headers: Mapping[str, str]) -> Mode:
    """The content mode. Raises UnsupportedMedia when the request holds no CloudEvents in a known format."""
    content_type = headers.get("content-type", "")
    media_type = content_type.split(";", 1)[0].strip().lower()
    if media_type == STRUCTURED:
        return Mode.STRUCTURED
    if media_type == BATCH:
        return Mode.BATCH
    if media_type.startswith("application/cloudevents"):
        raise UnsupportedMedia(
            f"the event format {content_type[:80]!r} is not known", hint=f"use {STRUCTURED} or {BATCH}"
        )
    if any(name.startswith(_PREFIX) for name in headers):
        return Mode.BINARY
    raise UnsupportedMedia(
        f"the media type {content_type[:80]!r} without ce- headers is no CloudEvent",
        hint=f"use {STRUCTURED}, {BATCH}, or the headers ce-specversion, ce-id, ce-source and ce-type",
    )


def read(mode: Mode, headers: Mapping[str, str], body: bytes) -> list[tuple[str, CloudEvent | str]]:
    """The events of a request in their order: the id as sent, and the event or why it is none.

    Raises InvalidInput when the body as a whole cannot be read, TooLarge for too many events.
    """
    if mode is Mode.BINARY:
        return [(headers.get("ce-id", "")[:200], _attempt(lambda: _from_headers(headers, body)))]
    text = decode(body, headers.get("content-type", ""))
    if text is None:
        raise InvalidInput("the body is not text in its charset", hint="send JSON in UTF-8")
    try:
        document = orjson.loads(text.removeprefix("\ufeff"))
    except orjson.JSONDecodeError as problem:
        raise InvalidInput(f"the body is no JSON: {problem}") from None
    if mode is Mode.STRUCTURED:
        return [_member(document)]
    if not isinstance(document, list):
        raise InvalidInput("a batch must be a JSON array of events")
    if len(document) > MAX_EVENTS:
        raise TooLarge(f"the batch has {len(document)} events, {MAX_EVENTS} are allowed", hint="send fewer at once")
    return [_member(member) for member in document]


def _member(member: object) -> tuple[str, CloudEvent | str]:
    sent = member.get("id") if isinstance(member, dict) else None
    return (sent[:200] if isinstance(sent, str) else ""), _attempt(lambda: from_json(member))


def _attempt(reader: Callable[[], CloudEvent]) -> CloudEvent | str:
    try:
        return reader()
    except InvalidEvent as problem:
        return str(problem)


def _from_headers(headers: Mapping[str, str], body: bytes) -> CloudEvent:
    attributes = {
        name[len(_PREFIX) :]: header_value(name, value) for name, value in headers.items() if name.startswith(_PREFIX)
    }
    if "datacontenttype" in attributes:
        raise InvalidEvent("the media type of the data belongs in Content-Type, not in ce-datacontenttype")
    if headers.get("content-type"):
        attributes["datacontenttype"] = headers["content-type"]
    return make(attributes, body)


def header_value(name: str, value: str) -> str:
    """A header's value decoded by 3.1.3.2: unquote, then undo percent-encoding into UTF-8. Raises InvalidEvent."""
    text = value.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        parts, inside = list[str](), iter(text[1:-1])
        for character in inside:
            parts.append(next(inside, "") if character == "\\" else character)
        text = "".join(parts)
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidEvent(f"the header {name[:80]} is not UTF-8 in percent-encoding") from None
