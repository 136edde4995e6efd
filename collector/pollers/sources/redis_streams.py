"""A stream of Redis as queues: one for each consumer group, or the stream itself where there is none.

Depth is the group's lag (entries it has not been given), in flight what it was given and did not acknowledge. Redis
before 7, and a stream from whose middle entries were deleted, do not tell the lag; then it is known only where it
follows (nothing new, or everything), and else it is a gap. The age is taken from entry ids, which hold the time unless
producers choose ids of their own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from collector.pollers.models import Redis
from collector.pollers.readings import QueueReading, age
from collector.pollers.selection import matches

FIRST_MS = 978_307_200_000
"""Ids before 2001 are numbers that somebody chose, not times."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Id = tuple[int, int]


class StreamReader:
    """Reads streams at one instant. Raises what redis raises."""

    def __init__(self, client: redis.Redis, config: Redis, now: datetime) -> None:
        self._client, self._config, self._now = client, config, now

    def read(self, name: str) -> list[QueueReading]:
        """One reading for each group that matches, or one for a stream that has no group at all."""
        groups: list[dict[str, Any]] = self._client.xinfo_groups(name)
        if not groups:
            return [self._plain(name)]
        chosen = [one for one in groups if matches(text_of(one["name"]), self._config.groups)]
        if not chosen:
            return []
        length, last = int(self._client.xlen(name)), self._end(name, newest=True)
        return [self._group(name, group, length, last) for group in chosen]

    def _plain(self, name: str) -> QueueReading:
        depth = float(self._client.xlen(name))
        first = self._end(name, newest=False) if depth else None
        return self._reading(name, depth, 0.0 if depth == 0 else self._age(first))

    def _group(self, name: str, group: dict[str, Any], length: int, last: Id | None) -> QueueReading:
        given = _id(group["last-delivered-id"])
        depth = lag(group.get("lag"), given, last, length)
        oldest = 0.0 if depth == 0 else None
        if depth is None or depth > 0:
            waiting = self._client.xrange(name, min=f"({_shown(given)}", count=1)
            oldest = self._age(_id(waiting[0][0])) if waiting else oldest
        pending = float(group["pending"])
        held = 0.0
        if pending:
            entries: list[Any] = self._client.xpending_range(name, group["name"], min="-", max="+", count=1)
            held = entries[0]["time_since_delivered"] / 1000 if entries else 0.0
        return self._reading(
            name,
            depth,
            oldest,
            group=text_of(group["name"]),
            in_flight=pending,
            oldest_in_flight_s=held,
            consumers=float(group["consumers"]),
        )

    def _reading(self, name: str, depth: float | None, oldest: float | None, **more: Any) -> QueueReading:
        return QueueReading(self._config.system, self._config.prefix + name, depth, oldest, **more)

    def _end(self, name: str, *, newest: bool) -> Id | None:
        found = self._client.xrevrange(name, count=1) if newest else self._client.xrange(name, count=1)
        return _id(found[0][0]) if found else None

    def _age(self, entry: Id | None) -> float | None:
        if entry is None or not FIRST_MS <= entry[0] < 1 << 47:
            return None
        return age(self._now, _EPOCH + timedelta(milliseconds=entry[0]))


def lag(told: Any, given: Id, last: Id | None, length: int) -> float | None:
    """Entries that a group has not been given; None when nobody knows.

    `told` is what the server says (None where it does not), `given` the id that the group was given last, `last` the
    newest id in the stream (None when it is empty), `length` the number of entries.
    """
    if isinstance(told, int):
        return float(max(0, told))
    if last is None or given >= last:
        return 0.0
    return float(length) if given == (0, 0) else None


def text_of(value: Any) -> str:
    """A name as text; bytes that are no UTF-8 are replaced."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _id(value: Any) -> Id:
    milliseconds, _, sequence = text_of(value).partition("-")
    return int(milliseconds), int(sequence or 0)


def _shown(entry: Id) -> str:
    return f"{entry[0]}-{entry[1]}"
