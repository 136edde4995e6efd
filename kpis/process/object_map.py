"""The object-centric process map: for each type of object, which step directly follows which in its objects' lives.

This is the object-centric directly-follows graph (van der Aalst and Berti, Discovering Object-Centric Petri Nets, 2020;
the three counts of an edge are those of pm4py's `discover_ocdfg`). Nothing is flattened: an event that touches five
items is one event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import NotFound
from kpis.process.filters import LIMITS
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"


@dataclass(frozen=True)
class ObjectType:
    """A type, its objects, and the distinct events that touch one."""

    object_type: str
    objects: int
    events: int


@dataclass(frozen=True)
class ObjectStep:
    """A step in the lives of a type's objects.

    `occurrences`: by event and object; `events`, `objects`: distinct. `starts` and `ends`: objects whose first and last
    event it is.
    """

    object_type: str
    step: str
    occurrences: int
    events: int
    objects: int
    starts: int
    ends: int


@dataclass(frozen=True)
class ObjectEdge:
    """`to_step` directly after `from_step` in the life of an object.

    `count`: by pair of events and object; `events`: distinct pairs of events; `objects`: distinct objects.
    """

    object_type: str
    from_step: str
    to_step: str
    count: int
    events: int
    objects: int


@dataclass(frozen=True)
class ObjectMap:
    """Types with most events first; steps and edges by type, the most frequent first."""

    stream: str
    events: int
    types: tuple[ObjectType, ...]
    steps: tuple[ObjectStep, ...]
    edges: tuple[ObjectEdge, ...]


def object_map(ch: ClickHouse, tenant: str, stream: str, object_types: Sequence[str] = ()) -> ObjectMap:
    """The map of these types, or of all. Raises NotFound when no event of the stream touches such an object."""
    params = {"tenant": tenant, "stream": stream, "types": list(object_types)}
    types = ch.query(load_sql(_ROOM, "object_map_types"), params, LIMITS).dicts()
    if not types:
        of = f" of the types {', '.join(object_types)}" if object_types else ""
        raise NotFound(f"no event of the stream {stream!r} touches an object{of}")
    steps = ch.query(load_sql(_ROOM, "object_map_steps"), params, LIMITS).dicts()
    edges = ch.query(load_sql(_ROOM, "object_map_edges"), params, LIMITS).dicts()
    return ObjectMap(
        stream,
        types[0]["all_events"],
        tuple(ObjectType(one["object_type"], one["objects"], one["events"]) for one in types),
        tuple(ObjectStep(**one) for one in steps),
        tuple(ObjectEdge(**one) for one in edges),
    )
