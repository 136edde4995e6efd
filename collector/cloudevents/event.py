"""One CloudEvent, checked by the specification: attribute names, types, formats, and what must be there.

Made from a member of the JSON format or from the parts of a binary message. It knows nothing of business events, and
does not check that `source` and `id` are unique: a repeated pair is the same event, which the store collapses.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md and formats/json-format.md
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson

NAME = re.compile(r"[a-z0-9]+", re.ASCII)
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef]|[\ufffe\uffff]")
_URI = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:", re.ASCII)
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~\-]+"
_MEDIA_TYPE = re.compile(rf"({_TOKEN})/({_TOKEN})\s*(;.*)?", re.ASCII)
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([A-Za-z0-9_.:\-]+)"?\s*(?:;|$)', re.ASCII | re.IGNORECASE)
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII)
_LAST_NS = (1 << 63) - 1
CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1", "windows-1252", "utf-16"})
REQUIRED = ("specversion", "id", "source", "type")
_OPTIONAL = ("datacontenttype", "dataschema", "subject", "time")
_DATA = ("data", "data_base64")


class InvalidEvent(Exception):
    """The event is not a CloudEvent, or not one that can be used; the text says why."""


class DataForm(StrEnum):
    """How the data became text."""

    NONE = ""
    JSON = "json"
    TEXT = "text"
    BASE64 = "base64"


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """`time_ns` is None when the event has no time; `body` is its whole data, `document` that of a JSON object."""

    id: str
    source: str
    type: str
    time_ns: int | None = None
    subject: str = ""
    data_schema: str = ""
    content_type: str = ""
    extensions: Mapping[str, str | int | bool] = field(default_factory=dict)
    form: DataForm = DataForm.NONE
    body: str = ""
    document: Mapping[str, Any] | None = None


def from_json(member: object) -> CloudEvent:
    """An event in the JSON format, decoded. Raises InvalidEvent."""
    if not isinstance(member, dict):
        raise InvalidEvent(f"an event must be a JSON object, got {_kind(member)}")
    attributes = {name: value for name, value in member.items() if value is not None and name not in _DATA}
    data, packed = member.get("data"), member.get("data_base64")
    if packed is not None and "data" in member:
        raise InvalidEvent("data and data_base64 must not both be there")
    content_type = attributes.get("datacontenttype", "")
    if packed is not None:
        if not isinstance(packed, str):
            raise InvalidEvent(f"data_base64 must be text, got {_kind(packed)}")
        try:
            raw = base64.b64decode(packed, validate=True)
        except ValueError as problem:  # binascii.Error, or a sign that is not even ASCII
            raise InvalidEvent(f"data_base64 is not base64: {problem}") from None
        return make(attributes, raw)
    if "data" not in member:
        return make(attributes, b"")
    if isinstance(data, str) and content_type and not is_json(str(content_type)):
        return make(attributes, b"", text=data)
    return make(attributes, b"", value=data, has_value=True)


def make(
    attributes: Mapping[str, Any], raw: bytes, *, text: str | None = None, value: Any = None, has_value: bool = False
) -> CloudEvent:
    """An event of these attributes; its data is `value`, else `text`, else `raw`, read as its media type says.

    Raises InvalidEvent.
    """
    for name in attributes:
        if not NAME.fullmatch(name):
            raise InvalidEvent(f"attribute name {name[:80]!r} must be of lower-case letters and digits")
    for name in REQUIRED:
        if name not in attributes:
            raise InvalidEvent(f"required attribute {name!r} is missing")
    known = {name: _text(name, attributes[name]) for name in (*REQUIRED, *_OPTIONAL) if name in attributes}
    if known["specversion"] != "1.0":
        raise InvalidEvent(f"specversion must be '1.0', got {known['specversion'][:40]!r}")
    if not _URI.fullmatch(known["source"]):
        raise InvalidEvent(f"source must be a URI reference, got {known['source'][:200]!r}")
    schema = known.get("dataschema", "")
    if schema and not (_URI.fullmatch(schema) and _SCHEME.match(schema)):
        raise InvalidEvent(f"dataschema must be an absolute URI, got {schema[:200]!r}")
    content_type = known.get("datacontenttype", "")
    if content_type and not _MEDIA_TYPE.fullmatch(content_type):
        raise InvalidEvent(f"datacontenttype must be a media type, got {content_type[:200]!r}")
    form, body, document = _data(content_type, raw, text, value, has_value)
    return CloudEvent(
        id=known["id"],
        source=known["source"],
        type=known["type"],
        time_ns=_time_ns(known["time"]) if "time" in known else None,
        subject=known.get("subject", ""),
        data_schema=schema,
        content_type=content_type,
        extensions={
            name: _extension(name, value)
            for name, value in attributes.items()
            if name not in REQUIRED and name not in _OPTIONAL
        },
        form=form,
        body=body,
        document=document if isinstance(document, dict) else None,
    )


def is_json(content_type: str) -> bool:
    """Whether a media type is JSON's: `application/json`, `text/json`, or anything that ends in `+json`."""
    subtype = content_type.split(";", 1)[0].strip().lower().partition("/")[2]
    return subtype == "json" or subtype.endswith("+json")


