"""What the cases of a stream do: one route for each answer, all with the same filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from api.jsonable import jsonable
from api.process import ANSWERS, Answer, Parameter
from api.routes.access import services, viewer
from api.routes.known import KNOWN_ONLY
from kpis.process import ValueStream, bottlenecks, case_timeline, cases_at_risk, derived_stream
from storage import ClickHouse

router = APIRouter(prefix="/api/v1", tags=["processes"], dependencies=[KNOWN_ONLY])


def _handler(answer: Answer) -> Callable[[Request, str], Any]:
    def handle(request: Request, stream: str) -> Any:
        found, who = services(request), viewer(request)
        found.cases.refresh(who.tenant, stream)
        given = request.query_params
        values = {name: given.getlist(name) for name in given}
        return answer.of(
            found.ch, who.tenant, stream, found.clock.now(), found.models.current, values, found.corrections
        )

    handle.__doc__ = "The stream's cases are brought up to date first. Times in UTC, lengths in seconds."
    handle.__name__ = f"process_{answer.name.replace('-', '_')}"
    return handle


def _documented(parameter: Parameter) -> dict[str, Any]:
    """In terms of OpenAPI. Everything is text: lengths may be written as 2h, and ids have 64 bits."""
    one: dict[str, Any] = {"type": "string"}
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.help,
        "schema": {"type": "array", "items": one} if parameter.repeated else one,
    }


@router.get("/processes/{stream}/cases/{case_id:path}", summary="One case: its steps, waits and spans")
def one_case(request: Request, stream: str, case_id: str) -> Any:
    """Bounded; the totals say what was cut."""
    found, who = services(request), viewer(request)
    found.cases.refresh(who.tenant, stream)
    return jsonable(case_timeline(found.ch, who.tenant, stream, case_id))


@router.get("/processes/{stream}/{object_type}/cases/{case_id:path}", summary="One case of a stream by object")
def one_object(request: Request, stream: str, object_type: str, case_id: str) -> Any:
    """The object as a case, once `flatten` was asked for its type."""
    return one_case(request, derived_stream(stream, object_type), case_id)


for _answer in ANSWERS:
    router.add_api_route(
        f"/processes/{{stream:path}}/{_answer.name}",  # a stream by object is called STREAM/TYPE
        _handler(_answer),
        methods=["GET"],
        summary=_answer.summary,
        openapi_extra={"parameters": [_documented(one) for one in _answer.parameters]},
    )


def _all_fresh(request: Request) -> tuple[ClickHouse, str, datetime, Mapping[str, ValueStream]]:
    """What an answer about all value streams starts from, with their cases up to date."""
    found, who = services(request), viewer(request)
    streams = found.models.streams()
    for stream in streams:
        found.cases.refresh(who.tenant, stream)
    return found.ch, who.tenant, found.clock.now(), streams


@router.get("/processes/bottlenecks", summary="Where work waits now in all value streams, the costliest first")
def all_bottlenecks(request: Request) -> Any:
    """One list over all streams that have a model."""
    ch, tenant, now, streams = _all_fresh(request)
    calendars = services(request).models.calendars()
    return {"at": jsonable(now), "bottlenecks": jsonable(bottlenecks(ch, tenant, now, streams, calendars))}


@router.get("/processes/risk", summary="Open cases of all value streams that may miss their promise")
def all_risks(request: Request, limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> Any:
    """Ranked by value x probability of being late."""
    ch, tenant, now, streams = _all_fresh(request)
    worth = services(request).corrections
    found = cases_at_risk(ch, tenant, now, streams, limit=limit, corrections=worth)
    return {"at": jsonable(now), "at_risk": jsonable(found)}
