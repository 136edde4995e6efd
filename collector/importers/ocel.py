"""An object-centric log (OCEL 2.0) as rows: one event a row, the objects it touches in two cells, objects in between.

The readers of the three formats yield `OcelEvent` and `OcelObject`; here the ids that events touch get their types, the
objects of the type that is the case become the list in `ocel:cases`, and all of them the one in `ocel:objects`. A
record that refers to an object which is not in the log is broken. Ids of events are taken for unique without checking.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from collector.importers.mapping import ColumnMapping
from collector.importers.object_types import ObjectTypes
from collector.importers.rows import (
    CELL_LIMIT,
    OCEL_ACTIVITY,
    OCEL_CASES,
    OCEL_ID,
    OCEL_OBJECTS,
    OCEL_TIME,
    Broken,
    ObjectState,
    Record,
    Row,
    is_text,
)
from core.errors import InvalidInput

COLUMN_LIMIT = 2_000
BEGINNING = "1970-01-01T00:00:00Z"
"""The time of attribute values that hold from the beginning on, as the standard writes it."""
Relations = list[tuple[str, str]]
"""Ids of objects, each with the qualifier of the relation."""


class OcelObject(NamedTuple):
    """An object: its attributes as (name, time, value), and its relations to other objects."""

    line: int
    type: str
    id: str
    attributes: list[tuple[str, str, str]]
    relations: Relations


class OcelEvent(NamedTuple):
    """An event with its own attributes, and the objects that it touches."""

    line: int
    type: str
    id: str
    time: str
    attributes: list[tuple[str, str]]
    relations: Relations


class OcelBroken(NamedTuple):
    """Something that is neither."""

    line: int
    reason: str
    cells: list[str]


OcelRecord = OcelObject | OcelEvent | OcelBroken


class OcelSource(Protocol):
    """A log in one of the formats; reading it twice yields the same."""

    def objects(self) -> Iterator[tuple[str, str]]:
        """Id and type of every object."""
        ...

    def records(self) -> Iterator[OcelRecord]:
        """Everything, in the order of the file."""
        ...

    def part_done(self) -> float:
        """How much of `records` was read, 0 to 1."""
        ...

    def close(self) -> None: ...


class OcelTable:
    """See `Table`. Reads the objects first, so that every type is known wherever the file has them."""

    native_times = frozenset({OCEL_TIME})

    def __init__(self, source: OcelSource, mapping: ColumnMapping, name: str) -> None:
        self._source, self._name, self._case = source, name, mapping.case_object
        self.columns: list[str] = [OCEL_ID, OCEL_ACTIVITY, OCEL_TIME, OCEL_CASES, OCEL_OBJECTS]
        wanted = [column for column in mapping.columns.model_dump().values() if column]
        wanted += [keep.column for keep in mapping.keep] + list(mapping.attributes) + list(mapping.objects.values())
        self._wanted = frozenset(wanted) - set(self.columns)
        self.columns += [column for column in dict.fromkeys(wanted) if column in self._wanted]
        self._known, self._seen = set(self.columns), set[str]()
        self._number = 0
        self._types = ObjectTypes()
        try:
            self._types.fill(source.objects())
            self._check_case()
        except BaseException:
            self._types.close()
            raise

    def __iter__(self) -> Iterator[Record]:
        for record in self._source.records():
            self._number += 1
            if isinstance(record, OcelBroken):
                yield Broken(self._number, record.line, record.reason, record.cells)
                continue
            objects = self._objects(record.relations)
            if isinstance(objects, str):
                cells = [record.id, record.type, objects]
                reason = f"refers to the object {objects!r}, which is not in the log"
                yield Broken(self._number, record.line, reason, cells)
            elif isinstance(record, OcelEvent):
                yield self._event(record, objects)
            else:
                yield from self._states(record, objects)

    def part_done(self) -> float:
        return self._source.part_done()

    def notes(self) -> list[str]:
        found = []
        for column in sorted(self._wanted - self._seen):
            close = difflib.get_close_matches(column, sorted(self._seen), 1, 0.4)
            found.append(f"no event has {column!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
        return found

    def close(self) -> None:
        self._types.close()
        self._source.close()

    def _event(self, event: OcelEvent, objects: list[dict[str, str]]) -> Row | Broken:
        attributes = dict(event.attributes)
        touched = [part for one in objects for part in one.values()]
        if not is_text([event.id, event.type, event.time, *attributes, *attributes.values(), *touched]):
            return Broken(self._number, event.line, "is not utf-8 text", [event.id, event.type])
        if any(len(value) > CELL_LIMIT for value in attributes.values()):
            reason = f"an attribute is longer than {CELL_LIMIT} characters"
            return Broken(self._number, event.line, reason, [event.id, event.type])
        if not attributes.keys() <= self._seen:
            fresh = [key for key in attributes if key not in self._known]
            if len(self.columns) + len(fresh) > COLUMN_LIMIT:
                reason = f"brings the log to more than {COLUMN_LIMIT} different attributes"
                return Broken(self._number, event.line, reason, [event.id, event.type])
            self.columns += fresh
            self._known.update(fresh)
            self._seen.update(attributes)
        cases = list(dict.fromkeys(one["id"] for one in objects if one["type"] == self._case))
        attributes[OCEL_ID], attributes[OCEL_ACTIVITY], attributes[OCEL_TIME] = event.id, event.type, event.time
        attributes[OCEL_CASES] = json.dumps(cases, ensure_ascii=False)
        attributes[OCEL_OBJECTS] = json.dumps(objects, ensure_ascii=False) if objects else ""
        return Row(self._number, event.line, [attributes.get(column, "") for column in self.columns])

    def _states(self, one: OcelObject, related: list[dict[str, str]]) -> Iterator[ObjectState]:
        """What holds from the beginning together with the relations, then a state for each time of a change."""
        by_time: dict[str, list[tuple[str, str]]] = {BEGINNING: []}
        for name, time, value in one.attributes:
            by_time.setdefault(time or BEGINNING, []).append((name, value))
        relations = json.dumps(related, ensure_ascii=False) if related else ""
        for time, attributes in by_time.items():
            yield ObjectState(self._number, one.line, one.type, one.id, time, attributes, relations)
            relations = ""

    def _objects(self, relations: Relations) -> list[dict[str, str]] | str:
        """The objects with their types, or the id that nothing has."""
        found = []
        for one, qualifier in relations:
            kind = self._types.of(one)
            if kind is None:
                return one
            found.append({"type": kind, "id": one, "qualifier": qualifier})
        return found

    def _check_case(self) -> None:
        counts = self._types.counts()
        if self._case in counts:
            return
        have = ", ".join(f"{kind!r} ({number:,})" for kind, number in counts.items()) or "none"
        if not self._case:
            raise InvalidInput(
                f"{self._name}: which objects are the cases? The log has {have}", hint="use --case-object TYPE"
            )
        close = difflib.get_close_matches(self._case, counts, 1, 0.4)
        hint = f"did you mean {close[0]!r}?" if close else ""
        raise InvalidInput(f"{self._name}: there are no objects of type {self._case!r}; there are {have}", hint=hint)


def as_text(value: object) -> str:
    """A value of JSON or SQLite as the text that the store keeps."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
