"""OTLP/JSON into serialized protobuf, strictly by OTLP's own mapping.

It differs from protobuf's: ids are hexadecimal, enum values are integers, keys are lowerCamelCase only (an original
field name is an unknown field), and unknown fields are ignored. 64-bit integers come as numbers or as text, null means
absent, base64 in either alphabet. Everything else is refused with the path of the first value that does not fit. Lists
and maps in attributes become JSON text at once. Duplicate keys: the last one counts.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from collector import wire
from collector.nested_values import json_text, plain_number
from collector.otlp_types import ANY_VALUE, KEY_VALUE
from core import InvalidInput

MAX_NESTING = 64
"""Lists and maps inside one another in one attribute value."""
_SHORT = 100
"""Key and text of an attribute that is remembered."""
_LENGTH_1, _LENGTH_2 = wire.tag(1, wire.LENGTH), wire.tag(2, wire.LENGTH)
_IDS = frozenset({"trace_id", "span_id", "parent_span_id"})
_CHECKED_IDS = frozenset({"opentelemetry.proto.trace.v1.Span.trace_id", "opentelemetry.proto.trace.v1.Span.span_id"})
_INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,5})?", re.ASCII)
_NAMED = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_T = FieldDescriptor
_SIGNED_64 = (_T.TYPE_INT64, _T.TYPE_SINT64, _T.TYPE_SFIXED64)
_SIGNED_32 = (_T.TYPE_INT32, _T.TYPE_SINT32, _T.TYPE_SFIXED32)


class _Misfit(Exception):
    """A value that does not fit; `path` grows while the error rises."""

    def __init__(self, wanted: str, value: object) -> None:
        super().__init__(wanted)
        self.wanted, self.value, self.path = wanted, value, ""

    def under(self, step: str) -> _Misfit:
        """The same, seen from one level further up."""
        self.path = step + self.path
        return self


def to_protobuf(body: bytes, message: type[Message]) -> bytes:
    """A JSON document as the serialized message; raises InvalidInput."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        raise InvalidInput(f"the body is no JSON: {problem}") from None
    try:
        return _message(_fields(message.DESCRIPTOR), document)
    except _Misfit as misfit:
        where = misfit.path.lstrip(".") or "the document"
        raise InvalidInput(f"{where}: wanted {misfit.wanted}, got {misfit.value!r:.80}") from None
    except (ValueError, RecursionError) as problem:  # a text that is no Unicode, for one
        raise InvalidInput(f"the body is no OTLP: {problem}") from None


# --- messages ---

_Write = Callable[[Any], bytes]
"""From a JSON value to a field on the wire, its tag included."""


def _message(fields: dict[str, tuple[str, _Write]], document: Any) -> bytes:
    if type(document) is not dict:
        raise _Misfit("an object", document)
    parts = []
    chosen: set[str] | None = None
    for key, value in document.items():
        field = fields.get(key)
        if field is None or value is None:
            continue
        oneof, write = field
        if oneof:
            if chosen is not None and oneof in chosen:
                raise _Misfit(f"one member of {oneof!r}", sorted(document))
            chosen = {oneof} if chosen is None else chosen | {oneof}
        try:
            parts.append(write(value))
        except _Misfit as misfit:
            raise misfit.under(f".{key}") from None
    return b"".join(parts)


@cache
def _fields(descriptor: Descriptor) -> dict[str, tuple[str, _Write]]:
    """By JSON name: the oneof that a field belongs to, and how a value is written."""
    found = {}
    for field in descriptor.fields:
        oneof = field.containing_oneof
        real = "" if oneof is None or oneof.name.startswith("_") else oneof.name
        found[field.json_name] = (real, _writer(field))
    return found


def _writer(field: FieldDescriptor) -> _Write:
    inner = field.message_type
    if inner is None:
        write = wire.writer(field.type)
        convert = _converter(field)
        if field.is_repeated:
            return _packed(wire.tag(field.number, wire.LENGTH), convert, write)
        tag = wire.tag(field.number, wire.KINDS[field.type])
        return _time(tag, convert, write) if field.type == _T.TYPE_FIXED64 else _scalar(tag, convert, write)
    tag = wire.tag(field.number, wire.LENGTH)
    if inner.full_name == KEY_VALUE and field.is_repeated:
        return _attributes(tag)
    write_one = _value if inner.full_name == ANY_VALUE else _later(inner)
    return _listing(tag, write_one) if field.is_repeated else _nested(tag, write_one)


