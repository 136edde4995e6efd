"""How a tenant's reports stand, as gauges; who scrapes sees those of the tenant of the key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from kpis.deliveries.standing import Standing


def render_gauges(tenant: str, standings: Sequence[Standing]) -> bytes:
    """In Prometheus' text format; one series of each report, the last delivery's when there was one."""
    return generate_latest(_Families(tenant, standings))


class _Families(Collector):
    """Looks like a registry to the exposition."""

    def __init__(self, tenant: str, standings: Sequence[Standing]) -> None:
        self._tenant, self._standings = tenant, standings

    def collect(self) -> Iterator[Metric]:
        labels = ("tenant", "report")
        missing = GaugeMetricFamily(
            "opsintel_report_undelivered",
            "Targets that the newest run of a report has not reached: failed, or waiting for another attempt.",
            labels=labels,
        )
        last = GaugeMetricFamily(
            "opsintel_report_last_delivery_timestamp_seconds",
            "When every target of a run of the report last had it.",
            labels=labels,
        )
        for one in self._standings:
            name = (self._tenant, one.subscription)
            missing.add_metric(name, max(len(one.troubles), int(one.troubled)))
            if one.last_sent is not None:
                last.add_metric(name, one.last_sent.timestamp())
        yield from (missing, last)
