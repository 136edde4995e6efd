"""Frozen baselines: what a KPI was in a period, kept with who froze it, when and why.

A baseline keeps the sample and its value as they were at the freeze: late data changes the KPI's history, not the
baseline. A new freeze supersedes the one before, which stays in the history; nothing is overwritten or deleted. A
baseline of another version of the definition is never compared with: it is named instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from core.clock import Clock
from core.errors import InvalidInput
from kpis.value.compare import Change, Direction, compare
from kpis.value.intervals import LEVEL
from kpis.value.samples import QuantileSample, Sample, dump, load
from storage.state.baseline_tables import KPI_BASELINES
from storage.state.database import StateDb

MOST_SHOWN = 1_000
KEPT_VALUES = 2_000
"""A quantile's sample is thinned to so many values, see QuantileSample.thinned."""


@dataclass(frozen=True)
class BaselineKey:
    """What a baseline is of. basis, dimension, dimension_value and stream are '' where there is none or all is meant."""  # noqa: E501

    tenant: str
    kpi_id: str
    version: int
    basis: str = ""
    dimension: str = ""
    dimension_value: str = ""
    stream: str = ""


@dataclass(frozen=True)
class Baseline:
    """One freeze of the period [start, end). value: the sample's estimate at the freeze, in the KPI's unit."""

    id: int
    key: BaselineKey
    start: datetime
    end: datetime
    value: float
    sample: Sample
    data_through: datetime
    frozen_by: str
    frozen_at: datetime
    reason: str


@dataclass(frozen=True)
class NoBaseline:
    """Nothing was frozen for the key."""

    key: BaselineKey


@dataclass(frozen=True)
class OtherVersion:
    """There is a baseline, of another version of the definition: its number means something else."""

    key: BaselineKey
    baseline: Baseline


class Baselines:
    """The baselines in the state database. Raises core.StorageError when it fails."""

    def __init__(self, state: StateDb, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    def freeze(
        self,
        key: BaselineKey,
        start: datetime,
        end: datetime,
        sample: Sample,
        *,
        data_through: datetime,
        by: str,
        reason: str,
        record: Callable[[Connection, Baseline], object] = lambda _connection, _baseline: None,
    ) -> Baseline:
        """Freezes the period [start, end). record: writes what was done elsewhere, in the same transaction.

        Raises InvalidInput for a period that is inverted, naive or not over (data_through is before its end), for a
        sample without an estimate, and without a name and a reason.
        """
        now = self._clock.now()
        _check(key, start, end, data_through, now, by, reason)
        kept = sample.thinned(KEPT_VALUES) if isinstance(sample, QuantileSample) else sample
        if (value := sample.estimate) is None:
            raise InvalidInput(f"{key.kpi_id} has no value in this period", hint="choose a period with decided cases")
        row = {
            **vars(key),
            "period_start": start,
            "period_end": end,
            "value": value,
            "sample": dump(kept),
            "data_through": data_through,
            "frozen_by": by.strip(),
            "frozen_at": now,
            "reason": reason.strip(),
        }
        with self._state.begin() as connection:
            given = connection.execute(insert(KPI_BASELINES).values(row)).inserted_primary_key
            assert given is not None
            made = Baseline(given[0], key, start, end, value, kept, data_through, row["frozen_by"], now, row["reason"])
            record(connection, made)
        return made

    def current(self, key: BaselineKey) -> Baseline | OtherVersion | NoBaseline:
        """The newest freeze of the key's version; where there is none, the newest of another version, named as such."""
        found = self.history(key)
        if not found:
            return NoBaseline(key)
        same = next((one for one in found if one.key.version == key.version), None)
        return same or OtherVersion(key, found[0])

    def history(self, key: BaselineKey) -> list[Baseline]:
        """Every freeze of the key, of all versions, the newest first."""
        table = KPI_BASELINES.c
        names = [name for name in vars(key) if name != "version"]
        query = (
            select(KPI_BASELINES)
            .where(*(table[name] == getattr(key, name) for name in names))
            .order_by(table.id.desc())
        )
        with self._state.connect() as connection:
            return [_baseline(row) for row in connection.execute(query).mappings()]

    def of_tenant(self, tenant: str, kpi_id: str = "") -> list[Baseline]:
        """Every freeze of the tenant, of one KPI where it is named, the newest first."""
        query = select(KPI_BASELINES).where(KPI_BASELINES.c.tenant == tenant).order_by(KPI_BASELINES.c.id.desc())
        if kpi_id:
            query = query.where(KPI_BASELINES.c.kpi_id == kpi_id)
        with self._state.connect() as connection:
            return [_baseline(row) for row in connection.execute(query.limit(MOST_SHOWN)).mappings()]

    def in_force(self, tenant: str) -> dict[tuple[str, int, str], float]:
        """The values in force of whole KPIs, by KPI, version and basis."""
        table = KPI_BASELINES.c
        query = (
            select(table.kpi_id, table.version, table.basis, table.value)
            .where(table.tenant == tenant, table.dimension == "", table.stream == "")
            .order_by(table.id)
        )
        with self._state.connect() as connection:
            return {(kpi, version, basis): value for kpi, version, basis, value in connection.execute(query)}


def compare_with_baseline(
    found: Baseline | OtherVersion | NoBaseline, now: Sample, direction: Direction, level: float = LEVEL
) -> Change | OtherVersion | NoBaseline:
    """The change since the baseline; what is no baseline of this version is handed through, it is not compared."""
    return compare(found.sample, now, direction, level) if isinstance(found, Baseline) else found


def _check(
    key: BaselineKey, start: datetime, end: datetime, through: datetime, now: datetime, by: str, reason: str
) -> None:
    if any(at.tzinfo is None for at in (start, end, through)):
        raise InvalidInput("a baseline's times must name their zone", hint="for example 2026-03-01T00:00:00Z")
    if start >= end:
        raise InvalidInput(f"a baseline's period must end after its start, got {start} to {end}")
    if end > min(now, through):
        raise InvalidInput(
            f"the period to {end} is not over: data is complete through {min(now, through)}",
            hint="a baseline is frozen of a finished period",
        )
    if key.version < 1 or not key.tenant or not key.kpi_id:
        raise InvalidInput(f"a baseline needs a tenant, a KPI and a version of 1 or more, got {key!r}")
    for what, text, longest in (("name", by, 256), ("reason", reason, 1000)):
        if not 1 <= len(text.strip()) <= longest:
            raise InvalidInput(f"a baseline needs a {what} of 1 to {longest} characters, got {len(text.strip())}")


def _baseline(row: Mapping[Any, Any]) -> Baseline:
    names = ("tenant", "kpi_id", "version", "basis", "dimension", "dimension_value", "stream")
    return Baseline(
        id=row["id"],
        key=BaselineKey(**{name: row[name] for name in names}),
        start=row["period_start"],
        end=row["period_end"],
        value=row["value"],
        sample=load(row["sample"]),
        data_through=row["data_through"],
        frozen_by=row["frozen_by"],
        frozen_at=row["frozen_at"],
        reason=row["reason"],
    )
