"""Requests written the one way that every reader understands alike.

Protobuf lets a writer do more than the engine's reader takes: a field twice (the last wins, messages merge), two
members of a oneof, a known number with another wire type, groups, varints longer than they need to be. The engine
refuses some of it (then the store client writes the whole insert anew) and silently reads some of it otherwise, so that
its rows would differ from the items that were counted at the door. That is what is looked for here: what can change how
many items there are. Odd fields inside a span or log record are not.
"""

from __future__ import annotations

from typing import Any

from collector.unusable import SCOPES, resource_list


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


def _headed(length: int) -> int:
    return length + 1 + max(1, (length.bit_length() + 6) // 7)


def _message(parent: Any, name: str) -> int:
    return _headed(len(getattr(parent, name).SerializePartialToString())) if parent.HasField(name) else 0


def _text(value: str) -> int:
    return _headed(len(value.encode())) if value else 0
