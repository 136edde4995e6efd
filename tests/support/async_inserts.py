"""`async_insert`: what callers insert at the same time, with the same statement and settings, becomes one part.

As a server does it: data waits until the busy timeout has passed or enough bytes are there, is inserted at once, and
every caller is told (`wait_for_async_insert` is always on). Only formats whose texts can be joined are collected.
Deduplication of collected inserts is not imitated.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.engine_sessions import Outcome, Refused

JOINABLE = frozenset({"RowBinary", "JSONEachRow", "TabSeparated", "TSV", "CSV"})
BUSY_TIMEOUT_S = 0.2
"""ClickHouse's `async_insert_busy_timeout_max_ms`; its adaptive way down to 50 ms makes smaller parts, at more cost."""
MOST_BYTES = 10 << 20
"""ClickHouse's `async_insert_max_data_size`."""

Insert = Callable[[bytes], Outcome]


@dataclass
class _Batch:
    pieces: list[bytes | bytearray] = field(default_factory=list)
    size: int = 0
    full: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    problem: Refused | None = None


class AsyncInserts:
    """The first caller of a batch waits for the others and inserts for all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[object, _Batch] = {}

    def insert(self, key: object, data: bytes | bytearray, insert: Insert) -> Outcome:
        """Returns when the data is in the table. Raises Refused for every caller of a refused batch."""
        with self._lock:
            batch = self._open.get(key)
            first = batch is None
            if batch is None:
                batch = self._open[key] = _Batch()
            batch.pieces.append(data)
            batch.size += len(data)
            if batch.size >= MOST_BYTES:
                self._open.pop(key, None)
                batch.full.set()
        if first:
            batch.full.wait(BUSY_TIMEOUT_S)
            with self._lock:
                if self._open.get(key) is batch:
                    del self._open[key]
            try:
                insert(b"".join(batch.pieces))
            except Refused as error:
                batch.problem = error
            except BaseException as error:
                batch.problem = Refused(1002, f"Code: 1002. DB::Exception: {error}\n")
                raise
            finally:
                batch.done.set()
        else:
            batch.done.wait()
        if batch.problem is not None:
            raise batch.problem
        return Outcome(b"")
