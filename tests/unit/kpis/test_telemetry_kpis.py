"""KPIs of spans and gauges: hand-computed examples, and that late and repeated telemetry changes what it touches."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core import ConfigurationError, ManualClock
from kpis import Catalogue, KpiJobs, KpiValue, load_catalogue, series
from kpis.definitions import load_definition
from kpis.periods import Grain
from storage import ClickHouse
from tests.unit.kpis.events import moment

NOW = moment("2026-04-10T00:00")
NUMBERS = itertools.count(1)
STABILITY, RECOVERY = "integration_stability", "integration_recovery_time"
KPIS = (
    "api_latency_objective",
    RECOVERY,
    STABILITY,
    "peak_hour_capacity",
    "queue_age",
    "queue_age_objective",
    "webhook_failure_rate",
    "webhook_retry_rate",
)
CATALOGUE = load_catalogue()
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Span:
    """One span."""

    at: datetime
    kind: str
    failed: bool = False
    name: str = "POST /orders"
    service: str = "orders"
    seconds: float = 0.1
    attributes: dict[str, str] = field(default_factory=dict)
    number: int = field(default_factory=lambda: next(NUMBERS))

    def row(self, tenant: str, received: datetime) -> tuple[Any, ...]:
        status = "Error" if self.failed else "Unset"
        ids = f"{self.number:032x}", f"{self.number:016x}"
        took = round(self.seconds * 1e9)
        return tenant, self.at, *ids, self.name, self.kind, self.service, status, self.attributes, took, received


@dataclass(frozen=True)
class Gauge:
    """One sample of a gauge about a queue."""

    at: datetime
    value: float
    queue: str = "q"
    name: str = "oldest_age"
    flags: int = 0

    def row(self, tenant: str, received: datetime) -> tuple[Any, ...]:
        about = {"messaging.system": "mq", "messaging.destination.name": self.queue}
        return tenant, f"retail.queue.{self.name}", about, self.at, self.value, self.flags, "orders", received


SPAN_COLUMNS = (
    "TenantId", "Timestamp", "TraceId", "SpanId", "SpanName", "SpanKind", "ServiceName", "StatusCode", "SpanAttributes",
    "Duration", "ReceivedAt",
)  # fmt: skip
GAUGE_COLUMNS = (
    "TenantId", "MetricName", "Attributes", "TimeUnix", "Value", "Flags", "ServiceName", "ReceivedAt",
)  # fmt: skip
Item = Span | Gauge


def call(edge: str, at: datetime, failed: bool = False) -> Span:
    """A call between two systems."""
    return Span(at, "Client", failed, attributes={"retail.edge": edge})


def attempt(webhook: str, at: datetime, failed: bool = False, before: int = 0) -> Span:
    """An attempt to deliver a webhook."""
    resent = {"http.request.resend_count": str(before)} if before else {}
    return Span(at, "Client", failed, attributes={"retail.webhook.name": webhook, **resent})


def taken(queue: str, at: datetime) -> Span:
    """A message taken from a queue."""
    about = {"messaging.system": "mq", "messaging.destination.name": queue, "messaging.operation.type": "process"}
    return Span(at, "Consumer", attributes=about)


class Desk:
    """Telemetry in, values out. kpis, grains: what is computed, which makes tests short."""

    def __init__(
        self, ch: ClickHouse, tenant: str, *kpis: str, zone: str = "UTC", grains: Sequence[Grain] = ()
    ) -> None:
        self.ch, self.tenant, self.clock = ch, tenant, ManualClock(NOW)
        chosen = {one: CATALOGUE.get(one) for one in kpis or KPIS}
        if grains:
            chosen = {name: replace(one, grains=tuple(grains)) for name, one in chosen.items()}
        self.jobs = KpiJobs(ch, self.clock, Catalogue(chosen), [tenant], timezone=zone)

    def take(self, *items: Item) -> None:
        self.clock.advance(600)
        for kind, table, columns in ((Span, "otel_traces", SPAN_COLUMNS), (Gauge, "otel_metrics_gauge", GAUGE_COLUMNS)):
            rows = [one.row(self.tenant, self.clock.now()) for one in items if isinstance(one, kind)]
            if rows:
                self.ch.insert_rows(table, columns, rows)
        assert not self.jobs.run_once().failures

    def value(self, kpi: str, at: str, basis: str = "", which: str = "", grain: str = "day") -> KpiValue | None:
        dimension, _, name = which.partition("=")
        second = moment(at), moment(at) + timedelta(seconds=1)
        found = series(self.ch, self.tenant, kpi, basis, name, grain, *second, dimension=dimension)
        return found[0] if found else None

    def told(self, kpi: str, at: str, basis: str = "", which: str = "", grain: str = "day") -> tuple[Any, ...]:
        """Value, sample size, excluded and open ones; nothing where there is none."""
        one = self.value(kpi, at, basis, which, grain)
        return () if one is None else (one.value, one.sample_size, one.excluded, one.open_cases)


MakeDesk = Callable[..., Desk]


@pytest.fixture
def desk(clickhouse: ClickHouse, tenant: str) -> MakeDesk:
    def make(*kpis: str, zone: str = "UTC", grains: Sequence[Grain] = ()) -> Desk:
        return Desk(clickhouse, tenant, *kpis, zone=zone, grains=grains)

    return make


def minutes(start: str, *offsets: float) -> list[datetime]:
    return [moment(start) + offset * MINUTE for offset in offsets]


def test_nothing_is_nothing(desk: MakeDesk) -> None:
    """Without telemetry there is no value; a client's call without an edge or a webhook is none of these KPIs."""
    here = desk()
    here.take(Span(moment("2026-03-02T08:00"), "Internal"), Span(moment("2026-03-02T08:00"), "Client", True))
    here.take(Gauge(moment("2026-03-02T08:00"), 5, name="depth"), Gauge(moment("2026-03-02T08:00"), 5, queue=""))
    for kpi in KPIS:
        assert here.told(kpi, "2026-03-02T00:00") == (), kpi


