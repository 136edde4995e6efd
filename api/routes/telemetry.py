"""What was pushed: the ledger, queries, traces, queues and integrations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from api.jsonable import jsonable
from api.routes.access import administrator, services, viewer
from api.routes.known import KNOWN_ONLY
from core import InvalidInput, NotFound
from metrics import api_latency, queue_depths, trace, webhook_failures

router = APIRouter(prefix="/api/v1", tags=["telemetry"], dependencies=[KNOWN_ONLY])
Hours = Annotated[float, Query(gt=0, le=24 * 92, description="how far back, in hours")]

LedgerHours = Annotated[int, Query(ge=1, le=24 * 31, description="how far back, in hours")]
BALANCE_KNOWN_S = 3_600.0


class Statement(BaseModel):
    """One SELECT, with values bound as `{name:Type}`."""

    sql: str = Field(max_length=100_000)
    params: dict[str, Any] = Field(default_factory=dict)


@router.get("/ledger", summary="What became of everything that was received")
def ledger(request: Request) -> dict[str, Any]:
    """received = stored + quarantined + pending + duplicates, for each signal."""
    who = viewer(request)
    totals = services(request).collector.ledger.totals(who.tenant)
    return {
        "signals": {
            signal: {
                "received": entry.received,
                "stored": entry.stored,
                "quarantined": entry.quarantined,
                "pending": entry.pending,
                "duplicates": entry.duplicates,
            }
            for signal, entry in totals.items()
        }
    }


@router.get("/ledger/hours", summary="The ledger hour by hour, and whether it balances")
def ledger_hours(request: Request, hours: LedgerHours = 24) -> dict[str, Any]:
    """What was settled, by hour of acceptance and signal; what is pending belongs to no hour yet.

    `balance` compares what the ledger calls stored with the rows in the tables.
    """
    who, found = viewer(request), services(request)
    now = found.clock.now()
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours - 1)
    by_hour: dict[int, dict[str, Any]] = {}
    for key, outcome in sorted(found.collector.ledger.by_hour(who.tenant, int(first.timestamp())).items()):
        entry = {name: getattr(outcome, name) for name in ("stored", "quarantined", "duplicates")}
        by_hour.setdefault(key.hour, {})[key.signal] = {**entry, "settled": outcome.total}
    compared = found.balance.of(who.tenant, now, BALANCE_KNOWN_S)
    return {
        "hours": [
            {"hour": jsonable(datetime.fromtimestamp(hour, UTC)), "signals": signals}
            for hour, signals in sorted(by_hour.items())
        ],
        "pending": {name: entry.pending for name, entry in found.collector.ledger.totals(who.tenant).items()},
        "balance": {
            "checked_at": jsonable(compared[0]) if compared else None,
            "balanced": all(one.items == 0 for one in compared[1]) if compared else None,
            "signals": [
                {
                    "signal": one.signal,
                    "missing": one.missing,
                    "extra": one.extra,
                    "segments": list(one.segments),
                    "first_hour": jsonable(one.first_hour),
                }
                for one in (compared[1] if compared else [])
            ],
        },
    }


@router.post("/query", summary="One read-only SELECT on the product's tables")
def query(request: Request, statement: Statement) -> dict[str, Any]:
    """For administrators; limited in time and rows; sees the caller's tenant only."""
    result = services(request).guard.run(administrator(request), statement.sql, statement.params)
    return {
        "columns": list(result.columns),
        "rows": jsonable(result.rows),
        "elapsed_ms": round(result.elapsed_ms, 3),
    }


@router.get("/traces/{trace_id}", summary="One trace, whole")
def one_trace(request: Request, trace_id: str) -> Any:
    """All spans with attributes, events and links, and the cases they belong to."""
    wanted = trace_id.lower()
    if len(wanted) != 32 or set(wanted) - set("0123456789abcdef"):
        raise InvalidInput(f"a trace id is 32 hexadecimal digits, got {trace_id!r}")
    found = trace(services(request).ch, viewer(request).tenant, wanted)
    if found is None:
        raise NotFound(f"no span of trace {wanted} is stored")
    return jsonable(found)


@router.get("/queues", summary="How deep the queues are, and how deep they usually are at this hour of the week")
def queues(request: Request, hours: Hours = 6) -> Any:
    """The newest depth of every queue that reported within the time."""
    found, who = services(request), viewer(request)
    return {"queues": jsonable(queue_depths(found.ch, who.tenant, found.clock.now(), timedelta(hours=hours)))}


@router.get("/integrations", summary="API latency, error rates and webhook failures")
def integrations(request: Request, hours: Hours = 1) -> Any:
    """By system and operation, and by webhook."""
    found, who = services(request), viewer(request)
    end = found.clock.now()
    start = end - timedelta(hours=hours)
    return {
        "start": jsonable(start),
        "end": jsonable(end),
        "apis": jsonable(api_latency(found.ch, who.tenant, start, end)),
        "webhooks": jsonable(webhook_failures(found.ch, who.tenant, start, end)),
    }
