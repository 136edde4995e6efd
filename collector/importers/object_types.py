"""The type of every object of a log, in a temporary database, so that millions of objects do not take the memory.

The database is SQLite's own kind for this: a nameless file that goes with its connection. Nothing in it outlives the
import.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

_BATCH = 10_000
_CACHE_KIB = 32_768


class ObjectTypes:
    """Filled once, then asked. An id that comes again keeps its first type."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("CREATE TABLE object (id BLOB PRIMARY KEY, type BLOB NOT NULL) WITHOUT ROWID")
        self.of = lru_cache(65_536)(self._of)
        """The type of the object with this id, None where there is none."""

    def fill(self, objects: Iterator[tuple[str, str]]) -> None:
        """Takes id and type of every object."""
        while batch := list(islice(objects, _BATCH)):
            rows = [(_bytes(one), _bytes(kind)) for one, kind in batch]
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR IGNORE INTO object VALUES (?, ?)", rows)
            self._db.execute("COMMIT")

    def counts(self) -> dict[str, int]:
        """How many objects each type has, by name."""
        rows = self._db.execute("SELECT type, count(*) FROM object GROUP BY type ORDER BY type")
        return {_text(kind): number for kind, number in rows}

    def close(self) -> None:
        """Forgets everything."""
        self._db.close()

    def _of(self, one: str) -> str | None:
        found = self._db.execute("SELECT type FROM object WHERE id = ?", (_bytes(one),)).fetchone()
        return None if found is None else _text(found[0])


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "surrogatepass")
