"""Is it alive, is it ready, and its own metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from api.routes.access import services, viewer

router = APIRouter(tags=["health"])


@router.get("/healthz", response_class=PlainTextResponse, summary="Whether the process runs")
def healthz() -> str:
    """Always `ok` while the process answers."""
    return "ok"


@router.get("/readyz", summary="Whether it takes data and answers questions")
def readyz(request: Request) -> Response:
    """200 when the log, the engine and the state database are open; 503 with the reasons otherwise."""
    reasons = services(request).not_ready()
    body = {"ready": not reasons, "reasons": reasons}
    return JSONResponse(body, 503 if reasons else 200)


@router.get("/metrics", summary="The service's own metrics, for Prometheus")
def metrics(request: Request) -> Response:
    """Prometheus text format; for those who may see. Among them the key figures of the tenant of the key."""
    kind, body = services(request).render_metrics(viewer(request).tenant)
    return Response(body, media_type=kind)
