"""What is done about it: alerts, control commands and the audit chain."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, Field

from api.jsonable import jsonable
from api.routes.access import principal, services, viewer
from api.routes.known import KNOWN_ONLY
from core import Role

router = APIRouter(prefix="/api/v1", tags=["action"], dependencies=[KNOWN_ONLY])
Limit = Annotated[int, Query(ge=1, le=1000)]


class Wanted(BaseModel):
    """A control action that somebody asks for."""

    target: str = Field(description="id of a configured edge or workflow")
    action: Literal["pause", "resume"]
    reason: str = Field(min_length=1, max_length=1000)


@router.get("/alerts", summary="Alerts that are pending or firing")
def alerts(request: Request) -> Any:
    """With rule, labels, value, threshold and since when."""
    return {"alerts": jsonable(services(request).alerts.active(viewer(request).tenant))}


@router.get("/control/targets", summary="What can be paused and resumed")
def targets(request: Request) -> Any:
    """The configured edges and workflows of the caller's tenant, without the addresses of their engines."""
    found = services(request).control.targets(viewer(request).tenant)
    return {"targets": [{"id": one.id, "kind": one.kind, "name": one.name} for one in found]}


@router.get("/control/commands", summary="Control commands, the newest first")
def commands(request: Request, limit: Limit = 100) -> Any:
    """With their state, reason and who asked."""
    return {"commands": jsonable(services(request).control.commands(viewer(request).tenant, limit))}


@router.post("/control/commands", summary="Pause or resume an edge or a workflow", status_code=201)
def command(
    request: Request, wanted: Wanted, idempotency_key: Annotated[str, Header(min_length=1, max_length=200)]
) -> Any:
    """Signed, sent, verified and written into the audit chain; the same Idempotency-Key is the same command."""
    done = services(request).control.request(
        principal(request), wanted.target, wanted.action, wanted.reason, idempotency_key
    )
    return jsonable(done)


@router.get("/audit", summary="The audit chain, the newest entry first")
def audit(request: Request, limit: Limit = 100) -> Any:
    """Each entry carries its hash and the one before; `head` is what to note down elsewhere."""
    who = principal(request)
    who.require(Role.AUDITOR)
    return {"entries": jsonable(services(request).audit.entries(who.tenant, limit))}
