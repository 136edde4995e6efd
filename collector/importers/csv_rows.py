"""CSV records with the line they start on.

Quoted line ends, CRLF and a byte order mark are ordinary. Blank lines are no records. A record that cannot be parsed,
or that has another number of cells than the header (empty ones at the end apart), is given up *one line at a time*:
when a stray quote has swallowed the lines after it, those are read again as records of their own. A cell may have
131,072 characters and a line 1,048,576; what is longer is refused, so that one broken line cannot take the memory.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator
from typing import IO, TextIO, TypeVar

from collector.importers.rows import Broken, Row, is_text
from core.errors import InvalidInput

LINE_LIMIT = 1 << 20
T = TypeVar("T")


class _LineTooLong(Exception):
    def __init__(self, start: str) -> None:
        super().__init__(start)
        self.start = start


class _Lines:
    """Feeds the parser, remembers the lines of the current record, and takes them back."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._again: deque[str] = deque()
        self._record: list[str] = []
        self.delivered = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._stream.readline(LINE_LIMIT)
        if not line:
            raise StopIteration
        self.delivered += 1
        if len(line) == LINE_LIMIT and not line.endswith(("\n", "\r")):
            self._skip_line()
            raise _LineTooLong(line[:200])
        self._record.append(line)
        return line

    def begin(self) -> int:
        """Forgets the last record; the number of the line on which the next one starts."""
        self._record.clear()
        return self.delivered + 1

    def give_up_first(self) -> str:
        """The first line of the current record is lost, the others will be delivered again."""
        first, *others = self._record or [""]
        self._again.extendleft(reversed(others))
        self.delivered -= len(others)
        return first

    def _skip_line(self) -> None:
        while (rest := self._stream.readline(LINE_LIMIT)) and not rest.endswith(("\n", "\r")):
            pass


class CsvTable:
    """See `Table`. The stream must have been opened with newline="" and errors="surrogateescape"."""

    native_times: frozenset[str] = frozenset()

    def __init__(self, stream: TextIO, raw: IO[bytes], size: int, delimiter: str, name: str, encoding: str) -> None:
        self._stream, self._raw, self._size, self._name, self._encoding = stream, raw, size, name, encoding
        self._lines = _Lines(stream)
        self._number = self._undecoded = 0
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)
        self.columns = tuple(self._decoded(self._header))

    def __iter__(self) -> Iterator[Row | Broken]:
        while (record := self._decoded(self._record)) is not None:
            self._number += 1
            yield record

    def part_done(self) -> float:
        return min(1.0, self._raw.tell() / self._size) if self._size else 1.0

    def notes(self) -> list[str]:
        if not self._undecoded:
            return []
        return [f"{self._undecoded:,} rows are not {self._encoding} text; --encoding names another, such as cp1252"]

    def close(self) -> None:
        self._stream.close()
        self._raw.close()

    def _decoded(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except UnicodeError as problem:
            where = f"{self._name}, after line {self._lines.delivered}"
            raise InvalidInput(f"{where}: is not {self._encoding} text: {problem}", hint="set encoding") from None

    def _header(self) -> list[str]:
        try:
            header = next((cells for cells in self._reader if cells), None)
        except (csv.Error, _LineTooLong) as problem:
            raise InvalidInput(f"{self._name}: the header cannot be read: {problem}") from None
        if header is None:
            raise InvalidInput(f"{self._name}: the file is empty, it has no header")
        if not is_text(header):
            raise InvalidInput(f"{self._name}: the header is not {self._encoding} text", hint="set encoding")
        return [header[0].removeprefix("\ufeff"), *header[1:]]

    def _record(self) -> Row | Broken | None:
        width, number = len(self.columns), self._number + 1
        while True:
            line = self._lines.begin()
            try:
                cells = next(self._reader)
            except StopIteration:
                return None
            except _LineTooLong as problem:
                return Broken(number, line, f"the line is longer than {LINE_LIMIT} characters", [problem.start])
            except csv.Error as problem:
                return Broken(number, line, f"is not CSV: {problem}", [self._lines.give_up_first()])
            if not cells or (width > 1 and len(cells) == 1 and not cells[0].strip()):
                continue
            if len(cells) > width and not any(cells[width:]):  # a separator at the end of every line
                cells = cells[:width]
            if len(cells) != width:
                reason = f"has {len(cells)} cells, the header has {width}"
                return Broken(number, line, reason, [self._lines.give_up_first()])
            if not is_text(cells):
                self._undecoded += 1
                return Broken(number, line, f"is not {self._encoding} text", cells)
            return Row(number, line, cells)
