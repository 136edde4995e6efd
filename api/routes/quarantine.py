"""What was kept aside, and which attributes have very many values."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from api.jsonable import jsonable
from api.routes.access import administrator, services, viewer
from api.routes.business import aware
from api.routes.known import KNOWN_ONLY
from collector import QuarantineFilter
from core import InvalidInput

router = APIRouter(prefix="/api/v1", tags=["quarantine"], dependencies=[KNOWN_ONLY])
SignalName = Literal["traces", "logs", "metrics", "unknown"]
Status = Literal["kept", "replayed", "discarded"]


class Relaxed(BaseModel):
    """Which rules the items must keep now."""

    accept_window: bool = Field(True, description="false: any time is accepted, and what is not plausible")
    accept_limits: bool = Field(True, description="false: any length and any number is accepted")


class Bulk(Relaxed):
    """Which entries; what is left out means any."""

    signal: SignalName | None = None
    reason: str = Field("", max_length=100)
    service: str = Field("", max_length=1000)
    start: datetime | None = None
    end: datetime | None = None
    limit: int = Field(100, ge=1, le=1000)


def _ns(moment: datetime | None, name: str, default: int) -> int:
    found = aware(moment, name)
    if found is None:
        return default
    seconds = found.timestamp()
    if not 0 <= seconds < 9_000_000_000:
        raise InvalidInput(f"{name} is out of range, got {moment}", hint="a time of the years 1970 to 2254")
    return int(seconds) * 10**9 + found.microsecond * 1_000


def _filter(
    signal: str | None, reason: str, service: str, status: str | None, start: datetime | None, end: datetime | None
) -> QuarantineFilter:
    return QuarantineFilter(
        signal or "", reason, service, status or "", _ns(start, "start", 0), _ns(end, "end", 2**63 - 1)
    )


@router.get("/quarantine", summary="What was accepted and is kept aside instead of stored")
def quarantine(
    request: Request,
    signal: SignalName | None = None,
    reason: Annotated[str, Query(max_length=100)] = "",
    service: Annotated[str, Query(max_length=1000)] = "",
    status: Status | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Any:
    """Counts by signal, reason, service and status, and the newest entries; times are those of receipt."""
    found, who = services(request).quarantine, viewer(request)
    wanted = _filter(signal, reason, service, status, start, end)
    return {
        "summary": jsonable(found.summary(who.tenant, wanted)),
        "entries": jsonable(found.entries(who.tenant, wanted, limit)),
    }


@router.get("/quarantine/{entry_id}", summary="One entry with its content")
def entry(request: Request, entry_id: str) -> Any:
    """The content as OTLP/JSON; null when it is no OTLP or was discarded."""
    found, content = services(request).quarantine.show(viewer(request).tenant, entry_id)
    view = {
        "id": found.id, "signal": found.signal, "reason": found.reason, "detail": found.detail,
        "service": found.service, "items": found.items, "bytes": found.size, "status": found.status,
        "updated_by": found.updated_by, "received_at_unix_nano": str(found.received_at_ns),
    }  # fmt: skip
    return {**view, "content": content}


@router.post("/quarantine/replay", summary="Replay every entry that a filter names")
def replay_many(request: Request, wanted: Bulk) -> Any:
    """The newest `limit` entries that nobody has decided about; entries that still break a rule are named."""
    who = administrator(request)
    chosen = _filter(wanted.signal, wanted.reason, wanted.service, None, wanted.start, wanted.end)
    return jsonable(
        services(request).quarantine.replay_many(
            who.tenant,
            who.name,
            chosen,
            wanted.limit,
            accept_window=wanted.accept_window,
            accept_limits=wanted.accept_limits,
        )
    )


@router.post("/quarantine/{entry_id}/replay", summary="Store what an entry holds, once")
def replay(request: Request, entry_id: str, rules: Relaxed | None = None) -> Any:
    """Repeating it changes nothing; `changed` says whether this call did."""
    who, relaxed = administrator(request), rules or Relaxed()  # type: ignore[call-arg]
    return jsonable(
        services(request).quarantine.replay(
            who.tenant,
            who.name,
            entry_id,
            accept_window=relaxed.accept_window,
            accept_limits=relaxed.accept_limits,
        )
    )


@router.post("/quarantine/{entry_id}/discard", summary="Give up what an entry holds")
def discard(request: Request, entry_id: str) -> Any:
    """Its content is removed; its counts and reason stay."""
    who = administrator(request)
    return jsonable(services(request).quarantine.discard(who.tenant, who.name, entry_id))


@router.get("/cardinality", summary="Attributes and metrics with very many distinct values")
def cardinality(request: Request, hours: Annotated[int, Query(ge=1, le=24 * 31)] = 24) -> Any:
    """The dearest first, with examples, who sends them and what to do about it."""
    return {"findings": jsonable(services(request).cardinality.findings(viewer(request).tenant, hours))}
