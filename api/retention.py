"""Retention with its audit: who changed what is kept for how long, and what went because of it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from api.jsonable import jsonable
from api.services import Services
from control import AuditChain
from core import DEFAULT_TENANT, get_logger
from storage import StateDb
from storage.retention import EVERYBODY, Dataset, Decision, InForce, Policy, PolicyStore, RunReport

JOB = "retention job"
DROPS_SHOWN = 20
log = get_logger("api.retention")


def overview(services: Services, tenant: str) -> dict[str, Any]:
    """What is kept of a tenant, as the tables say, and what was dropped last."""
    return {
        "datasets": [in_force_json(one) for one in services.retention.in_force(tenant)],
        "drops": jsonable(services.retention.drops(tenant, DROPS_SHOWN)),
    }


@dataclass(frozen=True)
class Keeping:
    """Changes policies and records drops, in the audit chain too. What concerns everybody is in the default chain."""

    state: StateDb
    audit: AuditChain
    policies: PolicyStore

    def change(self, tenant: str, dataset: Dataset, days: int | None, by: str) -> Policy:
        """Sets a policy and writes it into the chain, together or not at all. Raises InvalidInput."""
        before = self.policies.read().of(tenant, dataset)
        details = {"days": days, "before": before.days, "source_before": before.source}
        return self.policies.set(
            tenant, dataset, days, by, lambda to: self._write(to, tenant, by, "retention.set", dataset.value, details)
        )

    def reset(self, tenant: str, dataset: Dataset, by: str) -> Policy:
        """Takes a policy back; what holds for everybody holds again."""
        before = self.policies.read().of(tenant, dataset)
        details = {"before": before.days, "source_before": before.source}
        return self.policies.unset(
            tenant, dataset, lambda to: self._write(to, tenant, by, "retention.reset", dataset.value, details)
        )

    def dropped(self, report: RunReport, by: str) -> None:
        """One entry for each tenant that something was dropped of."""
        grouped: dict[str, list[Decision]] = defaultdict(list)
        for decision in report.dropped:
            grouped[decision.partition.tenant].append(decision)
        for tenant, decisions in grouped.items():
            details = {
                "partitions": sorted({f"{one.partition.table.name} {one.partition.name}" for one in decisions})[:100],
                "partitions_in_all": len(decisions),
                "rows": sum(one.partition.rows for one in decisions),
                "bytes": sum(one.partition.bytes for one in decisions),
            }
            subject = ", ".join(sorted({one.partition.dataset.value for one in decisions}))
            with self.state.begin() as connection:
                self._write(connection, tenant, by, "retention.dropped", subject, details)

    def _write(
        self, connection: Connection, tenant: str, by: str, action: str, subject: str, details: dict[str, Any]
    ) -> None:
        chain = DEFAULT_TENANT if tenant == EVERYBODY else tenant
        whose = {"tenant": EVERYBODY} if tenant == EVERYBODY else {}
        self.audit.append(
            connection, tenant=chain, actor=by, action=action, subject=subject, details={**details, **whose}
        )


def keeping(services: Services) -> Keeping:
    """On a running service's stores."""
    return Keeping(services.state, services.audit, services.retention.policies)


def run(services: Services, tenant: str | None = None, by: str = JOB) -> RunReport:
    """Drops what is due, of one tenant or of all, and writes that into the audit chain."""
    report = services.retention.run(tenant)
    keeping(services).dropped(report, by)
    if report.failed:
        log.error("retention could not drop everything", failed=len(report.failed), dropped=len(report.dropped))
    return report


def in_force_json(one: InForce) -> dict[str, Any]:
    """Policy and facts side by side."""
    policy = one.policy
    return {
        "dataset": policy.dataset.value,
        "days": policy.days,
        "source": policy.source,
        "changed_by": policy.changed_by or None,
        "changed_at": jsonable(policy.changed_at),
        "rows": one.rows,
        "bytes_on_disk": one.bytes,
        "partitions": one.partitions,
        "oldest": jsonable(one.oldest),
        "newest": jsonable(one.newest),
        "next_drop": jsonable(one.next_drop),
        "overdue_partitions": one.overdue,
        "tables": jsonable(one.tables),
    }


def report_json(report: RunReport) -> dict[str, Any]:
    """A run, partition by partition."""
    return {
        "at": jsonable(report.at),
        "dry_run": report.dry_run,
        "rows": report.rows,
        "bytes_on_disk": report.bytes,
        "partitions": decisions_json(report.dropped),
        "failed": [{**decisions_json([one])[0], "error": why} for one, why in report.failed],
    }


def decisions_json(decisions: list[Decision] | tuple[Decision, ...]) -> list[dict[str, Any]]:
    """Partitions that go."""
    return [
        {
            "table": one.partition.table.name,
            "dataset": one.partition.dataset.value,
            "tenant": one.partition.tenant,
            "partition": one.partition.name,
            "rows": one.partition.rows,
            "bytes_on_disk": one.partition.bytes,
            "oldest": jsonable(one.partition.oldest),
            "newest": jsonable(one.partition.newest),
            "days": one.days,
        }
        for one in decisions
    ]
