"""Reports on a schedule: what is subscribed to, what became of it, and another try."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from api.jsonable import jsonable
from api.routes.access import principal, services, viewer
from api.routes.known import KNOWN_ONLY
from core import Principal, Role

router = APIRouter(prefix="/api/v1/kpis/reports", tags=["business"], dependencies=[KNOWN_ONLY])


def operator(request: Request) -> Principal:
    """Who asks, when he may have something done; raises Forbidden."""
    found = principal(request)
    found.require(Role.OPERATOR)
    return found


@router.get("", summary="Reports that are sent on a schedule")
def reports(request: Request) -> Any:
    """With format, period, schedule, targets, the next due time and the last run; secrets and URLs' paths left out.

    `problem` says why a newer set of subscriptions is not in force.
    """
    return jsonable(services(request).reports.overview(viewer(request).tenant))


@router.get("/runs", summary="Runs of reports, the newest first")
def runs(
    request: Request,
    report: Annotated[str, Query(max_length=100, description="of this report alone")] = "",
    failed: Annotated[bool, Query(description="those alone where something failed or waits for another try")] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Any:
    """Each with its deliveries: state, attempts, why the last one failed, and when the next is due."""
    jobs = services(request).reports.jobs(viewer(request).tenant)
    return {"runs": jsonable(jobs.history(limit, subscription=report, troubled=failed))}


@router.post("/{report}/run", summary="Send a report now", status_code=202)
def run_now(request: Request, report: str) -> Any:
    """For operators: the last whole period, beside the schedule, within a minute. It is in the audit chain."""
    who = operator(request)
    return {"run": services(request).reports.run_now(who.tenant, report, who.name)}


@router.post("/runs/{run}/retry", summary="Try a run again", status_code=202)
def retry_run(request: Request, run: str) -> Any:
    """For operators: renders a run anew that failed or was skipped; of a rendered one, sends again what failed.

    `tried` is how many of them are due now. 409 when there is nothing to be tried again.
    """
    who = operator(request)
    return {"tried": services(request).reports.retry_run(who.tenant, run, who.name)}


@router.post("/deliveries/{delivery}/retry", summary="Try one delivery again", status_code=202)
def retry_delivery(request: Request, delivery: str) -> Any:
    """For operators: the same file under the same id, to this target alone. 409 when it has not failed."""
    who = operator(request)
    services(request).reports.retry_delivery(who.tenant, delivery, who.name)
    return {"tried": 1}
