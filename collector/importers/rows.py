"""What a reader yields: rows, records it could not make a row of, and what it left out. All know where they stand.

Formats that know more than a table does say so in columns whose names begin with `xes:` or `ocel:`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

CLASSIFIED = "xes:classifier"
"""The activity that an XES classifier makes of several attributes."""
STARTED = "xes:start"
"""When the step started whose completion this is."""
OCEL_ID, OCEL_ACTIVITY, OCEL_TIME = "ocel:eid", "ocel:activity", "ocel:timestamp"
OCEL_CASES = "ocel:cases"
"""The objects of the type that was chosen as the case: a JSON list of ids."""
OCEL_OBJECTS = "ocel:objects"
"""Every object that the event touches: a JSON list of `{"type", "id", "qualifier"}`."""
CELL_LIMIT = 131_072
"""Characters of a cell, as in CSV."""


class Row(NamedTuple):
    """A record with a cell for each column there was when it was read; an empty text is a missing value."""

    number: int
    """1 for the first record after the header, broken ones counted."""
    line: int
    """The file's line on which the record starts (Parquet and SQLite: the row number)."""
    cells: list[str]


class Broken(NamedTuple):
    """A record that is no row, with the reason and what could be read of it."""

    number: int
    line: int
    reason: str
    cells: list[str]


class LeftOut(NamedTuple):
    """A record that the options leave out."""

    number: int
    line: int


class ObjectState(NamedTuple):
    """What an object-centric log says of an object from a time on: attributes, and its relations to other objects."""

    number: int
    """Counts with the events."""
    line: int
    type: str
    id: str
    time: str
    attributes: list[tuple[str, str]]
    relations: str
    """A JSON list as in the column `ocel:objects`; empty when there are none."""


Record = Row | Broken | LeftOut | ObjectState


class Table(Protocol):
    """A file that is being read once, from its start to its end, in bounded memory.

    Reading the same bytes again yields the same records in the same order.
    """

    native_times: frozenset[str]
    """Columns whose type says that they are times; their text is ISO 8601 whatever the mapping's format."""

    @property
    def columns(self) -> Sequence[str]:
        """May grow while the file is read; never shrinks or changes its order."""
        ...

    def __iter__(self) -> Iterator[Record]: ...

    def part_done(self) -> float:
        """How much was read, 0 to 1."""
        ...

    def notes(self) -> list[str]:
        """What people should know about the file, once it is read."""
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
    r"""The text with bytes that are no characters written as \xNN, and halves of characters as \uNNNN."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
