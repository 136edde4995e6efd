"""OCEL 2.0 as JSON (`.json`, `.jsonocel`). The file is read twice: for the types of its objects, then for all of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import IO, Any

from collector.importers.json_stream import Element, JsonStream
from collector.importers.ocel import OcelBroken, OcelEvent, OcelObject, OcelRecord, Relations, as_text
from core.errors import InvalidInput


class _Unusable(Exception):
    """What is wrong with an element."""


class OcelJson:
    """See `OcelSource`. `reopen` opens the content anew; the file is closed by `close`."""

    def __init__(self, reopen: Callable[[], tuple[IO[bytes], IO[bytes]]], size: int, name: str) -> None:
        self._reopen, self._size, self._name = reopen, size, name
        self._raw: IO[bytes] | None = None
        self._text: io.TextIOWrapper | None = None

    def objects(self) -> Iterator[tuple[str, str]]:
        for element in self._elements("objects"):
            value = element.value
            if isinstance(value, dict) and isinstance(value.get("id"), str) and isinstance(value.get("type"), str):
                yield value["id"], value["type"]

    def records(self) -> Iterator[OcelRecord]:
        for element in self._elements("objects", "events"):
            try:
                yield _object(element) if element.member == "objects" else _event(element)
            except _Unusable as problem:
                where = f"{element.member}[{element.place}]"
                yield OcelBroken(element.line, f"{where}: {problem}", [as_text(element.value)])

    def part_done(self) -> float:
        return min(1.0, self._raw.tell() / self._size) if self._raw and self._size else 1.0

    def close(self) -> None:
        if self._text:
            self._text.close()
        if self._raw:
            self._raw.close()

    def _elements(self, *wanted: str) -> Iterator[Element]:
        self.close()
        content, self._raw = self._reopen()
        self._text = io.TextIOWrapper(content, encoding="utf-8-sig")
        try:
            yield from JsonStream(self._text, self._name).elements(wanted)
        except UnicodeDecodeError as problem:
            raise InvalidInput(f"{self._name}: is not utf-8 text: {problem}") from None


def _object(element: Element) -> OcelObject:
    value = _mapping(element.value)
    attributes = []
    for one in _list(value, "attributes"):
        found = _mapping(one)
        attributes.append((_text(found, "name"), as_text(found.get("time")), as_text(found.get("value"))))
    return OcelObject(element.line, _text(value, "type"), _text(value, "id"), attributes, _relations(value))


def _event(element: Element) -> OcelEvent:
    value = _mapping(element.value)
    attributes = []
    for one in _list(value, "attributes"):
        found = _mapping(one)
        attributes.append((_text(found, "name"), as_text(found.get("value"))))
    time = as_text(value.get("time"))
    return OcelEvent(element.line, _text(value, "type"), _text(value, "id"), time, attributes, _relations(value))


def _relations(value: dict[str, Any]) -> Relations:
    related = [_mapping(one) for one in _list(value, "relationships")]
    return [(_text(one, "objectId"), as_text(one.get("qualifier"))) for one in related]


def _mapping(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise _Unusable(f"{as_text(value)[:80]!r} is not an object with members")


def _list(value: dict[str, Any], key: str) -> list[Any]:
    found = value.get(key)
    if found is None or isinstance(found, list):
        return found or []
    raise _Unusable(f"{key} is not a list")


def _text(value: dict[str, Any], key: str) -> str:
    found = as_text(value.get(key))
    if found:
        return found
    raise _Unusable(f"has no {key}")
