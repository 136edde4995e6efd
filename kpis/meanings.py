"""What a version of a tenant's own or changed KPI meant when it was first in force, so that none changes in silence.

The numbers stored under a version are those of one meaning. Another meaning under the same version would stand beside
them as one series, half old and half new; so it is refused, with the version to raise named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from core import Clock, StoreUnavailable
from kpis.definitions import KpiDefinition
from storage.state.meaning_tables import KPI_MEANINGS

if TYPE_CHECKING:
    from storage import StateDb

NUMBERS = (
    "view",
    "at",
    "until",
    "where",
    "statistic",
    "numerator",
    "denominator",
    "open",
    "parameters",
    "excluded",
    "bases",
)
"""The keys that the numbers depend on; names and words of a basis do not matter, its expressions do."""


def meaning(definition: KpiDefinition) -> str:
    """A hash of all that the numbers of a definition depend on."""
    said: list[object] = [getattr(definition, key) for key in NUMBERS[:8]]
    said.append(sorted(definition.parameters.items()))
    said.append([one.when for one in definition.excluded])
    said.append(
        [
            (
                one.id,
                one.statistic,
                one.at,
                one.where,
                one.open,
                one.numerator,
                one.denominator,
                None if one.excluded is None else [each.when for each in one.excluded],
            )
            for one in definition.bases
        ]
    )
    return hashlib.sha256(repr(said).encode()).hexdigest()[:32]


class Meanings:
    """The meanings in the state database. Raises core.StorageError when it fails."""

    def __init__(self, state: StateDb, clock: Clock) -> None:
        self._state, self._clock = state, clock

    def taken(self, tenant: str, definition: KpiDefinition) -> bool:
        """Remembers what the version means; False when it was in force with another meaning."""
        told = meaning(definition)
        if (before := self._known(tenant, definition)) is not None:
            return before == told
        row = {
            "tenant": tenant,
            "kpi_id": definition.id,
            "version": definition.version,
            "meaning": told,
            "since": self._clock.now(),
        }
        try:
            with self._state.begin() as connection:
                connection.execute(insert(KPI_MEANINGS).values(row))
        except StoreUnavailable as error:
            if isinstance(error.__cause__, IntegrityError):  # another process was first
                return self._known(tenant, definition) == told
            raise
        return True

    def versions(self, tenant: str, kpi_id: str) -> Sequence[int]:
        """The versions that were in force, ascending."""
        table = KPI_MEANINGS.c
        query = select(table.version).where(table.tenant == tenant, table.kpi_id == kpi_id).order_by(table.version)
        with self._state.connect() as connection:
            return list(connection.scalars(query))

    def _known(self, tenant: str, definition: KpiDefinition) -> str | None:
        table = KPI_MEANINGS.c
        query = select(table.meaning).where(
            table.tenant == tenant, table.kpi_id == definition.id, table.version == definition.version
        )
        with self._state.connect() as connection:
            found: str | None = connection.scalar(query)
        return found
