"""XES (IEEE 1849) as rows: one event a row, the attributes of its trace in columns `case:…`.

Columns appear as attributes appear. Nested attributes are called `parent/child`; a list is one cell, a JSON list with
an object for each element. Prefixes of the standard extensions are written as the standard writes them, whatever the
file calls them. Global attributes are declarations and fill no gaps, as the standard has it. No more than one chunk
is held, and of a trace whose case id comes after its events at most 10,000 of them.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from collector.importers.mapping import XES_COLUMNS, ColumnMapping
from collector.importers.rows import CELL_LIMIT, CLASSIFIED, STARTED, Broken, LeftOut, Record, Row
from collector.importers.xes_lifecycle import TRANSITION, Lifecycle
from collector.importers.xml_reader import XmlReader
from core.errors import InvalidInput

HELD = 10_000
_KEY = re.compile(r"'([^']*)'|(\S+)")
COLUMN_LIMIT = 2_000
_KINDS = frozenset({"string", "date", "int", "float", "boolean", "id", "list", "container"})
_STANDARD = {"concept": "concept", "time": "time", "org": "org", "lifecycle": "lifecycle", "cost": "cost"}


class _Event:
    """One event as it was read."""

    __slots__ = ("attributes", "line", "number", "problem")

    def __init__(self, number: int, line: int) -> None:
        self.number, self.line = number, line
        self.attributes: dict[str, str] = {}
        self.problem = ""


class XesTable:
    """See `Table`. `raw` is the file, `content` what is in it; both are closed."""

    native_times: frozenset[str] = frozenset()

    def __init__(self, content: IO[bytes], raw: IO[bytes], size: int, mapping: ColumnMapping, path: Path) -> None:
        self._content, self._raw, self._size, self._name = content, raw, size, path.name
        self._mapping = mapping
        self._classifiers = read_classifiers(path.name, content) if mapping.classifier else {}
        self._classifier = self._classifier_keys(mapping.classifier)
        wanted = [column for column in mapping.columns.model_dump().values() if column]
        wanted += [keep.column for keep in mapping.keep] + list(mapping.attributes)
        wanted += list(mapping.objects.values()) + ([mapping.explode.column] if mapping.explode else [])
        wanted += mapping.wide.timestamps if mapping.wide else ()
        self.columns: list[str] = list(dict.fromkeys([*wanted, *XES_COLUMNS.values()]))
        self._wanted = frozenset(wanted) - set(XES_COLUMNS.values()) - {CLASSIFIED, STARTED}
        self._known = set(self.columns)
        self._seen: set[str] = set()
        self._lifecycle = Lifecycle(mapping.lifecycle, mapping.columns.timestamp)
        self._case = mapping.columns.case
        self._ready: list[Record] = []
        self._count = self._events = 0
        self._trace: dict[str, str] = {}
        self._event: _Event | None = None
        self._held: list[_Event] = []
        self._in_trace = self._in_global = False
        self._target: dict[str, str] | None = None
        self._paths: list[str] = []
        self._lists: list[tuple[dict[str, str], list[str], list[dict[str, str]]]] = []
        self._renames: dict[str, str] = {}
        self._reader = XmlReader(path.name, self._start, self._end)

    def __iter__(self) -> Iterator[Record]:
        return self._reader.records(self._content, self._ready)

    def part_done(self) -> float:
        return min(1.0, self._raw.tell() / self._size) if self._size else 1.0

    def notes(self) -> list[str]:
        chosen = any(keep.column == TRANSITION for keep in self._mapping.keep)
        found = [] if chosen else self._lifecycle.notes()
        for column in sorted(self._wanted - self._seen) if self._events else ():
            close = difflib.get_close_matches(column, sorted(self._seen), 1, 0.4)
            found.append(f"no event has {column!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
        return found

    def close(self) -> None:
        self._content.close()
        self._raw.close()

    # --- the document ---

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        kind = name if name in _KINDS else name.rpartition(":")[2]
        if kind in _KINDS:
            if self._target is not None:
                self._open(kind, attributes)
        elif kind == "event":
            self._count += 1
            self._event = _Event(self._count, self._reader.line)
            self._target = self._event.attributes
        elif kind == "trace":
            self._in_trace, self._trace = True, {}
            self._target = self._trace
        elif kind == "extension":
            self._extension(attributes)

    def _end(self, name: str) -> None:
        kind = name if name in _KINDS else name.rpartition(":")[2]
        if kind in _KINDS:
            if self._target is not None:
                if kind == "list" or self._lists:
                    self._shut(kind)
                else:
                    self._paths.pop()
        elif kind == "event" and self._event is not None:
            event, self._event = self._event, None
            self._target = self._trace if self._in_trace else None
            self._take(event)
        elif kind == "trace":
            self._release()
            for left in self._lifecycle.end_of_trace():
                self._emit(left)
            self._in_trace, self._target, self._trace = False, None, {}

    def _open(self, kind: str, attributes: dict[str, str]) -> None:
        target = self._target
        key = attributes.get("key")
        if target is None:
            return
        if key is None:
            self._problem(f"a {kind} has no key")
            key = ""
        if self._renames and (prefix := key.partition(":")[0]) in self._renames:
            key = self._renames[prefix] + key[len(prefix) :]
        paths = self._paths
        if paths:
            key = f"{paths[-1]}/{key}" if paths[-1] else key
        paths.append(key)
        if kind == "list":
            self._lists.append((target, paths, []))
            self._target, self._paths = {}, [""]
        elif kind != "container":
            value = attributes.get("value")
            if value is None:
                self._problem(f"{key!r} has no value")
            elif len(value) > CELL_LIMIT:
                self._problem(f"{key!r} is longer than {CELL_LIMIT} characters")
            else:
                target[key] = value

    def _shut(self, kind: str) -> None:
        if kind == "list":
            target, paths, items = self._lists.pop()
            text = json.dumps(items, ensure_ascii=False)
            if len(text) > CELL_LIMIT:
                self._problem(f"{paths[-1]!r} is longer than {CELL_LIMIT} characters")
            elif items:
                target[paths[-1]] = text
            self._target, self._paths = target, paths
        self._paths.pop()
        if self._lists and len(self._paths) == 1 and self._target:  # back on the level of the list's elements
            if len(self._lists[-1][2]) < CELL_LIMIT // 8:  # the text of more would be refused in any case
                self._lists[-1][2].append(self._target)
            self._target = {}

    def _problem(self, reason: str) -> None:
        if self._event is not None and not self._event.problem:
            self._event.problem = reason

    def _extension(self, attributes: dict[str, str]) -> None:
        prefix = attributes.get("prefix", "")
        what = attributes.get("uri", "").rpartition("/")[2].removesuffix(".xesext")
        standard = _STANDARD.get(what, prefix)
        if prefix and standard != prefix:
            self._renames[prefix] = standard

    # --- events of a trace ---

    def _take(self, event: _Event) -> None:
        if not self._in_trace:
            event.problem = event.problem or "stands in no trace, so it belongs to no case"
            self._emit_event(event)
            return
        late = self._case.startswith("case:") and self._case[5:] not in self._trace
        if late and len(self._held) < HELD:
            self._held.append(event)
            return
        self._release()
        self._emit_event(event)

    def _release(self) -> None:
        held, self._held = self._held, []
        for event in held:
            self._emit_event(event)

    def _emit_event(self, event: _Event) -> None:
        if event.problem:
            self._ready.append(Broken(event.number, event.line, event.problem, list(event.attributes.values())))
            return
        attributes = {f"case:{key}": value for key, value in self._trace.items()}
        attributes.update(event.attributes)
        if self._classifier:
            attributes[CLASSIFIED] = "+".join(attributes.get(key, "") for key in self._classifier)
            if not attributes[CLASSIFIED].strip("+ "):
                attributes[CLASSIFIED] = ""
        self._events += 1
        activity = attributes.get(self._mapping.columns.activity, "")
        for number, line, kept in self._lifecycle.take(event.number, event.line, activity, attributes):
            self._emit((number, line, kept))

    def _emit(self, told: tuple[int, int, dict[str, str] | None]) -> None:
        number, line, attributes = told
        if attributes is None:
            self._ready.append(LeftOut(number, line))
            return
        if not attributes.keys() <= self._seen and not self._learn(attributes):
            reason = f"brings the log to more than {COLUMN_LIMIT} different attributes"
            self._ready.append(Broken(number, line, reason, list(attributes.values())))
            return
        self._ready.append(Row(number, line, [attributes.get(column, "") for column in self.columns]))

    def _learn(self, attributes: dict[str, str]) -> bool:
        fresh = [key for key in attributes if key not in self._known]
        if len(self.columns) + len(fresh) > COLUMN_LIMIT:
            return False
        self.columns += fresh
        self._known.update(fresh)
        self._seen.update(attributes)
        return True

    def _classifier_keys(self, name: str) -> tuple[str, ...]:
        if not name:
            return ()
        if name not in self._classifiers:
            have = ", ".join(repr(one) for one in self._classifiers) or "none"
            close = difflib.get_close_matches(name, self._classifiers, 1, 0.4)
            hint = f"did you mean {close[0]!r}?" if close else ""
            raise InvalidInput(f"{self._name}: there is no classifier {name!r}; the log has {have}", hint=hint)
        return self._classifiers[name]


def read_classifiers(name: str, content: IO[bytes]) -> dict[str, tuple[str, ...]]:
    """The event classifiers, which stand before the first trace: name to attribute keys. Rewinds the stream."""
    found: dict[str, tuple[str, ...]] = {}
    header: list[bool] = [True]

    def start(element: str, attributes: dict[str, str]) -> None:
        kind = element.rpartition(":")[2]
        if kind == "trace":
            header[0] = False
        elif kind == "classifier" and attributes.get("scope", "event") == "event":
            found[attributes.get("name", "")] = _keys(attributes.get("keys", ""))

    reader = XmlReader(name, start)
    while header[0] and (chunk := content.read(1 << 16)):
        reader.feed(chunk)
    content.seek(0)
    return found


def _keys(text: str) -> tuple[str, ...]:
    """Keys between blanks; a key with blanks stands in quotes."""
    return tuple(quoted or plain for quoted, plain in _KEY.findall(text))
