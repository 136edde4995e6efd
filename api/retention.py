"""Retention with its audit: who changed what is kept for how long, and what went because of it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from api.jsonable import jsonable
from api.services import Services
from core import get_logger
from storage.retention import Dataset, Decision, InForce, Policy, RunReport

JOB = "retention job"
DROPS_SHOWN = 20
log = get_logger("api.retention")


def overview(services: Services, tenant: str) -> dict[str, Any]:
    """What is kept of a tenant, as the tables say, and what was dropped last."""
    return {
        "datasets": [in_force_json(one) for one in services.retention.in_force(tenant)],
        "drops": jsonable(services.retention.drops(tenant, DROPS_SHOWN)),
    }


def change(services: Services, tenant: str, dataset: Dataset, days: int | None, by: str) -> Policy:
    """Sets a tenant's policy and writes it into the audit chain, together or not at all. Raises InvalidInput."""
    before = services.retention.policies.read().of(tenant, dataset)
    return services.retention.policies.set(
        tenant,
        dataset,
        days,
        by,
        lambda connection: services.audit.append(
            connection,
            tenant=tenant,
            actor=by,
            action="retention.set",
            subject=dataset.value,
            details={"days": days, "before": before.days, "source_before": before.source},
        ),
    )


def reset(services: Services, tenant: str, dataset: Dataset, by: str) -> Policy:
    """Takes a tenant's own policy back; what holds for everybody holds again."""
    before = services.retention.policies.read().of(tenant, dataset)
    return services.retention.policies.unset(
        tenant,
        dataset,
        lambda connection: services.audit.append(
            connection,
            tenant=tenant,
            actor=by,
            action="retention.reset",
            subject=dataset.value,
            details={"before": before.days, "source_before": before.source},
        ),
    )


def run(services: Services, tenant: str | None = None, by: str = JOB) -> RunReport:
    """Drops what is due and writes one audit entry for each tenant that something was dropped of."""
    report = services.retention.run(tenant)
    dropped: dict[str, list[Decision]] = defaultdict(list)
    for decision in report.dropped:
        dropped[decision.partition.tenant].append(decision)
    for owner, decisions in dropped.items():
        tables = sorted({f"{one.partition.table.name} {one.partition.name}" for one in decisions})
        with services.state.begin() as connection:
            services.audit.append(
                connection,
                tenant=owner,
                actor=by,
                action="retention.dropped",
                subject=", ".join(sorted({one.partition.dataset.value for one in decisions})),
                details={
                    "partitions": tables[:100],
                    "partitions_in_all": len(decisions),
                    "rows": sum(one.partition.rows for one in decisions),
                    "bytes": sum(one.partition.bytes for one in decisions),
                },
            )
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
