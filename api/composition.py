"""The composition root: settings in, wired rooms out. Nothing else in the product constructs a service.

Start goes from the stores up, stop the other way round; each step of a stop happens even when one before it failed.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from alerts import AlertService, open_alerts
from api.authentication import make_authenticator
from api.collecting import open_collector
from api.delivering import ReportDeliveries
from api.happenings import Happenings
from api.key_usage import KeyUsage
from api.keys import ApiKeys
from api.lock import data_directory
from api.query_guard import QueryGuard
from api.schedule import JobSchedule
from api.services import Services
from api.supervisor import Receivers
from api.version import VERSION
from collector import Cardinality, LedgerBalance, QuarantineService
from collector.engine import ClickHouseEngine
from collector.pollers import Pollers
from control import AuditChain, ControlService, OutboundHttp, open_control
from core import Clock, ConfigurationError, Settings, SystemClock, get_logger
from kpis import CaseJobs, Catalogue, KpiJobs, ProcessModels, TenantKpis, load_catalogue
from kpis.currencies import CURRENCIES
from kpis.gauges import KpiGauges
from kpis.meanings import Meanings
from kpis.overrides import TenantDefinitions
from kpis.periods import Calendar
from kpis.process import Corrections, ResolutionJobs, span_rules
from kpis.run_ledger import RunLedger
from kpis.value.money import load_value_models
from kpis.value.service import ValueService
from metrics import OwnMetrics, open_self_tracing
from storage import ClickHouse, StateDb, migrate_state, open_migrated, open_state
from storage.retention import Retention
from storage.state.lease import Lease

log = get_logger("api")


@dataclass(frozen=True)
class Stores:
    """Both stores, at their newest schema, and the data directory locked."""

    settings: Settings
    ch: ClickHouse
    state: StateDb


@contextmanager
def opened_state(settings: Settings) -> Iterator[StateDb]:
    """The state database alone, at its newest schema; works beside a running service."""
    state = open_state(settings)
    try:
        migrate_state(state)
        yield state
    finally:
        state.close()


@contextmanager
def opened_stores(settings: Settings, *, wait_s: float = 0.0) -> Iterator[Stores]:
    """Both stores for the length of the block; waits so long for a ClickHouse server that cannot be reached.

    Raises Conflict when another process owns the data directory.
    """
    with ExitStack() as stack:
        stack.enter_context(data_directory(settings.data_dir.absolute()))
        state = stack.enter_context(opened_state(settings))
        ch, applied = open_migrated(settings, SystemClock(), wait_s=wait_s)
        stack.callback(ch.close)
        if applied:
            log.info("database migrated", applied=applied)
        yield Stores(settings, ch, state)


def build(stores: Stores, clock: Clock, receivers: Receivers | None = None) -> Services:
    """Wires the rooms; starts nothing. `receivers`: the processes that receive, None when this one does."""
    settings, ch, state = stores.settings, stores.ch, stores.state
    own = OwnMetrics(clock, version=VERSION, engine_version=ch.version)
    tracing = open_self_tracing(settings, version=VERSION)
    usage = KeyUsage(state, clock)
    authenticator = make_authenticator(settings, state, clock, usage)
    catalogue, models = load_catalogue(), ProcessModels(settings.process_models_dir)
    definitions = open_definitions(stores, clock, catalogue)
    gauges = KpiGauges(ch, clock, definitions, settings.kpi_gauges_max_series)
    http = OutboundHttp()
    control: ControlService = open_control(settings, state, clock, http)
    collector = open_collector(settings, clock, ch, state, own.registry)
    acknowledged = None if receivers else collector.metrics.acknowledged  # each process counts its own
    balance = LedgerBalance(collector.ledger, ch, state, clock, own.registry, acknowledged)
    own.watch(
        "opsintel_ledger_items", "Items by what became of them.", ("signal", "outcome"), collector.ledger.by_outcome
    )
    alerts: AlertService = open_alerts(
        settings,
        state,
        ch,
        clock,
        http,
        streams=models.streams,
        catalogue_of=lambda tenant: definitions.of(tenant).catalogue,
        ledger=balance.of,
        ledger_tenants=balance.tenants,
    )
    audit = AuditChain(state, clock)
    process = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    lease, runs = Lease(state, clock, "jobs", process), RunLedger(state, clock, process)
    value = open_value(stores, clock, definitions.of, audit)
    return Services(
        settings=settings,
        clock=clock,
        ch=ch,
        state=state,
        authenticator=authenticator,
        keys=ApiKeys(state, clock),
        key_usage=usage,
        guard=QueryGuard(ch, settings),
        own=own,
        tracing=tracing,
        collector=collector,
        quarantine=QuarantineService(
            ch, ClickHouseEngine(ch), state, clock, collector.screening.rules, audit_record(audit)
        ),
        cardinality=Cardinality(settings, ch, clock, own.registry),
        pollers=Pollers(settings, collector.submit, clock, own.registry),
        definitions=definitions,
        gauges=gauges,
        resolution=ResolutionJobs(ch, clock, lambda: span_rules(models.streams())),
        cases=CaseJobs(ch, clock, models.streams),
        models=models,
        corrections=Corrections(by_job=settings.jobs_enabled),
        kpis=KpiJobs(
            ch,
            clock,
            catalogue,
            details=models.details,
            kpis_of=definitions.of,
            ledger=runs,
            leading=lambda: lease.held or not lease.token,  # who never held it was asked by hand
            term=lambda: lease.token,
        ),
        kpi_runs=runs,
        lease=lease,
        reports=ReportDeliveries(
            settings,
            ch,
            state,
            clock,
            definitions.of,
            audit,
            own,
            Happenings(ch, state, models.streams, value.money_notes),
        ),
        value=value,
        alerts=alerts,
        control=control,
        audit=audit,
        http=http,
        receivers=receivers,
        retention=Retention(ch, state, clock, own.registry),
        balance=balance,
    )


def open_definitions(stores: Stores, clock: Clock, catalogue: Catalogue) -> TenantDefinitions:
    """The definitions of KPIs and the calendars in force, for every tenant.

    Raises ConfigurationError for a currency that is none.
    """
    settings, meanings = stores.settings, Meanings(stores.state, clock)
    usual = Calendar(settings.timezone)
    folder, currency = settings.kpi_overrides_dir, settings.currency
    if currency and currency not in CURRENCIES:
        raise ConfigurationError(
            f"currency {currency!r} is in use nowhere: every amount would be left out", hint="a code of ISO 4217 as EUR"
        )
    definitions = TenantDefinitions(catalogue, usual, clock, folder, ch=stores.ch, meanings=meanings, currency=currency)
    definitions.refresh()
    return definitions


def open_value(stores: Stores, clock: Clock, kpis_of: Callable[[str], TenantKpis], audit: AuditChain) -> ValueService:
    """What changes of KPIs are worth. Raises ConfigurationError for a wrong file of value models."""
    models = load_value_models(stores.settings.value_models_file)
    return ValueService(
        stores.ch,
        stores.state,
        clock,
        kpis_of,
        models,
        record=audit_record(audit),
    )


def audit_record(audit: AuditChain) -> Callable[[Connection, str, str, str, str, Mapping[str, Any]], object]:
    """How rooms below `control` write into the audit chain, in a transaction of theirs."""

    def record(
        connection: Connection, tenant: str, actor: str, action: str, subject: str, details: Mapping[str, Any]
    ) -> object:
        return audit.append(connection, tenant=tenant, actor=actor, action=action, subject=subject, details=details)

    return record


@contextmanager
def running(services: Services, *, receive: bool = True) -> Iterator[Services]:
    """The collector and the jobs at work for the length of the block; a drain at its end."""
    with ExitStack() as stack:
        stack.callback(services.http.close)
        if services.tracing:
            stack.callback(services.tracing.stop)
        stack.callback(services.key_usage.stop)
        services.key_usage.start()
        stack.callback(_quietly, services.collector.stop)
        if services.receivers:
            stack.callback(_quietly, services.receivers.stop)
        if services.receivers or not receive:
            services.collector.start(None)
            if services.receivers:
                services.receivers.open()
        else:
            services.collector.start(services.authenticator.headers)
        if services.settings.jobs_enabled:
            stack.callback(_quietly, services.pollers.stop)
            services.pollers.start()
            schedule = JobSchedule(services)
            stack.callback(schedule.stop)
            schedule.start()
        yield services


def _quietly(stop: Callable[[], object]) -> None:
    thread = threading.current_thread().name
    try:
        stop()
    except Exception:  # the rim: the rest of the stop must go on
        log.exception("a part did not stop cleanly", thread=thread)
