"""One row of an ordinary table under `[[event]]` templates: no event, or many. Pure, like `interpret.py`.

A row is first taken apart (`unpivot`, `split`), every combination being a *part* with the row's cells and the derived
fields behind them. Each template then makes one event of each part in whose taken-apart fields it differs: a template
that looks at none of them makes one event of the row, however many parts there are. What is remembered for look-ups
grows with the file, up to `MAX_REMEMBERED` keys.
"""

from __future__ import annotations

import difflib
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import NamedTuple

from collector.importers.interpret import BadRow, Event, elements, read_time
from collector.importers.mapping import ColumnMapping
from collector.importers.rows import ObjectState
from collector.importers.templates import ROW, EventTemplate, Number, Value, When, derived_names, pieces
from collector.importers.times import time_reader, to_datetime
from core.errors import InvalidInput

MAX_REMEMBERED = 1_000_000
MAX_PARTS = 10_000
"""Parts one row may be taken into; more is taken for an accident."""
_SEQ_ROW, _SEQ_RANK = 10**6, 10**17
_DIGITS = 30

Fields = list[str]
Text = Callable[[Fields], str]
Test = Callable[[Fields], bool]
Pairs = list[tuple[str, str]]


class _Template(NamedTuple):
    wanted: EventTemplate
    id: str
    stream: str
    apart: tuple[int, ...]
    """Which of the ways in which a row is taken apart it looks at."""
    test: Test | None
    times: list[tuple[int, str, Callable[[str], int]]]
    start: tuple[int, str, Callable[[str], int]] | None
    case: Text | None
    texts: list[tuple[str, Text]]
    numbers: list[tuple[str, str, Callable[[Fields], Decimal | None]]]


