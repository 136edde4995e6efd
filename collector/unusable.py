"""Finds the items of a request that break a rule, and takes them out.

The common case, nothing to find, is decided list by list with functions that run in C: about a microsecond for a span,
serializing it once included, which also tells how long it is and whether it holds a list or map (see
`collector.otlp_types`). An item of at most `Rules.small` bytes can break no limit and is not looked into. Only what is
suspicious is then judged item by item.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter, lt
from typing import Any

from google.protobuf.message import EncodeError

from collector.rules import Reason, Rules, Verdict

_KEY = attrgetter("key")


@dataclass(frozen=True, slots=True)
class Kept:
    """Items for quarantine: a serialized request of nothing but them, with their resources and scopes."""

    reason: Reason
    payload: bytes
    items: int


@dataclass(slots=True)
class Marked:
    """Bad items of one list: `parents` are the messages above them, from the resource down; by index, why."""

    parents: tuple[Any, ...]
    items: Any
    why: dict[int, Reason]


@dataclass(slots=True)
class Findings:
    """`good`: items that stay. `trapped`: a list or map is somewhere in the request. `changed`: it was completed.

    `items_bytes`: for each scope, what its items take as fields when they are written.
    """

    good: int = 0
    trapped: bool = False
    changed: bool = False
    items_bytes: list[int] = field(default_factory=list)
    marked: list[Marked] = field(default_factory=list)

    def take(self, parents: tuple[Any, ...], items: Any, count: int, why: dict[int, Reason]) -> None:
        """Notes the verdicts on a list of `count` items."""
        self.good += count - len(why)
        if why:
            self.marked.append(Marked(parents, items, why))


# --- sizes ---


def sizes(messages: list[Any]) -> tuple[list[int], bool]:
    """The serialized length of each message, and whether a list or map is in any."""
    if not messages:
        return [], False
    kind = type(messages[0])
    try:
        return list(map(len, map(kind.SerializeToString, messages))), False
    except EncodeError:  # a trap has sprung
        return list(map(len, map(kind.SerializePartialToString, messages))), True


def envelope(message: Any, rules: Rules, findings: Findings, name: str = "") -> Reason | None:
    """What is wrong with a resource or scope, and with all that is in it."""
    (size,), trapped = sizes([message])
    findings.trapped |= trapped
    if size <= rules.small:
        return None
    if too_long(name, rules.name_bytes):
        return Reason.NAME_TOO_LONG
    return attributes(message.attributes, size, rules)


def attributes(pairs: Any, size: int, rules: Rules) -> Reason | None:
    """The first limit that a list of attributes breaks; together with their owner they have `size` bytes."""
    if rules.attributes and len(pairs) > rules.attributes:
        return Reason.TOO_MANY_ATTRIBUTES
    if rules.key_bytes and size > rules.key_bytes and _longest_key(pairs, rules.key_bytes) > rules.key_bytes:
        return Reason.KEY_TOO_LONG
    if rules.value_bytes and size > rules.value_bytes:
        for pair in pairs:
            if length(pair.value, rules.value_bytes) > rules.value_bytes:
                return Reason.VALUE_TOO_LONG
    return None


def _longest_key(pairs: Any, limit: int) -> int:
    """The bytes of the longest key; exact where it may be over the limit."""
    longest = max(map(len, map(_KEY, pairs)), default=0) * 4
    return longest if longest <= limit else max(len(key.encode()) for key in map(_KEY, pairs))


def length(value: Any, limit: int) -> int:
    """The bytes of a value as sent; exact where it is over the limit."""
    size = len(value.SerializePartialToString())
    if size <= limit:
        return size
    match value.WhichOneof("value"):
        case None:
            return 0
        case "string_value":
            return len(value.string_value.encode())
        case "bytes_value":
            return len(value.bytes_value)
        case "array_value" | "kvlist_value" as kind:
            return len(getattr(value, kind).SerializePartialToString())
    return 8


def too_long(text: str, limit: int) -> bool:
    """Whether a text has more bytes than the limit, where there is one."""
    return bool(limit) and len(text) * 4 > limit and len(text.encode()) > limit


def ascending(values: list[float]) -> bool:
    """Strictly; what is no number ascends nowhere."""
    return all(value == value for value in values) and all(map(lt, values, values[1:]))


def when(time: int, low: int, high: int) -> Reason | None:
    """What is wrong with a time."""
    if low <= time <= high:
        return None
    if not time:
        return Reason.NO_TIME
    return Reason.TOO_OLD if time < low else Reason.IN_THE_FUTURE


# --- taking out ---


def take_out(new_request: Callable[[], Any], findings: Findings) -> tuple[tuple[Kept, ...], Counter[Reason]]:
    """Removes marked items from their lists; returns what goes to quarantine, and how many broke which rule."""
    counts = Counter(reason for marked in findings.marked for reason in marked.why.values())
    kept = []
    for reason in sorted(counts):
        if reason.verdict is Verdict.QUARANTINE:
            request = new_request()
            for marked in findings.marked:
                indexes = [index for index, why in marked.why.items() if why is reason]
                if indexes:
                    _copy(request, marked, indexes)
            kept.append(Kept(reason, bytes(request.SerializePartialToString()), counts[reason]))
    for marked in findings.marked:
        remove(marked.items, sorted(marked.why))
    return tuple(kept), counts


def _copy(request: Any, marked: Marked, indexes: list[int]) -> None:
    """Adds the items to the request, under copies of what they were under."""
    resource, scope, *metric = marked.parents
    own_resources = getattr(request, resource_list(request))
    above = own_resources.add(schema_url=resource.schema_url)
    if resource.HasField("resource"):
        above.resource.CopyFrom(resource.resource)
    scopes, items = SCOPES[type(resource).__name__]
    own = getattr(above, scopes).add(schema_url=scope.schema_url)
    if scope.HasField("scope"):
        own.scope.CopyFrom(scope.scope)
    into = getattr(own, items)
    if metric:
        copy, kind = into.add(), metric[0].WhichOneof("data")
        copy.CopyFrom(metric[0])
        into = getattr(copy, kind).data_points
        del into[:]
    for index in indexes:
        into.append(marked.items[index])


SCOPES: Mapping[str, tuple[str, str]] = {
    "ResourceSpans": ("scope_spans", "spans"),
    "ResourceLogs": ("scope_logs", "log_records"),
    "ResourceMetrics": ("scope_metrics", "metrics"),
}
"""By the type of a resource: its list of scopes, and their list."""


def resource_list(request: Any) -> str:
    """The one list of a request."""
    return str(request.DESCRIPTOR.fields[0].name)


def scopes_of(request: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Every resource, scope and list of spans, records or metrics."""
    for resource in getattr(request, resource_list(request)):
        scopes, items = SCOPES[type(resource).__name__]
        for scope in getattr(resource, scopes):
            yield resource, scope, getattr(scope, items)


def remove(items: Any, indexes: list[int]) -> None:
    """Deletes run after run, from the end, so that a batch of nothing but bad items costs no more than a good one."""
    end = len(indexes)
    while end:
        start = end - 1
        while start and indexes[start - 1] == indexes[start] - 1:
            start -= 1
        del items[indexes[start] : indexes[end - 1] + 1]
        end = start
