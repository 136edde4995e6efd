"""Retention at work: says what is in force, what would go, and drops it.

Every drop is logged, counted and recorded. A run never begins right after the clock has jumped: a machine that
believes for a moment to be in another year must not drop the year before. It does not promise that a partition goes at
the minute it is due; the next run takes it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter
from sqlalchemy import delete, insert, select

from core.clock import Clock
from core.errors import Conflict, InvalidInput, StorageError
from core.logs import get_logger
from storage.clickhouse.client import ClickHouse
from storage.retention.datasets import Dataset
from storage.retention.partitions import Partition, drop_partition, list_partitions, newest_moment
from storage.retention.plan import Decision, plan
from storage.retention.policies import EVERYBODY, Policies, Policy, PolicyStore, checked_days
from storage.state.database import StateDb
from storage.state.retention_tables import RETENTION_DROPS as DROPS

JUMP_S = 3_600.0
"""Wall and monotonic clock may drift apart by so much between two runs before one run is left out."""
REMEMBERED = timedelta(days=400)
_log = get_logger("storage.retention")


@dataclass(frozen=True)
class TableInForce:
    """What one table holds of a dataset, from the engine. Times are None when it is empty."""

    table: str
    partitions: int
    parts: int
    rows: int
    bytes: int
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True)
class InForce:
    """The wish for a dataset beside what is there.

    `rows` without look-up tables, `bytes` with them. `next_drop`: when the next partition goes; `overdue`: how many
    go with the next run.
    """

    policy: Policy
    rows: int
    bytes: int
    partitions: int
    oldest: datetime | None
    newest: datetime | None
    next_drop: datetime | None
    overdue: int
    tables: tuple[TableInForce, ...]


@dataclass(frozen=True)
class RunReport:
    """What a run dropped, or would have dropped; `failed` could not be dropped and are tried again by the next run."""

    at: datetime
    dry_run: bool
    dropped: tuple[Decision, ...] = ()
    failed: tuple[tuple[Decision, str], ...] = ()

    @property
    def rows(self) -> int:
        """Rows in the dropped partitions."""
        return sum(one.partition.rows for one in self.dropped)

    @property
    def bytes(self) -> int:
        """Bytes on disk of the dropped partitions."""
        return sum(one.partition.bytes for one in self.dropped)


@dataclass
class _Numbers:
    registry: CollectorRegistry
    partitions: Counter = field(init=False)
    rows: Counter = field(init=False)
    bytes: Counter = field(init=False)
    failures: Counter = field(init=False)
    jumps: Counter = field(init=False)

    def __post_init__(self) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(f"opsintel_retention_{name}", text, ("dataset",), registry=self.registry)

        self.partitions = counter("dropped_partitions", "Partitions dropped by retention.")
        self.rows = counter("dropped_rows", "Rows in the partitions dropped by retention.")
        self.bytes = counter("dropped_bytes", "Bytes on disk of the partitions dropped by retention.")
        self.failures = counter("failed_drops", "Drops that failed; the next run tries again.")
        self.jumps = Counter(
            "opsintel_retention_clock_jumps", "Runs left out because the clock had jumped.", registry=self.registry
        )


class Retention:
    """See the module; thread-safe. Raises core.StorageError when a store fails."""

    def __init__(self, ch: ClickHouse, state: StateDb, clock: Clock, registry: CollectorRegistry | None = None) -> None:
        self._ch, self._state, self._clock = ch, state, clock
        self.policies = PolicyStore(state, clock)
        self._numbers = _Numbers(registry or CollectorRegistry())
        self._lock = threading.Lock()
        self._seen = (clock.now(), clock.monotonic())

    # --- looking ---

    def in_force(self, tenant: str) -> list[InForce]:
        """For every dataset the wish, and what the tables say."""
        policies, now = self.policies.read(), self._clock.now()
        decisions = self._decide(policies, tenant, now)
        return [_in_force(policies.of(tenant, dataset), decisions) for dataset in Dataset]

    def would_drop(self, tenant: str, dataset: Dataset, days: int | None) -> list[Decision]:
        """What the next run would drop if this were the tenant's policy. Raises InvalidInput."""
        if tenant == EVERYBODY:
            raise InvalidInput("what a policy of everybody would do is told for one tenant at a time")
        policies = self.policies.read().changed(tenant, dataset, checked_days(days))
        return [one for one in self._decide(policies, tenant, self._clock.now()) if one.drop]

    def drops(self, tenant: str, limit: int = 100) -> list[dict[str, object]]:
        """The record of what was dropped, the newest first."""
        query = select(DROPS).where(DROPS.c.tenant == tenant).order_by(DROPS.c.id.desc()).limit(limit)
        with self._state.connect() as connection:
            return [
                {name: value for name, value in row._mapping.items() if name != "id"}
                for row in connection.execute(query)
            ]

    # --- dropping ---

    def run(self, tenant: str | None = None, *, dry_run: bool = False) -> RunReport:
        """Drops what is due, of one tenant or of all. Raises Conflict when the clock has just jumped."""
        with self._lock:
            now = self._clock.now()
            if not dry_run:
                self._refuse_after_jump(now)
            due = [one for one in self._decide(self.policies.read(), tenant, now) if one.drop]
            if dry_run:
                return RunReport(now, True, tuple(due))
            dropped, failed = [], []
            for decision in due:
                try:
                    self._drop(decision, now)
                except StorageError as error:
                    self._numbers.failures.labels(decision.partition.dataset.value).inc()
                    _log.error("partition not dropped", **_described(decision.partition), error=str(error))
                    failed.append((decision, error.message))
                else:
                    dropped.append(decision)
            with self._state.begin() as connection:
                connection.execute(delete(DROPS).where(DROPS.c.dropped_at < now - REMEMBERED))
            return RunReport(now, False, tuple(dropped), tuple(failed))

    def _decide(self, policies: Policies, tenant: str | None, now: datetime) -> list[Decision]:
        partitions = list_partitions(self._ch, tenant)
        return plan(partitions, policies, now, lambda one: newest_moment(self._ch, one))

    def _drop(self, decision: Decision, now: datetime) -> None:
        """The record first: a drop that nobody can account for is worse than a record of one that failed."""
        one = decision.partition
        with self._state.begin() as connection:
            key = connection.execute(insert(DROPS).values(_row(decision, now))).inserted_primary_key
        try:
            drop_partition(self._ch, one)
        except StorageError:
            with self._state.begin() as connection:
                connection.execute(delete(DROPS).where(DROPS.c.id == (key[0] if key else 0)))
            raise
        for counter, amount in (
            (self._numbers.partitions, 1),
            (self._numbers.rows, one.rows),
            (self._numbers.bytes, one.bytes),
        ):
            counter.labels(one.dataset.value).inc(amount)
        _log.info("partition dropped", **_described(one), days=decision.days)

    def clock_jump_s(self) -> float:
        """By how much the wall clock has run away from the monotonic one since the last run, in seconds."""
        before, before_s = self._seen
        return (self._clock.now() - before).total_seconds() - (self._clock.monotonic() - before_s)

    def _refuse_after_jump(self, now: datetime) -> None:
        jump = self.clock_jump_s()
        self._seen = (now, self._clock.monotonic())
        if abs(jump) > JUMP_S:
            self._numbers.jumps.inc()
            raise Conflict(
                f"the clock has jumped by {jump:+,.0f} s since the last run, so nothing is dropped by it now",
                hint="check the machine's time; the next run goes by it",
            )