def test_api_latency(desk: MakeDesk) -> None:
    """Of five calls one failed (quickly); of the others two took 300 ms or less, three a second or less."""
    here, at = desk("api_latency_objective"), minutes("2026-03-02T08:00", 1, 2, 3, 4, 5, 6)
    slow = Span(at[3], "Server", name="GET /stock", seconds=30, service="warehouse")
    here.take(
        Span(at[0], "Server", seconds=0.1),
        Span(at[1], "Server", seconds=0.3),
        Span(at[2], "Server", seconds=0.9),
        slow,
        Span(at[4], "Server", True, seconds=0.01),
        Span(at[5], "Client", seconds=0.01),
    )
    assert here.told("api_latency_objective", "2026-03-02T00:00", "fast") == (2 / 4, 4, 1, 0)
    assert here.told("api_latency_objective", "2026-03-02T00:00", "acceptable") == (3 / 4, 4, 1, 0)
    assert here.told("api_latency_objective", "2026-03-02T08:00", "fast", "service=orders", "hour") == (2 / 3, 3, 1, 0)
    assert here.told("api_latency_objective", "2026-03-02T00:00", "fast", "route=warehouse GET /stock") == (0, 1, 0, 0)
    here.take(slow, Span(moment("2026-03-08T23:59"), "Server"), Span(moment("2026-03-09T00:00"), "Server"))
    assert here.told("api_latency_objective", "2026-03-02T00:00", "fast") == (2 / 4, 4, 1, 0), "sent again"
    assert here.told("api_latency_objective", "2026-03-02T00:00", "fast", grain="week") == (3 / 5, 5, 1, 0)
    assert here.told("api_latency_objective", "2026-03-01T00:00", "fast", grain="month") == (4 / 6, 6, 1, 0)


def test_only_failed_calls_have_no_latency(desk: MakeDesk) -> None:
    here = desk("api_latency_objective", grains=["day"])
    here.take(Span(moment("2026-03-02T08:00"), "Server", True))
    assert here.told("api_latency_objective", "2026-03-02T00:00", "fast") == (None, 0, 1, 0)


