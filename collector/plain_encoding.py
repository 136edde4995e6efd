"""Requests written the one way that every reader understands alike.

Protobuf lets a writer do more than the engine's reader takes: a field twice (the last wins, messages merge), two
members of a oneof, a known number with another wire type, groups, varints longer than they need to be. The engine
refuses some of it and silently reads some of it otherwise, so that its rows would differ from the items that were
counted at the door. What is parsed and written anew has none of it, and no field that the schema does not know.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError, EncodeError

from collector.otlp_types import REQUESTS
from collector.unusable import SCOPES, resource_list, scopes_of
from storage import Signal


def written_plainly(request: Any, items_bytes: list[int], length: int) -> bool:
    """Whether a body of `length` bytes can be taken for what the parsed request would be written as.

    `items_bytes` has, for each scope, what its items take when written. Repetitions and superfluous bytes make a body
    longer than that; what is merely ordered otherwise is not noticed, and need not be.
    """
    sizes, total = iter(items_bytes), 0
    for resource in getattr(request, resource_list(request)):
        scopes, _ = SCOPES[type(resource).__name__]
        inside = _message(resource, "resource") + _text(resource.schema_url)
        for scope in getattr(resource, scopes):
            inside += _headed(next(sizes) + _message(scope, "scope") + _text(scope.schema_url))
        total += _headed(inside)
    return total == length


def fields_bytes(lengths: list[int]) -> int:
    """What messages of these lengths take as fields with numbers below 16."""
    if lengths and min(lengths) >= 128 and max(lengths) < 16_384:
        return sum(lengths) + 3 * len(lengths)
    return sum(map(_headed, lengths))


def rewritten(signal: Signal, payload: bytes, items: int) -> bytes:
    """An admitted request without repetitions and unknown fields; as it is when that has not as many items."""
    request: Any = REQUESTS[signal]()
    try:
        request.MergeFromString(payload)
        request.DiscardUnknownFields()
        return bytes(request.SerializeToString()) if _items(request) == items else payload
    except (DecodeError, EncodeError):
        return payload


def _items(request: Any) -> int:
    count = 0
    for _, _, items in scopes_of(request):
        if items and type(items[0]).__name__ == "Metric":
            kinds = [(metric, metric.WhichOneof("data")) for metric in items]
            count += sum(len(getattr(metric, kind).data_points) for metric, kind in kinds if kind)
        else:
            count += len(items)
    return count


def _headed(length: int) -> int:
    return length + 1 + max(1, (length.bit_length() + 6) // 7)


def _message(parent: Any, name: str) -> int:
    return _headed(len(getattr(parent, name).SerializePartialToString())) if parent.HasField(name) else 0


def _text(value: str) -> int:
    return _headed(len(value.encode())) if value else 0
