"""Where work waits now: open cases of the value streams by the step they stand after, priced and ranked.

A case stands after its latest event only. An order whose one shipment was delivered while another is picked stands
after the delivery; parallel branches of a case are not told apart here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from kpis.process.streams import ValueStream
from storage import ClickHouse, load_sql

_ROOM = "kpis.process"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
USUAL_OVER = timedelta(days=28)
"""How far back the usual wait looks."""


@dataclass(frozen=True)
class WaitingStep:
    """Open cases that stand after one step, with what they are worth.

    `value` is in `currency` ('' when no case has an amount); `unpriced` of the cases have no amount and add nothing
    to it. Waits are in seconds; `usual_wait_s` is the median gap after that step over 28 days, None when no case went
    on from it.
    """

    stream: str
    step: str
    owner_system: str
    cases: int
    value: Decimal
    currency: str
    oldest_since: datetime
    median_wait_s: float
    usual_wait_s: float | None
    unpriced: int = 0


def waiting_now(ch: ClickHouse, tenant: str, now: datetime, streams: Mapping[str, ValueStream]) -> list[WaitingStep]:
    """Open cases of these streams at `now` (aware), the most valuable first; currencies are separate rows."""
    now_ns = _nanoseconds(now)
    params: dict[str, Any] = {
        "tenant": tenant,
        "now_ns": now_ns,
        "from_ns": now_ns - _nanoseconds(_EPOCH + USUAL_OVER),
        "streams": list(streams),
        "terminal": [f"{s.name}/{event}" for s in streams.values() for event in s.terminal],
        "running": [f"{s.name}/{event}" for s in streams.values() for event in s.running],
        "value": [f"{s.name}/{event}" for s in streams.values() for event in s.value],
        "details": [f"{s.name}/{event}" for s in streams.values() for event in s.details],
    }
    rows = ch.query(load_sql(_ROOM, "waiting_cases"), params).dicts()
    if not rows:
        return []
    gaps = ch.query(load_sql(_ROOM, "usual_gaps"), params).dicts()
    usual = {(gap["stream"], gap["step"]): gap["usual_wait_s"] for gap in gaps}
    return [
        WaitingStep(
            stream=row["stream"],
            step=row["step"],
            owner_system=streams[row["stream"]].owner_after(row["step"], row["event_name"]),
            cases=row["cases"],
            value=row["value"],
            currency=row["currency"],
            oldest_since=row["oldest_since"],
            median_wait_s=row["median_wait_s"],
            usual_wait_s=usual.get((row["stream"], row["step"])),
            unpriced=row["unpriced"],
        )
        for row in rows
    ]


def _nanoseconds(moment: datetime) -> int:
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
