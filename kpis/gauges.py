"""KPIs on `/metrics`, for those who have Prometheus already.

Shown is the newest hour that is over (everything received until its end is taken in) and settled, of the last week; an
hour, because a scrape comes every minute or so and a day would stand still, and no shorter one is stored. A KPI that
has no such hour is not shown. Totals only, no dimensions, and no more series than a limit, so their number is bounded.
Who scrapes sees the KPIs of the tenant of the key, as everywhere else.

The engine is asked by a job (`refresh`), not by a scrape: a scrape reads what the last run saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from core import Clock
from kpis.overrides import TenantDefinitions
from metrics.read_models import as_utc, sql_second
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

PAST = timedelta(days=7)


@dataclass(frozen=True)
class _Shown:
    tenant: str
    kpi: str
    basis: str
    unit: str
    target: float | None
    value: float
    sample_size: int
    bucket_start: datetime
    data_through: datetime


class KpiGauges:
    """What the last refresh saw, as gauges. One thread refreshes, any may scrape. most: series of a tenant."""

    def __init__(self, ch: ClickHouse, clock: Clock, definitions: TenantDefinitions, most: int) -> None:
        self._ch, self._clock, self._definitions, self._most = ch, clock, definitions, most
        self._shown: Mapping[str, Sequence[_Shown]] = {}

    def refresh(self) -> None:
        """Reads the values in force. Raises core.StorageError, and then shows what it showed before."""
        usual = self._definitions.usual.catalogue
        asked = {
            "since": sql_second(self._clock.now() - PAST),
            "ids": [one.id for one in usual],
            "shares": [one.settled_open_share for one in usual],
        }
        found: dict[str, list[_Shown]] = {}
        for row in self._ch.query(load_sql("kpis", "gauge_values"), asked).dicts():
            if one := self._of(row):
                found.setdefault(one.tenant, []).append(one)
        self._shown = found

    def render(self, tenant: str) -> bytes:
        """The tenant's gauges in Prometheus' text format."""
        shown = self._shown.get(tenant, ())
        return generate_latest(_Families(shown[: self._most], max(0, len(shown) - self._most)))

    def _of(self, row: dict[str, Any]) -> _Shown | None:
        """What is shown of a stored value; None for a version or basis that is not in force."""
        definition = self._definitions.of(row["Tenant"]).catalogue.definitions.get(row["Kpi"])
        if definition is None or definition.version != int(row["Version"]) or row["Value"] is None:
            return None
        if row["Basis"] not in definition.basis_ids:
            return None
        return _Shown(
            row["Tenant"],
            definition.id,
            row["Basis"],
            definition.unit,
            definition.target,
            float(row["Value"]),
            int(row["SampleSize"]),
            as_utc(row["BucketStart"]),
            as_utc(row["DataThrough"]),
        )


class _Families(Collector):
    """Looks like a registry to the exposition."""

    def __init__(self, shown: Sequence[_Shown], left_out: int) -> None:
        self._shown, self._left_out = shown, left_out

    def collect(self) -> Iterator[Metric]:
        by_basis = ("tenant", "kpi", "basis")
        value = GaugeMetricFamily(
            "opsintel_kpi_value",
            "A KPI's newest complete and settled hour, in the unit that the label names (ratio: 0 to 1).",
            labels=(*by_basis, "unit"),
        )
        target = GaugeMetricFamily(
            "opsintel_kpi_target", "What is wanted of a KPI, in its unit.", labels=("tenant", "kpi", "unit")
        )
        sample = GaugeMetricFamily("opsintel_kpi_sample_size", "Cases behind the value.", labels=by_basis)
        start = GaugeMetricFamily(
            "opsintel_kpi_bucket_start_timestamp_seconds", "When the hour of the value began.", labels=by_basis
        )
        through = GaugeMetricFamily(
            "opsintel_kpi_data_through_timestamp_seconds",
            "Everything received until then is in the KPI's values.",
            labels=("tenant", "kpi"),
        )
        left_out = GaugeMetricFamily(
            "opsintel_kpi_series_left_out", "KPI values that are not shown: there are more than kpi_gauges_max_series."
        )
        told: set[tuple[str, str]] = set()
        for one in self._shown:
            name = (one.tenant, one.kpi, one.basis)
            value.add_metric((*name, one.unit), one.value)
            sample.add_metric(name, one.sample_size)
            start.add_metric(name, one.bucket_start.timestamp())
            if name[:2] in told:
                continue
            told.add(name[:2])
            through.add_metric(name[:2], one.data_through.timestamp())
            if one.target is not None:
                target.add_metric((*name[:2], one.unit), one.target)
        left_out.add_metric((), self._left_out)
        yield from (value, target, sample, start, through, left_out)
