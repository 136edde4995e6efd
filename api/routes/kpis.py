"""KPIs: the catalogue, one definition, its series, by what it splits, and the cases behind a number."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request

from api.jsonable import jsonable
from api.routes.access import services, viewer
from api.routes.business import aware
from api.routes.known import KNOWN_ONLY
from api.services import Services
from core import InvalidInput, TooLarge
from dashboards.url_state import ProcessState
from kpis import KpiDefinition, explain, latest_values, series
from kpis.breakdown import MOST_PARTS, PARTS, breakdown, dimension_names
from kpis.drill import MOST, PAGE, ROLES, DrilledCase, drill, roles
from kpis.periods import Calendar

router = APIRouter(prefix="/api/v1", tags=["business"], dependencies=[KNOWN_ONLY])
USUAL, USUAL_SERIES = timedelta(days=28), timedelta(days=14)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC) + USUAL
"""Periods that have an end alone begin in 1970 or later."""
MOST_BUCKETS = 20_000
LENGTHS = {
    "minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1),
    "week": timedelta(weeks=1), "month": timedelta(days=30),
}  # fmt: skip
Grain = Annotated[Literal["minute", "hour", "day", "week", "month"], Query(description="length of a bucket")]
Basis = Annotated[str, Query(description="one of the definition's; its first when left out")]
Start = Annotated[datetime | None, Query(description="with its zone; 28 days before the end when left out")]
End = Annotated[datetime | None, Query(description="with its zone, not included; now when left out")]


@router.get("/kpis", summary="Every KPI: its definition and its newest values")
def kpis(request: Request, grain: Grain = "day") -> Any:
    """Each value carries definition version, basis, sample size, exclusions, open cases and data-through time.

    `problems`: files of the tenant's own definitions and targets that are wrong, with line and reason.
    """
    who, found = viewer(request), services(request)
    catalogue = found.definitions.of(who.tenant).catalogue
    return {
        "definitions": [_definition(one) for one in catalogue],
        "values": jsonable(latest_values(found.ch, who.tenant, grain, catalogue=catalogue)),
        "problems": jsonable(found.definitions.problems(who.tenant)),
    }


@router.get("/kpis/{kpi_id}", summary="One KPI: its whole definition, how it is computed, its newest values")
def kpi(request: Request, kpi_id: str, grain: Grain = "day") -> Any:
    """`explanation` has the definition in words, by label; `calendar` says how the tenant counts time."""
    who, found = viewer(request), services(request)
    of = found.definitions.of(who.tenant)
    definition = of.catalogue.get(kpi_id)
    one = of.catalogue.chosen(lambda other: other is definition)
    return {
        "definition": _definition(definition),
        "explanation": {basis: explain(definition, basis) for basis in definition.basis_ids},
        "roles": {basis: roles(definition, basis) for basis in definition.basis_ids},
        "calendar": jsonable(of.calendar),
        "values": jsonable(latest_values(found.ch, who.tenant, grain, catalogue=one)),
    }


@router.get("/kpis/{kpi_id}/series", summary="One KPI over time")
def kpi_series(
    request: Request,
    kpi_id: str,
    basis: Basis = "",
    dimension_value: Annotated[str, Query(description="of a dimension that is stored; the total when left out")] = "",
    dimension: Annotated[str, Query(description="which one, where the KPI has several; else its first")] = "",
    grain: Grain = "day",
    start: Annotated[datetime | None, Query(description="with its zone; 14 days before the end when left out")] = None,
    end: End = None,
) -> Any:
    """Buckets that begin in [start, end), oldest first; 20,000 at the most."""
    found, who = services(request), viewer(request)
    until = aware(end, "end") or found.clock.now()
    since = aware(start, "start") or max(until, EARLIEST) - USUAL_SERIES
    catalogue = found.definitions.of(who.tenant).catalogue
    definition = catalogue.get(kpi_id)
    _require_series(since, until, grain)
    values = series(
        found.ch, who.tenant, kpi_id, basis=basis, dimension_value=dimension_value, grain=grain, start=since, end=until,
        dimension=dimension, catalogue=catalogue,
    )  # fmt: skip
    return {"definition": _definition(definition), "values": jsonable(values)}


@router.get("/kpis/{kpi_id}/breakdown", summary="One KPI's number of a period, split by a dimension")
def kpi_breakdown(
    request: Request,
    kpi_id: str,
    by: Annotated[str, Query(description="one of the definition's `split_by`")],
    basis: Basis = "",
    start: Start = None,
    end: End = None,
    parts: Annotated[int, Query(ge=1, le=MOST_PARTS, description="the others are told together")] = PARTS,
) -> Any:
    """The parts add up to the total: numerator, denominator, sample size, exclusions and open cases.

    The value '' of a part is that of cases that did not tell; `other` is true of what is beyond the first parts.
    """
    found, who, definition, since, until, calendar = _asked(request, kpi_id, start, end)
    split = breakdown(
        found.ch, who, definition, by, since, until, basis=basis, calendar=calendar, most=parts, now=found.clock.now()
    )
    return {**jsonable(split), "timezone": calendar.timezone}


@router.get("/kpis/{kpi_id}/cases", summary="The cases behind one KPI's number of a period")
def kpi_cases(
    request: Request,
    kpi_id: str,
    role: Annotated[str, Query(description=f"{', '.join(ROLES[:-1])} or {ROLES[-1]}")] = "counted",
    basis: Basis = "",
    start: Start = None,
    end: End = None,
    by: Annotated[str, Query(description="a dimension whose value is told of each case")] = "",
    value: Annotated[str | None, Query(description="only cases with this value of it; '' is one, too")] = None,
    order: Annotated[Literal["key", "largest"], Query(description="by key, or the largest contribution first")] = "key",
    after: Annotated[str, Query(description="what the page before gave as `following`")] = "",
    limit: Annotated[int, Query(ge=1, le=MOST)] = PAGE,
) -> Any:
    """Over all pages the contributions of the counted cases are the number's numerator and denominator.

    `totals` holds what all cases of the period make together, with how many were left out for each reason. `page` is
    the case on the process page, `timeline` its steps on the API; a record (an item at a location) has none. A call
    between systems has a `trace`.
    """
    found, who, definition, since, until, calendar = _asked(request, kpi_id, start, end)
    if value is not None and not by:
        raise InvalidInput("value needs the dimension that it is of", hint=f"add by: {_names(definition)}")
    page = drill(
        found.ch, who, definition, since, until, role, basis=basis, dimension=by, value=value, calendar=calendar,
        largest=order == "largest", after=after, limit=limit, now=found.clock.now(),
    )  # fmt: skip
    told = jsonable(replace(page, cases=()))
    return {
        **told,
        "cases": [{**jsonable(one), **(links(one) if page.of_cases else {})} for one in page.cases],
        "timezone": calendar.timezone,
    }


def links(case: DrilledCase) -> dict[str, str]:
    """Where the case and the trace are seen as a whole."""
    found = {"trace": f"/api/v1/traces/{case.trace_id}"} if case.trace_id else {}
    if case.case_id:
        found["page"] = ProcessState(stream=case.stream, case=case.case_id).href
        found["timeline"] = f"/api/v1/processes/{quote(case.stream)}/cases/{quote(case.case_id)}"
    return found


def _asked(
    request: Request, kpi_id: str, start: datetime | None, end: datetime | None
) -> tuple[Services, str, KpiDefinition, datetime, datetime, Calendar]:
    """The services, tenant, definition, period and calendar of a question."""
    found, who = services(request), viewer(request)
    of = found.definitions.of(who.tenant)
    definition = of.catalogue.get(kpi_id)
    until = aware(end, "end") or found.clock.now()
    since = aware(start, "start") or max(until, EARLIEST) - USUAL
    return found, who.tenant, definition, since, until, of.calendar


def _definition(definition: KpiDefinition) -> Any:
    return {**jsonable(definition), "split_by": dimension_names(definition)}


def _names(definition: KpiDefinition) -> str:
    return ", ".join(dimension_names(definition)) or "it has none"


def _require_series(start: datetime, end: datetime, grain: str) -> None:
    """Raises InvalidInput for an inverted period, TooLarge for one of too many buckets."""
    if start >= end:
        raise InvalidInput(
            f"a period ends after it starts, got {start.isoformat()} to {end.isoformat()}",
            hint="swap start and end; end is not included",
        )
    buckets = (end - start) / LENGTHS[grain]
    if buckets > MOST_BUCKETS:
        raise TooLarge(
            f"a series has at most {MOST_BUCKETS:,} buckets, this period has {buckets:,.0f} by {grain}",
            hint="ask for a shorter period or longer buckets (grain)",
        )
