"""The planted incidents of the simulated retailer, looked for by the product from its telemetry alone.

The truth is written and read here as the demo writes it, `demo-truth.json`; nothing of it reaches the product. Facts go
into the engine as the writer would send them, without a service in between, which is what keeps this short. Seventeen
days, so that there is a usual before the first incident of all; few orders a day.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from core import SystemClock
from demo import DemoSettings, Retailer
from demo.incidents import write_truth
from demo.model.facts import DAY, SECOND, LogFact, SpanFact
from demo.telemetry.sdk import Resources, to_log, to_metrics, to_span
from kpis.process.bottlenecks import HistoricalBottleneck, bottlenecks, historical_bottlenecks
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

    def start(self, incident: str) -> datetime:
        return datetime.fromisoformat(self.truth[incident]["start"])

    def end(self, incident: str) -> datetime:
        return datetime.fromisoformat(self.truth[incident]["end"])

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
    return Planted(clickhouse, {one["id"]: one for one in truth["incidents"]})


def batches(facts: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for at in range(0, len(facts), BATCH):
        yield facts[at : at + BATCH]


def test_the_live_list_names_the_slow_api_first(planted: Planted) -> None:
    """Its step, its system, its money; the API, edge and queue behind it, since when; and what to do about it."""
    truth = planted.truth["slow-api"]
    first, second, *_ = bottlenecks(planted.ch, TENANT, END)
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
    first = bottlenecks(planted.ch, TENANT, END)[0]
    hurt = planted.ch.query(
        "SELECT count() FROM cases FINAL WHERE TenantId = {t:String} AND Stream = 'order-to-cash' AND Outcome = ''"
        " AND LastStep = {step:String} AND has({ids:Array(String)}, CaseId)",
        {"t": TENANT, "step": first.step, "ids": planted.truth["slow-api"]["impact"]["case_ids"]},
    ).scalar()
    assert hurt >= 0.9 * first.delayed_cases


def test_before_it_began_it_was_not_there(planted: Planted) -> None:
    earlier = bottlenecks(planted.ch, TENANT, planted.start("slow-api") - timedelta(hours=1))
    allocated = next(one for one in earlier if one.step == planted.truth["slow-api"]["steps"][0])
    now = bottlenecks(planted.ch, TENANT, END)[0]
    assert allocated.value_hours < now.value_hours / 10


def test_the_refund_backlog_is_first_in_its_time_live(planted: Planted) -> None:
    """A day before its cause went away: the queue of approvals and the desk that works on it."""
    truth = planted.truth["refund-backlog"]
    first = bottlenecks(planted.ch, TENANT, planted.end("refund-backlog") - timedelta(days=1))[0]
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


def overlaps(
    planted: Planted, incident: str, found: HistoricalBottleneck, within: timedelta = timedelta(days=1)
) -> bool:
    """It began after its cause and within that time of it, and was not over at once."""
    assert found.since is not None
    begun = planted.start(incident) <= found.since <= planted.start(incident) + within
    return begun and (found.until is None or found.until > found.since + timedelta(hours=6))
