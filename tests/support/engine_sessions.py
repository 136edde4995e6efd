"""Sessions on one embedded engine, for a server that has many callers.

A handle serves one call at a time and keeps its settings, so idle handles are kept by database and settings: a caller
gets one that needs no SET. Inserts read their data through an anonymous file in memory, which costs one copy.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import chdb
from chdb._exceptions import ChdbError

SessionKey = tuple[str, tuple[tuple[str, str], ...]]
MOST_IDLE = 48
_CODE = re.compile(r"Code: (\d+)\.")
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


class Refused(Exception):
    """The engine's error: its number and its text, as a server would send them."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


@dataclass(frozen=True)
class Outcome:
    """A statement's answer, and the rows that it read and wrote."""

    body: bytes
    read_rows: int = 0
    written_rows: int = 0


def refused(error: Exception, version: str) -> Refused:
    """A ChdbError as a server's error: one code in front, name and version at the end."""
    text = str(error).strip()
    found = _CODE.search(text)
    code = int(found[1]) if found else 1002
    text = text[found.start() :] if found else f"Code: 1002. DB::Exception: {text}"
    return Refused(code, f"{text} (version {version} (official build))\n")


def quoted(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def assignments(settings: Mapping[str, str]) -> str:
    """`a = 'b', c = 'd'`; raises Refused for a name that is none."""
    for name in settings:
        if not _NAME.match(name):
            raise Refused(115, f"Code: 115. DB::Exception: Unknown setting {quoted(name)}. (UNKNOWN_SETTING)\n")
    return ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items())


class Sessions:
    """Thread-safe. `version` and `timezone` are the engine's."""

    def __init__(self, path: str) -> None:
        self._path, self._lock = path, threading.Lock()
        self._idle: list[tuple[SessionKey, Any]] = []
        self._closed = False
        self._first = chdb.connect(path)
        self.version, self.timezone = self._first.query("SELECT version(), timezone()", "TSV").bytes().decode().split()

    def run(
        self, sql: str | bytes, form: str, database: str, settings: Mapping[str, str], params: Mapping[str, str]
    ) -> Outcome:
        """One statement. Raises Refused."""
        key = (database, tuple(sorted(settings.items())))
        handle = self._take(key)
        try:
            result = handle.query(sql, form, params=dict(params))
            return Outcome(bytes(result.bytes() or b""), result.rows_read())
        except ChdbError as error:
            raise refused(error, self.version) from None
        finally:
            self._give(key, handle)

    def insert(
        self, into: str, form: str, data: bytes | bytearray, database: str, settings: Mapping[str, str]
    ) -> Outcome:
        """`into`: INSERT INTO table (columns), without settings and format. Raises Refused."""
        key: SessionKey = (database, ())
        handle = self._take(key)
        file = os.memfd_create("insert")
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view) :]
            clause = f" SETTINGS {assignments(settings)}" if settings else ""
            result = handle.query(f"{into} FROM INFILE '/proc/self/fd/{file}'{clause} FORMAT {form}", "TSV")
            return Outcome(b"", written_rows=result.rows_read())
        except ChdbError as error:
            raise refused(error, self.version) from None
        finally:
            os.close(file)
            self._give(key, handle)

    def close(self) -> None:
        """Closes what is idle; the engine ends with its last handle."""
        with self._lock:
            self._closed = True
            handles, self._idle = [handle for _, handle in self._idle], []
        for handle in handles:
            handle.close()
        self._first.close()

    # --- handles ---

    def _take(self, key: SessionKey) -> Any:
        with self._lock:
            for index in range(len(self._idle) - 1, -1, -1):
                if self._idle[index][0] == key:
                    return self._idle.pop(index)[1]
        handle = chdb.connect(self._path)
        try:
            database, settings = key
            if settings:
                handle.query(f"SET {assignments(dict(settings))}")
            if database:
                handle.query("USE `" + database.replace("`", "``") + "`")
        except (ChdbError, Refused) as error:
            handle.close()
            raise (error if isinstance(error, Refused) else refused(error, self.version)) from None
        return handle

    def _give(self, key: SessionKey, handle: Any) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append((key, handle))
                handle = self._idle.pop(0)[1] if len(self._idle) > MOST_IDLE else None
        if handle is not None:
            handle.close()