class TemplateInterpreter:
    """Looks the mapping's fields up in the header once; raises InvalidInput when one is not there."""

    def __init__(
        self, mapping: ColumnMapping, columns: Sequence[str], native_times: frozenset[str], source: str, name: str
    ) -> None:
        self._mapping, self._columns, self._source, self._name = mapping, list(columns), source, name
        self._native = native_times
        self.remarks = Counter[str]()
        """What was left out of events that went in, or kept them from being made, with how often."""
        derived = list(derived_names(mapping.unpivot, mapping.split, mapping.lookup))
        for field in derived:
            if field in columns:
                raise InvalidInput(f"{name}: the field {field!r} of the mapping is a column too", hint="rename it")
        self._fields = [*self._columns, *derived]
        self._keep = [(self._index(keep.column), frozenset(keep.equals)) for keep in mapping.keep]
        self._apart, ways = self._taken_apart(), self._ways()
        self._remembered: dict[str, dict[str, str]] = {one: {} for one in mapping.lookup}
        self._lookups = [
            (
                self._remembered[one],
                self._text(lookup.key),
                self._text(lookup.value),
                self._test(lookup.when) if lookup.when else None,
            )
            for one, lookup in mapping.lookup.items()
        ]
        self._templates = [self._template(event, ways) for event in mapping.event]
        self._constants: Pairs = list(mapping.constants.items())

    def events(self, cells: list[str], number: int) -> list[Event]:
        """The events of the row with this number (from 1)."""
        for index, allowed in self._keep:
            if cells[index] not in allowed:
                return []
        found, seen = list[Event](), set[tuple[int, tuple[int, ...]]]()
        remarks = list[str]()
        if not self._apart:  # most tables: a row is one part
            fields = [*cells, str(number)]
            self._look_up(fields)
            for template in self._templates:
                if not template.test or template.test(fields):
                    event = self._event(template, fields, number, (), len(found), remarks)
                    if event:
                        found.append(event)
            if remarks:
                self.remarks.update(remarks)
            return found
        ways = [way(cells) for way in self._apart]
        size = 1
        for way in ways:
            size *= len(way)
        if size > MAX_PARTS:
            raise BadRow(f"the row has {size} parts, at most {MAX_PARTS} are allowed")
        for part in itertools.product(*ways):
            fields = [*cells, *(text for _, texts in part for text in texts), str(number)]
            self._look_up(fields)
            places = [place for place, _ in part]
            for position, template in enumerate(self._templates):
                own = tuple(places[way] for way in template.apart)
                if (position, own) in seen:
                    continue
                seen.add((position, own))
                if template.test and not template.test(fields):
                    continue
                event = self._event(template, fields, number, own, len(found), remarks)
                if event:
                    found.append(event)
        self.remarks.update(remarks)
        return found

    def object_state(self, state: ObjectState) -> Event:
        """Tables have no such records."""
        raise BadRow(f"the object {state.id!r} stands in no row")

    # --- a row's parts ---

    def _taken_apart(self) -> list[Callable[[list[str]], list[tuple[int, tuple[str, ...]]]]]:
        mapping = self._mapping
        found: list[Callable[[list[str]], list[tuple[int, tuple[str, ...]]]]] = []
        if mapping.unpivot:
            unpivot, left_out = mapping.unpivot, {self._index(one) for one in mapping.unpivot.all_except}
            wanted = (
                [self._index(one) for one in unpivot.columns]
                if unpivot.columns
                else [index for index in range(len(self._columns)) if index not in left_out]
            )
            names = [(index, self._columns[index]) for index in wanted]
            no_empty, no_zero = "empty" in unpivot.skip, "zero" in unpivot.skip

            def unpivoted(cells: list[str]) -> list[tuple[int, tuple[str, ...]]]:
                return [
                    (index, (column, cells[index]))
                    for index, column in names
                    if not (no_empty and not cells[index].strip()) and not (no_zero and _is_zero(cells[index]))
                ]

            found.append(unpivoted)
        for split in mapping.split:
            index, separator = self._index(split.column), split.separator

            def divided(
                cells: list[str], index: int = index, separator: str = separator
            ) -> list[tuple[int, tuple[str, ...]]]:
                return [(place, (one,)) for place, one in enumerate(elements(cells[index], separator) or [""])]

            found.append(divided)
        return found

    def _ways(self) -> dict[str, int]:
        """The way of taking a row apart that each derived field comes from."""
        mapping = self._mapping
        names = [(mapping.unpivot.name, mapping.unpivot.value)] if mapping.unpivot else []
        names += [(split.field, split.field) for split in mapping.split]
        return {field: way for way, fields in enumerate(names) for field in fields}

    def _look_up(self, fields: Fields) -> None:
        for remembered, key_of, value_of, test in self._lookups:
            key = key_of(fields)
            if key and (test is None or test(fields)) and (value := value_of(fields)):
                remembered[key] = value
                if len(remembered) > MAX_REMEMBERED:
                    raise InvalidInput(
                        f"{self._name}: a lookup has more than {MAX_REMEMBERED:,} keys", hint="divide the file"
                    )
            fields.append(remembered.get(key, "") if key else "")

    # --- one event ---

    def _event(
        self,
        template: _Template,
        fields: Fields,
        number: int,
        own: tuple[int, ...],
        made: int,
        remarks: list[str],
    ) -> Event | None:
        wanted = template.wanted
        stamp = next((one for one in template.times if fields[one[0]].strip()), None)
        if stamp is None:
            remarks.append(f"{template.id}: no event, {' and '.join(map(repr, wanted.timestamp))} empty")
            return None
        index, column, read = stamp
        time_ns = read_time(read, fields[index], column)
        start_ns = None
        if template.start and fields[template.start[0]].strip():
            start_ns = read_time(template.start[2], fields[template.start[0]], template.start[1])
        case = ""
        if template.case and not (case := template.case(fields).strip()):
            raise BadRow(f"the case {wanted.case!r} of {template.id} is empty", "the case is empty")
        pairs: Pairs = [(key, text) for key, text_of in template.texts if (text := text_of(fields))]
        for key, what, number_of in template.numbers:
            value = number_of(fields)
            if value is None:
                remarks.append(f"{template.id}: without {what}, its column is empty")
            else:
                pairs.append((key, format(value, "f")))
        event_id = ":".join([self._source, str(number), template.id, *map(str, own)])
        seq = wanted.rank * _SEQ_RANK + number * _SEQ_ROW + made
        pairs += self._constants
        return Event(case, wanted.name, time_ns, start_ns, seq, event_id, self._mapping.system, pairs, template.stream)

    # --- the header: names become places ---

    def _template(self, event: EventTemplate, ways: dict[str, int]) -> _Template:
        texts = [(key, self._value(value)) for key, value in event.attributes.items()]
        if event.currency:
            texts.append(("retail.currency", self._text(event.currency)))
        numbers = [
            (key, what, self._number(number, what))
            for key, what, number in (
                ("retail.quantity", "quantity", event.quantity),
                ("retail.amount", "amount", event.amount),
            )
            if number
        ]
        return _Template(
            event,
            event.id or event.name,
            event.stream or self._mapping.stream,
            tuple(sorted({ways[field] for field in self._needed(event.fields()) if field in ways})),
            self._test(event.when) if event.when else None,
            [(self._index(column), column, self._reader(column)) for column in event.timestamp],
            (self._index(event.start), event.start, self._reader(event.start)) if event.start else None,
            self._text(event.case) if event.case else None,
            texts,
            numbers,
        )

    def _needed(self, fields: set[str]) -> set[str]:
        """The fields, and those that their look-ups are found by."""
        lookups = self._mapping.lookup
        more = {name for field in fields if field in lookups for name in lookups[field].fields()} - fields
        return self._needed(fields | more) if more else fields

    def _index(self, field: str) -> int:
        found = [index for index, name in enumerate(self._fields) if name == field]
        if len(found) == 1:
            return found[0]
        if found:
            raise InvalidInput(f"{self._name}: the column {field!r} is there {len(found)} times")
        close = difflib.get_close_matches(field, self._fields, 1, 0.4)
        hint = f"did you mean {close[0]!r}?" if close else ""
        if len(self._columns) == 1 and (sign := next((s for s in ";\t|" if s in self._columns[0]), "")):
            hint = f"the header looks separated by {sign!r}: set delimiter"
        have = ", ".join(repr(name) for name in self._fields if name != ROW)
        raise InvalidInput(f"{self._name}: there is no column {field!r}; there are {have}", hint=hint)

    def _reader(self, column: str) -> Callable[[str], int]:
        mapping = self._mapping
        return time_reader("iso" if column in self._native else mapping.timestamp_format, mapping.zone)

    def _text(self, pattern: str) -> Text:
        parts = [(self._index(text), "") if is_field else (-1, text) for text, is_field in pieces(pattern)]
        if len(parts) == 1:
            index, literal = parts[0]
            return (lambda fields: literal) if index < 0 else (lambda fields: fields[index].strip())

        def joined(fields: Fields) -> str:
            out = ""
            for index, literal in parts:
                text = literal if index < 0 else fields[index].strip()
                if not text:
                    return ""
                out += text
            return out

        return joined

    def _value(self, value: Value) -> Text:
        if not value.time:
            return self._text(value.text)
        index, column, read = self._index(value.time), value.time, self._reader(value.time)

        def written(fields: Fields) -> str:
            if not fields[index].strip():
                return ""
            return to_datetime(read_time(read, fields[index], column)).astimezone(UTC).isoformat()

        return written

    def _number(self, number: Number, what: str) -> Callable[[Fields], Decimal | None]:
        if number.constant is not None:
            constant = _decimal(number.constant)
            return lambda fields: _signed(constant, number.sign, what, "the constant")
        if number.count:
            at = self._index(number.count)
            return lambda fields: Decimal(len(elements(fields[at], "")))
        names = number.product or (number.column,)
        places = [(self._index(name), name) for name in names]
        said = " × ".join(repr(name) for name in names)

        def read(fields: Fields) -> Decimal | None:
            value = Decimal(1)
            for index, name in places:
                factor = parsed(fields[index], name)
                if factor is None:
                    return None
                value *= factor
            return _signed(value, number.sign, what, said)

        return read

    def _test(self, when: When) -> Test:
        if when.all_ or when.any_:
            tests = [self._test(one) for one in when.all_ or when.any_ or ()]
            decided = when.any_ is not None  # one that is true decides `any`, one that is false `all`

            def several(fields: Fields) -> bool:
                for test in tests:
                    if test(fields) is decided:
                        return decided
                return not decided

            return several
        if when.not_:
            inner = self._test(when.not_)
            return lambda fields: not inner(fields)
        index, column, operator = self._index(when.column), when.column, when.operator
        wanted = getattr(when, operator)
        if when.numeric:
            limit = _decimal(wanted)

            def compared(fields: Fields) -> bool:
                value = parsed(fields[index], column)
                return value is not None and _COMPARE[operator](value, limit)

            return compared
        if operator == "is_empty":
            return lambda fields: (not fields[index].strip()) is wanted
        if operator == "starts_with":
            return lambda fields: fields[index].startswith(wanted)
        allowed = frozenset((wanted,) if operator == "equals" else wanted)
        return lambda fields: fields[index] in allowed


_COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "greater_than": lambda value, limit: value > limit,
    "at_least": lambda value, limit: value >= limit,
    "less_than": lambda value, limit: value < limit,
    "at_most": lambda value, limit: value <= limit,
}


@lru_cache(4_096)  # the numbers of a table come again and again
def parsed(text: str, column: str) -> Decimal | None:
    """The number in a cell, None where it is empty or NaN; raises BadRow for anything else."""
    text = text.strip()
    if not text or text.lower() == "nan":  # how floats say that there is no value
        return None
    try:
        value = Decimal(text)
        if value.is_finite() and text.isascii() and "_" not in text and abs(value.adjusted()) <= _DIGITS:
            return value
    except InvalidOperation:
        pass
    raise BadRow(f"{column!r}: {text[:80]!r} is not a number", f"{column!r} is not a number")


def _signed(value: Decimal, sign: str, what: str, said: str) -> Decimal:
    if sign == "abs":
        return abs(value)
    if sign == "negate":
        value = -value + 0  # no minus zero
    if value < 0 and sign != "any":
        hint = "say sign = abs, negate or any where that is meant"
        raise BadRow(f"the {what} {said} is negative: {format(value, 'f')}; {hint}", f"negative {what}")
    return value


def _decimal(number: float) -> Decimal:
    """As it was written: 1.0 is 1."""
    return Decimal(int(number)) if number.is_integer() else Decimal(repr(number))


def _is_zero(text: str) -> bool:
    try:
        return Decimal(text) == 0
    except InvalidOperation:
        return False
