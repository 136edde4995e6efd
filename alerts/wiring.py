"""From settings and stores to a running service: the one place of this room that knows the read models by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

from alerts.notifier import WebhookNotifier
from alerts.rules import Rule, load_rules
from alerts.service import AlertService
from alerts.sources import QUEUE_WINDOW, LedgerBalances, Sources
from control import OutboundHttp, Signer
from core.clock import Clock
from core.settings import Settings
from kpis import Catalogue, KpiValue, latest_values, load_catalogue, trends, waiting_now
from kpis.process import ValueStream
from metrics import queue_depths
from storage import ClickHouse, StateDb, load_sql

CONSUMERS_SEEN = timedelta(hours=6)
"""How far back consumers of a queue are looked for."""


def queue_consumers(ch: ClickHouse, tenant: str, now: datetime) -> dict[str, str]:
    """The service that takes work from each queue, by destination."""
    found = ch.query(load_sql("alerts", "queue_consumers"), {"tenant": tenant, "since": _text(now - CONSUMERS_SEEN)})
    return dict(found.rows)


def tenants_with_data(ch: ClickHouse, clock: Clock) -> list[str]:
    """Every tenant that rules can say something about."""
    since = _text(clock.now() - QUEUE_WINDOW)
    return [name for (name,) in ch.query(load_sql("alerts", "tenants"), {"since": since}).rows]


def values_before(
    ch: ClickHouse, tenant: str, grain: str, now: datetime, catalogue: Catalogue | None = None
) -> list[KpiValue]:
    """The bucket right before the latest of each series that has values in both."""
    bucket = timedelta(days=1) if grain == "day" else timedelta(hours=1)
    found = trends(ch, tenant, grain, start=now - 2.1 * bucket, catalogue=catalogue)
    return [
        values[-2]
        for values in found.values()
        if len(values) > 1 and values[-1].bucket_start - values[-2].bucket_start < 1.1 * bucket
    ]


def with_ledger_rule(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The rules, with the built-in ones about the ledger where a rules file has none: nobody means to lose those."""
    if any(rule.kind == "ledger" for rule in rules):
        return rules
    return rules + tuple(rule for rule in load_rules() if rule.kind == "ledger")


def open_alerts(
    settings: Settings,
    state: StateDb,
    ch: ClickHouse,
    clock: Clock,
    http: OutboundHttp,
    *,
    streams: Callable[[], Mapping[str, ValueStream]],
    catalogue_of: Callable[[str], Catalogue] | None = None,
    tenants: Callable[[], Iterable[str]] | None = None,
    ledger: LedgerBalances | None = None,
    ledger_tenants: Callable[[], Iterable[str]] = tuple,
    external_url: str = "",
) -> AlertService:
    """The service that the settings describe; `external_url` is where receivers are pointed to.

    `streams` answers with the value streams in force, whose waiting cases are named as the impact of an alert;
    `catalogue_of` with a tenant's definitions of KPIs, the packaged ones when left out.
    Without `tenants`, everybody with data is evaluated; whoever's ledger does not balance always is. Raises
    ConfigurationError when rules, URL or secret cannot be used.
    """
    notifier = None
    if settings.alert_webhook_url:
        secret = settings.alert_webhook_secret
        signer = Signer(secret, setting="alert_webhook_secret") if secret else None
        notifier = WebhookNotifier(settings.alert_webhook_url, http, clock, signer)
    packaged = load_catalogue()
    catalogue = catalogue_of or (lambda _: packaged)
    sources = Sources(
        ch,
        lambda store, tenant, grain: latest_values(store, tenant, grain, catalogue=catalogue(tenant)),
        partial(queue_depths, timezone=settings.timezone),
        lambda store, tenant, now: waiting_now(store, tenant, now, streams()),
        queue_consumers,
        lambda store, tenant, grain, now: values_before(store, tenant, grain, now, catalogue(tenant)),
        ledger,
    )
    known = tenants or partial(tenants_with_data, ch, clock)
    return AlertService(
        state,
        clock,
        with_ledger_rule(load_rules(settings.rules_file)),
        sources,
        lambda: sorted({*known(), *ledger_tenants()}),
        notifier,
        external_url=external_url,
    )


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
