"""What was pushed: the ledger, queries, traces, queues and integrations."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from api.jsonable import jsonable
from api.routes.access import administrator, services, viewer
from core import InvalidInput, NotFound
from metrics import api_latency, queue_depths, trace, webhook_failures

router = APIRouter(prefix="/api/v1", tags=["telemetry"])
Hours = Annotated[float, Query(gt=0, le=24 * 92, description="how far back, in hours")]


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
