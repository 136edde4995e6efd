"""One row under a mapping: no event, one event, or several. Pure; knows neither files nor the wire.

`Interpreter.events` raises BadRow with a reason for a row that must not go in, and returns an empty list for a row
that holds nothing to import: filtered out, an empty list to explode, or no filled time in the wide form. A bad cell
refuses its whole row, so that half a case never looks like a whole one.
"""

from __future__ import annotations

import ast
import difflib
import json
import re
import warnings
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from collector.importers.mapping import NAMED, NUMBERED, RESERVED, ColumnMapping
from collector.importers.rows import OCEL_CASES, OCEL_ID, OCEL_OBJECTS, ObjectState, is_text
from collector.importers.times import time_reader
from core.errors import InvalidInput

MAX_ELEMENTS = 10_000
"""Elements one cell may be exploded into; more is taken for an accident."""

_PLAIN_LIST = re.compile(r"\[\s*(?:'[^'\\]*'\s*(?:,\s*'[^'\\]*'\s*)*,?\s*)?\]")
_ELEMENT = re.compile(r"'([^'\\]*)'")
Pairs = list[tuple[str, str]]
Stamp = tuple[str, int, int | None, int]
"""Activity, time, start, and the column's place among the wide ones (else 0)."""


class BadRow(Exception):
    """The row must not go in; the text says why, `kind` without what is this row's own, so that rows can be counted."""

    def __init__(self, reason: str, kind: str = "") -> None:
        super().__init__(reason)
        self.kind = kind or reason


OBJECT_CHANGED = "retail.object.changed"
"""The event name of records that say something of an object."""


class Event(NamedTuple):
    """One event of one case. `attributes` is shared by the events of a row: do not change it.

    In an object-centric log an event may have no case; it then goes in for the sake of its objects.
    """

    case: str
    activity: str
    time_ns: int
    start_ns: int | None
    seq: int
    event_id: str
    system: str
    attributes: Pairs
    stream: str = ""
    """Where it is not the mapping's."""