def test_webhooks(desk: MakeDesk) -> None:
    """Three deliveries: one at once, one at the second attempt, one at the third, which comes after midnight."""
    here = desk("webhook_failure_rate", "webhook_retry_rate")
    at = minutes("2026-03-02T23:50", 0, 1, 2, 3, 4, 12)
    last = attempt("paid", at[5], before=2)
    here.take(
        attempt("sent", at[0]),
        attempt("paid", at[1], True),
        attempt("paid", at[2], before=1),
        attempt("paid", at[3], True),
        attempt("paid", at[4], True, before=1),
    )
    here.take(last, last)
    assert here.told("webhook_failure_rate", "2026-03-02T00:00") == (3 / 5, 5, 0, 0)
    assert here.told("webhook_failure_rate", "2026-03-02T00:00", which="webhook=paid") == (3 / 4, 4, 0, 0)
    assert here.told("webhook_failure_rate", "2026-03-03T00:00", grain="hour") == (0, 1, 0, 0)
    assert here.told("webhook_retry_rate", "2026-03-02T00:00", "deliveries") == (2 / 3, 3, 0, 0)
    assert here.told("webhook_retry_rate", "2026-03-02T00:00", "attempts") == (2 / 5, 5, 0, 0)
    assert here.told("webhook_retry_rate", "2026-03-03T00:00", "deliveries") == (), "it began the day before"
    assert here.told("webhook_retry_rate", "2026-03-03T00:00", "attempts", "webhook=paid") == (1, 1, 0, 0)
    assert here.told("webhook_retry_rate", "2026-03-02T00:00", "attempts", grain="week") == (3 / 6, 6, 0, 0)


def test_queue_age(desk: MakeDesk) -> None:
    """Age 100 s for ten minutes, 1000 s for five, 0 for the fifteen for which a sample may hold, then unknown."""
    here = desk("queue_age", "queue_age_objective")
    here.take(*(Gauge(at, age) for at, age in zip(minutes("2026-03-02T08:00", 0, 10, 15), (100, 1000, 0), strict=True)))
    area, known = 100 * 600 + 1000 * 300, 1800
    one = here.value("queue_age", "2026-03-02T00:00", "mean")
    assert one is not None
    assert (one.value, one.numerator, one.denominator, one.sample_size) == (area / known, area, known, 3)
    assert here.told("queue_age", "2026-03-02T00:00", "p90") == (1000, 3, 0, 0)
    assert here.told("queue_age", "2026-03-02T08:00", "maximum", "queue=mq/q", "hour") == (1000, 3, 0, 0)
    assert here.told("queue_age_objective", "2026-03-02T00:00") == (300 / 1800, 3, 0, 0)
    here.take(
        Gauge(moment("2026-03-02T08:05"), 100),
        Gauge(moment("2026-03-02T08:00"), 100),
        *(Gauge(at, 0, queue="empty") for at in minutes("2026-03-02T08:00", 0, 15)),
    )
    known += 1800
    assert here.told("queue_age", "2026-03-02T00:00", "mean") == (area / known, 6, 0, 0), (
        "one repeated, one known before"
    )
    assert here.told("queue_age", "2026-03-02T00:00", "mean", "queue=mq/empty") == (0, 2, 0, 0)
    here.take(Gauge(moment("2026-03-02T08:20"), 3, flags=1), Gauge(moment("2026-03-02T08:21"), float("nan")))
    known -= 600
    assert here.told("queue_age", "2026-03-02T00:00", "mean") == (area / known, 6, 2, 0), (
        "nothing is known from then on"
    )
    assert here.told("queue_age_objective", "2026-03-01T00:00", grain="month") == (300 / known, 6, 2, 0)


