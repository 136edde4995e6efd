"""How long each dataset is to be kept: a tenant's own policy, else everybody's, else what is built in.

Kept in the state database, so that it is changed at run time, beside a running service too. A policy is a wish; what is
in force is read back from the tables (service.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select

from core.clock import Clock
from core.errors import InvalidInput
from storage.retention.datasets import Dataset
from storage.state.database import StateDb
from storage.state.retention_tables import RETENTION_POLICIES as TABLE

EVERYBODY = "*"
MOST_DAYS = 36_500
BUILT_IN: Mapping[Dataset, int | None] = {
    Dataset.TRACES: 30,
    Dataset.LOGS: 30,
    Dataset.METRICS: 90,
    Dataset.QUARANTINE: 90,
    Dataset.EVENTS: None,
    Dataset.KPIS: None,
    Dataset.HISTORY: None,
}
"""Days, None for ever. What machines send grows without end; what the business did is small and asked for years on."""


@dataclass(frozen=True)
class Policy:
    """What holds for a tenant's dataset. `days` is None for ever; `source`: the tenant, `*` or `built-in`."""

    dataset: Dataset
    days: int | None
    source: str = "built-in"
    changed_by: str = ""
    changed_at: datetime | None = None


class Policies:
    """All policies at one moment; pure."""

    def __init__(self, stored: Mapping[tuple[str, Dataset], Policy]) -> None:
        self._stored = dict(stored)

    def of(self, tenant: str, dataset: Dataset) -> Policy:
        """What holds for the tenant."""
        for owner in (tenant, EVERYBODY):
            if (owner, dataset) in self._stored:
                return self._stored[owner, dataset]
        return Policy(dataset, BUILT_IN[dataset])

    def changed(self, tenant: str, dataset: Dataset, days: int | None) -> Policies:
        """These policies with one other wish, to see what it would do."""
        return Policies({**self._stored, (tenant, dataset): Policy(dataset, days, tenant)})


def checked_days(days: int | None) -> int | None:
    """The days, when they make sense; raises InvalidInput."""
    if days is None:
        return None
    if isinstance(days, bool) or not 1 <= days <= MOST_DAYS:
        raise InvalidInput(
            f"data is kept for 1 to {MOST_DAYS:,} days, got {days}",
            hint="leave the days out (null) to keep it for ever",
        )
    return days


def nothing(_: Connection) -> None:
    """Writes nothing."""


class PolicyStore:
    """Policies in the state database. Raises core.StorageError when it fails."""

    def __init__(self, state: StateDb, clock: Clock) -> None:
        self._state, self._clock = state, clock

    def read(self) -> Policies:
        """All of them."""
        with self._state.connect() as connection:
            rows = connection.execute(select(TABLE)).all()
        known = {one.value for one in Dataset}
        return Policies(
            {
                (row.tenant, Dataset(row.dataset)): Policy(
                    Dataset(row.dataset), row.days, row.tenant, row.changed_by, row.changed_at
                )
                for row in rows
                if row.dataset in known  # another release may know more
            }
        )

    def set(
        self, tenant: str, dataset: Dataset, days: int | None, by: str, also: Callable[[Connection], object] = nothing
    ) -> Policy:
        """Keeps the dataset of a tenant (or of `*`) for so many days, None for ever. Raises InvalidInput.

        `also` writes in the same transaction: the audit entry.
        """
        now = self._clock.now()
        policy = Policy(dataset, checked_days(days), tenant, by, now)
        with self._state.begin() as connection:
            connection.execute(delete(TABLE).where(_this(tenant, dataset)))
            connection.execute(
                insert(TABLE).values(
                    tenant=tenant, dataset=dataset.value, days=policy.days, changed_by=by, changed_at=now
                )
            )
            also(connection)
        return policy

    def unset(self, tenant: str, dataset: Dataset, also: Callable[[Connection], object] = nothing) -> Policy:
        """Takes a tenant's own policy back; returns what holds then."""
        with self._state.begin() as connection:
            connection.execute(delete(TABLE).where(_this(tenant, dataset)))
            also(connection)
        return self.read().of(tenant, dataset)


def _this(tenant: str, dataset: Dataset) -> ColumnElement[bool]:
    return and_(TABLE.c.tenant == tenant, TABLE.c.dataset == dataset.value)
