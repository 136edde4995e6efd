"""What the rooms have become in this process: built by the composition root, handed to routes and pages."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client.exposition import CONTENT_TYPE_LATEST

from alerts import AlertService
from api.delivering import ReportDeliveries
from api.key_usage import KeyUsage
from api.keys import ApiKeys, Authenticator
from api.own_metrics import AllProcesses
from api.query_guard import QueryGuard
from api.receiver import metrics_folder
from api.supervisor import Receivers
from collector import Cardinality, Collector, LedgerBalance, QuarantineService
from collector.pollers import Pollers
from control import AuditChain, ControlService, OutboundHttp
from core import Clock, OpsintelError, Settings, get_logger
from kpis import CaseJobs, KpiJobs, ProcessModels
from kpis.gauges import KpiGauges
from kpis.overrides import TenantDefinitions
from kpis.process import Corrections, ResolutionJobs
from kpis.run_ledger import RunLedger
from kpis.value.service import ValueService
from metrics import OwnMetrics, SelfTracing
from storage import ClickHouse, StateDb
from storage.retention import Retention
from storage.state.lease import Lease

log = get_logger("api")


@dataclass(frozen=True)
class Services:
    """One of each."""

    settings: Settings
    clock: Clock
    ch: ClickHouse
    state: StateDb
    authenticator: Authenticator
    keys: ApiKeys
    key_usage: KeyUsage
    guard: QueryGuard
    own: OwnMetrics
    tracing: SelfTracing | None
    collector: Collector
    quarantine: QuarantineService
    cardinality: Cardinality
    pollers: Pollers
    definitions: TenantDefinitions
    gauges: KpiGauges
    kpis: KpiJobs
    kpi_runs: RunLedger
    lease: Lease
    reports: ReportDeliveries
    value: ValueService
    resolution: ResolutionJobs
    cases: CaseJobs
    models: ProcessModels
    corrections: Corrections
    alerts: AlertService
    control: ControlService
    audit: AuditChain
    http: OutboundHttp
    retention: Retention
    balance: LedgerBalance
    receivers: Receivers | None = None

    @property
    def otlp_http_port(self) -> int:
        """The port of OTLP/HTTP, whoever listens there; 0 while nobody does."""
        return self.receivers.http_port if self.receivers else self.collector.http_port

    @property
    def otlp_grpc_port(self) -> int:
        """The port of OTLP/gRPC, whoever listens there; 0 while nobody does."""
        return self.receivers.grpc_port if self.receivers else self.collector.grpc_port

    def render_metrics(self, tenant: str) -> tuple[str, bytes]:
        """Media type and text of the own metrics, of receiver processes too, and of a tenant's KPIs and reports."""
        own = AllProcesses(self.own.registry, metrics_folder(self.settings)).render()
        own += self.reports.render_metrics(tenant)
        return CONTENT_TYPE_LATEST, own + (self.gauges.render(tenant) if self.settings.kpi_gauges else b"")

    def not_ready(self) -> list[str]:
        """Why it cannot serve now, in words for everybody; empty when it can."""
        reasons = []
        if not (self.receivers.alive if self.receivers else self.collector.http_port):
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
