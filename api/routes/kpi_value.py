"""What a change of a KPI is worth: comparisons, baselines, roll-outs, forecasts and targets."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api.jsonable import jsonable
from api.routes.access import administrator, services, viewer
from api.routes.business import aware
from api.routes.known import KNOWN_ONLY
from kpis.value.answers import Asked

router = APIRouter(prefix="/api/v1", tags=["business"], dependencies=[KNOWN_ONLY])
Text = Annotated[str, Query(max_length=512)]
Start = Annotated[datetime | None, Query(description="with its zone")]
End = Annotated[
    datetime | None, Query(description="with its zone, not included; the last local midnight when left out")
]
Level = Annotated[float, Query(ge=0.01, le=0.9999, description="confidence of the interval")]


class Freeze(BaseModel):
    """Which period becomes the baseline, and why."""

    model_config = ConfigDict(extra="forbid")

    start: datetime
    end: datetime
    reason: str = Field(min_length=1, max_length=1000)
    basis: str = Field("", max_length=64)
    stream: str = Field("", max_length=128)
    dimension: str = Field("", max_length=128)
    dimension_value: str = Field("", max_length=512)


@router.get("/kpis/baselines", summary="The baselines of all KPIs, the newest first")
def all_baselines(request: Request) -> Any:
    """With who froze them, when and why; superseded ones have `current` false."""
    who = viewer(request)
    return {"baselines": jsonable(services(request).value.all_baselines(who.tenant))}


@router.get("/kpis/value-model", summary="The assumptions that turn changes into money")
def value_model(request: Request) -> Any:
    """Amount, source and date of each; null when the tenant has none, and then no money is shown anywhere."""
    return {"value_model": jsonable(services(request).value.value_model(viewer(request).tenant))}


@router.get("/kpis/{kpi_id}/baselines", summary="The baselines of a KPI, the newest first")
def baselines(request: Request, kpi_id: str) -> Any:
    """With who froze them, when and why; superseded ones have `current` false."""
    who = viewer(request)
    return {"baselines": jsonable(services(request).value.baselines(who.tenant, kpi_id))}


@router.post("/kpis/{kpi_id}/baselines", summary="Freeze a period as the KPI's baseline", status_code=201)
def freeze(request: Request, kpi_id: str, wanted: Freeze) -> Any:
    """For administrators. The period must be over; the baseline before stays in the list. It is in the audit chain."""
    found, who = services(request), administrator(request)
    start, end = aware(wanted.start, "start"), aware(wanted.end, "end")
    assert start is not None
    assert end is not None
    asked = Asked(kpi_id, wanted.basis, wanted.stream, wanted.dimension, wanted.dimension_value)
    made = found.value.freeze(who.tenant, asked, start=start, end=end, by=who.name, reason=wanted.reason)
    return jsonable(made)


@router.get("/kpis/{kpi_id}/compare", summary="A KPI in two periods")
def compare(
    request: Request,
    kpi_id: str,
    start: Start = None,
    end: End = None,
    before_start: Start = None,
    before_end: Annotated[datetime | None, Query(description="`start` when left out")] = None,
    basis: Text = "",
    stream: Text = "",
    dimension: Text = "",
    dimension_value: Text = "",
    level: Level = 0.95,
) -> Any:
    """The change with its confidence interval, or why the sample is too small, and what it is worth.

    Without a start 28 days, without a period before one of the same length that ends where the other begins.
    """
    who = viewer(request)
    found = services(request).value.compare(
        who.tenant,
        Asked(kpi_id, basis, stream, dimension, dimension_value),
        start=aware(start, "start"),
        end=aware(end, "end"),
        before_start=aware(before_start, "before_start"),
        before_end=aware(before_end, "before_end"),
        level=level,
    )
    return jsonable(found)


@router.get("/kpis/{kpi_id}/change", summary="A KPI against its frozen baseline, in units and money")
def change(
    request: Request,
    kpi_id: str,
    start: Start = None,
    end: End = None,
    basis: Text = "",
    stream: Text = "",
    dimension: Text = "",
    dimension_value: Text = "",
    level: Level = 0.95,
) -> Any:
    """Without a start a period as long as the baseline's, as far as it lies after it."""
    who = viewer(request)
    found = services(request).value.change(
        who.tenant,
        Asked(kpi_id, basis, stream, dimension, dimension_value),
        start=aware(start, "start"),
        end=aware(end, "end"),
        level=level,
    )
    return jsonable(found)


@router.get("/kpis/{kpi_id}/rollout", summary="A KPI before and after a roll-out, against a control group")
def rollout(
    request: Request,
    kpi_id: str,
    at: Annotated[datetime, Query(description="when it was rolled out, with its zone")],
    basis: Text = "",
    stream: Text = "",
    dimension: Annotated[str, Query(max_length=512, description="such as channel or location")] = "",
    dimension_value: Annotated[str, Query(max_length=512, description="whom it reached")] = "",
    control_value: Annotated[str, Query(max_length=512, description="another value, which it did not reach")] = "",
    days: Annotated[int, Query(ge=2, le=366, description="length of each window")] = 28,
    settle_days: Annotated[int, Query(ge=0, le=366, description="days after the roll-out that are left out")] = 0,
    level: Level = 0.95,
) -> Any:
    """With a control group the difference in differences; without one the change alone, and that is said."""
    who, moment = viewer(request), aware(at, "at")
    assert moment is not None
    found = services(request).value.rollout(
        who.tenant,
        Asked(kpi_id, basis, stream, dimension, dimension_value),
        moment,
        control_value=control_value,
        days=days,
        settle_days=settle_days,
        level=level,
    )
    return jsonable(found)


@router.get("/kpis/{kpi_id}/forecast", summary="The next days of a KPI, with bands")
def forecast(
    request: Request,
    kpi_id: str,
    days: Annotated[int, Query(ge=1, le=28)] = 14,
    basis: Text = "",
    dimension: Text = "",
    dimension_value: Text = "",
    level: Annotated[float, Query(ge=0.01, le=0.9999, description="share of days that the band is to hold")] = 0.8,
) -> Any:
    """From today on. `coverage` says how often bands made in the same way held; `reason` why there is no forecast."""
    who = viewer(request)
    asked = Asked(kpi_id, basis, "", dimension, dimension_value)
    return jsonable(services(request).value.forecast(who.tenant, asked, days=days, level=level))


@router.get("/kpis/{kpi_id}/burn-down", summary="Whether a KPI meets its target, and when its trend reaches it")
def burn_down(
    request: Request,
    kpi_id: str,
    target: Annotated[float | None, Query(allow_inf_nan=False, description="else the definition's")] = None,
    days: Annotated[int, Query(ge=14, le=366, description="how many days the trend is read off")] = 56,
    basis: Text = "",
    dimension: Text = "",
    dimension_value: Text = "",
    level: Level = 0.95,
) -> Any:
    """The day on which the trend line reaches the target, with its band, or that it does not at this rate."""
    who = viewer(request)
    asked = Asked(kpi_id, basis, "", dimension, dimension_value)
    return jsonable(services(request).value.burn_down(who.tenant, asked, target=target, days=days, level=level))
