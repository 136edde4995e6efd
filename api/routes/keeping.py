"""How long data is kept: what is wished, what is in force, and what goes next."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api import retention
from api.routes.access import administrator, services, viewer
from api.routes.known import KNOWN_ONLY
from storage.retention import Dataset

router = APIRouter(prefix="/api/v1/retention", tags=["retention"], dependencies=[KNOWN_ONLY])
DryRun = Annotated[bool, Query(description="tell what would be dropped, and change nothing")]


class Kept(BaseModel):
    """A dataset and how long it is kept."""

    model_config = ConfigDict(extra="forbid")

    dataset: Dataset
    days: int | None = Field(description="1 to 36,500; null keeps it for ever", strict=True)


@router.get("", summary="What is kept, and for how long")
def in_force(request: Request) -> Any:
    """For each dataset the policy, beside what the tables hold: oldest data, partitions, bytes on disk, next drop."""
    return retention.overview(services(request), viewer(request).tenant)


@router.put("", summary="Keep a dataset for so many days")
def keep(request: Request, wanted: Kept, dry_run: DryRun = False) -> Any:
    """For administrators, of their own tenant; with what the next run will drop. It is in the audit chain."""
    found, who = services(request), administrator(request)
    going = found.retention.would_drop(who.tenant, wanted.dataset, wanted.days)
    if not dry_run:
        retention.keeping(found).change(who.tenant, wanted.dataset, wanted.days, who.name)
    return {**retention.overview(found, who.tenant), "next_run_drops": retention.decisions_json(going)}


@router.delete("/{dataset}", summary="Keep a dataset as everybody's is kept")
def forget(request: Request, dataset: Dataset) -> Any:
    """For administrators: takes the tenant's own policy back."""
    found, who = services(request), administrator(request)
    retention.keeping(found).reset(who.tenant, dataset, who.name)
    return retention.overview(found, who.tenant)


@router.post("/run", summary="Drop now what is due")
def run(request: Request, dry_run: DryRun = False) -> Any:
    """For administrators, of their own tenant; the job does the same for every tenant."""
    found, who = services(request), administrator(request)
    report = found.retention.run(who.tenant, dry_run=True) if dry_run else retention.run(found, who.tenant, who.name)
    return retention.report_json(report)
