"""The elements of a large JSON document's arrays, one at a time, with the line each starts on.

The document must be an object; of its members, arrays with a wanted name are told, the others are read over. One
element may have 16 MiB; no more than two of them and a chunk are held.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple, TextIO

from core.errors import InvalidInput

CHUNK = 1 << 16
ELEMENT_LIMIT = 16 << 20
_SPACE = " \t\r\n"


class Element(NamedTuple):
    """One element of a walked array."""

    member: str
    place: int
    """From 0."""
    line: int
    value: Any


class JsonStream:
    """Reads a stream once. Every error is an InvalidInput with the line."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name
        self._decoder = json.JSONDecoder(strict=False)
        self._text, self._at, self._line = "", 0, 1
        self._over = False

    def elements(self, wanted: Collection[str]) -> Iterator[Element]:
        """The elements of the wanted arrays, in the order of the document."""
        self._expect("{")
        if self._next() == "}":
            return
        while True:
            member = self._value()
            if not isinstance(member, str):
                raise self._refused("a member has no name")
            self._expect(":")
            if self._next() == "[":
                for element in self._array(member):
                    if member in wanted:
                        yield element
            elif member in wanted:
                raise self._refused(f"{member!r} is not a list")
            else:
                self._value()
            if self._next() == "}":
                break
            self._expect(",")
        self._at += 1
        if self._next():
            raise self._refused("there is something behind the end of the document")

    def _array(self, member: str) -> Iterator[Element]:
        self._expect("[")
        if self._next() == "]":
            self._at += 1
            return
        place = 0
        while True:
            self._next()
            line = self._line
            yield Element(member, place, line, self._value())
            place += 1
            sign = self._next()
            self._at += 1
            if sign == "]":
                return
            if sign != ",":
                raise self._refused(f"{member}[{place - 1}] is followed by {sign!r}")

    def _value(self) -> Any:
        """The value that begins here, read on for as long as it is not whole."""
        self._next()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as problem:
                if self._over:
                    line = self._line + self._text.count("\n", self._at, problem.pos)
                    raise self._refused(f"is not JSON: {problem.msg}", line) from None
            except RecursionError:
                raise self._refused("is nested too deeply") from None
            except ValueError:  # a whole number of thousands of digits
                raise self._refused("has a number that is too long") from None
            else:
                if end < len(self._text) or self._over:
                    self._line += self._text.count("\n", self._at, end)
                    self._at = end
                    return value
            if len(self._text) - self._at > ELEMENT_LIMIT:
                raise self._refused(f"one element is longer than {ELEMENT_LIMIT} characters, or not JSON")
            self._more(max(CHUNK, len(self._text) - self._at))

    def _next(self) -> str:
        """The next sign that is no blank, which stays; empty at the end."""
        while True:
            while self._at < len(self._text):
                sign = self._text[self._at]
                if sign not in _SPACE:
                    return sign
                self._line += sign == "\n"
                self._at += 1
            if self._over:
                return ""
            self._more(CHUNK)

    def _expect(self, sign: str) -> None:
        found = self._next()
        if found != sign:
            what = repr(found) if found else "the end of the document"
            raise self._refused(f"is not JSON: expected {sign!r}, found {what}")
        self._at += 1

    def _more(self, characters: int) -> None:
        chunk = self._stream.read(characters)
        self._over = not chunk
        self._text = self._text[self._at :] + chunk
        self._at = 0

    def _refused(self, reason: str, line: int | None = None) -> InvalidInput:
        return InvalidInput(f"{self._name}, line {line or self._line}: {reason}")
