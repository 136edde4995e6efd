"""Scheduled reports of every tenant: folders of subscriptions in, deliveries out.

Below `reports_dir` lies a folder for each tenant, named as the tenant is. Folders are looked at before every tick; one
that holds a wrong file leaves that tenant's set in force, and says so in the tenant's list and in the metrics.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from prometheus_client import Counter
from sqlalchemy import Connection

from api.exporting import WITH_LISTS
from api.happenings import Happenings
from control import AuditChain
from core import Clock, ConfigurationError, OpsintelError, Settings, get_logger
from kpis.definitions import TenantKpis
from kpis.deliveries import (
    DeliveryJobs,
    Rendered,
    Sender,
    Smtp,
    Standing,
    Subscription,
    counts,
    describe,
    subscription_files,
    tenants_with_runs,
)
from kpis.deliveries.gauges import render_gauges
from kpis.exports.build import ExportQuestion, build_report
from kpis.exports.formats import file_name, format_named
from kpis.exports.pdf_formats import quantity
from kpis.exports.report import Headline, Report, ReportKpi
from kpis.value.baselines import Baselines
from metrics import OwnMetrics
from storage import ClickHouse, StateDb

log = get_logger("api.delivering")
Signature = tuple[tuple[str, int, int], ...]
"""Names, times of change and sizes of a folder's files."""


@dataclass
class _Tenant:
    jobs: DeliveryJobs
    signature: Signature | None = None
    problem: str = ""


class ReportDeliveries:
    """One of each process; the jobs of each tenant are made when they are first asked for. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        ch: ClickHouse,
        state: StateDb,
        clock: Clock,
        kpis_of: Callable[[str], TenantKpis],
        audit: AuditChain,
        own: OwnMetrics,
        happenings: Happenings,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """kpis_of: definitions and calendar in force for a tenant.

        Raises ConfigurationError when the mail server's authorities cannot be read.
        """
        self._settings, self._ch, self._state, self._clock = settings, ch, state, clock
        self._happenings = happenings
        self._kpis_of, self._audit, self._environment = kpis_of, audit, environment
        self._smtp = _smtp(settings)
        hosts = (one.strip().lower() for one in settings.report_private_hosts.split(","))
        self._private_hosts = frozenset(one for one in hosts if one)
        self._tenants: dict[str, _Tenant] = {}
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._attempts = Counter(
            "opsintel_report_attempts",
            "Attempts to render (kind run) or to send a report, by what came of them.",
            ("kind", "outcome"),
            registry=own.registry,
        )
        own.watch(
            "opsintel_report_items",
            "Runs and deliveries of reports in the history, by where they stand; what is failed waits for a hand.",
            ("kind", "state"),
            lambda: counts(state),
        )
        own.watch(
            "opsintel_report_wrong_folders",
            "Tenants whose newest report subscriptions cannot be read.",
            (),
            lambda: {(): float(sum(bool(one.problem) for one in list(self._tenants.values())))},
        )

    def tick(self) -> None:
        """Every tenant's turn; raises OpsintelError in the end when something could not even be recorded as failed."""
        problems = []
        for tenant in self.tenants():
            if self._stopping.is_set():
                return
            try:
                problems += [f"{tenant}: {text}" for text in self._refreshed(tenant).jobs.tick().problems]
            except Exception as problem:  # the rim: the other tenants' reports must reach their receivers
                log.exception("a tenant's deliveries failed", tenant=tenant)
                problems.append(f"{tenant}: {type(problem).__name__}")
        if problems:
            raise OpsintelError("; ".join(problems))

    def stop(self) -> None:
        """A tick under way begins nothing more."""
        self._stopping.set()

    def jobs(self, tenant: str) -> DeliveryJobs:
        """The tenant's, with its newest subscriptions."""
        return self._refreshed(tenant).jobs

    def overview(self, tenant: str) -> dict[str, Any]:
        """The tenant's subscriptions with their schedule, targets and last run, and why a newer set is not in force."""
        one = self._refreshed(tenant)
        return {"problem": one.problem, "reports": [_listed(one.jobs, report) for report in one.jobs.subscriptions]}

    def standings(self, tenant: str) -> tuple[str, tuple[Standing, ...]]:
        """Why a newer set of subscriptions is not in force, empty when it is, and how each report stands."""
        one = self._refreshed(tenant)
        return one.problem, one.jobs.standings()

    def tenants(self) -> list[str]:
        """Those that have a folder of subscriptions or a history."""
        return sorted({*self._folders(), *tenants_with_runs(self._state)})

    def render_metrics(self, tenant: str) -> bytes:
        """How the tenant's reports stand, in Prometheus' text format; nothing when that cannot be read now."""
        try:
            return render_gauges(tenant, self.standings(tenant)[1])
        except OpsintelError as problem:
            log.error("a metric could not be read", metric="opsintel_report_undelivered", error=str(problem))
            return b""

    def run_now(self, tenant: str, report: str, by: str) -> str:
        """A run beside the schedule; its id. In the audit chain. Raises NotFound."""
        return self.jobs(tenant).run_now(report, by, self._record(tenant, by, "report.run", {"report": report}))

    def retry_run(self, tenant: str, run_id: str, by: str) -> int:
        """As DeliveryJobs.retry_run, in the audit chain."""
        return self.jobs(tenant).retry_run(run_id, self._record(tenant, by, "report.retry", {}))

    def retry_delivery(self, tenant: str, delivery_id: str, by: str) -> None:
        """As DeliveryJobs.retry, in the audit chain."""
        self.jobs(tenant).retry(delivery_id, self._record(tenant, by, "report.retry", {}))

    def _record(
        self, tenant: str, by: str, action: str, details: Mapping[str, Any]
    ) -> Callable[[Connection, str], object]:
        def record(connection: Connection, about: str) -> None:
            self._audit.append(connection, tenant=tenant, actor=by, action=action, subject=about, details=details)

        return record

    # --- tenants ---

    def _folders(self) -> list[str]:
        return [one.name for one in tenant_folders(self._settings.reports_dir)]

    def _refreshed(self, tenant: str) -> _Tenant:
        with self._lock:
            one = self._tenants.setdefault(tenant, _Tenant(self._made(tenant)))
            folder = _inside(self._settings.reports_dir, tenant)
            try:
                signature = _signature(folder)
                if signature != one.signature or one.problem:
                    one.jobs.reload()
                one.signature, one.problem = signature, ""
            except (ConfigurationError, OSError) as problem:
                text = str(problem) if isinstance(problem, ConfigurationError) else f"{tenant}: {problem.strerror}"
                if text != one.problem:
                    log.error("report subscriptions cannot be used", tenant=tenant, error=text)
                one.problem = text
            return one

    def _made(self, tenant: str) -> DeliveryJobs:
        settings = self._settings
        return DeliveryJobs(
            self._state,
            self._clock,
            tenant,
            _inside(settings.reports_dir, tenant),
            lambda: self._kpis_of(tenant).calendar,
            partial(self._render, tenant),
            Sender(
                self._environment,
                _inside(settings.report_files_dir, tenant),
                self._smtp,
                self._private_hosts,
            ),
            settings.report_spool / hashlib.sha256(tenant.encode()).hexdigest()[:16],
            keep=timedelta(days=settings.report_spool_days),
            known_kpis=lambda: {one.id for one in self._kpis_of(tenant).catalogue},
            observe=lambda kind, outcome: self._attempts.labels(kind, outcome).inc(),
            stopping=self._stopping,
        )

    def _render(self, tenant: str, one: Subscription, start: datetime, end: datetime, file: BinaryIO) -> Rendered:
        question = ExportQuestion(start, end, one.grain, one.kpis, one.dimensions, one.dimension_values)
        now, own = self._clock.now(), self._kpis_of(tenant)
        frozen = Baselines(self._state, self._clock).in_force(tenant)
        report = build_report(
            self._ch, tenant, own.catalogue, question,
            now=now, calendar=own.calendar, title=one.title, baselines=frozen, currency=own.currency, brand=own.brand,
        )  # fmt: skip
        kind = format_named(one.format)
        if kind.name in WITH_LISTS:
            report = self._happenings.told(report)
        kind.write(report, file)
        return Rendered(file_name(report, kind), kind.media_type, report.data_through, tuple(_headlines(report)))


