"""OTLP/JSON into protobuf messages, strictly by OTLP's own mapping.

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
from functools import cache
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from collector.nested_values import json_text, plain_number
from collector.otlp_types import ANY_VALUE
from core import InvalidInput

MAX_NESTING = 64
"""Lists and maps inside one another in one attribute value."""
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


def parse(body: bytes, into: Message) -> None:
    """Fills the message from a JSON document; raises InvalidInput."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        raise InvalidInput(f"the body is no JSON: {problem}") from None
    try:
        _fill(into, document)
    except _Misfit as misfit:
        where = misfit.path.lstrip(".") or "the document"
        raise InvalidInput(f"{where}: wanted {misfit.wanted}, got {misfit.value!r:.80}") from None
    except (ValueError, RecursionError) as problem:  # a text that is no Unicode, for one
        raise InvalidInput(f"the body is no OTLP: {problem}") from None


# --- messages ---


def _fill(message: Any, document: Any) -> None:
    if type(document) is not dict:
        raise _Misfit("an object", document)
    fields = _fields(message.DESCRIPTOR)
    chosen: set[str] | None = None
    for key, value in document.items():
        field = fields.get(key)
        if field is None or value is None:
            continue
        name, oneof, put = field
        if oneof:
            if chosen is not None and oneof in chosen:
                raise _Misfit(f"one member of {oneof!r}", sorted(document))
            chosen = {oneof} if chosen is None else chosen | {oneof}
        try:
            put(message, name, value)
        except _Misfit as misfit:
            raise misfit.under(f".{key}") from None


_Put = Callable[[Any, str, Any], None]


@cache
def _fields(descriptor: Descriptor) -> dict[str, tuple[str, str, _Put]]:
    """By JSON name: field name, the oneof it belongs to, and how a value is put into it."""
    found = {}
    for field in descriptor.fields:
        oneof = field.containing_oneof
        real = "" if oneof is None or oneof.name.startswith("_") else oneof.name
        found[field.json_name] = (field.name, real, _putter(field))
    return found


def _putter(field: FieldDescriptor) -> _Put:
    if field.message_type is not None:
        fill = _fill_value if field.message_type.full_name == ANY_VALUE else _fill
        return _put_messages(fill) if field.is_repeated else _put_message(fill)
    convert = _converter(field)
    return _put_scalars(convert) if field.is_repeated else _put_scalar(convert)


def _put_message(fill: Callable[[Any, Any], None]) -> _Put:
    def put(message: Any, name: str, value: Any) -> None:
        child = getattr(message, name)
        child.SetInParent()
        fill(child, value)

    return put


def _put_messages(fill: Callable[[Any, Any], None]) -> _Put:
    def put(message: Any, name: str, value: Any) -> None:
        add = getattr(message, name).add
        for index, one in enumerate(_listed(value)):
            try:
                fill(add(), one)
            except _Misfit as misfit:
                raise misfit.under(f"[{index}]") from None

    return put


def _put_scalar(convert: Callable[[Any], Any]) -> _Put:
    def put(message: Any, name: str, value: Any) -> None:
        setattr(message, name, convert(value))

    return put


def _put_scalars(convert: Callable[[Any], Any]) -> _Put:
    def put(message: Any, name: str, value: Any) -> None:
        getattr(message, name).extend([convert(one) for one in _listed(value)])

    return put


def _listed(value: Any) -> list[Any]:
    if type(value) is not list:
        raise _Misfit("a list", value)
    return value


# --- attribute values ---


def _fill_value(message: Any, document: Any) -> None:
    kind, value = _member(document)
    if kind is None:
        return
    if kind in ("arrayValue", "kvlistValue"):
        message.string_value = json_text(_plain(document, 0))
    else:
        name, convert = _SCALARS[kind]
        setattr(message, name, _at(kind, convert, value))


def _member(document: Any) -> tuple[str | None, Any]:
    """The one known member of an AnyValue."""
    if type(document) is not dict:
        raise _Misfit("an object", document)
    known = [key for key, value in document.items() if value is not None and key in _KINDS]
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
        if (type(value) is str and _INTEGER.fullmatch(value)) or (type(value) is float and value.is_integer()):
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
_SCALARS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "stringValue": ("string_value", _text),
    "boolValue": ("bool_value", _bool),
    "intValue": ("int_value", _whole(-(2**63), 2**63 - 1)),
    "doubleValue": ("double_value", _double),
    "bytesValue": ("bytes_value", _bytes),
}
_KINDS = frozenset({*_SCALARS, "arrayValue", "kvlistValue"})