def decode(raw: bytes, content_type: str) -> str | None:
    """Text in the charset that the media type names (else UTF-8); None when it is not, or the charset is not known."""
    named = _CHARSET.search(content_type)
    charset = named.group(1).lower() if named else "utf-8"
    if charset not in CHARSETS:
        return None
    try:
        return raw.decode(charset)
    except UnicodeDecodeError:
        return None


def _data(content_type: str, raw: bytes, text: str | None, value: Any, has_value: bool) -> tuple[DataForm, str, Any]:
    if has_value:
        try:
            return DataForm.JSON, orjson.dumps(value).decode(), value
        except TypeError:
            raise InvalidEvent("data has too many lists or maps inside one another") from None
    if text is not None:
        return DataForm.TEXT, text, None
    if not raw:
        return DataForm.NONE, "", None
    if is_json(content_type):
        found = decode(raw, content_type)
        try:
            return DataForm.JSON, found or "", orjson.loads(found or b"")
        except orjson.JSONDecodeError as problem:
            raise InvalidEvent(f"data is not the JSON that its media type says: {problem}") from None
    if content_type.lower().startswith("text/") or content_type.split(";")[0].strip().lower().endswith(
        ("/xml", "+xml")
    ):
        found = decode(raw, content_type)
        if found is not None:
            return DataForm.TEXT, found, None
    return DataForm.BASE64, base64.b64encode(raw).decode(), None


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidEvent(f"{name} must be text and not empty, got {_kind(value)}")
    return _clean(name, value)


def _extension(name: str, value: object) -> str | int | bool:
    match value:
        case bool():
            return value
        case int():
            if not -(1 << 31) <= value < 1 << 31:
                raise InvalidEvent(f"extension {name!r} must be an integer of 32 bits, got {value}")
            return value
        case str():
            return _clean(f"extension {name!r}", value)
    raise InvalidEvent(f"extension {name!r} must be text, a whole number or a boolean, got {_kind(value)}")


def _clean(name: str, value: str) -> str:
    bad = _FORBIDDEN.search(value)
    if bad:
        raise InvalidEvent(f"{name} has the character U+{ord(bad.group()):04X}, which no attribute may have")
    return value


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text" if value else "an empty text"
        case list():
            return "a list"
    return "an object"


def _time_ns(text: str) -> int:
    """RFC 3339 in nanoseconds since the Unix epoch, exactly; digits beyond the ninth are cut."""
    found = _TIME.fullmatch(text)
    if not found:
        raise InvalidEvent(f"time must be RFC 3339 with an offset, got {text[:80]!r}")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    leap = second == 60  # RFC 3339 knows leap seconds; the Unix epoch does not
    try:
        whole = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=UTC)
    except ValueError as problem:
        raise InvalidEvent(f"time {text[:80]!r} does not exist: {problem}") from None
    offset = 0
    if found[9]:
        hours, minutes = int(found[10]), int(found[11])
        if hours > 23 or minutes > 59:
            raise InvalidEvent(f"time must be RFC 3339 with an offset, got {text[:80]!r}")
        offset = (hours * 3600 + minutes * 60) * (1 if found[9] == "+" else -1)
    since = whole - datetime(1970, 1, 1, tzinfo=UTC)
    seconds = since.days * 86_400 + since.seconds - offset + leap
    nanoseconds = seconds * 10**9 + int((found[7] or "")[:9].ljust(9, "0"))
    if not 0 < nanoseconds <= _LAST_NS:
        raise InvalidEvent(f"time must be after 1970 and before 2262, got {text[:80]!r}")
    return nanoseconds
