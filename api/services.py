"""What the rooms have become in this process: built by the composition root, handed to routes and pages."""

from __future__ import annotations

from dataclasses import dataclass

from alerts import AlertService
from api.keys import Authenticator
from api.query_guard import QueryGuard
from collector import Collector
from control import AuditChain, ControlService
from core import Clock, Settings
from kpis import KpiJobs
from metrics import OwnMetrics
from storage import ClickHouse, StateDb


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
    collector: Collector
    kpis: KpiJobs
    alerts: AlertService
    control: ControlService
    audit: AuditChain