def _later(descriptor: Descriptor) -> _Write:
    """The message's writer, looked up at its first use: a descriptor may lead back to itself."""
    return lambda document: _message(_fields(descriptor), document)


def _nested(tag: bytes, write: _Write) -> _Write:
    def put(value: Any) -> bytes:
        inside = write(value)
        return tag + wire.varint(len(inside)) + inside

    return put


def _listing(tag: bytes, write: _Write) -> _Write:
    def put(value: Any) -> bytes:
        parts = list[bytes]()
        for one in _listed(value):
            try:
                inside = write(one)
            except _Misfit as misfit:
                raise misfit.under(f"[{len(parts) // 3}]") from None
            parts += (tag, wire.varint(len(inside)), inside)
        return b"".join(parts)

    return put


def _scalar(tag: bytes, convert: Callable[[Any], Any], write: Callable[[Any], bytes]) -> _Write:
    return lambda value: tag + write(convert(value))


def _time(tag: bytes, convert: Callable[[Any], Any], write: Callable[[Any], bytes]) -> _Write:
    """Nanoseconds are nearly always a text of 19 digits, which fits."""

    def put(value: Any) -> bytes:
        if type(value) is str and len(value) == 19 and value.isdecimal() and value.isascii():
            return tag + write(int(value))
        return tag + write(convert(value))

    return put


def _packed(tag: bytes, convert: Callable[[Any], Any], write: Callable[[Any], bytes]) -> _Write:
    """OTLP repeats numbers only, and those are packed."""

    def put(value: Any) -> bytes:
        inside = b"".join([write(convert(one)) for one in _listed(value)])
        return tag + wire.varint(len(inside)) + inside

    return put


def _listed(value: Any) -> list[Any]:
    if type(value) is not list:
        raise _Misfit("a list", value)
    return value


# --- attribute values ---


def _attributes(tag: bytes) -> _Write:
    """A list of attributes. Most are short texts that come again and again: those are looked up, not written."""
    fields = _fields(KeyValue.DESCRIPTOR)

    def put(value: Any) -> bytes:
        parts = list[bytes]()
        for index, one in enumerate(_listed(value)):
            try:
                key, holder = one["key"], one["value"]
                ((kind, raw),) = holder.items()
                short = type(raw) is str and type(key) is str and len(raw) + len(key) <= _SHORT and len(one) == 2
            except (TypeError, KeyError, ValueError, AttributeError):  # of another shape: unusual, or wrong
                short = False
            if short and kind == "stringValue":
                parts.append(_text_attribute(tag, key, raw))
                continue
            try:
                if short and kind == "intValue":
                    parts.append(_int_attribute(tag, key, raw))
                else:
                    inside = _message(fields, one)
                    parts += (tag, wire.varint(len(inside)), inside)
            except _Misfit as misfit:
                raise misfit.under(f"[{index}]") from None
        return b"".join(parts)

    return put


@lru_cache(8192)
def _text_attribute(tag: bytes, key: str, text: str) -> bytes:
    return _attribute(tag, key, _LENGTH_1 + wire.text(text))


@lru_cache(8192)
def _int_attribute(tag: bytes, key: str, number: str) -> bytes:
    try:
        return _attribute(tag, key, _value({"intValue": number}))
    except _Misfit as misfit:
        raise misfit.under(".value") from None


def _attribute(tag: bytes, key: str, value: bytes) -> bytes:
    inside = _LENGTH_1 + wire.text(key) + _LENGTH_2 + wire.varint(len(value)) + value
    return tag + wire.varint(len(inside)) + inside


def _value(document: Any) -> bytes:
    kind, value = _member(document)
    if kind is None:
        return b""
    if kind in ("arrayValue", "kvlistValue"):
        return _LENGTH_1 + wire.text(json_text(_plain(document, 0)))
    tag, convert, write = _SCALARS[kind]
    return tag + write(_at(kind, convert, value))


def _member(document: Any) -> tuple[str | None, Any]:
    """The one known member of an AnyValue."""
    if type(document) is not dict:
        raise _Misfit("an object", document)
    known = [key for key in document if key in _KINDS and document[key] is not None]
    if len(known) > 1:
        raise _Misfit("one kind of value", sorted(known))
    return (known[0], document[known[0]]) if known else (None, None)