def test_an_age_holds_into_the_next_hour(desk: MakeDesk) -> None:
    """But makes no hour by itself: until a sample came, nobody knows of it."""
    here = desk("queue_age", grains=["hour"])
    here.take(Gauge(moment("2026-03-02T08:50"), 60))
    assert here.told("queue_age", "2026-03-02T08:00", "mean", grain="hour") == (60, 1, 0, 0)
    assert here.told("queue_age", "2026-03-02T09:00", "mean", grain="hour") == ()
    here.take(Gauge(moment("2026-03-02T09:02"), 0))
    assert here.told("queue_age", "2026-03-02T09:00", "mean", grain="hour") == (60 * 120 / 1020, 2, 0, 0)
    here.take(Gauge(moment("2026-03-02T08:59"), 10))
    assert here.told("queue_age", "2026-03-02T08:00", "mean", grain="hour") == ((60 * 540 + 10 * 60) / 600, 2, 0, 0)
    assert here.told("queue_age", "2026-03-02T09:00", "mean", grain="hour") == (10 * 120 / 1020, 2, 0, 0), "late"


@pytest.mark.parametrize(("start", "hours"), [("2026-03-28T23:00", 23), ("2026-10-24T22:00", 25)])
def test_days_have_the_hours_that_they_have(desk: MakeDesk, start: str, hours: int) -> None:
    """Berlin's clocks go forward in March and back in October; the minutes before and after are of other days."""
    kpis, begin = ("queue_age", STABILITY, "peak_hour_capacity"), moment(start)
    here = desk(*kpis, zone="Europe/Berlin", grains=["day"])
    quarters = [begin + 15 * n * MINUTE for n in range(-1, hours * 4 + 1)]
    here.take(*(Gauge(at, 30) for at in quarters), *(call("a->b", at) for at in quarters))
    here.take(*(taken("q", begin + n * timedelta(hours=1)) for n in range(-1, hours + 1)))
    one = here.value("queue_age", start, "mean")
    assert one is not None
    assert (one.value, one.denominator, one.sample_size) == (30, hours * 3600, hours * 4)
    worked = here.value(STABILITY, start)
    assert worked is not None
    assert worked.numerator == hours * 3600, "the quarter of an hour before midnight is in it, the last one is not"
    assert here.told("peak_hour_capacity", start, "kept_up") == (1, hours, 0, 1)


def outage(edge: str, start: str, pattern: str) -> list[Span]:
    """Calls from a time on, one a minute: x failed, o did not, a blank is no call."""
    at = moment(start)
    return [call(edge, at + n * MINUTE, one == "x") for n, one in enumerate(pattern) if one != " "]


def test_outages(desk: MakeDesk) -> None:
    """a->b: from 9:00 to 9:10, known at 9:05 and over at 9:19. c->d: from 10:00 to 10:10, over the next day."""
    here = desk(STABILITY, RECOVERY)
    here.take(
        *outage("a->b", "2026-03-02T08:00", "oooooooooo"),
        *outage("a->b", "2026-03-02T09:00", "xxoxxxx   oooooooooo"),
        *outage("a->b", "2026-03-02T12:00", "o"),
        *outage("c->d", "2026-03-02T10:00", "xxxxx     ooo"),
    )
    assert here.told(STABILITY, "2026-03-02T00:00", which="edge=a->b") == (4 * 3600 - 600, 1, 0, 0)
    assert here.told(RECOVERY, "2026-03-02T00:00", which="edge=a->b") == (600, 1, 0, 0)
    assert here.told(STABILITY, "2026-03-02T00:00", which="edge=c->d") == (120, 1, 0, 1)
    assert here.told(RECOVERY, "2026-03-02T00:00", which="edge=c->d") == (None, 0, 0, 1)
    assert here.told(STABILITY, "2026-03-02T00:00") == ((4 * 3600 - 600 + 120) / 2, 2, 0, 1)
    assert here.told(RECOVERY, "2026-03-02T00:00") == (600, 1, 0, 1)
    here.take(*outage("c->d", "2026-03-03T08:00", "ooooooo"))
    assert here.told(RECOVERY, "2026-03-02T00:00") == (600, 1, 0, 1), "what was open at the end of the day stays so"
    assert here.told(RECOVERY, "2026-03-03T00:00") == (600, 1, 0, 0)
    next_day = here.value(STABILITY, "2026-03-03T00:00")
    assert next_day is not None
    assert (next_day.value, next_day.numerator) == (None, 21 * 3600 + 54 * 60), "since 10:12 the day before"
    week = here.value(STABILITY, "2026-03-02T00:00", grain="week")
    assert week is not None
    assert (week.value, week.sample_size, week.open_cases) == ((13_920 + 78_840) / 2, 2, 0)
    assert here.told(RECOVERY, "2026-03-01T00:00", grain="month") == (600, 2, 0, 0)


