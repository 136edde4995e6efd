"""XML from strangers, as a stream: the parser that XES and OCEL 2.0 share.

A document type declaration is refused, and with it every entity of the document's own: no file is fetched and nothing
grows by expansion. One token (a tag with its attributes, or a text) may have 4 MiB and elements may be nested 100 deep,
so that a document cannot take the memory. `prover` checks a whole document; only what it has accepted is read with
handlers, which are then called without a detour. What a document means is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, TypeVar
from xml.parsers import expat

from core.errors import InvalidInput

CHUNK = 1 << 16
TOKEN_LIMIT = 4 << 20
DEPTH_LIMIT = 100
T = TypeVar("T")
Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]


class XmlReader:
    """Feeds chunks to expat; every error is an InvalidInput with the line."""

    def __init__(self, name: str, start: Start | None = None, end: End | None = None) -> None:
        self._name = name
        self._fed = 0
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = start
        self._parser.EndElementHandler = end

    @classmethod
    def prover(cls, name: str) -> XmlReader:
        """A reader that only checks: well-formed, no DOCTYPE, no token too long, not nested too deeply."""
        depth = 0

        def opened(_: str, __: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            if depth > DEPTH_LIMIT:
                raise reader.refused(f"elements are nested deeper than {DEPTH_LIMIT}")

        def closed(_: str) -> None:
            nonlocal depth
            depth -= 1

        reader = cls(name, opened, closed)
        return reader

    @property
    def line(self) -> int:
        """The line of what is being told."""
        return self._parser.CurrentLineNumber

    def on_text(self, text: Callable[[str], None]) -> None:
        """Characters between tags go there too."""
        self._parser.CharacterDataHandler = text

    def feed(self, chunk: bytes, last: bool = False) -> None:
        """Parses a chunk. Raises InvalidInput."""
        try:
            self._parser.Parse(chunk, last)
        except expat.ExpatError as problem:
            reason = expat.ErrorString(problem.code)
            raise self.refused(f"is not well-formed XML: {reason}", problem.lineno) from None
        except (LookupError, ValueError) as problem:  # an encoding that Python does not know, or not well
            raise self.refused(f"is in an encoding that cannot be read: {problem}") from None
        self._fed += len(chunk)
        if self._fed - self._parser.CurrentByteIndex > TOKEN_LIMIT:
            raise self.refused(f"a tag or a text is longer than {TOKEN_LIMIT} bytes")

    def records(self, stream: IO[bytes], ready: list[T]) -> Iterator[T]:
        """Reads the stream to its end and yields what the handlers have put into `ready`, chunk by chunk."""
        while chunk := stream.read(CHUNK):
            self.feed(chunk)
            if ready:
                yield from ready
                ready.clear()
        self.feed(b"", True)
        yield from ready
        ready.clear()

    def refused(self, reason: str, line: int | None = None) -> InvalidInput:
        """The error for this place in the document."""
        return InvalidInput(f"{self._name}, line {line or self._parser.CurrentLineNumber}: {reason}")

    def _doctype(self, *_: object) -> None:
        raise self.refused("has a document type declaration (DOCTYPE), which event logs do not need: take it out")
