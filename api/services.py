"""What the rooms have become in this process: built by the composition root, handed to routes and pages."""

from __future__ import annotations

from dataclasses import dataclass

from alerts import AlertService
from api.keys import Authenticator
from api.query_guard import QueryGuard
from collector import Collector
from collector.pollers import Pollers
from control import AuditChain, ControlService, OutboundHttp
from core import Clock, OpsintelError, Settings, get_logger
from kpis import Catalogue, KpiJobs
from metrics import OwnMetrics, SelfTracing, render
from storage import ClickHouse, StateDb

log = get_logger("api")


@dataclass(frozen=True)
class Services:
    """One of each."""

    settings: Settings
    clock: Clock
    ch: ClickHouse
    state: StateDb
    authenticator: Authenticator
    guard: QueryGuard
    own: OwnMetrics
    tracing: SelfTracing | None
    collector: Collector
    pollers: Pollers
    catalogue: Catalogue
    kpis: KpiJobs
    alerts: AlertService
    control: ControlService
    audit: AuditChain
    http: OutboundHttp

    def render_metrics(self) -> tuple[str, bytes]:
        """Media type and text of the service's own metrics."""
        return render(self.own.registry)

    def not_ready(self) -> list[str]:
        """Why it cannot serve now, in words for everybody; empty when it can."""
        reasons = []
        if not self.collector.http_port:
            reasons.append("the receivers are not open")
        for name, probe in (("engine", lambda: self.ch.query("SELECT 1")), ("state database", self._probe_state)):
            try:
                probe()
            except OpsintelError as error:
                log.error("not ready", part=name, error=error.message)
                reasons.append(f"the {name} cannot be used now")
        return reasons

    def _probe_state(self) -> None:
        with self.state.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
