"""What it means: processes (and what the routes of KPIs share)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request

from api.jsonable import jsonable
from api.routes.access import services, viewer
from api.routes.known import KNOWN_ONLY
from core import InvalidInput
from kpis import process_streams, waiting_now

router = APIRouter(prefix="/api/v1", tags=["business"], dependencies=[KNOWN_ONLY])
YEARS = "a time of the years 1970 to 9998"


def aware(value: datetime | None, name: str) -> datetime | None:
    if value is not None and value.tzinfo is None:
        raise InvalidInput(f"{name} needs a time zone, got {value.isoformat()}", hint="append Z for UTC")
    try:
        return value.astimezone(UTC) if value is not None else None
    except OverflowError:
        raise InvalidInput(f"{name} is out of range, got {value}", hint=YEARS) from None


@router.get("/processes", summary="The streams that have cases")
def streams(request: Request) -> Any:
    """By name."""
    return {"streams": process_streams(services(request).ch, viewer(request).tenant)}


@router.get("/processes/waiting", summary="Where open cases wait now, by the money that stands there")
def waiting(request: Request) -> Any:
    """Open cases of the value streams by the step they stand after."""
    found, who = services(request), viewer(request)
    return {"waiting": jsonable(waiting_now(found.ch, who.tenant, found.clock.now(), found.models.streams()))}