def test_what_is_no_outage(desk: MakeDesk) -> None:
    """Four failures; failures that are repeated with success; three failures among each eight calls."""
    here = desk(STABILITY, RECOVERY, grains=["day"])
    here.take(
        *outage("a->b", "2026-03-02T08:00", "xxxxooooooooooxxxxoooooooooo"),
        *outage("c->d", "2026-03-02T08:00", "xoooooooooo" * 6),
        *outage("e->f", "2026-03-02T08:00", "xooxooxo" * 6),
    )
    one = here.value(STABILITY, "2026-03-02T00:00")
    assert one is not None
    assert (one.value, one.sample_size, one.open_cases) == (None, 0, 0)
    assert one.numerator == 60 * (27 + 65 + 47)
    assert here.told(RECOVERY, "2026-03-02T00:00") == ()


def test_an_outage_belongs_to_the_day_that_knows_of_it(desk: MakeDesk) -> None:
    """In Kolkata the day ends at 18:30 UTC. Three calls fail before, two after."""
    here = desk(STABILITY, zone="Asia/Kolkata", grains=["day"])
    here.take(*outage("a->b", "2026-03-02T18:27", "xxxxx"))
    first, second = (here.value(STABILITY, at) for at in ("2026-03-01T18:30", "2026-03-02T18:30"))
    assert first is not None
    assert second is not None
    assert (first.value, first.numerator, first.open_cases) == (None, 120, 0)
    assert (second.value, second.sample_size, second.open_cases) == (0, 1, 1)


def test_a_day_looks_back_three_days(desk: MakeDesk) -> None:
    """A late call changes its own day and the three after it, where there are calls, and no other."""
    here = desk(STABILITY, grains=["day"])
    here.take(*(call("a->b", moment(f"2026-03-{day:02}T12:00")) for day in range(1, 9)))
    here.take(call("c->d", moment("2026-03-10T12:00")))
    before = here.clock.now()
    here.take(call("a->b", moment("2026-03-03T13:00")))
    found = series(here.ch, here.tenant, STABILITY)
    assert [one.computed_at > before for one in found] == [False, False, True, True, True, True, False, False, True]
    assert [one.numerator / 3600 for one in found] == [0, 24, 25, 23, 24, 24, 24, 24, 0]


