"""What each tenant may push: the settings' default, and what operators wrote into the state database since.

Every process reads the table again every few seconds, in a thread of its own, so that no request ever waits for it;
while the database is away the last known limits hold.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from core import Clock, InvalidInput, NotFound, OpsintelError, Rates, get_logger
from storage import StateDb
from storage.state.limit_tables import INGEST_LIMITS

_log = get_logger("collector.limits")
READ_S = 3.0
WEIGHTS = (0.1, 10.0)


@dataclass(frozen=True)
class TenantLimits:
    """A tenant's own limits; None in the rates means the default. `weight`: its part when memory is shared."""

    tenant: str
    rates: Rates
    weight: float = 1.0
    changed_at: datetime | None = None
    changed_by: str = ""


class LimitStore:
    """The table of overrides."""

    def __init__(self, state: StateDb, clock: Clock) -> None:
        self._state, self._clock = state, clock

    def all(self) -> list[TenantLimits]:
        """Every tenant that has limits of its own."""
        with self._state.connect() as connection:
            rows = connection.execute(select(INGEST_LIMITS).order_by(INGEST_LIMITS.c.tenant)).all()
        return [
            TenantLimits(
                row.tenant, Rates(row.bytes_per_s, row.items_per_s), row.weight, row.changed_at, row.changed_by
            )
            for row in rows
        ]

    def set(self, tenant: str, rates: Rates, *, weight: float = 1.0, by: str) -> TenantLimits:
        """Replaces a tenant's limits. Raises InvalidInput."""
        check_rates(rates)
        least, most = WEIGHTS
        if not least <= weight <= most:
            raise InvalidInput(f"a weight is {least:g} to {most:g}, got {weight:g}")
        found = TenantLimits(tenant, rates, weight, self._clock.now(), by)
        with self._state.begin() as connection:
            connection.execute(delete(INGEST_LIMITS).where(INGEST_LIMITS.c.tenant == tenant))
            connection.execute(
                insert(INGEST_LIMITS).values(
                    tenant=tenant,
                    bytes_per_s=rates.bytes_per_s,
                    items_per_s=rates.items_per_s,
                    weight=weight,
                    changed_at=found.changed_at,
                    changed_by=by,
                )
            )
        return found

    def clear(self, tenant: str) -> None:
        """The defaults hold again. Raises NotFound."""
        with self._state.begin() as connection:
            done = connection.execute(delete(INGEST_LIMITS).where(INGEST_LIMITS.c.tenant == tenant))
        if not done.rowcount:
            raise NotFound(f"the tenant {tenant!r} has no limits of its own")


def check_rates(rates: Rates) -> None:
    """Raises InvalidInput for what is no rate."""
    for name, value in (("bytes", rates.bytes_per_s), ("items", rates.items_per_s)):
        if value is not None and not 0 <= value < 1e15:
            raise InvalidInput(f"{name} a second must be 0 (no limit) or more, got {value:g}")


class LimitBook:
    """The limits in force, from memory; reads the table between `start` and `stop`."""

    def __init__(self, store: LimitStore, default: Rates) -> None:
        self._store, self._default = store, default
        self._tenants: dict[str, TenantLimits] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest-limits", daemon=True)

    def rates(self, tenant: str) -> Rates:
        """With the defaults filled in; 0 or None is no limit."""
        own = self._tenants.get(tenant)
        if own is None:
            return self._default
        rates, default = own.rates, self._default
        return Rates(
            default.bytes_per_s if rates.bytes_per_s is None else rates.bytes_per_s,
            default.items_per_s if rates.items_per_s is None else rates.items_per_s,
        )

    def weight(self, tenant: str) -> float:
        """1 unless somebody said otherwise."""
        own = self._tenants.get(tenant)
        return own.weight if own else 1.0

    def read(self) -> None:
        """Reads the table now. Raises StorageError."""
        self._tenants = {one.tenant: one for one in self._store.all()}

    def start(self) -> None:
        """Begins to follow the table."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        known = True
        while not self._stopping.wait(READ_S):
            try:
                self.read()
                known = True
            except OpsintelError as error:
                if known:
                    _log.warning("the limits cannot be read; the last ones hold", error=error.message)
                known = False
