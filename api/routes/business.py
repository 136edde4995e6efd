"""What it means: KPIs and processes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from api.jsonable import jsonable
from api.routes.access import services, viewer
from core import InvalidInput
from kpis import latest_values, process_streams, series, waiting_now

router = APIRouter(prefix="/api/v1", tags=["business"])
EARLIEST = datetime(1970, 1, 15, tzinfo=UTC)
YEARS = "a time of the years 1970 to 9998"
Grain = Annotated[Literal["hour", "day", "week", "month"], Query(description="length of a bucket")]


def aware(value: datetime | None, name: str) -> datetime | None:
    if value is not None and value.tzinfo is None:
        raise InvalidInput(f"{name} needs a time zone, got {value.isoformat()}", hint="append Z for UTC")
    try:
        return value.astimezone(UTC) if value is not None else None
    except OverflowError:
        raise InvalidInput(f"{name} is out of range, got {value}", hint=YEARS) from None


@router.get("/kpis", summary="Every KPI: its definition and its newest values")
def kpis(request: Request, grain: Grain = "day") -> Any:
    """Each value carries definition version, basis, sample size, exclusions, open cases and data-through time."""
    who = viewer(request)
    return {
        "definitions": jsonable(list(services(request).catalogue)),
        "values": jsonable(latest_values(services(request).ch, who.tenant, grain)),
    }


@router.get("/kpis/{kpi_id}/series", summary="One KPI over time")
def kpi_series(
    request: Request,
    kpi_id: str,
    basis: str = "",
    dimension_value: str = "",
    grain: Grain = "day",
    start: datetime | None = None,
    end: datetime | None = None,
) -> Any:
    """Buckets from start (14 days ago) to end (now)."""
    found, who = services(request), viewer(request)
    until = aware(end, "end") or found.clock.now()
    since = aware(start, "start") or max(until, EARLIEST) - timedelta(days=14)
    definition = found.catalogue.get(kpi_id)
    values = series(
        found.ch, who.tenant, kpi_id, basis=basis, dimension_value=dimension_value, grain=grain, start=since, end=until
    )
    return {"definition": jsonable(definition), "values": jsonable(values)}


@router.get("/processes", summary="The streams that have cases")
def streams(request: Request) -> Any:
    """By name."""
    return {"streams": process_streams(services(request).ch, viewer(request).tenant)}


@router.get("/processes/waiting", summary="Where open cases wait now, by the money that stands there")
def waiting(request: Request) -> Any:
    """Open cases of the value streams by the step they stand after."""
    found, who = services(request), viewer(request)
    return {"waiting": jsonable(waiting_now(found.ch, who.tenant, found.clock.now(), found.models.streams()))}