class Interpreter:
    """Looks the mapping's columns up in the header once; raises InvalidInput when one is not there.

    Columns that appear later (see `Table.columns`) become attributes as they appear.
    """

    def __init__(
        self, mapping: ColumnMapping, columns: Sequence[str], native_times: frozenset[str], source: str, name: str
    ) -> None:
        self._mapping, self._columns, self._source, self._name = mapping, columns, source, name
        self._native = native_times
        self._object_centric = OCEL_CASES in columns or bool(mapping.explode and mapping.objects)
        self._ocel = (self._index(OCEL_ID), self._index(OCEL_OBJECTS)) if OCEL_CASES in columns else None
        self._objects = [(kind, self._index(column)) for kind, column in mapping.objects.items()]
        self._read_state_time = time_reader("iso", mapping.zone, beginning=True)
        wanted = mapping.columns
        self._explode = self._index(mapping.explode.column) if mapping.explode else None
        self._separator = mapping.explode.separator if mapping.explode else ""
        self._case = self._index(wanted.case) if self._explode is None else self._explode
        self._keep = [(self._index(keep.column), frozenset(keep.equals)) for keep in mapping.keep]
        self._system = self._index(wanted.system) if wanted.system else None
        self._named = [
            (self._index(column), attribute, key in NUMBERED)
            for key, attribute in NAMED.items()
            if (column := getattr(wanted, key))
        ]
        self._stamps = self._wide() if mapping.wide else self._single()
        self._width = len(mapping.wide.timestamps) if mapping.wide else 1
        self._others = self._unmapped()
        self._bound = len(columns)
        self._constants: Pairs = list(mapping.constants.items())

    def events(self, cells: list[str], number: int) -> list[Event]:
        """The events of the row with this number (from 1)."""
        if len(cells) != self._bound:
            self._grow(cells)
        for index, allowed in self._keep:
            if cells[index] not in allowed:
                return []
        cases = self._cases(cells[self._case])
        if not cases and self._object_centric:
            cases = [""]
        stamps = self._stamps(cells) if cases else []
        if not stamps:
            return []
        system = (cells[self._system] if self._system is not None else "") or self._mapping.system
        attributes = self._attributes(cells)
        if self._objects or self._ocel:
            attributes = attributes + self._touched(cells)
        several = self._explode is not None
        found = []
        for activity, time_ns, start_ns, place in stamps:
            seq = (number * self._width + place) if self._width > 1 else number
            event_id = f"{self._source}:{number}:{place}" if self._mapping.wide else f"{self._source}:{number}"
            shared = attributes
            if several:
                origin = f"{self._source}:{cells[self._ocel[0]]}" if self._ocel else event_id
                shared = [*attributes, ("retail.event.origin.id", origin)]
            for element, case in enumerate(cases):
                own_id = f"{event_id}:{element}" if several else event_id
                found.append(Event(case, activity, time_ns, start_ns, seq, own_id, system, shared))
        return found

    def object_state(self, state: ObjectState) -> Event:
        """The record that says what the log knows of an object from a time on; raises BadRow."""
        if not state.type.strip() or not state.id.strip():
            raise BadRow("an object has no id or no type")
        if not is_text([state.type, state.id, state.relations, *(text for pair in state.attributes for text in pair)]):
            raise BadRow("is not utf-8 text")
        try:
            time_ns = self._read_state_time(state.time)
        except ValueError as problem:
            raise BadRow(f"time: {problem}") from None
        pairs = [("retail.object.type", state.type), ("retail.object.id", state.id)]
        if state.attributes:
            pairs.append(("retail.object.attributes", json.dumps(dict(state.attributes), ensure_ascii=False)))
        if state.relations:
            pairs.append(("retail.objects", state.relations))
        event_id = f"{self._source}:object:{state.number}:{time_ns}"
        return Event("", OBJECT_CHANGED, time_ns, None, state.number, event_id, self._mapping.system, pairs)

    # --- the parts of a row ---

    def _cases(self, text: str) -> list[str]:
        if self._explode is not None:
            return elements(text, self._separator)
        if not text.strip():
            raise BadRow(f"{self._columns[self._case]!r} (the case) is empty")
        return [text]

    def _single(self) -> Callable[[list[str]], list[Stamp]]:
        wanted = self._mapping.columns
        activity_at, time_at = self._index(wanted.activity), self._index(wanted.timestamp)
        start_at = self._index(wanted.start) if wanted.start else None
        read_when = self._reader(wanted.timestamp)
        read_start = self._reader(wanted.start) if wanted.start else read_when
        names = self._mapping.activity_names

        def stamps(cells: list[str]) -> list[Stamp]:
            activity = cells[activity_at]
            if not activity.strip():
                raise BadRow(f"{wanted.activity!r} (the activity) is empty")
            time_ns = read_time(read_when, cells[time_at], wanted.timestamp)
            start_ns = None
            if start_at is not None and cells[start_at].strip():
                start_ns = read_time(read_start, cells[start_at], wanted.start)
            return [(names.get(activity, activity), time_ns, start_ns, 0)]

        return stamps

    def _wide(self) -> Callable[[list[str]], list[Stamp]]:
        wide = self._mapping.wide
        names = self._mapping.activity_names
        places = [
            (place, self._index(column), names.get(column, column), column, self._reader(column))
            for place, column in enumerate(wide.timestamps if wide else ())
        ]

        def stamps(cells: list[str]) -> list[Stamp]:
            return [
                (activity, read_time(read, cells[index], column), None, place)
                for place, index, activity, column, read in places
                if cells[index].strip()
            ]

        return stamps

    def _attributes(self, cells: list[str]) -> Pairs:
        pairs = [(key, text) for index, key in self._others if (text := cells[index])]
        for index, key, numeric in self._named:
            text = cells[index].strip()
            if text and not (numeric and text.lower() == "nan"):  # how floats say that there is no value
                pairs.append((key, _number(text, self._columns[index]) if numeric else text))
        return pairs + self._constants

    def _touched(self, cells: list[str]) -> Pairs:
        """Every object that the row's events touch, as one attribute."""
        if self._ocel:
            text = cells[self._ocel[1]]
            return [("retail.objects", text)] if text else []
        touched = [
            {"type": kind, "id": one, "qualifier": ""}
            for kind, index in self._objects
            for one in dict.fromkeys(_objects(cells[index]))
        ]
        return [("retail.objects", json.dumps(touched, ensure_ascii=False))] if touched else []

    # --- the header ---

    def _grow(self, cells: list[str]) -> None:
        """A row may be older than the newest column, and the columns known here older than the row."""
        if len(self._columns) != self._bound:
            self._others, self._bound = self._unmapped(), len(self._columns)
        cells.extend([""] * (self._bound - len(cells)))

    def _index(self, column: str) -> int:
        found = [index for index, name in enumerate(self._columns) if name == column]
        if len(found) == 1:
            return found[0]
        if found:
            raise InvalidInput(f"{self._name}: the column {column!r} is there {len(found)} times")
        close = difflib.get_close_matches(column, self._columns, 1, 0.4)
        hint = f"did you mean {close[0]!r}?" if close else ""
        if len(self._columns) == 1 and (sign := next((s for s in ";\t|" if s in self._columns[0]), "")):
            hint = f"the header looks separated by {sign!r}: set delimiter"
        have = ", ".join(repr(name) for name in self._columns)
        raise InvalidInput(f"{self._name}: there is no column {column!r}; the columns are {have}", hint=hint)

    def _reader(self, column: str) -> Callable[[str], int]:
        mapping = self._mapping
        return time_reader("iso" if column in self._native else mapping.timestamp_format, mapping.zone)

    def _unmapped(self) -> list[tuple[int, str]]:
        mapping = self._mapping
        used = {self._case, self._system, *(index for index, _, _ in self._named)}
        used |= {index for _, index in self._objects} | ({self._ocel[1]} if self._ocel else set())
        times = mapping.wide.timestamps if mapping.wide else (mapping.columns.activity, mapping.columns.timestamp)
        used |= {self._index(column) for column in times}
        if mapping.columns.start:
            used.add(self._index(mapping.columns.start))
        others = [(self._index(column), attribute) for column, attribute in mapping.attributes.items()]
        if mapping.other_columns == "none":
            return others
        used |= {index for index, _ in others}
        taken = set(RESERVED) | {attribute for _, attribute in others} | set(mapping.constants)
        taken |= {attribute for _, attribute, _ in self._named}
        for index, name in enumerate(self._columns):
            if index not in used:
                key = name.strip() or f"column_{index + 1}"
                if key in taken:
                    key = f"{key} ({index + 1})"
                taken.add(key)
                others.append((index, key))
        return others


