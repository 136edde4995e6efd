"""What a reader yields: rows, and records it could not make a row of. Both know where they stand in the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Row(NamedTuple):
    """A record with as many cells as the header has; an empty text is a missing value."""

    number: int
    """1 for the first record after the header, broken ones counted."""
    line: int
    """The file's line on which the record starts (Parquet: the row number)."""
    cells: list[str]


class Broken(NamedTuple):
    """A record that is no row, with the reason and what could be read of it."""

    number: int
    line: int
    reason: str
    cells: list[str]


class Table(Protocol):
    """A file that is being read once, from its start to its end, in bounded memory."""

    columns: tuple[str, ...]
    native_times: frozenset[str]
    """Columns whose type says that they are times; their text is ISO 8601 whatever the mapping's format."""

    def __iter__(self) -> Iterator[Row | Broken]: ...

    def part_done(self) -> float:
        """How much was read, 0 to 1."""
        ...

    def close(self) -> None: ...


def is_text(cells: list[str]) -> bool:
    """Whether the cells hold characters only, and no bytes that the encoding does not know."""
    joined = "".join(cells)
    if joined.isascii():
        return True
    try:
        joined.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    """The text with bytes that are no characters written as \\xNN."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
