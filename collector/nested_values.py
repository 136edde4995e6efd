"""Attribute values that are lists or maps become JSON text, because the store keeps text.

Numbers and booleans stay such inside the text, bytes are base64 in the standard alphabet, an unset value is null, and
what JSON has no number for (NaN, infinities) is the text that protobuf's JSON mapping uses. Scalars are not touched.
"""

from __future__ import annotations

import base64
import math
from functools import cache
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import EncodeError, Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValueList

from collector.otlp_types import ANY_VALUE, TRAPPED

_TOP_LEVELS = 3  # request, resource, scope: above the items


def serialize_flat(request: Any) -> bytes | None:
    """Rewrites nested values in the request; returns it serialized, or None when there was nothing to rewrite.

    Raises google.protobuf.message.DecodeError when a nested value is malformed.
    """
    if (_serialized(request)) is not None:
        return None
    _flatten_envelopes(request)  # resources often carry a list (the command line); items seldom do
    text = _serialized(request)
    if text is None:
        _flatten(request, 0)
        text = bytes(request.SerializeToString())
    return text


def json_text(plain: Any) -> str:
    """Compact JSON."""
    return orjson.dumps(plain).decode()


def plain_number(value: float) -> float | str:
    """The number, or its name where JSON has none."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def plain(value: AnyValue) -> Any:
    """What `json_text` takes, for a value as published."""
    match value.WhichOneof("value"):
        case "array_value":
            return [plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return _mapping(value.kvlist_value)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case "double_value":
            return plain_number(value.double_value)
        case "string_value" | "bool_value" | "int_value" as kind:
            return getattr(value, kind)
    return None


def _mapping(values: KeyValueList) -> dict[str, Any]:
    return {item.key: plain(item.value) for item in values.values}


def _serialized(request: Any) -> bytes | None:
    try:
        return bytes(request.SerializeToString())
    except EncodeError:  # a required field is missing: a trap has sprung
        return None


@cache
def _ways(descriptor: Descriptor) -> tuple[tuple[str, bool], ...]:
    """The fields through which a value can be reached, and whether they repeat."""
    return tuple(
        (field.name, field.is_repeated)
        for field in descriptor.fields
        if field.message_type is not None and _leads_to_value(field.message_type, frozenset())
    )


def _leads_to_value(descriptor: Descriptor, seen: frozenset[str]) -> bool:
    if descriptor.full_name == ANY_VALUE:
        return True
    return descriptor.full_name not in seen and any(
        field.message_type is not None and _leads_to_value(field.message_type, seen | {descriptor.full_name})
        for field in descriptor.fields
    )


def _flatten_envelopes(request: Any) -> None:
    ((resources, _),) = _ways(request.DESCRIPTOR)
    for resource in getattr(request, resources):
        _flatten(resource.resource, _TOP_LEVELS)
        for name, repeated in _ways(resource.DESCRIPTOR):
            if repeated:
                for scope in getattr(resource, name):
                    _flatten(scope.scope, _TOP_LEVELS)


def _flatten(message: Any, depth: int) -> None:
    descriptor = message.DESCRIPTOR
    if descriptor.full_name == ANY_VALUE:
        _rewrite(message)
        return
    for name, repeated in _ways(descriptor):
        if repeated:
            for child in getattr(message, name):
                if depth < _TOP_LEVELS - 1 or not child.IsInitialized():
                    _flatten(child, depth + 1)
        elif message.HasField(name):
            _flatten(getattr(message, name), depth + 1)


def _rewrite(value: Any) -> None:
    kind = value.WhichOneof("value")
    if kind in TRAPPED:
        trap: Message = getattr(value, kind)
        inside = trap.SerializePartialToString()
        if kind == "array_value":
            value.string_value = json_text([plain(item) for item in ArrayValue.FromString(inside).values])
        else:
            value.string_value = json_text(_mapping(KeyValueList.FromString(inside)))
