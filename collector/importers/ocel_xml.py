"""OCEL 2.0 as XML (`.xmlocel`), under the limits of `xml_reader.py`.

The file is read twice: for the types of its objects, then for all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO

from collector.importers.ocel import OcelBroken, OcelEvent, OcelObject, OcelRecord, Relations
from collector.importers.rows import CELL_LIMIT
from collector.importers.xml_reader import XmlReader


class OcelXml:
    """See `OcelSource`. `reopen` opens the content anew; the file is closed by `close`."""

    def __init__(self, reopen: Callable[[], tuple[IO[bytes], IO[bytes]]], size: int, name: str) -> None:
        self._reopen, self._size, self._name = reopen, size, name
        self._content: IO[bytes] | None = None
        self._raw: IO[bytes] | None = None

    def objects(self) -> Iterator[tuple[str, str]]:
        for record in self.records():
            if isinstance(record, OcelObject):
                yield record.id, record.type

    def records(self) -> Iterator[OcelRecord]:
        self.close()
        self._content, self._raw = self._reopen()
        return _Handler(self._name).records(self._content)

    def part_done(self) -> float:
        return min(1.0, self._raw.tell() / self._size) if self._raw and self._size else 1.0

    def close(self) -> None:
        if self._content:
            self._content.close()
        if self._raw:
            self._raw.close()


class _Handler:
    """`log/objects/object` and `log/events/event`; an `objects` inside them holds relations."""

    def __init__(self, name: str) -> None:
        self._reader = XmlReader(name, self._start, self._end)
        self._reader.on_text(self._characters)
        self._ready: list[OcelRecord] = []
        self._kind = ""
        self._inside = 0
        self._line = 0
        self._own: dict[str, str] = {}
        self._attributes: list[tuple[str, str, str]] = []
        self._relations: Relations = []
        self._attribute: dict[str, str] | None = None
        self._text: list[str] = []
        self._problem = ""

    def records(self, content: IO[bytes]) -> Iterator[OcelRecord]:
        return self._reader.records(content, self._ready)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._kind:
            if name in ("object", "event"):
                self._kind, self._line, self._own = name, self._reader.line, attributes
                self._attributes, self._relations, self._problem = [], [], ""
            return
        self._inside += 1
        if name == "attribute":
            self._attribute, self._text = attributes, []
        elif name in ("relationship", "object"):  # both are in use
            related = attributes.get("object-id")
            if related:
                self._relations.append((related, attributes.get("qualifier", "")))
            else:
                self._problem = self._problem or "a relationship has no object-id"

    def _characters(self, text: str) -> None:
        if self._attribute is not None:
            self._text.append(text)
            if len(self._text) > 1_000 and sum(map(len, self._text)) > CELL_LIMIT:
                self._text, self._problem = [], f"an attribute is longer than {CELL_LIMIT} characters"

    def _end(self, name: str) -> None:
        if name == "attribute" and self._attribute is not None:
            key = self._attribute.get("name", "")
            if key:
                self._attributes.append((key, self._attribute.get("time", ""), "".join(self._text).strip()))
            else:
                self._problem = self._problem or "an attribute has no name"
            self._attribute = None
        if self._inside:
            self._inside -= 1
        elif self._kind:
            self._emit()
            self._kind = ""

    def _emit(self) -> None:
        own = self._own
        missing = next((key for key in ("id", "type") if not own.get(key)), "")
        if missing or self._problem:
            reason = self._problem or f"the {self._kind} has no {missing}"
            self._ready.append(OcelBroken(self._line, reason, list(own.values())))
        elif self._kind == "event":
            plain = [(key, value) for key, _, value in self._attributes]
            time = own.get("time", "")
            self._ready.append(OcelEvent(self._line, own["type"], own["id"], time, plain, self._relations))
        else:
            self._ready.append(OcelObject(self._line, own["type"], own["id"], self._attributes, self._relations))
