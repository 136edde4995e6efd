"""Whether the numbers are right: the simulated retailer's days, pushed over OTLP and read back from the API, against
`oracle` and `oracle_process`, which compute them from the facts alone.

The whole service runs in this process, on a clock that stands just after the retailer's last fact. The numbers must not
depend on how the facts came in: whole, a second time, or shuffled with the KPI jobs running in between. The incidents
are squeezed into eight days of a small retailer, which is enough for refunds and for a usual queue depth.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from api.app import create_app
from api.composition import Stores, build, running
from api.keys import ApiKeys
from api.services import Services
from core import ManualClock, Role, load_settings
from demo import DemoSettings, Retailer
from demo.model.facts import DAY, HOUR, SECOND, SpanFact
from demo.telemetry.sdk import Resources, to_log, to_metrics, to_span
from kpis import KpiJobs, load_catalogue, waiting_now
from kpis.process import value_streams
from storage import ClickHouse, migrate_state, open_state
from tests.browser.served import Server
from tests.integration import oracle, oracle_process
from tests.integration.oracle import History, Value, moment

END = datetime(2026, 3, 17, 14, tzinfo=UTC)
END_NS = int(END.timestamp()) * SECOND
WINDOW = DemoSettings(END_NS - 8 * DAY, END_NS, seed=20_260_317, orders_per_day=50)
NOW = END + timedelta(seconds=100)
NOW_NS = END_NS + 100 * SECOND
BATCH = 500
ORDERLY, SHUFFLED = "numbers-orderly", "numbers-shuffled"
STREAMS = {
    name: oracle_process.Stream(stream.terminal, stream.running, stream.value, stream.details)
    for name, stream in value_streams().items()
}
KPIS = {
    "fill_rate": ("line", "unit", "order", "value"),
    "refund_turnaround": ("median", "p90"),
    "integration_failure_rate": ("",),
}
Request = tuple[str, bytes]

SOME_IDS = (
    *("fill_rate", "refund_turnaround", "integration_failure_rate", "api_latency_objective", "on_time_in_full"),
    *("order_cycle_time", "return_rate", "rework_rate", "exception_resolution_time", "order_backlog"),
)
SOME = load_catalogue().chosen(lambda one: one.id in SOME_IDS)
"""One or two of each way in which KPIs are computed; all of them take much longer."""


class Product:
    """The running service, and a caller with a key for each tenant."""

    def __init__(self, services: Services, clock: ManualClock, url: str, keys: dict[str, str]) -> None:
        self._services, self.clock, self.ch = services, clock, services.ch
        self._jobs = KpiJobs(services.ch, clock, SOME, [ORDERLY, SHUFFLED])
        otlp = f"http://127.0.0.1:{services.collector.http_port}"
        self._callers = {tenant: self._client(url, key) for tenant, key in keys.items()}
        self._senders = {tenant: self._client(otlp, key) for tenant, key in keys.items()}

    @staticmethod
    def _client(url: str, key: str) -> httpx.Client:
        return httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=60)

    def close(self) -> None:
        """Ends the connections."""
        for client in (*self._callers.values(), *self._senders.values()):
            client.close()

    def push(self, tenant: str, requests: Iterable[Request]) -> None:
        """Sends them one after the other, waits until they are stored, and runs the KPI jobs."""
        for path, body in requests:
            answer = self._senders[tenant].post(path, content=body, headers={"content-type": "application/x-protobuf"})
            assert answer.status_code == 200, answer.text
        assert self._services.collector.flush()
        report = self._jobs.run_once()
        assert not report.failures
        assert report.computed

    def get(self, path: str, tenant: str = ORDERLY, **params: Any) -> Any:
        """What the API answers."""
        answer = self._callers[tenant].get(f"/api/v1/{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def series(
        self, kpi: str, basis: str, grain: str, dimension_value: str = "", tenant: str = ORDERLY, dimension: str = ""
    ) -> list[dict[str, Any]]:
        """One KPI over the whole window, oldest first."""
        window = {"start": (END - timedelta(days=20)).isoformat(), "end": (END + timedelta(days=2)).isoformat()}
        about = {"basis": basis, "grain": grain, "dimension_value": dimension_value, "dimension": dimension}
        values: list[dict[str, Any]] = self.get(f"kpis/{kpi}/series", tenant, **about, **window)["values"]
        return values


@dataclass(frozen=True)
class World:
    """What happened, the requests that tell of it, the product that was told, and what it said when told once."""

    told: History
    requests: list[Request]
    product: Product
    numbers: dict[str, Any]


def _encode(told: History) -> Iterator[Request]:
    """Batches as the SDK's exporters send them, in the order of time for each signal."""
    resources = Resources()
    for spans in _batches(told.spans):
        yield "/v1/traces", encode_spans([to_span(fact, resources) for fact in spans]).SerializeToString()
    for logs in _batches(told.logs):
        yield "/v1/logs", encode_logs([to_log(fact, resources) for fact in logs]).SerializeToString()
    for gauges in _batches(told.gauges):
        yield "/v1/metrics", encode_metrics(to_metrics(gauges, resources)).SerializeToString()


