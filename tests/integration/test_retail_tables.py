"""Ordinary retail tables of other people, by the mappings in docs/import-mappings, against answers of independent code.

Each file is imported once, through the importer, into the embedded engine. Every number is asked of the stored events
in plain SQL; what is a key figure also of the values that the KPI jobs stored, by the catalogue's own definitions. The
files lie beside the repository (`shared/`, or where OPSINTEL_SHARED points) and are not part of it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from collector.importers import ImportReport, build_mapping, detect, import_file
from core import SystemClock
from kpis import KpiJobs, load_catalogue, series
from metrics.events import ProblemKind, load_event_catalogue, validate_event
from storage import ClickHouse, SegmentMeta, Signal

pytestmark = pytest.mark.acceptance

GIVEN = os.environ.get("OPSINTEL_SHARED", "")
"""Read when the tests are collected: the fixtures clear such variables."""
MAPPINGS = Path(__file__).resolve().parents[2] / "docs" / "import-mappings"
UNIT = "supplygraph/unit"
FILES = {
    "olist": [("olist_sample/olist_orders_dataset.csv", "olist-orders")],
    "supplygraph": [
        (f"{UNIT}/sales_order.csv", "supplygraph-orders"),
        (f"{UNIT}/delivery_to_distributor.csv", "supplygraph-deliveries"),
    ],
    "online_retail": [("online_retail/online_retail_2010-12_2011-05.parquet", "online-retail")],
    "ocel": [("ocel/ocel_order_simulated.csv", "ocel-orders")],
}
KPIS = {
    "on_time_delivery", "order_cancellation_rate", "period_fill_rate", "return_rate", "sales_value",
    "same_day_fill_rate", "stockout_rate",
}  # fmt: skip
"""Those that are compared; of the catalogue only these are computed, which takes a third of the time."""
ZONES = {"supplygraph": "Asia/Dhaka"}
"""Whose days the KPIs count in, where that is not UTC; as the mappings have it."""
MISSING = {
    "retail.order.placed": {"retail.quantity", "retail.amount", "retail.currency"},
    "retail.order.line.placed": {"retail.amount", "retail.currency"},
    "retail.order.line.shipped": {"retail.amount", "retail.currency"},
}
"""What the catalogue requires and these tables do not know; everything else must be there."""


@pytest.fixture(scope="module")
def data() -> Path:
    """The folder with the files and the answers."""
    root = Path(__file__).resolve().parents[2]
    places = [Path(GIVEN)] if GIVEN else [parent / "shared" for parent in root.parents]
    found = next((place / "data" for place in places if (place / "data" / "answers.json").is_file()), None)
    if found is None:
        pytest.skip(f"no shared/data beside {root} or above it; set OPSINTEL_SHARED")
    return found


@pytest.fixture(scope="module")
def answers(data: Path) -> dict[str, Any]:
    """The right numbers of each set."""
    found: dict[str, Any] = json.loads((data / "answers.json").read_text())["sets"]
    return found


class Imported:
    """The sets in the store, a tenant each, and what the importer said."""

    def __init__(self, clickhouse: ClickHouse, data: Path, folder: Path) -> None:
        self._ch, self._data, self._folder, self._segment = clickhouse, data, folder, 0
        self.reports: dict[str, list[ImportReport]] = {}
        for name in FILES:
            self.reports[name] = self.load(name)

    def load(self, name: str) -> list[ImportReport]:
        """Imports the files of the set in their order."""

        def store(payload: bytes, items: int) -> None:
            self._segment += 1
            meta = SegmentMeta(f"tables-{name}", self._segment, 1_772_442_000 * 10**9)
            self._ch.insert_otlp(Signal.LOGS, payload, meta)

        found = []
        for file, mapping in FILES[name]:
            path = self._data / file
            wanted = build_mapping(MAPPINGS / f"{mapping}.toml", kind=detect(path))
            found.append(
                import_file(path, wanted, store, clock=SystemClock(), quarantine=self._folder, batch_records=50_000)
            )
        return found

    def ask(self, name: str, select: str, table: str = "process_events FINAL") -> tuple[Any, ...]:
        """The first row; `select` goes on after the table with the words that filter and group."""
        what, _, more = select.partition(" WHERE ")
        where = f"TenantId = {{t:String}} AND {more or '1'}"
        row = self._ch.query(f"SELECT {what} FROM {table} WHERE {where}", {"t": f"tables-{name}"}).rows[0]
        return tuple(row)


@pytest.fixture(scope="module")
def sets(clickhouse: ClickHouse, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """All sets, imported once."""
    return Imported(clickhouse, data, tmp_path_factory.mktemp("tables"))


def near(value: float) -> Any:
    """Equal but for the order in which floats were added."""
    return pytest.approx(value, rel=1e-8)


def test_nothing_is_broken(sets: Imported) -> None:
    for name, reports in sets.reports.items():
        for report in reports:
            assert (report.rejected, report.reasons) == (0, {}), name
            assert sum(report.by_name.values()) == report.events


def test_events_are_the_catalogues(sets: Imported, clickhouse: ClickHouse) -> None:
    """One event of each name and set, but for the numbers that the table does not know."""
    catalogue = load_event_catalogue()
    for name in FILES:
        rows = clickhouse.query(
            "SELECT EventName, any(LogAttributes) FROM otel_logs WHERE TenantId = {t:String} GROUP BY EventName",
            {"t": f"tables-{name}"},
        ).rows
        assert rows
        for event, attributes in rows:
            for problem in validate_event(event, attributes, catalogue):
                if attributes.get(problem.attribute) == "canceled":  # Olist does not say by whom
                    continue
                assert problem.kind is ProblemKind.MISSING_ATTRIBUTE, problem
                assert problem.attribute in MISSING.get(event, ()), problem


def test_late_on_both_bases(sets: Imported, answers: dict[str, Any]) -> None:
    answer = answers["olist_sample"]
    promise = "parseDateTime64BestEffort(Attributes['retail.promise.at'], 9, 'UTC')"
    found = sets.ask(
        "olist",
        f"count(), countIf(Timestamp > {promise}), countIf(toDate(Timestamp, 'UTC') > toDate({promise}, 'UTC'))"
        " WHERE EventName = 'retail.order.delivered'",
    )
    # The answers are about orders with the status `delivered`; one that was delivered has the status `canceled`.
    cancelled = (
        "CaseId NOT IN (SELECT CaseId FROM process_events WHERE TenantId = {t:String}"
        " AND EventName = 'retail.order.cancelled')"
    )
    kept = sets.ask(
        "olist",
        f"count(), countIf(Timestamp > {promise}), countIf(toDate(Timestamp, 'UTC') > toDate({promise}, 'UTC'))"
        f" WHERE EventName = 'retail.order.delivered' AND {cancelled}",
    )
    wanted = tuple(answer[key] for key in ("delivered_with_date", "late_by_timestamp", "late_by_calendar_date"))
    assert kept == wanted
    assert found[0] == answer["orders"] - answer["delivery_missing"]
    by_name = sets.reports["olist"][0].by_name
    assert by_name["order-to-cash: retail.order.placed"] == answer["orders"]
    assert by_name["order-to-cash: retail.order.cancelled"] == answer["canceled_or_unavailable"]
    assert by_name["order-to-cash: retail.order.validated"] == answer["orders"] - answer["approval_missing"]


def test_time_to_delivery(sets: Imported, answers: dict[str, Any]) -> None:
    answer = answers["olist_sample"]
    ends = (
        "(SELECT CaseId, minIf(Timestamp, EventName = 'retail.order.placed') AS p,"
        " maxIf(Timestamp, EventName = 'retail.order.delivered') AS d,"
        " countIf(EventName = 'retail.order.delivered') AS n,"
        " countIf(EventName = 'retail.order.cancelled') AS c, TenantId FROM process_events FINAL"
        " WHERE TenantId = {t:String} GROUP BY TenantId, CaseId)"
    )
    days = "(toUnixTimestamp64Nano(d) - toUnixTimestamp64Nano(p)) / 86400e9"
    found = sets.ask(
        "olist",
        f"quantileExactInclusive(0.5)({days}), avg({days}), quantileExactInclusive(0.9)({days}) WHERE n = 1 AND c = 0",
        ends,
    )
    assert found == tuple(near(answer[f"purchase_to_delivery_days_{key}"]) for key in ("median", "mean", "p90"))


LINES = (
    "(WITH ifNull(Quantity, 0) AS Units SELECT CaseId, TenantId,"
    " sumIf(Units, EventName = 'retail.order.line.placed') AS ordered,"
    " sumIf(Units, EventName = 'retail.order.line.shipped') AS shipped FROM process_events FINAL"
    " WHERE TenantId = {t:String} GROUP BY TenantId, CaseId)"
)


def test_three_fill_rates(sets: Imported, answers: dict[str, Any]) -> None:
    answer = answers["supplygraph"]
    found = sets.ask(
        "supplygraph",
        "sum(ordered), sum(shipped), sum(shipped) / sum(ordered), sum(least(ordered, shipped)) / sum(ordered),"
        " countIf(ordered > 0), countIf(ordered > 0 AND shipped >= ordered), countIf(ordered > 0 AND shipped = 0),"
        " countIf(ordered = 0)",
        LINES,
    )
    assert found == (
        near(answer["ordered_units"]),
        near(answer["delivered_units"]),
        pytest.approx(answer["unit_fill_total"], abs=1e-7),
        near(answer["unit_fill_same_day_capped"]),
        answer["order_lines"],
        answer["lines_filled_same_day"],
        answer["lines_with_no_delivery_same_day"],
        answer["deliveries_on_days_without_order"],
    )


def test_credits_and_their_purchases(sets: Imported, answers: dict[str, Any]) -> None:
    answer = answers["online_retail"]
    credit = "EventName = 'retail.refund.issued'"
    found = sets.ask(
        "online_retail",
        "count(), uniqExact(Attributes['retail.invoice.id']), -toFloat64(sum(Amount)),"
        " countIf(Attributes['retail.customer.id'] != ''), countIf(Attributes['retail.order.line.id'] != '')"
        f" WHERE {credit}",
    )
    assert found == (
        answer["cancel_lines"],
        answer["cancel_invoices"],
        near(answer["cancel_value"]),
        answer["cancel_lines_with_customer"],
        answer["cancel_lines_with_prior_purchase"],
    )
    gross = sets.ask("online_retail", "toFloat64(sum(Amount)), countIf(Amount = 0) WHERE Stream = 'order-to-cash'")
    stock = "EventName = 'retail.stock.adjusted'"
    adjusted = sets.ask("online_retail", f"count(), countIf(CaseId != '') WHERE {stock}", "otel_logs")
    assert gross[0] == near(answer["gross_value"])
    assert adjusted == (answer["negative_quantity_not_cancelled"], 0)
    assert gross[1] + adjusted[0] == answer["zero_or_negative_price_lines"]
    pairs = (
        "(SELECT c.TenantId AS TenantId, (toUnixTimestamp64Nano(c.Timestamp) - toUnixTimestamp64Nano(p.Timestamp))"
        " / 86400e9 AS days FROM (SELECT TenantId, Timestamp, Attributes['retail.order.line.id'] AS line"
        f" FROM process_events FINAL WHERE TenantId = {{t:String}} AND {credit} AND line != '') AS c INNER JOIN"
        " (SELECT Timestamp, Attributes['retail.order.line.id'] AS line FROM process_events FINAL"
        " WHERE TenantId = {t:String} AND EventName = 'retail.order.line.placed') AS p ON c.line = p.line)"
    )
    days = sets.ask(
        "online_retail", "count(), quantileExactInclusive(0.5)(days), quantileExactInclusive(0.9)(days)", pairs
    )
    assert days == (
        answer["cancel_lines_with_prior_purchase"],
        near(answer["purchase_to_cancel_days_median"]),
        near(answer["purchase_to_cancel_days_p90"]),
    )


def test_items_out_of_stock(sets: Imported, answers: dict[str, Any]) -> None:
    answer = answers["ocel_order_simulated"]
    line = "Attributes['retail.order.line.id']"
    by_line = (
        f"(SELECT TenantId, {line} AS line, countIf(EventName = 'retail.order.line.placed') AS placed,"
        " countIf(EventName = 'retail.order.backordered') AS out,"
        " minIf(Timestamp, EventName = 'retail.order.backordered') AS o,"
        " minIf(Timestamp, EventName = 'retail.replenishment.triggered') AS r,"
        " maxIf(Timestamp, EventName = 'retail.order.picked') AS p"
        f" FROM process_events FINAL WHERE TenantId = {{t:String}} AND {line} != '' GROUP BY TenantId, line)"
    )
    hours = "quantileExactInclusiveIf(0.5)((toUnixTimestamp64Nano({}) - toUnixTimestamp64Nano(o)) / 3600e9, out > 0)"
    found = sets.ask("ocel", f"sum(placed), countIf(out > 0), {hours.format('r')}, {hours.format('p')}", by_line)
    assert found == (
        answer["objects_by_type"]["items"],
        answer["items_out_of_stock"],
        near(answer["out_of_stock_to_reorder_hours_median"]),
        near(answer["out_of_stock_to_last_pick_hours_median"]),
    )
    assert found[1] / found[0] == near(answer["item_out_of_stock_rate"])
    orders = (
        "(SELECT CaseId, TenantId, (toUnixTimestamp64Nano(maxIf(Timestamp, EventName ="
        " 'retail.order.paid')) - toUnixTimestamp64Nano(minIf(Timestamp, EventName = 'retail.order.placed'))) / 86400e9"
        " AS days FROM process_events FINAL WHERE TenantId = {t:String} AND Stream = 'order-to-cash'"
        " GROUP BY TenantId, CaseId)"
    )
    paid = sets.ask("ocel", "count(), quantileExactInclusive(0.5)(days), quantileExactInclusive(0.9)(days)", orders)
    assert paid == (
        answer["orders_placed_and_paid"],
        near(answer["place_to_pay_days_median"]),
        near(answer["place_to_pay_days_p90"]),
    )


# --- through the KPI definitions ---


class Figures:
    """The KPIs of each set, computed by the jobs; sums over all buckets of a grain."""

    def __init__(self, clickhouse: ClickHouse, sets: Imported) -> None:
        self._ch = clickhouse
        assert sets.reports
        catalogue = load_catalogue().chosen(lambda one: one.id in KPIS)
        for zone in {"UTC", *ZONES.values()}:
            tenants = [f"tables-{name}" for name in FILES if ZONES.get(name, "UTC") == zone]
            assert not KpiJobs(clickhouse, SystemClock(), catalogue, tenants, timezone=zone).run_once().failures

    def total(self, name: str, kpi: str, basis: str, grain: str = "month") -> tuple[float, float, int, int, int]:
        """Numerator, denominator, sample, excluded and open of all buckets together."""
        found = series(self._ch, f"tables-{name}", kpi, basis, grain=grain)
        columns = ("numerator", "denominator", "sample_size", "excluded", "open_cases")
        first, second, *counts = (sum(getattr(value, column) for value in found) for column in columns)
        return first, second, *counts

    def by_month(self, name: str, kpi: str, basis: str) -> list[tuple[str, float]]:
        """The values of the months."""
        found = series(self._ch, f"tables-{name}", kpi, basis, grain="month")
        return [(f"{value.bucket_start:%Y-%m}", value.value or 0.0) for value in found if value.sample_size]


@pytest.fixture(scope="module")
def figures(clickhouse: ClickHouse, sets: Imported) -> Figures:
    """All KPIs of all sets, computed once."""
    return Figures(clickhouse, sets)


def test_kpi_three_fill_rates(figures: Figures, answers: dict[str, Any]) -> None:
    answer = answers["supplygraph"]
    shipped, ordered, movements, *left_out = figures.total("supplygraph", "period_fill_rate", "unit")
    assert (shipped, ordered) == (near(answer["delivered_units"]), near(answer["ordered_units"]))
    assert shipped / ordered == pytest.approx(answer["unit_fill_total"], abs=1e-7)
    assert left_out == [0, 0]
    filled, wanted, lines, *left_out = figures.total("supplygraph", "same_day_fill_rate", "unit")
    assert filled / wanted == pytest.approx(answer["unit_fill_same_day_capped"], abs=1e-7)
    assert wanted == near(answer["ordered_units"])
    assert (lines, *left_out) == (answer["order_lines"], 0, 0)
    delivered = lines - answer["lines_with_no_delivery_same_day"] + answer["deliveries_on_days_without_order"]
    assert movements == lines + delivered
    assert figures.total("supplygraph", "same_day_fill_rate", "line") == (
        answer["lines_filled_same_day"],
        answer["order_lines"],
        answer["order_lines"],
        0,
        0,
    )


def test_kpi_late_on_both_bases(figures: Figures, answers: dict[str, Any]) -> None:
    """One order was cancelled and yet delivered: it is counted as left out, and in no answer."""
    answer = answers["olist_sample"]
    delivered, left_out = answer["delivered_with_date"], answer["orders"] - answer["delivery_missing"]
    for basis, late in (("instant", "late_by_timestamp"), ("date", "late_by_calendar_date")):
        on_time, *counts = figures.total("olist", "on_time_delivery", basis)
        assert delivered - on_time == answer[late]
        assert counts == [delivered, delivered, left_out - delivered, 0]
    cancelled, orders, *_ = figures.total("olist", "order_cancellation_rate", "all")
    assert (cancelled, orders) == (answer["canceled_or_unavailable"], answer["orders"])


def test_kpi_credits_and_sales(figures: Figures, answers: dict[str, Any]) -> None:
    answer = answers["online_retail"]
    sold = answer["rows"] - answer["cancel_lines"] - answer["negative_quantity_not_cancelled"]
    credited = -answer["cancel_value"]
    assert figures.total("online_retail", "return_rate", "line") == (
        answer["cancel_lines"],
        sold,
        sold + answer["cancel_lines"],
        0,
        0,
    )
    notes, orders, counted, *left_out = figures.total("online_retail", "return_rate", "order")
    assert (notes, counted, left_out) == (answer["cancel_invoices"], notes + orders, [0, 0])
    back, value, *_ = figures.total("online_retail", "return_rate", "value")
    assert (back, value) == (near(credited), near(answer["gross_value"]))
    for basis, wanted in (("gross", "gross_value"), ("net", "net_value")):
        assert figures.total("online_retail", "sales_value", basis)[0] == near(answer[wanted])
    assert figures.total("online_retail", "sales_value", "credited")[0] == near(credited)
    assert figures.by_month("online_retail", "sales_value", "net") == [
        (month, near(net)) for month, net in answer["net_by_month"]
    ]


def test_kpi_items_out_of_stock(figures: Figures, answers: dict[str, Any]) -> None:
    """Its prices have no currency, so no sum of money has them, and each of them is counted as left out."""
    answer = answers["ocel_order_simulated"]
    out, items, *counts = figures.total("ocel", "stockout_rate", "line")
    assert (out, items) == (answer["items_out_of_stock"], answer["objects_by_type"]["items"])
    assert out / items == near(answer["item_out_of_stock_rate"])
    assert counts == [items, 0, 0]


def test_importing_again_changes_nothing(sets: Imported) -> None:
    """Last, for it imports once more; the sums of the other tests are over the same rows."""
    sums = "count(), sum(Quantity), sum(cityHash64(EventId))"
    before = sets.ask("supplygraph", sums)
    sets.load("supplygraph")
    assert sets.ask("supplygraph", sums) == before
