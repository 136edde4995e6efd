"""The runs of the KPI jobs, and which process does them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from api.jsonable import jsonable
from api.routes.access import services, viewer
from api.routes.known import KNOWN_ONLY
from kpis.run_ledger import MOST, Outcome

router = APIRouter(prefix="/api/v1/kpis", tags=["business"], dependencies=[KNOWN_ONLY])
Job = Annotated[Literal["kpis", "kpis-all", "backfill"] | None, Query(description="only its runs")]


@router.get("/runs", summary="The runs of the KPI jobs")
def runs(
    request: Request,
    job: Job = None,
    outcome: Annotated[Outcome | None, Query(description="only runs that ended so")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> Any:
    """The newest first: when, what came of it, how much was stored, how far the data went, the error in words.

    Runs in a row that found nothing new are one, with their number in `repeats`. `leader`: the process that runs the
    jobs, null when none does.
    """
    found, who = services(request), viewer(request)
    return {
        "leader": jsonable(found.lease.now_held_by()),
        "runs": jsonable(found.kpi_runs.runs(who.tenant, job=job or "", outcome=outcome or "", limit=limit)),
    }
