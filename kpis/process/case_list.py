"""Cases one by one, in an order asked for, a page at a time.

A page is what the cases are at the moment of asking: between two pages a case may have moved. Values of several
currencies are put in order by the number as it stands; a filter on the attribute `retail.currency` keeps them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from core.errors import InvalidInput
from kpis.process.filters import ALL, CaseFilter, ask
from storage import ClickHouse

MOST = 1_000
FARTHEST = 10_000_000


class CaseOrder(StrEnum):
    """What comes first: the largest value, the longest duration or waiting, or the latest event."""

    VALUE = "value"
    DURATION = "duration"
    WAITING = "waiting"
    LAST = "last"


@dataclass(frozen=True)
class CaseRow:
    """One case, as the other answers count it; times aware, lengths in seconds.

    `first`: its first start, `last`: its last event. `variant` selects its like in a filter. `outcome`: the event that
    ended it, '' while open. `value`: None when no event has an amount; `currency` is '' then.
    """

    case_id: str
    first: datetime
    last: datetime
    duration_s: float
    waiting_s: float
    working_s: float
    unknown_s: float
    events: int
    variant: int
    outcome: str
    last_step: str
    value: Decimal | None
    currency: str


@dataclass(frozen=True)
class CaseList:
    """A page; `total`: how many cases the filter let through, zero when it matched nothing."""

    total: int
    cases: tuple[CaseRow, ...]


def case_count(ch: ClickHouse, tenant: str, stream: str, wanted: CaseFilter = ALL) -> int:
    """How many cases the filter lets through."""
    return int(ask(ch, "case_list_total", tenant, stream, wanted).scalar() or 0)


def case_list(
    ch: ClickHouse,
    tenant: str,
    stream: str,
    wanted: CaseFilter = ALL,
    order: str = CaseOrder.VALUE,
    limit: int = 100,
    offset: int = 0,
) -> CaseList:
    """The cases that the filter lets through, `limit` of them from `offset` on; equal ones by case id.

    Raises InvalidInput for an unknown order, a `limit` outside 1 to 1,000 or an `offset` outside 0 to 10,000,000.
    """
    if order not in list(CaseOrder):
        raise InvalidInput(f"order must be one of {', '.join(CaseOrder)}, got {order!r}")
    if not 1 <= limit <= MOST:
        raise InvalidInput(f"limit must be 1 to {MOST}, got {limit}")
    if not 0 <= offset <= FARTHEST:
        raise InvalidInput(f"offset must be 0 to {FARTHEST}, got {offset}")
    total = case_count(ch, tenant, stream, wanted)
    page = {"order": str(order), "limit": limit, "offset": offset}
    rows = ask(ch, "case_list", tenant, stream, wanted, page).rows if offset < total else []
    return CaseList(total, tuple(CaseRow(*row) for row in rows))
