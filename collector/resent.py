"""Requests that were sent again: a caller who did not hear the answer repeats the same bytes.

A frame is a duplicate when the same bytes of the same signal and tenant were received before, not longer ago than the
window; a clock that was set back makes nothing new. The decision on a segment is committed before the segment is
stored, so it is the same however often the segment is replayed. Telemetry carries its times and ids, so equal bytes are
the same telemetry; what carries no time at all may rightly be repeated, and is never called a duplicate.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Executable, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from xxhash import xxh3_128

from collector.otlp_types import REQUESTS
from collector.wal import Frame
from storage import Signal, StateDb
from storage.state.resent_tables import CLAIMED_SEGMENTS, SEEN_REQUESTS

AT_ONCE = 500


class SeenRequests:
    """Remembers requests for `window_s` seconds. Raises core.StorageError when the database fails."""

    def __init__(self, state: StateDb, *, window_s: float) -> None:
        self._state, self._window_ns = state, int(window_s * 10**9)
        self._one_at_a_time = threading.Lock()  # or two segments with the same request would both find it new

    def claim(self, segment: int, created_ns: int, frames: Sequence[Frame]) -> frozenset[int]:
        """Decides, once and for all, which of a segment's frames are duplicates, and returns their indexes.

        `created_ns`: when the segment was created.
        """
        if not self._window_ns:
            return frozenset()
        digests = [digest(frame) for frame in frames]
        with self._one_at_a_time, self._state.begin() as connection:
            claimed = select(CLAIMED_SEGMENTS.c.duplicates).where(CLAIMED_SEGMENTS.c.segment == segment)
            decided = connection.execute(claimed).scalar_one_or_none()
            if decided is not None:
                return frozenset(decided)
            seen: dict[bytes, int] = {}
            for part in _parts(sorted(set(digests))):
                known = SEEN_REQUESTS.c
                query = select(known.digest, known.received_at).where(known.digest.in_(part))
                seen |= {bytes(row.digest): row.received_at for row in connection.execute(query)}
            duplicates, new = list[int](), dict[bytes, int]()
            for index, (one, frame) in enumerate(zip(digests, frames, strict=True)):
                last = new.get(one, seen.get(one))
                if last is not None and frame.received_at_ns - last <= self._window_ns and tells_its_times(frame):
                    duplicates.append(index)
                else:
                    new[one] = frame.received_at_ns
            for part in _parts([{"digest": one, "received_at": at} for one, at in new.items()]):
                connection.execute(_upsert(connection.dialect.name), part)
            connection.execute(
                insert(CLAIMED_SEGMENTS).values(segment=segment, created_at=created_ns, duplicates=duplicates)
            )
        return frozenset(duplicates)

    def forget(self, now_ns: int, oldest_ns: int | None = None) -> int:
        """Forgets requests and decisions that no segment at hand can ask for: from a window before the oldest on.

        `oldest_ns`: when the oldest of them was created, which is long ago while the store is away. Returns how many
        requests were forgotten.
        """
        before = (now_ns if oldest_ns is None else min(now_ns, oldest_ns)) - self._window_ns
        with self._state.begin() as connection:
            connection.execute(delete(CLAIMED_SEGMENTS).where(CLAIMED_SEGMENTS.c.created_at < before))
            return int(connection.execute(delete(SEEN_REQUESTS).where(SEEN_REQUESTS.c.received_at < before)).rowcount)


def digest(frame: Frame) -> bytes:
    """Names the content of a frame, in 16 bytes.

    No cryptographic hash: what a caller could gain by a collision is that data of his own tenant count as a duplicate.
    """
    start = f"{frame.signal.value}/{frame.tenant}/".encode()
    found = xxh3_128(start)
    found.update(frame.payload)
    return found.digest()


def tells_its_times(frame: Frame) -> bool:
    """Whether every item has a time of its own. Only asked for frames whose bytes were seen before."""
    if frame.signal is Signal.TRACES:
        return True  # every span has an id
    request: Any = REQUESTS[frame.signal].FromString(frame.payload)
    if frame.signal is Signal.LOGS:
        return all(
            record.time_unix_nano or record.observed_time_unix_nano
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        )
    return all(point.time_unix_nano for point in _points(request))


def _points(request: Any) -> Iterator[Any]:
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                if kind is not None:
                    yield from getattr(metric, kind).data_points


def _upsert(dialect: str) -> Executable:
    """An INSERT that replaces the time of what is there already."""
    if dialect == "postgresql":
        added = postgresql.insert(SEEN_REQUESTS)
        return added.on_conflict_do_update(index_elements=["digest"], set_={"received_at": added.excluded.received_at})
    new = sqlite.insert(SEEN_REQUESTS)
    return new.on_conflict_do_update(index_elements=["digest"], set_={"received_at": new.excluded.received_at})


def _parts(rows: list[Any]) -> Iterator[list[Any]]:
    return (rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE))