def test_capacity(desk: MakeDesk) -> None:
    """q: 5 and 9 messages in hours that keep up, 8 and 6 in hours that fall behind, 4 when nobody knows. r: 7.2."""
    here = desk("peak_hour_capacity")
    messages = {"08": 5, "09": 8, "10": 6, "11": 9, "12": 4}
    ages = {"07:59": 0, "08:59": 10, "09:59": 1200, "10:59": 3000, "11:59": 600}
    here.take(
        *(Gauge(moment(f"2026-03-02T{at}"), age) for at, age in ages.items()),
        *(taken("q", at) for hour, count in messages.items() for at in minutes(f"2026-03-02T{hour}:00", *range(count))),
        taken("q", moment("2026-03-03T00:10")),
        Gauge(moment("2026-03-03T00:50"), 5),
    )
    assert here.told("peak_hour_capacity", "2026-03-02T00:00", "kept_up", "queue=mq/q") == (9, 2, 1, 0)
    assert here.told("peak_hour_capacity", "2026-03-02T00:00", "fell_behind", "queue=mq/q") == (7, 2, 1, 0)
    again = Gauge(moment("2026-03-02T08:20"), 0.001, "r", "deliver_rate")
    here.take(
        *(Gauge(moment(f"2026-03-02T{at}"), 0, "r") for at in ("07:50", "08:50")),
        Gauge(moment("2026-03-02T08:40"), 0.003, "r", "deliver_rate"),
        again,
        again,
    )
    lower_bound = here.told("peak_hour_capacity", "2026-03-02T00:00", "kept_up", "queue=mq/r")
    assert lower_bound == (pytest.approx(7.2), 1, 0, 1), "demand never came near it"
    assert here.told("peak_hour_capacity", "2026-03-02T00:00", "fell_behind", "queue=mq/r") == ()
    assert here.told("peak_hour_capacity", "2026-03-02T00:00", "kept_up") == (pytest.approx(12.2), 2, 1, 0)
    assert here.told("peak_hour_capacity", "2026-03-03T00:00", "kept_up") == (None, 0, 1, 0)
    here.take(Gauge(moment("2026-03-02T23:50"), 5))
    assert here.told("peak_hour_capacity", "2026-03-03T00:00", "kept_up") == (1, 1, 0, 1), "it holds until midnight"


def test_weeks_of_a_statement_need_its_days(tmp_path: Path) -> None:
    """They are added up from them, which a percentile cannot be."""
    text = (Path(load_catalogue.__code__.co_filename).parent / "catalogue" / "queue_age.toml").read_text()
    for grains, reason in (('"hour", "week"', "add 'day'"), ('"day", "week"', "not 'p90'")):
        file = tmp_path / "queue_age.toml"
        file.write_text(
            text.replace('"hour", "day"', grains).replace('name = "p90"', 'name = "p90"\nstatistic = "p90"')
        )
        with pytest.raises(ConfigurationError, match=reason):
            load_definition(file)


@pytest.mark.parametrize(
    ("seed", "kpis"), [(1, (STABILITY, RECOVERY)), (2, ("queue_age",)), (3, ("peak_hour_capacity",))]
)
def test_late_and_repeated_telemetry_gives_the_same_numbers(
    clickhouse: ClickHouse, tenant: str, seed: int, kpis: tuple[str, ...]
) -> None:
    """In Berlin, around the change of its clocks; once in three parts, in any order, some of it twice."""
    some, start = random.Random(seed), moment("2026-03-28T20:00")

    def at() -> datetime:
        return start + some.randrange(-1440, 1440) * MINUTE

    told: list[Item] = [*outage("a->b", "2026-03-28T22:57", "xxxxxx oooooooooo")]
    told += [call(some.choice(["a->b", "b->c"]), at(), some.random() < 0.6) for _ in range(40)]
    told += [Gauge(at(), some.randrange(4000), some.choice("qr")) for _ in range(60)]
    told += [taken("q", at()) for _ in range(60)]
    told += [Gauge(start + 10 * n * MINUTE, 50 * n) for n in range(24)]
    once, often = (Desk(clickhouse, f"{tenant}-{n}", *kpis, zone="Europe/Berlin", grains=["day"]) for n in range(2))
    once.take(*told)
    some.shuffle(told)
    often.take(*told[:50])
    often.take(*told[50:120], *told[:5])
    often.take(*told[120:], *told[40:60])
    one, two = figures(often), figures(once)
    assert len(two) > 5
    assert {key: (one.get(key), two.get(key)) for key in one | two if one.get(key) != two.get(key)} == {}


def figures(of: Desk) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Everything stored for the tenant that says something."""
    found = of.ch.query(
        "SELECT KpiId, Basis, DimensionValue, Grain, BucketStart, Value, Numerator, Denominator, SampleSize, Excluded, "
        "OpenCases FROM kpi_values FINAL WHERE TenantId = {tenant:String} AND Grain != 'run' "
        "AND (SampleSize > 0 OR Excluded > 0 OR OpenCases > 0 OR Numerator > 0)",
        {"tenant": of.tenant},
    )
    return {row[:5]: row[5:] for row in found.rows}
