"""Which streams a tenant has events of."""

from __future__ import annotations

from core.errors import NotFound
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"


def process_streams(ch: ClickHouse, tenant: str) -> list[str]:
    """The tenant's streams that have events, by name."""
    return [row[0] for row in ch.query(load_sql(_ROOM, "process_streams"), {"tenant": tenant}).rows]


def require_cases(ch: ClickHouse, tenant: str, stream: str) -> None:
    """Raises NotFound for a stream without cases; names the streams there are when it has no events either."""
    if ch.query(load_sql(_ROOM, "has_cases"), {"tenant": tenant, "stream": stream}).rows:
        return
    names = process_streams(ch, tenant)
    if stream in names:
        raise NotFound(f"no cases of the stream {stream!r} have been made yet, or its events are all details")
    have = f"the streams are {', '.join(names)}" if names else "there are no process events yet"
    raise NotFound(f"there are no events of the stream {stream!r}; {have}")
