"""KPIs on /metrics, parsed back: the newest complete hour, of one's own tenant, bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families

from kpis import Catalogue, KpiJobs, load_catalogue
from kpis.gauges import KpiGauges
from kpis.overrides import TenantDefinitions
from kpis.periods import Calendar
from storage import ClickHouse
from tests.unit.kpis.events import Call, load_calls
from tests.unit.kpis.test_view_kpis import NOW, Shop, order

CHOSEN = load_catalogue().chosen(lambda one: one.id in ("orders_placed", "integration_failure_rate", "perfect_order"))


def scraped(gauges: KpiGauges, tenant: str) -> dict[tuple[str, ...], float]:
    """Samples by name and label values."""
    text = gauges.render(tenant).decode()
    return {
        (sample.name, *labels_of(sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if family.type == "gauge"
    }


def labels_of(labels: Mapping[str, str]) -> list[str]:
    return [labels[name] for name in ("kpi", "basis", "unit") if name in labels]


def test_the_newest_complete_hour(clickhouse: ClickHouse, tenant: str) -> None:
    """Nine o'clock is complete when something of ten o'clock was received; an unsettled hour does not stand."""
    hour = NOW - timedelta(hours=2)
    shop = Shop(clickhouse, tenant)
    shop.jobs = KpiJobs(clickhouse, shop.clock, CHOSEN, [tenant])
    load_calls(clickhouse, tenant, [Call("a->b", hour, 1, True), Call("a->b", hour, 2)], hour)
    shop.take(*(order(f"O{number}", f"{at(hour)}:0{number}") for number in range(3)))
    gauges = KpiGauges(clickhouse, shop.clock, TenantDefinitions(CHOSEN, Calendar(), shop.clock), 100)
    gauges.refresh()
    found = scraped(gauges, tenant)
    assert found["opsintel_kpi_value", "orders_placed", "", "count"] == 3
    assert found["opsintel_kpi_sample_size", "orders_placed", ""] == 3
    assert found["opsintel_kpi_bucket_start_timestamp_seconds", "orders_placed", ""] == hour.timestamp()
    assert found["opsintel_kpi_data_through_timestamp_seconds", "orders_placed"] >= hour.timestamp() + 3600
    assert ("opsintel_kpi_value", "perfect_order", "", "ratio") not in found, "nothing was decided"
    assert ("opsintel_kpi_value", "integration_failure_rate", "", "ratio") not in found, "its hour is not over"
    assert found["opsintel_kpi_series_left_out",] == 0
    assert scraped(gauges, "somebody else") == {("opsintel_kpi_series_left_out",): 0}


def test_what_is_not_in_force_is_not_shown_and_series_are_bounded(clickhouse: ClickHouse, tenant: str) -> None:
    shop = Shop(clickhouse, tenant)
    shop.jobs = KpiJobs(clickhouse, shop.clock, CHOSEN, [tenant])
    load_calls(clickhouse, tenant, [Call("a->b", NOW - timedelta(hours=3), 1, True)], NOW)
    shop.take(order("O1", f"{at(NOW - timedelta(hours=3))}:01"))
    few = KpiGauges(clickhouse, shop.clock, TenantDefinitions(CHOSEN, Calendar(), shop.clock), 1)
    few.refresh()
    found = scraped(few, tenant)
    assert [name for name in found if name[0] == "opsintel_kpi_value"] == [
        ("opsintel_kpi_value", "integration_failure_rate", "", "ratio")
    ]
    assert found["opsintel_kpi_target", "integration_failure_rate", "ratio"] == 0.01
    assert found["opsintel_kpi_series_left_out",] == 1
    newer = Catalogue({"orders_placed": replace(CHOSEN.get("orders_placed"), version=2)})
    other = KpiGauges(clickhouse, shop.clock, TenantDefinitions(newer, Calendar(), shop.clock), 100)
    other.refresh()
    assert [name for name in scraped(other, tenant) if name[0] == "opsintel_kpi_value"] == []


def at(hour: datetime) -> str:
    return hour.strftime("%Y-%m-%dT%H")