def _row(decision: Decision, now: datetime) -> dict[str, object]:
    one = decision.partition
    return {
        "dropped_at": now,
        "tenant": one.tenant,
        "dataset": one.dataset.value,
        "table_name": one.table.name,
        "partition": one.name,
        "days": decision.days,
        "rows": one.rows,
        "bytes": one.bytes,
        "oldest": one.oldest,
        "newest": one.newest,
    }


def _described(one: Partition) -> dict[str, object]:
    return {
        "tenant": one.tenant,
        "dataset": one.dataset.value,
        "table": one.table.name,
        "partition": one.name,
        "rows": one.rows,
        "bytes": one.bytes,
        "oldest": one.oldest.isoformat(),
        "newest": one.newest.isoformat(),
    }


def _in_force(policy: Policy, decisions: Sequence[Decision]) -> InForce:
    own = [one for one in decisions if one.partition.dataset is policy.dataset]
    facts = [one for one in own if not one.partition.table.follows]
    tables = []
    for name in dict.fromkeys(one.partition.table.name for one in own):
        held = [one.partition for one in own if one.partition.table.name == name]
        tables.append(
            TableInForce(
                name,
                len(held),
                sum(one.parts for one in held),
                sum(one.rows for one in held),
                sum(one.bytes for one in held),
                min(one.oldest for one in held),
                max(one.newest for one in held),
            )
        )
    dues = [one.due for one in facts if one.due is not None and not one.drop]
    return InForce(
        policy,
        sum(one.partition.rows for one in facts),
        sum(one.partition.bytes for one in own),
        len(own),
        min((one.partition.oldest for one in facts), default=None),
        max((one.partition.newest for one in facts), default=None),
        min(dues, default=None),
        sum(one.drop for one in own),
        tuple(tables),
    )