def _plain(document: Any, depth: int) -> Any:
    """A value as `json_text` takes it."""
    if depth > MAX_NESTING:
        raise _Misfit(f"values nested at most {MAX_NESTING} deep", "more")
    kind, value = _member(document)
    if kind is None:
        return None
    if kind in ("arrayValue", "kvlistValue"):
        return _at(kind, lambda inside: _plain_members(kind, inside, depth), value)
    converted = _at(kind, _SCALARS[kind][1], value)
    if kind == "bytesValue":
        return base64.b64encode(converted).decode()
    return plain_number(converted) if kind == "doubleValue" else converted


def _plain_members(kind: str, inside: Any, depth: int) -> Any:
    if type(inside) is not dict:
        raise _Misfit("an object", inside)
    values = inside.get("values")
    members = [] if values is None else _listed(values)
    if kind == "arrayValue":
        return [_plain(member, depth + 1) for member in members]
    mapping = {}
    for member in members:
        if type(member) is not dict:
            raise _Misfit("an object", member)
        key, value = member.get("key"), member.get("value")
        mapping[_text(key) if key is not None else ""] = None if value is None else _plain(value, depth + 1)
    return mapping


def _at(step: str, convert: Callable[[Any], Any], value: Any) -> Any:
    try:
        return convert(value)
    except _Misfit as misfit:
        raise misfit.under(f".{step}") from None


# --- scalars ---


def _converter(field: FieldDescriptor) -> Callable[[Any], Any]:
    kind = field.type
    if kind in _SIGNED_64:
        return _whole(-(2**63), 2**63 - 1)
    if kind in (_T.TYPE_UINT64, _T.TYPE_FIXED64):
        return _whole(0, 2**64 - 1)
    if kind in _SIGNED_32 or kind == _T.TYPE_ENUM:
        return _whole(-(2**31), 2**31 - 1) if kind != _T.TYPE_ENUM else _enum
    if kind in (_T.TYPE_UINT32, _T.TYPE_FIXED32):
        return _whole(0, 2**32 - 1)
    if kind in (_T.TYPE_DOUBLE, _T.TYPE_FLOAT):
        return _double
    if kind == _T.TYPE_BOOL:
        return _bool
    if kind == _T.TYPE_BYTES:
        if field.full_name in _CHECKED_IDS:
            return _id_or_nothing
        return _id if field.name in _IDS else _bytes
    return _text


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        if type(value) is str:
            if (value.isascii() and value.isdecimal() and len(value) <= 20) or _INTEGER.fullmatch(value):
                value = int(value)
        elif type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int or not low <= value <= high:
            raise _Misfit(f"an integer from {low} to {high}", value)
        return value

    return convert


def _enum(value: Any) -> int:
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise _Misfit("the enum value as an integer", value)
    return value


def _double(value: Any) -> float:
    if type(value) is str:
        if value in _NAMED:
            return _NAMED[value]
        if not _DECIMAL.fullmatch(value):
            raise _Misfit("a number", value)
        value = float(value)
    if type(value) not in (int, float) or not math.isfinite(value):
        raise _Misfit("a number in the range of a double", value)
    return float(value)


def _bool(value: Any) -> bool:
    if type(value) is not bool:
        raise _Misfit("true or false", value)
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise _Misfit("a string", value)
    return value


def _bytes(value: Any) -> bytes:
    text = _text(value).translate(_URL_SAFE).rstrip("=")
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        raise _Misfit("base64", value) from None


def _id(value: Any) -> bytes:
    try:
        return binascii.unhexlify(_text(value))
    except ValueError:
        raise _Misfit("hexadecimal digits", value) from None


def _id_or_nothing(value: Any) -> bytes:
    """A span's own ids are checked later, span by span, so that one bad id does not hurt the neighbours."""
    try:
        return binascii.unhexlify(_text(value))
    except ValueError:
        return b""


_URL_SAFE = str.maketrans("-_", "+/")
_SCALARS: dict[str, tuple[bytes, Callable[[Any], Any], Callable[[Any], bytes]]] = {
    "stringValue": (wire.tag(1, wire.LENGTH), _text, wire.writer(_T.TYPE_STRING)),
    "boolValue": (wire.tag(2, wire.VARINT), _bool, wire.writer(_T.TYPE_BOOL)),
    "intValue": (wire.tag(3, wire.VARINT), _whole(-(2**63), 2**63 - 1), wire.writer(_T.TYPE_INT64)),
    "doubleValue": (wire.tag(4, wire.FIXED_64), _double, wire.writer(_T.TYPE_DOUBLE)),
    "bytesValue": (wire.tag(7, wire.LENGTH), _bytes, wire.writer(_T.TYPE_BYTES)),
}
_KINDS = frozenset({*_SCALARS, "arrayValue", "kvlistValue"})
