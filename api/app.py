"""The one application on the one port: API, dashboards, OTLP/HTTP beside its own port, health and documentation.

Order from the outside in: request timing, access guard, routes. The guard stands in front of Dash's routes too, which
FastAPI's dependencies do not reach.
"""

from __future__ import annotations

from fastapi import FastAPI

import dashboards
from api import problems
from api.guard import AccessGuard
from api.reads import ServiceActions, ServiceReads
from api.routes import (
    action,
    business,
    doctor,
    events,
    exports,
    health,
    keeping,
    keys,
    kpi_runs,
    kpi_value,
    kpis,
    pages,
    processes,
    quarantine,
    report_deliveries,
    telemetry,
)
from api.routes.access import viewer
from api.services import Services
from api.version import VERSION
from metrics import RequestTiming

OPEN_NOTICE = "Open to everybody on this machine: no API key exists. `opsintel token create` makes one."
DESCRIPTION = """Telemetry in, operational intelligence out.

Errors are problem documents (RFC 9457). A query parameter that a route does not know is an error (400), except where
data is pushed. Times are ISO 8601 with their zone. Every route answers for the tenant of the
key alone.
"""


def create_app(services: Services) -> FastAPI:
    """The application; pure construction, nothing is started."""
    app = FastAPI(
        title="opsintel",
        version=VERSION,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.services = services
    for routes in (
        health,
        doctor,
        telemetry,
        events,
        exports,
        report_deliveries,
        kpi_value,
        kpi_runs,
        kpis,  # after those whose paths look like a KPI's
        business,
        processes,
        quarantine,
        action,
        keys,
        keeping,
        pages,
    ):
        app.include_router(routes.router)
    pages.mount_static(app)
    receiver = services.collector.http_application(services.authenticator.headers)
    app.state.receiver = receiver
    app.mount("/v1", receiver)
    notice = OPEN_NOTICE if services.authenticator.open else None
    settings = services.settings
    dashboards.mount(
        app,
        ServiceReads(services),
        ServiceActions(services),
        services.clock,
        notice,
        timezone=settings.timezone,
        zone_of=lambda tenant: services.definitions.of(tenant).calendar.timezone,
        doors=dashboards.Doors(
            f"{settings.otlp_bind_host}:{services.otlp_grpc_port}",
            f"{settings.scheme}://{settings.otlp_bind_host}:{services.otlp_http_port}",
        ),
        identify=viewer,
    )
    problems.install(app)  # after Dash, whose own handler would answer for every route
    app.add_middleware(AccessGuard, authenticator=services.authenticator)
    app.add_middleware(RequestTiming, metrics=services.own, tracing=services.tracing)
    return app