def _batches(facts: list[Any]) -> Iterator[list[Any]]:
    for at in range(0, len(facts), BATCH):
        yield facts[at : at + BATCH]


@pytest.fixture(scope="module")
def world(clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The retailer's days, and a service that got them once."""
    told = History.of(Retailer(WINDOW).facts_until(END_NS))
    requests = list(_encode(told))
    settings = load_settings(
        resend_window_s=0,  # the engine and the KPIs must bear repetition themselves
        data_dir=tmp_path_factory.mktemp("numbers"), http_port=0, otlp_grpc_port=0, otlp_http_port=0,
        jobs_enabled=False, wal_segment_age_ms=20,
    )  # fmt: skip
    with ExitStack() as stack:
        state = open_state(settings)
        stack.callback(state.close)
        migrate_state(state)
        clock = ManualClock(NOW)
        roles = [Role.INGEST, Role.VIEWER]
        keys = {one: ApiKeys(state, clock).create(one, roles, one)[0] for one in (ORDERLY, SHUFFLED)}
        services = build(Stores(settings, clickhouse, state), clock)
        stack.enter_context(running(services))
        server = stack.enter_context(Server(create_app(services)))
        product = Product(services, clock, server.url, keys)
        stack.callback(product.close)
        product.push(ORDERLY, requests)
        yield World(told, requests, product, everything(product, ORDERLY))


def near(value: Any) -> Any:
    """Equal but for what adding up floats in another order changes."""
    return pytest.approx(value, rel=1e-9, abs=1e-6)


def _ledger(product: Product, tenant: str = ORDERLY) -> dict[str, Any]:
    signals: dict[str, Any] = product.get("ledger", tenant)["signals"]
    return signals


def _compare(answered: Sequence[dict[str, Any]], expected: dict[datetime, Value]) -> None:
    """Every bucket, and every field of it."""
    by_bucket = {datetime.fromisoformat(one["bucket_start"]): one for one in answered}
    assert sorted(by_bucket) == sorted(expected)
    for bucket, value in expected.items():
        one = by_bucket[bucket]
        assert (one["sample_size"], one["excluded"], one["open_cases"]) == (value.sample, value.excluded, value.open), (
            bucket
        )
        figures = (one["numerator"], one["denominator"])
        assert figures == near((value.numerator, value.denominator)), bucket
        assert one["value"] == (None if value.value is None else near(value.value)), bucket


def _of(found: dict[tuple[str, datetime], Value], key: str) -> dict[datetime, Value]:
    return {bucket: value for (name, bucket), value in found.items() if name == key}


def test_everything_told_is_stored_once(world: World) -> None:
    """The ledger, and the facts are rich enough for what follows."""
    told, signals = world.told, _ledger(world.product)
    counts = {"traces": len(told.spans), "logs": len(told.logs), "metrics": len(told.gauges)}
    for signal, count in counts.items():
        assert signals[signal] == {"received": count, "stored": count, "quarantined": 0, "pending": 0, "duplicates": 0}
    names = Counter(log.name for log in told.logs)
    assert names["retail.refund.issued"] > 30
    assert {log.attributes.get("retail.cancel.reason") for log in told.logs} >= {"customer", "out_of_stock"}
    assert names["retail.order.failed"]
    assert sum(bool(span.error) for span in told.spans) > 100


@pytest.mark.parametrize("grain", ["day", "hour"])
@pytest.mark.parametrize("basis", KPIS["fill_rate"])
def test_fill_rate(world: World, basis: str, grain: str) -> None:
    """Line by line."""
    expected = _of(oracle.fill_rate(world.told, grain), basis)
    _compare(world.product.series("fill_rate", basis, grain), expected)
    if grain == "day":
        assert len(expected) == 9
        assert any(value.value is not None and value.value < 1 for value in expected.values())


@pytest.mark.parametrize("grain", ["day", "hour"])
@pytest.mark.parametrize("basis", KPIS["refund_turnaround"])
def test_refund_turnaround(world: World, basis: str, grain: str) -> None:
    """Return by return."""
    expected = _of(oracle.refund_turnaround(world.told, grain), basis)
    _compare(world.product.series("refund_turnaround", basis, grain), expected)
    assert sum(value.sample for value in expected.values()) > 30


@pytest.mark.parametrize("grain", ["day", "hour"])
def test_integration_failure_rate(world: World, grain: str) -> None:
    """Call by call: the total and every edge."""
    found = oracle.integration_failures(world.told, grain)
    edges = {edge for edge, _ in found}
    assert len(edges) > 10
    for edge in edges:
        _compare(world.product.series("integration_failure_rate", "", grain, edge), _of(found, edge))


def test_latest_values(world: World) -> None:
    """The newest settled bucket of each series: of its cases no more than the definition's share are open."""
    answer = world.product.get("kpis")
    shares = {one["id"]: one["settled_open_share"] for one in answer["definitions"]}
    for latest in answer["values"]:
        about = (latest["kpi_id"], latest["basis"], "day", latest["dimension_value"])
        values = world.product.series(*about, dimension=latest["dimension"])
        series = [one for one in values if one["sample_size"]]
        if not series:
            assert (latest["value"], latest["sample_size"]) == (None, 0), about
            continue
        cases = {one["bucket_start"]: one["sample_size"] + one["open_cases"] for one in series}
        settled = [one for one in series if one["open_cases"] <= shares[about[0]] * cases[one["bucket_start"]]]
        newest = (settled or series)[-1]
        assert (latest["bucket_start"], latest["value"]) == (newest["bucket_start"], newest["value"]), about


@pytest.mark.parametrize("hours", [1, 24, 240])
def test_latency_and_webhooks(world: World, hours: int) -> None:
    """Span by span, over windows that end now."""
    answer = world.product.get("integrations", hours=hours)
    start = NOW_NS - hours * HOUR
    latency = oracle.api_latency(world.told, start, NOW_NS)
    answered = {(one["system"], one["operation"]): one for one in answer["apis"]}
    assert set(answered) == set(latency)
    for key, (calls, errors, *percentiles) in latency.items():
        one = answered[key]
        assert (one["calls"], one["errors"], one["error_rate"]) == (calls, errors, near(errors / calls)), key
        assert [one["p50_ms"], one["p95_ms"], one["p99_ms"]] == near(percentiles), key
    expected = oracle.webhooks(world.told, start, NOW_NS)
    hooks = {(one["webhook"], one["edge"]): one for one in answer["webhooks"]}
    assert set(hooks) == set(expected)
    for key, (attempts, failures, last, words) in expected.items():
        one = hooks[key]
        assert (one["attempts"], one["failures"], one["last_error"]) == (attempts, failures, words), key
        assert one["failure_rate"] == near(failures / attempts)
        assert one["last_failure_at"] == (last.isoformat() if last else None)


def test_queues_now(world: World) -> None:
    """Sample by sample; the usual depth is that of the same hour a week ago."""
    expected = oracle.queues(world.told, NOW_NS, 6 * HOUR)
    answered = {(one["system"], one["destination"]): one for one in world.product.get("queues")["queues"]}
    assert set(answered) == set(expected)
    for key, queue in expected.items():
        one = answered[key]
        assert (one["depth"], one["at"]) == (queue.depth, queue.at.isoformat())
        assert (one["oldest_age_s"], one["usual_depth"]) == (near(queue.age), queue.usual)
        assert {datetime.fromisoformat(at): depth for at, depth in one["series"]} == dict(queue.samples)
    assert any(queue.depth > 5 for queue in expected.values())
    assert all(queue.usual is not None for queue in expected.values())


@pytest.mark.parametrize("stream", sorted(STREAMS))
def test_process_summary(world: World, stream: str) -> None:
    """Case by case: cases, variants, edges, durations, working, waiting and unknown time."""
    assert world.product.get("processes")["streams"] == world.told.streams
    answer = world.product.get(f"processes/{stream}/summary")
    expected = oracle_process.process(world.told, stream, STREAMS[stream].details)
    oracle_process.assert_tells(answer, expected)


def test_waiting_now(world: World) -> None:
    """Open case by open case: number, money, oldest, median wait and the usual one."""
    expected = oracle_process.waiting(world.told, NOW_NS, STREAMS)
    answered = world.product.get("processes/waiting")["waiting"]
    assert len(answered) == len(expected)
    for one in answered:
        group = expected[one["stream"], one["step"], one["currency"]]
        assert (one["cases"], Decimal(one["value"]), one["unpriced"]) == (group.cases, group.value, group.unpriced)
        assert one["oldest_since"] == group.oldest.isoformat()
        usual = None if group.usual is None else near(group.usual)
        assert (one["median_wait_s"], one["usual_wait_s"]) == (near(group.median), usual), one["step"]
    values = [Decimal(one["value"]) for one in answered]
    assert values == sorted(values, reverse=True)


def test_waiting_two_days_ago(world: World) -> None:
    """Looking back, what came later is not known."""
    then_ns = NOW_NS - 2 * DAY
    expected = oracle_process.waiting(world.told, then_ns, STREAMS)
    found = waiting_now(world.product.ch, ORDERLY, moment(then_ns), value_streams())
    assert {(one.stream, one.step, one.currency): (one.cases, one.value) for one in found} == {
        key: (group.cases, group.value) for key, group in expected.items()
    }


def test_traces(world: World) -> None:
    """The largest traces and some others: every span, once, with its case, its outcome and its links."""
    by_trace: dict[int, list[SpanFact]] = defaultdict(list)
    for span in world.told.spans:
        by_trace[span.trace_id].append(span)
    largest = sorted(by_trace, key=lambda trace_id: len(by_trace[trace_id]))[-10:]
    for trace_id in [*largest, *random.Random(1).sample(sorted(by_trace), 10)]:
        spans = by_trace[trace_id]
        answer = world.product.get(f"traces/{trace_id:032x}")
        assert sorted(
            (one["span_id"], one["name"], one["start_ns"], one["duration_ns"], one["status_message"], len(one["links"]))
            for one in answer["spans"]
        ) == sorted(
            (f"{s.span_id:016x}", s.name, s.start, s.at - s.start, s.error, len(s.links)) for s in spans
        )  # fmt: skip
        cases = {(s.attributes["retail.stream"], s.attributes["retail.case.id"]) for s in spans if _has_case(s)}
        assert {tuple(case) for case in answer["cases"]} == cases
    assert len(by_trace[largest[-1]]) > 10


def _has_case(span: SpanFact) -> bool:
    return "retail.case.id" in span.attributes


def everything(product: Product, tenant: str) -> dict[str, Any]:
    """Every number of a tenant but the ledger's, for comparison; when and how often they were computed left out."""
    edges = {one["dimension_value"] for one in product.get("kpis", tenant)["values"]}
    found: dict[str, Any] = {}
    for kpi, bases in KPIS.items():
        for grain in ("hour", "day"):
            for basis in bases:
                for edge in edges if kpi == "integration_failure_rate" else {""}:
                    values = product.series(kpi, basis, grain, edge, tenant)
                    found[f"{kpi} {basis} {grain} {edge}"] = [
                        {
                            key: _rounded(value)
                            for key, value in one.items()
                            if key not in ("computed_at", "data_through")
                        }
                        for one in values
                        if one["sample_size"] or one["excluded"] or one["open_cases"]  # else it was emptied
                    ]
    for stream in product.get("processes", tenant)["streams"]:
        found[stream] = _rounded(product.get(f"processes/{stream}/summary", tenant))
    found["waiting"] = _rounded(product.get("processes/waiting", tenant)["waiting"])
    found["queues"] = product.get("queues", tenant)["queues"]
    integrations = product.get("integrations", tenant, hours=240)
    found["apis"], found["webhooks"] = integrations["apis"], integrations["webhooks"]
    return found


def _rounded(value: Any) -> Any:
    """Sums of floats depend on their order in the last digits."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def test_telling_everything_twice_changes_nothing(world: World) -> None:
    """Only what was received and stored grows."""
    product = world.product
    counted = _ledger(product)
    product.push(ORDERLY, world.requests)
    _same(everything(product, ORDERLY), world.numbers)
    for signal, entry in _ledger(product).items():
        assert entry["stored"] == entry["received"] == 2 * counted[signal]["received"]


def test_the_order_of_arrival_does_not_matter(world: World) -> None:
    """Batches shuffled, in three parts, the KPI jobs at work after each."""
    shuffled = random.Random(2).sample(world.requests, len(world.requests))
    for part in range(3):
        world.product.push(SHUFFLED, shuffled[part::3])
    _same(everything(world.product, SHUFFLED), world.numbers)


def _same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert set(found) == set(expected)
    for name, numbers in expected.items():
        assert found[name] == numbers, name


def test_days_of_another_time_zone(world: World) -> None:
    """Days in Berlin begin at 23 o'clock in UTC; only this test keeps them beside the days in UTC."""
    zone, product = "Europe/Berlin", world.product
    jobs = KpiJobs(product.ch, product.clock, SOME, [ORDERLY], timezone=zone)
    assert not jobs.recompute_all().failures
    computed = {
        "fill_rate": oracle.fill_rate(world.told, "day", zone),
        "refund_turnaround": oracle.refund_turnaround(world.told, "day", zone),
        "integration_failure_rate": oracle.integration_failures(world.told, "day", zone),
    }
    for kpi, bases in KPIS.items():
        for basis in bases:
            answered = product.series(kpi, basis, "day")
            days = [day for day in answered if datetime.fromisoformat(day["bucket_start"]).hour == 23]
            _compare(days, _of(computed[kpi], basis))
