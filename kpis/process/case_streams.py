"""Which streams have cases, how many, and how far their data reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from kpis.process.streams import ValueStream, value_streams
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"


@dataclass(frozen=True)
class CaseStream:
    """One stream. `open_cases` have no terminal event; `watched`: it is known which events are terminal here."""

    stream: str
    cases: int
    open_cases: int
    data_through: datetime
    watched: bool


def case_streams(
    ch: ClickHouse, tenant: str, streams: Mapping[str, ValueStream] | None = None
) -> tuple[CaseStream, ...]:
    """The tenant's streams that have cases, by name."""
    known = value_streams() if streams is None else streams
    rows = ch.query(load_sql(_ROOM, "case_streams"), {"tenant": tenant}).dicts()
    return tuple(
        CaseStream(one["stream"], one["cases"], one["open_cases"], one["data_through"], one["stream"] in known)
        for one in rows
    )
