"""The planted incidents of the simulated retailer, looked for by the product from its telemetry alone.

The truth is written and read here as the demo writes it, `demo-truth.json`; nothing of it reaches the product. Facts go
into the engine as the writer would send them, without a service in between, which is what keeps this short. Seventeen
days, so that there is a usual before the first incident of all; few orders a day.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from core import ManualClock, SystemClock
from demo import DemoSettings, Retailer
from demo.incidents import write_truth
from demo.model.facts import DAY, SECOND, LogFact, SpanFact
from demo.telemetry.sdk import Resources, to_log, to_metrics, to_span
from kpis import KpiJobs, ProcessModels, load_catalogue, series
from kpis.process.bottlenecks import Bottleneck, HistoricalBottleneck, bottlenecks, historical_bottlenecks
from kpis.process.cases import CaseJobs
from kpis.process.filters import CaseFilter, TimeBasis
from kpis.process.resolution import ResolutionJobs
from kpis.process.span_steps import span_rules
from kpis.process.splits import splits
from kpis.process.streams import value_streams
from storage import ClickHouse, SegmentMeta, Signal

END = datetime(2026, 3, 17, 14, tzinfo=UTC)
END_NS = int(END.timestamp()) * SECOND
WINDOW = DemoSettings(END_NS - 17 * DAY, END_NS, seed=7, orders_per_day=200)
TENANT = "planted"
BATCH = 4_000


@dataclass(frozen=True)
class Planted:
    """The incidents by id, and the engine that has the telemetry."""

    ch: ClickHouse
    truth: dict[str, dict[str, Any]]
    true_kpis: dict[str, Any]
    lists: dict[datetime, Sequence[Bottleneck]] = field(default_factory=dict)

    def start(self, incident: str) -> datetime:
        return datetime.fromisoformat(self.truth[incident]["start"])

    def end(self, incident: str) -> datetime:
        return datetime.fromisoformat(self.truth[incident]["end"])

    def live(self, at: datetime) -> Sequence[Bottleneck]:
        """The list of bottlenecks of that moment, made once: it takes two seconds."""
        if at not in self.lists:
            self.lists[at] = bottlenecks(self.ch, TENANT, at)
        return self.lists[at]

    def past(self, stream: str, incident: str, longer: timedelta) -> list[HistoricalBottleneck]:
        """The stream while the incident was at work, and for as long afterwards as its cases could suffer from it."""
        return historical_bottlenecks(
            self.ch, TENANT, stream, start=self.start(incident), end=min(self.end(incident) + longer, END)
        )


@pytest.fixture(scope="module")
def planted(clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Planted:
    retailer = Retailer(WINDOW)
    facts = list(retailer.facts_until(END_NS))
    file: Path = tmp_path_factory.mktemp("planted") / "demo-truth.json"
    write_truth(file, retailer.truth())
    truth = json.loads(file.read_text("utf-8"))
    resources, segments = Resources(), iter(range(1, 10_000))

    def insert(signal: Signal, payload: bytes) -> None:
        clickhouse.insert_otlp(signal, payload, SegmentMeta(TENANT, next(segments), END_NS))

    spans = [fact for fact in facts if isinstance(fact, SpanFact)]
    logs = [fact for fact in facts if isinstance(fact, LogFact)]
    gauges = [fact for fact in facts if not isinstance(fact, SpanFact | LogFact)]
    for some in batches(spans):
        insert(Signal.TRACES, encode_spans([to_span(fact, resources) for fact in some]).SerializeToString())
    for some in batches(logs):
        insert(Signal.LOGS, encode_logs([to_log(fact, resources) for fact in some]).SerializeToString())
    for some in batches(gauges):
        insert(Signal.METRICS, encode_metrics(to_metrics(some, resources)).SerializeToString())
    ResolutionJobs(clickhouse, SystemClock(), lambda: span_rules(value_streams())).run_once(TENANT)
    CaseJobs(clickhouse, SystemClock()).run_once(TENANT)
    return Planted(clickhouse, {one["id"]: one for one in truth["incidents"]}, truth["kpis"])


def batches(facts: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for at in range(0, len(facts), BATCH):
        yield facts[at : at + BATCH]


def test_the_live_list_names_the_slow_api_first(planted: Planted) -> None:
    """Its step, its system, its money; the API, edge and queue behind it, since when; and what to do about it."""
    truth = planted.truth["slow-api"]
    first, second, *_ = planted.live(END)
    assert (first.stream, first.step) == ("order-to-cash", truth["steps"][0])
    assert first.owner_system in truth["services"]
    assert first.value_hours > 10 * second.value_hours
    assert 0 < first.delayed_cases <= first.cases
    assert first.usual_wait_s is not None
    assert first.median_wait_s > 2 * first.usual_wait_s
    start = planted.start("slow-api")
    assert first.since is not None
    assert start <= first.since <= start + timedelta(hours=3)
    named = {(one.kind, one.name) for one in first.correlates}
    assert ("edge", truth["edges"][0]) in named
    assert ("queue", truth["queues"][0]) in named
    assert ("api", f"warehouse {truth['operations'][0]}") in named
    for one in first.correlates:
        assert one.since is not None
        assert abs(one.since - start) <= timedelta(hours=2), one.text
    assert (first.action, first.action_target) == ("pause", truth["edges"][0].replace("->", "-to-"))


def test_it_hurts_the_cases_that_were_hurt(planted: Planted) -> None:
    """Every order that the list counts as delayed was hurt by it, but for one in ten."""
    first = planted.live(END)[0]
    hurt = planted.ch.query(
        "SELECT count() FROM cases FINAL WHERE TenantId = {t:String} AND Stream = 'order-to-cash' AND Outcome = ''"
        " AND LastStep = {step:String} AND has({ids:Array(String)}, CaseId)",
        {"t": TENANT, "step": first.step, "ids": planted.truth["slow-api"]["impact"]["case_ids"]},
    ).scalar()
    assert hurt >= 0.9 * first.delayed_cases


def test_before_it_began_it_was_not_there(planted: Planted) -> None:
    earlier = planted.live(planted.start("slow-api") - timedelta(hours=1))
    allocated = next(one for one in earlier if one.step == planted.truth["slow-api"]["steps"][0])
    now = planted.live(END)[0]
    assert allocated.value_hours < now.value_hours / 10


def test_the_refund_backlog_is_first_in_its_time_live(planted: Planted) -> None:
    """A day before its cause went away: the queue of approvals and the desk that works on it."""
    truth = planted.truth["refund-backlog"]
    first = planted.live(planted.end("refund-backlog") - timedelta(days=1))[0]
    assert (first.stream, first.step) == ("return-to-resolution", truth["steps"][1])
    assert ("queue", truth["queues"][0]) in {(one.kind, one.name) for one in first.correlates}
    assert [one.name for one in first.correlates if one.kind == "team"] == ["refund-desk"]
    assert (first.action, first.action_target) == ("reroute", "refund-desk")


def test_the_refund_backlog_is_found_afterwards(planted: Planted) -> None:
    truth = planted.truth["refund-backlog"]
    first, second, *_ = planted.past("return-to-resolution", "refund-backlog", timedelta(days=1))
    assert (first.step, first.kind, first.owner_system) == (truth["steps"][1], "longer", truth["services"][0])
    assert first.unusual_value_hours > 2 * second.unusual_value_hours
    assert overlaps(planted, "refund-backlog", first)


def test_the_late_supplier_is_found_afterwards(planted: Planted) -> None:
    """As purchase orders that wait after their acknowledgement, and as the supplier that splits slow from fast."""
    truth = planted.truth["late-supplier"]
    first, second, *_ = planted.past("procure-to-pay", "late-supplier", timedelta(days=4))
    assert (first.step, first.owner_system) == ("retail.purchase_order.acknowledged", truth["services"][0])
    assert first.transitions[0].to_step == truth["steps"][0]
    assert first.unusual_value_hours > 2 * second.unusual_value_hours
    assert first.kind == "longer"
    assert overlaps(planted, "late-supplier", first, timedelta(days=5)), "late only when its goods could have come"
    sent_then = CaseFilter(
        start=planted.start("late-supplier"), end=planted.end("late-supplier"), basis=TimeBasis.STARTED
    )
    found = splits(planted.ch, TENANT, "forecast-to-replenish", sent_then, min_support=5)
    supplier = [one for one in found.splits if one.name == "retail.supplier.id" and one.value == truth["suppliers"][0]]
    assert [one.odds_ratio > 5 and one.difference_s > 86_400 for one in supplier] == [True]


def test_the_oversell_is_found_afterwards(planted: Planted) -> None:
    """As more back-orders than usual, of which some are cancelled in the end."""
    truth = planted.truth["oversell"]
    first, second, *_ = planted.past("order-to-cash", "oversell", timedelta(days=1))
    assert (first.step, first.kind) == (truth["steps"][0], "more")
    assert first.unusual_value_hours > 2 * second.unusual_value_hours
    assert "retail.order.cancelled" in {one.to_step for one in first.transitions}
    assert overlaps(planted, "oversell", first)


def test_key_figures_tell_the_failing_webhook_and_the_slow_api(planted: Planted) -> None:
    """How often it failed and for how long; and that the API is too slow and its edge down, since when."""
    kpis = ("webhook_failure_rate", "webhook_retry_rate", "integration_recovery_time", "api_latency_objective")
    catalogue = load_catalogue().chosen(lambda one: one.id in kpis)
    assert not KpiJobs(planted.ch, SystemClock(), catalogue, [TENANT]).run_once().failures

    def share(kpi: str, value: str, start: datetime, end: datetime, basis: str = "", dimension: str = "") -> float:
        found = series(planted.ch, TENANT, kpi, basis, value, "hour", start, end, dimension=dimension)
        return sum(one.numerator for one in found) / sum(one.denominator for one in found)

    webhook = planted.truth["failing-webhook"]
    name, start, end = webhook["webhooks"][0], planted.start("failing-webhook"), planted.end("failing-webhook")
    for kpi in ("webhook_failure_rate", "webhook_retry_rate"):
        assert share(kpi, name, start, end) == pytest.approx(webhook["numbers"]["failure_rate"], abs=0.07)
        assert share(kpi, name, start - timedelta(days=10), start) < 0.02
    (over,) = series(planted.ch, TENANT, "integration_recovery_time", "", webhook["edges"][0], "month")
    assert over.sample_size <= 3, "of ten calls in a row all may work by chance"
    assert over.numerator == pytest.approx((end - start).total_seconds(), abs=3_600)
    slow = planted.truth["slow-api"]
    route, since = f"warehouse {slow['operations'][0]}", planted.start("slow-api")
    assert share("api_latency_objective", route, since, END, "acceptable", "route") < 0.05
    assert share("api_latency_objective", route, since - timedelta(days=1), since, "acceptable", "route") > 0.95
    (going,) = series(planted.ch, TENANT, "integration_recovery_time", "", slow["edges"][0], "month")
    assert (going.value, going.open_cases) == (None, 1)


def overlaps(
    planted: Planted, incident: str, found: HistoricalBottleneck, within: timedelta = timedelta(days=1)
) -> bool:
    """It began after its cause and within that time of it, and was not over at once."""
    assert found.since is not None
    begun = planted.start(incident) <= found.since <= planted.start(incident) + within
    return begun and (found.until is None or found.until > found.since + timedelta(hours=6))


def test_the_kpis_are_the_true_ones(planted: Planted) -> None:
    """What the simulation counted where it happened: counts exactly, sums of seconds to a millisecond a case."""
    details = ProcessModels().details
    assert not KpiJobs(planted.ch, ManualClock(END), load_catalogue(), [TENANT], details=details).run_once().failures
    rows = planted.ch.query(
        "SELECT concat(KpiId, '/', Basis), sum(Numerator), sum(Denominator), sum(SampleSize), sum(OpenCases)"
        " FROM kpi_values FINAL WHERE TenantId = {tenant:String} AND Grain = 'day' AND Dimension = '' GROUP BY 1",
        {"tenant": TENANT},
    ).rows
    found = {name: tuple(float(figure) for figure in figures) for name, *figures in rows}
    true, wrong = planted.true_kpis, []

    def compare(kpi: str, *wanted: float | None) -> None:
        """Numerator, denominator, sample, open; None is not told."""
        for label, got, want in zip(("numerator", "denominator", "sample", "open"), found[kpi], wanted, strict=False):
            if want is not None and got != pytest.approx(float(want), abs=0.001 * found[kpi][2] + 1e-6, rel=0):
                wrong.append(f"{kpi} {label}: {got}, true is {want}")

    def lead(kpi: str, told: dict[str, float]) -> None:
        compare(kpi, told["seconds_sum"], None, told["count"])

    lines, units = true["fill"]["lines"], true["fill"]["units"]
    closed = lines["wanted"] - lines["open"]
    compare("fill_rate/line", lines["shipped"], closed, closed, lines["open"])
    compare("first_time_fill_rate/line", lines["shipped_at_once"])
    compare("oversell_rate/unit", units["cancelled_by_us"])
    compare("stockout_rate/line", lines["backordered"])
    orders = true["fill"]["orders"]
    compare("fill_rate/order", orders["shipped"], orders["wanted"] - orders["open"])
    compare("orders_placed/", orders["placed"])
    delivery = true["delivery"]
    arrived = found["on_time_delivery/instant"][3]
    compare("on_time_delivery/instant", None, delivery["orders_with_a_delivery"] - arrived)
    compare("on_time_in_full/instant", delivery["orders_in_full_on_time"])
    compare("refund_turnaround/median", None, None, true["refunds"]["received_to_issued"]["count"])
    lead("refund_time_from_request/mean", true["refunds"]["requested_to_issued"])
    lead("return_cycle_time/mean", true["refunds"]["return_requested_to_closed"])
    compare("returns_requested/all", sum(one["returns"] for one in true["returns"].values()))
    compare("returns_requested/damaged", true["returns"]["damaged"]["returns"])
    promotions = true["promotions"]
    settled = promotions["settled"]
    compare("promotion_settlement_accuracy/count", settled - len(promotions["mis_settled"]), settled)
    compare("promotion_settlement_accuracy/value", float(promotions["paid"]), float(promotions["claimed"]))
    raised = list(true["exceptions"].values())
    compare("exceptions_raised/", sum(one["raised"] for one in raised))
    by_people = sum(one["human_resolved"] for one in raised)
    compare("exceptions_needing_people/", by_people, by_people + sum(one["auto_resolved"] for one in raised))
    bought = true["purchase_orders"]
    compare("supplier_on_time/first_promise", bought["on_time"], bought["received"])
    lead("purchase_lead_time/mean", bought["sent_to_received"])
    lead("supplier_response_time/mean", bought["sent_to_acknowledged"])
    lead("replenishment_latency/mean", true["replenishments"])
    compare("three_way_match_rate/first_pass", true["invoices"]["first_pass_matched"])
    compare("three_way_match_rate/final", true["invoices"]["matched"])
    compare("invoice_touchless_rate/", true["invoices"]["paid_touchless"], true["invoices"]["paid"])
    stock = true["inventory"]
    compare("inventory_accuracy/exact", stock["records_matching"], stock["records_counted"])
    right = stock["units_booked"] - stock["absolute_unit_error"]
    compare("inventory_accuracy/unit", right, stock["units_booked"], stock["records_counted"])
    compare("stockouts/", stock["stock_outs"])
    compare("inventory_update_latency/mean", stock["synchronised_seconds_sum"], None, stock["synchronised"])
    compare("price_mismatch_rate/check", true["prices"]["mismatched"], true["prices"]["checked"])
    books = true["reconciliations"]
    compare("reconciliations/people", books["human"], None, books["performed"])
    compare("reconciliations/different", books["with_difference"])
    compare("reconciliation_effort/people", books["human_seconds_sum"], None, books["human"])
    compare("reconciliation_effort/all", books["seconds_sum"], None, books["performed"])
    touches = true["touches"].values()
    compare("touchpoints_per_case/", sum(one["touches"] for one in touches))
    approvals = true["approvals"].values()
    lead("approval_waiting_time/mean", {k: sum(one[k] for one in approvals) for k in ("seconds_sum", "count")})
    ends = planted.ch.query(
        "SELECT concat(KpiId, '/', Basis), argMax(Value, BucketStart) FROM kpi_values FINAL"
        " WHERE TenantId = {tenant:String} AND Grain = 'hour' AND KpiId LIKE '%_backlog' GROUP BY 1",
        {"tenant": TENANT},
    ).rows
    waiting = dict(ends)
    for kpi, still in (
        ("exception_backlog", sum(one["open"] for one in raised)),
        ("approval_backlog", sum(one["open"] for one in approvals)),
        ("customer_case_backlog", true["lead_times"]["customer_case"]["open"]),
        ("refund_backlog", true["refunds"]["received_to_issued"]["open"]),
    ):
        if waiting[f"{kpi}/all"] != still:
            wrong.append(f"{kpi}: {waiting[f'{kpi}/all']}, true is {still}")
    for kpi, kind in (
        ("customer_case_resolution_time", "customer_case"),
        ("warranty_lead_time", "warranty"),
        ("subscription_change_time", "subscription"),
        ("account_onboarding_time", "account"),
        ("supplier_onboarding_time", "supplier"),
        ("item_setup_time", "item"),
        ("days_to_close", "period"),
    ):
        lead(f"{kpi}/mean", true["lead_times"][kind])
    assert not wrong, "\n".join(wrong)
