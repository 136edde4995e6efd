"""The product's numbers computed a second time, in plain Python, from what the simulated retailer did.

It follows the written definitions (docs/kpis.md, docs/read-models.md), not the product's statements: it walks each
line, return and span by itself. It is slow, knows the simulated retailer's conventions only, and wants every fact once.
Times are nanoseconds since the Unix epoch, durations seconds unless a name says otherwise. Cases: `oracle_process`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from demo.model.facts import DAY, HOUR, SECOND, Attributes, Fact, GaugeFact, Kind, LogFact, SpanFact

Bucket = datetime
CUSTOMER = "customer"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def percentile(values: Iterable[float], share: float) -> float:
    """Interpolated between neighbours; the median of an even number is the mean of the middle two."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def moment(at: int) -> datetime:
    """To the microsecond, as the product shows it."""
    return EPOCH + timedelta(microseconds=at // 1_000)


def bucket_of(at: int, grain: str, zone: str) -> Bucket:
    """The start of the hour or of the day on the zone's clock, as an instant in UTC."""
    local = datetime.fromtimestamp(at // SECOND, ZoneInfo(zone))
    hour = 0 if grain == "day" else local.hour
    return local.replace(hour=hour, minute=0, second=0, fold=local.fold).astimezone(UTC)


@dataclass(frozen=True)
class Event:
    """A business event of a case."""

    stream: str
    case: str
    at: int
    seq: int
    id: str
    name: str
    start: int | None
    units: Fraction | None
    amount: Decimal | None
    currency: str
    attributes: Attributes

    @property
    def begun(self) -> int:
        """Its start where known."""
        return self.at if self.start is None else self.start

    @property
    def order(self) -> tuple[int, int, int, str]:
        """Its place in a case."""
        return self.begun, self.at, self.seq, self.id


def _nanoseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * SECOND


def _event(log: LogFact) -> Event:
    a = log.attributes
    return Event(
        str(a["retail.stream"]),
        str(a["retail.case.id"]),
        log.at,
        int(a["retail.seq"]),
        str(a["retail.event.id"]),
        log.name,
        _nanoseconds(str(a["retail.step.start"])) if "retail.step.start" in a else None,
        Fraction(str(a["retail.quantity"])) if "retail.quantity" in a else None,
        Decimal(str(a["retail.amount"])) if "retail.amount" in a else None,
        str(a.get("retail.currency", "")),
        a,
    )


@dataclass
class History:
    """Everything the retailer told in a window."""

    spans: list[SpanFact] = field(default_factory=list)
    logs: list[LogFact] = field(default_factory=list)
    gauges: list[GaugeFact] = field(default_factory=list)
    _cases: dict[str, dict[str, list[Event]]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> History:
        """Facts by their type."""
        told = cls()
        for fact in facts:
            if isinstance(fact, SpanFact):
                told.spans.append(fact)
            elif isinstance(fact, LogFact):
                told.logs.append(fact)
            else:
                told.gauges.append(fact)
        return told

    def cases(self, stream: str) -> dict[str, list[Event]]:
        """The business events of every case of a stream, in order; read once."""
        if stream in self._cases:
            return self._cases[stream]
        found: dict[str, list[Event]] = defaultdict(list)
        for log in self.logs:
            if _of_a_case(log) and log.attributes["retail.stream"] == stream:
                event = _event(log)
                found[event.case].append(event)
        self._cases[stream] = {case: sorted(events, key=lambda event: event.order) for case, events in found.items()}
        return self._cases[stream]

    @property
    def streams(self) -> list[str]:
        """Those that have business events."""
        return sorted({str(log.attributes["retail.stream"]) for log in self.logs if _of_a_case(log)})


def _of_a_case(log: LogFact) -> bool:
    return bool(log.name and log.attributes.get("retail.stream") and log.attributes.get("retail.case.id"))


# --- KPIs ---


@dataclass
class Value:
    """What a KPI says of a bucket."""

    value: float | None
    numerator: float
    denominator: float
    sample: int
    excluded: int = 0
    open: int = 0


@dataclass
class _Line:
    placed: int
    ordered: Fraction
    price: Fraction
    shipped: Fraction = Fraction(0)
    withdrawn: Fraction = Fraction(0)
    denied: Fraction = Fraction(0)

    @property
    def wanted(self) -> Fraction:
        return self.ordered - self.withdrawn

    @property
    def excluded(self) -> bool:
        return not self.wanted

    @property
    def open(self) -> bool:
        return self.shipped + self.withdrawn + self.denied < self.ordered

    @property
    def filled(self) -> bool:
        return self.shipped >= self.wanted


def _lines(events: Sequence[Event]) -> list[_Line]:
    """The lines of an order as they stand at the end: units ordered, shipped, withdrawn and denied."""
    lines: dict[str, _Line] = {}
    for event in events:
        if event.name == "retail.order.line.placed":
            assert event.units is not None
            assert event.amount is not None
            key = str(event.attributes["retail.order.line.id"])
            assert key not in lines, "the retailer places a line once"
            lines[key] = _Line(event.at, event.units, Fraction(event.amount) / event.units)
    for event in events:
        if event.name in ("retail.order.line.shipped", "retail.order.line.cancelled"):
            line = lines[str(event.attributes["retail.order.line.id"])]
            assert event.units is not None
            if event.name.endswith("shipped"):
                line.shipped += event.units
            elif event.attributes["retail.cancel.reason"] == CUSTOMER:
                line.withdrawn += event.units
            else:
                line.denied += event.units
    for line in lines.values():
        assert line.shipped + line.withdrawn + line.denied <= line.ordered, "the retailer decides a unit once"
    return list(lines.values())


def fill_rate(told: History, grain: str, zone: str = "UTC") -> dict[tuple[str, Bucket], Value]:
    """By basis and bucket. A failed order was never accepted: what is left of its lines is no demand.

    A cancelled order decides what is left of its lines, but the retailer always cancels each line, too.
    """
    lines: dict[Bucket, list[_Line]] = defaultdict(list)
    orders: dict[Bucket, list[list[_Line]]] = defaultdict(list)
    for events in told.cases("order-to-cash").values():
        order = _lines(events)
        if any(event.name == "retail.order.failed" for event in events):
            for line in order:
                line.withdrawn = line.ordered - line.shipped - line.denied
        if any(event.name == "retail.order.cancelled" for event in events):
            assert not any(line.open for line in order)
        for line in order:
            lines[bucket_of(line.placed, grain, zone)].append(line)
        if order:
            orders[bucket_of(min(line.placed for line in order), grain, zone)].append(order)
    found: dict[tuple[str, Bucket], Value] = {}
    for bucket, placed in lines.items():
        kept = [line for line in placed if not line.excluded]
        decided = [line for line in kept if not line.open]
        counts = (len(decided), len(placed) - len(kept), len(kept) - len(decided))
        found["line", bucket] = _ratio(sum(line.filled for line in decided), len(decided), *counts)
        sent = [min(line.shipped, line.wanted) for line in decided]
        found["unit", bucket] = _ratio(sum(sent), sum(line.wanted for line in decided), *counts)
        value = sum(units * line.price for units, line in zip(sent, decided, strict=True))
        found["value", bucket] = _ratio(value, sum(line.wanted * line.price for line in decided), *counts)
    for bucket, group in orders.items():
        wanted = [[line for line in order if not line.excluded] for order in group]
        ruled = [order for order in wanted if order and not any(line.open for line in order)]
        gone = sum(not order for order in wanted)
        filled = sum(all(line.filled for line in order) for order in ruled)
        found["order", bucket] = _ratio(filled, len(ruled), len(ruled), gone, len(group) - gone - len(ruled))
    return found


def _ratio(part: float | Fraction, whole: float | Fraction, sample: int, excluded: int = 0, opened: int = 0) -> Value:
    return Value(float(part / Fraction(whole)) if whole else None, float(part), float(whole), sample, excluded, opened)


def refund_turnaround(told: History, grain: str, zone: str = "UTC") -> dict[tuple[str, Bucket], Value]:
    """By basis (median, p90) and bucket: of the refund, and while there is none of the receipt, until it is closed."""
    waits: dict[Bucket, list[float]] = defaultdict(list)
    excluded: Counter[Bucket] = Counter()
    waiting: Counter[Bucket] = Counter()
    for events in told.cases("return-to-resolution").values():
        first: dict[str, int] = {}
        for event in sorted(events, key=lambda event: event.at):
            first.setdefault(event.name, event.at)
        received, issued = first.get("retail.return.received"), first.get("retail.refund.issued")
        if issued is not None and received is not None:
            waits[bucket_of(issued, grain, zone)].append(max(issued - received, 0) / SECOND)
        elif issued is not None:
            excluded[bucket_of(issued, grain, zone)] += 1
        elif received is not None and "retail.return.closed" not in first:
            waiting[bucket_of(received, grain, zone)] += 1
    found = {}
    for bucket in waits.keys() | excluded.keys() | waiting.keys():
        for basis, share in (("median", 0.5), ("p90", 0.9)):
            took = waits.get(bucket, [])
            value = percentile(took, share) if took else None
            found[basis, bucket] = Value(value, sum(took), len(took), len(took), excluded[bucket], waiting[bucket])
    return found


def integration_failures(told: History, grain: str, zone: str = "UTC") -> dict[tuple[str, Bucket], Value]:
    """By edge ('' is the total) and bucket."""
    calls: Counter[tuple[str, Bucket]] = Counter()
    failures: Counter[tuple[str, Bucket]] = Counter()
    for span in told.spans:
        edge = str(span.attributes.get("retail.edge", ""))
        if edge and span.kind in (Kind.CLIENT, Kind.PRODUCER):
            for key in (edge, bucket_of(span.start, grain, zone)), ("", bucket_of(span.start, grain, zone)):
                calls[key] += 1
                failures[key] += bool(span.error)
    return {key: _ratio(failures[key], count, count) for key, count in calls.items()}


# --- telemetry ---


def api_latency(told: History, start: int, end: int) -> dict[tuple[str, str], tuple[int, int, float, float, float]]:
    """Calls, errors, p50, p95 and p99 (ms) by system and operation."""
    calls: dict[tuple[str, str], list[SpanFact]] = defaultdict(list)
    for span in told.spans:
        if span.kind is Kind.SERVER and start <= span.start < end:
            calls[span.service, span.name].append(span)
    found = {}
    for key, spans in calls.items():
        took = [(span.at - span.start) / 1_000_000 for span in spans]
        p50, p95, p99 = (percentile(took, share) for share in (0.5, 0.95, 0.99))
        found[key] = len(spans), sum(bool(span.error) for span in spans), p50, p95, p99
    return found


def webhooks(told: History, start: int, end: int) -> dict[tuple[str, str], tuple[int, int, datetime | None, str]]:
    """Attempts, failures, time and words of the last failure, by webhook and edge."""
    tried: dict[tuple[str, str], list[SpanFact]] = defaultdict(list)
    for span in told.spans:
        if span.kind is Kind.CLIENT and "retail.webhook.name" in span.attributes and start <= span.start < end:
            key = str(span.attributes["retail.webhook.name"]), str(span.attributes["retail.edge"])
            tried[key].append(span)
    found = {}
    for key, spans in tried.items():
        failed = [span for span in spans if span.error]
        last = max(failed, key=lambda span: span.start) if failed else None
        found[key] = (len(spans), len(failed), moment(last.start) if last else None, last.error if last else "")
    return found


@dataclass(frozen=True)
class Queue:
    """A queue as it stands."""

    depth: float
    at: datetime
    age: float
    usual: float | None
    samples: Mapping[datetime, float]


def queues(told: History, now: int, window: int) -> dict[tuple[str, str], Queue]:
    """By messaging system and destination; `samples` are all depths of the window by their time."""
    depths: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    ages: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for gauge in told.gauges:
        key = str(gauge.attributes["messaging.system"]), str(gauge.attributes["messaging.destination.name"])
        kinds = {"retail.queue.depth": depths, "retail.queue.oldest_age": ages}
        kinds[gauge.name][key][gauge.at] = gauge.value
    found = {}
    for key, series in depths.items():
        recent = {at: value for at, value in series.items() if now - window < at <= now}
        if recent:
            hour = now // HOUR * HOUR
            then = [v for weeks in (7, 14) for at, v in series.items() if 0 <= at - (hour - weeks * DAY) < HOUR]
            last = max(recent)
            age = ages[key][max(at for at in ages[key] if at <= now)]
            samples = {moment(at): value for at, value in recent.items()}
            found[key] = Queue(recent[last], moment(last), age, percentile(then, 0.5) if then else None, samples)
    return found
