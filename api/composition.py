"""The composition root: settings in, wired rooms out. Nothing else in the product constructs a service.

Start goes from the stores up, stop the other way round; each step of a stop happens even when one before it failed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from alerts import AlertService, open_alerts
from api.keys import ApiKeys, Authenticator
from api.lock import data_directory
from api.query_guard import QueryGuard
from api.schedule import JobSchedule
from api.services import Services
from api.version import VERSION
from collector import Collector
from collector.pollers import Pollers
from control import AuditChain, ControlService, OutboundHttp, open_control
from core import Clock, ConfigurationError, Settings, get_logger
from kpis import KpiJobs, load_catalogue
from metrics import OwnMetrics, open_self_tracing
from storage import ClickHouse, StateDb, migrate_clickhouse, migrate_state, open_clickhouse, open_state

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
def opened_stores(settings: Settings) -> Iterator[Stores]:
    """Both stores for the length of the block. Raises Conflict when another process owns the data directory."""
    with ExitStack() as stack:
        stack.enter_context(data_directory(settings.data_dir.absolute()))
        state = stack.enter_context(opened_state(settings))
        ch = open_clickhouse(settings)
        stack.callback(ch.close)
        applied = migrate_clickhouse(ch)
        if applied:
            log.info("database migrated", applied=applied)
        yield Stores(settings, ch, state)


def make_authenticator(settings: Settings, state: StateDb, clock: Clock) -> Authenticator:
    """Raises ConfigurationError where strangers could reach a service that asks for no credentials."""
    keys = ApiKeys(state, clock)
    authenticator = Authenticator(keys, clock, loopback_only=settings.loopback_only, admin_token=settings.admin_token)
    if not settings.loopback_only and not authenticator.credentials_exist:
        raise ConfigurationError(
            f"bound to {settings.http_host} without any credentials, the service would be open to the network",
            hint="make a key with `opsintel token create --role admin`, set OPSINTEL_ADMIN_TOKEN, or bind to 127.0.0.1",
        )
    return authenticator


def build(stores: Stores, clock: Clock) -> Services:
    """Wires the rooms; starts nothing."""
    settings, ch, state = stores.settings, stores.ch, stores.state
    own = OwnMetrics(clock, version=VERSION, engine_version=ch.version)
    tracing = open_self_tracing(settings, version=VERSION)
    authenticator = make_authenticator(settings, state, clock)
    catalogue = load_catalogue()
    http = OutboundHttp()
    control: ControlService = open_control(settings, state, clock, http)
    alerts: AlertService = open_alerts(settings, state, ch, clock, http)
    collector = Collector(settings, clock, ch, state, own.registry)
    return Services(
        settings=settings,
        clock=clock,
        ch=ch,
        state=state,
        authenticator=authenticator,
        guard=QueryGuard(ch, settings),
        own=own,
        tracing=tracing,
        collector=collector,
        pollers=Pollers(settings, collector.submit, clock, own.registry),
        catalogue=catalogue,
        kpis=KpiJobs(ch, clock, catalogue, timezone=settings.timezone),
        alerts=alerts,
        control=control,
        audit=AuditChain(state, clock),
        http=http,
    )


@contextmanager
def running(services: Services) -> Iterator[Services]:
    """The collector and the jobs at work for the length of the block; a drain at its end."""
    with ExitStack() as stack:
        stack.callback(services.http.close)
        if services.tracing:
            stack.callback(services.tracing.stop)
        stack.callback(_quietly, services.collector.stop)
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
