"""What the service says of its own health, in depth."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from api.doctor import examine_running
from api.routes.access import administrator, services
from api.routes.known import KNOWN_ONLY

router = APIRouter(prefix="/api/v1", tags=["health"], dependencies=[KNOWN_ONLY])


@router.get("/doctor", summary="Log, disk, ingest, engine, clocks, state database and machine, examined")
def doctor(request: Request) -> Any:
    """For administrators: it speaks of all tenants. Each check has a status, what was seen, why, and what to do."""
    administrator(request)
    return examine_running(services(request)).to_json()
