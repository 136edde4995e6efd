"""Which streams a tenant has events of."""

from __future__ import annotations

from core.errors import NotFound
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"


def process_streams(ch: ClickHouse, tenant: str) -> list[str]:
    """The tenant's streams that have events, by name."""
    return [row[0] for row in ch.query(load_sql(_ROOM, "process_streams"), {"tenant": tenant}).rows]


def no_such_stream(ch: ClickHouse, tenant: str, stream: str) -> NotFound:
    """What to raise for a stream without events; names those there are."""
    names = process_streams(ch, tenant)
    have = f"the streams are {', '.join(names)}" if names else "there are no process events yet"
    return NotFound(f"there are no events of the stream {stream!r}; {have}")


def require_cases(ch: ClickHouse, tenant: str, stream: str) -> None:
    """Raises NotFound for a stream without cases."""
    if not ch.query(load_sql(_ROOM, "has_cases"), {"tenant": tenant, "stream": stream}).rows:
        raise no_such_stream(ch, tenant, stream)