def read_time(read: Callable[[str], int], text: str, column: str) -> int:
    """The time in a cell, in nanoseconds; raises BadRow."""
    if not text.strip():
        raise BadRow(f"{column!r} (the time) is empty")
    try:
        return read(text)
    except ValueError as problem:
        raise BadRow(f"{column!r}: {problem}", f"{column!r} is not a time") from None


def _number(text: str, column: str) -> str:
    try:
        if Decimal(text).is_finite() and text.isascii() and "_" not in text:  # both are Python's own idea of a number
            return text
    except InvalidOperation:
        pass
    raise BadRow(f"{column!r}: {text!r} is not a number", f"{column!r} is not a number")


def _objects(text: str) -> list[str]:
    """Ids of objects: a list as in `elements`, or one id."""
    return elements(text, "") if text.lstrip().startswith("[") else [text.strip()] if text.strip() else []


def elements(text: str, separator: str) -> list[str]:
    """The elements of a list written as JSON, as Python, or between separators; blank text is an empty list."""
    text = text.strip()
    if not text:
        return []
    if _PLAIN_LIST.fullmatch(text):
        found = _ELEMENT.findall(text)
    elif text.startswith("["):
        found = _literal(text)
    elif separator:
        found = [part.strip() for part in text.split(separator)]
    else:
        raise BadRow(f"{text[:80]!r} is not a list")
    if len(found) > MAX_ELEMENTS:
        raise BadRow(f"the list has {len(found)} elements, at most {MAX_ELEMENTS} are allowed")
    if not all(element.strip() for element in found):
        raise BadRow(f"{text[:80]!r} has an empty element (the case)")
    return found


def _literal(text: str) -> list[str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            raise BadRow(f"{text[:80]!r} is not a list") from None
    if not isinstance(value, list) or not all(type(element) in (str, int, float) for element in value):
        raise BadRow(f"{text[:80]!r} is not a list of texts or numbers")
    try:
        elements = [str(element) for element in value]
    except ValueError:  # a whole number of thousands of digits
        raise BadRow(f"{text[:80]!r} is not a list of texts or numbers") from None
    if not is_text(elements):
        raise BadRow(f"{text[:80]!r} has half a character in an element")
    return elements