def tenant_folders(root: Path | None) -> list[Path]:
    """The folders of tenants below `reports_dir`; each is named as its tenant is."""
    if root is None or not root.is_dir():
        return []
    return [one for one in root.iterdir() if not one.name.startswith(".") and one.is_dir()]


def _inside(root: Path | None, tenant: str) -> Path | None:
    """The tenant's folder; none for a tenant whose name would lead elsewhere."""
    plain = tenant and not tenant.startswith(".") and not any(sign in tenant for sign in "/\\\0")
    return root / tenant if root is not None and plain else None


def _signature(folder: Path | None) -> Signature:
    found = subscription_files(folder) if folder else []
    return tuple((file.name, (stat := file.stat()).st_mtime_ns, stat.st_size) for file in found)


def _smtp(settings: Settings) -> Smtp | None:
    if not settings.smtp_host:
        return None
    context = ssl.create_default_context()
    if settings.smtp_ca_file:
        try:
            context.load_verify_locations(settings.smtp_ca_file)
        except (OSError, ssl.SSLError) as problem:
            raise ConfigurationError(f"smtp_ca_file {settings.smtp_ca_file} cannot be used: {problem}") from None
    return Smtp(
        settings.smtp_host,
        settings.smtp_sender,
        settings.smtp_port,
        settings.smtp_security,
        settings.smtp_user,
        settings.smtp_password,
        tls=context,
    )


def _listed(jobs: DeliveryJobs, one: Subscription) -> dict[str, Any]:
    last = next(iter(jobs.history(1, subscription=one.id)), None)
    return {
        "id": one.id,
        "title": one.title,
        "format": one.format,
        "kpis": list(one.kpis),
        "period": one.period,
        "grain": one.grain,
        "schedule": one.schedule,
        "next_due": jobs.next_due(one),
        "to": [{"kind": target.kind, "target": describe(target)} for target in one.to],
        "problem": jobs.problem(one.id),
        "last_run": last,
    }


def _headlines(report: Report) -> list[tuple[str, str]]:
    return [(one.name, _headline(one, one.headline)) for one in report.kpis if one.headline is not None]


def _headline(kpi: ReportKpi, headline: Headline) -> str:
    text = quantity(headline.value, kpi.unit, kpi.currency)
    if headline.target is not None:
        text += f" (target {quantity(headline.target, kpi.unit, kpi.currency)})"
    return text
